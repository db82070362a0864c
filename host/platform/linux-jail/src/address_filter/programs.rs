//! The programs of the address filter. Each answers 1 to let pass and 0 to refuse.
//!
//! Addresses and ports are in network byte order, as they lie in memory, on every machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Addresses, AttachPoint};
use crate::assembler::{Assembler, Helper, Label, Register};
use Register::{Argument1, Argument2, Argument3, Argument4, Argument5, Frame, Result, Saved};

/// `struct bpf_sock` (linux/bpf.h).
mod socket {
    pub(super) const FAMILY: i16 = 4;
    pub(super) const TYPE: i16 = 8;
    pub(super) const PROTOCOL: i16 = 12;
    pub(super) const SOURCE4: i16 = 24;
    pub(super) const SOURCE6: i16 = 28;
}

/// `struct bpf_sock_addr` (linux/bpf.h).
mod request {
    pub(super) const ADDRESS4: i16 = 4;
    pub(super) const ADDRESS6: i16 = 8;
    pub(super) const SOURCE4: i16 = 40;
    pub(super) const SOURCE6: i16 = 44;
    pub(super) const SOCKET: i16 = 64;
}

/// `struct __sk_buff` (linux/bpf.h), and the headers of packets (RFC 791, RFC 8200).
mod packet {
    pub(super) const PROTOCOL: i16 = 16;
    pub(super) const SOCKET: i16 = 168;
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const IPV6: u16 = 0x86dd;
    pub(super) const SOURCE4: u32 = 12;
    pub(super) const DESTINATION4: u32 = 16;
    pub(super) const SOURCE6: u32 = 8;
    pub(super) const DESTINATION6: u32 = 24;
}

const FOUR_WORDS: [Register; 4] = [Argument2, Argument3, Argument4, Argument5];

/// The program for a point of attachment.
pub(super) fn program(at: AttachPoint, addresses: &Addresses) -> Vec<u64> {
    let mut program = Program::begin(addresses);
    match at {
        AttachPoint::SocketCreate => program.create(),
        AttachPoint::Bind4 => program.bind4(),
        AttachPoint::Bind6 => program.bind6(),
        AttachPoint::Connect4 => program.connect4(),
        AttachPoint::Connect6 => program.connect6(),
        AttachPoint::Send4 => program.send4(),
        AttachPoint::Send6 => program.send6(),
        AttachPoint::Ingress => program.incoming(),
        AttachPoint::Egress => program.outgoing(),
    }
    program.end()
}

/// A program whose context is saved, with two ends.
struct Program<'a> {
    code: Assembler,
    addresses: &'a Addresses,
    pass: Label,
    refuse: Label,
}

impl<'a> Program<'a> {
    fn begin(addresses: &'a Addresses) -> Self {
        let mut code = Assembler::default();
        let (pass, refuse) = (code.label(), code.label());
        code.copy(Saved, Argument1);
        Self {
            code,
            addresses,
            pass,
            refuse,
        }
    }

    fn end(mut self) -> Vec<u64> {
        self.code.put(self.refuse);
        self.code.answer(0);
        self.code.put(self.pass);
        self.code.answer(1);
        self.code.finish()
    }

    /// Sockets of a family with an address, for TCP or UDP, whose use the other programs see; raw ones if allowed, of
    /// which only the packets are seen.
    fn create(&mut self) {
        let (stream, datagram) = (self.code.label(), self.code.label());
        let families = [
            (libc::AF_INET, self.addresses.v4.is_empty()),
            (libc::AF_INET6, self.addresses.v6.is_empty()),
        ];
        self.code.load(Argument2, Saved, socket::FAMILY);
        for (family, _) in families.iter().filter(|(_, is_without)| *is_without) {
            self.code.jump_if(Argument2, *family as u32, self.refuse);
        }
        self.code.load(Argument2, Saved, socket::TYPE);
        self.code.load(Argument3, Saved, socket::PROTOCOL);
        self.code.jump_if(Argument2, libc::SOCK_STREAM as u32, stream);
        self.code.jump_if(Argument2, libc::SOCK_DGRAM as u32, datagram);
        if self.addresses.raw_sockets {
            self.code.jump_if(Argument2, libc::SOCK_RAW as u32, self.pass);
        }
        self.code.jump(self.refuse);
        self.code.put(stream);
        self.code.jump_if(Argument3, libc::IPPROTO_TCP as u32, self.pass);
        self.code.jump(self.refuse);
        self.code.put(datagram);
        self.code.jump_if(Argument3, libc::IPPROTO_UDP as u32, self.pass);
    }

