//! Starling around its core: storage, radios, programs' and people's doors.
//!
//! The messenger itself is [`mesh_core::Node`], which reaches nothing. This library gives it a disk, a network,
//! clocks and front ends:
//!
//! * [`home`] opens the storage and makes the node or rebuilds it; [`config`] says where files are and what
//!   the limits are;
//! * [`daemon`] is the only loop around the node: one input, its outputs as one batch; then store, send, tell;
//! * [`handle`] is all that anything else has of the node: commands and reads in, events out;
//! * [`search`] finds messages by their words;
//! * [`store`] makes batches durable: a journal in front of sled, and a file for each long-lived key;
//! * [`transport`] opens links to neighbours; [`transport::lan`] does it over Wi-Fi, LAN and loopback;
//! * [`contact_log`] writes down when contacts were, where the owner wants that;
//! * [`api`] serves front ends of the same person over loopback, [`client`] is their side of it, and
//!   [`strings`] holds the words that people read.
//!
//! The command line (`src/cli`) and the demonstration (`src/demo`) belong to the binary. ARCHITECTURE.md shows
//! the whole on one page.

mod alarm;
pub mod api;
pub mod client;
pub mod config;
pub mod contact_log;
pub mod daemon;
pub mod handle;
pub mod home;
pub mod search;
pub mod store;
pub mod strings;
pub mod transport;
