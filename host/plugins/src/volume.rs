//! Asking a volume driver.

use std::sync::Arc;

use kleene_plan::{Plan, VolumeFacts};

use crate::bindings::volume::VolumePluginIndices;
use crate::convert::volume_to_wit;
use crate::error::PluginError;
use crate::guest::Guest;
use crate::scope;

/// The plugin that plans volumes of some driver.
#[derive(Clone)]
pub struct VolumeDriver(pub(crate) Arc<Guest<VolumePluginIndices>>);

impl VolumeDriver {
    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.0.name()
    }

    /// What the host needs for a new volume.
    ///
    /// # Errors
    /// Why there is no plan, in the plugin's words, or how the plugin failed or overstepped.
    pub fn plan_volume(&self, volume: &VolumeFacts) -> Result<Plan, PluginError> {
        const CALL: &str = "plan-volume";
        let facts = volume_to_wit(volume);
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_volume_driver()
                .call_plan_volume(store, &facts)
        })?;
        self.0.accept(CALL, answer, &scope::of_volume(volume))
    }
}
