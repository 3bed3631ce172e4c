//! What front ends see: plain values, copied out of the node.

mod spaces;

pub use spaces::{AskState, AskView, GroupLinkView, RequestView};

use crate::border::{BeaconKind, Medium};
use crate::id::{AccountId, ConversationId, GroupId, LinkId, MessageId};
use crate::time::Wall;
use core::time::Duration;

/// The person of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityView {
    /// The account.
    pub account: AccountId,
    /// The name that the person chose.
    pub name: String,
    /// Three words made from the account key.
    pub tag: String,
    /// The default invite's link, `STARLING:1/...`, 608 characters in all.
    pub link: String,
}

/// How far a contact has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContactState {
    /// Added by us; they have not answered.
    Added,
    /// They wrote to us; we have not decided.
    Request,
    /// Both know each other.
    Introduced,
    /// The safety number was compared.
    Verified,
    /// Blocked by us.
    Blocked,
}

impl ContactState {
    /// The word that is shown and written to JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Request => "request",
            Self::Introduced => "introduced",
            Self::Verified => "verified",
            Self::Blocked => "blocked",
        }
    }
}

/// A person we know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactView {
    /// The account.
    pub account: AccountId,
    /// The name they chose, cleaned; empty until their first message opened.
    pub name: String,
    /// What we call them.
    pub petname: Option<String>,
    /// Three words made from their account key.
    pub tag: String,
    /// How far it has come.
    pub state: ContactState,
    /// 60 digits, the same on both sides.
    pub safety_number: String,
    /// Whether name and petname look like another contact's.
    pub confusable: bool,
}

impl ContactView {
    /// What to show: the petname, else the name, else the tag.
    #[must_use]
    pub fn shown(&self) -> &str {
        match &self.petname {
            Some(petname) => petname,
            None if self.name.is_empty() => &self.tag,
            None => &self.name,
        }
    }
}

/// An invite that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteView {
    /// Its number on this node.
    pub number: u32,
    /// `STARLING:1/...`
    pub link: String,
    /// First contacts it is still good for; `None` is without limit.
    pub uses_left: Option<u32>,
    /// How long it still lives; `None` is until revoked.
    pub expires_in: Option<Duration>,
}

/// Where a message is. Nothing else is ever shown (ARCHITECTURE.md, law 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageState {
    /// Durable here; nobody else has it.
    Waiting,
    /// At least one neighbour confirmed that it holds it durably.
    HandedOn,
    /// A device of the person holds it.
    Delivered,
    /// The person has seen it.
    Read,
    /// It was not delivered in its time.
    Expired,
}

impl MessageState {
    /// The word that is shown and written to JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::HandedOn => "handed_on",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Expired => "expired",
        }
    }
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// The message.
    pub id: MessageId,
    /// Where it was said.
    pub conversation: ConversationId,
    /// Who wrote it; `None` is this node's person.
    pub from: Option<AccountId>,
    /// The text.
    pub text: String,
    /// The author's clock, clamped to what is plausible on ours.
    pub sent_at: Wall,
    /// Our clock when it arrived; `None` for our own.
    pub received_at: Option<Wall>,
    /// For ours: how far it came. For theirs: delivered or read.
    pub state: MessageState,
    /// Whether something that stands before it has not arrived.
    pub gap: bool,
    /// What it answers.
    pub reply: Option<MessageId>,
    /// How often it was passed on before it came here; 0: its author wrote it.
    pub forwarded: u8,
    /// Whether its author wants it to make no sound.
    pub silent: bool,
    /// Whom it names; `None` is this node's person.
    pub mentions: Vec<Option<AccountId>>,
    /// How often its author changed the words.
    pub edits: usize,
    /// Whether its author took it back: then nothing of it is left.
    pub deleted: bool,
    /// Whether it is held up for everybody.
    pub pinned: bool,
    /// Who feels what about it; `None` is this node's person.
    pub reactions: Vec<(Option<AccountId>, String)>,
    /// Where it is a poll, whose question is the text.
    pub poll: Option<Box<PollView>>,
    /// Whether the person marked it with a star, on this device.
    pub starred: bool,
    /// After how long it disappears once it was seen; `None` where it stays.
    pub timer: Option<Duration>,
    /// Whether it can be opened once: then no words are shown.
    pub once: bool,
    /// Where it sets after how long messages disappear from then on: after how long; none is not at all.
    pub timer_set: Option<Duration>,
}

/// A poll as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollView {
    /// What can be chosen.
    pub options: Vec<String>,
    /// Whether several may be.
    pub multiple: bool,
    /// Who chose what, bit n standing for option n; `None` is this node's person.
    pub votes: Vec<(Option<AccountId>, u16)>,
    /// Whether its author closed it.
    pub closed: bool,
}

/// The most messages that one reading gives: a long history never holds the node up.
pub const MAX_PAGE: usize = 1_000;

/// Which part of a history is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the reading begins, and in which direction it goes.
    pub from: Cursor,
    /// Only what arrived, or for one's own was written, at this time or later by our clock.
    pub since: Wall,
    /// At most so many, 1 to [`MAX_PAGE`]; other values are taken as the nearer of these.
    pub limit: usize,
}

