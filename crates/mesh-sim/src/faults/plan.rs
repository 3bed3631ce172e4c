//! What happens in a fault run: drawn from a seed, written to failure files, cut down.

use crate::circle::{Deed, Script, Step};
use mesh_core::rng::Rng;
use serde::{Deserialize, Serialize};

/// Everything that happens in a fault run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Of everything that is not written here: keys, jitter, which frames are lost.
    pub seed: u64,
    /// How many nodes: 2 to 100.
    pub nodes: u32,
    /// When faults end and the world heals, in milliseconds.
    pub heals_at: u64,
    /// How long it has to bring everything where it belongs, in milliseconds.
    pub patience: u64,
    /// Whether people know each other before it begins, or get to know each other on the way.
    pub introduced: bool,
    /// Frames lost, in thousandths.
    pub loss: u16,
    /// Frames that come twice, in thousandths.
    pub twice: u16,
    /// Frames that come late and are overtaken, in thousandths.
    pub late: u16,
    /// How late at most, in milliseconds.
    pub late_ms: u16,
    /// From the last byte out to the frame in, in milliseconds.
    pub latency: u16,
    /// Who can reach whom.
    pub pairs: Vec<Pairing>,
    /// What is written.
    pub messages: Vec<Message>,
    /// What goes wrong, in order of time.
    pub faults: Vec<Fault>,
    /// A group, and what is done in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Script>,
}

/// Two nodes that can reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairing {
    /// One.
    pub a: u32,
    /// The other.
    pub b: u32,
}

/// A message of a fault run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// When, in milliseconds.
    pub at: u64,
    /// Who writes.
    pub from: u32,
    /// To whom.
    pub to: u32,
    /// Bytes of its text.
    pub bytes: u32,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A process dies between two inputs.
    Crash {
        /// When, in milliseconds.
        at: u64,
        /// Whose.
        node: u32,
        /// It is back after this many milliseconds.
        down: u64,
    },
    /// A process dies before its next batch is durable.
    LoseCommit {
        /// When, in milliseconds.
        at: u64,
        /// Whose.
        node: u32,
    },
    /// A process dies after its next batch is durable, before anything is transmitted or told.
    LoseSends {
        /// When, in milliseconds.
        at: u64,
        /// Whose.
        node: u32,
    },
    /// Nodes below `below` and the others cannot reach each other.
    Partition {
        /// When, in milliseconds.
        at: u64,
        /// The first node of the other side.
        below: u32,
        /// It is over after this many milliseconds.
        lasts: u64,
    },
    /// Two neighbours lose their link; they dial again.
    Cut {
        /// When, in milliseconds.
        at: u64,
        /// Which of the pairs.
        pair: u32,
    },
    /// A wall clock jumps.
    Clock {
        /// When, in milliseconds.
        at: u64,
        /// Whose.
        node: u32,
        /// From now on it is off by this many seconds.
        off: i64,
    },
}

impl Fault {
    /// When it begins, in milliseconds.
    #[must_use]
    pub fn at(&self) -> u64 {
        match self {
            Self::Crash { at, .. }
            | Self::LoseCommit { at, .. }
            | Self::LoseSends { at, .. }
            | Self::Partition { at, .. }
            | Self::Cut { at, .. }
            | Self::Clock { at, .. } => *at,
        }
    }
}

/// Fewest and most nodes that are drawn.
const NODES: (u64, u64) = (5, 30);
/// Fewest and most nodes around a group.
const GROUP_NODES: (u64, u64) = (13, 18);
/// How long everything has to arrive once the world has healed.
const PATIENCE_MS: u64 = 45 * 60_000;
/// Nodes are at most this far from the first one: an envelope has at least 12 hops, and whoever is farther
/// apart is not promised to reach each other while nobody moves.
const DEPTH: u64 = 5;
const MINUTE: u64 = 60_000;

