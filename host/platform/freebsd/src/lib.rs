//! The FreeBSD host.
//!
//! It compiles and is tested on Linux too.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

pub mod pf;
