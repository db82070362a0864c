//! The daemon's floor: HTTP and WebSocket on one side, the engine on the other.
//!
//! Nothing here decides what a container is or does; that is `kleene-engine`. What is here is the wire contract of
//! Kleene 0.1.1: paths, statuses, messages and frames. It is a library so that the interface can be tested with an
//! engine on a simulated host; the program is `main.rs`.

pub mod address;
pub mod answer;
pub mod app;
pub mod arguments;
pub mod config;
mod handshake;
pub mod init;
pub mod instance;
pub mod listen;
pub mod log;
mod log_file;
pub mod openapi;
pub mod operation;
pub mod router;
pub mod routes;
pub mod serve;
mod stream;
pub mod tls;
pub mod tls_init;
pub mod validation;
pub mod websocket;
