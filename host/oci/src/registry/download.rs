//! Fetching the layers of an image, several at a time, each into a file of its own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use oci_client::Client;
use oci_client::client::BlobResponse;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::failure::{explain, is_passing};
use crate::error::{OciError, Result};
use crate::image::{Blobs, Progress, verify};
use crate::manifest::Descriptor;
use crate::reference::Reference;
use crate::{Digest, digest::Sum};

/// Layers that are fetched at the same time, as Docker does.
const AT_A_TIME: usize = 3;
/// How often a layer is tried, and how long is waited before each time but the first; doubled each time.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// Progress is told for every so many bytes of a layer.
const TELL_EVERY: u64 = 1 << 20;

/// The layers of an image in a registry.
pub(super) struct Downloads<'a> {
    pub(super) client: Client,
    pub(super) reference: Reference,
    pub(super) layers: Vec<Descriptor>,
    pub(super) scratch: PathBuf,
    pub(super) given_up: &'a dyn Fn() -> bool,
    /// Once the first layer was wanted.
    pub(super) under_way: Option<UnderWay>,
}

/// Downloads that were begun. They end when this is dropped.
pub(super) struct UnderWay {
    events: mpsc::Receiver<Event>,
    done: Vec<Option<File>>,
    _tasks: JoinSet<()>,
}

enum Event {
    Received(usize, u64),
    Done(usize, Result<File>),
}

impl Blobs for Downloads<'_> {
    fn layer(&mut self, index: usize, progress: &mut dyn FnMut(Progress)) -> Result<Box<dyn Read + '_>> {
        if self.under_way.is_none() {
            let begun = super::waited(&self.reference, self.given_up, async { self.begin() })?;
            self.under_way = Some(begun?);
        }
        let lost = || OciError::Registry {
            reference: self.reference.to_string(),
            reason: "a download has ended without a word".to_owned(),
        };
        let under_way = self.under_way.as_mut().ok_or_else(lost)?;
        loop {
            if let Some(file) = under_way.done[index].take() {
                return Ok(Box::new(file));
            }
            let next = super::waited(&self.reference, self.given_up, under_way.events.recv())?;
            match next.ok_or_else(lost)? {
                Event::Received(layer, received) => progress(Progress::Fetching {
                    layer: self.layers[layer].digest.clone(),
                    received,
                    size: self.layers[layer].size,
                }),
                Event::Done(layer, file) => {
                    under_way.done[layer] = Some(file?);
                    progress(Progress::Fetched {
                        layer: self.layers[layer].digest.clone(),
                        size: self.layers[layer].size,
                    });
                }
            }
        }
    }
}

impl Downloads<'_> {
    /// Begins to fetch all layers, the lowest first.
    fn begin(&self) -> Result<UnderWay> {
        let (sender, events) = mpsc::channel(64);
        let permits = Arc::new(Semaphore::new(AT_A_TIME));
        let mut tasks = JoinSet::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let file = tempfile::tempfile_in(&self.scratch)
                .map_err(OciError::io("make a file in", self.scratch.display()))?;
            let (client, reference, layer) = (self.client.clone(), self.reference.clone(), layer.clone());
            let (sender, permits) = (sender.clone(), Arc::clone(&permits));
            tasks.spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire().await;
                let mut told = 0;
                let received = |bytes: u64| {
                    if bytes < told || bytes >= told + TELL_EVERY {
                        told = bytes;
                        // Nothing is lost if nobody has time to look.
                        let _ = sender.try_send(Event::Received(index, bytes));
                    }
                };
                let file = fetch(&client, &reference, &layer, file, received).await;
                // Without a receiver, nobody waits for it.
                let _ = sender.send(Event::Done(index, file)).await;
            });
        }
        Ok(UnderWay {
            events,
            done: self.layers.iter().map(|_| None).collect(),
            _tasks: tasks,
        })
    }
}

