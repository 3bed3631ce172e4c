//! Events of conversations: how they are written, taken in and stored (PROTOCOL.md sections 7 and 11).
//!
//! An event is a text, which has a place of its own, or a mark, which is said about one. Both are nodes of the same
//! graph, are stored alike and reach the other person alike.

use super::conversation::Brief;
use super::marks::{Mark, is_in_time};
use super::outgoing::Kind;
use super::{
    EVENT, FATE, GROUP_EVENT, HIDDEN, MAX_OPEN, READ_MARK, State, TEXT, event_key, parse_key, segments,
};
use crate::border::{Event, Refusal, Remark};
use crate::id::{AccountId, ConversationId, GroupId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Wall};
use crate::view::ContactState;
use crate::wire::codec;
use crate::wire::message::{
    Body, MAX_EMOJI, MAX_MENTIONS, MAX_OPTION, MAX_OPTIONS, MAX_TEXT, Message, Poll, Post,
};
use serde::{Deserialize, Serialize};

/// The kinds of records that may stand under one event's name.
pub(super) const RECORDS: [u8; 6] = [TEXT, EVENT, GROUP_EVENT, READ_MARK, FATE, HIDDEN];

/// An event to be sent to somebody.
#[derive(Clone, Debug)]
pub struct Draft {
    /// To whom.
    pub to: ConversationId,
    /// What.
    pub body: Body,
    /// Chosen by a front end that may repeat itself; a known one is answered, not sent again.
    pub id: Option<MessageId>,
}

/// An event, and how it came here. Of a group it is stored as it stands here.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredEvent {
    /// Who wrote it; `None` is this node's person.
    pub(super) author: Option<AccountId>,
    /// Of a group: the operations on its members that the author knew of.
    pub(super) heads: Vec<[u8; 8]>,
    pub(super) when: u32,
    pub(super) arrived: Wall,
    pub(super) order: u64,
    pub(super) lamport: u64,
    pub(super) hops_left: u8,
    pub(super) parents: Vec<[u8; 8]>,
    pub(super) body: Body,
}

/// What two people say as stored: its author follows from the conversation.
#[derive(Serialize, Deserialize)]
struct StoredMark {
    own: bool,
    when: u32,
    arrived: Wall,
    order: u64,
    lamport: u64,
    hops_left: u8,
    parents: Vec<[u8; 8]>,
    body: Body,
}

/// A text of two people as stored: shorter than any event, and as the first release wrote it.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredText<'a> {
    pub(super) own: bool,
    pub(super) when: u32,
    pub(super) arrived: Wall,
    pub(super) order: u64,
    pub(super) lamport: u64,
    pub(super) hops_left: u8,
    pub(super) parents: Vec<[u8; 8]>,
    pub(super) text: std::borrow::Cow<'a, str>,
}

impl StoredEvent {
    fn decode(kind: u8, with: ConversationId, bytes: &[u8]) -> Option<Self> {
        let author = |own: bool| if own { None } else { with.person() };
        let heads = Vec::new();
        match kind {
            GROUP_EVENT => codec::decode(bytes).ok(),
            EVENT => {
                let StoredMark { own, when, arrived, order, lamport, hops_left, parents, body } =
                    codec::decode(bytes).ok()?;
                let author = author(own);
                Some(Self { author, heads, when, arrived, order, lamport, hops_left, parents, body })
            }
            _ => {
                let StoredText { own, when, arrived, order, lamport, hops_left, parents, text } =
                    codec::decode(bytes).ok()?;
                let (author, body) = (author(own), Body::Text { text: text.into_owned() });
                Some(Self { author, heads, when, arrived, order, lamport, hops_left, parents, body })
            }
        }
    }

    /// Its record, and what kind of record that is.
    fn encode(&self, with: ConversationId) -> (u8, Vec<u8>) {
        if with.group().is_some() {
            return (GROUP_EVENT, codec::encode(self));
        }
        let own = self.author.is_none();
        let Self { when, arrived, order, lamport, hops_left, ref parents, ref body, .. } = *self;
        let parents = parents.clone();
        let Body::Text { text } = body else {
            let body = body.clone();
            let mark = StoredMark { own, when, arrived, order, lamport, hops_left, parents, body };
            return (EVENT, codec::encode(&mark));
        };
        let text = text.as_str().into();
        (TEXT, codec::encode(&StoredText { own, when, arrived, order, lamport, hops_left, parents, text }))
    }

