//! What lies between two nodes.

use core::time::Duration;
use mesh_core::{LinkId, Profile};

/// How a pipe treats frames. Each direction has its own line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pipe {
    /// What the nodes are told about it.
    pub profile: Profile,
    /// From the last byte out to the frame in.
    pub latency: Duration,
    /// Bytes per second.
    pub rate: u64,
    /// Frames lost, in thousandths. Real pipes lose none; loss models a crash of what lies between.
    pub loss_per_mille: u16,
    /// Bytes on the bulk lane that may be on their way.
    pub window: u32,
}

impl Pipe {
    /// A local network: 5 ms, 10 MB/s, nothing lost.
    pub const LAN: Self = Self {
        profile: Profile::LAN,
        latency: Duration::from_millis(5),
        rate: 10_000_000,
        loss_per_mille: 0,
        window: 256 * 1024,
    };
}

impl Default for Pipe {
    fn default() -> Self {
        Self::LAN
    }
}

/// One end of a pipe that no node holds: the test speaks there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Raw(pub(crate) LinkId);

/// A node's end of a pipe, or the test's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Node(usize),
    Raw,
}

impl End {
    pub(crate) fn node(self) -> Option<usize> {
        match self {
            Self::Node(index) => Some(index),
            Self::Raw => None,
        }
    }
}

/// What a direction leads through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Via {
    /// A cable that was laid by hand.
    Pipe(Pipe),
    /// The radio of this journey.
    Radio {
        /// Which journey.
        journey: usize,
        /// How much longer everything takes because of repetitions, at least 1.
        stretch: f64,
    },
}

/// A direction of a pipe that stands.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) via: Via,
    pub(crate) near: End,
    pub(crate) far: End,
    /// The other direction's name: the link as the far end knows it.
    pub(crate) back: LinkId,
    /// When the line is free again, in microseconds of the world.
    pub(crate) free_us: u64,
    /// Its node closed it; the far end does not know yet.
    pub(crate) closing: bool,
    /// When it was laid, in milliseconds.
    pub(crate) since: u64,
}
