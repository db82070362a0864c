//! A small world: the host with one interface to the outside, and stacks of containers, each in a network namespace of
//! its own that lives as long as its thread.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use kleene_linux::{LinuxConfig, LinuxPlatform};
use kleene_plan::{
    Action, Address, Bridge, Direction, FilterRule, Id, InterfaceMatch, InterfaceName, MacAddress, NatRule,
    Op, Owner, Pair, PortRange, Protocol, RdrRule, Rule,
};
use kleene_platform::Platform;
use rustix::thread::UnshareFlags;

use super::{enter, own_mounts};

/// How long an answer is waited for; a fresh interface may lose the first packet, and ARP repeats after a second.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long is waited for an answer that must not come.
const SILENCE: Duration = Duration::from_millis(400);

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with a thread in it.
pub struct Stack {
    jobs: Sender<Job>,
    tid: u32,
}

impl Stack {
    pub fn new() -> Self {
        let (jobs, queue) = channel::<Job>();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            enter(UnshareFlags::NEWNET);
            ip("link set lo up");
            tell.send(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs())
                .unwrap();
            queue.iter().for_each(|job| job());
        });
        Self {
            jobs,
            tid: told.recv().unwrap(),
        }
    }

    /// Does something in the namespace.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        self.jobs
            .send(Box::new(move || tell.send(job()).unwrap()))
            .unwrap();
        told.recv().expect("the job panicked")
    }

    pub fn ip(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.run(move || ip(&arguments));
    }

    /// Answers on a port with the name and the address that the server saw, for TCP and UDP.
    pub fn serve(&self, name: &'static str, port: u16) {
        self.run(move || serve(name, port));
    }

    /// What a server at the address answers; `None`: no connection.
    pub fn ask(&self, address: &str) -> Option<String> {
        let address = address.parse().unwrap();
        self.run(move || ask(address, PATIENCE))
    }

    /// Whether neither TCP nor UDP gets an answer from the address.
    pub fn is_kept_from(&self, address: &str) -> bool {
        let address = address.parse().unwrap();
        self.run(move || {
            ask(address, SILENCE)
                .or_else(|| ask_udp(address, SILENCE))
                .is_none()
        })
    }

    pub fn ask_udp(&self, address: &str) -> Option<String> {
        let address = address.parse().unwrap();
        self.run(move || ask_udp(address, PATIENCE))
    }
}

pub fn serve(name: &'static str, port: u16) {
    let listener = TcpListener::bind(("::", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let peer = stream.peer_addr().unwrap().ip().to_canonical();
            let _ = write!(stream, "{name} sees {peer}");
        }
    });
    let socket = UdpSocket::bind(("::", port)).unwrap();
    std::thread::spawn(move || {
        loop {
            let (_, peer) = socket.recv_from(&mut [0; 16]).unwrap();
            let text = format!("{name} sees {}", peer.ip().to_canonical());
            socket.send_to(text.as_bytes(), peer).unwrap();
        }
    });
}

/// What a server at the address answers to the host.
pub fn host_asks(address: &str) -> Option<String> {
    ask(address.parse().unwrap(), PATIENCE)
}

/// Whether the host gets no answer from the address.
pub fn host_is_kept_from(address: &str) -> bool {
    ask(address.parse().unwrap(), SILENCE).is_none()
}

