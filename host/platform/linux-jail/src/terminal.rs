//! The terminal of a jailed process: a pseudo terminal from the jail's own devpts, so that its name exists inside.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use kleene_plan::WindowSize;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::MountAttrFlags;
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Winsize};

use crate::mount::{self, Mount};

/// devpts, statfs(2).
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// A pseudo terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The supervisor's side.
    pub(crate) master: OwnedFd,
    /// The process' side.
    pub(crate) slave: OwnedFd,
}

/// A devpts of its own for a jail, with the options that runc gives it.
pub(crate) fn new_devpts() -> io::Result<Mount> {
    let options = [("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
    Mount::new(
        "devpts",
        &options,
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )
}

impl Terminal {
    /// A terminal of a devpts that is yet to be attached.
    pub(crate) fn of_devpts(devpts: &Mount, size: WindowSize) -> io::Result<Self> {
        Self::from_master(devpts.open("ptmx", OFlags::RDWR | OFlags::NOCTTY)?, size)
    }

    /// A terminal of the devpts of a jail that runs; of the host's, if it has none.
    pub(crate) fn of_jail(first_process: Pid, size: WindowSize) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = format!("/proc/{}/root", first_process.as_raw_nonzero());
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let path = Path::new("dev/pts/ptmx");
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            // A jail without devices of its own may have put anything there.
            Ok(master) if mount::is_in(&master, DEVPTS_MAGIC)? => Self::from_master(master, size),
            _ => Self::of_host(size),
        }
    }

    /// A terminal of the host's devpts, for a jail without `/dev`: it works, but its name means nothing inside.
    pub(crate) fn of_host(size: WindowSize) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        Self::from_master(rustix::pty::openpt(flags)?, size)
    }

    fn from_master(master: OwnedFd, size: WindowSize) -> io::Result<Self> {
        rustix::pty::unlockpt(&master)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        // Lines end in a line feed alone, as in a pipe: what prints them in a terminal adds the rest.
        let mut modes = rustix::termios::tcgetattr(&slave)?;
        modes.output_modes.remove(OutputModes::ONLCR);
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &modes)?;
        let size = Winsize {
            ws_row: size.rows,
            ws_col: size.cols,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&slave, size)?;
        Ok(Self { master, slave })
    }
}

/// Makes a terminal the controlling one of the calling process, which leads a session without one.
pub(crate) fn control(slave: impl AsFd) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(slave)?)
}
