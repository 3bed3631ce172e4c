//! What became of a text of ours. It stands beside the text, where the history is: what is over needs no place among
//! what is on its way.

use super::conversation::Conversation;
use super::outgoing::{Change, Recipient, least_end};
use super::{FATE, State, event_key};
use crate::border::Event;
use crate::id::{AccountId, ConversationId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time, Wall};
use crate::view::{InfoView, MessageState, RecipientView};
use crate::wire::codec;
use crate::wire::message::Seen;
use serde::{Deserialize, Serialize};

impl State {
    /// The names of texts of ours that begin with these hexadecimal digits, at most `most`.
    #[must_use]
    pub fn own_named(&self, beginning: &str, most: usize) -> Vec<MessageId> {
        let own = self.conversations.values().flat_map(|c| c.named(beginning).filter(|id| c.is_own(*id)));
        own.take(most).collect()
    }

    /// The names of texts of anybody, in one conversation or in all, that begin with these hexadecimal digits, at
    /// most `most`.
    #[must_use]
    pub fn named(
        &self,
        beginning: &str,
        within: Option<ConversationId>,
        most: usize,
    ) -> Vec<(ConversationId, MessageId)> {
        let wanted =
            self.conversations.iter().filter(|(with, _)| within.is_none_or(|within| within == **with));
        let named = |(with, c): (&ConversationId, &Conversation)| {
            let with = *with;
            c.named(beginning).map(move |id| (with, id)).collect::<Vec<_>>()
        };
        wanted.flat_map(named).take(most).collect()
    }

    /// Where a message of ours is.
    ///
    /// # Errors
    /// Where storage cannot be read, which knows what is over.
    pub fn info(&self, now: Now, id: MessageId, read: &dyn Read) -> Result<Option<InfoView>, ReadError> {
        if let Some(info) = self.outgoing.info(now, id) {
            return Ok(Some(info));
        }
        let over = self.conversations.iter().find(|(_, c)| c.end_of(id).is_some());
        over.map(|(to, _)| Ok(self.fate(*to, id, read)?.info(now, id, to.person()))).transpose()
    }

    /// A receipt of the recipient itself, for a message on its way or one that is over.
    pub(super) fn receipted(
        &mut self,
        now: Now,
        from: AccountId,
        seen: Seen,
        is_read: bool,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<(), ReadError> {
        let Seen { id, hops_left } = seen;
        if self.outgoing.contains(id) {
            let change = self.outgoing.receipted(now, from, (id, hops_left), is_read, out);
            self.changed(change, out);
            return Ok(());
        }
        let Some((to, end)) = self.ended(from, id).filter(|(_, end)| *end != End::Read) else {
            return Ok(());
        };
        let mut fate = self.fate(to, id, read)?;
        let is_unreceipted = to.group().is_some() && fate.recipients.is_empty();
        if is_unreceipted || !fate.receipted(now, from, hops_left, is_read) {
            return Ok(());
        }
        if fate.end != end {
            let (state, carriers) = (fate.end.into(), fate.carriers);
            out.notify(Event::MessageState { message: id, to, state, carriers });
        }
        self.end(to, id, fate, out);
        Ok(())
    }

    /// Where a message of ours ended that this person may have received.
    fn ended(&self, from: AccountId, id: MessageId) -> Option<(ConversationId, End)> {
        let person = ConversationId::Person(from);
        let groups = self.groups.of(from).map(ConversationId::Group);
        let end_in = |with: ConversationId| Some((with, self.conversations.get(&with)?.end_of(id)?));
        [person].into_iter().chain(groups).find_map(end_in)
    }

    /// What is neither on its way nor known to have ended lost its end with a part of storage.
    pub(super) fn end_lost(&mut self) {
        for conversation in self.conversations.values_mut() {
            for id in conversation.endless() {
                if !self.outgoing.contains(id) {
                    conversation.end(id, Fate::LOST.end);
                }
            }
        }
    }

    /// Stores what is over beside its text; of marks nothing is kept.
    pub(super) fn end(&mut self, to: ConversationId, id: MessageId, fate: Fate, out: &mut Outbox) {
        if self.is_mark(to, id) {
            return;
        }
        out.put(Table::Event, event_key(FATE, to, id), codec::encode(&fate));
        self.conversations.entry(to).or_default().end(id, fate.end);
        self.fresh_fates.insert((to, id), fate);
    }

    fn fate(&self, to: ConversationId, id: MessageId, read: &dyn Read) -> Result<Fate, ReadError> {
        if let Some(fate) = self.fresh_fates.get(&(to, id)) {
            return Ok(fate.clone());
        }
        let bytes = read.load(Table::Event, &event_key(FATE, to, id))?;
        Ok(bytes.and_then(|bytes| codec::decode(&bytes).ok()).unwrap_or(Fate::LOST))
    }

    /// Stores and tells what changed.
    pub(super) fn changed(&mut self, change: Option<Change>, out: &mut Outbox) {
        let Some(Change { message, to, state, carriers, fate }) = change else { return };
        if self.is_mark(to, message) {
            return;
        }
        if let Some(fate) = fate {
            self.end(to, message, fate, out);
        }
        out.notify(Event::MessageState { message, to, state, carriers });
    }

    /// Whether an event is no text: it has no line of its own, and nobody is told where it is.
    fn is_mark(&self, with: ConversationId, id: MessageId) -> bool {
        self.conversations.get(&with).is_some_and(|c| c.contains(id) && c.brief(id).is_none())
    }
}

/// The end of a text of ours, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fate {
    pub(super) end: End,
    pub(super) at: Option<Wall>,
    /// When its custody was over, or would have been.
    pub(super) until: Time,
    /// The hops that the latest sealing began with.
    pub(super) start: Option<u8>,
    /// The hops that it took.
    pub(super) hops: Option<u8>,
    pub(super) carriers: u32,
    /// As [`Pending::recipients`](super::outgoing::Pending).
    pub(super) recipients: Vec<Recipient>,
}

