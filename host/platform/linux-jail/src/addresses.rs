//! The addresses of a jail that shares the host's network stack, and changing them while it runs.
//!
//! What the address filter lets through is kept in `<run root>/<container id>/addresses.json`, beside the jail's other
//! file: programs in the kernel do not tell what they were made from.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use kleene_plan::Id;
use serde::{Deserialize, Serialize};

use crate::address_filter::{self, Addresses};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result, Step};
use crate::jail_file;

/// What a jail is confined to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// The first of each family is the one that stands for all local ones.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) raw_sockets: bool,
}

impl Confinement {
    /// Confines the processes of a cgroup in which there are none yet, and writes it down.
    pub(crate) fn begin(&self, cgroup: &Cgroup, jail_dir: &Path) -> Result<()> {
        address_filter::confine(cgroup.birthplace()?, &self.filter())?;
        self.write(jail_dir)
    }

    fn filter(&self) -> Addresses {
        Addresses::new(&self.addresses, self.raw_sockets)
    }

    fn write(&self, jail_dir: &Path) -> Result<()> {
        let (path, unfinished) = (path(jail_dir), jail_dir.join("addresses.json.new"));
        let json = serde_json::to_vec(self).map_err(|source| Error::Damaged {
            path: path.clone(),
            source,
        })?;
        fs::write(&unfinished, json)
            .and_then(|()| fs::rename(&unfinished, &path))
            .step(|| format!("write '{}'", path.display()))
    }

    fn read(jail_dir: &Path) -> Result<Option<Self>> {
        let path = path(jail_dir);
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|source| Error::Damaged { path, source }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).step(|| format!("read '{}'", path.display())),
        }
    }

    /// Forgets it. A jail that has none is a success.
    pub(crate) fn forget(jail_dir: &Path) -> Result<()> {
        match fs::remove_file(path(jail_dir)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).step(|| format!("remove '{}'", path(jail_dir).display()))
            }
            _ => Ok(()),
        }
    }
}

fn path(jail_dir: &Path) -> PathBuf {
    jail_dir.join("addresses.json")
}

/// The addresses a running jail may use; `None`: it does not run, or is not confined to any.
///
/// # Errors
/// If the jail's files cannot be read.
pub fn addresses(run_root: &Path, id: &Id) -> Result<Option<Vec<IpAddr>>> {
    if jail_file::jail(run_root, id)?.is_none() {
        return Ok(None);
    }
    let confinement = Confinement::read(&run_root.join(id.as_str()))?;
    Ok(confinement.map(|confinement| confinement.addresses))
}

/// Lets a running jail use one more address. It comes after those that the jail has, so that what it does with them
/// stays as it is.
///
/// # Errors
/// [`Error::NotRunning`]; [`Error::NotConfined`]; if the kernel refuses the filter.
pub fn allow_address(run_root: &Path, id: &Id, address: IpAddr) -> Result<()> {
    if jail_file::jail(run_root, id)?.is_none() {
        return Err(Error::NotRunning(id.clone()));
    }
    change(run_root, id, |addresses| {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    })
}

/// Takes an address from a running jail: sockets that are bound to it send and receive nothing any more. A jail that does
/// not run, or has a network stack of its own, is a success.
///
/// # Errors
/// If the kernel refuses the filter.
pub fn deny_address(run_root: &Path, id: &Id, address: IpAddr) -> Result<()> {
    if addresses(run_root, id)?.is_none() {
        return Ok(());
    }
    change(run_root, id, |addresses| {
        addresses.retain(|other| *other != address)
    })
}

/// The filter is changed even if the file says that nothing is to do: a change may have been interrupted between the two.
fn change(run_root: &Path, id: &Id, change: impl FnOnce(&mut Vec<IpAddr>)) -> Result<()> {
    let jail_dir = run_root.join(id.as_str());
    let mut confinement = Confinement::read(&jail_dir)?.ok_or_else(|| Error::NotConfined(id.clone()))?;
    change(&mut confinement.addresses);
    let cgroup = Cgroup::of(id)?;
    address_filter::confine_anew(cgroup.birthplace()?, &confinement.filter())?;
    confinement.write(&jail_dir)
}
