//! Writes into root file systems from outside without ever leaving them.
//!
//! The daemon works as root on file trees which strangers filled: images, containers, volumes. A symbolic link in
//! such a tree may point anywhere, so no path of it is ever handed to the kernel as a whole. Everything here goes
//! through a [`Root`], an open directory below which each path is walked one component at a time, links being read and
//! resolved by us as `chroot` would (`/a -> /etc` inside an image means the image's `/etc`). The walk needs nothing
//! but POSIX `openat` with `O_NOFOLLOW`, so it is the same code on Linux and FreeBSD.
//!
//! * [`Root`]: directories, files and whole trees beneath a root
//! * [`host_image`]: fills a root with programs of the host and the libraries they need
//! * [`archive`]: unpacks tar archives which may be hostile
//! * [`copy`]: the `COPY` instruction of Dockerfiles
//!
//! Nothing here knows of datasets, mounts or containers. No function cleans up after an error: the caller destroys
//! the dataset it wrote into. All functions block.

pub mod archive;
mod beneath;
pub mod copy;
mod error;
pub mod host_image;
mod node;
mod owner;
mod root;
mod tree;
mod visible;
mod walk;
mod xattr;

pub use error::{Error, Result};
pub use node::Owner;
pub use root::Root;
pub use tree::TreeReport;