impl Plan {
    /// A plan that follows from `seed`. Each run draws how bad everything is before it draws what happens,
    /// so that some are about crashes, some about loss, and some about everything.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut bytes = [0xfa; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut draw = Draw(Rng::new(bytes));
        let nodes = draw.between(NODES.0, NODES.1);
        let heals_at = draw.between(5, 40) * MINUTE;
        let introduced = draw.below(2) == 0;
        let [loss, twice, late] = [draw.thousandths(80), draw.thousandths(150), draw.thousandths(150)];
        let (late_ms, latency) = (draw.tiny(2, 2_000), draw.tiny(1, 300));
        let pairs = draw.pairs(nodes);
        let messages = draw.messages(nodes, heals_at);
        let faults = draw.faults(nodes, pairs.len() as u64, heals_at);
        let (nodes, patience) = (draw.small(nodes), PATIENCE_MS);
        Self {
            seed,
            nodes,
            heals_at,
            patience,
            introduced,
            loss,
            twice,
            late,
            late_ms,
            latency,
            pairs,
            messages,
            faults,
            group: None,
        }
    }

    /// A plan of a group of some twelve people with three admins, in a world that is split for long at least once: admins of
    /// all parts change the group at once, everybody writes, and processes die. It follows from `seed`.
    #[must_use]
    pub fn draw_group(seed: u64) -> Self {
        let mut bytes = [0x9c; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut draw = Draw(Rng::new(bytes));
        let nodes = draw.between(GROUP_NODES.0, GROUP_NODES.1);
        let heals_at = draw.between(20, 60) * MINUTE;
        let [loss, twice, late] = [draw.thousandths(40), draw.thousandths(100), draw.thousandths(100)];
        let (late_ms, latency) = (draw.tiny(2, 2_000), draw.tiny(1, 300));
        let pairs = draw.pairs(nodes);
        let mut faults = draw.faults(nodes, pairs.len() as u64, heals_at);
        faults.extend((0..draw.between(1, 3)).map(|_| draw.long_split(nodes, heals_at)));
        faults.sort_by_key(Fault::at);
        let group = Some(draw.script(nodes, heals_at));
        let (nodes, patience, introduced) = (draw.small(nodes), PATIENCE_MS, true);
        let messages = Vec::new();
        Self {
            seed,
            nodes,
            heals_at,
            patience,
            introduced,
            loss,
            twice,
            late,
            late_ms,
            latency,
            pairs,
            messages,
            faults,
            group,
        }
    }

    /// Whether it can happen.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if !(2..=100).contains(&self.nodes) {
            return Err(format!("nodes must be from 2 to 100, not {}", self.nodes));
        }
        let known = |node: u32| node < self.nodes;
        if let Some(pair) =
            self.pairs.iter().find(|pair| pair.a == pair.b || !known(pair.a) || !known(pair.b))
        {
            return Err(format!(
                "a pair is of two nodes below {}, not {} and {}",
                self.nodes, pair.a, pair.b
            ));
        }
        let wrong = |m: &&Message| {
            m.from == m.to || !known(m.from) || !known(m.to) || !(12..=64_000).contains(&m.bytes)
        };
        if let Some(message) = self.messages.iter().find(wrong) {
            let (nodes, from, to) = (self.nodes, message.from, message.to);
            return Err(format!(
                "a message of 12 to 64000 bytes is between two nodes below {nodes}, not {from} and {to}"
            ));
        }
        let node = |fault: &Fault| match fault {
            Fault::Crash { node, .. }
            | Fault::LoseCommit { node, .. }
            | Fault::LoseSends { node, .. }
            | Fault::Clock { node, .. } => *node,
            Fault::Partition { .. } | Fault::Cut { .. } => 0,
        };
        if let Some(fault) = self.faults.iter().find(|fault| !known(node(fault))) {
            return Err(format!("a fault is of a node below {}: {fault:?}", self.nodes));
        }
        self.group.as_ref().map_or(Ok(()), |script| script.check(self.nodes))
    }
}

struct Draw(Rng);

