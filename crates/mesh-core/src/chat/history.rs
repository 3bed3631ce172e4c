//! What people read back: pages of conversations, and all conversations at a glance.
//!
//! Memory holds the order of the texts, storage the texts. So a page costs as many reads of storage as
//! it has texts, however long the history is.

use super::events::{refused, unknown};
use super::{PLAUSIBLE, State};
use crate::border::Refusal;
use crate::id::{AccountId, ConversationId, MessageId};
use crate::store::{Read, ReadError};
use crate::time::Wall;
use crate::view::{ConversationView, Cursor, DeskView, MAX_PAGE, MessageState, MessageView, Page, PollView};
use crate::wire::message::{Body, Poll};
use crate::wire::talk::Talk;
use core::time::Duration;

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

    /// Every conversation in which something was said, or is about to be: those that are pinned first, then the latest.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn conversations(&self, read: &dyn Read) -> Result<Vec<ConversationView>, ReadError> {
        let latest = |with: ConversationId| self.conversations.get(&with).and_then(|c| c.latest());
        let said = self.conversations.keys().copied().filter(|with| latest(*with).is_some());
        let begun = self.desk.noted().filter(|with| latest(*with).is_none());
        let mut all: Vec<_> = said.chain(begun).map(|with| (self.desk(with), latest(with), with)).collect();
        all.sort_by_key(|(desk, latest, with)| core::cmp::Reverse((desk.pinned, *latest, *with)));
        let view = |(desk, latest, with): (DeskView, Option<(u64, MessageId)>, ConversationId)| {
            let last = match latest {
                Some((_, id)) => self.message(with, id, read)?,
                None => None,
            };
            let unread = self.conversations.get(&with).map_or(0, |c| c.unread().count());
            let timer = self.timer(with).map(|seconds| Duration::from_secs(seconds.into()));
            Ok(ConversationView { conversation: with, unread, last, desk, timer })
        };
        all.into_iter().map(view).collect()
    }

    /// Whether a message says no more than after how long messages disappear.
    pub(super) fn sets_timer(
        &self,
        with: ConversationId,
        id: MessageId,
        read: &dyn Read,
    ) -> Result<bool, ReadError> {
        let event = self.event(with, id, read)?;
        Ok(event.is_some_and(|event| matches!(event.body, Body::Talk(Talk::Timer { .. }))))
    }

    /// The names to read from a cursor on, and whether they go backward.
    fn names(&self, with: Option<ConversationId>, from: Cursor) -> (Names<'_>, bool) {
        let is_of = |with| !matches!(from, Cursor::After(of, _) | Cursor::Before(of, _) if of != with);
        let names: Names<'_> = match with {
            Some(with) => match self.conversations.get(&with).filter(|_| is_of(with)) {
                Some(conversation) => Box::new(conversation.names(from).map(move |id| (with, id))),
                None => Box::new(core::iter::empty()),
            },
            None => match self.arrivals_around(from) {
                Some(range) => Box::new(self.arrivals.range(range).map(|(_, name)| *name)),
                None => Box::new(core::iter::empty()),
            },
        };
        let is_backward = matches!(from, Cursor::Newest | Cursor::Before(..));
        if is_backward { (Box::new(names.rev()), true) } else { (names, false) }
    }

    /// The arrivals on the side of a cursor; `None` where it names no text.
    fn arrivals_around(&self, from: Cursor) -> Option<core::ops::Range<u64>> {
        let order = |with, id| self.conversations.get(&with)?.brief(id).map(|(brief, _)| brief.order);
        match from {
            Cursor::Oldest | Cursor::Newest => Some(0..u64::MAX),
            Cursor::After(with, id) => Some(order(with, id)? + 1..u64::MAX),
            Cursor::Before(with, id) => Some(0..order(with, id)?),
        }
    }

    fn is_since(&self, with: ConversationId, id: MessageId, since: Wall) -> bool {
        let brief = self.conversations.get(&with).and_then(|conversation| conversation.brief(id));
        brief.is_some_and(|(brief, _)| {
            let at = if brief.is_own() { Wall(u64::from(brief.when)) } else { brief.arrived };
            at >= since
        })
    }

    /// One message of one conversation as it is shown; `None` where it is not there, or the person took it away.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn message(
        &self,
        with: ConversationId,
        id: MessageId,
        read: &dyn Read,
    ) -> Result<Option<MessageView>, ReadError> {
        if !self.conversations.get(&with).is_some_and(|conversation| conversation.shows(id)) {
            return Ok(None);
        }
        let Some(event) = self.event(with, id, read)? else { return Ok(None) };
        self.view(with, id, &event.body, read)
    }

    /// The conversation that a text of anybody stands in: the one that was named, or the only one. Whoever writes a
    /// message chooses its id, so several conversations may have the same.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] where it is not there, [`Refusal::Message`] where none was named and several have it.
    pub fn locate(
        &self,
        message: MessageId,
        within: Option<ConversationId>,
    ) -> Result<ConversationId, Refusal> {
        if let Some(with) = within {
            let is_there = self.conversations.get(&with).is_some_and(|c| c.shows(message));
            return if is_there { Ok(with) } else { Err(unknown(message)) };
        }
        let mut found = self.conversations.iter().filter(|(_, c)| c.shows(message)).map(|(with, _)| *with);
        match (found.next(), found.next()) {
            (Some(with), None) => Ok(with),
            (None, _) => Err(unknown(message)),
            _ => Err(refused(message, "it stands in several conversations: name the one that is meant")),
        }
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
        // The question of a poll stands, whatever another program thinks of that.
        let is_poll = body.poll().is_some();
        let (edit, edits) = if is_poll { (None, 0) } else { (shown.edit, shown.edits) };
        let edited = match edit.map(|edit| self.event(with, edit, read)).transpose()?.flatten() {
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
            edits,
            deleted: shown.deleted,
            pinned: shown.pinned,
            reactions: shown.reactions.into_iter().map(|(by, emoji)| (self.other(by), emoji)).collect(),
            poll: None,
            starred: self.desk.has_star(with, id),
            timer: brief.timer.map(|timer| seconds(timer.seconds)).filter(|timer| !timer.is_zero()),
            once: brief.timer.is_some_and(|timer| timer.once),
            timer_set: None,
        };
        if shown.deleted {
            return Ok(Some(view));
        }
        if let Body::Talk(Talk::Timer { seconds: after }) = body {
            view.timer_set = Some(seconds(*after));
        }
        if !view.once {
            view.text = words(edited.as_ref(), body);
        }
        if let Some(post) = body.post() {
            view.reply = post.reply;
            (view.forwarded, view.silent) = (post.forwarded, post.silent);
            view.mentions = post.mentions.iter().map(|who| self.other(*who)).collect();
        }
        if let Some(poll) = body.poll() {
            view.poll = Some(Box::new(self.poll_view(poll, shown.votes, shown.closed)));
        }
        Ok(Some(view))
    }

    /// A poll as it stands. A vote that it does not offer counts for nothing.
    fn poll_view(&self, poll: &Poll, votes: Vec<(AccountId, u16)>, closed: bool) -> PollView {
        let Poll { ref options, multiple, .. } = *poll;
        let counts = |choices: u16| choices >> options.len() == 0 && (multiple || choices.count_ones() <= 1);
        let counted = votes.into_iter().filter(|(_, choices)| counts(*choices));
        let votes = counted.map(|(by, choices)| (self.other(by), choices)).collect();
        PollView { options: options.clone(), multiple, votes, closed }
    }

    /// `None` is this node's person.
    fn other(&self, account: AccountId) -> Option<AccountId> {
        (account != self.own).then_some(account)
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// What a text says: its latest words.
fn words(edited: Option<&Body>, body: &Body) -> String {
    let words = match (edited, body) {
        (Some(Body::Edit { text, .. }), _) | (_, Body::Text { text }) => Some(text),
        (_, body) => body.post().map(|post| &post.text).or_else(|| body.poll().map(|poll| &poll.question)),
    };
    words.cloned().unwrap_or_default()
}
