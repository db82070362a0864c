//! Jail parameters that have a meaning on Linux, and the refusal of all others (jail(8) on FreeBSD).

use crate::error::{Error, Result};

/// What a jail's parameters ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// `host.hostname`; `None`: the container's id.
    pub(crate) hostname: Option<String>,
    /// `exec.jail_user`, which wins over the user of the process.
    pub(crate) user: Option<String>,
    /// `mount.devfs`: whether there is a `/dev`.
    pub(crate) devices: bool,
    /// `allow.raw_sockets`; `None`: only in a network stack of its own, as on FreeBSD.
    pub(crate) raw_sockets: Option<bool>,
}

impl Parameters {
    /// Understands parameters in jail(8)'s form; later ones win.
    pub(crate) fn parse(parameters: &[String]) -> Result<Self> {
        let mut parsed = Self {
            hostname: None,
            user: None,
            devices: true,
            raw_sockets: None,
        };
        for parameter in parameters {
            parsed.add(parameter)?;
        }
        Ok(parsed)
    }

    fn add(&mut self, parameter: &str) -> Result<()> {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end_matches('+'), Some(value)),
            None => (parameter, None),
        };
        match name {
            "host.hostname" => self.hostname = Some(hostname(text(name, value)?)?),
            "exec.jail_user" => self.user = Some(text(name, value)?.to_owned()),
            "mount.devfs" => self.devices = switch(name, value)?,
            "mount.nodevfs" => self.devices = !switch(name, value)?,
            "allow.raw_sockets" => self.raw_sockets = Some(switch(name, value)?),
            "allow.noraw_sockets" => self.raw_sockets = Some(!switch(name, value)?),
            // The environment of the daemon never reaches a jail, so both ask for what is so anyway.
            "exec.clean" | "exec.noclean" => drop(switch(name, value)?),
            _ => return Err(Error::Parameter(name.to_owned())),
        }
        Ok(())
    }
}

/// Whether all parameters have a meaning on Linux: to be asked before a jail is launched.
///
/// Those are `host.hostname`, `exec.jail_user`, `exec.clean`, `mount.devfs`, `allow.raw_sockets` and the `no` forms of
/// the latter three.
///
/// # Errors
/// [`Error::Parameter`] or [`Error::ParameterValue`] about the first that has none.
pub fn check_parameters(parameters: &[String]) -> Result<()> {
    Parameters::parse(parameters).map(drop)
}

fn text<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| wrong(name, value, "a text"))
}

fn hostname(name: &str) -> Result<String> {
    let valid = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_graphic());
    valid.then(|| name.to_owned()).ok_or_else(|| {
        wrong(
            "host.hostname",
            Some(name),
            "a host name of at most 64 printable characters without blanks",
        )
    })
}

fn switch(name: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        other => Err(wrong(name, other, "true or false")),
    }
}

fn wrong(name: &str, value: Option<&str>, wanted: &'static str) -> Error {
    let value = value.unwrap_or_default().to_owned();
    Error::ParameterValue {
        name: name.to_owned(),
        value,
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parameters: &[&str]) -> Result<Parameters> {
        Parameters::parse(&parameters.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_parameters_there_is_a_dev_and_the_id_is_the_name() {
        let defaults = Parameters {
            hostname: None,
            user: None,
            devices: true,
            raw_sockets: None,
        };
        assert_eq!(parse(&[]).unwrap(), defaults);
    }

    #[test]
    fn each_form_of_a_switch_is_understood() {
        for (text, devices) in [
            ("mount.devfs", true),
            ("mount.devfs=true", true),
            ("mount.devfs=1", true),
            ("mount.devfs=false", false),
            ("mount.nodevfs", false),
            ("mount.nodevfs=0", true),
        ] {
            assert_eq!(parse(&[text]).unwrap().devices, devices, "{text}");
        }
    }

    #[test]
    fn the_last_of_several_wins() {
        let parsed = parse(&[
            "host.hostname=a",
            "host.hostname=b",
            "mount.nodevfs",
            "mount.devfs",
        ])
        .unwrap();
        assert_eq!((parsed.hostname.as_deref(), parsed.devices), (Some("b"), true));
    }

    #[test]
    fn a_parameter_without_meaning_here_is_refused_by_name() {
        for name in [
            "persist",
            "ip4.addr",
            "exec.prestart",
            "sysvshm",
            "host.hostname.x",
        ] {
            let error = parse(&[&format!("{name}=x")]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("jail parameter '{name}' has no meaning on Linux")
            );
        }
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_with_what_can() {
        let error = parse(&["allow.raw_sockets=maybe"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "jail parameter 'allow.raw_sockets' cannot be 'maybe': it takes true or false"
        );
        assert!(parse(&["host.hostname=two words"]).is_err());
        assert!(parse(&["exec.jail_user"]).is_err());
    }
}
