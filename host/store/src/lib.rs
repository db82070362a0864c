//! What Kleene knows: images, containers, networks, volumes, the addresses and ports they hold, and the journal of
//! changes under way, in one SQLite database with real tables, keys and constraints.
//!
//! A conflict (a taken name, address or port) is a constraint of the database, reported as [`StoreError::Taken`];
//! nobody searches first and inserts later. All of a use case's changes are one [`Store::write`].
//!
//! ```
//! use kleene_store::{Direction, Object, Store, StoreError, Volume, now};
//!
//! let store = Store::in_memory()?;
//! let volume = Volume { name: "data".parse()?, created: now(), driver: "zfs".parse()? };
//! let change = store.begin("volume create", &Object::Volume(volume.name.clone()), Direction::Undo)?;
//! // … `intend`, apply and `done`, for each operation of the plan …
//! store.write::<_, StoreError>(|write| {
//!     write.insert_volume(&volume)?;
//!     write.finish(change)
//! })?;
//! assert_eq!(store.read::<_, StoreError>(|read| read.volumes())?, [volume]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: what the host looks like (that is observed, by the platform), and whether anything runs.

mod addresses;
mod applied;
mod build_cache;
mod cells;
mod containers;
mod endpoints;
mod error;
mod images;
mod journal;
mod leftovers;
mod migration;
mod networks;
mod object;
mod ports;
mod record;
mod resolve;
mod store;
mod time;
mod volumes;
mod width;

pub use applied::Applied;
pub use error::{Result, StoreError};
pub use images::image_of;
pub use journal::{Direction, Step, StepState, Transaction, TransactionId};
pub use leftovers::{Leftover, LeftoverId};
pub use object::{Object, ParseObjectError};
pub use ports::PortLease;
pub use record::{
    Container, ContainerPorts, Endpoint, Gateway, Healthcheck, Image, ImageSettings, ImageSize, LastExit,
    Mount, MountKind, Network, NetworkDriver, ParseRecordError, Port, RestartPolicy, Running, Volume,
};
pub use resolve::Resolution;
pub use store::{Read, Store, Write};
pub use time::now;
