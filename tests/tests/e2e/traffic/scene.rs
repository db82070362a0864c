//! A network with containers on it, other machines around it, and the table of who reaches what. Not a test.
//!
//! ```text
//!            own   secret published world
//! web        TUI   TU     TU        TUI as the host
//! ```
//!
//! Rows are who asks: the container `web`, which serves; its neighbour on the same network; a stranger on another one;
//! the host; another machine outside. Columns are what is asked: `web` at its own address, port 80, which is published,
//! and port 81, which is not; the published port at the host's address; and the machine outside. The answers: T over
//! TCP, U over UDP, I over ICMP, and for the world as whom it sees who asks.

use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kleene_tests::{HOST, HOST6, Host, OUTSIDE, OUTSIDE6};

/// How long a change may take to be seen everywhere: a lost packet, a server that starts.
const SETTLES: Duration = Duration::from_secs(6);
/// What asks and answers.
pub const PROBE: &str = env!("CARGO_BIN_EXE_traffic-probe");

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

pub const BOTH: &[Family] = &[Family::V4, Family::V6];

impl Family {
    fn pick<T>(self, v4: T, v6: T) -> T {
        match self {
            Self::V4 => v4,
            Self::V6 => v6,
        }
    }

    fn host(self) -> &'static str {
        self.pick(HOST, HOST6)
    }

    fn outside(self) -> &'static str {
        self.pick(OUTSIDE, OUTSIDE6)
    }

    /// An address and port as one writes them.
    fn at(self, address: &str, port: u16) -> String {
        match self {
            Self::V4 => format!("{address}:{port}"),
            Self::V6 => format!("[{address}]:{port}"),
        }
    }
}

/// What a network is made of, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// Options of `klee network create`, but for the subnets.
    pub network: &'static str,
    /// The driver of the containers.
    pub driver: &'static str,
    /// The families of the network.
    pub families: &'static [Family],
    /// Its subnets, without the last part: of IPv4 (a /24) and IPv6 (a /64).
    pub subnets: (&'static str, &'static str),
    /// Whether the host's firewall is asked about bridged frames as well.
    pub bridged_frames_are_filtered: bool,
}

impl Cell {
    pub const fn new(network: &'static str, driver: &'static str) -> Self {
        Self {
            network,
            driver,
            families: BOTH,
            subnets: ("10.1.0.", "fd00:1::"),
            bridged_frames_are_filtered: false,
        }
    }

    fn address(&self, family: Family, last: u8) -> String {
        format!("{}{last}", family.pick(self.subnets.0, self.subnets.1))
    }
}

/// The network of a cell, with everybody on it and around it.
pub struct Scene {
    pub host: Host,
    cell: Cell,
    _world: Child,
}

