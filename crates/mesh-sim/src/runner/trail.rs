//! Where the envelopes of messages went: what became of those that did not arrive.

use crate::{Audience, Draft, NodeIx, Observer, Protocol};
use mesh_core::{MessageId, StoreOp, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Follows the envelopes in which messages left their writers, from bag to bag. What is sealed again later is
/// followed no more.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// What the input at work put into a bag.
    fresh: Vec<Vec<u8>>,
    /// The same of the last input, and of which node it was.
    last: Option<(NodeIx, Vec<Vec<u8>>)>,
    /// By message and reader.
    of: BTreeMap<(u32, u32), Vec<usize>>,
    numbers: BTreeMap<Vec<u8>, usize>,
    envelopes: Vec<Envelope>,
    /// How many readers of a message have had their turn.
    turns: BTreeMap<u32, usize>,
}

#[derive(Debug, Default)]
struct Envelope {
    /// Who ever carried it.
    ever: BTreeSet<NodeIx>,
    /// Who carries it now.
    now: BTreeSet<NodeIx>,
}

impl Trail {
    /// Why a message did not arrive, as far as bags tell; `None` where it has no envelope of its own.
    pub(super) fn cause(&self, number: u32, to: u32) -> Option<&'static str> {
        let envelopes = self.of.get(&(number, to)).filter(|envelopes| !envelopes.is_empty())?;
        let of = |envelope: &usize| &self.envelopes[*envelope];
        Some(if envelopes.iter().map(of).all(|envelope| envelope.ever.len() < 2) {
            "kept back: the writer handed it to nobody"
        } else if envelopes.iter().map(of).any(|envelope| envelope.now.is_empty()) {
            "thrown out: no bag holds it any more"
        } else {
            "on its way: others carry it at the end"
        })
    }

    /// How many bags a message ever reached: the fewest of its envelopes.
    pub(super) fn bags(&self, number: u32, to: u32) -> Option<usize> {
        self.of.get(&(number, to))?.iter().map(|envelope| self.envelopes[*envelope].ever.len()).min()
    }

    fn reader(&mut self, draft: &Draft) -> Option<u32> {
        match &draft.to {
            Audience::One(to) => Some(*to),
            Audience::Each(several) => {
                let turn = self.turns.entry(draft.number).or_default();
                *turn += 1;
                several.get(*turn - 1).copied()
            }
            Audience::Everybody => None,
        }
    }
}

impl Observer for Trail {
    fn stored(&mut self, _: u64, node: NodeIx, op: &StoreOp) {
        match op {
            StoreOp::Put { table: Table::Carried, key, .. } => match self.numbers.get(key) {
                Some(known) => {
                    let envelope = &mut self.envelopes[*known];
                    envelope.ever.insert(node);
                    envelope.now.insert(node);
                }
                None => self.fresh.push(key.clone()),
            },
            StoreOp::Delete { table: Table::Carried, key } => {
                if let Some(known) = self.numbers.get(key) {
                    self.envelopes[*known].now.remove(&node);
                }
            }
            _ => {}
        }
    }

    fn stepped(&mut self, _: u64, node: NodeIx, _: &dyn Protocol) {
        self.last = Some((node, core::mem::take(&mut self.fresh)));
    }

    fn submitted(&mut self, _: u64, node: NodeIx, draft: &Draft, answer: Option<MessageId>) {
        let Some(to) = self.reader(draft) else { return };
        let made = self.last.take().filter(|(by, _)| *by == node && answer.is_some());
        for key in made.into_iter().flat_map(|(_, keys)| keys) {
            self.numbers.insert(key, self.envelopes.len());
            self.of.entry((draft.number, to)).or_default().push(self.envelopes.len());
            let own = BTreeSet::from([node]);
            self.envelopes.push(Envelope { ever: own.clone(), now: own });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u8) -> StoreOp {
        StoreOp::put(Table::Carried, [key], *b"x")
    }

    fn written() -> Trail {
        let mut trail = Trail::default();
        trail.stored(0, NodeIx::from(0), &put(1));
        trail.last = Some((NodeIx::from(0), core::mem::take(&mut trail.fresh)));
        let draft = Draft { number: 7, at: 0, from: 0, to: Audience::One(3), bytes: 20 };
        trail.submitted(0, NodeIx::from(0), &draft, Some(MessageId([0; 16])));
        trail
    }

    #[test]
    fn what_nobody_took_was_kept_back() {
        assert_eq!(written().cause(7, 3), Some("kept back: the writer handed it to nobody"));
        assert_eq!(written().cause(7, 4), None);
    }

    #[test]
    fn what_others_carry_is_on_its_way_until_all_throw_it_out() {
        let mut trail = written();
        trail.stored(1, NodeIx::from(1), &put(1));
        assert_eq!(trail.cause(7, 3), Some("on its way: others carry it at the end"));
        assert_eq!(trail.bags(7, 3), Some(2));
        for node in 0..2 {
            trail.stored(2, NodeIx::from(node), &StoreOp::delete(Table::Carried, [1]));
        }
        assert_eq!(trail.cause(7, 3), Some("thrown out: no bag holds it any more"));
    }
}
