//! An interface as the kernel describes it, and the mark that says whose it is.

use kleene_plan::Owner;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};

/// What is of interest of an interface.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) owner: Option<Owner>,
    /// Its hardware address, if it is one of Ethernet.
    pub(crate) address: Option<[u8; 6]>,
    pub(crate) is_bridge: bool,
    pub(crate) is_up: bool,
    /// The index of the bridge it is a member of.
    pub(crate) bridge: Option<u32>,
}

/// The alias of an owner's interface.
pub(crate) fn mark(owner: &Owner) -> String {
    format!("kleene:{owner}")
}

fn owner(alias: &str) -> Option<Owner> {
    alias.strip_prefix("kleene:")?.parse().ok()
}

impl From<&LinkMessage> for Link {
    fn from(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            owner: None,
            address: None,
            is_bridge: false,
            is_up: message.header.flags.contains(LinkFlags::Up),
            bridge: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::IfAlias(alias) => link.owner = owner(alias),
                LinkAttribute::Address(address) => link.address = address.as_slice().try_into().ok(),
                LinkAttribute::Controller(index) => link.bridge = Some(*index),
                LinkAttribute::LinkInfo(infos) => {
                    link.is_bridge = infos.contains(&LinkInfo::Kind(InfoKind::Bridge));
                }
                _ => {}
            }
        }
        link
    }
}
