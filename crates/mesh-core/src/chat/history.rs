//! What people read back: pages of conversations, and all conversations at a glance.
//!
//! Memory holds the order of the texts, storage the texts. So a page costs as many reads of storage as
//! it has texts, however long the history is.

use super::{PLAUSIBLE, State};
use crate::id::{AccountId, ConversationId, MessageId};
use crate::store::{Read, ReadError};
use crate::time::Wall;
use crate::view::{ConversationView, Cursor, MAX_PAGE, MessageState, MessageView, Page, PollView};
use crate::wire::message::{Body, Poll, Post};

/// Texts by name, in the order in which they are read.
type Names<'a> = Box<dyn DoubleEndedIterator<Item = (ConversationId, MessageId)> + 'a>;

impl State {
    /// A page of one conversation in its order, or of all in the order of arrival here; oldest first.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn page(
        &self,
        with: Option<ConversationId>,
        page: &Page,
        read: &dyn Read,
    ) -> Result<Vec<MessageView>, ReadError> {
        let (names, is_backward) = self.names(with, page.from);
        let recent = names.filter(|(with, id)| self.is_since(*with, *id, page.since));
        let mut views = Vec::new();
        for (with, id) in recent {
            views.extend(self.message(with, id, read)?);
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
            .filter_map(|(with, conversation)| Some((conversation.latest()?, *with, conversation)))
            .collect();
        latest.sort_by_key(|((order, _), ..)| core::cmp::Reverse(*order));
        let view =
            |((_, id), with, conversation): ((u64, MessageId), ConversationId, &super::Conversation)| {
                let last = self.message(with, id, read)?;
                Ok(ConversationView { conversation: with, unread: conversation.unread().count(), last })
            };
        latest.into_iter().map(view).collect()
    }

    /// The names to read from a cursor on, and whether they go backward.
    fn names(&self, with: Option<ConversationId>, from: Cursor) -> (Names<'_>, bool) {
        let names: Names<'_> = match with {
            Some(with) => match self.conversations.get(&with) {
                Some(conversation) => Box::new(conversation.names(from).map(move |id| (with, id))),
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

    fn is_since(&self, with: ConversationId, id: MessageId, since: Wall) -> bool {
        let brief = self.conversations.get(&with).and_then(|conversation| conversation.brief(id));
        brief.is_some_and(|(brief, _)| {
            let at = if brief.is_own() { Wall(u64::from(brief.when)) } else { brief.arrived };
            at >= since
        })
    }

    /// One message of one conversation as it is shown; `None` where it is not there.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn message(
        &self,
        with: ConversationId,
        id: MessageId,
        read: &dyn Read,
    ) -> Result<Option<MessageView>, ReadError> {
        let Some(event) = self.event(with, id, read)? else { return Ok(None) };
        self.view(with, id, &event.body, read)
    }

    /// The conversation that a text of anybody stands in.
    #[must_use]
    pub fn conversation_of(&self, id: MessageId) -> Option<ConversationId> {
        self.conversations.iter().find(|(_, c)| c.brief(id).is_some()).map(|(with, _)| *with)
    }

    /// A text as it is shown: with what was said about it.
    pub(super) fn view(
        &self,
        with: ConversationId,
        id: MessageId,
        body: &Body,
        read: &dyn Read,
    ) -> Result<Option<MessageView>, ReadError> {
        let Some(conversation) = self.conversations.get(&with) else { return Ok(None) };
        let Some((brief, gap)) = conversation.brief(id) else { return Ok(None) };
        let author = brief.author.unwrap_or(self.own);
        let shown = conversation.shown(id, author);
        let theirs = if brief.read { MessageState::Read } else { MessageState::Delivered };
        let ended = || brief.fate.map_or(MessageState::Waiting, MessageState::from);
        let state = if brief.is_own() { self.outgoing.state(id).unwrap_or_else(ended) } else { theirs };
        let when = u64::from(brief.when);
        let earliest = brief.arrived.0.saturating_sub(PLAUSIBLE.0);
        let plausible = when.clamp(earliest, brief.arrived.0.saturating_add(PLAUSIBLE.1));
        let edited = match shown.edit.map(|edit| self.event(with, edit, read)).transpose()?.flatten() {
            Some(event) => Some(event.body),
            None => None,
        };
        let mut view = MessageView {
            id,
            conversation: with,
            from: brief.author,
            text: String::new(),
            sent_at: Wall(if brief.is_own() { when } else { plausible }),
            received_at: brief.author.map(|_| brief.arrived),
            state,
            gap,
            reply: None,
            forwarded: 0,
            silent: false,
            mentions: Vec::new(),
            edits: shown.edits,
            deleted: shown.deleted,
            pinned: shown.pinned,
            reactions: shown.reactions.into_iter().map(|(by, emoji)| (self.other(by), emoji)).collect(),
            poll: None,
        };
        if !view.deleted {
            match (edited, body) {
                (Some(Body::Edit { text, .. }), _) => view.text = text,
                (_, Body::Text { text } | Body::Post(Post { text, .. })) => view.text = text.clone(),
                (_, Body::Poll(Poll { question, .. })) => view.text = question.clone(),
                _ => {}
            }
        }
        if let Body::Post(post) = body {
            view.reply = post.reply;
            (view.forwarded, view.silent) = (post.forwarded, post.silent);
            view.mentions = post.mentions.iter().map(|who| self.other(*who)).collect();
        }
        if let (Body::Poll(Poll { options, multiple, .. }), false) = (body, view.deleted) {
            let votes = shown.votes.into_iter().map(|(by, choices)| (self.other(by), choices)).collect();
            let (options, multiple) = (options.clone(), *multiple);
            view.poll = Some(Box::new(PollView { options, multiple, votes, closed: shown.closed }));
        }
        Ok(Some(view))
    }

    /// `None` is this node's person.
    fn other(&self, account: AccountId) -> Option<AccountId> {
        (account != self.own).then_some(account)
    }
}
