//! What happens to the kernel's rules, told by the kernel: a socket of nfnetlink (netlink(7)) that hears of every
//! transaction, whoever made it, and one that asks how many there have been.
//!
//! Each committed transaction has a number, its *generation*. Its messages end with one of type `NFT_MSG_NEWGEN` that
//! holds the number; all others hold, as their first attribute, the table they are about
//! (linux/netfilter/nf_tables.h).

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `NFNL_SUBSYS_NFTABLES`, the upper half of a message's type.
const NFTABLES: u8 = 10;
const NEW_GENERATION: u8 = 15;
const GET_GENERATION: u8 = 16;
/// `NFNLGRP_NFTABLES` as a bit of an address.
const GROUP: u32 = 1 << 6;
/// `NFPROTO_INET`, the family of our table.
const INET: u8 = 1;
const TABLE: &[u8] = b"kleene\0";
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;

/// More than the kernel puts into one datagram of notifications.
const LARGEST: usize = 128 * 1024;
/// Bytes that wait until they are read, so that a large ruleset of ours does not overrun the socket.
const BACKLOG: usize = 8 * 1024 * 1024;

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A transaction, and whether it was about our table.
    Transaction { generation: u32, is_about_us: bool },
    /// More than could be kept: some transactions were missed.
    TooMuch,
}

/// A socket that hears of transactions.
#[derive(Debug)]
pub(crate) struct Monitor {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// What was received and not told yet, the latest first.
    pending: Vec<Heard>,
    /// Whether messages of the transaction whose end is not heard yet are about our table.
    is_about_us: bool,
}

impl Monitor {
    /// Listens from now on, in the network namespace of this thread.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = open(GROUP)?;
        // Without the privilege to exceed the host's limit, that limit is what there is.
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, BACKLOG).is_err() {
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BACKLOG)?;
        }
        Ok(Self {
            socket,
            buffer: vec![0; LARGEST],
            pending: Vec::new(),
            is_about_us: false,
        })
    }

    /// Waits for the end of the next transaction.
    pub(crate) fn next(&mut self) -> io::Result<Heard> {
        loop {
            if let Some(heard) = self.pending.pop() {
                return Ok(heard);
            }
            match rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::TRUNC) {
                Ok((_, length)) if length > self.buffer.len() => return Ok(Heard::TooMuch),
                Ok((_, length)) => self.read(length),
                Err(Errno::NOBUFS) => return Ok(Heard::TooMuch),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&mut self, length: usize) {
        for message in Messages(&self.buffer[..length]) {
            match message.generation() {
                Some(generation) => {
                    let is_about_us = std::mem::take(&mut self.is_about_us);
                    self.pending.push(Heard::Transaction {
                        generation,
                        is_about_us,
                    });
                }
                None => self.is_about_us |= message.is_about_us(),
            }
        }
        self.pending.reverse();
    }
}

/// A socket that asks for the present generation.
#[derive(Debug)]
pub(crate) struct Generations(OwnedFd);

impl Generations {
    /// Of the network namespace of this thread.
    pub(crate) fn open() -> io::Result<Self> {
        open(0).map(Self)
    }

    /// The number of the latest transaction.
    pub(crate) fn present(&self) -> io::Result<u32> {
        // struct nlmsghdr: length, type, flags, sequence, port; struct nfgenmsg: family, version, resource.
        let mut request = Vec::from(20_u32.to_ne_bytes());
        request.extend(u16::from_be_bytes([NFTABLES, GET_GENERATION]).to_ne_bytes());
        request.extend(REQUEST.to_ne_bytes());
        request.extend([0; 12]);
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.0, &request, SendFlags::empty(), &kernel)?;
        let mut answer = [0; 1024];
        let (count, _) = rustix::net::recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        Messages(&answer[..count])
            .find_map(|message| message.generation())
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the kernel does not tell the generation",
                )
            })
    }
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(NETFILTER),
    )?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// The messages of a datagram. What is cut off is left out.
struct Messages<'a>(&'a [u8]);

/// A message of nftables: its type, its family, and the value of its first attribute, if that is of type 1.
struct Message<'a> {
    kind: u8,
    family: u8,
    first: Option<&'a [u8]>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32::from_ne_bytes(self.0.get(..4)?.try_into().ok()?) as usize;
        let message = self.0.get(..length).filter(|message| message.len() >= 16)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        let [subsystem, kind] = u16::from_ne_bytes([message[4], message[5]]).to_be_bytes();
        Some(Message {
            kind: if subsystem == NFTABLES { kind } else { u8::MAX },
            family: message.get(16).copied().unwrap_or_default(),
            first: message.get(20..).and_then(first_attribute),
        })
    }
}

fn first_attribute(attributes: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_ne_bytes([*attributes.first()?, *attributes.get(1)?]));
    let kind = u16::from_ne_bytes([*attributes.get(2)?, *attributes.get(3)?]);
    (kind == 1).then(|| attributes.get(4..length)).flatten()
}

impl Message<'_> {
    fn generation(&self) -> Option<u32> {
        let number = self.first.filter(|_| self.kind == NEW_GENERATION)?;
        Some(u32::from_be_bytes(number.try_into().ok()?))
    }

    fn is_about_us(&self) -> bool {
        self.family == INET && self.first == Some(TABLE)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::thread::{UnshareFlags, unshare_unsafe};

    use super::*;

    #[allow(unsafe_code, reason = "unshare(2) of the network namespace")]
    fn own_network() {
        // SAFETY: no file descriptors are unshared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
    }

    fn nft(words: &str) {
        assert!(
            Command::new("nft")
                .args(words.split(' '))
                .status()
                .unwrap()
                .success()
        );
    }

    #[test]
    fn each_transaction_is_heard_with_its_number_and_whether_it_is_about_us() {
        own_network();
        let generations = Generations::open().unwrap();
        let start = generations.present().unwrap();
        let mut monitor = Monitor::open().unwrap();
        nft("add table inet kleene");
        nft("add table inet others");
        nft("add set inet kleene loaded { type mark; }");
        nft("add element inet kleene loaded { 7 }");
        nft("add table ip kleene");
        nft("flush ruleset");
        let heard: Vec<_> = (1..=6).map(|_| monitor.next().unwrap()).collect();
        let expected: Vec<_> = [true, false, true, true, false, true]
            .into_iter()
            .zip(start + 1..)
            .map(|(is_about_us, generation)| Heard::Transaction {
                generation,
                is_about_us,
            })
            .collect();
        assert_eq!(heard, expected);
        assert_eq!(generations.present().unwrap(), start + 6);
    }

    #[test]
    fn what_is_cut_off_or_not_of_nftables_is_left_out() {
        assert_eq!(Messages(&[]).count(), 0);
        assert_eq!(Messages(&[20, 0, 0, 0, 1]).count(), 0);
        assert_eq!(Messages(&[0; 64]).count(), 0);
        let mut other = [0; 28];
        other[0] = 28;
        assert!(Messages(&other).all(|message| message.generation().is_none() && !message.is_about_us()));
    }
}
