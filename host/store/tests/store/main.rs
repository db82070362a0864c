//! What the store promises, topic by topic.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod addresses;
mod concurrency;
mod damage;
mod fixtures;
mod journal;
mod objects;
mod port_grammar;
mod ports;
mod resolution;
mod speed;
