//! Images that lie on this host: OCI image layouts, as directory or archive, and archives of `docker save`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use kleene_rootfs::archive::Limits;
use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{OciError, Result};
use crate::image::{Blobs, Image, Layer, Progress, verify};
use crate::manifest::{Descriptor, Document, Index, Manifest};
use crate::platform::Platform;
use crate::store::Store;

/// Manifests and configurations: registries allow 4 MiB for them.
pub(crate) const MAX_DOCUMENT: u64 = 8 << 20;
/// Indexes of indexes.
const MAX_DEPTH: usize = 4;
/// containerd's and Docker's: the whole name of an index's entry.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// A place where an image lies: the path of a layout or an archive, and perhaps which of several images is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    image: Option<String>,
}

impl Place {
    /// Takes `path[:name[:tag]]` apart. What exists as a whole is a path, whatever it is named.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let whole = Self {
            path: PathBuf::from(text),
            image: None,
        };
        if whole.path.exists() {
            return whole;
        }
        let colons = text.match_indices(':').map(|(at, _)| at);
        let split = colons
            .map(|at| (&text[..at], &text[at + 1..]))
            .find(|(path, image)| !image.is_empty() && Path::new(path).exists());
        match split {
            Some((path, image)) => Self {
                path: PathBuf::from(path),
                image: Some(image.to_owned()),
            },
            None => whole,
        }
    }

    /// Opens the image for a platform. Files without names are made in `scratch`, on the file system where there is room
    /// for whole images.
    ///
    /// # Errors
    /// [`OciError`], naming the place.
    pub fn open(&self, wanted: &Platform, scratch: &Path, limits: &Limits) -> Result<Image<'static>> {
        let store = Store::open(&self.path, scratch, limits)?;
        read(
            store,
            &self.path.display().to_string(),
            self.image.as_deref(),
            wanted,
        )
    }
}

/// Opens the image in an archive that has no path, such as one that a client sent.
///
/// # Errors
/// As [`Place::open`]; it is called `place` in them.
pub fn open_file(
    file: File,
    place: &str,
    wanted: &Platform,
    scratch: &Path,
    limits: &Limits,
) -> Result<Image<'static>> {
    let store = Store::of_file(file, scratch, limits, place)?;
    read(store, place, None, wanted)
}

fn read(store: Store, place: &str, image: Option<&str>, wanted: &Platform) -> Result<Image<'static>> {
    if let Some(index) = store.document("index.json", place, MAX_DOCUMENT)? {
        return read_layout(store, &index, place, image, wanted);
    }
    if let Some(manifests) = store.document("manifest.json", place, MAX_DOCUMENT)? {
        return read_docker(store, &manifests, place, image, wanted);
    }
    Err(OciError::NotAnImage {
        place: place.to_owned(),
        reason: "it has neither an index.json nor a manifest.json".to_owned(),
    })
}

// OCI layouts

fn read_layout(
    store: Store,
    index: &[u8],
    place: &str,
    image: Option<&str>,
    wanted: &Platform,
) -> Result<Image<'static>> {
    let Document::Index(index) = Document::parse(index, place)? else {
        return Err(OciError::malformed("index.json", place, "it is no index"));
    };
    let index = named(index, place, image)?;
    let chosen = index.choose(wanted, place)?;
    let name = full_name(chosen);
    let manifest = manifest_of(&store, chosen.clone(), place, wanted)?;
    let config = blob(&store, &manifest.config.digest, "the configuration", place)?;
    let layers = manifest.layers.iter().map(|layer| Layer {
        digest: Some(layer.digest.clone()),
        size: layer.size,
    });
    let files = manifest
        .layers
        .iter()
        .map(|layer| blob_name(&layer.digest))
        .collect();
    let layers = layers.collect();
    let blobs = Files {
        store,
        place: place.to_owned(),
        files,
    };
    Image::new(place, name, &config, layers, Box::new(blobs))
}

/// Those entries of an index that have the name that is wanted.
fn named(index: Index, place: &str, image: Option<&str>) -> Result<Index> {
    let names = |entry: &Descriptor| -> Vec<String> {
        let short = entry.name().map(str::to_owned);
        short.into_iter().chain(full_name(entry)).collect()
    };
    let mut known: Vec<String> = index.manifests.iter().flat_map(names).collect();
    known.sort();
    known.dedup();
    let Some(image) = image else {
        let mut distinct: Vec<_> = index
            .manifests
            .iter()
            .filter_map(|entry| names(entry).pop())
            .collect();
        distinct.sort();
        distinct.dedup();
        if distinct.len() > 1 {
            return Err(OciError::SeveralImages {
                place: place.to_owned(),
                names: distinct,
            });
        }
        return Ok(index);
    };
    let matching =
        |entry: &Descriptor| names(entry).iter().any(|name| name == image) || entry.digest.as_str() == image;
    let manifests: Vec<_> = index.manifests.into_iter().filter(matching).collect();
    if manifests.is_empty() {
        return Err(OciError::NotAnImage {
            place: place.to_owned(),
            reason: format!("it holds no image '{image}', but: {}", known.join(", ")),
        });
    }
    Ok(Index { manifests, ..index })
}

