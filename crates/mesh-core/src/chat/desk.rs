//! How conversations stand among each other on this device, and which messages have a star: nobody else learns any
//! of it (PROTOCOL.md section 7.2).

use super::events::unknown;
use super::{State, checked_name};
use crate::border::{Arrangement, Event, Refusal};
use crate::id::{ConversationId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Wall};
use crate::view::DeskView;
use crate::wire::codec;
use crate::wire::message::MAX_TEXT;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Messages that may have a star at a time.
pub const MAX_STARS: usize = 10_000;
/// Conversations that may have a draft at a time: each is as long as a text, and kept in memory.
pub const MAX_DRAFTS: usize = 256;
/// Folders that one conversation may be in.
pub const MAX_FOLDERS: usize = 16;

/// Markers of this module's records in [`Table::Talk`].
const SHEET: u8 = 1;
const STAR: u8 = 2;

/// What is noted of conversations and messages.
#[derive(Debug, Default)]
pub(super) struct Desk {
    sheets: BTreeMap<ConversationId, Sheet>,
    stars: BTreeSet<(ConversationId, MessageId)>,
}

/// What is noted of one conversation, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sheet {
    draft: String,
    archived: bool,
    pinned: bool,
    muted: Option<Wall>,
    unread: bool,
    folders: BTreeSet<String>,
}

impl Desk {
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut desk = Self::default();
        read.scan(Table::Talk, &mut |key, value| match key.split_first() {
            Some((&SHEET, name)) => {
                if let (Ok(with), Ok(sheet)) = (codec::decode(name), codec::decode(value)) {
                    desk.sheets.insert(with, sheet);
                }
            }
            Some((&STAR, name)) => desk.stars.extend(codec::decode::<(ConversationId, MessageId)>(name).ok()),
            _ => {}
        })?;
        Ok(desk)
    }

    pub(super) fn has_star(&self, with: ConversationId, id: MessageId) -> bool {
        self.stars.contains(&(with, id))
    }

    /// Conversations of which something is noted that shows, whether anything was said in them or not.
    pub(super) fn noted(&self) -> impl Iterator<Item = ConversationId> + '_ {
        self.sheets.iter().filter(|(_, sheet)| !sheet.draft.is_empty()).map(|(with, _)| *with)
    }

    pub(super) fn view(&self, with: ConversationId) -> DeskView {
        let Sheet { draft, archived, pinned, muted, unread, folders } =
            self.sheets.get(&with).cloned().unwrap_or_default();
        let folders = folders.into_iter().collect();
        DeskView { draft, archived, pinned, muted_until: muted, marked_unread: unread, folders }
    }

    /// Changes a sheet; whether it is another now.
    fn change(&mut self, with: ConversationId, out: &mut Outbox, change: impl FnOnce(&mut Sheet)) -> bool {
        let sheet = self.sheets.entry(with).or_default();
        let before = sheet.clone();
        change(sheet);
        let (is_other, is_plain) = (*sheet != before, *sheet == Sheet::default());
        let record = if is_plain { None } else { Some(codec::encode(&*sheet)) };
        if is_plain {
            self.sheets.remove(&with);
        }
        match record.filter(|_| is_other) {
            Some(record) => out.put(Table::Talk, key(SHEET, &with), record),
            None if is_other => out.delete(Table::Talk, key(SHEET, &with)),
            None => {}
        }
        is_other
    }

    fn star(&mut self, with: ConversationId, id: MessageId, starred: bool, out: &mut Outbox) -> bool {
        let name = (with, id);
        let is_other = if starred { self.stars.insert(name) } else { self.stars.remove(&name) };
        match (is_other, starred) {
            (true, true) => out.put(Table::Talk, key(STAR, &name), []),
            (true, false) => out.delete(Table::Talk, key(STAR, &name)),
            (false, _) => {}
        }
        is_other
    }

    /// Lets go of everything about a conversation.
    pub(super) fn forget(&mut self, with: ConversationId, out: &mut Outbox) {
        if self.sheets.remove(&with).is_some() {
            out.delete(Table::Talk, key(SHEET, &with));
        }
        let range = (with, MessageId([0; 16]))..=(with, MessageId([0xff; 16]));
        for (with, id) in self.stars.range(range).copied().collect::<Vec<_>>() {
            self.star(with, id, false, out);
        }
    }
}

