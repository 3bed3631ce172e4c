//! What is planned, in order of time and then of planning.

use crate::change::Change;
use mesh_core::{Lane, LinkId, Medium};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Something planned.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A frame arrives.
    Frame {
        /// The link as its receiver knows it.
        to: LinkId,
        /// The link as its sender knows it.
        from: LinkId,
        /// Who sent it; gone links do not tell any more.
        ends: (Option<u32>, Option<u32>),
        lane: Lane,
        payload: bool,
        bytes: Vec<u8>,
    },
    /// Something that was said to everybody is heard by a node.
    Overheard { node: usize, medium: Medium, bytes: Arc<[u8]> },
    /// The radios of a journey tell how many are around.
    Around(usize),
    /// A link takes more on its bulk lane.
    Credit { link: LinkId, bytes: u32 },
    /// A node wants to be woken.
    Tick(usize),
    /// A node closed its end; the other end learns it after what was on its way.
    HangUp(LinkId),
    /// Two connected nodes try again.
    Redial(usize, usize),
    /// One of two within reach heard the other.
    Found(Pair),
    /// A connection was made, or failed.
    Connected(Pair),
    /// An old link gives its place to who waits at this node.
    Rotate { journey: usize, node: u32 },
    /// A battery may be empty.
    Battery(usize),
    /// Something that a plan of faults holds.
    Change(Change),
}

/// Two nodes within reach, as they were when something was planned for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) journey: usize,
    pub(crate) a: u32,
    pub(crate) b: u32,
    /// What was planned before this changed no longer holds.
    pub(crate) ticket: u64,
}

/// The plan.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    serial: u64,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    serial: u64,
    what: Happening,
}

impl Agenda {
    /// Adds `what` at `at`, after everything that was planned for that time before.
    pub(crate) fn plan(&mut self, at: u64, what: Happening) {
        self.serial += 1;
        self.heap.push(Reverse(Entry { at, serial: self.serial, what }));
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the next thing.
    pub(crate) fn pop(&mut self) -> Option<(u64, Happening)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }

    /// Forgets everything but what was planned from outside.
    pub(crate) fn keep_changes(&mut self) {
        self.heap.retain(|Reverse(entry)| matches!(entry.what, Happening::Change(_)));
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}
