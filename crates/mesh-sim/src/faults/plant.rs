//! Bugs planted on purpose: each invariant must catch the one that is there for it.

use crate::invariants;
use crate::{Act, Draft, Protocol, Starling};
use mesh_core::view::{MessageState, MessageView};
use mesh_core::wire::{Envelope, Frame};
use mesh_core::{Event, Input, Lane, LinkId, MessageId, Node, Now, Output, Reply, Seq, StoreOp, Table, Time};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A bug that a node may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// Confirms an envelope to its neighbour before it is stored.
    ConfirmsBeforeStore,
    /// Answers that a message is sent without having stored it.
    AnswersWithoutStore,
    /// Shows a message again.
    SkipsDedupe,
    /// Seals two envelopes under one tag.
    ReusesTag,
    /// Shows what nobody wrote.
    Invents,
    /// Shows what is for somebody else.
    ShowsToOthers,
    /// Puts the words of a message on the air.
    SpeaksOpenly,
    /// Stores more than it has room for.
    BreaksQuota,
    /// Says that a message is delivered when it is only written.
    ClaimsDelivered,
    /// Says that a delivered message is handed on.
    GoesBack,
    /// Offers nothing to anybody.
    KeepsAll,
    /// Takes operations of groups in without storing them.
    ForgetsMembers,
}

impl Bug {
    /// Every bug, and the invariant that must catch it.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::ConfirmsBeforeStore, invariants::DURABLE),
        (Self::AnswersWithoutStore, invariants::DURABLE),
        (Self::SkipsDedupe, invariants::ONCE),
        (Self::ReusesTag, invariants::KEYS),
        (Self::Invents, invariants::UNSENT),
        (Self::ShowsToOthers, invariants::ADDRESSEES),
        (Self::SpeaksOpenly, invariants::ADDRESSEES),
        (Self::BreaksQuota, invariants::QUOTA),
        (Self::ClaimsDelivered, invariants::HONEST),
        (Self::GoesBack, invariants::HONEST),
        (Self::KeepsAll, invariants::ARRIVES),
        (Self::ForgetsMembers, invariants::AGREES),
    ];
}

/// What one node was shown, for another that shows it too.
pub(super) type Gossip = Arc<Mutex<Vec<MessageView>>>;

/// A real node with a bug.
pub(super) struct Planted {
    inner: Starling,
    bug: Bug,
    gossip: Gossip,
    /// A frame that waits for the next input.
    late: Vec<(LinkId, Vec<u8>)>,
    acts: VecDeque<Act>,
    tag: Option<[u8; 16]>,
    done: bool,
}

impl Planted {
    pub(super) fn new(inner: Starling, bug: Bug, gossip: Gossip) -> Self {
        let (late, acts) = (Vec::new(), VecDeque::new());
        Self { inner, bug, gossip, late, acts, tag: None, done: false }
    }

    fn tell(&mut self, event: Event) {
        self.acts.push_back(Act::Core(Output::Notify(Seq(0), event)));
    }

    fn stored(&mut self, op: StoreOp) -> Option<Act> {
        let is_text = matches!(&op, StoreOp::Put { table: Table::Event, .. });
        match self.bug {
            Bug::AnswersWithoutStore if is_text => None,
            Bug::ForgetsMembers if matches!(&op, StoreOp::Put { table: Table::Group, .. }) => None,
            _ => Some(Act::Core(Output::Store(op))),
        }
    }

    fn sends(&mut self, link: LinkId, lane: Lane, frame: Vec<u8>) -> Option<Act> {
        let read = Frame::from_bytes(&frame);
        let frame = match (self.bug, read) {
            (Bug::KeepsAll, Ok(Frame::Envelope(_))) => return None,
            (Bug::ReusesTag, Ok(Frame::Envelope(mut bytes))) => {
                let tag: &mut [u8; 16] = bytes.get_mut(2..18)?.try_into().ok()?;
                *tag = *self.tag.get_or_insert(*tag);
                Frame::Envelope(bytes).to_bytes()
            }
            (Bug::SpeaksOpenly, Ok(Frame::Envelope(mut bytes))) => {
                let words = b"All is well here, we have water.";
                bytes.get_mut(60..60 + words.len())?.copy_from_slice(words);
                Frame::Envelope(bytes).to_bytes()
            }
            _ => frame,
        };
        Some(Act::Core(Output::Send { link, lane, frame }))
    }

