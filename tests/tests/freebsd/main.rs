//! End-to-end tests of the FreeBSD platform's code: the real command line and the real daemon, with real processes, on
//! a host whose tools are stand-ins that behave like FreeBSD's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod host;
mod images;
mod jobs;
mod killed;
mod transcripts;
