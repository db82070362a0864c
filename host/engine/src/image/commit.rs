//! `POST /images/commit`: a container becomes an image.

use kleene_api::ImageCommitConfig;
use kleene_plan::{DatasetName, Id, Op};
use kleene_store::{Container, Image, ImageSettings, Object};

use crate::Engine;
use crate::error::Result;
use crate::parse;

impl Engine {
    /// Makes an image of a container's files as they are now; the container may run. No file is copied unless the host
    /// must: the image takes the container's place in the chain of clones, and the container is a clone of it from
    /// then on. So the image cannot be removed before the container.
    ///
    /// # Errors
    /// [`ContainerNotFound`](crate::EngineError::ContainerNotFound), a text that is no `name[:tag]`, what the host says:
    /// then all is as it was.
    pub fn commit_container(&self, config: &ImageCommitConfig) -> Result<Id> {
        let (name, tag) = parse::nametag(&config.tag)?;
        let container = self.find_container(&config.container)?;
        let id = Id::generate();
        self.locks.hold(&container, || {
            let container = self.present_container(&container)?;
            let from = DatasetName::container(&container.id);
            let origin = self.platform.origin(&from)?;
            let parent = self.image_by_id(&container.image)?;
            let image = Image {
                origin,
                ..committed(&id, &container, &parent, config)
            };
            self.transact(
                "commit container",
                &Object::Image(id.clone()),
                |transaction| {
                    let snapshot = self.final_snapshot_of(&from)?;
                    let dataset = DatasetName::image(&id);
                    transaction.apply(Op::CreateSnapshot(snapshot.clone()))?;
                    transaction.apply(Op::CloneDataset {
                        snapshot,
                        dataset: dataset.clone(),
                    })?;
                    transaction.apply(Op::PromoteDataset { dataset, over: from })
                },
                |write, ()| {
                    write.insert_image(&image)?;
                    Ok(write.tag_image(&id, &name, &tag)?)
                },
            )
        })?;
        self.measure(&id);
        Ok(id)
    }
}

/// The record of the image: what the container says of itself, and of the rest what its image says.
fn committed(id: &Id, container: &Container, parent: &Image, config: &ImageCommitConfig) -> Image {
    let entrypoint = &parent.settings.entrypoint;
    let (entrypoint, cmd) = match container.cmd.strip_prefix(entrypoint.as_slice()) {
        Some(cmd) => (entrypoint.clone(), cmd.to_vec()),
        None => (Vec::new(), container.cmd.clone()),
    };
    let mut labels = container.labels.clone();
    labels.extend(config.labels.clone());
    let named = container
        .name
        .as_ref()
        .map_or_else(|| container.id.to_string(), ToString::to_string);
    let line = match config.message.as_str() {
        "" => format!("# commit of container {named}"),
        message => format!("# commit of container {named}: {message}"),
    };
    Image {
        id: id.clone(),
        name: String::new(),
        tag: String::new(),
        created: kleene_store::now(),
        cmd,
        env: container.env.clone(),
        user: container.user.clone(),
        settings: ImageSettings {
            entrypoint,
            labels,
            working_dir: container.working_dir.clone(),
            stop_signal: container.stop_signal.clone(),
            ..parent.settings.clone()
        },
        instructions: vec![(line, String::new())],
        snapshots: Vec::new(),
        origin: None,
        size: None,
    }
}
