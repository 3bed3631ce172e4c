//! What waits for credit on one link.

use crate::id::ShortId;
use std::collections::{BTreeMap, BTreeSet};

/// What goes first on the bulk lane (PROTOCOL.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Public things: an SOS passes everything.
    Public,
    /// Mail for the neighbour itself.
    Neighbour,
    /// Everything else that is carried.
    Carried,
    /// ... and came beyond the share of whoever brought it.
    Surplus,
}

/// Where a thing stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is.
    pub priority: Priority,
    /// Its rank within the priority, and within the turns of one source; smallest first.
    pub order: u64,
    /// Its length on the air in bytes.
    pub len: u32,
    /// Against whose turns a carried thing counts: the link that brought it here, or what stands for one's own.
    pub source: u64,
    /// How large the source's turns are beside those of others, at least 1.
    pub weight: u32,
}

/// A source without anything in line is remembered this often; it only matters while others wait.
const MAX_RESTING: usize = 256;
/// Bytes of a turn of weight 1 are this many units of virtual time.
const UNIT: u64 = 1 << 10;

/// The turns of one source: start-time fair queueing.
#[derive(Debug, Default)]
struct Turns {
    /// The virtual time of its next turn.
    due: u64,
    weight: u32,
    order: BTreeSet<(u64, ShortId)>,
}

/// What goes by turns between the sources that it came from.
#[derive(Debug, Default)]
struct Lane {
    turns: BTreeMap<u64, Turns>,
    /// The sources with something in line, by their next turn.
    next: BTreeSet<(u64, u64)>,
    /// The same by how much they have in line.
    lengths: BTreeSet<(usize, u64)>,
    /// The virtual time of the turn at work.
    now: u64,
}

/// Names in the order in which they are served, bounded. Public things and mail for the neighbour go by their
/// rank. What is carried goes by turns between the sources that it came from, in bytes, so that nobody gets more
/// of a link by bringing more; what came beyond shares goes in the same way when nothing else waits. What is too much is
/// dropped from the end of the longest line; the next reconciliation repairs that.
#[derive(Debug, Default)]
pub(super) struct Queue {
    first: BTreeSet<(Priority, u64, ShortId)>,
    carried: Lane,
    surplus: Lane,
    places: BTreeMap<ShortId, Place>,
}

impl Queue {
    /// `false` where something was dropped.
    pub(super) fn push(&mut self, place: Place, id: ShortId, limit: usize) -> bool {
        if self.places.contains_key(&id) {
            return true;
        }
        self.places.insert(id, place);
        match self.lane(place.priority) {
            Some(lane) => lane.line_up(place, id),
            None => _ = self.first.insert((place.priority, place.order, id)),
        }
        if self.places.len() <= limit {
            return true;
        }
        if let Some(last) = self.last() {
            self.remove(last);
        }
        false
    }

    /// The next in line.
    pub(super) fn pop(&mut self) -> Option<ShortId> {
        let front = self.first.first().map(|(_, _, id)| *id);
        let places = &self.places;
        let carried = || self.carried.pick(places).or_else(|| self.surplus.pick(places));
        let id = front.or_else(carried)?;
        self.remove(id);
        Some(id)
    }

    /// The first in line, where it is public.
    pub(super) fn pop_public(&mut self) -> Option<ShortId> {
        let (priority, _, _) = self.first.first()?;
        if *priority == Priority::Public { self.pop() } else { None }
    }

