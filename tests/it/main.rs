//! Tests that need sockets, files or processes, in one binary: linking is what costs.
//!
//! Where a test needs another process of its own making, this binary starts itself again with
//! [`ROLE`] set.

#![allow(clippy::unwrap_used, reason = "clippy takes only marked functions for tests; these are all tests")]

mod api_streams;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_figures;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_hostile;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_nodes;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_pipe;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_radio;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_rig;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_short;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod ble_trace;
mod cli_basics;
mod cli_disk;
mod cli_errors;
mod cli_groups;
mod cli_mesh;
mod cli_passphrase;
mod cli_remarks;
mod cli_rig;
mod cli_search;
mod cli_sim;
mod cli_spaces;
mod cli_talk;
mod lan_links;
mod lan_network;
mod lan_rig;
mod lan_speed;
mod proof_courier;
mod proof_kill;
mod proof_pcap;
mod proof_power;
mod proof_rig;
mod proof_rotation;
mod store_crash;
mod store_disk;
mod support;

/// Names the part that a restarted copy of this binary plays.
const ROLE: &str = "STARLING_TEST_ROLE";
