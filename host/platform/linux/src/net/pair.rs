//! Pairs of interfaces (veth(4)): one half is a member of a bridge, the other waits for a jail.

use kleene_plan::{InterfaceName, Pair};
use kleene_platform::{PlatformError, Result};
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};
use rustix::io::Errno;

use super::link::{Link, mark};
use super::{Network, Said, conflict, sysctl};
use crate::failure::OrFailed;

impl Network {
    /// Whether [`ensure_pair`](Self::ensure_pair) would change anything.
    pub(crate) fn would_change_pair(&self, pair: &Pair) -> Result<bool> {
        let Some(link) = self.own_link(&pair.host, &pair.owner)? else {
            self.check_jail_side_is_free(pair)?;
            return Ok(true);
        };
        let bridge = self.link(pair.bridge.as_str())?.map(|bridge| bridge.index);
        Ok(!link.is_up || link.bridge.is_none() || link.bridge != bridge)
    }

    /// A pair; its host side up and a member of the bridge.
    pub(crate) fn ensure_pair(&self, pair: &Pair) -> Result<()> {
        let bridge = self
            .link(pair.bridge.as_str())?
            .ok_or_else(|| PlatformError::NotFound {
                object: format!("bridge {}", pair.bridge),
            })?;
        let Some(link) = self.own_link(&pair.host, &pair.owner)? else {
            self.check_jail_side_is_free(pair)?;
            return self.create_pair(pair, &bridge);
        };
        let action = || format!("make interface {} a member of bridge {}", pair.host, pair.bridge);
        if link.bridge != Some(bridge.index) {
            let message = LinkUnspec::new_with_index(link.index)
                .controller(bridge.index)
                .build();
            self.change(message).or_failed(action)?;
        }
        self.finish_host_side(pair, &bridge, link.index).or_failed(action)
    }

    fn check_jail_side_is_free(&self, pair: &Pair) -> Result<()> {
        match self.link(pair.jail.as_str())? {
            Some(_) => Err(conflict(&pair.jail)),
            None => Ok(()),
        }
    }

    /// As with a bridge, names that clash are never seen without their marks.
    fn create_pair(&self, pair: &Pair, bridge: &Link) -> Result<()> {
        let action = || format!("create the pair of interfaces {} and {}", pair.host, pair.jail);
        let draft = self.unfinished_name();
        let peer = LinkUnspec::new_with_name(pair.jail.as_str())
            .address(pair.mac.0.to_vec())
            .build();
        let message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(draft.clone())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        let refused =
            |said: Said, name| clash(&said, name).unwrap_or_else(|| PlatformError::failed(action(), said));
        self.create(message).map_err(|said| refused(said, &pair.jail))?;
        let link = self.link(&draft)?.ok_or("it vanished").or_failed(action)?;
        let result = self
            .change(
                LinkUnspec::new_with_name(pair.jail.as_str())
                    .alias(mark(&pair.owner))
                    .build(),
            )
            .and_then(|()| {
                self.change(
                    LinkUnspec::new_with_index(link.index)
                        .name(pair.host.as_str())
                        .alias(mark(&pair.owner))
                        .controller(bridge.index)
                        .build(),
                )
            });
        let result = result.map_err(|said| refused(said, &pair.host)).and_then(|()| {
            // It only hands frames to the bridge: the host has no address here, and no routes for one.
            sysctl::write(&sysctl::ipv6(&pair.host, "disable_ipv6"), "1").or_failed(action)?;
            self.finish_host_side(pair, bridge, link.index).or_failed(action)
        });
        if result.is_err() {
            self.delete(link.index)
                .or_failed(|| format!("remove the unfinished pair of {}", pair.host))?;
        }
        result
    }

    /// Isolated before it is up, so that no frame passes in between.
    fn finish_host_side(&self, pair: &Pair, bridge: &Link, index: u32) -> std::result::Result<(), Said> {
        self.set_up_port(index, bridge, pair.mac, pair.isolated)?;
        self.change(LinkUnspec::new_with_index(index).up().build())
    }
}

/// The conflict that an answer tells of, if it does.
fn clash(said: &Said, name: &InterfaceName) -> Option<PlatformError> {
    said.is(Errno::EXIST).then(|| conflict(name))
}
