//! One overlayfs mount, through the mount API of Linux 5.2 (fsopen(2), fsconfig(2), fsmount(2)), which knows no limit
//! on the number of layers but overlayfs' own 500; on a kernel without `lowerdir+` (before 6.5), through mount(2),
//! whose options must fit in a page.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount, move_mount,
};

/// An overlay that is not mounted yet.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// What the list of mounts shows as its source.
    pub(crate) source: String,
    /// Uppermost first.
    pub(crate) lowers: Vec<PathBuf>,
    /// Where writes go, and the directory overlayfs works in; `None`: read-only, with two lower layers or more.
    pub(crate) upper: Option<(PathBuf, PathBuf)>,
}

/// How overlayfs shall represent changes, whatever the defaults of the kernel: a layer must stay readable by the next
/// one. A renamed directory is not copied; a changed file is complete in its layer; an inode index would tie a layer to
/// one place of one disk.
const OPTIONS: [(&str, &str); 3] = [("redirect_dir", "on"), ("metacopy", "off"), ("index", "off")];

/// mount(2) copies one page of options.
const SMALLEST_PAGE: usize = 4096;

impl Overlay {
    /// Makes it visible at a directory.
    pub(crate) fn mount_at(&self, target: &Path) -> io::Result<()> {
        match self.detached() {
            Ok(mount) => Ok(move_mount(
                &mount,
                "",
                CWD,
                target,
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
            )?),
            Err(Errno::INVAL | Errno::NOSYS) => self.mount_the_old_way(target),
            Err(error) => Err(error.into()),
        }
    }

    /// A mount without a place; gone when the descriptor is closed.
    pub(crate) fn detached(&self) -> Result<OwnedFd, Errno> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", self.source.as_str())?;
        for (option, value) in OPTIONS {
            fsconfig_set_string(&context, option, value)?;
        }
        for lower in &self.lowers {
            fsconfig_set_string(&context, "lowerdir+", lower)?;
        }
        if let Some((files, work)) = &self.upper {
            fsconfig_set_string(&context, "upperdir", files)?;
            fsconfig_set_string(&context, "workdir", work)?;
        }
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
    }

    fn mount_the_old_way(&self, target: &Path) -> io::Result<()> {
        let mut options = self.option_string().into_vec();
        options.push(0);
        let options = std::ffi::CString::from_vec_with_nul(options).map_err(io::Error::other)?;
        if options.as_bytes_with_nul().len() > SMALLEST_PAGE {
            return Err(io::Error::other(format!(
                "{} layers are too many for this kernel; Linux 6.5 takes 500",
                self.lowers.len()
            )));
        }
        Ok(mount(
            self.source.as_str(),
            target,
            "overlay",
            MountFlags::empty(),
            options.as_c_str(),
        )?)
    }

    /// The options as mount(8) takes them.
    pub(crate) fn option_string(&self) -> OsString {
        let mut text = b"lowerdir=".to_vec();
        for (index, lower) in self.lowers.iter().enumerate() {
            if index > 0 {
                text.push(b':');
            }
            quote(lower, &mut text);
        }
        if let Some((files, work)) = &self.upper {
            text.extend(b",upperdir=");
            quote(files, &mut text);
            text.extend(b",workdir=");
            quote(work, &mut text);
        }
        for (option, value) in OPTIONS {
            text.extend(format!(",{option}={value}").into_bytes());
        }
        OsString::from_vec(text)
    }
}

/// A path with a backslash before what separates options and layers.
fn quote(path: &Path, text: &mut Vec<u8>) {
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
}