impl State {
    /// Changes how a conversation stands among the others here.
    ///
    /// # Errors
    /// Where the conversation is unknown, a text too long, or a limit reached.
    pub fn arrange(
        &mut self,
        within: ConversationId,
        change: Arrangement,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        self.check_conversation(within)?;
        let change = self.checked(within, change)?;
        let is_other = self.desk.change(within, out, |sheet| match change {
            Arrangement::Draft(text) => sheet.draft = text,
            Arrangement::Archived(archived) => sheet.archived = archived,
            Arrangement::Pinned(pinned) => sheet.pinned = pinned,
            Arrangement::Muted(until) => sheet.muted = until,
            Arrangement::Unread(unread) => sheet.unread = unread,
            Arrangement::Folder { name, member: true } => drop(sheet.folders.insert(name)),
            Arrangement::Folder { name, member: false } => drop(sheet.folders.remove(&name)),
        });
        if is_other {
            out.notify(Event::Conversation { conversation: within });
        }
        Ok(())
    }

    fn checked(&self, within: ConversationId, change: Arrangement) -> Result<Arrangement, Refusal> {
        let sheet = self.desk.sheets.get(&within);
        match change {
            Arrangement::Draft(text) if text.len() > MAX_TEXT => {
                Err(Refusal::Length { what: "draft", min: 0, max: MAX_TEXT, got: text.len() })
            }
            Arrangement::Draft(text) => {
                let others = self.desk.noted().filter(|with| *with != within).count();
                if !text.is_empty() && others >= MAX_DRAFTS {
                    return Err(Refusal::Full { what: "drafts", limit: MAX_DRAFTS });
                }
                Ok(Arrangement::Draft(text))
            }
            Arrangement::Folder { name, member } => {
                let name = checked_name("folder", &name)?;
                let folders = sheet.map_or(0, |sheet| sheet.folders.len());
                if member && folders >= MAX_FOLDERS {
                    return Err(Refusal::Full { what: "folders of a conversation", limit: MAX_FOLDERS });
                }
                Ok(Arrangement::Folder { name, member })
            }
            other => Ok(other),
        }
    }

    fn check_conversation(&self, with: ConversationId) -> Result<(), Refusal> {
        match with {
            ConversationId::Person(account) if self.contacts.state(account).is_none() => {
                Err(Refusal::UnknownContact { account })
            }
            ConversationId::Group(group) if self.group(group).is_none() => {
                Err(Refusal::Unknown { what: "group", name: group.to_text() })
            }
            _ => Ok(()),
        }
    }

    /// Marks a message with a star for this device alone, or takes the star away.
    ///
    /// # Errors
    /// Where the message is not here, or too many have one.
    pub fn star(
        &mut self,
        message: MessageId,
        within: Option<ConversationId>,
        starred: bool,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let with = self.locate(message, within)?;
        if !self.conversations.get(&with).is_some_and(|conversation| conversation.shows(message)) {
            return Err(unknown(message));
        }
        if starred && self.desk.stars.len() >= MAX_STARS {
            return Err(Refusal::Full { what: "messages with a star", limit: MAX_STARS });
        }
        if self.desk.star(with, message, starred, out) {
            out.notify(Event::MessageChanged { conversation: with, message });
        }
        Ok(())
    }

    /// The messages that have a star, by conversation.
    #[must_use]
    pub fn starred(&self) -> Vec<(ConversationId, MessageId)> {
        let stars = self.desk.stars.iter().copied();
        stars.filter(|(with, id)| self.conversations.get(with).is_some_and(|c| c.shows(*id))).collect()
    }

