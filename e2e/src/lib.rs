//! What makes `kleene-e2e` self-contained; the tests are in the program.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

pub mod payload;
