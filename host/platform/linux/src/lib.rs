//! The Linux platform: datasets on overlayfs, interfaces through rtnetlink, the firewall in nftables, jails in
//! namespaces.
//!
//! [`LinuxPlatform`] only hands each operation to the module that does it:
//!
//! | module | its one idea |
//! |---|---|
//! | `layers` | datasets, snapshots and clones as stacks of directories |
//! | `net` | marked interfaces and addresses |
//! | `nft` | the rules of many owners as elements of sets in one table |
//!
//! Everything acts in the mount and network namespaces of the thread that opens the platform, so a daemon in
//! `unshare --net --mount` manages those.

mod draft;
mod failure;
mod layers;
mod net;
mod nft;
mod platform;
mod render;

pub use layers::LayerStore;
pub use platform::{LinuxConfig, LinuxPlatform};
