//! Messages that disappear: after a time, or once they were opened (PROTOCOL.md section 7.2).
//!
//! Times are this node's life, which goes on over a restart and which no clock that is set moves.

use super::events::{StoredEvent, refused};
use super::{State, events};
use crate::border::{Event, Refusal};
use crate::id::{ConversationId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::view::MessageView;
use crate::wire::message::{Body, Poll, Post};
use crate::wire::talk::{Fleeting, Said, TIMER, Talk};
use crate::wire::{Lifetime, codec};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Marks the ends of messages in [`Table::Talk`].
const END: u8 = 3;
/// Messages that disappear with one tick: many that end together never hold the node up.
const SLICE: usize = 256;

/// A message by its place.
type Name = (ConversationId, MessageId);

/// When messages disappear that are here.
#[derive(Debug, Default)]
pub(super) struct Ends {
    by_name: BTreeMap<Name, Time>,
    by_time: BTreeSet<(Time, Name)>,
}

impl Ends {
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut ends = Self::default();
        read.scan(Table::Talk, &mut |key, value| {
            let Some((&END, name)) = key.split_first() else { return };
            if let (Ok(name), Ok(at)) = (codec::decode(name), codec::decode(value)) {
                ends.note(name, at);
            }
        })?;
        Ok(ends)
    }

    fn note(&mut self, name: Name, at: Time) {
        if let Some(earlier) = self.by_name.insert(name, at) {
            self.by_time.remove(&(earlier, name));
        }
        self.by_time.insert((at, name));
    }

    /// Sets when a message disappears; what was to happen sooner stays.
    fn set(&mut self, name: Name, at: Time, out: &mut Outbox) {
        if self.by_name.get(&name).is_none_or(|earlier| at < *earlier) {
            self.note(name, at);
            out.put(Table::Talk, key(&name), codec::encode(&at));
        }
    }

    fn remove(&mut self, name: Name, out: &mut Outbox) {
        if let Some(at) = self.by_name.remove(&name) {
            self.by_time.remove(&(at, name));
            out.delete(Table::Talk, key(&name));
        }
    }

    fn take_due(&mut self, now: Time, out: &mut Outbox) -> Option<Name> {
        let (_, name) = self.by_time.first().copied().filter(|(at, _)| *at <= now)?;
        self.remove(name, out);
        Some(name)
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    pub(super) fn forget(&mut self, with: ConversationId, out: &mut Outbox) {
        let range = (with, MessageId([0; 16]))..=(with, MessageId([0xff; 16]));
        for name in self.by_name.range(range).map(|(name, _)| *name).collect::<Vec<_>>() {
            self.remove(name, out);
        }
    }
}

fn key(name: &Name) -> Vec<u8> {
    [&[END][..], &codec::encode(name)].concat()
}

/// How long an envelope of something that disappears is carried: the next class up, a fortnight at most.
fn carried(seconds: u32) -> Lifetime {
    if seconds == 0 { Lifetime::Fortnight } else { Lifetime::covering(span(seconds)) }
}

fn span(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

impl State {
    /// For how long what says this is carried: what disappears, and other words for it; `None` as long as usual.
    pub(super) fn lifetime(&self, with: ConversationId, body: &Body) -> Option<Lifetime> {
        let of = body.target().and_then(|of| self.conversations.get(&with)?.brief(of));
        let of = of.and_then(|(brief, _)| brief.timer).map(|timer| timer.seconds);
        body.fleeting().map(|fleeting| fleeting.seconds).or(of).map(carried)
    }

    /// After how many seconds disappears what is written in a conversation now; `None` where it stays.
    #[must_use]
    pub fn timer(&self, with: ConversationId) -> Option<u32> {
        let seconds = match with {
            ConversationId::Person(_) => self.conversations.get(&with)?.timer(),
            ConversationId::Group(group) => {
                self.group(group)?.timer.and_then(|timer| u32::try_from(timer.as_secs()).ok())
            }
        };
        seconds.filter(|seconds| *seconds > 0).map(|seconds| seconds.clamp(TIMER.0, TIMER.1))
    }

    /// What is written in a conversation where messages disappear, so that it does.
    pub(super) fn timed(&self, with: ConversationId, body: Body) -> Body {
        let Some(seconds) = self.timer(with) else { return body };
        let said = match body {
            Body::Text { text } => Said::Post(Post { text, ..Post::default() }),
            Body::Post(post) => Said::Post(post),
            Body::Poll(poll) => Said::Poll(poll),
            Body::Talk(Talk::Fleeting(Fleeting { seconds: 0, once, said })) => {
                return Body::Talk(Talk::Fleeting(Fleeting { seconds, once, said }));
            }
            other => return other,
        };
        Body::Talk(Talk::Fleeting(Fleeting { seconds, once: false, said }))
    }

    /// Notes when a new event disappears: at its author's after its time, elsewhere with the envelopes that may
    /// bring it at the latest, and sooner once it was seen.
    pub(super) fn note_end(
        &mut self,
        now: Now,
        with: ConversationId,
        id: MessageId,
        event: &StoredEvent,
        out: &mut Outbox,
    ) {
        let Some(fleeting) = event.body.fleeting() else { return };
        let after = match (event.author, fleeting.seconds) {
            (None, 1..) => span(fleeting.seconds),
            _ => carried(fleeting.seconds).span().max(span(fleeting.seconds)),
        };
        self.ends.set((with, id), now.mono + after, out);
    }

    /// The person has seen a message: from now on its time runs.
    pub(super) fn seen_fleeting(&mut self, now: Now, with: ConversationId, id: MessageId, out: &mut Outbox) {
        let brief = self.conversations.get(&with).and_then(|conversation| conversation.brief(id));
        let timer = brief.and_then(|(brief, _)| brief.timer).filter(|timer| timer.seconds > 0 && !timer.once);
        if let Some(timer) = timer {
            self.ends.set((with, id), now.mono + span(timer.seconds), out);
        }
    }

    /// Takes away what has come to its end, a slice at a time.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub(super) fn end_due(&mut self, now: Now, read: &dyn Read, out: &mut Outbox) -> Result<(), ReadError> {
        for _ in 0..SLICE {
            let Some((with, id)) = self.ends.take_due(now.mono, out) else { break };
            self.vanish(with, id, read, out)?;
        }
        Ok(())
    }

    /// Takes a message away from here with all its words, on its way or not.
    pub(super) fn vanish(
        &mut self,
        with: ConversationId,
        id: MessageId,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        self.ends.remove((with, id), out);
        let Some(conversation) = self.conversations.get(&with).filter(|c| c.shows(id)) else { return Ok(()) };
        let author = conversation.brief(id).and_then(|(brief, _)| brief.author).unwrap_or(self.own);
        self.put_away(with, id, author, read, out)?;
        out.notify(Event::MessageChanged { conversation: with, message: id });
        Ok(())
    }

    /// Opens a message that can be opened once: what it says, which is gone from here with the same batch.
    ///
    /// # Errors
    /// Where the message is not here, or is no such message of somebody else.
    pub fn open_once(
        &mut self,
        now: Now,
        message: MessageId,
        within: Option<ConversationId>,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<MessageView, Refusal> {
        let with = self.locate(message, within)?;
        let view = self.message(with, message, read)?.ok_or_else(|| events::unknown(message))?;
        let event = self.event(with, message, read)?.ok_or_else(|| events::unknown(message))?;
        let fleeting = event.body.fleeting().filter(|fleeting| fleeting.once);
        let Some(Fleeting { said: Said::Post(post), .. }) = fleeting else {
            return Err(refused(message, "it can be read without opening it"));
        };
        if view.from.is_none() {
            return Err(refused(message, "only the others open it"));
        }
        if view.deleted {
            return Err(refused(message, "it was taken back"));
        }
        let opened = MessageView { text: post.text.clone(), ..view };
        self.mark_read(now, with, Some(&[message]), out);
        self.vanish(with, message, read, out)?;
        Ok(opened)
    }
}

impl Body {
    /// What disappears, where this does.
    pub(super) fn fleeting(&self) -> Option<&Fleeting> {
        match self {
            Self::Talk(Talk::Fleeting(fleeting)) => Some(fleeting),
            _ => None,
        }
    }

    /// The text, where this is one with more about it.
    pub(super) fn post(&self) -> Option<&Post> {
        match self {
            Self::Post(post) => Some(post),
            Self::Talk(Talk::Fleeting(Fleeting { said: Said::Post(post), .. })) => Some(post),
            _ => None,
        }
    }

    /// The question, where this is one.
    pub(super) fn poll(&self) -> Option<&Poll> {
        match self {
            Self::Poll(poll) => Some(poll),
            Self::Talk(Talk::Fleeting(Fleeting { said: Said::Poll(poll), .. })) => Some(poll),
            _ => None,
        }
    }
}

/// The last word of a conversation on its timer: the greatest stamp, which is a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TimerSet(Option<((u64, MessageId), u32)>);

impl TimerSet {
    pub(super) fn add(&mut self, stamp: (u64, MessageId), seconds: u32) {
        self.0 = self.0.max(Some((stamp, seconds)));
    }

    pub(super) fn seconds(&self) -> Option<u32> {
        self.0.map(|(_, seconds)| seconds)
    }
}

#[cfg(test)]
mod tests;
