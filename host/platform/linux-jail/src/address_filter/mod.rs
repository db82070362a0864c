//! Confines a jail to some addresses of the host's network stack, as `ip4.addr` and `ip6.addr` do on FreeBSD.
//!
//! eBPF programs attached to the jail's cgroup are asked by the kernel whenever a process in it uses a socket:
//!
//! - A socket can be made only of a family of which the jail has an address, and only for TCP and UDP; raw ones only with
//!   `allow.raw_sockets`.
//! - Binding to an address of the jail's is allowed and to any other refused. The unspecified address and loopback
//!   become the jail's first address.
//! - Connecting and sending bind the sender to the jail's first address unless it is bound already. Loopback as a
//!   destination becomes the jail's own address: services of the host that listen there are out of reach.
//! - Packets that leave with another address than the jail's, or arrive for another, are dropped, however the socket
//!   came by them: what listens without binding, for instance. What the firewall translates on its way out leaves with
//!   the host's address; it passes by the address of its socket.
//!
//! The addresses can be changed while the jail runs: each program is replaced by one made anew.
//!
//! Different from FreeBSD: who binds to the unspecified address with several addresses at hand gets the first and not
//! all; multicast and broadcast are not received; the host's interfaces and abstract UNIX sockets are visible.

mod programs;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Error, Result};
use crate::sys;

/// What a jail may use.
#[derive(Debug)]
pub(crate) struct Addresses {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
    raw_sockets: bool,
}

impl Addresses {
    pub(crate) fn new(addresses: &[IpAddr], raw_sockets: bool) -> Self {
        let v4 = |address: &IpAddr| {
            if let IpAddr::V4(address) = address {
                Some(*address)
            } else {
                None
            }
        };
        let v6 = |address: &IpAddr| {
            if let IpAddr::V6(address) = address {
                Some(*address)
            } else {
                None
            }
        };
        Self {
            v4: addresses.iter().filter_map(v4).collect(),
            v6: addresses.iter().filter_map(v6).collect(),
            raw_sockets,
        }
    }

    /// Where programs are needed: none of a family whose sockets cannot be made.
    fn attach_points(&self) -> Vec<AttachPoint> {
        use AttachPoint::{Bind4, Bind6, Connect4, Connect6, Egress, Ingress, Send4, Send6, SocketCreate};
        let mut points = vec![SocketCreate];
        let mut add = |wanted: bool, more: &[AttachPoint]| points.extend(more.iter().filter(|_| wanted));
        let (v4, v6) = (!self.v4.is_empty(), !self.v6.is_empty());
        add(v4 || v6, &[Ingress, Egress]);
        // A socket of IPv6 may send to addresses of IPv4, too.
        add(v4 || v6, &[Send4]);
        add(v4, &[Bind4, Connect4]);
        add(v6, &[Bind6, Connect6, Send6]);
        points
    }
}

/// Every point at which the kernel asks.
const ALL_POINTS: [AttachPoint; 9] = [
    // What leaves or arrives first: from then on nothing passes that should not.
    AttachPoint::Egress,
    AttachPoint::Ingress,
    AttachPoint::SocketCreate,
    AttachPoint::Bind4,
    AttachPoint::Bind6,
    AttachPoint::Connect4,
    AttachPoint::Connect6,
    AttachPoint::Send4,
    AttachPoint::Send6,
];

/// When the kernel asks (`enum bpf_attach_type`, linux/bpf.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttachPoint {
    Ingress = 0,
    Egress = 1,
    SocketCreate = 2,
    Bind4 = 8,
    Bind6 = 9,
    Connect4 = 10,
    Connect6 = 11,
    Send4 = 14,
    Send6 = 15,
}

impl AttachPoint {
    /// `enum bpf_prog_type`, linux/bpf.h.
    fn program_type(self) -> u32 {
        const CGROUP_SKB: u32 = 8;
        const CGROUP_SOCK: u32 = 9;
        const CGROUP_SOCK_ADDR: u32 = 18;
        match self {
            Self::Ingress | Self::Egress => CGROUP_SKB,
            Self::SocketCreate => CGROUP_SOCK,
            _ => CGROUP_SOCK_ADDR,
        }
    }
}

/// Confines the processes of a cgroup of version 2, of which there are none yet. The programs go with the cgroup.
pub(crate) fn confine(cgroup: Option<impl AsFd>, addresses: &Addresses) -> Result<()> {
    let cgroup = cgroup.ok_or_else(|| not_supported(io::ErrorKind::Unsupported.into()))?;
    for point in addresses.attach_points() {
        attach(&cgroup, point, addresses, None).map_err(not_supported)?;
    }
    Ok(())
}

/// Confines the processes of a cgroup to other addresses than before, while they run. Each program is replaced at once
/// by its successor; of a family without addresses any more it stays, and refuses everything.
pub(crate) fn confine_anew(cgroup: Option<impl AsFd>, addresses: &Addresses) -> Result<()> {
    let cgroup = cgroup.ok_or_else(|| not_supported(io::ErrorKind::Unsupported.into()))?;
    let needed = addresses.attach_points();
    for point in ALL_POINTS {
        let present = sys::attached_bpf_program(&cgroup, point as u32).map_err(not_supported)?;
        if present.is_some() || needed.contains(&point) {
            attach(&cgroup, point, addresses, present.as_ref()).map_err(not_supported)?;
        }
    }
    Ok(())
}

fn attach(
    cgroup: impl AsFd,
    point: AttachPoint,
    addresses: &Addresses,
    in_place_of: Option<&OwnedFd>,
) -> io::Result<()> {
    let program = programs::program(point, addresses);
    let program = sys::load_bpf_program(&program, point.program_type(), point as u32)?;
    sys::attach_bpf_program(&program, cgroup, point as u32, in_place_of)
}

fn not_supported(source: io::Error) -> Error {
    Error::NotSupported {
        feature: "cgroup BPF (CONFIG_CGROUP_BPF and a cgroup version 2 hierarchy)",
        purpose: "a container on an ipnet or loopback network",
        source,
    }
}
