//! The records the store keeps, one type per object. What is derived from the host (datasets, whether a jail runs) is
//! not in them.

mod container;
mod image;
mod network;
mod settings;
mod volume;
mod words;

pub use container::{
    Container, ContainerPorts, LastExit, Mount, MountKind, NetworkDriver, Port, RestartPolicy, Running,
};
pub use image::{Image, ImageSize};
pub use network::{Endpoint, Gateway, Network};
pub use settings::{Healthcheck, ImageSettings};
pub use volume::Volume;
pub use words::ParseRecordError;
pub(crate) use words::words;