impl Draw {
    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.0.below(to - from + 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    fn small(&self, value: u64) -> u32 {
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    fn one(&mut self, nodes: u64) -> u32 {
        let one = self.below(nodes);
        self.small(one)
    }

    /// How bad something is in this run: nothing in half of the runs, else up to `most`.
    fn level(&mut self, most: u64) -> u64 {
        if self.below(2) == 0 { 0 } else { self.between(0, most) }
    }

    fn tiny(&mut self, from: u64, to: u64) -> u16 {
        u16::try_from(self.between(from, to)).unwrap_or(u16::MAX)
    }

    fn thousandths(&mut self, most: u64) -> u16 {
        u16::try_from(self.level(most)).unwrap_or(u16::MAX)
    }

    /// A tree, so that there is a path between any two, and some more pairs. In a small world the tree is
    /// often a line.
    fn pairs(&mut self, nodes: u64) -> Vec<Pairing> {
        let is_line = nodes <= 2 * DEPTH && self.below(2) == 0;
        let more = self.between(0, nodes);
        let mut pairs: Vec<Pairing> = Vec::new();
        let mut depths = vec![0];
        for b in 1..nodes {
            let drawn = if is_line { b - 1 } else { self.below(b) };
            let fits = is_line || depths[usize::try_from(drawn).unwrap_or(0)] < DEPTH;
            let a = if fits { drawn } else { 0 };
            depths.push(depths[usize::try_from(a).unwrap_or(0)] + 1);
            pairs.push(Pairing { a: self.small(a), b: self.small(b) });
        }
        for _ in 0..more {
            let (a, b) = (self.one(nodes), self.one(nodes));
            let known = pairs.iter().any(|pair| (pair.a, pair.b) == (a, b) || (pair.a, pair.b) == (b, a));
            if a != b && !known {
                pairs.push(Pairing { a, b });
            }
        }
        pairs
    }

    fn messages(&mut self, nodes: u64, until: u64) -> Vec<Message> {
        let circle = self.between(2, nodes);
        let count = self.between(5, 40);
        let mut messages: Vec<Message> = (0..count)
            .map(|_| {
                let from = self.one(circle);
                let other = self.one(circle - 1);
                let to = if other >= from { other + 1 } else { other };
                let bytes = match self.below(12) {
                    0 => self.between(2_000, 30_000),
                    1..=3 => self.between(200, 2_000),
                    _ => self.between(12, 200),
                };
                Message { at: self.below(until), from, to, bytes: self.small(bytes) }
            })
            .collect();
        messages.sort_by_key(|message| message.at);
        messages
    }

    /// A split that lasts for a good part of the run.
    fn long_split(&mut self, nodes: u64, until: u64) -> Fault {
        let lasts = self.between(until / 6, until / 2);
        let (at, below) = (self.below(until - lasts), self.between(3, nodes - 3));
        Fault::Partition { at, below: self.small(below), lasts }
    }

    fn script(&mut self, nodes: u64, until: u64) -> Script {
        let mut people: Vec<u32> = (0..nodes).map(|node| self.small(node)).collect();
        for n in (1..people.len()).rev() {
            let other = usize::try_from(self.below(n as u64 + 1)).unwrap_or(0);
            people.swap(n, other);
        }
        let members = self.between(9, 12);
        people.truncate(usize::try_from(members + self.between(0, 4)).unwrap_or(0));
        let count = self.between(20, 70);
        let all = people.len() as u64;
        let mut steps: Vec<Step> = (0..count)
            .map(|_| Step { at: self.between(1_000, until), by: self.one(all), deed: self.deed(all) })
            .collect();
        steps.sort_by_key(|step| step.at);
        Script { people, admins: 3, members: self.small(members), begins: 0, steps }
    }

    fn deed(&mut self, people: u64) -> Deed {
        let bytes = self.between(12, 300);
        let place = self.one(1 << 16);
        match self.below(20) {
            0..=8 => Deed::Write(self.small(bytes)),
            9..=10 => Deed::React(place),
            11 => Deed::Edit(place),
            12 => Deed::Delete(place),
            13..=14 => Deed::Add(self.one(people)),
            15 => Deed::Remove(self.one(people)),
            16 => Deed::Promote(self.one(people)),
            17 => Deed::Demote(self.one(people)),
            18 => Deed::Rename,
            _ if self.below(3) == 0 => Deed::Leave,
            _ => Deed::Remove(self.one(people)),
        }
    }

    fn faults(&mut self, nodes: u64, pairs: u64, until: u64) -> Vec<Fault> {
        let weights =
            [self.level(10), self.level(10), self.level(10), self.level(6), self.level(8), self.level(6)];
        let all: u64 = weights.iter().sum();
        if all == 0 {
            return Vec::new();
        }
        let count = self.between(1, 60);
        let mut faults: Vec<Fault> = (0..count).map(|_| self.fault(&weights, nodes, pairs, until)).collect();
        faults.sort_by_key(Fault::at);
        faults
    }

    fn fault(&mut self, weights: &[u64; 6], nodes: u64, pairs: u64, until: u64) -> Fault {
        let mut pick = self.below(weights.iter().sum());
        let kind = weights.iter().position(|weight| match pick.checked_sub(*weight) {
            Some(rest) => {
                pick = rest;
                false
            }
            None => true,
        });
        let (at, node) = (self.below(until), self.one(nodes));
        match kind {
            Some(0) => Fault::Crash { at, node, down: self.between(0, 10 * MINUTE) },
            Some(1) => Fault::LoseCommit { at, node },
            Some(2) => Fault::LoseSends { at, node },
            Some(3) => {
                Fault::Partition { at, below: self.one(nodes), lasts: self.between(1_000, 15 * MINUTE) }
            }
            Some(4) => Fault::Cut { at, pair: self.one(pairs) },
            _ => Fault::Clock { at, node, off: self.skew() },
        }
    }

    /// Off by seconds, days or decades, in either direction.
    fn skew(&mut self) -> i64 {
        let most = [60, 86_400 * 30, 86_400 * 365 * 20][self.below(3) as usize];
        let off = i64::try_from(self.below(most)).unwrap_or(0);
        if self.below(2) == 0 { off } else { -off }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_gives_a_plan_that_can_happen_and_always_the_same() {
        for seed in 0..200 {
            let plan = Plan::draw(seed);
            assert_eq!(plan.check(), Ok(()), "{seed}");
            assert_eq!(plan, Plan::draw(seed));
            assert!((5..=30).contains(&plan.nodes));
            assert!(plan.faults.is_sorted_by_key(Fault::at));
            let plan = Plan::draw_group(seed);
            assert_eq!((plan.check(), &plan), (Ok(()), &Plan::draw_group(seed)), "{seed}");
            assert!(plan.faults.iter().any(|fault| matches!(fault, Fault::Partition { .. })));
        }
    }

    #[test]
    fn seeds_differ_in_what_goes_wrong() {
        let plans: Vec<_> = (0..100).map(Plan::draw).collect();
        let some =
            |wanted: fn(&Fault) -> bool| plans.iter().filter(|plan| plan.faults.iter().any(wanted)).count();
        for count in [
            some(|fault| matches!(fault, Fault::Crash { .. })),
            some(|fault| matches!(fault, Fault::LoseCommit { .. })),
            some(|fault| matches!(fault, Fault::LoseSends { .. })),
            some(|fault| matches!(fault, Fault::Partition { .. })),
            some(|fault| matches!(fault, Fault::Cut { .. })),
            some(|fault| matches!(fault, Fault::Clock { .. })),
        ] {
            assert!((20..95).contains(&count), "{count}");
        }
        assert!(plans.iter().any(|plan| plan.loss == 0) && plans.iter().any(|plan| plan.loss > 50));
        assert!(plans.iter().any(|plan| plan.twice > 50) && plans.iter().any(|plan| plan.late > 50));
        assert!(plans.iter().any(|plan| plan.introduced) && plans.iter().any(|plan| !plan.introduced));
    }
}
