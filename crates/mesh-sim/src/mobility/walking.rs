//! From places to meetings.

use std::collections::VecDeque;

use super::{Crowd, Place};
use crate::{Meeting, Mobility};

/// Where people are, second by second. A movement of one's own needs no more than this.
pub trait Motion: Send {
    /// Puts everybody where they are at `second`. It is called for every second from 0 on, in order; whoever is
    /// not put anywhere stays.
    fn step(&mut self, second: u64, crowd: &mut Crowd);
}

/// Walks a [`Motion`] in steps of one second and tells who meets.
pub struct Walking {
    motion: Box<dyn Motion>,
    crowd: Crowd,
    /// The next second to walk.
    second: u64,
    seconds: u64,
    meetings: VecDeque<Meeting>,
}

impl core::fmt::Debug for Walking {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Walking").field("nodes", &self.crowd.nodes()).field("second", &self.second).finish()
    }
}

impl Walking {
    /// `nodes` nodes that meet at `radius` metres and less, for so many seconds; nothing moves after that.
    #[must_use]
    pub fn new(motion: Box<dyn Motion>, nodes: u32, radius: f32, seconds: u64) -> Self {
        Self { motion, crowd: Crowd::new(nodes, radius), second: 0, seconds, meetings: VecDeque::new() }
    }
}

impl Mobility for Walking {
    fn nodes(&self) -> u32 {
        self.crowd.nodes()
    }

    fn next_meeting(&mut self) -> Option<Meeting> {
        while self.meetings.is_empty() && self.second <= self.seconds {
            self.motion.step(self.second, &mut self.crowd);
            self.meetings.extend(self.crowd.look_around(self.second * 1000));
            self.second += 1;
        }
        self.meetings.pop_front()
    }

    fn place(&self, node: u32) -> Option<Place> {
        self.crowd.place(node)
    }
}
