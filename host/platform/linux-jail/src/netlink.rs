//! The few messages of rtnetlink(7) that connect a jail, sent one by one and each answered.
//!
//! By hand because it is so little: the supervisor has no asynchronous runtime, and every jail's start waits for this.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use ipnet::IpNet;
use kleene_plan::{InterfaceName, MacAddress};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// A socket to the kernel's network configuration, of the network namespace in which it was opened.
pub(crate) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        // Protocol 0 is NETLINK_ROUTE.
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        Ok(Self { socket })
    }

    /// The state of an interface.
    pub(crate) fn link(&self, which: Which<'_>) -> io::Result<Link> {
        let mut message = Message::new(libc::RTM_GETLINK, 0);
        let index = match which {
            Which::Index(index) => index,
            Which::Name(_) => 0,
        };
        message.link(index, 0);
        if let Which::Name(name) = which {
            message.text(libc::IFLA_IFNAME, name.as_str());
        }
        let answer = self.ask(message)?;
        if kind(&answer) == Some(libc::RTM_NEWLINK) {
            Link::parse(&answer)
        } else {
            Err(acknowledgement(&answer)
                .err()
                .unwrap_or_else(|| invalid("does not tell of the interface")))
        }
    }

    /// Moves an interface to another network namespace.
    pub(crate) fn move_interface(&self, name: &InterfaceName, namespace: impl AsFd) -> io::Result<()> {
        let mut message = Message::changing(libc::RTM_NEWLINK, 0);
        message.link(0, 0);
        message.text(libc::IFLA_IFNAME, name.as_str());
        message.attribute(libc::IFLA_NET_NS_FD, &namespace.as_fd().as_raw_fd().to_ne_bytes());
        self.request(message)
    }

    /// Sets an interface up, with a hardware address if one is given.
    pub(crate) fn set_up(&self, name: &str, mac: Option<&MacAddress>) -> io::Result<()> {
        let mut message = Message::changing(libc::RTM_NEWLINK, 0);
        message.link(0, libc::IFF_UP as u32);
        message.text(libc::IFLA_IFNAME, name);
        if let Some(mac) = mac {
            message.attribute(libc::IFLA_ADDRESS, &mac.octets());
        }
        self.request(message)
    }

    /// Gives an interface an address. IPv6 addresses are usable at once: we know that nobody else has them.
    pub(crate) fn add_address(&self, interface: &InterfaceName, address: IpNet) -> io::Result<()> {
        let index = rustix::net::netdevice::name_to_index(&self.socket, interface.as_str())?;
        let mut message = Message::changing(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        let flags = if address.addr().is_ipv6() {
            libc::IFA_F_NODAD as u8
        } else {
            0
        };
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        message.bytes(&[
            family(address.addr()),
            address.prefix_len(),
            flags,
            libc::RT_SCOPE_UNIVERSE,
        ]);
        message.bytes(&index.to_ne_bytes());
        message.attribute(libc::IFA_LOCAL, &address_octets(address.addr()));
        message.attribute(libc::IFA_ADDRESS, &address_octets(address.addr()));
        self.request(message)
    }

    /// Adds a default route.
    pub(crate) fn add_default_route(&self, gateway: IpAddr) -> io::Result<()> {
        let mut message = Message::changing(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
        // struct rtmsg: family, destination and source length, tos, table, protocol, scope, type, flags.
        message.bytes(&[
            family(gateway),
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_STATIC,
            libc::RT_SCOPE_UNIVERSE,
            libc::RTN_UNICAST,
        ]);
        message.bytes(&0u32.to_ne_bytes());
        message.attribute(libc::RTA_GATEWAY, &address_octets(gateway));
        self.request(message)
    }

    /// Sends a request and waits for its acknowledgement.
    fn request(&self, message: Message) -> io::Result<()> {
        acknowledgement(&self.ask(message)?)
    }

    /// Sends a message and waits for the answer.
    fn ask(&self, message: Message) -> io::Result<Vec<u8>> {
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.socket, &message.finish(), SendFlags::empty(), &kernel)?;
        let mut answer = vec![0; 8192];
        let (count, _) = rustix::net::recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
        answer.truncate(count);
        Ok(answer)
    }
}

/// Which interface is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    Name(&'a InterfaceName),
    Index(u32),
}

/// What the kernel tells of an interface.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// The index of what it is tied to: the other end of a pair, in the network namespace of that one.
    pub(crate) tied_to: Option<u32>,
    /// The index of the bridge it is a member of.
    pub(crate) bridge: Option<u32>,
    /// Both ends are up, but the kernel has not acted on it: until then what is sent there is dropped.
    pub(crate) is_waking: bool,
}