    /// How a conversation stands among the others here.
    #[must_use]
    pub fn desk(&self, with: ConversationId) -> DeskView {
        self.desk.view(with)
    }

    /// Somebody else wrote in a conversation: it comes back from where it was put away, unless it is mute.
    pub(super) fn bring_back(&mut self, now: Now, with: ConversationId, out: &mut Outbox) {
        let view = self.desk.view(with);
        if view.archived && view.muted_until.is_none_or(|until| until <= now.wall) {
            self.desk.change(with, out, |sheet| sheet.archived = false);
            out.notify(Event::Conversation { conversation: with });
        }
    }

    /// The person has seen a conversation: it does not count as unread any more.
    pub(super) fn was_seen(&mut self, with: ConversationId, out: &mut Outbox) {
        if self.desk.change(with, out, |sheet| sheet.unread = false) {
            out.notify(Event::Conversation { conversation: with });
        }
    }

    /// A message is gone from here: its star too.
    pub(super) fn drop_star(&mut self, with: ConversationId, id: MessageId, out: &mut Outbox) {
        self.desk.star(with, id, false, out);
    }
}

fn key(kind: u8, name: &impl Serialize) -> Vec<u8> {
    [&[kind][..], &codec::encode(name)].concat()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Rig, account};
    use super::*;

    fn bo() -> ConversationId {
        account(2).into()
    }

    fn rig() -> Rig {
        let mut asha = Rig::new(1);
        asha.befriend(2);
        asha
    }

    fn arrange(rig: &mut Rig, change: Arrangement) -> Result<(), Refusal> {
        rig.step(|s, _, _, out| s.arrange(bo(), change, out))
    }

    fn folder(name: &str, member: bool) -> Arrangement {
        Arrangement::Folder { name: name.into(), member }
    }

    #[test]
    fn how_a_conversation_stands_outlives_a_restart() {
        let mut asha = rig();
        for change in [
            Arrangement::Draft("to be".into()),
            Arrangement::Archived(true),
            Arrangement::Pinned(true),
            Arrangement::Muted(Some(Wall(u64::MAX))),
            Arrangement::Unread(true),
            folder("Family", true),
        ] {
            arrange(&mut asha, change).unwrap();
        }
        let before = asha.state.desk(bo());
        asha.restart();
        assert_eq!(asha.state.desk(bo()), before);
        assert_eq!((before.draft.as_str(), before.folders.as_slice()), ("to be", &["Family".to_owned()][..]));
        let listed = asha.state.conversations(&asha.memory).unwrap();
        assert_eq!(listed.len(), 1, "a draft shows where nothing was said");
        let back = [
            Arrangement::Draft(String::new()),
            Arrangement::Archived(false),
            Arrangement::Pinned(false),
            Arrangement::Muted(None),
            Arrangement::Unread(false),
            folder("Family", false),
        ];
        back.into_iter().for_each(|change| arrange(&mut asha, change).unwrap());
        assert_eq!(asha.memory.count(Table::Talk), 0, "what is as at first needs no record");
    }

    #[test]
    fn what_others_write_brings_a_conversation_back_unless_it_is_mute() {
        let mut asha = rig();
        arrange(&mut asha, Arrangement::Archived(true)).unwrap();
        arrange(&mut asha, Arrangement::Muted(Some(Wall(u64::MAX)))).unwrap();
        asha.receive_text(2, "hello?");
        assert!(asha.state.desk(bo()).archived);
        let now = asha.now.wall;
        arrange(&mut asha, Arrangement::Muted(Some(now))).unwrap();
        asha.receive_text(2, "hello!");
        assert!(!asha.state.desk(bo()).archived);
        asha.restart();
        assert!(!asha.state.desk(bo()).archived);
    }

    #[test]
    fn a_conversation_marked_unread_is_read_once_it_was_seen() {
        let mut asha = rig();
        asha.receive_text(2, "hello");
        asha.step(|s, now, _, out| s.mark_read(now, bo(), None, out));
        arrange(&mut asha, Arrangement::Unread(true)).unwrap();
        assert!(asha.state.desk(bo()).marked_unread);
        asha.step(|s, now, _, out| s.mark_read(now, bo(), None, out));
        assert!(!asha.state.desk(bo()).marked_unread);
    }

    #[test]
    fn stars_stay_here_outlive_a_restart_and_go_with_what_they_mark() {
        let mut asha = rig();
        let id = MessageId([7; 16]);
        asha.receive_text_named(2, id, "keep me");
        asha.step(|s, _, _, out| s.star(id, None, true, out)).unwrap();
        asha.restart();
        assert_eq!(asha.state.starred(), [(bo(), id)]);
        assert!(asha.jobs().is_empty(), "nobody is told");
        let view = asha.state.message(bo(), id, &asha.memory).unwrap().unwrap();
        assert!(view.starred);
        asha.step(|s, _, m, out| s.hide(id, None, m, out)).unwrap();
        assert!(asha.state.starred().is_empty());
        assert_eq!(asha.memory.count(Table::Talk), 0);
    }

    #[test]
    fn more_stars_drafts_and_folders_than_the_most_are_refused() {
        let mut asha = rig();
        for n in 0..MAX_FOLDERS {
            arrange(&mut asha, folder(&format!("f{n}"), true)).unwrap();
        }
        assert!(matches!(arrange(&mut asha, folder("one more", true)), Err(Refusal::Full { .. })));
        assert!(matches!(arrange(&mut asha, folder("", true)), Err(Refusal::Length { .. })));
        let long = Arrangement::Draft("x".repeat(MAX_TEXT + 1));
        assert!(matches!(arrange(&mut asha, long), Err(Refusal::Length { .. })));
        let draft = Sheet { draft: "x".into(), ..Sheet::default() };
        for n in 0..MAX_DRAFTS {
            let mut other = [9; 20];
            other[..8].copy_from_slice(&n.to_le_bytes());
            asha.state.desk.sheets.insert(crate::id::AccountId(other).into(), draft.clone());
        }
        assert!(matches!(arrange(&mut asha, Arrangement::Draft("x".into())), Err(Refusal::Full { .. })));
        let id = MessageId([7; 16]);
        asha.receive_text_named(2, id, "keep me");
        asha.state.desk.stars.extend((0..MAX_STARS as u128).map(|n| (bo(), MessageId(n.to_le_bytes()))));
        let star = asha.step(|s, _, _, out| s.star(id, None, true, out));
        assert!(matches!(star, Err(Refusal::Full { .. })));
    }

    #[test]
    fn a_stranger_and_a_group_that_is_not_ours_cannot_be_arranged() {
        let mut asha = rig();
        let stranger = asha.step(|s, _, _, out| s.arrange(account(9).into(), Arrangement::Pinned(true), out));
        assert!(matches!(stranger, Err(Refusal::UnknownContact { .. })));
        let group = ConversationId::Group(crate::id::GroupId([9; 20]));
        let group = asha.step(|s, _, _, out| s.arrange(group, Arrangement::Pinned(true), out));
        assert!(matches!(group, Err(Refusal::Unknown { .. })));
    }

    #[test]
    fn golden_records_of_a_conversation() {
        let sheet = Sheet {
            draft: "hi".into(),
            archived: true,
            pinned: false,
            muted: Some(Wall(5)),
            unread: true,
            folders: ["a".to_owned()].into(),
        };
        let encoded = data_encoding::HEXLOWER.encode(&codec::encode(&sheet));
        assert_eq!(encoded, "02686901000105010101 61".replace(' ', ""));
        assert_eq!(key(SHEET, &bo())[..3], [1, 0, 2]);
    }
}
