//! Base images: from programs of the host, or from an archive.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kleene_api::{ImageCreateConfig, ImageCreateMethod};
use kleene_plan::{DatasetName, Id, Op, SnapshotName};
use kleene_rootfs::{Root, archive, host_image};
use kleene_store::{Image, ImageSettings, Object};

use crate::Engine;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};
use crate::image::FINAL_SNAPSHOT;
use crate::image::host_dataset::HostSource;
use crate::parse;

/// A line is sent for every so many entries of an archive.
const ENTRIES_PER_LINE: u64 = 100;

impl Engine {
    /// Makes a base image. `progress` is given lines, each with its newline.
    ///
    /// # Errors
    /// What is wrong with the source; nothing is left of the image then.
    pub fn create_image(
        &self,
        config: &ImageCreateConfig,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Id> {
        let (name, tag) = parse::nametag(&config.tag)?;
        let source = Source::of(self, config)?;
        let id = Id::generate();
        let dataset = DatasetName::image(&id);
        self.transact(
            "create image",
            &Object::Image(id.clone()),
            |transaction| {
                match &source {
                    Source::HostDataset(host) => host.make(transaction, &id, progress)?,
                    _ => transaction.apply(Op::CreateDataset(dataset.clone()))?,
                }
                transaction.in_root(&dataset, |_, root| {
                    source.fill(root, cancel, progress)?;
                    if config.dns {
                        root.copy_host_file("/etc/resolv.conf", "etc/resolv.conf")?;
                    }
                    if config.localtime {
                        copy_localtime(root, progress)?;
                    }
                    cancel.check()
                })?;
                transaction.apply(Op::CreateSnapshot(self.final_snapshot(&id)?))
            },
            |write, ()| {
                write.insert_image(&Image {
                    id: id.clone(),
                    name: String::new(),
                    tag: String::new(),
                    created: kleene_store::now(),
                    cmd: vec!["/bin/sh".to_owned(), "/etc/rc".to_owned()],
                    env: Vec::new(),
                    user: "root".to_owned(),
                    settings: ImageSettings::default(),
                    instructions: Vec::new(),
                    snapshots: Vec::new(),
                    origin: None,
                    size: None,
                })?;
                Ok(write.tag_image(&id, &name, &tag)?)
            },
        )?;
        self.measure(&id);
        Ok(id)
    }

    pub(super) fn final_snapshot(&self, image: &Id) -> Result<SnapshotName> {
        self.final_snapshot_of(&DatasetName::image(image))
    }

    pub(super) fn final_snapshot_of(&self, dataset: &DatasetName) -> Result<SnapshotName> {
        dataset
            .snapshot(FINAL_SNAPSHOT)
            .map_err(|error| EngineError::invalid(error.to_string()))
    }
}

/// Where the files of a base image come from.
enum Source {
    Programs(Vec<PathBuf>),
    Archive(PathBuf),
    HostDataset(HostSource),
}

impl Source {
    fn of(engine: &Engine, config: &ImageCreateConfig) -> Result<Self> {
        if let Some(source) = HostSource::of(engine, config)? {
            return Ok(Self::HostDataset(source));
        }
        match config.method {
            ImageCreateMethod::Host if config.programs.is_empty() => Err(EngineError::invalid(
                "no programs given: name at least one, such as /bin/sh",
            )),
            ImageCreateMethod::Host => Ok(Self::Programs(
                config.programs.iter().map(PathBuf::from).collect(),
            )),
            ImageCreateMethod::Fetch => Ok(Self::Archive(local_path(&config.url)?)),
            method @ (ImageCreateMethod::FetchAuto
            | ImageCreateMethod::ZfsCopy
            | ImageCreateMethod::ZfsClone) => Err(EngineError::invalid(format!(
                "the method '{method}' needs a FreeBSD host; use 'host' or 'fetch' with a file:// URL"
            ))),
        }
    }

    fn fill(&self, root: &Root, cancel: &Cancel, progress: &mut dyn FnMut(&str)) -> Result<()> {
        match self {
            Self::Programs(programs) => {
                let report = host_image::populate(root, programs)?;
                progress(&format!(
                    "Copied {} files of {} programs...\n",
                    report.files,
                    programs.len()
                ));
            }
            Self::Archive(path) => {
                let file = File::open(path).map_err(|error| {
                    EngineError::invalid(format!(
                        "could not fetch file from url: {}: {error}",
                        path.display()
                    ))
                })?;
                progress("Succesfully fetched base system.\n");
                progress("Unpacking contents and creating image...\n");
                let mut told = 0;
                let file = CancelledRead { file, cancel };
                let unpacked = archive::unpack(file, root, &archive::Limits::default(), &mut |entries| {
                    if entries >= told + ENTRIES_PER_LINE {
                        told = entries;
                        progress(&format!("Extracted {entries} files...\n"));
                    }
                });
                cancel.check()?;
                unpacked?;
                progress("Succesfully extracted binaries, creating image...\n");
            }
            // Its files are there with the dataset.
            Self::HostDataset(_) => {}
        }
        Ok(())
    }
}

/// The path of a `file://` URL, or a path itself.
fn local_path(url: &str) -> Result<PathBuf> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    if path.starts_with('/') {
        Ok(PathBuf::from(path))
    } else {
        Err(EngineError::invalid(format!(
            "could not fetch file from url '{url}': only file:///… and absolute paths on the daemon's host can be fetched"
        )))
    }
}

/// A file that cannot be read any further once nobody waits for it.
struct CancelledRead<'a> {
    file: File,
    cancel: &'a Cancel,
}

impl Read for CancelledRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.file.read(buffer)
    }
}

fn copy_localtime(root: &Root, progress: &mut dyn FnMut(&str)) -> Result<()> {
    if Path::new("/etc/localtime").exists() {
        root.copy_host_file("/etc/localtime", "etc/localtime")?;
    } else {
        progress("/etc/localtime not found on host, skipping...\n");
    }
    Ok(())
}
