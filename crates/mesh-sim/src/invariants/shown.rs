//! What people are shown: only what was written, once, and only to those it was written to.

use super::ledger::{ENVELOPE, Ledger};
use super::{ADDRESSEES, Found, Invariant, Look, ONCE, UNSENT};
use crate::{Draft, NodeIx};
use mesh_core::Event;
use std::collections::BTreeSet;

/// Words that stand in every longer text of a draft; on the air they would be a leak.
const WORDS: &[u8] = b"All is well here";

/// Nothing is shown that nobody wrote.
pub(super) struct Unsent;

impl Invariant for Unsent {
    fn name(&self) -> &'static str {
        UNSENT
    }

    fn look(&mut self, at: u64, what: &Look<'_>, known: &Ledger, found: &mut Found) {
        match what {
            Look::Shown(node, number) if known.draft(*number).is_none() => {
                found.push((at, *node, format!("message {number} was never written")));
            }
            // Of what was taken back before it came nothing is left.
            Look::Told(node, Event::Message(view)) if view.from.is_some() && !view.deleted => {
                let written = Draft::number_in(&view.text).and_then(|number| known.draft(number));
                let author = view.from.and_then(|account| known.node_of(account));
                let genuine = written.is_some_and(|draft| {
                    let is_whole = if view.edits == 0 {
                        draft.text() == view.text
                    } else {
                        view.text.starts_with(&draft.text())
                    };
                    is_whole && author.map(NodeIx::number) == Some(draft.from)
                });
                if !genuine {
                    let text: String = view.text.chars().take(40).collect();
                    found.push((at, *node, format!("`{text}` is not what {author:?} wrote")));
                }
            }
            _ => {}
        }
    }
}

/// A message is shown once.
#[derive(Default)]
pub(super) struct Once(BTreeSet<(NodeIx, u32)>);

impl Invariant for Once {
    fn name(&self) -> &'static str {
        ONCE
    }

    fn look(&mut self, at: u64, what: &Look<'_>, _: &Ledger, found: &mut Found) {
        if let Look::Shown(node, number) = what
            && !self.0.insert((*node, *number))
        {
            found.push((at, *node, format!("message {number} is shown again")));
        }
    }
}

/// Only addressees are shown a message, and nobody on the air can read it.
pub(super) struct Addressees {
    /// Whether the words of sealed frames are looked for.
    pub(super) listens: bool,
}

impl Invariant for Addressees {
    fn name(&self) -> &'static str {
        ADDRESSEES
    }

    fn look(&mut self, at: u64, what: &Look<'_>, known: &Ledger, found: &mut Found) {
        match what {
            Look::Shown(node, number)
                if known.draft(*number).is_some_and(|draft| !known.is_for(draft, *node)) =>
            {
                found.push((at, *node, format!("message {number} is for somebody else")));
            }
            Look::Sent(passage) if self.listens && passage.frame.first() == Some(&ENVELOPE) => {
                let Some(from) = passage.from else { return };
                if passage.frame.windows(WORDS.len()).any(|window| window == WORDS) {
                    found.push((at, from, "a sealed frame has words in it".to_owned()));
                }
            }
            _ => {}
        }
    }
}