    /// The event as its author wrote it.
    pub(super) fn message(self, id: MessageId) -> Message {
        let Self { when, lamport, parents, body, .. } = self;
        Message { id, when, lamport, parents, body }
    }

    fn brief(&self) -> Brief {
        let Self { author, when, arrived, order, hops_left, .. } = *self;
        let parents = self.parents.clone();
        Brief { author, when, arrived, order, read: false, hops_left, fate: None, parents, hidden: false }
    }

    /// Takes away what it says.
    fn silence(&mut self) {
        match &mut self.body {
            Body::Text { text } | Body::Edit { text, .. } => text.clear(),
            Body::Post(post) => post.text.clear(),
            Body::Poll(poll) => *poll = Default::default(),
            _ => {}
        }
    }
}

/// Where an event comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// `None` is this node's person.
    pub(super) author: Option<AccountId>,
    pub(super) hops_left: u8,
    /// As [`StoredEvent::heads`].
    pub(super) heads: Vec<[u8; 8]>,
}

impl Origin {
    /// This node's person says it.
    pub(super) fn own(heads: Vec<[u8; 8]>) -> Self {
        Self { heads, ..Self::default() }
    }
}

/// Whether this is an event of a conversation, and not one between the programs.
pub(super) const fn is_event(body: &Body) -> bool {
    body.target().is_some() || matches!(body, Body::Text { .. } | Body::Post(_) | Body::Poll(_))
}

