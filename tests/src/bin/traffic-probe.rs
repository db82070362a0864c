//! Asks and answers over TCP, UDP and ICMP: what tests of networks run in containers and on machines.
//!
//! `traffic-probe serve NAME PORT…` answers everybody who asks at one of the ports with the address it sees.
//!
//! `traffic-probe ask TARGET…` asks all targets at once (`tcp:10.1.0.2:80`, `udp:[fd00::2]:80`, `icmp:10.1.0.2`) and
//! prints what each answers on a line of its own, `-` for nothing.
//!
//! `traffic-probe refusal TARGET` says whether somebody refuses (`refused`), nobody speaks (`silence`) or somebody answers
//! (`answer`), for TCP and UDP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, sockopt};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often is asked meanwhile, where nobody else repeats a question.
const INTERVAL: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name, ports @ ..] => serve_all(name, ports),
        ["ask", targets @ ..] => ask_all(targets),
        ["refusal", target] => refusal(target),
        _ => {
            eprintln!(
                "usage: traffic-probe serve NAME PORT... | ask PROTOCOL:ADDRESS... | refusal PROTOCOL:ADDRESS"
            );
            ExitCode::FAILURE
        }
    }
}

fn serve_all(name: &str, ports: &[&str]) -> ExitCode {
    let mut servers = Vec::new();
    for port in ports.iter().filter_map(|port| port.parse().ok()) {
        for address in [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ] {
            let address = SocketAddr::new(address, port);
            // A container without addresses of a family does not serve there.
            if let Ok(listener) = socket(address, SocketType::STREAM).map(TcpListener::from) {
                let name = name.to_owned();
                servers.push(thread::spawn(move || serve_tcp(&name, &listener)));
            }
            if let Ok(socket) = socket(address, SocketType::DGRAM).map(UdpSocket::from) {
                let name = name.to_owned();
                servers.push(thread::spawn(move || serve_udp(&name, &socket)));
            }
        }
    }
    println!("{} sockets", servers.len());
    for server in servers {
        let _ = server.join();
    }
    ExitCode::FAILURE
}

/// A socket that waits for others; one of IPv6 does not take IPv4's, so that each family has its own.
fn socket(address: SocketAddr, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = rustix::net::socket(family, kind, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    if kind == SocketType::STREAM {
        rustix::net::listen(&socket, 64)?;
    }
    Ok(socket)
}

fn serve_tcp(name: &str, listener: &TcpListener) {
    while let Ok((mut stream, peer)) = listener.accept() {
        let _ = write!(stream, "{name} sees {}", peer.ip());
    }
}

fn serve_udp(name: &str, socket: &UdpSocket) {
    while let Ok((_, peer)) = socket.recv_from(&mut [0; 16]) {
        let _ = socket.send_to(format!("{name} sees {}", peer.ip()).as_bytes(), peer);
    }
}

fn ask_all(targets: &[&str]) -> ExitCode {
    let questions: Vec<_> = targets
        .iter()
        .map(|target| {
            let target = (*target).to_owned();
            thread::spawn(move || ask(&target))
        })
        .collect();
    for question in questions {
        let answer = question.join().ok().flatten();
        println!("{}", answer.unwrap_or_else(|| "-".to_owned()));
    }
    ExitCode::SUCCESS
}

fn refusal(target: &str) -> ExitCode {
    let outcome = match target.split_once(':') {
        Some(("tcp", address)) => address
            .parse()
            .map(|address| TcpStream::connect_timeout(&address, PATIENCE).map(drop)),
        Some((_, address)) => address.parse().map(knock_udp),
        None => return ExitCode::FAILURE,
    };
    let Ok(outcome) = outcome else {
        return ExitCode::FAILURE;
    };
    println!(
        "{}",
        match outcome {
            Ok(()) => "answer",
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => "silence",
            Err(_) => "refused",
        }
    );
    ExitCode::SUCCESS
}

fn knock_udp(address: SocketAddr) -> io::Result<()> {
    let own = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((own, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(b"?")?;
    socket.recv(&mut [0; 128]).map(drop)
}

fn ask(target: &str) -> Option<String> {
    let (protocol, address) = target.split_once(':')?;
    match protocol {
        "tcp" => ask_tcp(address.parse().ok()?),
        "udp" => ask_udp(address.parse().ok()?),
        "icmp" => ask_icmp(address),
        _ => None,
    }
}

fn ask_tcp(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn ask_udp(address: SocketAddr) -> Option<String> {
    let own = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((own, 0)).ok()?;
    socket.connect(address).ok()?;
    socket.set_read_timeout(Some(INTERVAL)).ok()?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut answer = [0; 128];
        if socket.send(b"?").is_err() {
            thread::sleep(INTERVAL);
            continue;
        }
        if let Ok(count) = socket.recv(&mut answer) {
            return answer
                .get(..count)
                .map(|text| String::from_utf8_lossy(text).into_owned());
        }
    }
    None
}

fn ask_icmp(address: &str) -> Option<String> {
    let mut ping = Command::new("/bin/busybox")
        .args(["ping", "-c", "1", "-W", "1", address])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = ping.try_wait().ok()? {
            return status.success().then(|| "answers".to_owned());
        }
        thread::sleep(INTERVAL / 10);
    }
    ping.kill().ok()?;
    ping.wait().ok()?;
    None
}