    fn bind4(&mut self) {
        let Some(first) = self.addresses.v4.first() else {
            return;
        };
        self.code.load(Argument2, Saved, request::ADDRESS4);
        self.replace_local4(Argument2, request::ADDRESS4, word(*first), self.pass);
        self.pass_if_ours4(Argument2);
    }

    fn bind6(&mut self) {
        let Some(first) = self.addresses.v6.first() else {
            return;
        };
        let mapped = self.code.label();
        self.load_words(Saved, request::ADDRESS6);
        self.jump_if_mapped(mapped);
        self.replace_local6(request::ADDRESS6, *first, self.pass);
        self.pass_if_ours6();
        self.code.jump(self.refuse);
        self.code.put(mapped);
        if let Some(first) = self.addresses.v4.first() {
            self.replace_local4(Argument5, request::ADDRESS6 + 12, word(*first), self.pass);
            self.pass_if_ours4(Argument5);
        }
    }

    fn connect4(&mut self) {
        let Some(first) = self.addresses.v4.first() else {
            return;
        };
        let from = self.code.label();
        self.code.load(Argument2, Saved, request::ADDRESS4);
        self.replace_local4(Argument2, request::ADDRESS4, word(*first), from);
        self.code.put(from);
        // struct sockaddr_in: family, port, address, zeros.
        self.code.store_half(Frame, -16, libc::AF_INET as u16);
        self.code.store_half(Frame, -14, 0);
        self.code.store_word(Frame, -12, word(*first));
        self.code.store_word(Frame, -8, 0);
        self.code.store_word(Frame, -4, 0);
        self.bind_source(16);
        self.pass_if_source_is_ours4();
    }

    fn connect6(&mut self) {
        let Some(&first) = self.addresses.v6.first() else {
            return;
        };
        let (mapped, from) = (self.code.label(), self.code.label());
        self.load_words(Saved, request::ADDRESS6);
        self.jump_if_mapped(mapped);
        self.replace_local6(request::ADDRESS6, first, from);
        self.code.put(from);
        self.bind_source6(first);
        self.code.load_pointer(Result, Saved, request::SOCKET);
        self.load_words(Result, socket::SOURCE6);
        self.pass_if_ours6();
        self.code.jump(self.refuse);
        self.code.put(mapped);
        if let Some(&first) = self.addresses.v4.first() {
            let from = self.code.label();
            self.replace_local4(Argument5, request::ADDRESS6 + 12, word(first), from);
            self.code.put(from);
            self.bind_source6(first.to_ipv6_mapped());
            self.pass_if_source_is_ours4();
        }
    }

    fn send4(&mut self) {
        let Some(first) = self.addresses.v4.first() else {
            return;
        };
        let source = self.code.label();
        self.code.load(Argument2, Saved, request::ADDRESS4);
        self.replace_local4(Argument2, request::ADDRESS4, word(*first), source);
        self.code.put(source);
        self.code.load(Argument2, Saved, request::SOURCE4);
        self.pass_if_ours4(Argument2);
        self.replace4(request::SOURCE4, word(*first));
        self.code.jump(self.pass);
    }

    fn send6(&mut self) {
        let Some(first) = self.addresses.v6.first() else {
            return;
        };
        let source = self.code.label();
        self.load_words(Saved, request::ADDRESS6);
        self.replace_local6(request::ADDRESS6, *first, source);
        self.code.put(source);
        self.load_words(Saved, request::SOURCE6);
        self.pass_if_ours6();
        self.replace6(request::SOURCE6, *first);
        self.code.jump(self.pass);
    }

