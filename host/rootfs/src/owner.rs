//! Owners by name: what `--chown` says, looked up in the image's own `etc/passwd` and `etc/group`.

use crate::{
    Owner, Root,
    error::{Error, Result},
};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
/// The largest such file that is read, in bytes.
const MAX_SIZE: u64 = 16 << 20;

impl Root {
    /// The owner that `user`, `user:group` or `:group` means, as names of this root or as numbers. A user without a group brings
    /// his own; a number that nobody has stands for both.
    ///
    /// # Errors
    /// [`Error::UnknownOwner`].
    pub fn owner(&self, text: &str) -> Result<Owner> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        let account = match user {
            "" => Owner::ROOT,
            user => self.account(user)?,
        };
        Ok(match group {
            Some(group) => Owner {
                gid: self.group(group)?,
                ..account
            },
            None => account,
        })
    }

    fn account(&self, user: &str) -> Result<Owner> {
        let number: Option<u32> = user.parse().ok();
        let known = self.lines(PASSWD)?.into_iter().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (name == user || number == Some(uid)).then_some(Owner { uid, gid })
        });
        known
            .or(number.map(|number| Owner {
                uid: number,
                gid: number,
            }))
            .ok_or_else(|| unknown("user", user, PASSWD))
    }

    fn group(&self, group: &str) -> Result<u32> {
        let known = self.lines(GROUP)?.into_iter().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok()?;
            (name == group).then_some(gid)
        });
        known
            .or_else(|| group.parse().ok())
            .ok_or_else(|| unknown("group", group, GROUP))
    }

    /// None at all if there is no such file.
    fn lines(&self, path: &str) -> Result<Vec<String>> {
        match self.read_file(path, MAX_SIZE) {
            Ok(content) => Ok(String::from_utf8_lossy(&content)
                .lines()
                .map(str::to_owned)
                .collect()),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn unknown(kind: &'static str, name: &str, file: &'static str) -> Error {
    Error::UnknownOwner {
        kind,
        name: name.to_owned(),
        file,
    }
}
