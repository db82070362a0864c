//! The network stack of a jail.
//!
//! The supervisor itself enters the jail's network namespace and connects it before the first process exists, which is
//! then born there. The supervisor has no use for the host's network, so nothing has to be waited for and passed back.
//!
//! When the jail has ended the interfaces go back to the host, as they do on FreeBSD. Without that they would vanish
//! with the namespace, but only some time later, when their names may be wanted again.

use std::fs::File;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use kleene_plan::{InterfaceName, JailInterface, JailNetwork};
use rustix::thread::UnshareFlags;

use crate::error::{Result, Step};
use crate::netlink::{Netlink, Which};
use crate::sys;

/// How long the start of a jail waits for the kernel to connect it. An answer takes a millisecond or less, more on a host
/// that is busy with interfaces; a network that takes longer will work when it does.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long until the kernel is asked again.
const REST: Duration = Duration::from_micros(500);

/// The interfaces a jail has from the host.
pub(crate) struct Borrowed {
    jail: Netlink,
    host: File,
    interfaces: Vec<InterfaceName>,
}

/// Takes the supervisor into the network stack of a jail that starts.
pub(crate) fn enter(network: &JailNetwork) -> Result<Option<Borrowed>> {
    match network {
        JailNetwork::Inherit | JailNetwork::Addresses(_) => Ok(None),
        JailNetwork::Disabled => enter_new_stack().map(|_| None),
        JailNetwork::Vnet {
            interfaces,
            default_routes,
        } => {
            let (from, host) = (open()?, own_stack()?);
            let jail = enter_new_stack()?;
            let names = interfaces
                .iter()
                .map(|interface| interface.name.clone())
                .collect();
            let borrowed = Borrowed {
                jail,
                host,
                interfaces: names,
            };
            match borrowed.connect(&from, interfaces, default_routes) {
                Ok(()) => Ok(Some(borrowed)),
                // Of two errors the first is the cause.
                Err(cause) => borrowed.give_back().and(Err(cause)),
            }
        }
    }
}

impl Borrowed {
    fn connect(
        &self,
        host: &Netlink,
        interfaces: &[JailInterface],
        default_routes: &[std::net::IpAddr],
    ) -> Result<()> {
        let stack = own_stack()?;
        for interface in interfaces {
            host.move_interface(&interface.name, &stack)
                .step(|| format!("move interface '{}' into the jail", interface.name))?;
            configure(&self.jail, interface)?;
        }
        for &gateway in default_routes {
            self.jail
                .add_default_route(gateway)
                .step(|| format!("add the default route by {gateway}"))?;
        }
        let deadline = Instant::now() + PATIENCE;
        interfaces
            .iter()
            .try_for_each(|interface| self.wait_until_connected(host, &interface.name, deadline))
    }

    /// Waits until the host's end of an interface, and the bridge it is a member of, pass on what the jail sends: the
    /// kernel sees to it some time after both ends are up. The first packet, which asks for a hardware address, would be
    /// dropped before, and is repeated only after a second.
    fn wait_until_connected(&self, host: &Netlink, name: &InterfaceName, deadline: Instant) -> Result<()> {
        let step = || format!("see whether interface '{name}' is connected");
        let Some(end) = self.jail.link(Which::Name(name)).step(step)?.tied_to else {
            return Ok(());
        };
        while is_waking(host, end).step(step)? && Instant::now() < deadline {
            thread::sleep(REST);
        }
        Ok(())
    }

    /// Moves the interfaces back to the host. One that is not there has been destroyed by its other end, or was never
    /// moved.
    pub(crate) fn give_back(&self) -> Result<()> {
        for name in &self.interfaces {
            match self.jail.move_interface(name, &self.host) {
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                moved => moved.step(|| format!("move interface '{name}' back to the host"))?,
            }
        }
        Ok(())
    }
}

/// Whether an interface of the host, or the bridge it is a member of, does not pass on anything yet.
fn is_waking(host: &Netlink, index: u32) -> io::Result<bool> {
    let link = host.link(Which::Index(index))?;
    match link.bridge {
        Some(bridge) if !link.is_waking => Ok(host.link(Which::Index(bridge))?.is_waking),
        _ => Ok(link.is_waking),
    }
}

/// A stack of its own, in which at least the loopback interface works.
fn enter_new_stack() -> Result<Netlink> {
    sys::unshare(UnshareFlags::NEWNET).step(|| "make a network stack for the jail".to_owned())?;
    let jail = open()?;
    jail.set_up("lo", None)
        .step(|| "set the jail's loopback interface up".to_owned())?;
    Ok(jail)
}

fn own_stack() -> Result<File> {
    File::open("/proc/self/ns/net").step(|| "open the supervisor's network stack".to_owned())
}

fn open() -> Result<Netlink> {
    Netlink::open().step(|| "talk to the kernel about networks".to_owned())
}

fn configure(jail: &Netlink, interface: &JailInterface) -> Result<()> {
    let JailInterface { name, mac, addresses } = interface;
    jail.set_up(name.as_str(), Some(mac))
        .step(|| format!("set interface '{name}' up with address {mac}"))?;
    for &address in addresses {
        jail.add_address(name, address)
            .step(|| format!("give interface '{name}' the address {address}"))?;
    }
    Ok(())
}
