//! Who writes whom, and when: drawn as the reference program draws.

use serde::{Deserialize, Serialize};

use super::Oracle;
use crate::splitmix::SplitMix;
use crate::{Audience, Draft};

/// How often a draw is tried before there is none: senders who never meet anybody cannot be active.
const TRIES: u32 = 10_000;

/// When messages are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Creation {
    /// At any full second, day and night.
    Uniform,
    /// At the beginning of a random contact of the sender: people write while others are about.
    Active,
}

/// A message to be: sender, recipient and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Who writes.
    pub from: u32,
    /// To whom.
    pub to: u32,
    /// When, in milliseconds of the trace.
    pub at: u64,
}

impl Oracle {
    /// `count` messages created within the first `window` milliseconds of the trace. With `window` the length of
    /// the trace less the time that messages live, none is cut off by the trace's end.
    ///
    /// There are fewer, or none, where the window is empty, there are less than two nodes, or no sender is ever
    /// active within the window.
    #[must_use]
    pub fn draws(&self, seed: u64, count: usize, window: u64, creation: Creation) -> Vec<Draw> {
        let mut random = SplitMix(seed);
        (0..count).filter_map(|_| self.draw(&mut random, window, creation)).collect()
    }

    fn draw(&self, random: &mut SplitMix, window: u64, creation: Creation) -> Option<Draw> {
        let nodes = u64::from(self.nodes());
        if window < 1000 || nodes < 2 {
            return None;
        }
        for _ in 0..TRIES {
            let from = random.below(nodes);
            let other = random.below(nodes - 1);
            let to = if other >= from { other + 1 } else { other };
            let starts = &self.starts[from as usize];
            let at = match creation {
                Creation::Uniform => random.below(window / 1000) * 1000,
                Creation::Active if starts.is_empty() => continue,
                Creation::Active => starts[random.below(starts.len() as u64) as usize],
            };
            if at < window {
                return Some(Draw { from: from as u32, to: to as u32, at });
            }
        }
        None
    }
}

/// Draws as drafts of `bytes` bytes each (at least 12), numbered in the order of the draws.
#[must_use]
pub fn drafts(draws: &[Draw], bytes: u32) -> Vec<Draft> {
    let draft = |(number, draw): (usize, &Draw)| Draft {
        number: number as u32,
        at: draw.at,
        from: draw.from,
        to: Audience::One(draw.to),
        bytes: bytes.max(12),
    };
    draws.iter().enumerate().map(draft).collect()
}
