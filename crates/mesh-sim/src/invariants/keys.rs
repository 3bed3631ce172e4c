//! No one-time key serves twice.

use super::ledger::Ledger;
use super::{Found, Invariant, KEYS, Look};
use mesh_core::Tag;
use mesh_core::id::ShortId;
use std::collections::{BTreeMap, BTreeSet};

/// Two envelopes that honest nodes made never have the same tag: tag and key are one item of a chain.
#[derive(Default)]
pub(super) struct Keys {
    /// The envelope of each tag.
    tags: BTreeMap<Tag, ShortId>,
    seen: BTreeSet<ShortId>,
}

impl Invariant for Keys {
    fn name(&self) -> &'static str {
        KEYS
    }

    fn look(&mut self, at: u64, what: &Look<'_>, known: &Ledger, found: &mut Found) {
        let (Look::Sent(passage), Some(passing)) = (what, known.passing) else { return };
        if !self.seen.insert(passing.id) {
            return;
        }
        // What an attacker is the first to send has whatever tag it liked.
        let Some(from) = passage.from.filter(|from| known.is_honest(*from)) else { return };
        let before = self.tags.insert(passing.tag, passing.id);
        if let Some(before) = before.filter(|before| *before != passing.id) {
            found.push((at, from, format!("{:?} has the tag of {before:?}", passing.id)));
        }
    }
}
