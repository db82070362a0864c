//! Containers without a network stack of their own: they borrow addresses of an interface of the host.

use crate::{Alias, Endpoint, IpAddress, JailSetting, Network, Op, Plan};

/// The endpoint's addresses on the network's interface, and the jail confined to them.
#[must_use]
pub fn borrow(network: &Network, endpoint: &Endpoint) -> Plan {
    let addresses = || endpoint.addresses.iter().map(|net| net.address);
    let alias = |address: IpAddress| {
        Op::EnsureAlias(Alias {
            on_interface: network.on_interface.clone(),
            address: address.alone(),
        })
    };
    Plan {
        ops: addresses().map(alias).collect(),
        jail: addresses().map(JailSetting::Address).collect(),
    }
}
