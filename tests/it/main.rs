//! Tests that need sockets, files or processes, in one binary: linking is what costs.

#![allow(clippy::unwrap_used, reason = "clippy takes only marked functions for tests; these are all tests")]

mod cli_basics;
mod cli_errors;
mod cli_mesh;
mod cli_rig;
mod lan_links;
mod lan_network;
mod lan_rig;
mod lan_speed;
