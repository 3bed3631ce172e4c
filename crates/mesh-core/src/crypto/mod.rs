//! Identities, seals, sessions.

pub mod ratchet;

mod kdf;

pub use kdf::{kdf, kdf16, kdf8};
