//! What is physically possible: the earliest arrival of every message over the recorded contacts.
//!
//! No protocol delivers more, or sooner, than an oracle that knows all contacts beforehand and hands every
//! message to everybody at once. It sets the measure: a run is judged by its share of the oracle's deliveries.
//!
//! Three bounds are computed, all earliest arrivals over time (a Dijkstra search over the contacts):
//!
//! - **instantaneous** ([`Crossing::INSTANT`]): a message crosses a whole crowd in no time;
//! - **with a delay per hop** ([`Crossing::delayed`]): whoever has a message at `t` has handed it over at
//!   `max(t, start) + delay`, if the contact has not ended by then;
//! - **with a goodput** ([`Crossing::carrying`]): the delay grows by `size / goodput`, within one contact. There
//!   is no queueing: every transfer has the whole contact for itself. This is an upper bound of what a world with
//!   that goodput allows, and far below it under load.
//!
//! Draws ([`Oracle::draws`]) follow the reference program of the project's measurements to the bit: the
//! splitmix64 generator, and the order sender, recipient, time.

mod draw;
#[cfg(test)]
mod tests;

use core::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

pub use draw::{Creation, Draw, drafts};

use crate::Contact;
use crate::trace::Trace;

/// The earliest arrivals over one set of contacts.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// For each node, its edges: `edges[first[node]..first[node + 1]]`.
    first: Vec<u32>,
    edges: Vec<Edge>,
    /// When pairs are in contact, pair after pair, each in order of time.
    spans: Vec<(u64, u64)>,
    /// For each node, when its contacts begin, in the order of the trace: senders who are active draw from it.
    starts: Vec<Vec<u64>>,
    end: u64,
}

/// One neighbour that a node meets: `spans[from..to]`.
#[derive(Clone, Copy, Debug)]
struct Edge {
    node: u32,
    from: u32,
    to: u32,
}

/// What it takes to hand a message to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    millis: u64,
}

impl Crossing {
    /// Nothing: a message is everywhere within a crowd at once.
    pub const INSTANT: Self = Self { millis: 0 };

    /// A fixed time for each hop, in milliseconds.
    #[must_use]
    pub const fn delayed(millis: u64) -> Self {
        Self { millis }
    }

    /// A fixed time for each hop, and `bytes` at `goodput` bytes per second, rounded up to the millisecond.
    /// A goodput of 0 is read as 1.
    #[must_use]
    pub fn carrying(millis: u64, bytes: u64, goodput: u64) -> Self {
        Self { millis: millis + (bytes * 1000).div_ceil(goodput.max(1)) }
    }

    /// How long one hop takes, in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.millis
    }
}

/// What the oracle says about a set of draws.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foresight {
    /// For each draw, when it can be there at the earliest, in milliseconds of the trace; `None` if not in time.
    pub arrivals: Vec<Option<u64>>,
    /// The delays of those that arrive, in milliseconds, shortest first.
    pub delays: Vec<u64>,
}

impl Foresight {
    /// The share of the draws that can arrive; 0 where nothing was drawn.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.arrivals.is_empty() {
            return 0.0;
        }
        self.delays.len() as f64 / self.arrivals.len() as f64
    }

    /// The delay that a share `at` (0 to 1) of the arrivals does not exceed, in seconds; `None` without arrivals.
    #[must_use]
    pub fn delay_s(&self, at: f64) -> Option<f64> {
        percentile(&self.delays, at).map(|millis| millis as f64 / 1000.0)
    }
}

/// The value at the share `at` (0 to 1) of sorted values: the one nearest to that place.
#[must_use]
pub fn percentile(sorted: &[u64], at: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * at.clamp(0.0, 1.0)).round() as usize).copied()
}

impl Oracle {
    /// The oracle of a trace.
    #[must_use]
    pub fn new(trace: &Trace) -> Self {
        Self::over(trace.nodes, &trace.contacts)
    }

    /// The oracle of `nodes` nodes and their contacts; draws follow the order of `contacts`.
    ///
    /// # Panics
    /// When a contact names a node that does not exist.
    #[must_use]
    pub fn over(nodes: u32, contacts: &[Contact]) -> Self {
        let mut pairs: BTreeMap<(u32, u32), Vec<(u64, u64)>> = BTreeMap::new();
        let mut starts = vec![Vec::new(); nodes as usize];
        for contact in contacts {
            pairs.entry((contact.a, contact.b)).or_default().push((contact.start, contact.end));
            starts[contact.a as usize].push(contact.start);
            starts[contact.b as usize].push(contact.start);
        }
        let mut spans = Vec::with_capacity(contacts.len());
        let mut neighbours = vec![Vec::new(); nodes as usize];
        for ((a, b), met) in pairs {
            let from = spans.len() as u32;
            spans.extend(in_order(met));
            let to = spans.len() as u32;
            neighbours[a as usize].push(Edge { node: b, from, to });
            neighbours[b as usize].push(Edge { node: a, from, to });
        }
        let mut first = vec![0];
        first.extend(neighbours.iter().scan(0, |sum, edges| {
            *sum += edges.len() as u32;
            Some(*sum)
        }));
        let end = contacts.iter().map(|contact| contact.end).max().unwrap_or(0);
        Self { first, edges: neighbours.concat(), spans, starts, end }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.starts.len() as u32
    }

