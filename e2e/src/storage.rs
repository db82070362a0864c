//! Where the daemon of a run keeps what lasts: on FreeBSD a dataset, by default in a pool of its own in a file; on
//! Linux a directory.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::host::{Host, Tool};

/// The size of the pool. The file is sparse: it takes what is written.
const POOL_SIZE: u64 = 4 << 30;

/// A place for what lasts, which goes when it is removed.
#[derive(Debug)]
pub enum Storage {
    /// A pool on a memory disk that is backed by a file.
    Pool { pool: String, disk: String },
    /// A dataset made for this run.
    Dataset(String),
    /// A directory, which goes with all others.
    Directory(String),
}

impl Storage {
    /// Makes one, below `root` if a dataset is given.
    ///
    /// # Errors
    /// What the host's tools say.
    pub fn make(host: &Host, directory: &Path, root: Option<&str>) -> Result<Self> {
        if !host.is_freebsd() {
            return Ok(Self::Directory(directory.join("state").display().to_string()));
        }
        // With the number of the process: what another run left behind is not in the way.
        let name = format!("kleene-e2e-{}", std::process::id());
        if let Some(root) = root {
            let dataset = format!("{root}/{name}");
            host.run(Tool::Zfs, &["create", &dataset])
                .with_context(|| format!("cannot work below the dataset {root}"))?;
            return Ok(Self::Dataset(dataset));
        }
        let file = directory.join("pool.img");
        File::create(&file)?.set_len(POOL_SIZE)?;
        let file = file.display().to_string();
        let disk = host.run(Tool::Mdconfig, &["-a", "-t", "vnode", "-f", &file])?;
        let disk = disk.trim().to_owned();
        let mountpoint = format!("mountpoint={}", directory.join("pool").display());
        let device = format!("/dev/{disk}");
        let made = host.run(
            Tool::Zpool,
            &[
                "create",
                "-o",
                "cachefile=none",
                "-O",
                &mountpoint,
                &name,
                &device,
            ],
        );
        let storage = Self::Pool { pool: name, disk };
        match made.and_then(|_| host.run(Tool::Zfs, &["create", &storage.root()])) {
            Ok(_) => Ok(storage),
            Err(error) => {
                let more = storage.remove(host).err();
                let more = more
                    .map(|error| format!("; and then: {error:#}"))
                    .unwrap_or_default();
                Err(error.context(format!(
                    "cannot make a pool of its own in {file}{more}; or name a dataset with --root"
                )))
            }
        }
    }

    /// What the daemon is told: a dataset or a directory.
    pub fn root(&self) -> String {
        match self {
            Self::Pool { pool, .. } => format!("{pool}/kleene"),
            Self::Dataset(name) | Self::Directory(name) => name.clone(),
        }
    }

    /// Removes it with all that is left in it.
    ///
    /// # Errors
    /// What the host's tools say.
    pub fn remove(&self, host: &Host) -> Result<()> {
        match self {
            Self::Pool { pool, disk } => {
                let exists = host.succeeds(Tool::Zpool, &["list", "-H", "-o", "name", pool]);
                if exists {
                    host.run(Tool::Zpool, &["destroy", "-f", pool])?;
                }
                host.run(Tool::Mdconfig, &["-d", "-u", disk]).map(drop)
            }
            Self::Dataset(name) => host.run(Tool::Zfs, &["destroy", "-r", "-f", name]).map(drop),
            Self::Directory(path) if Path::new(path).exists() => {
                let below = mounts_below(path)?;
                ensure!(below.is_empty(), "this is still mounted: {}", below.join(", "));
                Ok(fs::remove_dir_all(path)?)
            }
            Self::Directory(_) => Ok(()),
        }
    }
}

/// Removing files below a mount would be removing somebody else's.
fn mounts_below(path: &str) -> Result<Vec<String>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("cannot read what is mounted")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points
        .filter(|point| point.starts_with(path))
        .map(str::to_owned)
        .collect())
}
