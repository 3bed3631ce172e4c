//! Looking on while a world runs.

use crate::draft::Draft;
use crate::protocol::Protocol;
use crate::world::NodeIx;
use mesh_core::{Event, Lane, LinkId, MessageId, StoreOp};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// Sees everything that happens in a world and changes nothing. Times are milliseconds of the world.
///
/// Share one as `Arc<Mutex<_>>` to ask it afterwards.
#[allow(unused_variables, reason = "whoever looks on chooses what to look at")]
pub trait Observer: Send {
    /// A node told its front ends something.
    fn told(&mut self, at: u64, node: NodeIx, event: &Event) {}

    /// A write became durable at a node.
    fn stored(&mut self, at: u64, node: NodeIx, op: &StoreOp) {}

    /// A frame leaves a node, after what its input stored.
    fn sent(&mut self, at: u64, passage: &Passage<'_>) {}

    /// A frame arrives at a node, before the node takes it in.
    fn received(&mut self, at: u64, passage: &Passage<'_>) {}

    /// A frame that left a node does not arrive.
    fn lost(&mut self, at: u64, passage: &Passage<'_>, why: Loss) {}

    /// A link between two nodes stands, or is gone.
    fn linked(&mut self, at: u64, a: NodeIx, b: NodeIx, up: bool) {}

    /// Somebody wrote a message. Of a draft for several people, one call for each of them, in their order;
    /// `answer` is the real node's, `None` where it refused, where it does not run, or for another protocol.
    fn submitted(&mut self, at: u64, node: NodeIx, draft: &Draft, answer: Option<MessageId>) {}

    /// The message with this number is shown at its reader.
    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {}

    /// A node stopped without warning.
    fn crashed(&mut self, at: u64, node: NodeIx) {}

    /// A node runs again, from what was durable.
    fn restarted(&mut self, at: u64, node: NodeIx) {}

    /// A node took in one input and everything that followed from it was carried out.
    fn stepped(&mut self, at: u64, node: NodeIx, protocol: &dyn Protocol) {}
}

/// A frame on its way from one node to another.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// Who sent it; `None` at an end that a test holds.
    pub from: Option<NodeIx>,
    /// Whom it is for; `None` at an end that a test holds.
    pub to: Option<NodeIx>,
    /// The link's name at the node that the call is about: the sender's in [`Observer::sent`] and
    /// [`Observer::lost`], the receiver's in [`Observer::received`].
    pub link: LinkId,
    /// In which lane.
    pub lane: Lane,
    /// Whether it carries an envelope or a public thing.
    pub payload: bool,
    /// Its bytes.
    pub frame: &'a [u8],
}

/// Why a frame does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The link ended while it was on its way.
    Cut,
    /// A fault that the scenario asked for.
    Fault,
}

impl<O: Observer> Observer for Arc<Mutex<O>> {
    fn told(&mut self, at: u64, node: NodeIx, event: &Event) {
        open(self, |o| o.told(at, node, event));
    }

    fn stored(&mut self, at: u64, node: NodeIx, op: &StoreOp) {
        open(self, |o| o.stored(at, node, op));
    }

    fn sent(&mut self, at: u64, passage: &Passage<'_>) {
        open(self, |o| o.sent(at, passage));
    }

    fn received(&mut self, at: u64, passage: &Passage<'_>) {
        open(self, |o| o.received(at, passage));
    }

    fn lost(&mut self, at: u64, passage: &Passage<'_>, why: Loss) {
        open(self, |o| o.lost(at, passage, why));
    }

    fn linked(&mut self, at: u64, a: NodeIx, b: NodeIx, up: bool) {
        open(self, |o| o.linked(at, a, b, up));
    }

    fn submitted(&mut self, at: u64, node: NodeIx, draft: &Draft, answer: Option<MessageId>) {
        open(self, |o| o.submitted(at, node, draft, answer));
    }

    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {
        open(self, |o| o.shown(at, node, number));
    }

    fn crashed(&mut self, at: u64, node: NodeIx) {
        open(self, |o| o.crashed(at, node));
    }

    fn restarted(&mut self, at: u64, node: NodeIx) {
        open(self, |o| o.restarted(at, node));
    }

    fn stepped(&mut self, at: u64, node: NodeIx, protocol: &dyn Protocol) {
        open(self, |o| o.stepped(at, node, protocol));
    }
}

fn open<O>(shared: &Mutex<O>, look: impl FnOnce(&mut O)) {
    look(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
}
