//! What others sealed for us: who may say it, and where it belongs (PROTOCOL.md sections 7 and 15).

use super::State;
use super::contacts::MAX_HELD;
use super::conversation::Conversation;
use super::events::{self, Origin};
use super::groups::{Asked, Brought};
use super::segments::Arrived;
use crate::border::Event;
use crate::id::{AccountId, Ack, ConversationId, EnvelopeId, GroupId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError};
use crate::time::Now;
use crate::view::ContactState;
use crate::wire::message::{Body, GroupMessage, Message, Seen};

/// What was opened, with the author that the seal proved.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// The author's account.
    pub account: AccountId,
    /// Where it was said.
    pub conversation: ConversationId,
    /// What it came in.
    pub envelope: EnvelopeId,
    /// Encoded messages; of a group, encoded [`GroupMessage`]s.
    pub contents: &'a [Vec<u8>],
    /// The receipt of the envelope, where it has one.
    pub ack: Option<Ack>,
    /// What was left of its hops.
    pub hops_left: u8,
}

impl core::fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Incoming({:?} from {:?})", self.envelope, self.account)
    }
}

impl State {
    /// Takes in what was opened. Returns the receipt that may be published now.
    ///
    /// # Errors
    /// Where storage cannot be read; nothing of the input may be acknowledged then.
    pub fn receive(
        &mut self,
        now: Now,
        incoming: Incoming<'_>,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Option<Ack>, ReadError> {
        match incoming.conversation {
            ConversationId::Person(_) => self.receive_of_person(now, &incoming, read, out),
            ConversationId::Group(group) => self.receive_of_group(now, &incoming, group, read, out),
        }
    }

    fn receive_of_person(
        &mut self,
        now: Now,
        incoming: &Incoming<'_>,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Option<Ack>, ReadError> {
        let account = incoming.account;
        let is_unheard = matches!(self.contacts.state(account), None | Some(ContactState::Blocked));
        if is_unheard || self.is_overdone(account) {
            return self.receive_of_fellow(now, incoming, read, out);
        }
        for bytes in incoming.contents {
            // What the author sealed is damaged: nobody else can have done that, and a receipt
            // would only hide it. The envelope itself is acknowledged, it can never get better.
            let Ok(message) = Message::from_bytes(bytes) else { continue };
            self.receive_message(now, incoming, Vec::new(), message, read, out)?;
        }
        let Some(ack) = incoming.ack else { return Ok(None) };
        if self.contacts.may_learn(account) {
            return Ok(Some(ack));
        }
        self.contacts.hold(account, incoming.envelope, ack, out);
        Ok(None)
    }

    /// Somebody in a group of ours whom we do not know otherwise: what programs say to each other counts.
    fn receive_of_fellow(
        &mut self,
        now: Now,
        incoming: &Incoming<'_>,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Option<Ack>, ReadError> {
        let account = incoming.account;
        let is_heard =
            self.is_fellow(account) || self.is_joining(account) || self.is_knock(incoming.contents);
        if !is_heard || self.contacts.state(account) == Some(ContactState::Blocked) {
            return Ok(None);
        }
        let messages = incoming.contents.iter().filter_map(|bytes| Message::from_bytes(bytes).ok());
        let (programs, people): (Vec<_>, Vec<_>) =
            messages.partition(|message| is_of_programs(&message.body));
        let mut is_all_heard = people.is_empty();
        for message in programs {
            if let Body::Space(space) = &message.body {
                is_all_heard &= self.receive_space(account, space, out);
                continue;
            }
            self.receive_message(now, incoming, Vec::new(), message, read, out)?;
        }
        Ok(incoming.ack.filter(|_| is_all_heard))
    }

    /// Whether these contents are what programs of people in a group say to each other, and no more.
    #[must_use]
    pub fn is_between_programs(contents: &[Vec<u8>]) -> bool {
        let is = |bytes: &Vec<u8>| Message::from_bytes(bytes).is_ok_and(|m| is_of_programs(&m.body));
        contents.iter().all(is)
    }

