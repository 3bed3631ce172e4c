//! Who is simulated: the real node, or a protocol under test.

use crate::draft::Draft;
use mesh_core::{Input, Node, Now, Output, Time};

/// One node's protocol, as the world drives it: one way in, one way out, like the real node's border.
///
/// The real node is [`Starling`]. Whoever wants to see how another protocol does on the same contacts
/// implements this; `examples/own_protocol.rs` floods in some fifty lines.
///
/// What the world does with an implementation:
///
/// * [`handle`](Protocol::handle) with one thing that happened, then [`poll`](Protocol::poll) until `None`. All
///   [`Output::Store`] among the acts are applied first, then the rest is carried out in order.
/// * [`Input::Tick`] at [`next_wakeup`](Protocol::next_wakeup), which is asked after every input.
/// * [`submit`](Protocol::submit) when somebody writes; [`Act::Shown`] says that a text is at its reader.
/// * Links come as [`Input::LinkUp`] and go as [`Input::LinkDown`]; their numbers are never used again.
///   [`Input::LinkReady`] grants credit for [`Lane::Bulk`](mesh_core::Lane): a protocol that sends more than it
///   was granted only fills the queue of its own radio.
pub trait Protocol: Send {
    /// Takes in what happened.
    fn handle(&mut self, now: Now, input: Input<'_>);

    /// The next thing to do, until `None`.
    fn poll(&mut self) -> Option<Act>;

    /// When an [`Input::Tick`] is due, on the monotonic clock of this run of the node.
    fn next_wakeup(&self) -> Option<Time>;

    /// Somebody writes here. Never called for a protocol that has a node: that one gets commands.
    fn submit(&mut self, now: Now, draft: &Draft);

    /// The real node inside, where there is one.
    fn as_node(&self) -> Option<&Node> {
        None
    }

    /// What is carried for others and oneself: envelopes and their bytes.
    fn carried(&self) -> (u64, u64);

    /// The device was off and is on again: links are gone, and the monotonic clock begins anew. What a
    /// crash would lose is dropped here; a protocol with a node is built anew from storage instead.
    fn restarted(&mut self, now: Now) {
        let _ = now;
    }
}

/// What a protocol wants done.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "acts are handed on at once: a box would cost an allocation each"
)]
pub enum Act {
    /// Store, send, close or tell.
    Core(Output),
    /// The message with this number is shown to its reader, here and now. The world finds out by itself what
    /// a real node shows.
    Shown {
        /// As in [`Draft::number`].
        number: u32,
    },
}

/// The real node.
#[derive(Debug)]
pub struct Starling(Node);

impl Starling {
    /// Drives `node`.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self(node)
    }
}

impl Protocol for Starling {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.0.handle(now, input);
    }

    fn poll(&mut self) -> Option<Act> {
        self.0.poll_output().map(Act::Core)
    }

    fn next_wakeup(&self) -> Option<Time> {
        self.0.next_wakeup().map(|(at, _)| at)
    }

    fn submit(&mut self, _now: Now, _draft: &Draft) {}

    fn as_node(&self) -> Option<&Node> {
        Some(&self.0)
    }

    fn carried(&self) -> (u64, u64) {
        let load = self.0.load();
        (load.count as u64, load.bytes)
    }
}
