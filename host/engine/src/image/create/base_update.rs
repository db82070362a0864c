//! The option `update`: the patches of its release for a base system, before it becomes an image.

use kleene_api::{ImageCreateConfig, ImageCreateMethod};
use kleene_plan::Id;
use kleene_rootfs::Root;

use crate::Engine;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};

/// # Errors
/// If what is to be updated is no base system.
pub(super) fn check(config: &ImageCreateConfig) -> Result<()> {
    let is_base = !matches!(config.method, ImageCreateMethod::Host | ImageCreateMethod::Oci);
    if config.update && !is_base {
        return Err(EngineError::invalid(format!(
            "only a base system of FreeBSD can be updated, and the method '{}' makes none",
            config.method
        )));
    }
    Ok(())
}

impl Engine {
    /// Has the platform bring a base system up to date, with a directory for its downloads that goes afterwards.
    pub(super) fn update_base(
        &self,
        image: &Id,
        root: &Root,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let failed = |why: &dyn std::fmt::Display| {
            EngineError::invalid(format!("could update base image with 'freebsd-update': {why}"))
        };
        progress("Updating the base system, this can take a while...\n");
        // Not where all temporary files are: freebsd-update(8) wants no memory file system. What a daemon that is killed
        // leaves here the next one removes.
        let mut named = tempfile::Builder::new();
        named.prefix(image.as_str()).rand_bytes(0);
        let scratch = std::fs::create_dir_all(&self.uploads)
            .and_then(|()| named.tempdir_in(&self.uploads))
            .map_err(|error| failed(&error))?;
        let given_up = || cancel.is_cancelled();
        let updated = self
            .platform
            .update_base(root.host_path(), scratch.path(), &given_up);
        cancel.check()?;
        updated.map_err(|error| failed(&error))?;
        scratch.close().map_err(|error| failed(&error))
    }
}