impl State {
    /// Takes an event into custody. `room` is what one envelope to this person takes. A known id is
    /// answered again, nothing is sent twice.
    ///
    /// # Errors
    /// Where the length, the person's state or a limit does not allow it.
    pub fn submit(
        &mut self,
        now: Now,
        draft: Draft,
        room: usize,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<MessageId, Refusal> {
        let Draft { to, body, id } = draft;
        self.check_recipient(to)?;
        check_length(&body)?;
        let id = id.unwrap_or_else(|| MessageId(self.rng.bytes()));
        if self.outgoing.contains(id) || self.conversations.get(&to).is_some_and(|c| c.contains(id)) {
            return Ok(id);
        }
        if self.outgoing.open() >= MAX_OPEN {
            return Err(Refusal::Full { what: "unsent messages", limit: MAX_OPEN });
        }
        let kind = if body.target().is_some() { Kind::Mark } else { Kind::Text };
        let (lamport, parents) = self.conversations.entry(to).or_default().next();
        let when = u32::try_from(now.wall.0).unwrap_or(u32::MAX);
        let message = Message { id, when, lamport, parents, body };
        let bytes = message.to_bytes();
        let too_long = Refusal::Length { what: "message", min: 1, max: MAX_TEXT, got: bytes.len() };
        let cut = segments::cut(bytes.len(), room).ok_or(too_long)?;
        self.record(now, to, message, Origin::own(self.heads(to)), read, out)?;
        self.outgoing.add(now, id, to, kind, cut, self.recipients(to), out);
        Ok(id)
    }

    /// Says something about a message that is here. Returns the name of what was said.
    ///
    /// # Errors
    /// Where the message is not here, or this cannot be said about it.
    pub fn remark(
        &mut self,
        now: Now,
        message: MessageId,
        remark: Remark,
        room: usize,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<MessageId, Refusal> {
        let to = self.check_remark(now, message, &remark, read)?;
        let of = message;
        let body = match remark {
            Remark::Edit(text) => Body::Edit { of, text },
            Remark::Delete => Body::Delete { of },
            Remark::React(emoji) => Body::React { to: of, emoji },
            Remark::Pin(pinned) => Body::Pin { of, pinned },
            Remark::Vote(choices) => Body::Vote { poll: of, choices },
            Remark::Close => Body::Close { poll: of },
        };
        self.submit(now, Draft { to, body, id: None }, room, read, out)
    }

    /// Takes a message away from this device alone.
    ///
    /// # Errors
    /// Where it is not here, or storage cannot be read.
    pub fn hide(&mut self, message: MessageId, read: &dyn Read, out: &mut Outbox) -> Result<(), Refusal> {
        let with = self.conversation_of(message).ok_or_else(|| unknown(message))?;
        if self.outgoing.contains(message) {
            return Err(refused(message, "it is still on its way: take it back for everybody"));
        }
        out.put(Table::Event, event_key(HIDDEN, with, message), []);
        let brief = self.conversations.get(&with).and_then(|c| c.brief(message));
        let author = brief.and_then(|(brief, _)| brief.author).unwrap_or(self.own);
        self.silence(with, message, author, read, out)?;
        if let Some(conversation) = self.conversations.get_mut(&with) {
            conversation.hide(message);
        }
        out.notify(Event::MessageChanged { conversation: with, message });
        Ok(())
    }

    fn check_recipient(&self, to: ConversationId) -> Result<(), Refusal> {
        let to = match to {
            ConversationId::Person(account) => account,
            ConversationId::Group(group) => return self.check_group(group),
        };
        match self.contacts.state(to) {
            None => Err(Refusal::UnknownContact { account: to }),
            Some(ContactState::Blocked) => Err(Refusal::ContactState { state: "blocked" }),
            Some(ContactState::Request) => Err(Refusal::ContactState { state: "a request: accept it first" }),
            Some(_) => Ok(()),
        }
    }

    /// The conversation of a message about which this can be said.
    fn check_remark(
        &self,
        now: Now,
        message: MessageId,
        remark: &Remark,
        read: &dyn Read,
    ) -> Result<ConversationId, Refusal> {
        let with = self.conversation_of(message).ok_or_else(|| unknown(message))?;
        let view = self.message(with, message, read)?.ok_or_else(|| unknown(message))?;
        let is_own = view.from.is_none();
        let now_s = u32::try_from(now.wall.0).unwrap_or(u32::MAX);
        let written = u32::try_from(view.sent_at.0).unwrap_or_default();
        let why = match (remark, &view.poll) {
            _ if view.deleted => "it was taken back",
            (Remark::Edit(_) | Remark::Delete | Remark::Close, _) if !is_own => "somebody else wrote it",
            (Remark::Edit(_), Some(_)) => "the question of a poll stands",
            (Remark::Edit(_), _) if !is_in_time(written, now_s) => "it was written more than 15 minutes ago",
            (Remark::Vote(_) | Remark::Close, None) => "it is no poll",
            (Remark::Vote(_) | Remark::Close, Some(poll)) if poll.closed => "the poll is closed",
            (Remark::Vote(choices), Some(poll)) if *choices >> poll.options.len() != 0 => {
                "the poll has no such option"
            }
            (Remark::Vote(choices), Some(poll)) if !poll.multiple && choices.count_ones() > 1 => {
                "the poll takes one choice"
            }
            _ => return Ok(with),
        };
        Err(refused(message, why))
    }

    /// Stores and folds an event; whether it was new.
    pub(super) fn record(
        &mut self,
        now: Now,
        with: ConversationId,
        message: Message,
        origin: Origin,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<bool, ReadError> {
        let Message { id, when, lamport, parents, body } = message;
        let (arrived, order) = (now.wall, self.next_order);
        let Origin { author, hops_left, heads } = origin;
        let mut event =
            StoredEvent { author, heads, when, arrived, order, lamport, hops_left, parents, body };
        if !self.fold(with, id, &event) {
            return Ok(false);
        }
        self.forgetting.revive(with, id, out);
        self.next_order += 1;
        let (author, target) = (author.unwrap_or(self.own), event.body.target());
        if self.conversations.get(&with).is_some_and(|c| c.is_deleted(target.unwrap_or(id), author)) {
            event.silence();
        }
        let (kind, record) = event.encode(with);
        out.put(Table::Event, event_key(kind, with, id), record);
        if let Body::Delete { of } = event.body {
            self.silence(with, of, author, read, out)?;
        }
        self.fresh.insert(id, event);
        self.tell(with, target, id, read, out)?;
        Ok(true)
    }

    /// Tells of a new text, or of one that is another than before.
    fn tell(
        &self,
        with: ConversationId,
        target: Option<MessageId>,
        id: MessageId,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        let Some(target) = target else {
            if let Some(view) = self.message(with, id, read)? {
                out.notify(Event::Message(view));
            }
            return Ok(());
        };
        if self.conversations.get(&with).is_some_and(|c| c.brief(target).is_some()) {
            out.notify(Event::MessageChanged { conversation: with, message: target });
        }
        Ok(())
    }

    /// Adds an event to its conversation; whether it was new.
    fn fold(&mut self, with: ConversationId, id: MessageId, event: &StoredEvent) -> bool {
        let by = event.author.unwrap_or(self.own);
        let conversation = self.conversations.entry(with).or_default();
        let Some(target) = event.body.target() else {
            let is_new = conversation.insert(id, event.lamport, event.brief());
            if is_new {
                self.arrivals.insert(event.order, (with, id));
            }
            return is_new;
        };
        let mark = Mark { by, stamp: (event.lamport, id), when: event.when, body: &event.body };
        conversation.mark(target, mark, &event.parents)
    }

    /// Takes the words of a message of `author`, and all others that they wrote for it, out of storage.
    fn silence(
        &mut self,
        with: ConversationId,
        id: MessageId,
        author: AccountId,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        let Some(conversation) = self.conversations.get(&with) else { return Ok(()) };
        let is_theirs = |brief: &Brief| brief.author.unwrap_or(self.own) == author;
        let message = conversation.brief(id).filter(|(brief, _)| is_theirs(brief)).map(|_| id);
        let words = conversation.other_words(id, author);
        for id in words.into_iter().chain(message) {
            let Some(mut event) = self.event(with, id, read)? else { continue };
            // What has no words any more is not sealed again.
            if let Some(fate) = self.outgoing.withdraw(id, out) {
                self.end(with, id, fate, out);
            }
            event.silence();
            let (kind, record) = event.encode(with);
            out.put(Table::Event, event_key(kind, with, id), record);
            self.fresh.insert(id, event);
        }
        Ok(())
    }

    /// An event, of storage or of the input at work; `None` where it is gone or damaged.
    pub(super) fn event(
        &self,
        with: ConversationId,
        id: MessageId,
        read: &dyn Read,
    ) -> Result<Option<StoredEvent>, ReadError> {
        if let Some(event) = self.fresh.get(&id) {
            return Ok(Some(event.clone()));
        }
        let kinds: &[u8] = if with.group().is_some() { &[GROUP_EVENT] } else { &[TEXT, EVENT] };
        for kind in kinds {
            if let Some(bytes) = read.load(Table::Event, &event_key(*kind, with, id))? {
                return Ok(StoredEvent::decode(*kind, with, &bytes));
            }
        }
        Ok(None)
    }

    /// Takes an event of storage in.
    pub(super) fn restore_event(&mut self, key: &[u8], value: &[u8]) {
        let kind = key.first().copied().unwrap_or_default();
        let Some((name, id)) = parse_key(key) else { return };
        let is_group = kind == GROUP_EVENT;
        let with = if is_group { GroupId(name).into() } else { AccountId(name).into() };
        let Some(event) = StoredEvent::decode(kind, with, value) else { return };
        if self.forgetting.claims(with, id, event.order) {
            return;
        }
        self.next_order = self.next_order.max(event.order + 1);
        self.fold(with, id, &event);
    }
}

fn check_length(body: &Body) -> Result<(), Refusal> {
    let (what, min, max, got) = match body {
        Body::Text { text } | Body::Edit { text, .. } => ("text", 1, MAX_TEXT, text.len()),
        Body::Post(Post { text, mentions, .. }) if mentions.len() <= MAX_MENTIONS => {
            ("text", 1, MAX_TEXT, text.len())
        }
        Body::Post(Post { mentions, .. }) => ("list of mentions", 0, MAX_MENTIONS, mentions.len()),
        Body::React { emoji, .. } => ("reaction", 0, MAX_EMOJI, emoji.len()),
        Body::Poll(Poll { options, .. }) if !(2..=MAX_OPTIONS).contains(&options.len()) => {
            ("poll", 2, MAX_OPTIONS, options.len())
        }
        Body::Poll(Poll { question, options, .. }) => {
            let wrong = |text: &&String| !(1..=MAX_OPTION).contains(&text.len());
            let got = options.iter().chain([question]).find(wrong).map_or(1, String::len);
            ("question or option", 1, MAX_OPTION, got)
        }
        _ => return Ok(()),
    };
    if (min..=max).contains(&got) { Ok(()) } else { Err(Refusal::Length { what, min, max, got }) }
}

fn unknown(message: MessageId) -> Refusal {
    Refusal::Unknown { what: "message", name: message.to_text() }
}

fn refused(message: MessageId, why: &'static str) -> Refusal {
    Refusal::Message { message, why }
}

#[cfg(test)]
mod tests;
