//! Bytes to types and back: every format that crosses a link or is stored, and its limits.
//!
//! Everything is either a fixed layout (envelopes, frames, beacons) or serde through [`codec`], bincode
//! with a limit on every decode. Golden vectors in each module's tests freeze the bytes.

pub mod beacon;
pub mod codec;
pub mod envelope;
pub mod frame;
pub mod message;
pub mod powers;
pub mod sketch;
pub mod space;
pub mod talk;

pub use envelope::{Envelope, Lifetime, SizeClass};
pub use frame::Frame;
pub use message::{Body, Message};
