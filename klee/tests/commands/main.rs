//! Whole commands of `klee` against a scripted daemon: what they send, what they print, how they exit.
//!
//! The daemon here is a double that says what a test tells it to say; the real one has tests of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authority;
mod configuration;
mod containers;
mod contexts;
mod creation;
mod daemon;
mod images;
mod networks_and_volumes;
mod processes;
mod system;
mod templates;
mod terminal;
mod tls;
mod tree;
mod uploads;
mod usage;
