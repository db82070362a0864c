//! Throw-away namespaces: what a test mounts, or does to the network, ends with its thread.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture that fails fails its test"
)]
pub mod net;

use std::path::Path;

use kleene_linux::LayerStore;
use kleene_plan::{DatasetName, SnapshotName};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives this thread, and those it starts, a mount namespace of its own.
pub fn own_mounts() {
    enter(UnshareFlags::NEWNS);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .expect("make mounts private");
}

/// Gives this thread, and those it starts, new namespaces.
#[allow(unsafe_code, reason = "unshare(2) of namespaces")]
pub fn enter(flags: UnshareFlags) {
    // SAFETY: no file descriptors are unshared, so no owner of one in another thread is affected.
    unsafe { unshare_unsafe(flags) }.expect("tests of the Linux platform run as root");
}

/// A store below a directory of its own.
pub struct Fixture {
    pub store: LayerStore,
    _unmount: Unmount,
    pub directory: tempfile::TempDir,
}

/// Unmounts everything, so that the directory can be removed.
struct Unmount(std::path::PathBuf);

impl Fixture {
    pub fn new() -> Self {
        own_mounts();
        let directory = tempfile::tempdir().unwrap();
        let _unmount = Unmount(directory.path().to_owned());
        Self {
            store: LayerStore::open(directory.path()).unwrap(),
            directory,
            _unmount,
        }
    }

    /// As after a crash of the daemon: the store is opened anew.
    pub fn reopened(self) -> Self {
        let Self {
            store,
            directory,
            _unmount,
        } = self;
        drop(store);
        Self {
            store: LayerStore::open(directory.path()).unwrap(),
            directory,
            _unmount,
        }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// A dataset with one file and a snapshot `image`.
    pub fn with_image(self) -> Self {
        if self.store.has_snapshot(&snapshot("image/base@image")) {
            return self;
        }
        self.store.create(&dataset("image/base")).unwrap();
        std::fs::write(self.path("image/base/motd"), "base").unwrap();
        self.store.snapshot(&snapshot("image/base@image")).unwrap();
        self
    }

    /// A mounted clone of it.
    pub fn with_container(self) -> Self {
        let fixture = self.with_image();
        fixture
            .store
            .clone_snapshot(&snapshot("image/base@image"), &dataset("container/a"))
            .unwrap();
        fixture.store.mount(&dataset("container/a")).unwrap();
        fixture
    }

    /// Layers that are not in the trash.
    pub fn layers(&self) -> usize {
        std::fs::read_dir(self.path(".store/layers")).unwrap().count()
    }
}

impl Drop for Unmount {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
        for path in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(path).starts_with(&self.0) {
                let _ = rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH);
            }
        }
    }
}

pub fn dataset(name: &str) -> DatasetName {
    name.parse().unwrap()
}

pub fn snapshot(name: &str) -> SnapshotName {
    name.parse().unwrap()
}

pub fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref())
        .unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}
