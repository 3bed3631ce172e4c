//! Who carried which message for how long: what receipts save, and whom they reach.

use super::record::{Shared, open};
use crate::{Crossing, Draft, NodeIx, Observer, Oracle};
use mesh_core::store::Table;
use mesh_core::{MessageId, StoreOp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Nodes times messages up to which it is written down.
const MOST: u64 = 4_000_000;
/// Receipts are judged after so many milliseconds.
const TOLD_MS: u64 = 6 * 3_600_000;

/// An envelope's name.
type Name = [u8; 32];

/// How long one node carried it, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Stay {
    from: u64,
    until: u64,
}

/// Looks on at the bags.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    /// What a node stored last, and when: a message is written in one step.
    latest: Option<(u64, NodeIx)>,
    fresh: Vec<Name>,
    /// The envelope that a message went out in.
    number: BTreeMap<Name, u32>,
    stays: BTreeMap<(u32, u32), Stay>,
    /// Who wrote a message.
    writer: BTreeMap<u32, u32>,
    shown: BTreeMap<u32, u64>,
}

impl Carriers {
    /// From now on, where that is not too much to write down.
    pub(super) fn watch(world: &mut crate::World, nodes: u32, messages: usize) -> Option<Shared<Self>> {
        if u64::from(nodes) * messages as u64 > MOST {
            return None;
        }
        let shared = Arc::new(Mutex::new(Self::default()));
        world.observe(Box::new(Arc::clone(&shared)));
        Some(shared)
    }

    /// What came of it, by name. `readers` says who a message is for, `end` when the run is over.
    pub(super) fn notes(
        shared: &Shared<Self>,
        oracle: &Oracle,
        crossing: Crossing,
        readers: &dyn Fn(u32) -> Option<u32>,
        end: u64,
    ) -> BTreeMap<String, f64> {
        let seen = open(shared);
        let mut sums = Sums::default();
        for (number, shown) in &seen.shown {
            if let Some(reader) = readers(*number) {
                let arrivals =
                    if shown + TOLD_MS <= end { oracle.reach(reader, *shown, crossing) } else { Vec::new() };
                seen.add(*number, *shown, &arrivals, &mut sums);
            }
        }
        let mut notes = sums.notes();
        let let_go = seen.let_go();
        if let_go > 0 {
            notes.insert("own texts let go before they arrived".to_owned(), let_go as f64);
        }
        notes
    }

    /// Messages that left their writer's bag before they were shown.
    fn let_go(&self) -> usize {
        let arrived = |number: &u32| self.shown.get(number).copied().unwrap_or(u64::MAX);
        let early = |(number, writer): &(&u32, &u32)| {
            self.stays.get(&(**number, **writer)).is_some_and(|stay| stay.until < arrived(number))
        };
        self.writer.iter().filter(early).count()
    }

