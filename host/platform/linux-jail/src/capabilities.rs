//! What root in a jail may still do: Docker's default set, less what a FreeBSD jail does not have either.
//!
//! `CAP_MKNOD` is missing because a device node is the key to the host's disk; the nodes of `/dev` are made before it is
//! given up. `CAP_NET_RAW` depends on `allow.raw_sockets`.

use kleene_plan::JailNetwork;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::error::{Result, Step};

const ALWAYS: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);

/// The capabilities of a jail's processes. As on FreeBSD, raw sockets are free in a network stack of its own and
/// elsewhere only by `allow.raw_sockets`.
pub(crate) fn of_jail(network: &JailNetwork, raw_sockets: Option<bool>) -> CapabilitySet {
    if raw_sockets.unwrap_or(matches!(network, JailNetwork::Vnet { .. })) {
        ALWAYS | CapabilitySet::NET_RAW
    } else {
        ALWAYS
    }
}

/// Gives up all others for good, for this process and all that come of it.
pub(crate) fn confine(kept: CapabilitySet) -> Result<()> {
    let what = || "give up capabilities".to_owned();
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel knows no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error).step(what),
        }
    }
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).step(what)?;
    rustix::thread::clear_ambient_capability_set().step(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_sockets_are_free_only_in_a_stack_of_its_own() {
        let vnet = JailNetwork::Vnet {
            interfaces: Vec::new(),
            default_routes: Vec::new(),
        };
        assert!(of_jail(&vnet, None).contains(CapabilitySet::NET_RAW));
        assert!(!of_jail(&JailNetwork::Inherit, None).contains(CapabilitySet::NET_RAW));
    }

    #[test]
    fn the_parameter_decides_about_raw_sockets() {
        let vnet = JailNetwork::Vnet {
            interfaces: Vec::new(),
            default_routes: Vec::new(),
        };
        assert!(!of_jail(&vnet, Some(false)).contains(CapabilitySet::NET_RAW));
        assert!(of_jail(&JailNetwork::Inherit, Some(true)).contains(CapabilitySet::NET_RAW));
    }

    #[test]
    fn no_jail_may_make_device_nodes_or_administer_the_host() {
        let most = of_jail(&JailNetwork::Inherit, Some(true));
        for denied in [
            CapabilitySet::MKNOD,
            CapabilitySet::SYS_ADMIN,
            CapabilitySet::NET_ADMIN,
        ] {
            assert!(!most.intersects(denied));
        }
    }
}
