//! As whom a process runs: jail(8) and jexec(8) want a name that the jail's own files know.

use std::io::ErrorKind;

use kleene_rootfs::Root;

use crate::command::{Command, Program};
use crate::error::{Error, Result, Step};

const PWD_MKDB: Program = Program("/usr/sbin/pwd_mkdb");

/// Where users are, for people to edit and for programs to read.
const MASTER: &str = "etc/master.passwd";
const DATABASE: &str = "etc/pwd.db";

/// More than any file of users has.
const MAX_SIZE: u64 = 16 << 20;

/// As whom, in the words of the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// A name that the jail's files know.
    pub(crate) name: String,
    /// Whether the home directory is there. Without one a login fails: jail(8) and jexec(8) change to it in a clean
    /// environment (`exec.clean`, `-l`), and many of those who own no files have none (`/nonexistent`).
    pub(crate) has_home: bool,
}

/// The user in the jail. `None`: the jail knows no users at all, and its processes are root's.
///
/// # Errors
/// [`Error::UnknownUser`] for a name or number that nobody has: jail(8) would say so after it made the jail.
pub(crate) fn user_in(root: &Root, user: &str) -> Result<Option<User>> {
    let passwd = if has_database(root)? {
        read(root, "etc/passwd")?
    } else {
        None
    };
    let Some(passwd) = passwd else {
        return match user {
            "" | "root" | "0" => Ok(None),
            user => Err(Error::UnknownUser(user.to_owned())),
        };
    };
    let passwd = String::from_utf8_lossy(&passwd);
    let user = if user.is_empty() { "root" } else { user };
    let is_number = user.bytes().all(|byte| byte.is_ascii_digit());
    let found = passwd
        .lines()
        .filter_map(Entry::of)
        .find(|entry| match is_number {
            true => entry.number == user,
            false => entry.name == user,
        });
    let found = found.ok_or_else(|| Error::UnknownUser(user.to_owned()))?;
    Ok(Some(User {
        name: found.name.to_owned(),
        has_home: root.is_empty_dir(found.home.trim_start_matches('/')).is_ok(),
    }))
}

/// Whether the tools will find users: FreeBSD looks in a database that pwd_mkdb(8) makes of `master.passwd`, and never in
/// the text. Stand-ins look in the text.
fn has_database(root: &Root) -> Result<bool> {
    if cfg!(not(target_os = "freebsd")) {
        return Ok(true);
    }
    Ok(read(root, DATABASE)?.is_some())
}

/// The command that makes the database of users, where there is none and it can be made: in images made of programs, and
/// where somebody put a `master.passwd`.
///
/// # Errors
/// If the files cannot be read.
pub(crate) fn make_database(root: &Root) -> Result<Option<Command>> {
    if read(root, MASTER)?.is_none() || read(root, DATABASE)?.is_some() {
        return Ok(None);
    }
    // Where a link leads elsewhere, elsewhere beneath the root.
    let etc = root
        .make_dir_all("etc")
        .step(|| "look for the container's /etc".to_owned())?;
    let etc = root.host_path().join(etc);
    let arguments = ["-p".as_ref(), "-d".as_ref(), etc.as_os_str()];
    let arguments = arguments.map(|word| word.to_string_lossy().into_owned());
    Ok(Some(
        Command::new(PWD_MKDB)
            .args(arguments)
            .arg(etc.join("master.passwd").display()),
    ))
}

fn read(root: &Root, path: &str) -> Result<Option<Vec<u8>>> {
    match root.read_file(path, MAX_SIZE) {
        Err(kleene_rootfs::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some).step(|| format!("read the container's /{path}")),
    }
}

/// A line of passwd(5).
struct Entry<'a> {
    name: &'a str,
    number: &'a str,
    home: &'a str,
}

impl<'a> Entry<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with('#'))?;
        Some(Self {
            name,
            number: fields.nth(1)?,
            home: fields.nth(2).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        for (path, content) in files {
            std::fs::write(directory.path().join(path), content).unwrap();
        }
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    fn name(passwd: Option<&str>, user: &str) -> Result<Option<String>> {
        let files: Vec<_> = passwd.into_iter().map(|text| ("etc/passwd", text)).collect();
        let (_directory, root) = root_with(&files);
        Ok(user_in(&root, user)?.map(|user| user.name))
    }

    #[test]
    fn a_home_that_is_not_there_is_told() {
        let (directory, root) = root_with(&[("etc/passwd", PASSWD)]);
        std::fs::create_dir(directory.path().join("root")).unwrap();
        assert!(user_in(&root, "root").unwrap().unwrap().has_home);
        assert!(!user_in(&root, "www").unwrap().unwrap().has_home);
    }

    #[test]
    fn a_database_is_made_where_there_is_none_and_users_are_told() {
        let (directory, root) = root_with(&[]);
        assert_eq!(make_database(&root).unwrap(), None);
        let (with_users, root_with_users) = root_with(&[(MASTER, "root::0:0::0:0:root:/root:/bin/sh\n")]);
        let command = make_database(&root_with_users).unwrap().unwrap();
        let etc = std::fs::canonicalize(with_users.path().join("etc")).unwrap();
        let etc = etc.display();
        assert_eq!(
            command.to_string(),
            format!("pwd_mkdb -p -d {etc} {etc}/master.passwd")
        );
        let (_all, root_with_all) = root_with(&[(MASTER, ""), (DATABASE, "")]);
        assert_eq!(make_database(&root_with_all).unwrap(), None);
        drop(directory);
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
