//! Who reaches whom, with real packets: one test per kind of network and driver of containers, each against a table.

mod matrix;
mod scene;
mod several;
mod special;

pub use scene::{PROBE, filter_bridged_frames};
