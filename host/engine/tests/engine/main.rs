//! The engine's use cases as specifications: each test is a behaviour, on a simulated host, with the real store and
//! the real plugins (build them with `cargo xtask plugins`).

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what does not hold fails the test"
)]

mod build_cache;
mod build_stages;
mod builds;
mod concurrency;
mod containers;
mod counted;
mod execs;
mod faults;
mod foreign;
mod images;
mod journal;
mod leftovers;
mod networks;
mod ports;
mod record;
mod repair;
mod restart;
mod reviews;
mod uploads;
mod volumes;
mod world;