/// How a message can end; what it cannot come back from stands later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum End {
    /// Nobody receipted it in time. A receipt that comes later still tells the truth.
    Expired,
    Delivered,
    Read,
}

impl From<End> for MessageState {
    fn from(end: End) -> Self {
        match end {
            End::Expired => Self::Expired,
            End::Delivered => Self::Delivered,
            End::Read => Self::Read,
        }
    }
}

impl Fate {
    /// Of a text that is not on its way any more, whose end was lost with a part of storage: nothing that was
    /// receipted is known, and nothing is claimed.
    pub(super) const LOST: Self = Self {
        end: End::Expired,
        at: None,
        until: Time(0),
        start: None,
        hops: None,
        carriers: 0,
        recipients: Vec::new(),
    };

    /// Takes in a receipt of a recipient; whether it told anything new.
    pub(super) fn receipted(&mut self, now: Now, from: AccountId, hops_left: u8, is_read: bool) -> bool {
        let hops = self.start.and_then(|start| start.checked_sub(hops_left)).or(self.hops);
        let mut is_news = core::mem::replace(&mut self.hops, hops) != hops;
        let mut end = Some(if is_read { End::Read } else { End::Delivered });
        if !self.recipients.is_empty() {
            let mut recipients = self.recipients.iter_mut();
            let recipient = recipients.find(|recipient| recipient.view().account == from);
            is_news |= recipient.is_some_and(|recipient| recipient.receipted(now, is_read));
            end = least_end(&self.recipients);
        }
        if end > Some(self.end) {
            (self.end, self.at) = (end.unwrap_or(self.end), Some(now.wall));
            is_news = true;
        }
        is_news
    }

    /// `to` is the person whom it was for; `None` of a group.
    pub(super) fn info(&self, now: Now, id: MessageId, to: Option<AccountId>) -> InfoView {
        let state = self.end.into();
        let person = to.map(|account| RecipientView { account, state, at: self.at });
        InfoView {
            id,
            state,
            carriers: self.carriers,
            hops: self.hops,
            expires_in: self.until.since(now.mono),
            recipients: self.recipients.iter().map(Recipient::view).chain(person).collect(),
            forecast: None,
        }
    }
}
