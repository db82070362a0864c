//! Remembers which addresses we put on interfaces, a file each: FreeBSD's addresses bear no mark, and an address that
//! the administrator gave an interface must never be taken from it. The files end with the host's uptime, as do the
//! addresses.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use ipnet::IpNet;
use kleene_plan::InterfaceName;
use kleene_platform::Result;

use crate::failure::OrFailed;

/// The directory of those files.
#[derive(Debug)]
pub(crate) struct Aliases(PathBuf);

impl Aliases {
    pub(crate) fn open(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).or_failed(|| format!("create '{}'", directory.display()))?;
        Ok(Self(directory))
    }

    fn file(&self, interface: &InterfaceName, address: IpNet) -> PathBuf {
        let address = address.to_string().replace('/', "_");
        self.0.join(format!("{interface} {address}"))
    }

    pub(crate) fn has(&self, interface: &InterfaceName, address: IpNet) -> bool {
        self.file(interface, address).exists()
    }

    pub(crate) fn add(&self, interface: &InterfaceName, address: IpNet) -> Result<()> {
        let file = self.file(interface, address);
        fs::write(&file, "").or_failed(|| format!("write '{}'", file.display()))
    }

    pub(crate) fn forget(&self, interface: &InterfaceName, address: IpNet) -> Result<()> {
        let file = self.file(interface, address);
        absent_is_fine(fs::remove_file(&file)).or_failed(|| format!("remove '{}'", file.display()))
    }
}

/// Success where the file was absent already.
pub(crate) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
