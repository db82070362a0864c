//! Images made in code: honest ones and hostile ones.

#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use kleene_oci::Digest;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// A tar archive of whatever names and kinds.
pub fn tar(entries: &[(&str, EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, link, content) in entries {
        let mut header = Header::new_ustar();
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn files(files: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<_> = files
        .iter()
        .map(|(name, content)| (*name, EntryType::Regular, "", content.as_bytes()))
        .collect();
    tar(&entries)
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The files of an OCI layout.
#[derive(Default)]
pub struct Layout(pub BTreeMap<String, Vec<u8>>);

impl Layout {
    /// A layout of one image for `linux/amd64`, named `app:1`, of these plain layers, compressed.
    pub fn of(layers: &[Vec<u8>]) -> Self {
        let mut layout = Self::default();
        let entry = layout.image("amd64", layers);
        layout.index(&[named(entry, "app:1")]);
        layout
    }

    pub fn blob(&mut self, content: &[u8]) -> (Digest, usize) {
        let digest = Digest::of(content);
        self.0
            .insert(format!("blobs/sha256/{}", digest.hex()), content.to_vec());
        (digest, content.len())
    }

    /// Adds an image and returns its entry for an index.
    pub fn image(&mut self, architecture: &str, layers: &[Vec<u8>]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
        let kept: Vec<_> = layers.iter().map(|layer| gzip(layer)).collect();
        self.image_as(architecture, &diff_ids, &kept)
    }

    /// As [`image`](Self::image), of layers as they are kept.
    pub fn image_as(&mut self, architecture: &str, diff_ids: &[Digest], kept: &[Vec<u8>]) -> Value {
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2024-02-29T14:54:05Z",
            "config": {"Cmd": ["/hello"], "Env": ["A=1"], "Labels": {"architecture": architecture}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let (config, size) = self.blob(config.to_string().as_bytes());
        let config =
            json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size});
        let layers: Vec<_> = kept
            .iter()
            .map(|layer| {
                let (digest, size) = self.blob(layer);
                json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": size})
            })
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers});
        let (digest, size) = self.blob(manifest.to_string().as_bytes());
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": architecture}})
    }

    pub fn index(&mut self, entries: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        self.0
            .insert("index.json".to_owned(), index.to_string().into_bytes());
        let layout = br#"{"imageLayoutVersion": "1.0.0"}"#;
        self.0.insert("oci-layout".to_owned(), layout.to_vec());
    }

    pub fn write_directory(&self, directory: &Path) -> PathBuf {
        for (name, content) in &self.0 {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        directory.to_owned()
    }

    pub fn archive(&self) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, content) in &self.0 {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, &content[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }
}

pub fn named(mut entry: Value, name: &str) -> Value {
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    entry
}
