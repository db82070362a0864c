//! The contract with clients of 0.1.1, row by row, on a real daemon with a client of its own. `docs/contract.md` says
//! which file covers which section, and where we deviate on purpose.
#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test ends where it fails"
)]

mod containers;
mod daemon;
mod execs;
mod fuzz_http;
mod fuzz_websocket;
mod identifiers;
mod images;
mod known_weak;
mod networks;
mod original_client;
mod patience;
mod random;
mod shapes;
mod transport;
mod validation;
mod volumes;
mod websocket_build;
mod websocket_exec;
mod websocket_image_create;
