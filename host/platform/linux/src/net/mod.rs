//! Interfaces, addresses and routes of the host, through rtnetlink(7).
//!
//! What Kleene makes is marked, so that it is never mistaken for somebody else's: an interface by its alias
//! (`kleene:<owner>`, seen in `ip -d link`), an address by its protocol number (`proto 0x6b`, seen in `ip -d address`,
//! Linux 5.18).
//!
//! The calls block. Messages are exchanged by a small runtime of this module's own, which has no thread: it runs while
//! a caller waits for an answer.

mod address;
mod bridge;
mod link;
mod listeners;
mod pair;
mod port;
mod route;
mod sysctl;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt;
use kleene_plan::{InterfaceName, Owner};
use kleene_platform::{InterfaceInfo, PlatformError, Result};
use link::Link;
pub(crate) use link::mark;
pub(crate) use listeners::listeners;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::{Error, Handle, LinkGetRequest};
pub(crate) use sysctl::{enable_forwarding, forwarding_is_enabled};
use tokio::runtime::Runtime;

use crate::failure::OrFailed;

/// Names of interfaces that are being made: no [`InterfaceName`] has such a sign.
const UNFINISHED: &str = "kleene~";

/// The network stack of the thread that opens it.
#[derive(Debug)]
pub(crate) struct Network {
    runtime: Runtime,
    handle: Handle,
    counter: AtomicU32,
    /// Whose question is being answered.
    turn: Mutex<()>,
}

impl Network {
    /// Opens it and removes interfaces that a crash left unfinished.
    pub(crate) fn open() -> Result<Self> {
        let action = || "open a netlink socket for interfaces".to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .or_failed(action)?;
        let handle = {
            let _context = runtime.enter();
            let (connection, handle, _) = rtnetlink::new_connection_with_strict_check().or_failed(action)?;
            runtime.spawn(connection);
            handle
        };
        let network = Self {
            runtime,
            handle,
            counter: AtomicU32::new(0),
            turn: Mutex::new(()),
        };
        for link in network
            .links()?
            .iter()
            .filter(|link| link.name.starts_with(UNFINISHED))
        {
            network
                .delete(link.index)
                .or_failed(|| format!("remove the unfinished interface {}", link.name))?;
        }
        Ok(network)
    }

    fn unfinished_name(&self) -> String {
        format!(
            "{UNFINISHED}{:x}",
            self.counter.fetch_add(1, Ordering::Relaxed) & 0x0fff_ffff
        )
    }

    fn wait<T, F>(&self, ask: impl FnOnce() -> F) -> std::result::Result<T, Said>
    where
        F: Future<Output = std::result::Result<T, Error>>,
    {
        // The kernel refuses to list two things at once over one socket (EBUSY). A question is sent as soon as it is
        // made, so it is made in its turn.
        let _one_at_a_time = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block_on(ask()).map_err(Said)
    }

    /// All interfaces.
    fn links(&self) -> Result<Vec<Link>> {
        let links = self.wait(|| self.handle.link().get().execute().try_collect::<Vec<_>>());
        Ok(links
            .or_failed(|| "list interfaces".to_owned())?
            .iter()
            .map(Link::from)
            .collect())
    }

    /// The interface of a name, if there is one.
    fn link(&self, name: &str) -> Result<Option<Link>> {
        self.one_link(self.handle.link().get().match_name(name), || {
            format!("look up interface {name}")
        })
    }

    fn link_of_index(&self, index: u32) -> Result<Option<Link>> {
        self.one_link(self.handle.link().get().match_index(index), || {
            format!("look up interface number {index}")
        })
    }

    fn one_link(&self, request: LinkGetRequest, action: impl FnOnce() -> String) -> Result<Option<Link>> {
        let answer = self.wait(|| async move { std::pin::pin!(request.execute()).try_next().await });
        match answer {
            Ok(link) => Ok(link.as_ref().map(Link::from)),
            Err(said) if said.is(rustix::io::Errno::NODEV) => Ok(None),
            Err(said) => Err(PlatformError::failed(action(), said)),
        }
    }

