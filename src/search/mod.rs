//! Full-text search over all conversations.
//!
//! Nothing of it is on the disk. The first search reads the history page by page, beside the node's other work, and
//! keeps an [`Index`] in memory; from then on the node's events keep it up, and every search takes in what has
//! happened before it looks: what was sent is found at once, what was taken away is not. Whatever is found is read
//! from the node again before anybody sees it, so the index decides only what is looked at. When nobody has searched
//! for [`KEPT`], it goes.

pub mod fold;
pub mod index;
pub mod query;

pub use index::{Document, Index, Key, Scan};
pub use query::{Kinds, Query, Writer};

use crate::handle::{Handle, Notice, Stopped};
use mesh_core::view::{Cursor, MAX_PAGE, MessageView, Page};
use mesh_core::{ConversationId, Event, Node, ReadError, Wall};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Mutex, MutexGuard};

/// The most bytes of an index: a history of about 400,000 messages of 100 letters. Of a longer one the latest are
/// searched, and the answer says so.
pub const MAX_INDEX: usize = 96 << 20;
/// How long an index is kept that nobody uses.
pub const KEPT: Duration = Duration::from_secs(15 * 60);
/// The most messages that one search gives.
pub const MAX_FOUND: usize = 200;
/// The longest query in bytes: it is compared with every text.
pub const MAX_QUERY: usize = 256;
/// How long news are gathered before they are taken in, where nobody searches.
const GATHER: Duration = Duration::from_secs(1);

/// It could not be searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The node is shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A text could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// As they are now, the newest first.
    pub messages: Vec<T>,
    /// Whether there are more.
    pub more: bool,
    /// Whether the whole history was searched; of a very long one only the latest part is.
    pub whole: bool,
}

/// Searches the conversations of one node.
#[derive(Clone, Debug)]
pub struct Searcher {
    handle: Handle,
    live: Arc<Mutex<Option<Live>>>,
}

/// An index that is kept up.
#[derive(Debug)]
struct Live {
    index: Box<dyn Index>,
    notices: Receiver<Notice>,
    used: Instant,
    /// Held by nobody else: who follows it sees by this that it is gone.
    life: Arc<()>,
}

impl Searcher {
    /// A searcher for the node behind `handle`; it costs nothing until it is asked.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle, live: Arc::default() }
    }

    /// The messages that fit, the newest first, after `skip` of them; `show` makes of each what is wanted of it.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn find<T: Send + 'static>(
        &self,
        query: &Query,
        skip: usize,
        most: usize,
        show: fn(&Node, &MessageView) -> T,
    ) -> Result<Found<T>, SearchError> {
        let most = most.clamp(1, MAX_FOUND);
        let mut guard = self.live.lock().await;
        loop {
            let live = self.current(&mut guard).await?;
            live.used = Instant::now();
            let mut keys = live.index.find(query, skip, most + 1);
            let (more, whole) = (keys.len() > most, !live.index.is_cut());
            keys.truncate(most);
            let shown = self.handle.read(move |node, _| read(node, keys, show)).await??;
            let gone: Vec<Key> =
                shown.iter().filter(|(_, shown)| shown.is_none()).map(|(key, _)| *key).collect();
            if gone.is_empty() {
                let messages = shown.into_iter().filter_map(|(_, shown)| shown).collect();
                return Ok(Found { messages, more, whole });
            }
            // Gone between the two looks; without them others may have their place.
            gone.into_iter().for_each(|key| live.index.remove(key));
        }
    }

    /// The index as everything stands now.
    async fn current<'a>(
        &self,
        guard: &'a mut MutexGuard<'_, Option<Live>>,
    ) -> Result<&'a mut Live, SearchError> {
        let mut live = match guard.take() {
            Some(live) => live,
            None => self.build().await?,
        };
        while !live.catch_up(&self.handle).await? {
            live = self.build().await?;
        }
        Ok(guard.insert(live))
    }

    async fn build(&self) -> Result<Live, SearchError> {
        // Heard from before the first page on: what happens meanwhile is taken in afterwards.
        let mut live = Live {
            index: Box::new(Scan::new(MAX_INDEX)),
            notices: self.handle.events(),
            used: Instant::now(),
            life: Arc::default(),
        };
        let mut from = Cursor::Oldest;
        loop {
            let page = Page { from, since: Wall(0), limit: MAX_PAGE };
            let views = self.handle.read(move |node, _| node.page(None, &page)).await??;
            views.iter().for_each(|view| live.take(view));
            let Some(last) = views.last() else { break };
            from = Cursor::After(last.conversation, last.id);
        }
        tokio::spawn(follow(self.clone(), Arc::downgrade(&live.life), self.handle.events()));
        Ok(live)
    }
}