    /// Packets for an address of ours.
    fn incoming(&mut self) {
        let (v4, v6) = (self.code.label(), self.code.label());
        self.jump_by_family(v4, v6);
        self.code.put(v4);
        self.pass_packet_if_ours4(packet::DESTINATION4);
        self.code.jump(self.refuse);
        self.code.put(v6);
        self.pass_packet_if_ours6(packet::DESTINATION6);
    }

    /// Packets from an address of ours. They are seen after the firewall has translated them, into the host's address
    /// when they leave it or answer what came for a published port: then the socket's own address counts. That of a raw
    /// socket does not, because its packets may say anything.
    fn outgoing(&mut self) {
        let (v4, v6) = (self.code.label(), self.code.label());
        self.jump_by_family(v4, v6);
        self.code.put(v4);
        self.pass_packet_if_ours4(packet::SOURCE4);
        self.load_socket();
        self.code.load(Argument2, Result, socket::SOURCE4);
        self.pass_if_ours4(Argument2);
        self.code.jump(self.refuse);
        self.code.put(v6);
        self.pass_packet_if_ours6(packet::SOURCE6);
        self.load_socket();
        self.load_words(Result, socket::SOURCE6);
        self.pass_if_ours6();
    }

    /// Goes to the label of the packet's family; a packet of another is refused.
    fn jump_by_family(&mut self, v4: Label, v6: Label) {
        self.code.load(Argument2, Saved, packet::PROTOCOL);
        self.code.jump_if(Argument2, u32::from(packet::IPV4.to_be()), v4);
        self.code.jump_if(Argument2, u32::from(packet::IPV6.to_be()), v6);
        self.code.jump(self.refuse);
    }

    fn pass_packet_if_ours4(&mut self, offset: u32) {
        self.load_from_packet(offset, 4);
        self.code.load(Argument2, Frame, -16);
        self.pass_if_ours4(Argument2);
    }

    fn pass_packet_if_ours6(&mut self, offset: u32) {
        self.load_from_packet(offset, 16);
        self.load_words(Frame, -16);
        self.pass_if_ours6();
    }

    /// The packet's socket becomes the result, if it is for TCP or UDP; else the packet is refused.
    fn load_socket(&mut self) {
        let known = self.code.label();
        self.code.load_pointer(Argument1, Saved, packet::SOCKET);
        self.code.jump_if_null(Argument1, self.refuse);
        self.code.call(Helper::FullSocket);
        self.code.jump_if_null(Result, self.refuse);
        self.code.load(Argument2, Result, socket::TYPE);
        self.code.jump_if(Argument2, libc::SOCK_STREAM as u32, known);
        self.code.jump_if(Argument2, libc::SOCK_DGRAM as u32, known);
        self.code.jump(self.refuse);
        self.code.put(known);
    }

    /// Copies bytes of the packet to the end of the stack.
    fn load_from_packet(&mut self, offset: u32, length: u32) {
        self.code.copy(Argument1, Saved);
        self.code.set(Argument2, offset);
        self.code.copy(Argument3, Frame);
        self.code.add(Argument3, -16);
        self.code.set(Argument4, length);
        self.code.call(Helper::LoadPacketBytes);
        self.code.jump_unless(Result, 0, self.refuse);
    }

    /// Binds the socket to the address that lies at the end of the stack and passes. It goes on if the socket is bound
    /// already.
    fn bind_source(&mut self, length: u32) {
        self.code.copy(Argument1, Saved);
        self.code.copy(Argument2, Frame);
        self.code
            .add(Argument2, -i32::try_from(length).unwrap_or_default());
        self.code.set(Argument3, length);
        self.code.call(Helper::Bind);
        self.code.jump_if(Result, 0, self.pass);
    }

