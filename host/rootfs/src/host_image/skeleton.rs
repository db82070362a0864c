//! The files and directories that programs expect on every system.

use std::path::Path;

use rustix::fs::{Mode, RawMode, fchmod};

use crate::{
    Root,
    error::{IoContext, Result},
};

const DIRECTORIES: [(&str, RawMode); 8] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

/// passwd(5), group(5): root and nobody, with the numbers of each system.
mod accounts {
    pub(super) const LINUX_PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    pub(super) const LINUX_GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";
    pub(super) const FREEBSD_PASSWD: &str =
        "root:*:0:0:root:/root:/bin/sh\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    pub(super) const FREEBSD_MASTER: &str = "root::0:0::0:0:root:/root:/bin/sh\nnobody:*:65534:65534::0:0:nobody:/nonexistent:/usr/sbin/nologin\n";
    pub(super) const FREEBSD_GROUP: &str = "wheel:*:0:root\nnogroup:*:65533:\nnobody:*:65534:\n";
}

/// Writes them, replacing files of the same names.
pub(super) fn write(root: &Root) -> Result<()> {
    for (path, mode) in DIRECTORIES {
        root.make_dir_all(path)?;
        fchmod(root.open_dir(Path::new(path))?, Mode::from_raw_mode(mode)).on("set the mode of", path)?;
    }
    if cfg!(target_os = "freebsd") {
        root.write_file("etc/passwd", accounts::FREEBSD_PASSWD.as_bytes(), 0o644)?;
        root.write_file("etc/master.passwd", accounts::FREEBSD_MASTER.as_bytes(), 0o600)?;
        root.write_file("etc/group", accounts::FREEBSD_GROUP.as_bytes(), 0o644)?;
    } else {
        root.write_file("etc/passwd", accounts::LINUX_PASSWD.as_bytes(), 0o644)?;
        root.write_file("etc/group", accounts::LINUX_GROUP.as_bytes(), 0o644)?;
    }
    root.provide_hosts()?;
    Ok(())
}
