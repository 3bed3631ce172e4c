//! One neighbour: hello, contact recognition, heartbeat, frame scheduler.

/// The largest frame, in bytes.
pub const MAX_FRAME: usize = 64 * 1024;

/// The limits of the links.
#[derive(Clone, Debug, Default)]
pub struct Config {}
