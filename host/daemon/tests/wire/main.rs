//! The interface as clients see it: bytes over a UNIX socket on one side, an engine on a simulated host on the other.
//! The contract's statuses, bodies and frames, at least one test per endpoint.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

mod client;
mod containers;
mod daemon;
mod execs;
mod images;
mod networks;
mod openapi;
mod sockets;
mod system;
mod transport;
mod uploads;
mod volumes;
