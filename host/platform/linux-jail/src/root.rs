//! The file system a jail sees: its root, `/proc`, `/sys`, `/dev`, the container's mounts, and a cover over what would
//! give away or change the host. What is mounted, how, and what is covered follows runc's default.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use kleene_plan::{JailMount, JailSpec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};

use crate::error::{Result, Step};
use crate::mount::{self, HARMLESS, Mount};

/// Covered by nothing: files by `/dev/null`, directories by an empty one.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Only to be read.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The device nodes of every jail: name, major and minor number (Documentation/admin-guide/devices.txt).
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// The devices of a jail.
pub(crate) struct Devices {
    /// Its pseudo terminals.
    pub(crate) devpts: Mount,
    /// Whether the first of them is the terminal of the first process, and `/dev/console`.
    pub(crate) has_console: bool,
}

/// Makes the file system of a jail the root of the calling process, which must be the first of new mount, process id
/// and IPC namespaces. Nothing of the host's file system can be reached afterwards.
pub(crate) fn enter(jail: &JailSpec, devices: Option<Devices>) -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private)
        .step(|| "separate the jail's mounts from the host's".to_owned())?;
    let mounts = jail
        .mounts
        .iter()
        .map(|mount| Ok((mount, source(mount)?)))
        .collect::<Result<Vec<_>>>()?;
    let null = Mount::view(Path::new("/dev/null")).and_then(Mount::read_only);
    let null = Cover::new(null.step(|| "open '/dev/null'".to_owned())?);
    change_root(&jail.root).step(|| format!("make '{}' the root of the jail", jail.root.display()))?;
    mount_proc().step(|| "mount '/proc' in the jail".to_owned())?;
    mount_sys().step(|| "mount '/sys' in the jail".to_owned())?;
    if let Some(devices) = devices {
        make_dev(devices).step(|| "make '/dev' in the jail".to_owned())?;
    }
    for (JailMount { source, target, .. }, mount) in mounts {
        let step = || {
            format!(
                "mount '{}' at '{}' in the jail",
                source.display(),
                target.display()
            )
        };
        let directory = mount.is_directory().step(step)?;
        mount::make_target(target, directory)
            .and_then(|target| mount.attach(target))
            .step(step)?;
    }
    cover(null)
}

/// Opens what is to be mounted, while the host's paths mean something.
fn source(mount: &JailMount) -> Result<Mount> {
    let open = || {
        let view = Mount::view(&mount.source)?.with(HARMLESS)?;
        if mount.read_only {
            view.read_only()
        } else {
            Ok(view)
        }
    };
    open().step(|| {
        format!(
            "open '{}', which is to be mounted in the jail",
            mount.source.display()
        )
    })
}

/// Puts the root directory in the place of the host's and lets go of the latter (pivot_root(2), "pivot_root(".", ".")").
fn change_root(root: &Path) -> io::Result<()> {
    let target = rustix::fs::open(
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // Device nodes which an image brings along do not work.
    Mount::view(root)?.with(HARMLESS)?.attach(target)?;
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

fn mount_proc() -> io::Result<()> {
    let harmless = HARMLESS | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let target = mount::mount_point(Path::new("/proc"), Mode::from_raw_mode(0o555))?;
    Mount::new("proc", &[], harmless)?.attach(target)
}

fn mount_sys() -> io::Result<()> {
    let harmless = HARMLESS | MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
    let target = mount::mount_point(Path::new("/sys"), Mode::from_raw_mode(0o555))?;
    Mount::new("sysfs", &[], harmless)?.attach(target)
}

fn make_dev(devices: Devices) -> io::Result<()> {
    let Devices { devpts, has_console } = devices;
    let target = mount::mount_point(Path::new("/dev"), Mode::from_raw_mode(0o755))?;
    let options = [("mode", "755"), ("size", "65536k")];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    Mount::new("tmpfs", &options, attributes)?.attach(target)?;
    let dev = mount::exact_target(Path::new("/dev"))?;
    for (name, major, minor) in DEVICES {
        mount::device_node(&dev, name, major, minor)?;
    }
    for (name, destination) in LINKS {
        rustix::fs::symlinkat(destination, &dev, name)?;
    }
    let directory = |name: &str| -> io::Result<_> {
        rustix::fs::mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
        mount::exact_target(&Path::new("/dev").join(name))
    };
    let private = HARMLESS | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    devpts.attach(directory("pts")?)?;
    let options = [("mode", "1777"), ("size", "65536k")];
    Mount::new("tmpfs", &options, private)?.attach(directory("shm")?)?;
    Mount::new("mqueue", &[], private)?.attach(directory("mqueue")?)?;
    if has_console {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        drop(rustix::fs::openat(
            &dev,
            "console",
            flags,
            Mode::from_raw_mode(0o600),
        )?);
        Mount::view(Path::new("/dev/pts/0"))?.attach(mount::exact_target(Path::new("/dev/console"))?)?;
    }
    Ok(())
}

/// Something that is mounted over several paths. The first of them takes the mount itself and the others views of it: a
/// mount that is dropped without having been attached makes the kernel wait for all processors.
struct Cover {
    mount: Option<Mount>,
    first_path: &'static str,
}

impl Cover {
    fn new(mount: Mount) -> Self {
        Self {
            mount: Some(mount),
            first_path: "",
        }
    }

    fn put_over(&mut self, path: &'static str, target: OwnedFd) -> io::Result<()> {
        match self.mount.take() {
            Some(mount) => {
                self.first_path = path;
                mount.attach(target)
            }
            None => Mount::view(Path::new(self.first_path))?.attach(target),
        }
    }
}

/// Covers what is to be hidden or only read, where it exists.
fn cover(mut null: Cover) -> Result<()> {
    let mut empty = None;
    for path in MASKED {
        let mut mask = || -> io::Result<()> {
            let Some(target) = existing(path)? else {
                return Ok(());
            };
            if !FileType::from_raw_mode(rustix::fs::fstat(&target)?.st_mode).is_dir() {
                return null.put_over(path, target);
            }
            let mut cover = match empty.take() {
                Some(cover) => cover,
                None => Cover::new(empty_directory()?),
            };
            cover.put_over(path, target)?;
            empty = Some(cover);
            Ok(())
        };
        mask().step(|| format!("hide '{path}' in the jail"))?;
    }
    for path in READ_ONLY {
        let protect = || -> io::Result<()> {
            let Some(target) = existing(path)? else {
                return Ok(());
            };
            Mount::view_all(Path::new(path))?.read_only()?.attach(target)
        };
        protect().step(|| format!("protect '{path}' in the jail"))?;
    }
    Ok(())
}

fn empty_directory() -> io::Result<Mount> {
    Mount::new("tmpfs", &[("mode", "755")], MountAttrFlags::MOUNT_ATTR_RDONLY)
}

fn existing(path: &str) -> io::Result<Option<OwnedFd>> {
    match mount::exact_target(Path::new(path)) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
