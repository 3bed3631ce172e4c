//! States are honest.

use super::ledger::Ledger;
use super::{Found, HONEST, Invariant, Look};
use crate::NodeIx;
use mesh_core::view::MessageState;
use mesh_core::{ConversationId, Event, MessageId};
use std::collections::{BTreeMap, BTreeSet};

/// The first bytes of frames that confirm: kept, and have for what one has oneself (PROTOCOL.md sections 4.1 and 9.3).
const CONFIRMING: [u8; 2] = [8, 5];

/// States never go back; handed on is said only after somebody confirmed something, delivered only where the
/// text is on its reader's disk.
#[derive(Default)]
pub(super) struct States {
    last: BTreeMap<(NodeIx, MessageId, ConversationId), MessageState>,
    /// Nodes that ever had a confirmation.
    confirmed: BTreeSet<NodeIx>,
}

fn may_follow(before: MessageState, after: MessageState) -> bool {
    before == after
        || match before {
            MessageState::Waiting => true,
            MessageState::HandedOn => after > MessageState::HandedOn,
            MessageState::Delivered => after == MessageState::Read,
            MessageState::Read | MessageState::Expired => false,
        }
}

impl Invariant for States {
    fn name(&self) -> &'static str {
        HONEST
    }

    fn look(&mut self, at: u64, what: &Look<'_>, known: &Ledger, found: &mut Found) {
        match what {
            Look::Received(passage)
                if passage.frame.first().is_some_and(|kind| CONFIRMING.contains(kind)) =>
            {
                self.confirmed.extend(passage.to);
            }
            Look::Told(node, Event::MessageState { message, to, state, .. }) => {
                let before = self.last.insert((*node, *message, *to), *state);
                if before.is_some_and(|before| !may_follow(before, *state)) {
                    let before = before.map_or("", MessageState::as_str);
                    found.push((at, *node, format!("{message:?} goes from {before} to {}", state.as_str())));
                }
                let reader = to.person().and_then(|person| known.node_of(person));
                let there =
                    to.group().is_some() || reader.is_some_and(|reader| known.has_text(reader, *message));
                // Introductions have states too, and no text.
                let is_text = known.has_text(*node, *message);
                if matches!(state, MessageState::Delivered | MessageState::Read) && is_text && !there {
                    found.push((
                        at,
                        *node,
                        format!("{message:?} is {} and not at {reader:?}", state.as_str()),
                    ));
                }
                if *state == MessageState::HandedOn && !self.confirmed.contains(node) {
                    found.push((at, *node, format!("{message:?} is handed on and nobody confirmed")));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_go_one_way() {
        use MessageState::{Delivered, Expired, HandedOn, Read, Waiting};
        for (before, after) in [(Waiting, HandedOn), (Waiting, Read), (HandedOn, Expired), (Delivered, Read)]
        {
            assert!(may_follow(before, after), "{before:?} {after:?}");
            assert!(!may_follow(after, before), "{after:?} {before:?}");
        }
        assert!(!may_follow(Delivered, Expired));
    }
}
