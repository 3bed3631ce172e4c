//! Groups in which people meet, couriers between them, and splits that heal.

use super::movement::Impossible;
use crate::units::within;
use crate::{Meeting, Mobility, Span};
use core::cmp::Reverse;
use mesh_core::rng::Rng;
use serde::Deserialize;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

/// Members whom a courier meets at each stop.
const MET_AT_STOP: u32 = 4;
/// Metres from the middle of the map to the middle of a group.
const RING_M: f64 = 1_000.0;

/// The section `[movement.groups]`. Members are as many in each group as can be; couriers have the first
/// numbers and belong to none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// How many groups: 1 to 1,000.
    #[serde(deserialize_with = "within::<_, 1, 1000>")]
    pub groups: u32,
    /// A member walks up to somebody of the group about this often.
    pub meet_every: Span,
    /// And stays about this long.
    pub meet_for: Span,
    /// How many couriers: 0 to 100. Default none.
    #[serde(default, deserialize_with = "within::<_, 0, 100>")]
    pub couriers: u32,
    /// A courier's way from one group to the next. Default 30 min.
    #[serde(default = "half_an_hour")]
    pub way: Span,
    /// How long a courier stays. Default 5 min.
    #[serde(default = "five_minutes")]
    pub stop: Span,
    /// When the groups are apart. Without any: always. Between splits everybody meets everybody.
    #[serde(default)]
    pub split: Vec<Split>,
}

/// The groups are apart for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// From this on.
    pub from: Span,
    /// Until this.
    pub until: Span,
}

impl Groups {
    pub(super) fn check(&self, nodes: u32) -> Result<(), Impossible> {
        if self.couriers + 2 * self.groups > nodes {
            let most = nodes.saturating_sub(self.couriers) / 2;
            let allowed = format!("at most {most}: two of {nodes} nodes each, without the couriers");
            return Err(Impossible::new("groups", self.groups, allowed));
        }
        let spans = [
            ("meet_every", self.meet_every),
            ("meet_for", self.meet_for),
            ("way", self.way),
            ("stop", self.stop),
        ];
        if let Some((key, span)) = spans.into_iter().find(|(_, span)| span.ms < 1000) {
            return Err(Impossible::new(key, span, "at least 1 s"));
        }
        let mut before = Span::default();
        for split in &self.split {
            if split.from < before || split.until <= split.from {
                let allowed = "that splits follow one another, each ending after it begins";
                return Err(Impossible::new("from", split.from, allowed));
            }
            before = split.until;
        }
        Ok(())
    }

    pub(super) fn rescale(&mut self, scale: f64) {
        for split in &mut self.split {
            for span in [&mut split.from, &mut split.until] {
                *span = span.times(scale);
            }
        }
    }

    fn apart(&self, at: u64) -> bool {
        self.split.is_empty() || self.split.iter().any(|split| (split.from.ms..split.until.ms).contains(&at))
    }