    fn change(&self, message: LinkMessage) -> std::result::Result<(), Said> {
        self.wait(|| self.handle.link().change(message).execute())
    }

    fn create(&self, message: LinkMessage) -> std::result::Result<(), Said> {
        self.wait(|| self.handle.link().add(message).execute())
    }

    /// Deletes an interface; an absent one is a success.
    fn delete(&self, index: u32) -> std::result::Result<(), Said> {
        match self.wait(|| self.handle.link().del(index).execute()) {
            Err(said) if said.is(rustix::io::Errno::NODEV) => Ok(()),
            other => other,
        }
    }

    /// Whether an interface exists.
    pub(crate) fn exists(&self, name: &InterfaceName) -> Result<bool> {
        Ok(self.link(name.as_str())?.is_some())
    }

    /// # Errors
    /// [`PlatformError::NotFound`] if an interface does not exist.
    pub(crate) fn must_exist(&self, name: &InterfaceName) -> Result<()> {
        self.existing_link(name).map(|_| ())
    }

    /// Whether an interface exists as the owner's.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] if it exists as somebody else's.
    pub(crate) fn is_there(&self, name: &InterfaceName, owner: &Owner) -> Result<bool> {
        Ok(self.own_link(name, owner)?.is_some())
    }

    fn own_link(&self, name: &InterfaceName, owner: &Owner) -> Result<Option<Link>> {
        match self.link(name.as_str())? {
            Some(link) if link.owner.as_ref() != Some(owner) => Err(conflict(name)),
            link => Ok(link),
        }
    }

    /// Whether [`remove`](Self::remove) would find something to remove.
    pub(crate) fn would_remove(&self, name: &InterfaceName, owner: &Owner) -> Result<bool> {
        Ok(self
            .link(name.as_str())?
            .is_some_and(|link| link.owner.as_ref() == Some(owner)))
    }

    /// Removes an interface if it is the owner's, and the other half of a pair with it. Somebody else's stays.
    pub(crate) fn remove(&self, name: &InterfaceName, owner: &Owner) -> Result<()> {
        match self.link(name.as_str())? {
            Some(link) if link.owner.as_ref() == Some(owner) => self
                .delete(link.index)
                .or_failed(|| format!("remove interface {name}")),
            Some(_) => {
                tracing::warn!("interface {name} is not removed: it does not belong to {owner}");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Every interface with its addresses. One whose name is not an [`InterfaceName`] cannot be spoken of and is left
    /// out.
    pub(crate) fn interfaces(&self) -> Result<Vec<InterfaceInfo>> {
        let mut addresses = self.all_addresses()?;
        let links = self.links()?.into_iter();
        Ok(links
            .filter_map(|link| {
                Some(InterfaceInfo {
                    name: link.name.parse().ok()?,
                    addresses: addresses.remove(&link.index).unwrap_or_default(),
                    owner: link.owner,
                })
            })
            .collect())
    }

    /// Names of the interfaces of Kleene's networks.
    pub(crate) fn networks(&self) -> Result<Vec<InterfaceName>> {
        let links = self.links()?.into_iter();
        Ok(links
            .filter(|link| link.is_bridge && matches!(link.owner, Some(Owner::Network(_))))
            .filter_map(|link| link.name.parse().ok())
            .collect())
    }
}

/// What the kernel answered.
#[derive(Debug)]
struct Said(Error);

impl Said {
    fn is(&self, errno: rustix::io::Errno) -> bool {
        matches!(&self.0, Error::NetlinkError(message) if message.raw_code() == -errno.raw_os_error())
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Error::NetlinkError(message) => message.to_io().fmt(f),
            other => other.fmt(f),
        }
    }
}

fn conflict(name: &InterfaceName) -> PlatformError {
    PlatformError::Conflict {
        object: format!("interface {name}"),
    }
}
