//! Time as an argument: the core never reads a clock (ARCHITECTURE.md, law 5).
//!
//! Two clocks reach the core with every input. The *monotonic* one drives every timer and every
//! age; the *wall* clock is only ever shown to people, because in the field it may say 1970 or 2036.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A point on the monotonic clock, in milliseconds since an arbitrary start.
///
/// The start is the node's own (usually process start); values of two nodes never compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// The farthest point in time; nothing is ever scheduled there.
    pub const MAX: Self = Self(u64::MAX);

    /// The span since `earlier`, zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// What the device's wall clock claims, in whole seconds since 1970-01-01T00:00:00Z.
///
/// Shown and written into messages (`when`), never trusted: nothing expires, is ordered or is
/// refused by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wall(pub u64);

/// Both clocks, read by the shell once per input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Drives timers and ages; never runs back.
    pub mono: Time,
    /// Shown to people; may jump.
    pub wall: Wall,
}