/// Takes in what happens where nobody searches, and lets the index go when that lasts.
async fn follow(searcher: Searcher, life: Weak<()>, mut notices: Receiver<Notice>) {
    loop {
        let heard = tokio::time::timeout(KEPT, notices.recv()).await;
        if matches!(heard, Ok(Err(RecvError::Closed))) {
            *searcher.live.lock().await = None;
            return;
        }
        tokio::time::sleep(GATHER).await;
        while notices.try_recv().is_ok() {}
        let mut guard = searcher.live.lock().await;
        let Some(live) = guard.as_mut().filter(|_| life.strong_count() > 0) else { return };
        let is_kept = live.used.elapsed() < KEPT;
        // An index that missed something, or cannot be kept up, is made anew by the next search.
        if !is_kept || !live.catch_up(&searcher.handle).await.unwrap_or(false) {
            *guard = None;
            return;
        }
    }
}

impl Live {
    /// Takes in what has happened; whether nothing was missed.
    async fn catch_up(&mut self, handle: &Handle) -> Result<bool, SearchError> {
        let (mut changed, mut perhaps_gone) = (Vec::new(), BTreeSet::new());
        loop {
            match self.notices.try_recv() {
                Ok(notice) => note(&notice.event, &mut changed, &mut perhaps_gone),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(_)) => return Ok(false),
                Err(TryRecvError::Closed) => return Err(Stopped.into()),
            }
        }
        let is_gone =
            move |node: &Node| perhaps_gone.into_iter().filter(|with| !is_there(node, *with)).collect();
        let gone: Vec<ConversationId> = handle.read(move |node, _| is_gone(node)).await?;
        gone.into_iter().for_each(|with| self.index.forget(with));
        for keys in changed.chunks(MAX_PAGE) {
            let keys = keys.to_vec();
            let views = handle.read(move |node, _| read(node, keys, |_, view| view.clone())).await??;
            for (key, view) in views {
                match view {
                    Some(view) => self.take(&view),
                    None => self.index.remove(key),
                }
            }
        }
        Ok(true)
    }

    fn take(&mut self, view: &MessageView) {
        let key = (view.conversation, view.id);
        let Some(text) = searched(view) else { return self.index.remove(key) };
        let from = view.from.map_or(Writer::Own, Writer::Other);
        let at = view.received_at.unwrap_or(view.sent_at);
        self.index.put(&Document { key, from, at, kinds: Kinds::of(view), text });
    }
}

/// What of a message is searched; `None` where it has no words (any more).
fn searched(view: &MessageView) -> Option<String> {
    if view.deleted || view.once || view.timer_set.is_some() {
        return None;
    }
    let options = view.poll.iter().flat_map(|poll| &poll.options);
    let words: Vec<&str> = [&view.text].into_iter().chain(options).map(String::as_str).collect();
    Some(words.join("\n"))
}

/// Notes what an event says about messages and conversations.
fn note(event: &Event, changed: &mut Vec<Key>, gone: &mut BTreeSet<ConversationId>) {
    match event {
        Event::Message(view) => changed.push((view.conversation, view.id)),
        Event::MessageChanged { conversation, message } => changed.push((*conversation, *message)),
        Event::Contact { account } => {
            gone.insert((*account).into());
        }
        Event::Group { group } => {
            gone.insert((*group).into());
        }
        _ => {}
    }
}

/// Whether anything of this conversation may be left.
fn is_there(node: &Node, with: ConversationId) -> bool {
    match with {
        ConversationId::Person(account) => node.shown(account).is_some(),
        ConversationId::Group(group) => node.group(group).is_some(),
    }
}

/// The messages as they are now; `None` for those that are gone or have no words.
fn read<T>(
    node: &Node,
    keys: Vec<Key>,
    show: fn(&Node, &MessageView) -> T,
) -> Result<Vec<(Key, Option<T>)>, ReadError> {
    let shown = |key: Key| {
        let view = node.message(key.0, key.1)?.filter(|view| searched(view).is_some());
        Ok((key, view.map(|view| show(node, &view))))
    };
    keys.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests;