/// Fetches a layer and verifies it. When the connection breaks, it goes on where it was.
async fn fetch(
    client: &Client,
    reference: &Reference,
    layer: &Descriptor,
    mut file: File,
    mut received: impl FnMut(u64),
) -> Result<File> {
    let mut so_far = SoFar::default();
    let mut attempt = 0;
    let failure = loop {
        attempt += 1;
        match so_far
            .go_on(client, reference, layer, &mut file, &mut received)
            .await
        {
            Ok(()) => break None,
            Err(Trouble::Host(error)) => {
                return Err(OciError::io("write a layer of", reference)(error));
            }
            Err(Trouble::Registry(error)) if attempt < ATTEMPTS && is_passing(&error) => {
                tracing::debug!(%reference, layer = %layer.digest, %error, "trying again");
                sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            Err(Trouble::Registry(error)) => break Some(error),
        }
    };
    if let Some(error) = failure {
        return Err(explain(reference, &error));
    }
    let what = format!("layer {}", layer.digest.short());
    verify(&what, &reference.to_string(), &layer.digest, so_far.sum.digest())?;
    file.seek(SeekFrom::Start(0))
        .map_err(OciError::io("read a layer of", reference))?;
    Ok(file)
}

enum Trouble {
    Registry(OciDistributionError),
    Host(std::io::Error),
}

impl From<OciDistributionError> for Trouble {
    fn from(error: OciDistributionError) -> Self {
        Self::Registry(error)
    }
}

/// What has come of a layer.
#[derive(Default)]
struct SoFar {
    sum: Sum,
    bytes: u64,
}

impl SoFar {
    async fn go_on(
        &mut self,
        client: &Client,
        reference: &Reference,
        layer: &Descriptor,
        file: &mut File,
        received: &mut impl FnMut(u64),
    ) -> std::result::Result<(), Trouble> {
        let wanted = wire(layer);
        let mut stream = if self.bytes == 0 {
            client.pull_blob_stream(reference.inner(), &wanted).await?
        } else if self.bytes == layer.size {
            return Ok(());
        } else {
            match client
                .pull_blob_stream_partial(reference.inner(), &wanted, self.bytes, None)
                .await?
            {
                BlobResponse::Partial(stream) => stream,
                // A registry that knows no parts begins anew.
                BlobResponse::Full(stream) => {
                    *self = Self::default();
                    file.set_len(0).map_err(Trouble::Host)?;
                    file.seek(SeekFrom::Start(0)).map_err(Trouble::Host)?;
                    stream
                }
            }
        };
        while let Some(chunk) = stream.stream.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                // All has come: what the client dislikes is the digest, about which we say more.
                Err(_) if self.bytes == layer.size => return Ok(()),
                Err(error) => return Err(OciDistributionError::IoError(error).into()),
            };
            self.bytes += chunk.len() as u64;
            if self.bytes > layer.size {
                return Err(OciDistributionError::SpecViolationError(format!(
                    "layer {} is larger than the {} bytes that the manifest says",
                    layer.digest.short(),
                    layer.size
                ))
                .into());
            }
            self.sum.add(&chunk);
            file.write_all(&chunk).map_err(Trouble::Host)?;
            received(self.bytes);
        }
        if self.bytes < layer.size {
            let error = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(OciDistributionError::IoError(error).into());
        }
        Ok(())
    }
}

/// Fetches a small document, which is still to be verified.
pub(super) async fn document(
    client: &Client,
    reference: &Reference,
    document: &Descriptor,
) -> std::result::Result<Vec<u8>, OciDistributionError> {
    let mut attempt = 1;
    loop {
        match document_once(client, reference, document).await {
            Err(error) if attempt < ATTEMPTS && is_passing(&error) => {
                sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            done => return done,
        }
    }
}

async fn document_once(
    client: &Client,
    reference: &Reference,
    document: &Descriptor,
) -> std::result::Result<Vec<u8>, OciDistributionError> {
    let wanted = wire(document);
    let mut stream = client.pull_blob_stream(reference.inner(), &wanted).await?;
    let mut content = Vec::new();
    while let Some(chunk) = stream.stream.next().await {
        match chunk {
            Ok(chunk) => content.extend_from_slice(&chunk),
            // As with layers: the digest is told by us.
            Err(_) if content.len() as u64 == document.size => break,
            Err(error) => return Err(OciDistributionError::IoError(error)),
        }
        if content.len() as u64 > document.size {
            let violation = format!("{} is larger than it should be", document.digest.short());
            return Err(OciDistributionError::SpecViolationError(violation));
        }
    }
    Ok(content)
}

/// What the client knows of a descriptor. Without other places where it could be fetched: those are for layers that
/// nobody may pass on, and could lead anywhere.
fn wire(descriptor: &Descriptor) -> OciDescriptor {
    OciDescriptor {
        media_type: descriptor.media_type.clone(),
        digest: Digest::to_string(&descriptor.digest),
        size: i64::try_from(descriptor.size).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}