impl Default for Page {
    /// The beginning of everything, as much as one reading gives.
    fn default() -> Self {
        Self { from: Cursor::Oldest, since: Wall(0), limit: MAX_PAGE }
    }
}

/// A place in a history. A message that is not there (any longer) has nothing before or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Forward from the first.
    Oldest,
    /// Forward from the one behind this, of this conversation: several may have messages of the same id.
    After(ConversationId, MessageId),
    /// Backward from the last.
    Newest,
    /// Backward from the one before this.
    Before(ConversationId, MessageId),
}

/// A conversation at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// With whom.
    pub conversation: ConversationId,
    /// Messages of others that the person has not seen.
    pub unread: usize,
    /// The message that came last; `None` where nothing was said, or storage lost it.
    pub last: Option<MessageView>,
    /// How it stands among the others.
    pub desk: DeskView,
    /// After how long disappears what is written now; `None` where it stays.
    pub timer: Option<Duration>,
}

/// How a conversation stands among the others on this device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskView {
    /// What the person has begun to write.
    pub draft: String,
    /// Whether it is put away.
    pub archived: bool,
    /// Whether it stands first.
    pub pinned: bool,
    /// Until when it makes no sound, by this node's clock; [`Wall`]`(u64::MAX)` is for ever.
    pub muted_until: Option<Wall>,
    /// Whether it counts as unread, whatever was seen.
    pub marked_unread: bool,
    /// The folders that it is in, by name.
    pub folders: Vec<String>,
}

/// What is to be sent later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledView {
    /// The message.
    pub id: MessageId,
    /// To whom.
    pub to: ConversationId,
    /// When, by this node's clock.
    pub at: Wall,
    /// Its words.
    pub text: String,
    /// Why it could not be sent in its time; then it waits for the person.
    pub refused: Option<String>,
}

/// A group as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Its name for programs.
    pub id: GroupId,
    /// Its name for people.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Whether this node's person is an admin; `None` where the person is not in it any more.
    pub admin: Option<bool>,
    /// Everybody in it, admins first, then by name.
    pub members: Vec<MemberView>,
    /// Whether only admins write.
    pub only_admins_post: bool,
    /// Whether only admins set name and description.
    pub only_admins_edit: bool,
    /// After how long messages disappear; `None` where they stay.
    pub timer: Option<Duration>,
    /// Two devices with the same one agree about everything here.
    pub state: [u8; 32],
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who; `None` is this node's person.
    pub account: Option<AccountId>,
    /// What to show.
    pub name: String,
    /// Whether the person is an admin.
    pub admin: bool,
}

/// Where a message of ours is, recipient by recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoView {
    /// The message.
    pub id: MessageId,
    /// The least advanced recipient's state.
    pub state: MessageState,
    /// Distinct links whose peer confirmed the latest sealing.
    pub carriers: u32,
    /// Links that it crossed to the recipient, where a receipt told; `None` while unknown.
    pub hops: Option<u8>,
    /// How long the message still lives.
    pub expires_in: Duration,
    /// Each recipient.
    pub recipients: Vec<RecipientView>,
    /// How long a message to the recipient takes that is written now; `None` while too little is known, and of
    /// messages that have come to their end.
    pub forecast: Option<ForecastView>,
}

/// How long a message to somebody may take, as far as this node can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastView {
    /// Seconds after it is written, ascending, and how many in a thousand messages are delivered by then.
    pub steps: Vec<(u64, u16)>,
}

impl ForecastView {
    /// Of so many in a thousand one says that they will be delivered.
    const LIKELY: u16 = 800;

    /// One sentence of it: the first step by which four of five are delivered, else the last within a day.
    #[must_use]
    pub fn about(&self) -> Option<(u64, u16)> {
        let likely = self.steps.iter().find(|(_, per_mille)| *per_mille >= Self::LIKELY);
        likely.or_else(|| self.steps.iter().rfind(|(seconds, _)| *seconds <= 86_400)).copied()
    }
}

/// One recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientView {
    /// Who.
    pub account: AccountId,
    /// How far it came.
    pub state: MessageState,
    /// When that was learnt, by our clock.
    pub at: Option<Wall>,
}

/// A live link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// The link.
    pub link: LinkId,
    /// How long it has stood.
    pub uptime: Duration,
    /// The last measured round trip.
    pub rtt: Option<Duration>,
    /// Who it is, where both ends know each other.
    pub contact: Option<AccountId>,
    /// What kind of pipe it is.
    pub medium: Medium,
}

/// How the node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusView {
    /// The person's name.
    pub name: String,
    /// Live links.
    pub links: usize,
    /// Envelopes in the bag.
    pub carried_envelopes: usize,
    /// Their bytes.
    pub carried_bytes: u64,
    /// Messages of ours without a final state.
    pub outbox: usize,
}

/// A beacon as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeaconView {
    /// Its name: 16 hexadecimal digits of the event key's hash.
    pub id: String,
    /// What it says.
    pub kind: BeaconKind,
    /// Its text.
    pub text: String,
    /// Millionths of a degree north and east.
    pub position: Option<(i32, i32)>,
    /// The writer's clock.
    pub sent_at: Wall,
    /// Whether it was taken back.
    pub cancelled: bool,
    /// Whether it is ours.
    pub own: bool,
    /// Whose it is, where a contact let us know.
    pub contact: Option<AccountId>,
}