    /// When the last contact is over, in milliseconds.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// When a message written by `from` at `at` can be with each node at the earliest; `None` if never.
    #[must_use]
    pub fn reach(&self, from: u32, at: u64, crossing: Crossing) -> Vec<Option<u64>> {
        let arrivals = self.search(from, at, crossing, u64::MAX - 1, None);
        arrivals.into_iter().map(|at| (at < u64::MAX).then_some(at)).collect()
    }

    /// When a message can be with its recipient at the earliest, if that is not after `deadline`.
    #[must_use]
    pub fn arrival(&self, draw: &Draw, crossing: Crossing, deadline: u64) -> Option<u64> {
        let arrivals = self.search(draw.from, draw.at, crossing, deadline, Some(draw.to));
        Some(arrivals[draw.to as usize]).filter(|at| *at < u64::MAX && *at <= deadline)
    }

    /// For each number of hops in `limits` (ascending), when a message can be with its recipient at the earliest
    /// over that many hops; `None` if never.
    #[must_use]
    pub fn arrival_within_hops(&self, draw: &Draw, crossing: Crossing, limits: &[u32]) -> Vec<Option<u64>> {
        let mut best = vec![u64::MAX; self.starts.len()];
        best[draw.from as usize] = draw.at;
        let (mut frontier, mut hops) = (vec![draw.from], 0);
        let mut answers = Vec::with_capacity(limits.len());
        for limit in limits {
            while hops < *limit && !frontier.is_empty() {
                frontier = self.one_more_hop(&mut best, &frontier, crossing);
                hops += 1;
            }
            answers.push(Some(best[draw.to as usize]).filter(|at| *at < u64::MAX));
        }
        answers
    }

    /// What is possible for a set of draws within `ttl` milliseconds each.
    #[must_use]
    pub fn foresee(&self, draws: &[Draw], crossing: Crossing, ttl: u64) -> Foresight {
        let arrival = |draw: &Draw| self.arrival(draw, crossing, draw.at.saturating_add(ttl));
        let arrivals: Vec<Option<u64>> = draws.iter().map(arrival).collect();
        let delay = |(draw, at): (&Draw, &Option<u64>)| at.map(|at| at - draw.at);
        let mut delays: Vec<u64> = draws.iter().zip(&arrivals).filter_map(delay).collect();
        delays.sort_unstable();
        Foresight { arrivals, delays }
    }

    /// Earliest arrivals at all nodes, exact up to `deadline`, or up to the arrival at `goal`.
    fn search(&self, from: u32, at: u64, crossing: Crossing, deadline: u64, goal: Option<u32>) -> Vec<u64> {
        let mut best = vec![u64::MAX; self.starts.len()];
        best[from as usize] = at;
        let mut agenda = BinaryHeap::from([Reverse((at, from))]);
        while let Some(Reverse((at, node))) = agenda.pop() {
            if Some(node) == goal || at > deadline {
                break;
            }
            if at > best[node as usize] {
                continue;
            }
            for edge in self.edges_of(node) {
                if best[edge.node as usize] <= at {
                    continue;
                }
                let there = self.cross(edge, at, crossing);
                if there < best[edge.node as usize] {
                    best[edge.node as usize] = there;
                    agenda.push(Reverse((there, edge.node)));
                }
            }
        }
        best
    }

    fn one_more_hop(&self, best: &mut [u64], frontier: &[u32], crossing: Crossing) -> Vec<u32> {
        let before = best.to_vec();
        let mut reached = Vec::new();
        for node in frontier {
            let at = before[*node as usize];
            for edge in self.edges_of(*node) {
                if best[edge.node as usize] <= at {
                    continue;
                }
                let there = self.cross(edge, at, crossing);
                if there < best[edge.node as usize] {
                    best[edge.node as usize] = there;
                    reached.push(edge.node);
                }
            }
        }
        reached.sort_unstable();
        reached.dedup();
        reached
    }

    fn edges_of(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.first[node] as usize..self.first[node + 1] as usize]
    }

    /// When what is at one end of an edge at `at` has crossed it at the earliest; `u64::MAX` if never.
    fn cross(&self, edge: &Edge, at: u64, crossing: Crossing) -> u64 {
        let spans = &self.spans[edge.from as usize..edge.to as usize];
        let ahead = spans.partition_point(|(_, end)| *end <= at);
        for (start, end) in &spans[ahead..] {
            let there = at.max(*start) + crossing.millis;
            // The end itself is no part of the contact, but what was begun in time may finish with it.
            if there < *end || (crossing.millis > 0 && there == *end) {
                return there;
            }
        }
        u64::MAX
    }
}

/// Spans in order of time. Those that overlap, which no measured contact does, become one.
fn in_order(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let overlapping = spans.windows(2).any(|two| two[1].0 < two[0].1);
    if overlapping { crate::trace::union(spans) } else { spans }
}
