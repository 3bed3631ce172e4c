//! Tests that need sockets, files or processes, in one binary.

mod lan_links;
mod lan_network;
mod lan_rig;
mod lan_speed;
