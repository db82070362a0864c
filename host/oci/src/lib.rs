//! Images in the formats of others: OCI image layouts, archives of `docker save`, and registries.
//!
//! * [`Place`], [`open_file`]: images that lie on this host
//! * [`Registry`]: images that lie in a registry, and sending them there
//! * [`Image`]: the one or the other, to be unpacked
//! * [`PackedImage`]: a tree as an image, to be sent or written
//!
//! Everything that is read is verified by its digest, and everything that is unpacked goes through
//! [`kleene_rootfs::archive`], which hostile layers do not get out of. Nothing here knows of datasets or containers. All
//! functions block; only what speaks to registries is asynchronous inside.

mod config;
mod digest;
mod error;
mod image;
mod layout;
mod manifest;
mod pack;
mod platform;
mod reference;
mod registry;
mod store;

pub use config::{HealthConfig, History, ImageConfig, RootFs, RunConfig};
pub use digest::Digest;
pub use error::{OciError, Result};
pub use image::{Image, Progress};
pub use layout::{Place, open_file};
pub use pack::{PackedImage, Packing};
pub use platform::Platform;
pub use reference::Reference;
pub use registry::{Credentials, Registry};
