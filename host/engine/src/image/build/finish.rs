//! The end of a build: stages become images, or everything goes.

use std::sync::Arc;

use kleene_plan::{DatasetName, Id, Op, SnapshotName};
use kleene_store::{Image, Object, image_of};

use super::Build;
use super::container::{entry, snapshot_of};
use super::event::BuildError;
use super::stage::Progress;
use crate::error::Result;
use crate::locks::unpoisoned;

impl Build<'_> {
    /// The stage becomes the image that was announced, and those that the cache or the image itself needs become images
    /// without a name; the rest goes. All of them at once, or none.
    pub(super) fn finish(&self, last: &Progress, (name, tag): (&str, &str)) -> Result<()> {
        let announced = &self.ids[self.target];
        let engine = self.request.engine;
        if last.origin.is_some() {
            self.settle_container(&last.id)?;
        }
        let kept = self.kept_beside(last);
        let images = kept
            .iter()
            .map(|stage| (stage.as_ref(), record(stage, &stage.id)))
            .chain([(last, record(last, announced))])
            .collect::<Vec<_>>();
        engine.transact(
            "finish build",
            &Object::Container(last.id.clone()),
            |transaction| {
                for (stage, image) in &images {
                    let dataset = DatasetName::image(&image.id);
                    if stage.origin.is_some() {
                        transaction.apply(Op::RenameDataset {
                            from: DatasetName::container(&stage.id),
                            to: dataset,
                        })?;
                    } else {
                        transaction.apply(Op::CloneDataset {
                            snapshot: stage.position.snapshot.clone(),
                            dataset: dataset.clone(),
                        })?;
                        if !stage.position.directories.is_empty() {
                            transaction.in_root(&dataset, |_, root| {
                                for directory in &stage.position.directories {
                                    root.make_dir_all(directory)?;
                                }
                                Ok(())
                            })?;
                        }
                    }
                    transaction.apply(Op::CreateSnapshot(engine.final_snapshot(&image.id)?))?;
                }
                Ok(())
            },
            |write, ()| {
                for (stage, image) in &images {
                    write.remove_container(&stage.id)?;
                    write.insert_image(image)?;
                    for (key, snapshot) in &stage.steps {
                        write.cache_step(key, &image.id, snapshot.as_str())?;
                    }
                }
                Ok(write.tag_image(announced, name, tag)?)
            },
        )?;
        for (stage, image) in &images {
            unpoisoned(&self.containers).retain(|container| *container != stage.id);
            engine.remove_files_of(&stage.id);
            engine.measure(&image.id);
        }
        self.remove_containers();
        Ok(())
    }

    /// The stages that are done and stay, before those that are made from them: what was done in them may be wanted by
    /// the next build, and the image itself may be made from one.
    fn kept_beside(&self, last: &Progress) -> Vec<Arc<Progress>> {
        let mut kept: Vec<Arc<Progress>> = Vec::new();
        let mut needed: Vec<Id> = foundation(last).into_iter().collect();
        for stage in self.board.all_done().into_iter().rev() {
            let is_needed = self.request.config.cache || needed.contains(&stage.id);
            if stage.id != last.id && stage.is_worth_keeping() && is_needed {
                needed.extend(foundation(&stage));
                kept.push(stage);
            }
        }
        kept.reverse();
        kept
    }

    /// What is left of a build that failed: nothing, or an image to look into.
    pub(super) fn fail(&self, failed: Option<Box<Progress>>) -> BuildError {
        let keeps = !self.request.config.cleanup && !self.board.is_cancelled();
        if let Some(stage) = failed.filter(|_| keeps) {
            let last = stage
                .lines
                .iter()
                .rev()
                .find_map(|(_, snapshot)| snapshot.clone());
            let name = self.request.nametag.0.as_str();
            // Without a name it is untagged, so that a prune finds it.
            let tag = if name.is_empty() { "" } else { "failed" };
            match self.finish(&stage, (name, tag)) {
                Ok(()) => return BuildError::Failed { kept: Some(last) },
                Err(error) => tracing::error!(build = %stage.id, %error, "could not keep a failed build"),
            }
        }
        self.abandon()
    }

    /// Nothing is left.
    pub(super) fn abandon(&self) -> BuildError {
        self.remove_containers();
        BuildError::Failed { kept: None }
    }
}

impl Progress {
    /// Whether it has anything that is not in another image.
    fn is_worth_keeping(&self) -> bool {
        self.origin.is_some()
    }
}

/// Whose snapshot a stage's dataset is, or will be, a clone of.
fn foundation(stage: &Progress) -> Option<Id> {
    image_of(stage.origin.as_ref().unwrap_or(&stage.position.snapshot))
}

/// The image `id` that a stage becomes. Where the stage is not the one that was wanted, that is not its own id.
fn record(stage: &Progress, id: &Id) -> Image {
    let instruction = |(line, snapshot): &(String, Option<Id>)| {
        let snapshot = snapshot.as_ref().map(|snapshot| format!("@{snapshot}"));
        (line.clone(), snapshot.unwrap_or_default())
    };
    let moved = |snapshot: &SnapshotName| {
        let is_own = image_of(snapshot).as_ref() == Some(&stage.id);
        let elsewhere = is_own.then(|| snapshot_of(&DatasetName::image(id), snapshot.name()).ok());
        elsewhere.flatten().unwrap_or_else(|| snapshot.clone())
    };
    Image {
        id: id.clone(),
        name: String::new(),
        tag: String::new(),
        created: kleene_store::now(),
        cmd: stage.cmd.clone(),
        env: stage.state.env.iter().map(entry).collect(),
        user: stage.state.user.clone(),
        settings: stage.settings.clone(),
        instructions: stage.lines.iter().map(instruction).collect(),
        snapshots: stage.snapshots.iter().map(moved).collect(),
        origin: Some(stage.origin.as_ref().unwrap_or(&stage.position.snapshot).clone()),
        size: None,
    }
}
