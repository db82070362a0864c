//! Addresses of the host's that a running jail may use. jail(8) is told all of a family, in the order in which the jail
//! has them: the first is the one its connections come from.

use std::net::IpAddr;

use kleene_plan::Id;
use kleene_platform::{PlatformError, Result};

use crate::command::{Command, Tools};
use crate::failure::OrFailed;
use crate::jail;

impl Tools {
    /// The addresses of a jail. `None`: it does not run.
    pub(crate) fn addresses_of_jail(&self, id: &Id) -> Result<Option<Vec<IpAddr>>> {
        let jail = self.find_jail(id).or_failed(|| format!("look for jail {id}"))?;
        Ok(jail.map(|jail| jail.addresses()))
    }

    /// Lets a running jail use one more address.
    pub(crate) fn allow_address(&self, id: &Id, address: IpAddr) -> Result<()> {
        let addresses = self
            .addresses_of_jail(id)?
            .ok_or_else(|| PlatformError::NotFound {
                object: format!("jail {id}"),
            })?;
        if addresses.contains(&address) {
            return Ok(());
        }
        self.run(&allow(id, &addresses, address))
            .map(drop)
            .or_failed(|| format!("let jail {id} use address {address}"))
    }

    /// Takes an address from a jail. One that does not run uses none.
    pub(crate) fn deny_address(&self, id: &Id, address: IpAddr) -> Result<()> {
        let Some(mut addresses) = self
            .addresses_of_jail(id)?
            .filter(|found| found.contains(&address))
        else {
            return Ok(());
        };
        addresses.retain(|found| *found != address);
        match self.run(&of_family(id, &addresses, address)) {
            Err(error) if !jail::is_absence(&error) => {
                let action = format!("take address {address} from jail {id}");
                Err(PlatformError::failed(action, error))
            }
            _ => Ok(()),
        }
    }
}

/// One more address behind those there are.
pub(crate) fn allow(id: &Id, present: &[IpAddr], address: IpAddr) -> Command {
    let all: Vec<IpAddr> = present.iter().copied().chain([address]).collect();
    of_family(id, &all, address)
}

/// All addresses of a family.
pub(crate) fn of_family(id: &Id, all: &[IpAddr], family: IpAddr) -> Command {
    let of_family = all.iter().filter(|address| address.is_ipv4() == family.is_ipv4());
    let list: Vec<String> = of_family.map(ToString::to_string).collect();
    let key = if family.is_ipv4() { "ip4.addr" } else { "ip6.addr" };
    jail::modify(id, [format!("{key}={}", list.join(","))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jail_is_told_all_addresses_of_one_family() {
        let id: Id = "c0ffee001122".parse().unwrap();
        let present: Vec<IpAddr> = ["10.0.0.1", "fd00::1"].map(|text| text.parse().unwrap()).to_vec();
        let allowed = allow(&id, &present, "10.0.0.2".parse().unwrap());
        assert_eq!(
            allowed.to_string(),
            "jail -m name=c0ffee001122 ip4.addr=10.0.0.1,10.0.0.2"
        );
        let allowed = allow(&id, &present, "fd00::2".parse().unwrap());
        assert_eq!(
            allowed.to_string(),
            "jail -m name=c0ffee001122 ip6.addr=fd00::1,fd00::2"
        );
        let denied = of_family(&id, &[], "10.0.0.2".parse().unwrap());
        assert_eq!(denied.to_string(), "jail -m name=c0ffee001122 ip4.addr=");
    }
}
