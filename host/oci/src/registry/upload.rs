//! Sending an image to a registry.

use std::fs::File;
use std::os::unix::fs::FileExt;

use futures_util::{Stream, stream};
use oci_client::errors::OciDistributionError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::failure::explain;
use super::{Registry, waited};
use crate::digest::Digest;
use crate::error::{OciError, Result};
use crate::image::Progress;
use crate::manifest::{Descriptor, MANIFEST};
use crate::pack::PackedImage;

const CHUNK: usize = 256 << 10;
/// Progress is told for every so many bytes of a layer.
const TELL_EVERY: u64 = 1 << 20;

/// Sends what the registry lacks of an image, and its manifest.
pub(super) fn upload(
    registry: &Registry,
    image: &PackedImage,
    given_up: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let layer = &image.layer;
    let is_known = has(registry, &layer.digest, given_up)?;
    if !is_known {
        send_layer(registry, layer, &image.file, given_up, progress)?;
    }
    progress(Progress::Sent {
        layer: layer.digest.clone(),
        size: layer.size,
        known: is_known,
    });
    let config = Digest::of(&image.config);
    let reference = registry.reference.inner();
    if !has(registry, &config, given_up)? {
        let content = stream::iter([Ok(image.config.clone().into())]);
        let size = image.config.len() as u64;
        let work = registry
            .client
            .push_blob_stream(reference, content, config.as_str(), Some(size));
        registry.waited(given_up, work)?;
    }
    let media_type = MANIFEST
        .parse()
        .map_err(|_| OciError::malformed("the media type", MANIFEST, "it is none"))?;
    let work = registry
        .client
        .push_manifest_raw(reference, image.manifest.clone(), media_type);
    registry.waited(given_up, work)?;
    Ok(())
}

fn has(registry: &Registry, digest: &Digest, given_up: &dyn Fn() -> bool) -> Result<bool> {
    let work = registry
        .client
        .blob_exists(registry.reference.inner(), digest.as_str());
    registry.waited(given_up, work)
}

enum Event {
    Sent(u64),
    Done(std::result::Result<(), OciDistributionError>),
}

fn send_layer(
    registry: &Registry,
    layer: &Descriptor,
    file: &File,
    given_up: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let file = file
        .try_clone()
        .map_err(OciError::io("read a layer of", &registry.reference))?;
    let (sender, mut events) = mpsc::channel(64);
    let (client, reference) = (registry.client.clone(), registry.reference.clone());
    let (digest, size) = (layer.digest.clone(), layer.size);
    // Ends when this function does.
    let mut tasks = JoinSet::new();
    waited(&registry.reference, given_up, async {
        tasks.spawn(async move {
            let content = chunks(file, size, sender.clone());
            let done = client
                .push_blob_stream(reference.inner(), content, digest.as_str(), Some(size))
                .await;
            // Without a receiver, nobody waits for it.
            let _ = sender.send(Event::Done(done.map(drop))).await;
        });
    })?;
    loop {
        match waited(&registry.reference, given_up, events.recv())? {
            Some(Event::Sent(sent)) => progress(Progress::Sending {
                layer: layer.digest.clone(),
                sent,
                size,
            }),
            Some(Event::Done(done)) => return done.map_err(|error| explain(&registry.reference, &error)),
            None => {
                return Err(OciError::Registry {
                    reference: registry.reference.to_string(),
                    reason: "the registry answers against all rules".to_owned(),
                });
            }
        }
    }
}

/// The content of a file, piece by piece, telling how far it is.
fn chunks<B>(
    file: File,
    size: u64,
    sender: mpsc::Sender<Event>,
) -> impl Stream<Item = std::result::Result<B, OciDistributionError>> + Send + 'static
where
    B: From<Vec<u8>> + Send + 'static,
{
    stream::unfold((file, 0_u64, 0_u64), move |(file, position, told)| {
        let sender = sender.clone();
        async move {
            let left = usize::try_from(size - position).unwrap_or(usize::MAX);
            let mut chunk = vec![0; left.min(CHUNK)];
            if chunk.is_empty() {
                return None;
            }
            if let Err(error) = file.read_exact_at(&mut chunk, position) {
                return Some((Err(OciDistributionError::IoError(error)), (file, size, told)));
            }
            let position = position + chunk.len() as u64;
            let mut told = told;
            if position >= told + TELL_EVERY {
                told = position;
                // Nothing is lost if nobody has time to look.
                let _ = sender.try_send(Event::Sent(position));
            }
            Some((Ok(chunk.into()), (file, position, told)))
        }
    })
}
