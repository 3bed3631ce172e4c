//! What all invariants know: who is who, what was written, what is on which disk, what passes on the air.

use crate::{Audience, Draft, NodeIx, Passage, World};
use mesh_core::id::ShortId;
use mesh_core::wire::Envelope;
use mesh_core::{AccountId, AckCommit, MessageId, StoreOp, Table, Tag};
use std::collections::{BTreeMap, BTreeSet};

/// The first byte of a frame that carries a sealed envelope (PROTOCOL.md section 4).
pub(super) const ENVELOPE: u8 = 7;
/// What the key of a message's record in [`Table::Event`] begins with: a text, another event, an event in a group.
const EVENTS: [u8; 3] = [1, 5, 7];

/// An envelope that passes.
#[derive(Clone, Copy)]
pub(super) struct Passing {
    pub(super) id: ShortId,
    pub(super) tag: Tag,
}

pub(super) struct Ledger {
    honest: u32,
    accounts: BTreeMap<AccountId, NodeIx>,
    drafts: BTreeMap<u32, Draft>,
    /// Messages whose text is on a node's disk.
    texts: BTreeSet<(NodeIx, MessageId)>,
    /// The commitment that each envelope on the air carries.
    commits: BTreeMap<ShortId, AckCommit>,
    /// The envelope in the frame at hand.
    pub(super) passing: Option<Passing>,
}

impl Ledger {
    pub(super) fn of(world: &World, honest: u32) -> Self {
        let nodes = (0..honest).map(NodeIx::from);
        let account = |ix: NodeIx| Some((world.protocol(ix)?.as_node()?.identity().account, ix));
        Self {
            honest,
            accounts: nodes.filter_map(account).collect(),
            drafts: BTreeMap::new(),
            texts: BTreeSet::new(),
            commits: BTreeMap::new(),
            passing: None,
        }
    }

    pub(super) fn is_honest(&self, node: NodeIx) -> bool {
        node.number() < self.honest
    }

    pub(super) fn wrote(&mut self, draft: &Draft) {
        self.drafts.entry(draft.number).or_insert_with(|| draft.clone());
    }

    pub(super) fn draft(&self, number: u32) -> Option<&Draft> {
        self.drafts.get(&number)
    }

    /// Whether a message is for this node's person.
    pub(super) fn is_for(&self, draft: &Draft, node: NodeIx) -> bool {
        match &draft.to {
            Audience::One(to) => *to == node.number(),
            Audience::Each(several) => several.contains(&node.number()),
            Audience::Everybody => true,
        }
    }

    pub(super) fn node_of(&self, account: AccountId) -> Option<NodeIx> {
        self.accounts.get(&account).copied()
    }

    pub(super) fn has_text(&self, node: NodeIx, message: MessageId) -> bool {
        self.texts.contains(&(node, message))
    }

    pub(super) fn commit_of(&self, id: ShortId) -> Option<AckCommit> {
        self.commits.get(&id).copied()
    }

    pub(super) fn stored(&mut self, node: NodeIx, op: &StoreOp) {
        let StoreOp::Put { table: Table::Event, key, .. } = op else { return };
        if key.first().is_some_and(|kind| EVENTS.contains(kind))
            && let Some(id) = key.last_chunk().copied()
        {
            self.texts.insert((node, MessageId(id)));
        }
    }

    pub(super) fn passes(&mut self, passage: &Passage<'_>) {
        self.passing = None;
        let Some((&ENVELOPE, bytes)) = passage.frame.split_first() else { return };
        let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
        let id = envelope.id().short();
        self.commits.entry(id).or_insert_with(|| envelope.ack_commit());
        self.passing = Some(Passing { id, tag: envelope.tag() });
    }
}
