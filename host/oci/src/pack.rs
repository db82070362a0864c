//! Trees as images of one layer, and images as archives.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use kleene_rootfs::{Root, archive};
use serde::Serialize;
use tar::{Builder, Header};

use crate::config::ImageConfig;
use crate::digest::{Digest, Summed};
use crate::error::{OciError, Result};
use crate::manifest::{CONFIG, Descriptor, INDEX, Index, LAYER, LAYER_GZIP, MANIFEST, Manifest, REF_NAME};

/// Of the host that an image was made on, and of no use elsewhere: whoever runs an image puts an own one in its place.
const RESOLVER: &str = "etc/resolv.conf";

/// How a layer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is: for archives, which others compress as a whole.
    Plain,
    /// Compressed by gzip, which every registry and runtime understands.
    Gzip,
}

/// An image that is ready to be sent or written: a configuration, and one layer.
#[derive(Debug)]
pub struct PackedImage {
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) layer: Descriptor,
    pub(crate) file: File,
}

impl PackedImage {
    /// Packs the tree beneath `root`, but for `/etc/resolv.conf`, into a file without a name in `scratch`. What `config` says of layers is replaced.
    ///
    /// The same tree and configuration always make the same image.
    ///
    /// # Errors
    /// [`OciError::Rootfs`] naming what cannot be packed, [`OciError::Io`], [`OciError::GivenUp`].
    pub fn of(
        root: &Root,
        mut config: ImageConfig,
        packing: Packing,
        scratch: &Path,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let shown = scratch.display().to_string();
        let file = tempfile::tempfile_in(scratch).map_err(OciError::io("make a file in", &shown))?;
        let writer = Unhurried {
            writer: Summed::new(file),
            given_up,
        };
        let (kept, diff_id) = match packing {
            Packing::Plain => pack(root, writer),
            Packing::Gzip => {
                // Without a time and a name, so that the same layer is the same file.
                let writer = GzBuilder::new().write(writer, Compression::new(6));
                pack(root, writer).and_then(|(writer, diff_id)| {
                    let writer = writer
                        .finish()
                        .map_err(OciError::io("write a layer to", &shown))?;
                    Ok((writer, diff_id))
                })
            }
        }
        .map_err(|error| if given_up() { OciError::GivenUp } else { error })?;
        let (mut file, digest, size) = kept.writer.finish();
        file.seek(SeekFrom::Start(0))
            .map_err(OciError::io("read a layer in", &shown))?;
        config.rootfs.kind = "layers".to_owned();
        config.rootfs.diff_ids = vec![diff_id];
        let media_type = match packing {
            Packing::Plain => LAYER,
            Packing::Gzip => LAYER_GZIP,
        };
        let layer = Descriptor::new(media_type, digest, size);
        let config = json(&config)?;
        let manifest = json(&Manifest {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            config: Descriptor::new(CONFIG, Digest::of(&config), config.len() as u64),
            layers: vec![layer.clone()],
        })?;
        Ok(Self {
            config,
            manifest,
            layer,
            file,
        })
    }

    /// By which it is known: the digest of its manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Writes it as an OCI layout in a tar archive, which is an archive as `docker load` takes it, too. `name`: what it
    /// is called there, `name:tag`.
    ///
    /// # Errors
    /// [`OciError::Io`] if it cannot be written; then `writer` has had part of it.
    pub fn write_archive(&mut self, name: Option<&str>, writer: impl Write) -> Result<()> {
        let config = Digest::of(&self.config);
        let mut entry = Descriptor::new(MANIFEST, self.digest(), self.manifest.len() as u64);
        entry.annotations = name.map(|name| [(REF_NAME.to_owned(), name.to_owned())].into());
        let index = json(&Index {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests: vec![entry],
        })?;
        let docker = json(&[DockerManifest {
            config: format!("blobs/sha256/{}", config.hex()),
            repo_tags: name.into_iter().collect(),
            layers: vec![format!("blobs/sha256/{}", self.layer.digest.hex())],
        }])?;
        let io = || OciError::io("write", "the archive of an image");
        let mut builder = Builder::new(writer);
        for directory in ["blobs/", "blobs/sha256/"] {
            append(&mut builder, directory, tar::EntryType::Directory, 0, io::empty()).map_err(io())?;
        }
        let mut documents = vec![
            (format!("blobs/sha256/{}", config.hex()), self.config.as_slice()),
            (format!("blobs/sha256/{}", self.digest().hex()), &self.manifest),
        ];
        documents.sort();
        let file = |builder: &mut Builder<_>, name: &str, content: &[u8]| {
            append(
                builder,
                name,
                tar::EntryType::Regular,
                content.len() as u64,
                content,
            )
            .map_err(io())
        };
        for (name, content) in &documents {
            file(&mut builder, name, content)?;
        }
        self.file.seek(SeekFrom::Start(0)).map_err(io())?;
        let name = format!("blobs/sha256/{}", self.layer.digest.hex());
        append(
            &mut builder,
            &name,
            tar::EntryType::Regular,
            self.layer.size,
            &mut self.file,
        )
        .map_err(io())?;
        file(&mut builder, "index.json", &index)?;
        file(&mut builder, "manifest.json", &docker)?;
        file(&mut builder, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        builder.into_inner().map_err(io())?.flush().map_err(io())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest<'a> {
    config: String,
    repo_tags: Vec<&'a str>,
    layers: Vec<String>,
}

/// Packs a tree; returns the writer and the digest of what went through it.
fn pack<W: Write>(root: &Root, writer: W) -> Result<(W, Digest)> {
    let mut writer = Summed::new(io::BufWriter::with_capacity(128 << 10, writer));
    archive::pack(root, Some(Path::new(RESOLVER)), &mut writer, &mut |_| {})?;
    let (writer, digest, _) = writer.finish();
    let writer = writer
        .into_inner()
        .map_err(|error| OciError::io("write a layer of", root.host_path().display())(error.into_error()))?;
    Ok((writer, digest))
}

fn append(
    builder: &mut Builder<impl Write>,
    name: &str,
    kind: tar::EntryType,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(if kind == tar::EntryType::Directory {
        0o755
    } else {
        0o644
    });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    builder.append_data(&mut header, name, content)
}

fn json(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document).map_err(|error| OciError::malformed("a document", "an image", error))
}

/// Cannot be written any further once nobody waits for it.
struct Unhurried<'a, W> {
    writer: W,
    given_up: &'a dyn Fn() -> bool,
}

impl<W: Write> Write for Unhurried<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.given_up)() {
            return Err(io::Error::other("given up"));
        }
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