/// A server on another machine, which ends with the host.
fn serve_outside(host: &Host) -> Child {
    host.sandbox()
        .outside(PROBE)
        .args(["serve", "world", "80"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// A host with the image `probe`.
pub fn host_with_probe() -> Host {
    let host = Host::start();
    host.klee(&format!(
        "image create -t probe host --bin {PROBE} --bin /bin/busybox"
    ))
    .ok();
    host
}

/// Whether bridged frames pass the firewall, as other container engines and hypervisors want it (br_netfilter).
pub fn filter_bridged_frames(host: &Host, wanted: bool) {
    for setting in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        let file = format!("/proc/sys/net/bridge/{setting}");
        let value = i32::from(wanted);
        if wanted || host.run(&format!("test -e {file}")).succeeded() {
            host.run(&format!("sh -c 'echo {value} > {file}'")).ok();
        }
    }
}

impl Scene {
    pub fn new(cell: Cell) -> Self {
        let host = host_with_probe();
        filter_bridged_frames(&host, cell.bridged_frames_are_filtered);
        let world = serve_outside(&host);
        // The other machine knows the way to the containers: nothing but the firewall keeps it out.
        for family in cell.families {
            let (option, length) = family.pick(("-4", 24), ("-6", 64));
            let net = format!("{}/{length}", cell.address(*family, 0));
            if !cell
                .address(*family, 0)
                .starts_with(family.pick("192.0.2.", "2001:db8::"))
            {
                host.run_outside(&format!("ip {option} route add {net} via {}", family.host()))
                    .ok();
            }
        }
        let subnet = |family: &Family| {
            let (option, length) = family.pick(("--subnet", 24), ("--subnet6", 64));
            format!(
                "{option} {}/{length}",
                cell.address(*family, 0).replace("::0", "::")
            )
        };
        let subnets: Vec<_> = cell.families.iter().map(subnet).collect();
        host.klee(&format!(
            "network create {} {} net",
            cell.network,
            subnets.join(" ")
        ))
        .ok();
        host.klee("network create -t bridge --subnet 10.9.0.0/24 --subnet6 fd00:9::/64 other")
            .ok();
        let scene = Self {
            host,
            cell,
            _world: world,
        };
        scene.wait_beside("neighbour", 51);
        scene
            .host
            .klee("run -d --name stranger -l vnet -n other probe /bin/busybox sleep 1000")
            .ok();
        scene
    }

    /// A container on the network that only asks.
    fn wait_beside(&self, name: &str, last: u8) {
        let line = format!(
            "run -d --name {name} -l {} -n net {} probe /bin/busybox sleep 1000",
            self.cell.driver,
            self.addresses(last)
        );
        self.host.klee(&line).ok();
    }

    /// The container that serves, with its ports published.
    pub fn start_web(&self) {
        let line = format!(
            "run -d --name web -l {} -n net {} -p 8080:80 -p 8080:80/udp probe {PROBE} serve web 80 81",
            self.cell.driver,
            self.addresses(50)
        );
        self.host.klee(&line).ok();
    }

    fn addresses(&self, last: u8) -> String {
        let option = |family: &Family| {
            format!(
                "{} {}",
                family.pick("--ip", "--ip6"),
                self.cell.address(*family, last)
            )
        };
        let options: Vec<_> = self.cell.families.iter().map(option).collect();
        options.join(" ")
    }

    /// Fails unless this is the table, in each family, before long.
    #[track_caller]
    pub fn expect(&self, when: &str, table: &str) {
        let wanted = normal(table);
        let deadline = Instant::now() + SETTLES;
        for family in self.cell.families {
            loop {
                let seen = normal(&self.table(*family));
                if seen == wanted {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "{when}, over {family:?}, expected\n{wanted}\nand there is\n{seen}"
                );
            }
        }
    }

    /// Fails unless nobody gets an answer from `web` any more, before long.
    #[track_caller]
    pub fn expect_nobody_reaches_web(&self, when: &str) {
        let deadline = Instant::now() + SETTLES;
        for family in self.cell.families {
            loop {
                let answered: Vec<_> = ["neighbour", "stranger", "host", "outside"]
                    .into_iter()
                    .flat_map(|who| self.ask(who, &self.questions(*family)[..7]))
                    .flatten()
                    .filter(|answer| answer.contains("web"))
                    .collect();
                if answered.is_empty() {
                    break;
                }
                assert!(Instant::now() < deadline, "{when}, over {family:?}: {answered:?}");
            }
        }
    }

    fn questions(&self, family: Family) -> Vec<String> {
        let (web, host, world) = (self.cell.address(family, 50), family.host(), family.outside());
        let of =
            |protocol: &str, address: &str, port: u16| format!("{protocol}:{}", family.at(address, port));
        vec![
            of("tcp", &web, 80),
            of("udp", &web, 80),
            format!("icmp:{web}"),
            of("tcp", &web, 81),
            of("udp", &web, 81),
            of("tcp", host, 8080),
            of("udp", host, 8080),
            of("tcp", world, 80),
            of("udp", world, 80),
            format!("icmp:{world}"),
        ]
    }

    /// What each question is answered; `None`: nothing.
    fn ask(&self, who: &str, questions: &[String]) -> Vec<Option<String>> {
        let command = format!("{PROBE} ask {}", questions.join(" "));
        let outcome = match who {
            "host" => self.host.run(&command),
            "outside" => self.host.run_outside(&command),
            container => self.host.klee(&format!("exec {container} {command}")),
        };
        // `klee exec` says more than its process does.
        let is_answer = |line: &&str| *line == "-" || *line == "answers" || line.contains(" sees ");
        let text = outcome.ok();
        let answers = text.lines().map(str::trim).filter(is_answer);
        answers
            .map(|answer| (answer != "-").then(|| answer.to_owned()))
            .collect()
    }

    fn table(&self, family: Family) -> String {
        let questions = self.questions(family);
        let asking = ["web", "neighbour", "stranger", "host", "outside"];
        let answers = thread::scope(|scope| {
            let threads = asking.map(|who| {
                let questions = &questions;
                scope.spawn(move || self.ask(who, questions))
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let mut table = String::new();
        for (who, answers) in asking.iter().zip(&answers) {
            let letters = |range: std::ops::Range<usize>| -> String {
                let letters = "TUITUTUTUI".get(range.clone()).unwrap().chars();
                letters
                    .zip(&answers[range])
                    .map(|(letter, answer)| if answer.is_some() { letter } else { '-' })
                    .collect()
            };
            let _ = write!(
                table,
                "{who} {} {} {}",
                letters(0..3),
                letters(3..5),
                letters(5..7)
            );
            if !matches!(*who, "host" | "outside") {
                let seen = answers[7..9].iter().flatten().next();
                let seen = seen.and_then(|answer| answer.strip_prefix("world sees "));
                let as_whom = match seen {
                    None => String::new(),
                    Some(address) if address == family.host() => " as the host".to_owned(),
                    Some(_) => " as itself".to_owned(),
                };
                let _ = write!(table, " {}{as_whom}", letters(7..10));
            }
            table.push('\n');
        }
        table
    }
}

/// A table without what only pleases the eye: its heading, and blanks.
fn normal(table: &str) -> String {
    let lines = table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words.first().is_some_and(|first| *first != "own"))
        .map(|words| words.join(" ") + "\n")
        .collect()
}