impl Link {
    /// Reads an answer of type `RTM_NEWLINK`.
    fn parse(answer: &[u8]) -> io::Result<Self> {
        // struct nlmsghdr, then struct ifinfomsg, whose third number is the flags.
        let flags = word(answer.get(16 + 8..).unwrap_or_default())?;
        let has_carrier = flags & libc::IFF_LOWER_UP as u32 != 0;
        let mut link = Self::default();
        for (kind, value) in attributes(answer.get(16 + 16..).unwrap_or_default()) {
            match kind {
                libc::IFLA_LINK => link.tied_to = Some(word(value)?),
                libc::IFLA_MASTER => link.bridge = Some(word(value)?),
                libc::IFLA_OPERSTATE => link.is_waking = has_carrier && value != [libc::IF_OPER_UP as u8],
                _ => {}
            }
        }
        Ok(link)
    }
}

/// A request being put together: header, fixed part, attributes, all in the machine's byte order.
struct Message(Vec<u8>);

impl Message {
    /// One that changes something, which is acknowledged.
    fn changing(kind: u16, flags: i32) -> Self {
        Self::new(kind, libc::NLM_F_ACK | flags)
    }

    fn new(kind: u16, flags: i32) -> Self {
        let flags = (libc::NLM_F_REQUEST | flags) as u16;
        // struct nlmsghdr: length (set at the end), type, flags, sequence, port.
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        Self(bytes)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// struct ifinfomsg: family, type, index (0: by name), flags and which of them are meant.
    fn link(&mut self, index: u32, flags: u32) {
        self.bytes(&[0; 4]);
        self.bytes(&index.to_ne_bytes());
        self.bytes(&flags.to_ne_bytes());
        self.bytes(&flags.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = (4 + value.len()) as u16;
        self.bytes(&length.to_ne_bytes());
        self.bytes(&kind.to_ne_bytes());
        self.bytes(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn text(&mut self, kind: u16, text: &str) {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.attribute(kind, &value);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() as u32).to_ne_bytes();
        self.0[..4].copy_from_slice(&length);
        self.0
    }
}

/// Reads an answer of type `NLMSG_ERROR`, whose error is 0 for a success.
fn acknowledgement(answer: &[u8]) -> io::Result<()> {
    if kind(answer).map(i32::from) != Some(libc::NLMSG_ERROR) {
        return Err(invalid("is no acknowledgement"));
    }
    match word(answer.get(16..).unwrap_or_default())? as i32 {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// The type of an answer.
fn kind(answer: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?))
}

/// The attributes, as type and value. What is cut off ends them.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn word(bytes: &[u8]) -> io::Result<u32> {
    let number = bytes.first_chunk().ok_or_else(|| invalid("is cut off"))?;
    Ok(u32::from_ne_bytes(*number))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel's answer {what}"))
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

fn address_octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_padded_and_its_length_is_not() {
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        message.text(libc::IFLA_IFNAME, "lo");
        let bytes = message.finish();
        assert_eq!(bytes.len(), 16 + 8);
        assert_eq!(bytes[..4], 24u32.to_ne_bytes());
        assert_eq!(bytes[16..18], 7u16.to_ne_bytes());
    }

    #[test]
    fn a_refusal_is_the_error_the_kernel_gave() {
        let mut answer = vec![0; 20];
        answer[4..6].copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
        assert!(acknowledgement(&answer).is_ok());
        answer[16..20].copy_from_slice(&(-libc::ENODEV).to_ne_bytes());
        assert_eq!(
            acknowledgement(&answer).unwrap_err().raw_os_error(),
            Some(libc::ENODEV)
        );
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        assert!(acknowledgement(&[0; 8]).is_err());
        assert!(Link::parse(&[0; 20]).is_err());
    }

    #[test]
    fn a_link_wakes_as_long_as_only_its_flags_say_that_it_is_connected() {
        let told = |flags: i32, state: i32| {
            let mut message = Message::new(libc::RTM_NEWLINK, 0);
            message.link(3, flags as u32);
            message.attribute(libc::IFLA_LINK, &7u32.to_ne_bytes());
            message.attribute(libc::IFLA_OPERSTATE, &[state as u8]);
            message.attribute(libc::IFLA_MASTER, &5u32.to_ne_bytes());
            Link::parse(&message.finish()).unwrap()
        };
        let connected = libc::IFF_UP | libc::IFF_LOWER_UP;
        assert!(told(connected, libc::IF_OPER_UNKNOWN).is_waking);
        assert!(!told(connected, libc::IF_OPER_UP).is_waking);
        assert!(!told(libc::IFF_UP, libc::IF_OPER_LOWERLAYERDOWN).is_waking);
        let link = told(connected, libc::IF_OPER_UP);
        assert_eq!((link.tied_to, link.bridge), (Some(7), Some(5)));
    }

    #[test]
    fn attributes_that_are_cut_off_end_them() {
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        message.text(libc::IFLA_IFNAME, "lo");
        let bytes = &message.finish()[16..];
        assert_eq!(attributes(bytes).count(), 1);
        for length in 0..7 {
            assert_eq!(attributes(&bytes[..length]).count(), 0, "{length}");
        }
        // A length below that of its own header.
        assert_eq!(attributes(&[0; 16]).count(), 0);
    }
}