/// The name of an entry, if it is more than a tag.
fn full_name(entry: &Descriptor) -> Option<String> {
    let annotations = entry.annotations.as_ref()?;
    let name = annotations.get(IMAGE_NAME).map(String::as_str);
    name.or_else(|| entry.name().filter(|name| name.contains([':', '/'])))
        .map(str::to_owned)
}

fn manifest_of(store: &Store, chosen: Descriptor, place: &str, wanted: &Platform) -> Result<Manifest> {
    let mut chosen = chosen;
    for _ in 0..MAX_DEPTH {
        let document = blob(store, &chosen.digest, "the manifest", place)?;
        match Document::parse(&document, place)? {
            Document::Manifest(manifest) => return Ok(manifest),
            Document::Index(index) => chosen = index.choose(wanted, place)?.clone(),
        }
    }
    Err(OciError::malformed(
        "the index",
        place,
        "it leads from one index to the next",
    ))
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A document by its digest, verified.
fn blob(store: &Store, digest: &Digest, what: &str, place: &str) -> Result<Vec<u8>> {
    let found = store.document(&blob_name(digest), place, MAX_DOCUMENT)?;
    let content = found.ok_or_else(|| OciError::NotAnImage {
        place: place.to_owned(),
        reason: format!("{what} {digest} is not in it"),
    })?;
    verify(what, place, digest, Digest::of(&content))?;
    Ok(content)
}

// Archives of Docker

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Saved {
    fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}

fn read_docker(
    store: Store,
    manifests: &[u8],
    place: &str,
    image: Option<&str>,
    wanted: &Platform,
) -> Result<Image<'static>> {
    let saved: Vec<Saved> = serde_json::from_slice(manifests)
        .map_err(|error| OciError::malformed("manifest.json", place, error))?;
    let mut matching: Vec<Saved> = saved
        .into_iter()
        .filter(|saved| image.is_none_or(|image| saved.tags().iter().any(|tag| tag == image)))
        .collect();
    let chosen = match matching.len() {
        1 => matching.remove(0),
        0 => {
            return Err(OciError::NotAnImage {
                place: place.to_owned(),
                reason: match image {
                    Some(image) => format!("it holds no image '{image}'"),
                    None => "its manifest.json is empty".to_owned(),
                },
            });
        }
        _ => {
            return Err(OciError::SeveralImages {
                place: place.to_owned(),
                names: matching.iter().flat_map(|saved| saved.tags().to_vec()).collect(),
            });
        }
    };
    let config = store.document(&chosen.config, place, MAX_DOCUMENT)?;
    let config = config.ok_or_else(|| OciError::NotAnImage {
        place: place.to_owned(),
        reason: format!("its configuration {} is not in it", chosen.config),
    })?;
    // The file is named by its digest.
    let file_name = chosen.config.rsplit('/').next().unwrap_or_default();
    let hex = file_name.strip_suffix(".json").unwrap_or(file_name);
    if let Ok(expected) = format!("sha256:{hex}").parse() {
        verify("the configuration", place, &expected, Digest::of(&config))?;
    }
    let mut layers = Vec::new();
    for name in &chosen.layers {
        let (_, size) = store.file(name)?.ok_or_else(|| OciError::NotAnImage {
            place: place.to_owned(),
            reason: format!("its layer {name} is not in it"),
        })?;
        layers.push(Layer { digest: None, size });
    }
    let name = image
        .map(str::to_owned)
        .or_else(|| chosen.tags().first().cloned());
    let blobs = Files {
        store,
        place: place.to_owned(),
        files: chosen.layers,
    };
    let image = Image::new(place, name, &config, layers, Box::new(blobs))?;
    let offered = &image.config.platform;
    if !offered.os.is_empty() && !wanted.suits(offered) {
        return Err(OciError::NoSuchPlatform {
            place: place.to_owned(),
            wanted: wanted.to_string(),
            offered: vec![offered.to_string()],
        });
    }
    Ok(image)
}

/// Layers in a directory or an archive.
struct Files {
    store: Store,
    place: String,
    files: Vec<String>,
}

impl Blobs for Files {
    fn layer(&mut self, index: usize, _: &mut dyn FnMut(Progress)) -> Result<Box<dyn Read + '_>> {
        let name = &self.files[index];
        match self.store.file(name)? {
            Some((reader, _)) => Ok(reader),
            None => Err(OciError::NotAnImage {
                place: self.place.clone(),
                reason: format!("its layer {name} is not in it"),
            }),
        }
    }
}
