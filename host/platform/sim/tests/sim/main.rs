//! What the simulated host promises, topic by topic.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod datasets;
mod faults;
mod fixtures;
mod interfaces;
mod jails;
mod properties;
