//! The FreeBSD platform on a host of fake tools, with real processes and mounts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod datasets;
mod firewall;
mod from_host;
mod interfaces;
mod jails;
mod setup;
mod transcripts;
mod world;
