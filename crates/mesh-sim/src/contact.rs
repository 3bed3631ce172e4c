//! Who can reach whom, and when.

/// Two nodes within reach of one another, from `start` on and until just before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// When it begins, in milliseconds of the world.
    pub start: u64,
    /// When it is over, in milliseconds of the world; greater than `start`.
    pub end: u64,
    /// The node with the smaller number.
    pub a: u32,
    /// The node with the greater number.
    pub b: u32,
}

/// Two nodes come within reach of one another, or leave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meeting {
    /// When, in milliseconds of the world.
    pub at: u64,
    /// The node with the smaller number.
    pub a: u32,
    /// The node with the greater number.
    pub b: u32,
    /// Whether they come or leave.
    pub near: bool,
    /// How far apart, in metres, where the movement knows places.
    pub metres: Option<f32>,
}

/// How people move: a stream of meetings in order of time, and where everybody is.
///
/// A pair alternates between coming and leaving, beginning with coming; pairs that are still together at the
/// end of the stream never leave. Everything follows from the arguments it was made with (a seed among them),
/// so that a second instance tells the same story to the oracle.
pub trait Mobility: Send {
    /// How many nodes there are; they are numbered from 0.
    fn nodes(&self) -> u32;

    /// The next meeting, not before the one given last; `None` when nothing will change any more.
    fn next_meeting(&mut self) -> Option<Meeting>;

    /// Where a node is at the time of the last meeting given, in metres east and north; `None` where the
    /// movement knows no places (a trace of contacts).
    fn place(&self, node: u32) -> Option<(f32, f32)> {
        let _ = node;
        None
    }
}
