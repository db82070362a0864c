//! The records the store keeps, one type per object. What is derived from the host (datasets, whether a jail runs) is
//! not in them.

mod container;
mod image;
mod network;
mod volume;
mod words;

pub use container::{
    Container, ContainerPorts, LastExit, Mount, MountKind, NetworkDriver, Port, RestartPolicy, Running,
};
pub use image::Image;
pub use network::{Endpoint, Gateway, Network};
pub use volume::Volume;
pub use words::ParseRecordError;
pub(crate) use words::words;
