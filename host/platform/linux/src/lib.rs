//! The Linux platform: layer store, interfaces, firewall, jails.

mod failure;
mod layers;

pub use layers::LayerStore;