    fn tells(&mut self, event: &Event) {
        match (self.bug, event) {
            (Bug::SkipsDedupe, Event::Message(view)) if view.from.is_some() => {
                self.tell(Event::Message(view.clone()));
            }
            (Bug::Invents, Event::Message(view)) if view.from.is_some() && !self.done => {
                self.done = true;
                let id = view.id;
                self.tell(Event::Message(MessageView {
                    id,
                    text: "come to the harbour".to_owned(),
                    ..view.clone()
                }));
            }
            (Bug::ShowsToOthers, Event::Message(view)) if view.from.is_some() => {
                let mut gossip = self.gossip.lock().unwrap_or_else(PoisonError::into_inner);
                let heard = gossip.iter().find(|heard| heard.id != view.id).cloned();
                gossip.push(view.clone());
                drop(gossip);
                if let Some(heard) = heard {
                    self.tell(Event::Message(heard));
                }
            }
            (Bug::ClaimsDelivered, Event::Message(view)) if view.from.is_none() => {
                self.tell(state(view.id, view.conversation, MessageState::Delivered));
            }
            (Bug::GoesBack, Event::MessageState { message, to, state: MessageState::Delivered, .. }) => {
                self.tell(state(*message, *to, MessageState::HandedOn));
            }
            (Bug::BreaksQuota, Event::Answered { result: Ok(Reply::Sent(_)), .. }) => {
                for n in 0..=u8::MAX {
                    let op = StoreOp::put(Table::Body, [n; 32], vec![0; 100_000]);
                    self.acts.push_back(Act::Core(Output::Store(op)));
                }
            }
            _ => {}
        }
    }
}

fn state(message: MessageId, to: mesh_core::ConversationId, state: MessageState) -> Event {
    Event::MessageState { message, to, state, carriers: 1 }
}

impl Protocol for Planted {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        for (link, bytes) in core::mem::take(&mut self.late) {
            self.inner.handle(now, Input::Frame { link, bytes: &bytes });
        }
        if let (Bug::ConfirmsBeforeStore, Input::Frame { link, bytes }) = (self.bug, &input)
            && let Ok(Frame::Envelope(inside)) = Frame::from_bytes(bytes)
            && let Ok(envelope) = Envelope::from_bytes(&inside)
        {
            let frame = Frame::Kept(vec![envelope.id().short()]).to_bytes();
            self.acts.push_back(Act::Core(Output::Send { link: *link, lane: Lane::Control, frame }));
            self.late.push((*link, bytes.to_vec()));
            return;
        }
        self.inner.handle(now, input);
    }

    fn poll(&mut self) -> Option<Act> {
        while let Some(act) = self.inner.poll() {
            let act = match act {
                Act::Core(Output::Store(op)) => self.stored(op),
                Act::Core(Output::Send { link, lane, frame }) => self.sends(link, lane, frame),
                Act::Core(Output::Notify(seq, event)) => {
                    self.tells(&event);
                    Some(Act::Core(Output::Notify(seq, event)))
                }
                other => Some(other),
            };
            if act.is_some() {
                return act;
            }
        }
        self.acts.pop_front()
    }

    fn next_wakeup(&self) -> Option<Time> {
        if self.late.is_empty() { self.inner.next_wakeup() } else { Some(Time(0)) }
    }

    fn submit(&mut self, now: Now, draft: &Draft) {
        self.inner.submit(now, draft);
    }

    fn as_node(&self) -> Option<&Node> {
        self.inner.as_node()
    }

    fn carried(&self) -> (u64, u64) {
        self.inner.carried()
    }
}