fn ask(address: SocketAddr, patience: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn ask_udp(address: SocketAddr, patience: Duration) -> Option<String> {
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
    socket.set_read_timeout(Some(SILENCE / 2)).unwrap();
    socket.connect(address).ok()?;
    let end = Instant::now() + patience;
    while Instant::now() < end {
        let mut answer = [0; 64];
        if socket.send(b"?").is_ok()
            && let Ok(length) = socket.recv(&mut answer)
        {
            return Some(String::from_utf8_lossy(&answer[..length]).into_owned());
        }
    }
    None
}

pub fn ip(arguments: &str) {
    run("ip", arguments);
}

/// Runs a tool and gives its output.
pub fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The host and the outside.
pub struct World {
    pub platform: LinuxPlatform,
    pub outside: Stack,
    pub directory: tempfile::TempDir,
}

impl World {
    /// The host has 192.0.2.1 and fd01::1 on `em0`; the outside has .2 and ::2 and knows a way to all containers.
    pub fn new() -> Self {
        own_mounts();
        enter(UnshareFlags::NEWNET);
        let outside = Stack::new();
        filter_bridged_frames(false);
        ip("link set lo up");
        ip(&format!(
            "link add em0 type veth peer name out0 netns {}",
            outside.tid
        ));
        for (run, own, other, name) in [(None, 1, 2, "em0"), (Some(&outside), 2, 1, "out0")] {
            let ip =
                |arguments: String| run.map_or_else(|| ip(&arguments), |stack: &Stack| stack.ip(&arguments));
            ip(format!("address add 192.0.2.{own}/24 dev {name}"));
            ip(format!("address add fd01::{own}/64 dev {name} nodad"));
            ip(format!("link set {name} up"));
            ip(format!("route add default via 192.0.2.{other}"));
            ip(format!("-6 route add default via fd01::{other}"));
        }
        let directory = tempfile::tempdir().unwrap();
        Self {
            platform: open(directory.path()),
            outside,
            directory,
        }
    }

    /// As after a crash of the daemon.
    pub fn reopened(self) -> Self {
        let Self {
            platform,
            outside,
            directory,
        } = self;
        drop(platform);
        Self {
            platform: open(directory.path()),
            outside,
            directory,
        }
    }

    pub fn apply(&self, op: Op) {
        self.platform
            .apply(&op)
            .unwrap_or_else(|error| panic!("{op}: {error}"));
        assert!(
            !self.platform.would_change(&op).unwrap(),
            "applied twice it changes something: {op}"
        );
    }

    /// Network number n has 10.0.n.1 on `kleene<n>`, and its rules.
    pub fn network(&self, n: u8, flags: Flags) {
        self.apply(Op::EnsureForwarding(kleene_plan::Family::Inet));
        self.apply(Op::EnsureForwarding(kleene_plan::Family::Inet6));
        let addresses = vec![net(&format!("10.0.{n}.1/24")), net(&format!("fd00:{n}::1/64"))];
        self.apply(Op::EnsureBridge(Bridge {
            name: bridge(n),
            owner: network(n),
            addresses,
        }));
        self.apply(Op::SetRules {
            owner: network(n),
            rules: network_rules(n, flags),
        });
    }

    /// A container at 10.0.n.h in network n.
    pub fn container(&self, n: u8, h: u8, isolated: bool) -> Stack {
        let id = endpoint_id(n, h);
        let (host, jail): (InterfaceName, InterfaceName) = (
            format!("kv{n}.{h}").parse().unwrap(),
            format!("kj{n}.{h}").parse().unwrap(),
        );
        self.apply(Op::EnsurePair(Pair {
            host: host.clone(),
            jail: jail.clone(),
            bridge: bridge(n),
            mac: MacAddress::of_endpoint(&id),
            isolated,
            owner: Owner::Endpoint(id),
        }));
        let stack = Stack::new();
        ip(&format!("link set {jail} netns {}", stack.tid));
        stack.ip(&format!("address add 10.0.{n}.{h}/24 dev {jail}"));
        stack.ip(&format!("address add fd00:{n}::{h:x}/64 dev {jail} nodad"));
        stack.ip(&format!("link set {jail} up"));
        stack.ip(&format!("route add default via 10.0.{n}.1"));
        stack.ip(&format!("-6 route add default via fd00:{n}::1"));
        stack
    }

    /// Publishes host port `ports` as `to_ports` of 10.0.n.h.
    pub fn publish(&self, n: u8, h: u8, port: Published) {
        self.apply(Op::SetRules {
            owner: Owner::Endpoint(endpoint_id(n, h)),
            rules: endpoint_rules(n, h, port),
        });
    }

    /// Gives an address on `em0` to a container, which is closed but for a port.
    pub fn guest(&self, address: &str, port: u16) {
        let address = IpNet::from(address.parse::<IpAddr>().unwrap());
        let closed = FilterRule {
            action: Action::Block,
            direction: Direction::In,
            quick: false,
            log: true,
            interface: InterfaceMatch::Any,
            protocol: None,
            from: Address::Any,
            to: Address::Net(address),
            to_ports: None,
        };
        let open = |interface| FilterRule {
            action: Action::Pass,
            direction: Direction::Both,
            quick: true,
            log: false,
            interface,
            protocol: Some(Protocol::Tcp),
            to_ports: Some(PortRange::single(port)),
            ..closed.clone()
        };
        let open = [InterfaceMatch::Named(em0()), InterfaceMatch::KleeneNetworks].map(open);
        self.apply(Op::EnsureAlias {
            interface: em0(),
            address,
        });
        self.apply(Op::SetRules {
            owner: Owner::Endpoint(endpoint_id(9, 50)),
            rules: [closed].into_iter().chain(open).map(Rule::Filter).collect(),
        });
    }
}

/// What br_netfilter does where it is loaded: frames that stay within a bridge pass the firewall, or not.
pub fn filter_bridged_frames(yes: bool) {
    for family in ["iptables", "ip6tables"] {
        let setting = format!("/proc/sys/net/bridge/bridge-nf-call-{family}");
        if std::path::Path::new(&setting).exists() {
            std::fs::write(setting, if yes { "1" } else { "0" }).unwrap();
        }
    }
}

fn open(directory: &std::path::Path) -> LinuxPlatform {
    let config = LinuxConfig {
        root: directory.join("root"),
        run_dir: directory.join("run"),
        supervisor: vec!["/bin/false".into()],
    };
    LinuxPlatform::open(config).unwrap()
}

pub fn bridge(n: u8) -> InterfaceName {
    format!("kleene{n}").parse().unwrap()
}

pub fn network(n: u8) -> Owner {
    Owner::Network(format!("aaaaaaaaaa{n:02x}").parse().unwrap())
}

pub fn endpoint_id(n: u8, h: u8) -> Id {
    format!("eeeeeeee{n:02x}{h:02x}").parse().unwrap()
}

pub fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub fn em0() -> InterfaceName {
    "em0".parse().unwrap()
}

/// What a network's rules depend on.
#[derive(Clone, Copy)]
pub struct Flags {
    pub icc: bool,
    pub internal: bool,
    pub nat: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            icc: true,
            internal: false,
            nat: true,
        }
    }
}

