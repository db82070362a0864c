//! Archives that no honest program makes, and a root inside a directory that must stay as it is.

#![allow(dead_code, reason = "no test uses all of it")]

use std::fs;

use kleene_rootfs::{
    Error, Root,
    archive::{Limits, Unpacked, unpack},
};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// Builds archives which the tar crate would refuse to build.
pub struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub fn entry(mut self, name: &str, kind: EntryType, link: &str, mode: u32, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, "", 0o644, content)
    }

    pub fn dir(self, name: &str, mode: u32) -> Self {
        self.entry(name, EntryType::Directory, "", mode, b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Symlink, target, 0o777, b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Link, target, 0o644, b"")
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A root inside a directory that must stay as it is: `outside/` and `root/`.
pub struct Place {
    pub dir: TempDir,
    pub root: Root,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/secret"), "untouched").unwrap();
        let root = Root::open(dir.path().join("root")).unwrap();
        Self { dir, root }
    }

    pub fn unpack(&self, bytes: &[u8]) -> Result<Unpacked, Error> {
        self.unpack_within(bytes, &Limits::default())
    }

    pub fn unpack_within(&self, bytes: &[u8], limits: &Limits) -> Result<Unpacked, Error> {
        unpack(bytes, &self.root, limits, &mut |_| {})
    }

    pub fn path(&self, inside: &str) -> std::path::PathBuf {
        self.root.host_path().join(inside)
    }

    pub fn outside(&self) -> String {
        self.dir.path().join("outside").to_str().unwrap().to_owned()
    }

    pub fn assert_outside_untouched(&self) {
        let names: Vec<_> = fs::read_dir(self.outside())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["secret"]);
        assert_eq!(
            fs::read_to_string(self.dir.path().join("outside/secret")).unwrap(),
            "untouched"
        );
        let beside: Vec<_> = fs::read_dir(self.dir.path()).unwrap().collect();
        assert_eq!(beside.len(), 2);
    }
}
