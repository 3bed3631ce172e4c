//! Events of conversations: how they are written, taken in and stored (PROTOCOL.md sections 7 and 11).
//!
//! An event is a text, which has a place of its own, or a mark, which is said about one. Both are nodes of the same
//! graph, are stored alike and reach the other person alike.

use super::conversation::{Brief, Folded, TimerOf};
use super::marks::{MAX_EDITS, Mark, is_in_time};
use super::outgoing::Kind;
use super::{
    EVENT, FATE, GROUP_EVENT, HIDDEN, MAX_OPEN, MAX_OPEN_MARKS, READ_MARK, State, TEXT, event_key, parse_key,
    segments,
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
use crate::wire::talk::{Fleeting, Said, Talk};
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
        // That a timer was set is nothing to be read.
        let read = matches!(self.body, Body::Talk(Talk::Timer { .. }));
        let of = |fleeting: &Fleeting| TimerOf { seconds: fleeting.seconds, once: fleeting.once };
        let timer = self.body.fleeting().map(of);
        Brief { author, when, arrived, order, read, hops_left, fate: None, parents, hidden: false, timer }
    }

    /// Takes away what it says; whether there was anything.
    fn silence(&mut self) -> bool {
        match &mut self.body {
            Body::Text { text } | Body::Edit { text, .. } => !core::mem::take(text).is_empty(),
            Body::Post(post) | Body::Talk(Talk::Fleeting(Fleeting { said: Said::Post(post), .. })) => {
                core::mem::take(post) != Post::default()
            }
            Body::Poll(poll) | Body::Talk(Talk::Fleeting(Fleeting { said: Said::Poll(poll), .. })) => {
                core::mem::take(poll) != Poll::default()
            }
            _ => false,
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
    body.target().is_some()
        || matches!(body, Body::Text { .. } | Body::Post(_) | Body::Poll(_) | Body::Talk(_))
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
        if let Some(id) = id
            && self.is_said(to, id)?
        {
            return Ok(id);
        }
        self.check_room(&body)?;
        let body = self.timed(to, body);
        if let Some(Post { reply: Some(reply), .. }) = body.post().cloned()
            && self.locate(reply, Some(to)).is_err()
        {
            return Err(refused(reply, "it does not stand in the conversation where it is answered"));
        }
        self.withdraw_outdated(to, &body, out);
        let id = id.unwrap_or_else(|| MessageId(self.rng.bytes()));
        let kind = if body.target().is_some() { Kind::Mark } else { Kind::Text };
        let (lamport, parents) = self.conversations.entry(to).or_default().next();
        let when = u32::try_from(now.wall.0).unwrap_or(u32::MAX);
        let message = Message { id, when, lamport, parents, body };
        let bytes = message.to_bytes();
        let too_long = Refusal::Length { what: "message", min: 1, max: MAX_TEXT, got: bytes.len() };
        let cut = segments::cut(bytes.len(), room).ok_or(too_long)?;
        self.record(now, to, message, Origin::own(self.heads(to)), read, out)?;
        self.outgoing.add(now, id, (to, self.recipients(to)), kind, cut, out);
        Ok(id)
    }

    /// Whether this name is that of a text of ours there already.
    pub(super) fn is_said(&self, to: ConversationId, id: MessageId) -> Result<bool, Refusal> {
        if self.conversations.iter().any(|(with, c)| *with != to && c.is_own(id)) {
            return Err(refused(id, "it was sent to somebody else"));
        }
        let Some(conversation) = self.conversations.get(&to) else { return Ok(false) };
        if conversation.contains(id) && !conversation.is_own(id) {
            return Err(refused(id, "another message has this id"));
        }
        Ok(conversation.contains(id))
    }

    /// Whether one more of its kind may be on its way. What takes a message back always may: of each there is one.
    fn check_room(&self, body: &Body) -> Result<(), Refusal> {
        let (count, what, limit) = match body {
            Body::Delete { .. } => return Ok(()),
            body if body.target().is_some() => {
                (self.outgoing.open_marks(), "unsent reactions", MAX_OPEN_MARKS)
            }
            _ => (self.outgoing.open(), "unsent messages", MAX_OPEN),
        };
        if count >= limit { Err(Refusal::Full { what, limit }) } else { Ok(()) }
    }

    /// What was said before and did not leave here needs not leave any more.
    fn withdraw_outdated(&mut self, to: ConversationId, body: &Body, out: &mut Outbox) {
        let Some((target, conversation)) = body.target().zip(self.conversations.get(&to)) else { return };
        let outdated = conversation.outdated(target, self.own, body);
        if let Some(id) = outdated.filter(|id| self.outgoing.is_unsealed(to, *id)) {
            // Of a mark nothing is kept.
            let _fate = self.outgoing.withdraw(to, id, out);
        }
    }

    /// Says something about a message that is here: in the conversation `within`, or the only one that has it. Returns
    /// the name of what was said.
    ///
    /// # Errors
    /// Where the message is not here, or this cannot be said about it.
    pub fn remark(
        &mut self,
        now: Now,
        (message, within): (MessageId, Option<ConversationId>),
        remark: Remark,
        room: usize,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<MessageId, Refusal> {
        let to = self.locate(message, within)?;
        self.check_remark(now, (to, message), &remark, read)?;
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

    /// Takes a message away from this device alone: in the conversation `within`, or the only one that has it.
    ///
    /// # Errors
    /// Where it is not here or on its way, or storage cannot be read.
    pub fn hide(
        &mut self,
        message: MessageId,
        within: Option<ConversationId>,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let with = self.locate(message, within)?;
        let Some(conversation) = self.conversations.get(&with) else { return Err(unknown(message)) };
        let brief = conversation.brief(message);
        let author = brief.and_then(|(brief, _)| brief.author).unwrap_or(self.own);
        if self.outgoing.is_open(with, message) {
            return Err(refused(message, "it is still on its way: take it back for everybody"));
        }
        if conversation.other_words(message, self.own).into_iter().any(|id| self.outgoing.is_open(with, id)) {
            return Err(refused(message, "its new words are still on their way: take it back for everybody"));
        }
        self.put_away(with, message, author, read, out)?;
        out.notify(Event::MessageChanged { conversation: with, message });
        Ok(())
    }

    /// Takes a message of `author` away from this device, with its words and its star.
    pub(super) fn put_away(
        &mut self,
        with: ConversationId,
        message: MessageId,
        author: AccountId,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        out.put(Table::Event, event_key(HIDDEN, with, message), []);
        self.silence(with, message, author, read, out)?;
        if let Some(conversation) = self.conversations.get_mut(&with) {
            conversation.hide(message);
        }
        self.drop_star(with, message, out);
        Ok(())
    }

    pub(super) fn check_recipient(&self, to: ConversationId) -> Result<(), Refusal> {
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

    /// Whether this can be said about a message.
    fn check_remark(
        &self,
        now: Now,
        (with, message): (ConversationId, MessageId),
        remark: &Remark,
        read: &dyn Read,
    ) -> Result<(), Refusal> {
        let view = self.message(with, message, read)?.ok_or_else(|| unknown(message))?;
        let is_own = view.from.is_none();
        let now_s = u32::try_from(now.wall.0).unwrap_or(u32::MAX);
        let edits = self.conversations.get(&with).map_or(0, |c| c.other_words(message, self.own).len());
        let written = u32::try_from(view.sent_at.0).unwrap_or_default();
        let why = match (remark, &view.poll) {
            _ if view.deleted => "it was taken back",
            _ if self.sets_timer(with, message, read)? => "it sets a timer, and no more",
            (Remark::Edit(_), _) if view.once => "it can be opened once",
            (Remark::Edit(_) | Remark::Delete | Remark::Close, _) if !is_own => "somebody else wrote it",
            (Remark::Edit(_), Some(_)) => "the question of a poll stands",
            (Remark::Edit(_), _) if !is_in_time(written, now_s) => "it was written more than 15 minutes ago",
            (Remark::Edit(_), _) if edits >= MAX_EDITS => "it was changed too often",
            (Remark::Vote(_) | Remark::Close, None) => "it is no poll",
            (Remark::Vote(_) | Remark::Close, Some(poll)) if poll.closed => "the poll is closed",
            (Remark::Vote(choices), Some(poll)) if *choices >> poll.options.len() != 0 => {
                "the poll has no such option"
            }
            (Remark::Vote(choices), Some(poll)) if !poll.multiple && choices.count_ones() > 1 => {
                "the poll takes one choice"
            }
            _ => return Ok(()),
        };
        Err(refused(message, why))
    }

    /// Stores and folds an event; whether it was new and could be true.
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
        let (by, target) = (author.unwrap_or(self.own), body.target());
        let conversation = self.conversations.entry(with).or_default();
        // The timer of a group is an operation on it, and no event.
        let is_foreign = with.group().is_some() && matches!(body, Body::Talk(Talk::Timer { .. }));
        if author.is_some() && (is_foreign || !conversation.is_plausible(lamport)) {
            return Ok(false);
        }
        let was_deleted = conversation.is_deleted(target.unwrap_or(id), by);
        let mut event =
            StoredEvent { author, heads, when, arrived, order, lamport, hops_left, parents, body };
        let folded = self.fold(with, id, &event);
        if folded == Folded::Known {
            return Ok(false);
        }
        self.next_order += 1;
        let is_hidden =
            target.is_some_and(|of| self.conversations.get(&with).is_some_and(|c| c.is_hidden(of)));
        if was_deleted || is_hidden || folded == Folded::Displacing(id) {
            event.silence();
        }
        let (kind, record) = event.encode(with);
        self.forgetting.revive(with, id, kind, out);
        out.put(Table::Event, event_key(kind, with, id), record);
        if !was_deleted && target.is_none() {
            self.note_end(now, with, id, &event, out);
        }
        if author.is_some() && target.is_none() {
            self.bring_back(now, with, out);
        }
        let deletes = matches!(event.body, Body::Delete { .. });
        self.fresh.insert((with, id), event);
        if let Some(of) = target.filter(|_| deletes && !was_deleted) {
            self.unfinished.drop(by, of, out);
            self.silence(with, of, by, read, out)?;
        }
        if let Folded::Displacing(displaced) = folded {
            self.empty(with, displaced, read, out)?;
        }
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
        let message = target.unwrap_or(id);
        if !self.conversations.get(&with).is_some_and(|c| c.shows(message)) {
            return Ok(());
        }
        let arrived = if target.is_none() { self.message(with, id, read)? } else { None };
        // What was taken back before it came is no news.
        out.notify(match arrived.filter(|view| !view.deleted) {
            Some(view) => Event::Message(view),
            None => Event::MessageChanged { conversation: with, message },
        });
        Ok(())
    }

    /// Adds an event to its conversation.
    fn fold(&mut self, with: ConversationId, id: MessageId, event: &StoredEvent) -> Folded {
        let by = event.author.unwrap_or(self.own);
        let conversation = self.conversations.entry(with).or_default();
        let Some(target) = event.body.target() else {
            if !conversation.insert(id, event.lamport, event.brief()) {
                return Folded::Known;
            }
            if let Body::Talk(Talk::Timer { seconds }) = event.body {
                conversation.set_timer((event.lamport, id), seconds);
            }
            self.arrivals.insert(event.order, (with, id));
            return Folded::New;
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
            self.empty(with, id, read, out)?;
        }
        Ok(())
    }

    /// Takes the words of one event out of storage.
    fn empty(
        &mut self,
        with: ConversationId,
        id: MessageId,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        let Some(mut event) = self.event(with, id, read)? else { return Ok(()) };
        // What has no words any more is not sealed again.
        let fate = if event.author.is_none() { self.outgoing.withdraw(with, id, out) } else { None };
        if let Some(fate) = fate {
            self.end(with, id, fate, out);
        }
        if event.silence() {
            let (kind, record) = event.encode(with);
            out.put(Table::Event, event_key(kind, with, id), record);
            self.fresh.insert((with, id), event);
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
        if let Some(event) = self.fresh.get(&(with, id)) {
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

pub(super) fn check_length(body: &Body) -> Result<(), Refusal> {
    if let Body::Talk(Talk::Fleeting(Fleeting { said, .. })) = body {
        return check_length(&match said {
            Said::Post(post) => Body::Post(post.clone()),
            Said::Poll(poll) => Body::Poll(poll.clone()),
        });
    }
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

pub(super) fn unknown(message: MessageId) -> Refusal {
    Refusal::Unknown { what: "message", name: message.to_text() }
}

pub(super) fn refused(message: MessageId, why: &'static str) -> Refusal {
    Refusal::Message { message, why }
}

#[cfg(test)]
mod tests;
