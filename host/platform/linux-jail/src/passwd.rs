//! Who a user is, by the jail's own `/etc/passwd` and `/etc/group` (passwd(5), group(5)).
//!
//! Pure: texts in, a user out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// A user as a process needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: PathBuf,
    pub(crate) shell: String,
}

const SHELL: &str = "/bin/sh";

impl User {
    /// Finds a user by name or number; an empty text is root. A number, and root, need no entry.
    pub(crate) fn find(wanted: &str, passwd: &str, group: &str) -> Result<Self> {
        let wanted = if wanted.is_empty() { "root" } else { wanted };
        let entries = || passwd.lines().filter_map(Entry::parse);
        let number = wanted.parse::<u32>().ok().or((wanted == "root").then_some(0));
        let entry = entries()
            .find(|entry| entry.name == wanted)
            .or_else(|| number.and_then(|uid| entries().find(|entry| entry.uid == uid)));
        match (entry, number) {
            (Some(entry), _) => Ok(entry.user(group)),
            // Group 0 without a right of its own is what images for arbitrary users are made for.
            (None, Some(uid)) => Ok(Self {
                name: wanted.to_owned(),
                uid,
                gid: 0,
                groups: Vec::new(),
                home: PathBuf::from(if uid == 0 { "/root" } else { "/" }),
                shell: SHELL.to_owned(),
            }),
            (None, None) if wanted.contains(':') => Err(Error::UserWithGroup(wanted.to_owned())),
            (None, None) => Err(Error::UnknownUser(wanted.to_owned())),
        }
    }
}

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
    shell: &'a str,
}

impl<'a> Entry<'a> {
    /// Lines that are none (comments, NIS entries, damage) are passed over, as getpwent(3) does.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let (_gecos, home, shell) = (fields.next()?, fields.next()?, fields.next().unwrap_or_default());
        Some(Self {
            name,
            uid,
            gid,
            home,
            shell,
        })
    }

    fn user(&self, group: &str) -> User {
        let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
        User {
            name: self.name.to_owned(),
            uid: self.uid,
            gid: self.gid,
            groups: supplementary_groups(self.name, group),
            home: PathBuf::from(or(self.home, "/")),
            shell: or(self.shell, SHELL),
        }
    }
}

fn supplementary_groups(user: &str, group: &str) -> Vec<u32> {
    let membership = |line: &str| {
        let mut fields = line.split(':');
        let (_name, _password, gid, members) = (
            fields.next()?,
            fields.next()?,
            fields.next()?.parse::<u32>().ok()?,
            fields.next()?,
        );
        members.split(',').any(|member| member == user).then_some(gid)
    };
    group
        .lines()
        .filter_map(membership)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "# users\n\
        root:x:0:0:Charlie &:/root:/bin/csh\n\
        www:*:80:80::/nonexistent:/usr/sbin/nologin\n\
        bare:*:500:500:::\n\
        +::::::\n";
    const GROUP: &str = "wheel:*:0:root,www\nwww:*:80:\nmail:*:6:postfix,www\nwww2:*:81:www2\n";

    fn find(wanted: &str) -> Result<User> {
        User::find(wanted, PASSWD, GROUP)
    }

    #[test]
    fn a_user_is_found_by_name_with_its_groups() {
        let user = find("www").unwrap();
        assert_eq!((user.uid, user.gid, user.groups), (80, 80, vec![0, 6]));
        assert_eq!(user.shell, "/usr/sbin/nologin");
    }

    #[test]
    fn a_user_is_found_by_number() {
        assert_eq!(find("80").unwrap(), find("www").unwrap());
    }

    #[test]
    fn nobody_asked_for_is_root() {
        assert_eq!(find("").unwrap().name, "root");
        assert_eq!(find("").unwrap().home, PathBuf::from("/root"));
    }

    #[test]
    fn root_needs_no_entry() {
        let user = User::find("root", "", "").unwrap();
        assert_eq!(
            (user.uid, user.home, user.shell.as_str()),
            (0, PathBuf::from("/root"), "/bin/sh")
        );
    }

    #[test]
    fn a_number_needs_no_entry() {
        let user = find("4711").unwrap();
        assert_eq!((user.uid, user.gid, user.home), (4711, 0, PathBuf::from("/")));
    }

    #[test]
    fn empty_fields_have_defaults() {
        let user = find("bare").unwrap();
        assert_eq!((user.home, user.shell.as_str()), (PathBuf::from("/"), "/bin/sh"));
    }

    #[test]
    fn an_unknown_user_is_named() {
        let error = find("bob").unwrap_err().to_string();
        assert_eq!(error, "user 'bob' does not exist in the container's /etc/passwd");
    }

    #[test]
    fn a_group_is_refused_by_name() {
        let error = find("80:80").unwrap_err().to_string();
        assert!(
            error.starts_with("'80:80' is a user and a group: ") && error.ends_with("write '80'"),
            "{error}"
        );
    }

    #[test]
    fn a_negative_or_huge_number_is_no_user() {
        assert!(find("-1").is_err());
        assert!(find("4294967296").is_err());
    }
}