    /// Takes a name out of line.
    pub(super) fn remove(&mut self, id: ShortId) {
        let Some(place) = self.places.remove(&id) else { return };
        match self.lane(place.priority) {
            Some(lane) => lane.remove(place, id),
            None => _ = self.first.remove(&(place.priority, place.order, id)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where things of a priority go by turns.
    fn lane(&mut self, priority: Priority) -> Option<&mut Lane> {
        match priority {
            Priority::Public | Priority::Neighbour => None,
            Priority::Carried => Some(&mut self.carried),
            Priority::Surplus => Some(&mut self.surplus),
        }
    }

    /// What goes where there are too many: the last of the longest line.
    fn last(&self) -> Option<ShortId> {
        let carried = self.surplus.last().or_else(|| self.carried.last());
        carried.or_else(|| self.first.last().map(|(_, _, id)| *id))
    }
}

impl Lane {
    fn line_up(&mut self, place: Place, id: ShortId) {
        if self.next.is_empty() {
            // Nobody waits, so nobody's earlier turns matter; and virtual time would stand still.
            self.turns.clear();
        }
        if self.turns.len() > MAX_RESTING + self.next.len() {
            let now = self.now;
            self.turns.retain(|_, turns| !turns.order.is_empty() || turns.due > now);
        }
        let turns = self.turns.entry(place.source).or_default();
        if turns.order.is_empty() {
            turns.due = turns.due.max(self.now);
            self.next.insert((turns.due, place.source));
        }
        turns.weight = place.weight.max(1);
        self.lengths.remove(&(turns.order.len(), place.source));
        turns.order.insert((place.order, id));
        self.lengths.insert((turns.order.len(), place.source));
    }

    fn remove(&mut self, place: Place, id: ShortId) {
        let Some(turns) = self.turns.get_mut(&place.source) else { return };
        self.lengths.remove(&(turns.order.len(), place.source));
        turns.order.remove(&(place.order, id));
        if turns.order.is_empty() {
            self.next.remove(&(turns.due, place.source));
        } else {
            self.lengths.insert((turns.order.len(), place.source));
        }
    }

    /// Whose turn it is, and with what; the turn is used up.
    fn pick(&mut self, places: &BTreeMap<ShortId, Place>) -> Option<ShortId> {
        let (due, source) = self.next.pop_first()?;
        self.now = due;
        let turns = self.turns.get_mut(&source)?;
        let (_, id) = *turns.order.first()?;
        let len = places.get(&id).map_or(1, |place| place.len);
        turns.due = due + u64::from(len.max(1)) * UNIT / u64::from(turns.weight);
        self.next.insert((turns.due, source));
        Some(id)
    }

    /// The last of the longest line.
    fn last(&self) -> Option<ShortId> {
        let longest = self.lengths.last().and_then(|(_, source)| self.turns.get(source));
        longest.and_then(|turns| turns.order.last()).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ShortId {
        ShortId([n; 8])
    }

    fn place(priority: Priority, order: u64) -> Place {
        Place { priority, order, len: 300, source: 0, weight: 1 }
    }

    fn carried(source: u64, order: u64, weight: u32) -> Place {
        Place { priority: Priority::Carried, order, len: 300, source, weight }
    }

    fn drain(queue: &mut Queue) -> Vec<ShortId> {
        core::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn the_neighbours_own_mail_goes_first() {
        let mut queue = Queue::default();
        queue.push(place(Priority::Carried, 0), id(1), 9);
        queue.push(place(Priority::Neighbour, 5), id(2), 9);
        queue.push(place(Priority::Neighbour, 4), id(3), 9);
        assert_eq!(drain(&mut queue), [id(3), id(2), id(1)]);
    }

    #[test]
    fn sources_take_turns_whatever_they_bring() {
        let mut queue = Queue::default();
        for n in 0..100 {
            queue.push(carried(7, u64::from(n), 1), id(n), 999);
        }
        for n in 200..203 {
            queue.push(carried(8, u64::from(n), 1), id(n), 999);
        }
        let served = drain(&mut queue);
        assert!(served.iter().position(|name| *name == id(202)).is_some_and(|at| at < 7), "{served:?}");
        assert_eq!(served.len(), 103);
    }

    #[test]
    fn a_source_of_twice_the_weight_has_twice_the_bytes() {
        let mut queue = Queue::default();
        for n in 0..90 {
            queue.push(carried(7, u64::from(n), 1), id(n), 999);
            queue.push(carried(8, u64::from(n), 2), id(100 + n), 999);
        }
        let of_the_light = (0..90).filter(|_| queue.pop().is_some_and(|name| name < id(100))).count();
        assert!((29..=31).contains(&of_the_light), "{of_the_light}");
    }

    #[test]
    fn a_source_that_trickles_has_no_more_than_its_turns() {
        let mut queue = Queue::default();
        for n in 0..50 {
            queue.push(carried(7, u64::from(n), 1), id(n), 999);
        }
        let mut trickled = 0;
        for n in 100..140 {
            queue.push(carried(8, u64::from(n), 1), id(n), 999);
            trickled += usize::from(queue.pop().is_some_and(|name| name >= id(100)));
        }
        assert!((19..=21).contains(&trickled), "{trickled}");
    }

    #[test]
    fn what_is_beyond_a_share_goes_when_nothing_else_waits_and_is_dropped_first() {
        let mut queue = Queue::default();
        let surplus = |source| Place { priority: Priority::Surplus, ..carried(source, 0, 1) };
        assert!(queue.push(surplus(7), id(1), 3) && queue.push(surplus(8), id(2), 3));
        assert!(queue.push(carried(9, 0, 1), id(3), 3));
        assert!(!queue.push(carried(9, 1, 1), id(4), 3));
        let served = drain(&mut queue);
        assert_eq!((served.len(), served[0], served[1]), (3, id(3), id(4)));
    }

    #[test]
    fn a_full_queue_drops_the_last_of_the_longest_line() {
        let mut queue = Queue::default();
        assert!(queue.push(carried(7, 1, 1), id(1), 3));
        assert!(queue.push(carried(7, 9, 1), id(2), 3));
        assert!(queue.push(carried(8, 99, 1), id(4), 3));
        assert!(!queue.push(place(Priority::Neighbour, 7), id(3), 3));
        assert_eq!(drain(&mut queue), [id(3), id(1), id(4)]);
    }

    #[test]
    fn a_name_waits_once_and_can_leave_the_line() {
        let mut queue = Queue::default();
        queue.push(place(Priority::Carried, 1), id(1), 9);
        queue.push(place(Priority::Neighbour, 1), id(1), 9);
        assert_eq!(queue.len(), 1);
        queue.remove(id(1));
        assert_eq!((queue.len(), queue.pop()), (0, None));
    }

    #[test]
    fn sources_that_come_and_go_are_not_remembered_for_ever() {
        let mut queue = Queue::default();
        for source in 0..10_000 {
            queue.push(carried(source, 0, 1), id((source % 200) as u8), 999);
            queue.pop();
        }
        assert!(queue.carried.turns.len() <= MAX_RESTING + 2, "{}", queue.carried.turns.len());
    }
}