    /// Where a message is that did not arrive, as far as bags tell; `None` where nobody saw it go out.
    pub(super) fn cause(&self, number: u32) -> Option<&'static str> {
        let carried = self.of(number).any(|stay| stay.until == u64::MAX);
        match (self.bags(number), carried) {
            (0, _) => None,
            (1, _) => Some("kept back: the writer handed it to nobody"),
            (_, false) => Some("thrown out: no bag holds it any more"),
            (_, true) => Some("on its way: others carry it at the end"),
        }
    }

    /// How many nodes ever carried a message, its writer among them.
    pub(super) fn bags(&self, number: u32) -> usize {
        self.of(number).count()
    }

    fn of(&self, number: u32) -> impl Iterator<Item = &Stay> {
        self.stays.range((number, 0)..=(number, u32::MAX)).map(|(_, stay)| stay)
    }

    fn add(&self, number: u32, shown: u64, arrivals: &[Option<u64>], sums: &mut Sums) {
        let judged = shown + TOLD_MS;
        sums.messages += 1;
        for ((_, node), stay) in self.stays.range((number, 0)..=(number, u32::MAX)) {
            sums.carriers += 1;
            sums.before += u64::from(stay.from <= shown);
            let told = arrivals.get(*node as usize).copied().flatten().is_some_and(|at| at <= judged);
            if told && stay.until > shown && stay.from <= judged {
                sums.could_be_told += 1;
                sums.dropped += u64::from(stay.until <= judged);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Sums {
    messages: u64,
    carriers: u64,
    before: u64,
    could_be_told: u64,
    dropped: u64,
}

impl Sums {
    fn notes(&self) -> BTreeMap<String, f64> {
        let mut notes = BTreeMap::new();
        let mut ratio = |name: &str, part: u64, whole: u64| {
            if whole > 0 {
                notes.insert(name.to_owned(), part as f64 / whole as f64);
            }
        };
        ratio("carriers of a delivered message", self.carriers, self.messages);
        ratio("carriers of it when it was delivered", self.before, self.messages);
        ratio("told carriers that dropped it within 6 h", self.dropped, self.could_be_told);
        notes
    }
}

impl Observer for Carriers {
    fn stored(&mut self, at: u64, node: NodeIx, op: &StoreOp) {
        match op {
            StoreOp::Put { table: Table::Body, key, .. } => {
                let Ok(name) = Name::try_from(&key[..]) else { return };
                if let Some(number) = self.number.get(&name) {
                    let stay = Stay { from: at, until: u64::MAX };
                    let known = self.stays.entry((*number, node.number())).or_insert(stay);
                    known.until = u64::MAX;
                } else {
                    if self.latest.replace((at, node)) != Some((at, node)) {
                        self.fresh.clear();
                    }
                    self.fresh.push(name);
                }
            }
            StoreOp::Delete { table: Table::Body, key } => {
                let number = Name::try_from(&key[..]).ok().and_then(|name| self.number.get(&name));
                if let Some(stay) = number.and_then(|number| self.stays.get_mut(&(*number, node.number()))) {
                    stay.until = at;
                }
            }
            _ => {}
        }
    }

    fn submitted(&mut self, at: u64, node: NodeIx, draft: &Draft, answer: Option<MessageId>) {
        if answer.is_none() || self.latest != Some((at, node)) {
            return;
        }
        if let Some(name) = self.fresh.pop() {
            self.number.insert(name, draft.number);
            self.writer.insert(draft.number, node.number());
            self.stays.insert((draft.number, node.number()), Stay { from: at, until: u64::MAX });
        }
    }

    fn shown(&mut self, at: u64, _node: NodeIx, number: u32) {
        self.shown.entry(number).or_insert(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Audience;

    fn body(node: u32, at: u64, carriers: &mut Carriers) {
        carriers.stored(at, NodeIx::from(node), &StoreOp::put(Table::Body, [7; 32], *b"x"));
    }

    /// Node 0 wrote message 5.
    fn written() -> Carriers {
        let mut carriers = Carriers::default();
        body(0, 10, &mut carriers);
        let draft = Draft { number: 5, at: 10, from: 0, to: Audience::One(3), bytes: 20 };
        carriers.submitted(10, NodeIx::from(0), &draft, Some(MessageId([0; 16])));
        carriers
    }

    #[test]
    fn what_nobody_took_was_kept_back() {
        assert_eq!(written().cause(5), Some("kept back: the writer handed it to nobody"));
        assert_eq!(written().cause(6), None);
    }

    #[test]
    fn what_its_writer_lets_go_before_it_arrived_is_counted() {
        let mut carriers = written();
        assert_eq!(carriers.let_go(), 0);
        carriers.stored(30, NodeIx::from(0), &StoreOp::delete(Table::Body, [7; 32]));
        assert_eq!(carriers.let_go(), 1);
        carriers.shown(20, NodeIx::from(3), 5);
        assert_eq!(carriers.let_go(), 0, "its receipt ended it");
    }

    #[test]
    fn what_others_carry_is_on_its_way_until_all_throw_it_out() {
        let mut carriers = written();
        body(1, 20, &mut carriers);
        assert_eq!(carriers.cause(5), Some("on its way: others carry it at the end"));
        assert_eq!(carriers.bags(5), 2);
        for node in 0..2 {
            carriers.stored(30, NodeIx::from(node), &StoreOp::delete(Table::Body, [7; 32]));
        }
        assert_eq!(carriers.cause(5), Some("thrown out: no bag holds it any more"));
    }
}
