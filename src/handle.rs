//! The only way to a running node: commands and reads in, events out.

use crate::config::{MAX_EVENT_LAG, MAX_PAST_EVENTS};
use mesh_core::{
    AccountId, Command, CommandId, ConversationId, Event, GroupId, Node, Now, Refusal, Reply, Seq,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, mpsc, oneshot};

/// An event as front ends receive it.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its durable number: never repeats, never falls.
    pub seq: Seq,
    /// What happened.
    pub event: Arc<Event>,
}

/// Events from some point on.
#[derive(Debug)]
pub struct Since {
    /// Whether events between that point and the first of `past` are no longer known.
    pub gap: bool,
    /// What happened since, oldest first.
    pub past: Vec<Notice>,
    /// What happens from now on.
    pub next: broadcast::Receiver<Notice>,
}

/// Where events are told, and the latest of them are remembered.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    past: Arc<Mutex<VecDeque<Notice>>>,
    live: broadcast::Sender<Notice>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { past: Arc::default(), live: broadcast::channel(MAX_EVENT_LAG).0 }
    }

    /// Tells everybody who listens.
    pub(crate) fn tell(&self, notice: Notice) {
        let mut past = self.lock();
        if past.len() == MAX_PAST_EVENTS {
            past.pop_front();
        }
        past.push_back(notice.clone());
        // Without front ends nobody misses it: what matters is stored.
        let _ = self.live.send(notice);
    }

    /// What happened after the event `seen`. Under the lock nothing is told, so nothing is missed or told twice.
    fn since(&self, seen: Seq) -> Since {
        let past = self.lock();
        let known = past.front().zip(past.back());
        let gap = known.is_none_or(|(first, last)| seen.0.saturating_add(1) < first.seq.0 || last.seq < seen);
        let fresh = past.iter().filter(|notice| notice.seq > seen).cloned();
        Since { gap, past: fresh.collect(), next: self.live.subscribe() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Notice>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The node refused it; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be made durable; nothing changed.
    #[error("it could not be stored: {reason}")]
    Storage {
        /// What the storage said.
        reason: String,
    },
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Stopped,
}

/// The node is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is shutting down")]
pub struct Stopped;

/// A door to the node's thread. Clones lead to the same node.
#[derive(Clone, Debug)]
pub struct Handle {
    tasks: mpsc::Sender<Task>,
    events: Feed,
    answers: Answers,
    next: Arc<AtomicU64>,
}

type ReadTask = Box<dyn FnOnce(&Node, Now) + Send>;

/// What the daemon's loop is asked to do.
pub(crate) enum Task {
    Command(CommandId, Command),
    Read(ReadTask),
    Stop,
}

impl Handle {
    pub(crate) fn new(tasks: mpsc::Sender<Task>, events: Feed, answers: Answers) -> Self {
        Self { tasks, events, answers, next: Arc::default() }
    }

    /// Carries out `command`; returns once its effects are durable.
    ///
    /// # Errors
    /// [`CommandError`]; in every case nothing changed.
    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let id = CommandId(self.next.fetch_add(1, Ordering::Relaxed));
        // An asker who leaves while the queue is full must leave no answer behind that nobody will fetch.
        let Ok(place) = self.tasks.reserve().await else { return Err(CommandError::Stopped) };
        let answer = self.answers.expect(id);
        place.send(Task::Command(id, command));
        answer.await.unwrap_or(Err(CommandError::Stopped))
    }

    /// Runs `read` beside the node, between two inputs; it must be quick.
    ///
    /// # Errors
    /// [`Stopped`] where the node is shutting down.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Node, Now) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (tx, rx) = oneshot::channel();
        let task = Task::Read(Box::new(move |node, now| {
            // The asker may have gone; then nobody misses the value.
            let _ = tx.send(read(node, now));
        }));
        self.tasks.send(task).await.map_err(|_| Stopped)?;
        rx.await.map_err(|_| Stopped)
    }

    /// Everything that happens from now on. A receiver that lags by more than
    /// [`MAX_EVENT_LAG`] events is told so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Notice> {
        self.events.live.subscribe()
    }

    /// Everything that happened after the event numbered `seen`, and everything from now on. At most
    /// [`MAX_PAST_EVENTS`] past events are known, none from before the node started.
    #[must_use]
    pub fn events_since(&self, seen: Seq) -> Since {
        self.events.since(seen)
    }

    /// The account that `who` names, see [`resolve`].
    ///
    /// # Errors
    /// [`WhoError`]; the outer error where the node is shutting down.
    pub async fn resolve(&self, who: &str) -> Result<Result<AccountId, WhoError>, Stopped> {
        let contacts = self.read(|node, _| node.contacts()).await?;
        Ok(resolve(&contacts, who))
    }

    /// The conversation that `who` names.
    ///
    /// # Errors
    /// As [`Handle::resolve`].
    pub async fn conversation(&self, who: &str) -> Result<Result<ConversationId, WhoError>, Stopped> {
        let (contacts, groups) = self.read(|node, _| (node.contacts(), node.groups())).await?;
        Ok(who::conversation(&contacts, &groups, who))
    }

    /// The group that `which` names: by its name, else its id, else the beginning of one of these that no other group
    /// shares.
    ///
    /// # Errors
    /// [`Stopped`]; inside, [`WhoError`] where it names none or several.
    pub async fn group(&self, which: &str) -> Result<Result<GroupId, WhoError>, Stopped> {
        let groups = self.read(|node, _| node.groups()).await?;
        Ok(who::group(&groups, which))
    }

    /// The member of a group that `who` names: as a contact, or as shown among the members.
    ///
    /// # Errors
    /// [`Stopped`]; inside, [`WhoError`] where it names nobody in the group, or several.
    pub async fn member(&self, group: GroupId, who: &str) -> Result<Result<AccountId, WhoError>, Stopped> {
        let (contacts, own, view) =
            self.read(move |node, _| (node.contacts(), node.identity().account, node.group(group))).await?;
        let members = view.map_or_else(Vec::new, |view| view.members);
        Ok(who::member(&contacts, &members, own, who))
    }

    /// The person whom `who` names: a contact, or somebody in a group, by their shown name or their account.
    ///
    /// # Errors
    /// As [`Handle::resolve`].
    pub async fn fellow(&self, who: &str) -> Result<Result<AccountId, WhoError>, Stopped> {
        let (contacts, groups) = self.read(|node, _| (node.contacts(), node.groups())).await?;
        let members: Vec<_> = groups.into_iter().flat_map(|group| group.members).collect();
        Ok(resolve(&contacts, who).or_else(|unknown| who::fellow(&members, who).ok_or(unknown)))
    }

    /// Returns when the node has ended, in whichever way.
    pub async fn ended(&self) {
        self.tasks.closed().await;
    }

    pub(crate) async fn stop(&self) {
        // A closed channel means that the loop has ended already.
        let _ = self.tasks.send(Task::Stop).await;
    }
}

