//! Starling around its core: storage, radios, programs' and people's doors.
//!
//! [`home`] opens the storage and makes the node, [`daemon`] is the only loop around it, [`handle`] the
//! only way to it. [`transport`] opens links to neighbours, [`api`] serves front ends of the same person,
//! [`client`] is a front end's side of it, and [`strings`] holds the words that people read.

pub mod api;
pub mod client;
pub mod config;
pub mod daemon;
pub mod handle;
pub mod home;
pub mod store;
pub mod strings;
pub mod transport;