/// The rules that the contract gives a network (semantics, section 9).
pub fn network_rules(n: u8, flags: Flags) -> Vec<Rule> {
    let mut rules = Vec::new();
    let subnets = [net(&format!("10.0.{n}.0/24")), net(&format!("fd00:{n}::/64"))];
    for subnet in subnets {
        let rule = |action, direction, quick, interface, from, to| {
            Rule::Filter(FilterRule {
                action,
                direction,
                quick,
                log: action == Action::Block,
                interface,
                protocol: None,
                from,
                to,
                to_ports: None,
            })
        };
        let (any, within) = (Address::Any, Address::Net(subnet));
        if flags.nat && !flags.internal {
            rules.push(Rule::Nat(NatRule {
                interface: em0(),
                from: subnet,
            }));
        }
        rules.push(rule(
            Action::Block,
            Direction::In,
            false,
            InterfaceMatch::Any,
            any.clone(),
            within.clone(),
        ));
        if flags.icc {
            for on in [bridge(n), "lo".parse().unwrap()] {
                let on = InterfaceMatch::Named(on);
                rules.push(rule(
                    Action::Pass,
                    Direction::Both,
                    true,
                    on,
                    within.clone(),
                    within.clone(),
                ));
            }
        }
        if flags.internal {
            for on in [InterfaceMatch::KleeneNetworks, InterfaceMatch::Named(em0())] {
                rules.push(rule(
                    Action::Block,
                    Direction::Out,
                    true,
                    on,
                    within.clone(),
                    any.clone(),
                ));
            }
        }
    }
    rules
}

/// A published port.
#[derive(Clone)]
pub struct Published {
    pub protocol: Protocol,
    pub on: InterfaceMatch,
    pub ports: PortRange,
    pub to_ports: PortRange,
}

impl Published {
    pub fn tcp(port: u16, to: u16) -> Self {
        Self {
            protocol: Protocol::Tcp,
            on: InterfaceMatch::Any,
            ports: PortRange::single(port),
            to_ports: PortRange::single(to),
        }
    }
}

/// The rules that the contract gives an endpoint with a published port.
pub fn endpoint_rules(n: u8, h: u8, port: Published) -> Vec<Rule> {
    let targets: BTreeMap<&str, IpAddr> = BTreeMap::from([
        ("inet", format!("10.0.{n}.{h}").parse().unwrap()),
        ("inet6", format!("fd00:{n}::{h:x}").parse().unwrap()),
    ]);
    let mut rules = Vec::new();
    for to in targets.into_values() {
        rules.push(Rule::Rdr(RdrRule {
            interface: port.on.clone(),
            protocol: port.protocol,
            ports: port.ports,
            to,
            to_ports: port.to_ports,
        }));
        for interface in [InterfaceMatch::Named(em0()), InterfaceMatch::KleeneNetworks] {
            rules.push(Rule::Filter(FilterRule {
                action: Action::Pass,
                direction: Direction::Both,
                quick: true,
                log: false,
                interface,
                protocol: Some(port.protocol),
                from: Address::Any,
                to: Address::Net(IpNet::from(to)),
                to_ports: Some(port.to_ports),
            }));
        }
    }
    rules
}
