//! Whole nodes in one world: published attacks by number, and what must hold from end to end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod convergence;
mod courier;
mod crash;
mod flood;
mod people;
mod replay;
mod rig;
mod secrecy;
mod silence;
mod versions;
