//! What a reader can prove to be missing, and when it asks for it (PROTOCOL.md section 6.7).
//!
//! Envelopes come in any order, so a gap below what was seen is nothing special at first. It is asked
//! about when it has stayed: soon where the writer is the neighbour and has fallen silent, so that
//! nothing more is on its way from there; else after an hour. Each index is asked for at most
//! [`MAX_ASKS`] times; what the writer does not seal again by then ends with its lifetime.

use super::Sessions;
use super::records::{self, Sid};
use super::state::{Inbound, prefix};
use crate::id::AccountId;
use crate::outbox::Outbox;
use crate::time::Now;
use crate::wire::message::{Gap, MAX_GAPS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How often one index is asked for.
pub const MAX_ASKS: u8 = 3;
/// How long a gap must stay before each time that it is asked about, in seconds of uptime: an hour, 6
/// hours, a day.
const PATIENCE_S: [u64; MAX_ASKS as usize] = [3_600, 6 * 3_600, 86_400];
/// A writer who is a neighbour is asked once nothing came from it for so long, in seconds.
const QUIET_S: u64 = 60;
/// And again no sooner than this, in seconds: 10 minutes.
const AGAIN_S: u64 = 600;
/// The most sessions that are asked about in one go; the others follow at once.
const MAX_AT_ONCE: usize = 16;

/// What one session's reader lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Who wrote it.
    pub account: AccountId,
    /// The first bytes of the session's name.
    pub session: [u8; 8],
    /// Its messages that did not come, in order, 1 to [`MAX_GAPS`].
    pub gaps: Vec<Gap>,
}

/// How far the gaps of a session were asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Below this nothing is asked for any more.
    settled: u32,
    watch: Option<Watch>,
}

/// Gaps that are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watch {
    /// The index behind the gaps.
    end: u32,
    /// The uptime since which nothing was asked for.
    since_s: u64,
    asks: u8,
}

impl Sessions {
    /// The accounts whose devices are neighbours now.
    pub fn set_neighbours(&mut self, now: Now, neighbours: BTreeSet<AccountId>) {
        self.begin(now);
        let met: Vec<AccountId> = neighbours.difference(&self.neighbours).copied().collect();
        self.neighbours = neighbours;
        if met.is_empty() {
            return;
        }
        let devices =
            met.iter().filter_map(|account| self.conversations.get(account)).flat_map(|c| &c.devices);
        let read = devices.filter_map(|device| self.read_of.get(device)).flatten();
        let watched: Vec<Sid> = read.filter(|sid| self.asks.contains(sid)).copied().collect();
        for sid in watched {
            self.asks.set(sid, self.ask_at(sid));
        }
    }

    /// What is to be asked for now. What of it stays missing comes again later, a few times.
    pub fn take_missing(&mut self, now: Now, out: &mut Outbox) -> Vec<Missing> {
        self.begin(now);
        let mut missing = Vec::new();
        while missing.len() < MAX_AT_ONCE
            && let Some(sid) = self.asks.due(self.now_s)
        {
            match self.ask_at(sid) {
                // Something came meanwhile.
                Some(later) if later > self.now_s => self.asks.set(sid, Some(later)),
                Some(_) => missing.extend(self.ask(sid, out)),
                None => self.asks.set(sid, None),
            }
        }
        missing
    }

    /// Begins to watch a session of which `index` was opened while earlier ones are missing.
    pub(super) fn watch_gaps(&mut self, sid: Sid, index: u32, out: &mut Outbox) {
        let now_s = self.now_s;
        let Some(inbound) = self.inbound.get_mut(&sid) else { return };
        let asked = inbound.asked;
        if inbound.is_control() || asked.watch.is_some() || !inbound.lacks(asked.settled, index) {
            return;
        }
        inbound.asked.watch = Some(Watch { end: index, since_s: now_s, asks: 0 });
        self.records.put(out, records::inbound(sid), inbound);
        self.asks.set(sid, self.ask_at(sid));
    }

    /// When a session's writer is asked next, in seconds of uptime.
    pub(super) fn ask_at(&self, sid: Sid) -> Option<u64> {
        let inbound = self.inbound.get(&sid)?;
        let Watch { since_s, asks, .. } = inbound.asked.watch?;
        let patience = PATIENCE_S.get(usize::from(asks)).copied()?;
        let far = since_s.saturating_add(patience);
        let peer = self.peers.get(&inbound.device).filter(|peer| self.neighbours.contains(&peer.account));
        let near = peer.map(|peer| {
            let pause = if asks == 0 { 0 } else { AGAIN_S };
            peer.heard_s.saturating_add(QUIET_S).max(since_s.saturating_add(pause))
        });
        Some(near.map_or(far, |near| near.min(far)))
    }

    /// What is missing among the watched gaps of a session; moves the watch on.
    fn ask(&mut self, sid: Sid, out: &mut Outbox) -> Option<Missing> {
        let now_s = self.now_s;
        let inbound = self.inbound.get_mut(&sid)?;
        let mut watch = inbound.asked.watch?;
        let gaps = inbound.gaps(inbound.asked.settled, watch.end);
        if gaps.len() == MAX_GAPS {
            watch.end = gaps.last().map_or(watch.end, |gap| gap.first.saturating_add(gap.count));
        }
        watch = Watch { since_s: now_s, asks: watch.asks + 1, ..watch };
        inbound.asked.watch = Some(watch);
        if gaps.is_empty() || watch.asks >= MAX_ASKS {
            let (settled, seen) = (watch.end, inbound.seen());
            let more = inbound.lacks(settled, seen);
            let next = more.then_some(Watch { end: seen, since_s: now_s, asks: 0 });
            inbound.asked = Asked { settled, watch: next };
        }
        let missing = Missing { account: inbound.account, session: prefix(&sid), gaps };
        self.records.put(out, records::inbound(sid), inbound);
        self.asks.set(sid, self.ask_at(sid));
        Some(missing).filter(|missing| !missing.gaps.is_empty())
    }
}

impl Inbound {
    /// Whether anything from `start` and before `end` did not come.
    fn lacks(&self, start: u32, end: u32) -> bool {
        start < end && self.left.range(start..end).next().is_some()
    }

    /// The index behind the highest that came. All behind it are unused; none is, of a session whose
    /// writer said where it ends.
    fn seen(&self) -> u32 {
        if self.link.is_none() {
            return self.left.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        }
        let mut end = self.have;
        for index in self.left.keys().rev() {
            if index.saturating_add(1) != end {
                break;
            }
            end = *index;
        }
        end
    }

    /// What did not come from `start` and before `end`: the first [`MAX_GAPS`].
    fn gaps(&self, start: u32, end: u32) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        if start >= end {
            return gaps;
        }
        for (index, _) in self.left.range(start..end) {
            if let Some(gap) = gaps.last_mut().filter(|gap| gap.first + gap.count == *index) {
                gap.count += 1;
            } else if gaps.len() < MAX_GAPS {
                gaps.push(Gap { first: *index, count: 1 });
            } else {
                break;
            }
        }
        gaps
    }
}