/// Commands that wait for their answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    by_id: BTreeMap<CommandId, oneshot::Sender<Result<Reply, CommandError>>>,
    /// No answer will come any more.
    ended: bool,
}

impl Answers {
    fn expect(&self, id: CommandId) -> oneshot::Receiver<Result<Reply, CommandError>> {
        let (tx, rx) = oneshot::channel();
        let mut waiting = self.lock();
        if !waiting.ended {
            waiting.by_id.insert(id, tx);
        }
        rx
    }

    /// Answers `id`; a command that nobody waits for is passed over.
    pub(crate) fn give(&self, id: CommandId, result: Result<Reply, CommandError>) {
        if let Some(waiting) = self.lock().by_id.remove(&id) {
            // The asker may have gone.
            let _ = waiting.send(result);
        }
    }

    /// Ends every wait: no answer will come.
    pub(crate) fn end(&self) {
        let mut waiting = self.lock();
        waiting.ended = true;
        for (_, waiting) in std::mem::take(&mut waiting.by_id) {
            let _ = waiting.send(Err(CommandError::Stopped));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub use who::{Candidate, WhoError, conversation, group, member, resolve};

mod who {
    use mesh_core::view::{ContactView, GroupView, MemberView};
    use mesh_core::{AccountId, ConversationId, GroupId};
    use std::collections::BTreeSet;

    /// The most candidates that an error lists.
    const MAX_CANDIDATES: usize = 10;

    /// Somebody whom a text may have meant.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Candidate {
        /// Petname, name or tag.
        pub shown: String,
        /// The three words.
        pub tag: String,
        /// The account's text form.
        pub account: String,
    }

    /// A text names nobody, or several.
    #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
    pub enum WhoError {
        /// Nobody is called so.
        #[error("there is no contact `{who}`")]
        NotFound {
            /// What was given.
            who: String,
            /// Who could have been meant, at most 10.
            candidates: Vec<Candidate>,
        },
        /// No group is called so.
        #[error("there is no group `{who}`")]
        NoGroup {
            /// What was given.
            who: String,
        },
        /// Nobody in the group is called so.
        #[error("`{who}` is not in the group")]
        NoMember {
            /// What was given.
            who: String,
        },
        /// Several are called so.
        #[error("`{who}` fits several contacts")]
        Ambiguous {
            /// What was given.
            who: String,
            /// Whom it fits, at most 10.
            candidates: Vec<Candidate>,
        },
    }

    /// The one contact that `who` names: by petname, else name, else tag (also as `name~tag`), else
    /// account, else by the beginning of one of these that no other contact shares. Case does not count.
    ///
    /// # Errors
    /// [`WhoError`] with those who could have been meant.
    pub fn resolve(contacts: &[ContactView], who: &str) -> Result<AccountId, WhoError> {
        let wanted = who.trim().to_lowercase();
        let exact: [fn(&ContactView, &str) -> bool; 4] = [
            |c, w| c.petname.as_deref().is_some_and(|petname| petname.to_lowercase() == w),
            |c, w| c.name.to_lowercase() == w,
            |c, w| c.tag == w || format!("{}~{}", c.name.to_lowercase(), c.tag) == w,
            |c, w| c.account.to_text() == w,
        ];
        if !wanted.is_empty() {
            for fits in exact {
                let found: Vec<_> = contacts.iter().filter(|c| fits(c, &wanted)).collect();
                match found[..] {
                    [] => {}
                    [one] => return Ok(one.account),
                    _ => return Err(ambiguous(who, &found)),
                }
            }
        }
        let found: Vec<_> = contacts.iter().filter(|c| !wanted.is_empty() && begins(c, &wanted)).collect();
        match found[..] {
            [] => Err(not_found(contacts, who)),
            [one] => Ok(one.account),
            _ => Err(ambiguous(who, &found)),
        }
    }

    /// The one group that `which` names: by its name, else its id, else by the beginning of one of these that no other
    /// group shares. Case does not count.
    ///
    /// # Errors
    /// [`WhoError`] with those that could have been meant.
    pub fn group(groups: &[GroupView], which: &str) -> Result<GroupId, WhoError> {
        let wanted = which.trim().to_lowercase();
        let fits: [fn(&GroupView, &str) -> bool; 3] = [
            |g, w| g.name.to_lowercase() == w,
            |g, w| g.id.to_text() == w,
            |g, w| g.name.to_lowercase().starts_with(w) || g.id.to_text().starts_with(w),
        ];
        for fits in fits.into_iter().filter(|_| !wanted.is_empty()) {
            let found: Vec<_> = groups.iter().filter(|group| fits(group, &wanted)).collect();
            match found[..] {
                [] => {}
                [one] => return Ok(one.id),
                _ => {
                    let candidates = found.into_iter().take(MAX_CANDIDATES).map(group_candidate).collect();
                    return Err(WhoError::Ambiguous { who: which.to_owned(), candidates });
                }
            }
        }
        Err(WhoError::NoGroup { who: which.to_owned() })
    }

    /// The person or the group that `who` names. What is called exactly so goes before what only begins so.
    ///
    /// # Errors
    /// [`WhoError`]: also where a person and a group are called alike.
    pub fn conversation(
        contacts: &[ContactView],
        groups: &[GroupView],
        who: &str,
    ) -> Result<ConversationId, WhoError> {
        let wanted = who.trim().to_lowercase();
        let is_group =
            |group: &&GroupView| group.name.to_lowercase() == wanted || group.id.to_text() == wanted;
        let is_person = |contact: &&ContactView| {
            let names = [Some(&contact.name), contact.petname.as_ref()];
            names.into_iter().flatten().any(|name| name.to_lowercase() == wanted)
                || contact.tag == wanted
                || contact.account.to_text() == wanted
        };
        let (person, exact) = (contacts.iter().find(is_person), groups.iter().find(is_group));
        match (person, exact) {
            (Some(person), Some(group)) => {
                let candidates = vec![candidate(person), group_candidate(group)];
                Err(WhoError::Ambiguous { who: who.to_owned(), candidates })
            }
            (None, Some(_)) => self::group(groups, who).map(ConversationId::from),
            _ => match (resolve(contacts, who), self::group(groups, who)) {
                (Ok(person), _) => Ok(person.into()),
                (Err(WhoError::NotFound { .. }), Ok(group)) => Ok(group.into()),
                (Err(error), _) => Err(error),
            },
        }
    }

    /// The member of a group that `who` names: as a contact who is in it, or as it is shown there. `me` is oneself.
    ///
    /// # Errors
    /// [`WhoError`] with those who could have been meant.
    pub fn member(
        contacts: &[ContactView],
        members: &[MemberView],
        own: AccountId,
        who: &str,
    ) -> Result<AccountId, WhoError> {
        let wanted = who.trim().to_lowercase();
        if wanted == "me" {
            return Ok(own);
        }
        let fits = |member: &&MemberView| {
            let account = member.account.unwrap_or(own).to_text();
            member.name.to_lowercase() == wanted || account == wanted
        };
        let found: Vec<&MemberView> = members.iter().filter(fits).collect();
        let candidate = |member: &MemberView| Candidate {
            shown: member.name.clone(),
            tag: String::new(),
            account: member.account.unwrap_or(own).to_text(),
        };
        match found[..] {
            [one] => Ok(one.account.unwrap_or(own)),
            [] => {
                let is_in =
                    |account: &AccountId| members.iter().any(|member| member.account == Some(*account));
                let contact = resolve(contacts, who).ok().filter(is_in);
                contact.ok_or_else(|| WhoError::NoMember { who: who.to_owned() })
            }
            _ => {
                let candidates = found.into_iter().take(MAX_CANDIDATES).map(candidate).collect();
                Err(WhoError::Ambiguous { who: who.to_owned(), candidates })
            }
        }
    }

    /// The one person among members of groups who is called so, or whose account this is; not oneself.
    pub(super) fn fellow(members: &[MemberView], who: &str) -> Option<AccountId> {
        let wanted = who.trim().to_lowercase();
        let fits =
            |account: &AccountId, name: &str| name.to_lowercase() == wanted || account.to_text() == wanted;
        let others = members.iter().filter_map(|member| Some((member.account?, &member.name)));
        let found: BTreeSet<_> =
            others.filter(|(account, name)| fits(account, name)).map(|(id, _)| id).collect();
        let mut found = found.into_iter();
        found.next().filter(|_| found.next().is_none())
    }

    fn group_candidate(group: &GroupView) -> Candidate {
        Candidate { shown: group.name.clone(), tag: "group".to_owned(), account: group.id.to_text() }
    }

    fn begins(contact: &ContactView, wanted: &str) -> bool {
        contact.petname.as_deref().is_some_and(|petname| petname.to_lowercase().starts_with(wanted))
            || contact.name.to_lowercase().starts_with(wanted)
            || contact.tag.starts_with(wanted)
            || contact.account.to_text().starts_with(wanted)
    }

    fn ambiguous(who: &str, found: &[&ContactView]) -> WhoError {
        let candidates = found.iter().take(MAX_CANDIDATES).map(|c| candidate(c)).collect();
        WhoError::Ambiguous { who: who.to_owned(), candidates }
    }

    fn not_found(contacts: &[ContactView], who: &str) -> WhoError {
        let candidates = contacts.iter().take(MAX_CANDIDATES).map(candidate).collect();
        WhoError::NotFound { who: who.to_owned(), candidates }
    }

    fn candidate(contact: &ContactView) -> Candidate {
        Candidate {
            shown: contact.shown().to_owned(),
            tag: contact.tag.clone(),
            account: contact.account.to_text(),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use mesh_core::view::ContactState;

        fn contact(byte: u8, name: &str, petname: Option<&str>, tag: &str) -> ContactView {
            ContactView {
                account: AccountId([byte; 20]),
                name: name.into(),
                petname: petname.map(Into::into),
                tag: tag.into(),
                state: ContactState::Introduced,
                safety_number: String::new(),
                confusable: false,
            }
        }

        fn people() -> Vec<ContactView> {
            vec![
                contact(1, "Asha", None, "lamp-river-nine"),
                contact(2, "Bo", Some("Asha"), "moon-stone-tree"),
                contact(3, "Chen", None, "lamp-glass-over"),
                contact(4, "Chen", None, "cat-dog-bird"),
            ]
        }

        #[test]
        fn a_petname_goes_before_a_name() {
            assert_eq!(resolve(&people(), "asha"), Ok(AccountId([2; 20])));
        }

        #[test]
        fn tags_accounts_and_names_with_tags_are_exact() {
            assert_eq!(resolve(&people(), "lamp-river-nine"), Ok(AccountId([1; 20])));
            assert_eq!(resolve(&people(), "chen~cat-dog-bird"), Ok(AccountId([4; 20])));
            assert_eq!(resolve(&people(), &AccountId([3; 20]).to_text()), Ok(AccountId([3; 20])));
        }

        #[test]
        fn a_beginning_that_only_one_has_is_enough() {
            assert_eq!(resolve(&people(), "lamp-g"), Ok(AccountId([3; 20])));
            assert_eq!(resolve(&people(), "bo"), Ok(AccountId([2; 20])));
        }

        #[test]
        fn several_fitting_contacts_are_listed() {
            let Err(WhoError::Ambiguous { candidates, .. }) = resolve(&people(), "chen") else {
                panic!("two are called Chen");
            };
            assert_eq!(candidates.len(), 2);
            assert!(matches!(resolve(&people(), "lamp"), Err(WhoError::Ambiguous { .. })));
        }

        #[test]
        fn nobody_is_named_by_nothing() {
            for who in ["", "  ", "zed"] {
                assert!(matches!(resolve(&people(), who), Err(WhoError::NotFound { .. })), "{who}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MAX_TASKS;
    use futures::FutureExt as _;
    use mesh_core::LinkId;

    fn notice(seq: u64) -> Notice {
        Notice { seq: Seq(seq), event: Arc::new(Event::PeerDown { link: LinkId(seq) }) }
    }

    fn seqs(notices: &[Notice]) -> Vec<u64> {
        notices.iter().map(|notice| notice.seq.0).collect()
    }

    #[test]
    fn who_comes_back_gets_what_was_missed_once() {
        let feed = Feed::new();
        (10..=14).for_each(|seq| feed.tell(notice(seq)));
        let mut since = feed.since(Seq(12));
        feed.tell(notice(15));
        assert!(!since.gap);
        assert_eq!(seqs(&since.past), [13, 14]);
        assert_eq!(since.next.try_recv().unwrap().seq, Seq(15));
        assert!(since.next.try_recv().is_err());
        assert!(!feed.since(Seq(9)).gap, "the first event of this run follows the ninth");
        assert!(!feed.since(Seq(15)).gap);
    }

    #[test]
    fn what_is_too_old_or_of_another_life_is_a_gap() {
        let feed = Feed::new();
        assert!(feed.since(Seq(7)).gap, "what happened before this run is not known");
        (1..=MAX_PAST_EVENTS as u64 + 10).for_each(|seq| feed.tell(notice(seq)));
        let since = feed.since(Seq(9));
        assert_eq!((since.gap, since.past.len()), (true, MAX_PAST_EVENTS));
        assert!(!feed.since(Seq(10)).gap);
        assert!(feed.since(Seq(9_999)).gap, "nobody here has told that event");
    }

    #[test]
    fn a_listener_that_lags_too_far_is_told_how_much_it_missed() {
        let feed = Feed::new();
        let mut slow = feed.live.subscribe();
        (0..MAX_EVENT_LAG as u64 + 5).for_each(|seq| feed.tell(notice(seq)));
        assert_eq!(slow.try_recv().unwrap_err(), broadcast::error::TryRecvError::Lagged(5));
        assert_eq!(slow.try_recv().unwrap().seq, Seq(5));
    }

    #[test]
    fn a_busy_node_lets_so_many_tasks_wait_and_no_more() {
        let (tasks, mut taken) = mpsc::channel(MAX_TASKS);
        let handle = Handle::new(tasks, Feed::new(), Answers::default());
        let mut waiting: Vec<_> = (0..MAX_TASKS + 5).map(|_| Box::pin(handle.read(|_, _| ()))).collect();
        for read in &mut waiting {
            assert!(read.now_or_never().is_none());
        }
        assert_eq!(taken.len(), MAX_TASKS, "the others wait outside");
        assert!(taken.try_recv().is_ok());
    }
}
