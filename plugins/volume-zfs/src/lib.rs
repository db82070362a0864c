//! Volumes of driver `zfs`: a dataset each. What a dataset is (ZFS, or a directory where there is no pool) is the
//! platform's business.

use kleene_sdk::volume::{Driver, Plugin};
use kleene_sdk::{Op, Plan, PluginError, PluginInfo, Volume};

/// The plugin.
pub struct VolumeZfs;

kleene_sdk::export_volume_plugin!(VolumeZfs);

impl Plugin for VolumeZfs {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: vec!["zfs".to_owned()],
        }
    }
}

impl Driver for VolumeZfs {
    fn plan_volume(volume: Volume) -> Result<Plan, PluginError> {
        Ok(Plan {
            ops: vec![Op::CreateDataset(volume.dataset)],
            jail: vec![],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_dataset() {
        let volume = Volume {
            name: "v".to_owned(),
            dataset: "volumes/v".to_owned(),
        };
        assert_eq!(
            VolumeZfs::plan_volume(volume).unwrap().print(""),
            "create dataset volumes/v\n"
        );
    }
}