    /// When the next split begins; contacts end there.
    fn next_split(&self, at: u64) -> u64 {
        self.split.iter().map(|split| split.from.ms).find(|from| *from > at).unwrap_or(u64::MAX)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Part(u32, u32),
    Meet(u32),
    Stop { courier: u32, group: u32 },
}

/// How people move in [`Groups`].
#[derive(Debug)]
pub struct Gatherings {
    groups: Groups,
    nodes: u32,
    rng: Rng,
    now: u64,
    serial: u64,
    agenda: BinaryHeap<Reverse<(u64, u64, Event)>>,
    together: BTreeSet<(u32, u32)>,
    ready: VecDeque<Meeting>,
    /// Of each courier: from which group to which, since when.
    ways: Vec<(u32, u32, u64)>,
}

impl Gatherings {
    /// People in `groups`; everything follows from `seed`.
    #[must_use]
    pub fn new(groups: Groups, nodes: u32, seed: u64) -> Self {
        let mut bytes = [0x67; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut gatherings = Self {
            nodes,
            rng: Rng::new(bytes),
            now: 0,
            serial: 0,
            agenda: BinaryHeap::new(),
            together: BTreeSet::new(),
            ready: VecDeque::new(),
            ways: (0..groups.couriers).map(|_| (0, 0, 0)).collect(),
            groups,
        };
        for node in gatherings.groups.couriers..nodes {
            let first = gatherings.rng.below(2 * gatherings.groups.meet_every.ms);
            gatherings.plan(first, Event::Meet(node));
        }
        for courier in 0..gatherings.groups.couriers {
            let group = courier % gatherings.groups.groups;
            let first = gatherings.rng.below(gatherings.groups.way.ms + gatherings.groups.stop.ms);
            gatherings.plan(first, Event::Stop { courier, group });
        }
        gatherings
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.serial += 1;
        self.agenda.push(Reverse((at, self.serial, event)));
    }

    /// The members of a group, or everybody who is no courier while the groups are together.
    fn pool(&self, group: u32) -> (u32, u32) {
        let (couriers, groups) = (self.groups.couriers, self.groups.groups);
        if !self.groups.apart(self.now) {
            return (couriers, self.nodes);
        }
        let members = u64::from(self.nodes - couriers);
        let bound =
            |n: u32| couriers + u32::try_from(members * u64::from(n) / u64::from(groups)).unwrap_or(u32::MAX);
        (bound(group), bound(group + 1))
    }

    /// The group of a member.
    fn group_of(&self, node: u32) -> u32 {
        let members = u64::from(self.nodes - self.groups.couriers);
        let place = u64::from(node - self.groups.couriers);
        let groups = u64::from(self.groups.groups);
        // The inverse of `pool`'s bounds.
        u32::try_from(((place + 1) * groups - 1) / members).unwrap_or(0)
    }

    fn one_of(&mut self, (from, to): (u32, u32)) -> u32 {
        from + u32::try_from(self.rng.below(u64::from(to - from))).unwrap_or(0)
    }

    /// From half to one and a half times `mean`.
    fn about(&mut self, mean: u64) -> u64 {
        mean / 2 + self.rng.below(mean.max(1)) + 1
    }

    fn meet(&mut self, a: u32, b: u32, until: u64) {
        let pair = (a.min(b), a.max(b));
        if a == b || !self.together.insert(pair) {
            return;
        }
        let (at, (a, b)) = (self.now, pair);
        self.ready.push_back(Meeting { at, a, b, near: true, metres: None });
        self.plan(until.min(self.groups.next_split(at)).max(at + 1), Event::Part(a, b));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Part(a, b) => {
                self.together.remove(&(a, b));
                self.ready.push_back(Meeting { at: self.now, a, b, near: false, metres: None });
            }
            Event::Meet(node) => {
                let pool = self.pool(self.group_of(node));
                let (other, stay) = (self.one_of(pool), self.about(self.groups.meet_for.ms));
                self.meet(node, other, self.now + stay);
                let next = self.now + self.about(self.groups.meet_every.ms);
                self.plan(next, Event::Meet(node));
            }
            Event::Stop { courier, group } => {
                let (pool, leaves) = (self.pool(group), self.now + self.groups.stop.ms);
                for _ in 0..MET_AT_STOP {
                    let other = self.one_of(pool);
                    self.meet(courier, other, leaves);
                }
                let next = (group + 1) % self.groups.groups;
                self.ways[courier as usize] = (group, next, leaves);
                self.plan(leaves + self.groups.way.ms, Event::Stop { courier, group: next });
            }
        }
    }

    /// The middle of a group on the map.
    fn middle(&self, group: u32) -> (f64, f64) {
        if self.groups.groups == 1 {
            return (0.0, 0.0);
        }
        let turn = core::f64::consts::TAU * f64::from(group) / f64::from(self.groups.groups);
        (RING_M * turn.cos(), RING_M * turn.sin())
    }
}

impl Mobility for Gatherings {
    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn next_meeting(&mut self) -> Option<Meeting> {
        loop {
            if let Some(meeting) = self.ready.pop_front() {
                return Some(meeting);
            }
            let Reverse((at, _, event)) = self.agenda.pop()?;
            self.now = at;
            self.happen(event);
        }
    }

