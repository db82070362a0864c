//! The network stack of a jail.
//!
//! The supervisor itself enters the jail's network namespace and connects it before the first process exists, which is
//! then born there. The supervisor has no use for the host's network, so nothing has to be waited for and passed back.

use std::fs::File;

use kleene_plan::{JailInterface, JailNetwork};
use rustix::thread::UnshareFlags;

use crate::error::{Result, Step};
use crate::netlink::Netlink;
use crate::sys;

/// Takes the supervisor into the network stack of a jail that starts.
pub(crate) fn enter(network: &JailNetwork) -> Result<()> {
    match network {
        JailNetwork::Inherit | JailNetwork::Addresses(_) => Ok(()),
        JailNetwork::Disabled => enter_new_stack().map(drop),
        JailNetwork::Vnet {
            interfaces,
            default_routes,
        } => {
            let host = open()?;
            let jail = enter_new_stack()?;
            let stack =
                File::open("/proc/self/ns/net").step(|| "open the jail's network stack".to_owned())?;
            for interface in interfaces {
                host.move_interface(&interface.name, &stack)
                    .step(|| format!("move interface '{}' into the jail", interface.name))?;
                connect(&jail, interface)?;
            }
            for &gateway in default_routes {
                jail.add_default_route(gateway)
                    .step(|| format!("add the default route by {gateway}"))?;
            }
            Ok(())
        }
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

fn open() -> Result<Netlink> {
    Netlink::open().step(|| "talk to the kernel about networks".to_owned())
}

fn connect(jail: &Netlink, interface: &JailInterface) -> Result<()> {
    let JailInterface { name, mac, addresses } = interface;
    jail.set_up(name.as_str(), Some(mac))
        .step(|| format!("set interface '{name}' up with address {mac}"))?;
    for &address in addresses {
        jail.add_address(name, address)
            .step(|| format!("give interface '{name}' the address {address}"))?;
    }
    Ok(())
}