    fn bind_source6(&mut self, address: Ipv6Addr) {
        // struct sockaddr_in6: family, port, flow, address, scope; 28 bytes.
        self.code.store_half(Frame, -28, libc::AF_INET6 as u16);
        self.code.store_half(Frame, -26, 0);
        self.code.store_word(Frame, -24, 0);
        for (at, word) in (-20..).step_by(4).zip(words(address)) {
            self.code.store_word(Frame, at, word);
        }
        self.code.store_word(Frame, -4, 0);
        self.bind_source(28);
    }

    fn pass_if_source_is_ours4(&mut self) {
        self.code.load_pointer(Result, Saved, request::SOCKET);
        self.code.load(Argument2, Result, socket::SOURCE4);
        self.pass_if_ours4(Argument2);
        self.code.jump(self.refuse);
    }

    fn pass_if_ours4(&mut self, address: Register) {
        for ours in &self.addresses.v4 {
            self.code.jump_if(address, word(*ours), self.pass);
        }
    }

    /// Of the address in [`FOUR_WORDS`].
    fn pass_if_ours6(&mut self) {
        for ours in &self.addresses.v6 {
            let other = self.code.label();
            for (register, word) in FOUR_WORDS.into_iter().zip(words(*ours)) {
                self.code.jump_unless(register, word, other);
            }
            self.code.jump(self.pass);
            self.code.put(other);
        }
    }

    fn load_words(&mut self, base: Register, offset: i16) {
        for (register, at) in FOUR_WORDS.into_iter().zip((offset..).step_by(4)) {
            self.code.load(register, base, at);
        }
    }

    /// Whether [`FOUR_WORDS`] are an IPv4 address in IPv6's clothes (RFC 4291, 2.5.5.2).
    fn jump_if_mapped(&mut self, label: Label) {
        let other = self.code.label();
        self.code.jump_unless(Argument2, 0, other);
        self.code.jump_unless(Argument3, 0, other);
        self.code.jump_if(Argument4, 0xffff_u32.to_be(), label);
        self.code.put(other);
    }

    /// What means this host, the unspecified address and loopback, is the jail's first address instead, as in a jail of
    /// FreeBSD; then goes to `done`. Any other address stays, and the program goes on.
    fn replace_local4(&mut self, address: Register, offset: i16, first: u32, done: Label) {
        let (local, other) = (self.code.label(), self.code.label());
        self.code.jump_if(address, 0, local);
        self.code.copy(Result, address);
        self.code.and(Result, word(Ipv4Addr::new(255, 0, 0, 0)));
        self.code
            .jump_unless(Result, word(Ipv4Addr::new(127, 0, 0, 0)), other);
        self.code.put(local);
        self.replace4(offset, first);
        self.code.jump(done);
        self.code.put(other);
    }

    /// As [`replace_local4`](Self::replace_local4), for the address in [`FOUR_WORDS`].
    fn replace_local6(&mut self, offset: i16, first: Ipv6Addr, done: Label) {
        let (local, other) = (self.code.label(), self.code.label());
        self.code.copy(Result, Argument2);
        self.code.or(Result, Argument3);
        self.code.or(Result, Argument4);
        self.code.jump_unless(Result, 0, other);
        self.code.jump_if(Argument5, 0, local);
        self.code.jump_unless(Argument5, 1_u32.to_be(), other);
        self.code.put(local);
        self.replace6(offset, first);
        self.code.jump(done);
        self.code.put(other);
    }

    fn replace4(&mut self, offset: i16, address: u32) {
        self.code.set(Result, address);
        self.code.store(Saved, offset, Result);
    }

    fn replace6(&mut self, offset: i16, address: Ipv6Addr) {
        for (at, word) in (offset..).step_by(4).zip(words(address)) {
            self.replace4(at, word);
        }
    }
}

/// An address as it lies in memory.
fn word(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

fn words(address: Ipv6Addr) -> [u32; 4] {
    let octets = address.octets();
    std::array::from_fn(|at| {
        u32::from_ne_bytes([
            octets[4 * at],
            octets[4 * at + 1],
            octets[4 * at + 2],
            octets[4 * at + 3],
        ])
    })
}
