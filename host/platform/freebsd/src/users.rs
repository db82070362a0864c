//! As whom a process runs: jail(8) and jexec(8) want a name that the jail's own files know.

use std::io::ErrorKind;

use kleene_rootfs::Root;

use crate::error::{Error, Result, Step};

/// More than any file of users has.
const MAX_SIZE: u64 = 16 << 20;

/// The name to give to the tools. `None`: the jail knows no users at all, and its processes are root's.
///
/// # Errors
/// [`Error::UnknownUser`] for a name or number that nobody has: jail(8) would say so after it made the jail.
pub(crate) fn name_in(root: &Root, user: &str) -> Result<Option<String>> {
    let passwd = match root.read_file("etc/passwd", MAX_SIZE) {
        Err(kleene_rootfs::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => None,
        passwd => Some(passwd.step(|| "read the container's /etc/passwd".to_owned())?),
    };
    match (passwd, user) {
        (None, "" | "root" | "0") => Ok(None),
        (None, user) => Err(Error::UnknownUser(user.to_owned())),
        (Some(_), "") => Ok(Some("root".to_owned())),
        (Some(passwd), number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            let passwd = String::from_utf8_lossy(&passwd);
            let name = passwd.lines().find_map(|line| name_of(line, number));
            let name = name.ok_or_else(|| Error::UnknownUser(number.to_owned()))?;
            Ok(Some(name.to_owned()))
        }
        (Some(passwd), name) => {
            let passwd = String::from_utf8_lossy(&passwd);
            let is_known = passwd.lines().any(|line| line.split(':').next() == Some(name));
            let name = is_known.then(|| name.to_owned());
            name.map(Some).ok_or_else(|| Error::UnknownUser(user.to_owned()))
        }
    }
}

/// The name in a line of passwd(5), if the line is about this number.
fn name_of<'a>(line: &'a str, number: &str) -> Option<&'a str> {
    let mut fields = line.split(':');
    let name = fields
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    (fields.nth(1)? == number).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(passwd: Option<&str>, user: &str) -> Result<Option<String>> {
        let directory = tempfile::tempdir().unwrap();
        if let Some(passwd) = passwd {
            std::fs::create_dir(directory.path().join("etc")).unwrap();
            std::fs::write(directory.path().join("etc/passwd"), passwd).unwrap();
        }
        name_in(&Root::open(directory.path()).unwrap(), user)
    }

    const PASSWD: &str =
        "# $FreeBSD$\nroot:*:0:0:Charlie &:/root:/bin/sh\nwww:*:80:80::/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn a_name_is_given_as_it_is_and_nothing_means_root() {
        assert_eq!(name(Some(PASSWD), "www").unwrap().as_deref(), Some("www"));
        assert_eq!(name(Some(PASSWD), "").unwrap().as_deref(), Some("root"));
    }

    #[test]
    fn a_name_that_nobody_has_is_refused() {
        assert!(matches!(name(Some(PASSWD), "ww"), Err(Error::UnknownUser(name)) if name == "ww"));
    }

    #[test]
    fn a_number_is_looked_up() {
        assert_eq!(name(Some(PASSWD), "80").unwrap().as_deref(), Some("www"));
        assert!(matches!(name(Some(PASSWD), "81"), Err(Error::UnknownUser(number)) if number == "81"));
    }

    #[test]
    fn a_jail_without_users_has_root_only() {
        assert_eq!(name(None, "root").unwrap(), None);
        assert_eq!(name(None, "").unwrap(), None);
        assert!(matches!(name(None, "www"), Err(Error::UnknownUser(_))));
    }
}
