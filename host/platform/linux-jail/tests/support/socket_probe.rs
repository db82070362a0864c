//! Uses sockets as its arguments say and prints what came of it, one line each. Runs in the jails of the network tests.
#![allow(clippy::unwrap_used, reason = "this is for tests")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

const SHORT: Duration = Duration::from_secs(2);

fn main() {
    for argument in std::env::args().skip(1) {
        let (what, address) = argument.split_once('=').unwrap();
        let result = match what {
            "bind-tcp" => TcpListener::bind(address)
                .and_then(|socket| socket.local_addr())
                .map(local),
            "bind-udp" => UdpSocket::bind(address)
                .and_then(|socket| socket.local_addr())
                .map(local),
            "connect-tcp" => connect_tcp(address.parse().unwrap()),
            "connect-udp" => connect_udp(address),
            "send-udp" => send_udp(address, true),
            "send-unbound-udp" => send_udp(address, false),
            "send-then-connect-udp" => send_then_connect_udp(address),
            "talk-to-self" => talk_to_self(address),
            "serve-unbound" => serve_unbound(),
            "socket" => socket(address),
            other => panic!("'{other}' is nothing this probe can do"),
        };
        match result {
            Ok(text) => println!("{what}: {text}"),
            Err(error) => println!("{what}: {:?}", error.kind()),
        }
        io::stdout().flush().unwrap();
    }
}

fn local(address: SocketAddr) -> String {
    address.ip().to_string()
}

/// Where it comes from.
fn connect_tcp(address: SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, SHORT)?;
    Ok(local(stream.local_addr()?))
}

fn connect_udp(address: &str) -> io::Result<String> {
    let socket = unbound(address)?;
    socket.connect(address)?;
    Ok(local(socket.local_addr()?))
}

/// The other side answers with where it comes from.
fn send_udp(address: &str, bound: bool) -> io::Result<String> {
    let socket = if bound {
        UdpSocket::bind(any(address))?
    } else {
        unbound(address)?
    };
    socket.set_read_timeout(Some(SHORT))?;
    socket.send_to(b"who am i", address)?;
    let mut answer = [0; 64];
    let count = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
}

fn send_then_connect_udp(address: &str) -> io::Result<String> {
    let socket = unbound(address)?;
    socket.send_to(b"who am i", address)?;
    socket.connect(address)?;
    Ok(local(socket.local_addr()?))
}

fn talk_to_self(address: &str) -> io::Result<String> {
    let listener = TcpListener::bind(address)?;
    let port = listener.local_addr()?.port();
    let mut address: SocketAddr = address.parse().unwrap();
    address.set_port(port);
    let mut client = TcpStream::connect_timeout(&address, SHORT)?;
    listener.accept()?.0.write_all(b"heard")?;
    let mut text = String::new();
    client.read_to_string(&mut text)?;
    Ok(text)
}

/// Listens without having bound, where the kernel chooses the port.
fn serve_unbound() -> io::Result<String> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::listen(&socket, 1)?;
    let listener = TcpListener::from(socket);
    println!("port {}", listener.local_addr()?.port());
    io::stdout().flush()?;
    listener.accept().map(|(_, peer)| local(peer))
}

/// `family/type/protocol`
fn socket(kind: &str) -> io::Result<String> {
    let numbers: Vec<u32> = kind.split('/').map(|number| number.parse().unwrap()).collect();
    let family = AddressFamily::from_raw(numbers[0].try_into().unwrap());
    let protocol = std::num::NonZeroU32::new(numbers[2]).map(rustix::net::Protocol::from_raw);
    rustix::net::socket(family, SocketType::from_raw(numbers[1]), protocol)?;
    Ok("made".to_owned())
}

fn unbound(address: &str) -> io::Result<UdpSocket> {
    let family = if address.starts_with('[') {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    Ok(UdpSocket::from(rustix::net::socket(
        family,
        SocketType::DGRAM,
        None,
    )?))
}

fn any(address: &str) -> &'static str {
    if address.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    }
}
