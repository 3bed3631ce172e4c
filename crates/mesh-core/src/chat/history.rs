//! What people read back: pages of conversations, and all conversations at a glance.
//!
//! Memory holds the order of the texts, storage the texts. So a page costs as many reads of storage as
//! it has texts, however long the history is.

use super::{PLAUSIBLE, State, stored_message};
use crate::id::{AccountId, MessageId};
use crate::store::{Read, ReadError};
use crate::time::Wall;
use crate::view::{ConversationView, Cursor, MAX_PAGE, MessageState, MessageView, Page};
use crate::wire::message::{Body, Message};

/// Texts by name, in the order in which they are read.
type Names<'a> = Box<dyn DoubleEndedIterator<Item = (AccountId, MessageId)> + 'a>;

impl State {
    /// A page of one conversation in its order, or of all in the order of arrival here; oldest first.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn page(
        &self,
        with: Option<AccountId>,
        page: &Page,
        read: &dyn Read,
    ) -> Result<Vec<MessageView>, ReadError> {
        let (names, is_backward) = self.names(with, page.from);
        let recent = names.filter(|(account, id)| self.is_since(*account, *id, page.since));
        let mut views = Vec::new();
        for (account, id) in recent {
            let Some(message) = stored_message(account, id, read)? else { continue };
            let Message { body: Body::Text { text }, .. } = message else { continue };
            views.extend(self.view(account, id, text));
            if views.len() >= page.limit.clamp(1, MAX_PAGE) {
                break;
            }
        }
        if is_backward {
            views.reverse();
        }
        Ok(views)
    }

    /// Every conversation that has texts, the latest first.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn conversations(&self, read: &dyn Read) -> Result<Vec<ConversationView>, ReadError> {
        let mut latest: Vec<_> = self
            .conversations
            .iter()
            .filter_map(|(account, conversation)| Some((conversation.latest()?, *account, conversation)))
            .collect();
        latest.sort_by_key(|((order, _), ..)| core::cmp::Reverse(*order));
        let view = |((_, id), account, conversation): ((u64, MessageId), AccountId, &super::Conversation)| {
            let last = match stored_message(account, id, read)? {
                Some(Message { body: Body::Text { text }, .. }) => self.view(account, id, text),
                _ => None,
            };
            Ok(ConversationView { account, unread: conversation.unread().count(), last })
        };
        latest.into_iter().map(view).collect()
    }

    /// The names to read from a cursor on, and whether they go backward.
    fn names(&self, with: Option<AccountId>, from: Cursor) -> (Names<'_>, bool) {
        let names: Names<'_> = match with {
            Some(account) => match self.conversations.get(&account) {
                Some(conversation) => Box::new(conversation.names(from).map(move |id| (account, id))),
                None => Box::new(core::iter::empty()),
            },
            None => match self.arrivals_around(from) {
                Some(range) => Box::new(self.arrivals.range(range).map(|(_, name)| *name)),
                None => Box::new(core::iter::empty()),
            },
        };
        let is_backward = matches!(from, Cursor::Newest | Cursor::Before(_));
        if is_backward { (Box::new(names.rev()), true) } else { (names, false) }
    }

    /// The arrivals on the side of a cursor; `None` where it names no text.
    fn arrivals_around(&self, from: Cursor) -> Option<core::ops::Range<u64>> {
        let order = |id| self.conversations.values().find_map(|c| c.brief(id)).map(|(brief, _)| brief.order);
        match from {
            Cursor::Oldest | Cursor::Newest => Some(0..u64::MAX),
            Cursor::After(id) => Some(order(id)? + 1..u64::MAX),
            Cursor::Before(id) => Some(0..order(id)?),
        }
    }

    fn is_since(&self, account: AccountId, id: MessageId, since: Wall) -> bool {
        let brief = self.conversations.get(&account).and_then(|conversation| conversation.brief(id));
        brief.is_some_and(|(brief, _)| {
            let at = if brief.own { Wall(u64::from(brief.when)) } else { brief.arrived };
            at >= since
        })
    }

    /// A text as it is shown.
    pub(super) fn view(&self, with: AccountId, id: MessageId, text: String) -> Option<MessageView> {
        let (brief, gap) = self.conversations.get(&with)?.brief(id)?;
        let theirs = if brief.read { MessageState::Read } else { MessageState::Delivered };
        let ended = || brief.fate.map_or(MessageState::Waiting, MessageState::from);
        let state = if brief.own { self.outgoing.state(id).unwrap_or_else(ended) } else { theirs };
        let when = u64::from(brief.when);
        let earliest = brief.arrived.0.saturating_sub(PLAUSIBLE.0);
        let shown = when.clamp(earliest, brief.arrived.0.saturating_add(PLAUSIBLE.1));
        Some(MessageView {
            id,
            conversation: with,
            from: (!brief.own).then_some(with),
            text,
            sent_at: Wall(if brief.own { when } else { shown }),
            received_at: (!brief.own).then_some(brief.arrived),
            state,
            gap,
        })
    }
}
