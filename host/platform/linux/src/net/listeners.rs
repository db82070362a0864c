//! Sockets of the host that wait for others, from `/proc/net` (proc_pid_net(5)) of the thread's network namespace.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kleene_plan::Protocol;
use kleene_platform::{Listener, Result};

use crate::failure::OrFailed;

/// `TCP_LISTEN`, and the state of a UDP socket that is not connected (`TCP_CLOSE`).
const WAITING: [(Protocol, &str, &str); 4] = [
    (Protocol::Tcp, "tcp", "0A"),
    (Protocol::Tcp, "tcp6", "0A"),
    (Protocol::Udp, "udp", "07"),
    (Protocol::Udp, "udp6", "07"),
];

/// Every waiting socket of TCP and UDP.
pub(crate) fn listeners() -> Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for (protocol, file, state) in WAITING {
        let path = format!("/proc/thread-self/net/{file}");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            error => error.or_failed(|| format!("read {path}"))?,
        };
        let sockets = text.lines().skip(1).filter_map(|line| socket(line, state));
        listeners.extend(sockets.map(|(address, port)| Listener {
            protocol,
            address,
            port,
        }));
    }
    Ok(listeners)
}

/// The local address and port of a line in the wanted state.
fn socket(line: &str, wanted: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    (state == wanted).then_some(())?;
    Some((parse(address)?, u16::from_str_radix(port, 16).ok()?))
}

/// An address as the kernel prints it: 32-bit words in the host's byte order, in hexadecimal.
fn parse(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        u32::from_str_radix(digits.get(at * 8..at * 8 + 8)?, 16)
            .ok()
            .map(u32::to_ne_bytes)
    };
    match digits.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_proc_net_is_read() {
        let listening = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0";
        let connected = "   1: 0100007F:1F90 0100007F:9000 01 00000000:00000000 00:00000000 00000000     0";
        let six =
            "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000";
        assert_eq!(socket(listening, "0A"), Some((Ipv4Addr::LOCALHOST.into(), 8080)));
        assert_eq!(socket(connected, "0A"), None);
        assert_eq!(socket(six, "0A"), Some((Ipv6Addr::LOCALHOST.into(), 80)));
    }
}
