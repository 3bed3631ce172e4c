//! Tests that need sockets, files or processes, in one binary.

#![allow(clippy::unwrap_used, reason = "clippy takes only marked functions for tests; these are all tests")]

mod lan_links;
mod lan_network;
mod lan_rig;
mod lan_speed;