    fn place(&self, node: u32) -> Option<(f32, f32)> {
        let couriers = self.groups.couriers;
        let (x, y) = if node < couriers {
            let (from, to, left) = self.ways[node as usize];
            let gone = self.now.saturating_sub(left) as f64 / self.groups.way.ms as f64;
            let ((a, b), (c, d)) = (self.middle(from), self.middle(to));
            let gone = gone.min(1.0);
            (a + (c - a) * gone, b + (d - b) * gone)
        } else {
            let (a, b) = self.middle(self.group_of(node));
            // Seeds of a sunflower: nobody stands on another.
            let place = f64::from(node - self.pool_start(node)) + 0.5;
            let (away, turn) = (15.0 * place.sqrt(), 2.399_963 * place);
            (a + away * turn.cos(), b + away * turn.sin())
        };
        Some((x as f32, y as f32))
    }
}

impl Gatherings {
    fn pool_start(&self, node: u32) -> u32 {
        let members = u64::from(self.nodes - self.groups.couriers);
        let group = u64::from(self.group_of(node));
        self.groups.couriers + u32::try_from(members * group / u64::from(self.groups.groups)).unwrap_or(0)
    }
}

fn half_an_hour() -> Span {
    Span::minutes(30)
}

fn five_minutes() -> Span {
    Span::minutes(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn villages(couriers: u32, split: Vec<Split>) -> Groups {
        Groups {
            groups: 2,
            meet_every: Span::minutes(2),
            meet_for: Span::minutes(1),
            couriers,
            way: Span::minutes(10),
            stop: Span::minutes(2),
            split,
        }
    }

    fn meetings(groups: Groups, until: u64) -> Vec<Meeting> {
        let mut moving = Gatherings::new(groups, 21, 7);
        std::iter::from_fn(|| moving.next_meeting()).take_while(|meeting| meeting.at < until).collect()
    }

    #[test]
    fn meetings_come_in_order_and_pairs_alternate() {
        let mut together = BTreeSet::new();
        let mut before = 0;
        for meeting in meetings(villages(1, Vec::new()), 7_200_000) {
            assert!(meeting.at >= before && meeting.a < meeting.b);
            before = meeting.at;
            let pair = (meeting.a, meeting.b);
            let changed = if meeting.near { together.insert(pair) } else { together.remove(&pair) };
            assert!(changed, "{meeting:?}");
        }
    }

    #[test]
    fn only_the_courier_goes_from_one_group_to_the_other() {
        let all = meetings(villages(1, Vec::new()), 7_200_000);
        assert!(all.iter().filter(|m| m.a != 0).all(|m| (m.a <= 10) == (m.b <= 10)));
        assert!(all.iter().any(|m| m.a == 0 && m.b <= 10) && all.iter().any(|m| m.a == 0 && m.b > 10));
    }

    #[test]
    fn a_split_ends_what_crosses_it_and_heals() {
        let split = Split { from: Span::minutes(60), until: Span::minutes(90) };
        let all = meetings(villages(1, vec![split]), 7_200_000);
        let crosses = |m: &&Meeting| m.near && m.a != 0 && (m.a <= 10) != (m.b <= 10);
        let during = |m: &Meeting| (3_600_000..5_400_000).contains(&m.at);
        assert!(all.iter().filter(crosses).any(|m| m.at < 3_600_000));
        assert!(!all.iter().filter(crosses).any(during));
        assert!(all.iter().filter(crosses).any(|m| m.at > 5_400_000));
        let lasting = |m: &&Meeting| !m.near && m.a != 0 && (m.a <= 10) != (m.b <= 10);
        assert!(!all.iter().filter(lasting).any(|m| m.at > 3_600_000 && during(m)));
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        assert_eq!(meetings(villages(1, Vec::new()), 600_000), meetings(villages(1, Vec::new()), 600_000));
    }

    #[test]
    fn every_member_has_a_place_in_its_own_group() {
        let moving = Gatherings::new(villages(1, Vec::new()), 21, 7);
        for node in 1..21 {
            let (start, end) = moving.pool(moving.group_of(node));
            assert!((start..end).contains(&node), "{node}");
            assert!(moving.place(node).is_some());
        }
    }
}
