//! `FROM scratch`: the image without a file. It is made when it is first asked for, has no name, and goes with a prune
//! once nothing is made from it.

use kleene_plan::{DatasetName, Id, Op};
use kleene_store::{Image, ImageSettings, Object};

use crate::Engine;
use crate::error::{EngineError, Result};

/// Its id, always the same, so that there is one.
const EMPTY: &str = "00000000000e";

impl Engine {
    /// The empty image.
    pub(super) fn empty_image(&self) -> Result<Image> {
        let id: Id = EMPTY
            .parse()
            .map_err(|error| EngineError::invalid(format!("{error}")))?;
        self.locks.hold(&id, || match self.image_by_id(&id) {
            Err(EngineError::ImageNotFound { .. }) => self.make_empty_image(id.clone()),
            found => found,
        })
    }

    fn make_empty_image(&self, id: Id) -> Result<Image> {
        let image = Image {
            id: id.clone(),
            name: String::new(),
            tag: String::new(),
            created: kleene_store::now(),
            cmd: Vec::new(),
            env: Vec::new(),
            user: "root".to_owned(),
            settings: ImageSettings::default(),
            instructions: Vec::new(),
            snapshots: Vec::new(),
            origin: None,
            size: None,
        };
        self.transact(
            "create image",
            &Object::Image(id.clone()),
            |transaction| {
                transaction.apply(Op::CreateDataset(DatasetName::image(&id)))?;
                transaction.apply(Op::CreateSnapshot(self.final_snapshot(&id)?))
            },
            |write, ()| Ok(write.insert_image(&image)?),
        )?;
        Ok(image)
    }
}
