//! Settings of the network stack in `/proc/sys/net`, of the network namespace of the thread.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kleene_plan::{Family, InterfaceName};
use kleene_platform::{PlatformError, Result};

use crate::failure::OrFailed;

pub(crate) fn ipv4(interface: &InterfaceName, setting: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv4/conf")
        .join(interface.as_str())
        .join(setting)
}

pub(crate) fn ipv6(interface: &InterfaceName, setting: &str) -> PathBuf {
    Path::new("/proc/sys/net/ipv6/conf")
        .join(interface.as_str())
        .join(setting)
}

/// Writes a setting unless it has the value. One of IPv6 is absent where the kernel runs without IPv6, and not needed.
pub(crate) fn write(path: &Path, value: &str) -> io::Result<()> {
    match fs::read_to_string(path) {
        Ok(present) if present.trim() == value => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.starts_with("/proc/sys/net/ipv6") => {
            Ok(())
        }
        _ => fs::write(path, value)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// The setting that makes the host forward packets of a family.
pub(crate) fn forwarding(family: Family) -> &'static Path {
    Path::new(match family {
        Family::Inet => "/proc/sys/net/ipv4/ip_forward",
        Family::Inet6 => "/proc/sys/net/ipv6/conf/all/forwarding",
    })
}

/// Whether the host forwards packets of a family.
pub(crate) fn forwarding_is_enabled(family: Family) -> Result<bool> {
    let path = forwarding(family);
    match fs::read_to_string(path) {
        Ok(value) => Ok(value.trim() != "0"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PlatformError::NotSupported {
            what: format!("forwarding of {family} packets"),
            reason: format!("the kernel has no {}", path.display()),
        }),
        Err(error) => Err(PlatformError::failed(format!("read {}", path.display()), error)),
    }
}

/// Makes the host forward packets of a family.
pub(crate) fn enable_forwarding(family: Family) -> Result<()> {
    if forwarding_is_enabled(family)? {
        return Ok(());
    }
    tracing::warn!(
        "this host forwards {family} packets from now on, until {} is set to 0",
        forwarding(family).display()
    );
    write(forwarding(family), "1").or_failed(|| format!("make the host forward {family} packets"))
}
