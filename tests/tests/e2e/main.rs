//! End-to-end tests: the real command line against a real daemon on a throw-away host. One file per subject; each
//! test has a host of its own, and what it leaves behind there fails it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod attached;
mod build_cache;
mod build_errors;
mod build_steps;
mod builds;
mod contexts;
mod crashes;
mod daemons;
mod dockerfiles;
mod dry_run;
mod full_disk;
mod images;
mod main_job;
mod networks;
mod plugins;
mod policies;
mod ports;
mod refusals;
mod registry;
mod reload;
mod running_connect;
mod sockets;
mod stopping;
mod survival;
mod terminal;
mod traffic;
mod volumes;
mod web;