    fn receive_of_group(
        &mut self,
        now: Now,
        incoming: &Incoming<'_>,
        group: GroupId,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Option<Ack>, ReadError> {
        let account = incoming.account;
        if self.contacts.state(account) == Some(ContactState::Blocked) || !self.groups.has(group, account) {
            return Ok(None);
        }
        for bytes in incoming.contents {
            let Ok(GroupMessage { heads, message }) = GroupMessage::from_bytes(bytes) else { continue };
            if self.might_post(group, account, &heads).is_none() {
                self.want_ops(now, group, account);
            }
            self.receive_message(now, incoming, heads, message, read, out)?;
        }
        Ok(incoming.ack)
    }

    fn receive_message(
        &mut self,
        now: Now,
        incoming: &Incoming<'_>,
        heads: Vec<[u8; 8]>,
        message: Message,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        let Incoming { account, conversation, hops_left, .. } = *incoming;
        match &message.body {
            Body::Profile { name, about, profile_key } => {
                self.fellow_profile(account, name, out);
                if conversation.person().is_some() {
                    self.contacts.profile(account, name, about, *profile_key, out);
                    out.notify(Event::Contact { account });
                }
            }
            Body::Ops { group, ops, people } => {
                let (ops, people) = (ops.clone(), people.clone());
                self.note_brought(Brought { from: account, group: *group, ops, people });
                if incoming.ack.is_none() && self.answers(conversation, account) {
                    let seen = vec![Seen { id: message.id, hops_left }];
                    self.note(now, account, Body::Delivered { seen });
                }
            }
            Body::Enclosed { group, message } if conversation.person().is_some() => {
                let conversation = ConversationId::Group(*group);
                let alone = Incoming { conversation, contents: core::slice::from_ref(message), ..*incoming };
                self.receive_of_group(now, &Incoming { ack: None, ..alone }, *group, read, out)?;
            }
            Body::Enclosed { .. } => {}
            Body::OpsWanted { group, heads } => {
                self.note_asked(now, Asked { from: account, group: *group, heads: heads.clone() });
            }
            Body::Delivered { seen } => {
                for seen in seen {
                    self.receipted(now, account, *seen, false, read, out)?;
                }
            }
            Body::Read { seen } => {
                for seen in seen {
                    self.receipted(now, account, *seen, true, read, out)?;
                }
            }
            Body::Space(space) if conversation.person().is_some() => {
                // Of somebody whose mail is receipted anyway: who finds no room asks again.
                self.receive_space(account, space, out);
            }
            Body::Space(_) => {}
            // One to an envelope: an honest reader asks no more at a time.
            Body::Missing { session, gaps } if self.lacked.is_empty() => {
                self.lacked = self.outgoing.missing(account, *session, gaps);
            }
            Body::Missing { .. } => {}
            Body::Segment { .. } => self.receive_part(now, incoming, heads, &message.body, read, out)?,
            _ => {
                let origin = Origin { author: Some(account), hops_left, heads };
                self.take_in(now, incoming, origin, message, read, out)?;
            }
        }
        Ok(())
    }

    /// A part of a long message; with the last one the whole is here.
    fn receive_part(
        &mut self,
        now: Now,
        incoming: &Incoming<'_>,
        heads: Vec<[u8; 8]>,
        part: &Body,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        let Body::Segment { whole, index, count, bytes } = part else { return Ok(()) };
        let Incoming { account, conversation, hops_left, .. } = *incoming;
        let needless = |c: &Conversation| c.contains(*whole) || c.is_deleted(*whole, account);
        if self.conversations.get(&conversation).is_some_and(needless) {
            return Ok(());
        }
        let part = Arrived { whole: *whole, index: *index, count: *count, bytes };
        let Some(bytes) = self.unfinished.arrived(now.mono, account, part, read, out)? else { return Ok(()) };
        let Some(message) = Message::from_bytes(&bytes).ok().filter(|m| m.id == *whole) else {
            return Ok(());
        };
        if matches!(message.body, Body::Ops { .. } | Body::Enclosed { .. }) {
            return self.receive_message(now, incoming, heads, message, read, out);
        }
        let may_speak = conversation.group().is_some() || self.contacts.state(account).is_some();
        if may_speak && events::is_event(&message.body) {
            let origin = Origin { author: Some(account), hops_left, heads };
            self.take_in(now, incoming, origin, message, read, out)?;
        }
        Ok(())
    }

    /// Takes in an event that somebody sent, and says that it is here where its envelope has no receipt for that.
    fn take_in(
        &mut self,
        now: Now,
        incoming: &Incoming<'_>,
        origin: Origin,
        message: Message,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        let Incoming { account, conversation, hops_left, .. } = *incoming;
        let seen = Seen { id: message.id, hops_left };
        // Who writes as if they might, and knows better, is not heard.
        if let ConversationId::Group(group) = conversation
            && self.might_post(group, account, &origin.heads) == Some(false)
        {
            return Ok(());
        }
        self.record(now, conversation, message, origin, read, out)?;
        if incoming.ack.is_none() && self.answers(conversation, account) {
            self.note(now, account, Body::Delivered { seen: vec![seen] });
        }
        Ok(())
    }

    /// Whether a stranger said more than is kept of a request. The rest is not receipted either, so that its
    /// author seals it again: it comes once the person has accepted.
    fn is_overdone(&self, account: AccountId) -> bool {
        let said = self.conversations.get(&account.into()).map_or(0, Conversation::len);
        said >= MAX_HELD && !self.contacts.may_learn(account)
    }
}

/// What nobody reads: programs alone say it to each other.
const fn is_of_programs(body: &Body) -> bool {
    matches!(
        body,
        Body::Delivered { .. }
            | Body::Read { .. }
            | Body::Missing { .. }
            | Body::Ops { .. }
            | Body::Enclosed { .. }
            | Body::OpsWanted { .. }
            | Body::Space(_)
            | Body::Segment { .. }
    )
}
