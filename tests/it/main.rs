//! Tests of whole processes and real disks, in one binary.
//!
//! Where a test needs another process, this binary starts itself again with [`ROLE`] set.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod store_crash;
mod store_disk;
mod support;

/// Names the part that a restarted copy of this binary plays.
const ROLE: &str = "STARLING_TEST_ROLE";
