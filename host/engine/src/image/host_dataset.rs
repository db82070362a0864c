//! Base images from datasets of the host: a copy, or a clone that stays bound to the dataset it was made of.

use kleene_api::{ImageCreateConfig, ImageCreateMethod};
use kleene_plan::{DatasetName, FromHost, HostDataset, HostSnapshot, Id, Op};
use kleene_platform::PlatformError;

use crate::Engine;
use crate::error::{EngineError, Result};
use crate::transaction::Transaction;

/// A dataset of the host and what to make of it.
#[derive(Debug)]
pub(super) struct HostSource {
    dataset: HostDataset,
    is_copied: bool,
}

impl HostSource {
    /// The dataset that a request names, which is there. `None`: it is about something else.
    pub(super) fn of(engine: &Engine, config: &ImageCreateConfig) -> Result<Option<Self>> {
        let is_copied = match config.method {
            ImageCreateMethod::ZfsCopy => true,
            ImageCreateMethod::ZfsClone => false,
            _ => return Ok(None),
        };
        let invalid = |why: String| EngineError::invalid(format!("invalid dataset: {why}"));
        let named = config.zfs_dataset.parse::<HostDataset>();
        let dataset = match named {
            Ok(dataset) => dataset,
            // Where there are no datasets at all, that is what there is to say.
            Err(error) => return Err(needs_zfs(engine, config).unwrap_or_else(|| invalid(error.to_string()))),
        };
        match engine.platform.has_host_dataset(&dataset) {
            Ok(true) => Ok(Some(Self { dataset, is_copied })),
            Ok(false) => Err(invalid(format!("the host has no dataset '{dataset}'"))),
            Err(PlatformError::NotSupported { .. }) => Err(unsupported(config)),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the image's dataset of it. Afterwards the host has nothing of it, or nothing but the snapshot that goes with
    /// the image.
    pub(super) fn make(
        &self,
        transaction: &mut Transaction<'_>,
        image: &Id,
        progress: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let snapshot = HostSnapshot {
            dataset: self.dataset.clone(),
            image: image.clone(),
        };
        let dataset = DatasetName::image(image);
        transaction.apply(Op::FromHost(FromHost::Take(snapshot.clone())))?;
        transaction.apply(Op::FromHost(if self.is_copied {
            progress("copying dataset into the new image, this can take a while...\n");
            FromHost::Copy {
                snapshot: snapshot.clone(),
                dataset,
            }
        } else {
            progress("cloning dataset...\n");
            FromHost::Base {
                snapshot: snapshot.clone(),
                dataset,
            }
        }))?;
        transaction.apply(Op::FromHost(FromHost::Release(snapshot)))
    }
}

/// What a host without datasets says about a name that is none.
fn needs_zfs(engine: &Engine, config: &ImageCreateConfig) -> Option<EngineError> {
    let any: HostDataset = "any".parse().ok()?;
    let answer = engine.platform.has_host_dataset(&any);
    matches!(answer, Err(PlatformError::NotSupported { .. })).then(|| unsupported(config))
}

fn unsupported(config: &ImageCreateConfig) -> EngineError {
    EngineError::invalid(format!(
        "the method '{}' needs a FreeBSD host; use 'host' or 'fetch'",
        config.method
    ))
}
