//! The border of the core: everything that enters is an [`Input`], everything that leaves an [`Output`].
//!
//! The shell reads both clocks, calls [`Node::handle`](crate::Node::handle), then drains
//! [`Node::poll_output`](crate::Node::poll_output): all [`Output::Store`] of one input are one atomic
//! batch that is made durable before anything else of that input is carried out.

mod spaces;
mod talk;

pub use spaces::{SpaceCommand, SpaceReply};
pub use talk::{Arrangement, TalkCommand};

use crate::id::{AccountId, CommandId, ConversationId, GroupId, LinkId, MessageId, Seq};
use crate::store::StoreOp;
use crate::view::{BeaconView, InviteView, MessageState, MessageView};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// The time named by `next_wakeup` has come (a tick too many does no harm).
    Tick,
    /// A radio that advertises ([`Output::Advertise`]) works, or does not any more. Told at the start, and whenever that
    /// changed; what was advertised before it came back is not kept.
    Radio {
        /// Which radio.
        medium: Medium,
        /// Whether it works.
        up: bool,
    },
    /// A transport begins under another identity: links that stand after it show neighbours nothing that links of the
    /// earlier one showed (PROTOCOL.md section 4.2).
    Rotated,
    /// A radio heard an advertisement.
    Heard {
        /// Which radio.
        medium: Medium,
        /// Its payload: remote bytes, nothing about them is known.
        advert: &'a [u8],
        /// Signal strength in dBm where the radio tells.
        rssi: Option<i8>,
    },
    /// A radio of this device can say a public thing to everybody in reach, and hears so many nodes around. Told at
    /// the start and when the number changed; a radio that cannot is never told of.
    Around {
        /// Which radio.
        medium: Medium,
        /// Nodes whose advertisements it hears.
        nodes: u16,
    },
    /// Somebody in reach said a public thing to everybody ([`Output::Broadcast`]).
    Overheard {
        /// By which radio.
        medium: Medium,
        /// Remote bytes: nothing about them is known.
        bytes: &'a [u8],
    },
    /// A pipe to a neighbour stands; it is authenticated and encrypted, and says nothing about who that is.
    LinkUp {
        /// Chosen by the transport, never reused in a run.
        link: LinkId,
        /// Who opened it.
        role: Role,
        /// A value that both ends share and no other link has: the hash of both ephemeral
        /// identities, or of the handshake (PROTOCOL.md section 4).
        binding: [u8; 32],
        /// What kind of pipe.
        profile: Profile,
    },
    /// The pipe is gone; frames on their way may be lost.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// The pipe takes more on its bulk lane.
    LinkReady {
        /// Which.
        link: LinkId,
        /// How many more bytes, added to what was granted before. What is granted and on its way stays the same in
        /// sum: the most that was ever granted counts as what the pipe holds.
        credit: u32,
    },
    /// A whole frame arrived.
    Frame {
        /// From which link.
        link: LinkId,
        /// Remote bytes: nothing about them is known.
        bytes: &'a [u8],
    },
    /// A front end asks for something.
    Command(CommandId, Command),
}

/// What the node wants done, in this order of importance: store, send, tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Part of this input's batch.
    Store(StoreOp),
    /// Transmit a frame.
    Send {
        /// Over which link.
        link: LinkId,
        /// In which lane; frames of a lane stay in order.
        lane: Lane,
        /// The whole frame, at most [`MAX_FRAME`](crate::link::MAX_FRAME) bytes.
        frame: Vec<u8>,
    },
    /// Set what a radio advertises, until the next one or until the radio stops working ([`Input::Radio`]). What stood
    /// before is not said any more, and where the radio has private addresses it takes a new one with it.
    Advertise {
        /// Which radio.
        medium: Medium,
        /// At most 6 bytes.
        payload: Vec<u8>,
        /// What this node's bag looks like; never said to anybody. A transport tells by it whose advert shows the same.
        root: [u8; 8],
    },
    /// A transport with few places does not give this link up for neighbours that wait: the other end proved to be a
    /// contact. Or it may again.
    Keep {
        /// Which.
        link: LinkId,
        /// Whether it stays.
        keep: bool,
    },
    /// Say a public thing to everybody in reach, once, by every radio that can ([`Input::Around`]).
    Broadcast {
        /// At most [`MAX_BROADCAST`] bytes.
        bytes: Vec<u8>,
    },
    /// Close a link.
    Close {
        /// Which.
        link: LinkId,
        /// Why, for the log and the person.
        why: CloseReason,
    },
    /// Tell the front ends.
    Notify(Seq, Event),
}

/// The most bytes that are said to everybody at once: a beacon (PROTOCOL.md section 10). Extended advertisements of
/// Bluetooth carry 245.
pub const MAX_BROADCAST: usize = 200;

/// A radio or network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Medium {
    /// Wi-Fi, Ethernet, loopback.
    Lan,
    /// Bluetooth Low Energy.
    Ble,
}

/// Who opened a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// This node; it also begins the reconciliation.
    Dialer,
    /// The neighbour.
    Listener,
}

/// What kind of pipe a link is; never which program made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The radio or network.
    pub medium: Medium,
    /// The largest piece that crosses at once, in bytes.
    pub mtu: u32,
    /// Whether bytes cost money or much battery.
    pub metered: bool,
    /// Usual goodput in bytes per second.
    pub typical_rate: u32,
}

impl Profile {
    /// A wired or Wi-Fi network.
    pub const LAN: Self = Self { medium: Medium::Lan, mtu: 65_536, metered: false, typical_rate: 10_000_000 };

    /// Bluetooth Low Energy over characteristics. A piece is what an MTU of 517 leaves beside the headers of GATT and
    /// of our own; 20 kB/s is what phones reach at usual connection intervals (5 to 80 are seen). Not metered: what
    /// costs battery is listening, hardly the bytes.
    pub const BLE: Self = Self { medium: Medium::Ble, mtu: 500, metered: false, typical_rate: 20_000 };
}

/// The two lanes of a link: what must not wait, and what needs credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Hello, digests, wants, receipts, heartbeats, beacons: small, at once.
    Control,
    /// Envelopes: sent only against credit, so that little stands before an SOS.
    Bulk,
}

/// Why this node closes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CloseReason {
    /// Nothing was heard in time while something was owed.
    Silent,
    /// No common link version: both sides learn which one is older.
    Version {
        /// The newest this node speaks.
        ours: u8,
        /// The newest the neighbour speaks.
        theirs: u8,
    },
    /// The neighbour broke the protocol too often.
    Faults,
    /// More links than the configured limit.
    TooMany,
    /// The same neighbour is already linked.
    Duplicate,
}

/// What a person or program asks for. The answer is an [`Event::Answered`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Sets the own name and about text, and tells the contacts.
    SetProfile {
        /// 1 to 64 bytes after cleaning.
        name: String,
        /// At most 256 bytes.
        about: String,
    },
    /// Makes an invite: a link of its own, revocable.
    InviteNew {
        /// How many first contacts it is good for; `None` is without limit.
        uses: Option<u32>,
        /// For how long, by this node's uptime; `None` is until revoked.
        lifetime: Option<Duration>,
    },
    /// Ends an invite by its number and destroys the keys kept for it alone.
    InviteRevoke {
        /// As listed.
        number: u32,
    },
    /// Adds a person by link or QR text; sends them a first contact.
    Add {
        /// `STARLING:1/...`
        link: String,
        /// How this person shall be shown here.
        petname: Option<String>,
    },
    /// Renames a contact, for this device only.
    Rename {
        /// Whom.
        account: AccountId,
        /// 1 to 64 bytes after cleaning.
        petname: String,
    },
    /// Accepts a request.
    Accept {
        /// Whose.
        account: AccountId,
    },
    /// Declines a request: it is forgotten, nothing is sent.
    Decline {
        /// Whose.
        account: AccountId,
    },
    /// Drops everything of this account silently, from now on.
    Block {
        /// Whom.
        account: AccountId,
    },
    /// The person compared the safety number.
    Verify {
        /// Whose.
        account: AccountId,
    },
    /// Sends a text.
    Send {
        /// To whom.
        to: ConversationId,
        /// 1 B to 64 KiB.
        text: String,
        /// Chosen by a front end that may repeat the command; a known id is answered, not sent again.
        message: Option<MessageId>,
    },
    /// Sends a text that answers another one or names people, passes a message on, or asks a question.
    Post {
        /// To whom.
        to: ConversationId,
        /// What.
        post: Post,
        /// Chosen by a front end that may repeat the command; a known id is answered, not sent again.
        message: Option<MessageId>,
    },
    /// Says something about a message that is here.
    Remark {
        /// About which.
        message: MessageId,
        /// Where it stands; `None` is the only conversation that has it.
        within: Option<ConversationId>,
        /// What.
        remark: Remark,
    },
    /// Takes a message away from this device alone.
    Hide {
        /// Which.
        message: MessageId,
        /// As of [`Command::Remark`].
        within: Option<ConversationId>,
    },
    /// Does something with a group.
    Group(GroupCommand),
    /// Does something with links into groups.
    Space(SpaceCommand),
    /// Does something with a conversation that most of nobody else learns.
    Talk(TalkCommand),
    /// The person has seen messages of this conversation; their writer learns it.
    MarkRead {
        /// Of which conversation.
        within: ConversationId,
        /// Which of them; `None` is all that are there. Others than unread ones are passed over.
        messages: Option<Vec<MessageId>>,
    },
    /// Publishes a beacon to everybody nearby.
    Beacon {
        /// What it says.
        kind: BeaconKind,
        /// At most 72 bytes.
        text: String,
        /// Millionths of a degree north and east.
        position: Option<(i32, i32)>,
    },
    /// Takes an own beacon back.
    BeaconCancel {
        /// As [`BeaconView::id`](crate::view::BeaconView::id).
        id: String,
    },
}

/// What stands for itself in a conversation, and is more than words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Post {
    /// A text.
    Text {
        /// 1 B to 64 KiB.
        text: String,
        /// What it answers.
        reply: Option<MessageId>,
        /// Whom it names, at most 32.
        mentions: Vec<AccountId>,
        /// Whether it shall make no sound.
        silent: bool,
    },
    /// The words of a message that is here, passed on to somebody else.
    Forward {
        /// Which.
        of: MessageId,
        /// As of [`Command::Remark`].
        within: Option<ConversationId>,
    },
    /// A question with options to choose from.
    Poll {
        /// 1 to 256 bytes.
        question: String,
        /// 2 to 12, each 1 to 256 bytes.
        options: Vec<String>,
        /// Whether several may be chosen.
        multiple: bool,
    },
}

/// What a person says about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Other words for an own message, within a quarter of an hour: 1 B to 64 KiB.
    Edit(String),
    /// An own message is taken back, for everybody.
    Delete,
    /// A feeling, at most 40 bytes; empty takes it back.
    React(String),
    /// It is held up for both to see, or not any more.
    Pin(bool),
    /// Choices of a poll, bit n for option n; 0 takes the vote back.
    Vote(u16),
    /// An own poll ends.
    Close,
}

/// What a beacon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum BeaconKind {
    /// Help is needed.
    Sos = 1,
    /// I am safe.
    Safe = 2,
    /// What was asked for is over.
    Cancel = 3,
}

/// What a person does with groups (PROTOCOL.md section 15.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupCommand {
    /// Begins one, with the person as its admin.
    Create {
        /// 1 to 64 bytes after cleaning.
        name: String,
        /// Contacts.
        members: Vec<AccountId>,
    },
    /// Adds contacts.
    Add {
        /// To which.
        group: GroupId,
        /// Whom.
        members: Vec<AccountId>,
    },
    /// Puts somebody out: they read nothing that is written from then on by who knows it.
    Remove {
        /// Of which.
        group: GroupId,
        /// Whom.
        member: AccountId,
    },
    /// Makes somebody an admin, or an ordinary member again.
    Promote {
        /// Of which.
        group: GroupId,
        /// Whom; an admin may take it from themselves.
        member: AccountId,
        /// Whether to an admin.
        admin: bool,
    },
    /// Sets a property.
    Set {
        /// Of which.
        group: GroupId,
        /// To what.
        property: GroupProperty,
    },
    /// Goes.
    Leave {
        /// From which.
        group: GroupId,
    },
    /// Forgets a group that the person is not in any more, and everything that was said in it.
    Forget {
        /// Which.
        group: GroupId,
    },
}

/// A property of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupProperty {
    /// 1 to 64 bytes after cleaning.
    Name(String),
    /// At most 256 bytes.
    About(String),
    /// Whether only admins write.
    OnlyAdminsPost(bool),
    /// Whether only admins set name and description.
    OnlyAdminsEdit(bool),
    /// After how long messages disappear, 30 seconds to 90 days; `None` where they stay.
    Timer(Option<Duration>),
}

/// What happened inside, for front ends.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to a command.
    Answered {
        /// Which.
        command: CommandId,
        /// What came of it.
        result: Result<Reply, Refusal>,
    },
    /// A message was received, or one of ours was written.
    Message(MessageView),
    /// A message is another than before: other words, taken back, a reaction, a vote.
    MessageChanged {
        /// Where it was said.
        conversation: ConversationId,
        /// Which.
        message: MessageId,
    },
    /// A message of ours changed its state.
    MessageState {
        /// Which.
        message: MessageId,
        /// To whom.
        to: ConversationId,
        /// The state now.
        state: MessageState,
        /// How many carriers confirmed the latest sealing.
        carriers: u32,
    },
    /// A conversation stands differently among the others here.
    Conversation {
        /// Which.
        conversation: ConversationId,
    },
    /// What is to be sent later changed: it came, was taken back, or went.
    Scheduled {
        /// Which.
        message: MessageId,
    },
    /// A group appeared or changed: its members, their rights, its properties.
    Group {
        /// Which.
        group: GroupId,
    },
    /// A contact appeared or changed.
    Contact {
        /// Whose.
        account: AccountId,
    },
    /// A beacon was heard, changed or was cancelled.
    Beacon(BeaconView),
    /// A neighbour's hello was understood, or it is known as another than before.
    PeerUp {
        /// Over which link.
        link: LinkId,
        /// Who, where both ends know each other.
        contact: Option<AccountId>,
    },
    /// A link ended.
    PeerDown {
        /// Which.
        link: LinkId,
    },
    /// A neighbour's frame was wrong; its score fell.
    Fault {
        /// From which link.
        link: LinkId,
        /// What was wrong; no remote bytes.
        what: &'static str,
    },
    /// Storage could not be read: the shell rebuilds the node from what is durable.
    StorageFailed(crate::store::ReadError),
    /// Somebody presented a known person's keys wrongly.
    AuthMismatch {
        /// Whose keys were claimed.
        account: AccountId,
    },
}

/// What a command gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Done, nothing to tell.
    Done,
    /// The message is durable and waits.
    Sent(MessageId),
    /// What was opened, and is gone from here.
    Opened(Box<MessageView>),
    /// The contact that was added or accepted.
    Contact(AccountId),
    /// The group that was begun or changed.
    Group(GroupId),
    /// The invite that was made.
    Invite(InviteView),
    /// What a [`SpaceCommand`] gave.
    Space(SpaceReply),
    /// The beacon that was published.
    Beacon(BeaconView),
}

/// Why a command was not carried out; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The link text is damaged or of another kind.
    #[error("the link cannot be read: {reason}")]
    Link {
        /// What is wrong with it.
        reason: String,
    },
    /// The link is one's own.
    #[error("this is your own link")]
    OwnLink,
    /// There is no such contact.
    #[error("no contact {account:?}")]
    UnknownContact {
        /// Whom the command named.
        account: AccountId,
    },
    /// There is no such invite or beacon.
    #[error("no {what} {name}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The contact's state does not allow it.
    #[error("the contact is {state}")]
    ContactState {
        /// The state it is in.
        state: &'static str,
    },
    /// That cannot be said about this message.
    #[error("message {message:?}: {why}")]
    Message {
        /// Which.
        message: MessageId,
        /// Why not.
        why: &'static str,
    },
    /// The group does not allow it.
    #[error("group {group:?}: {why}")]
    Group {
        /// Which.
        group: GroupId,
        /// Why not.
        why: String,
    },
    /// A text is too long or empty.
    #[error("a {what} has {min} to {max} bytes, this one has {got}")]
    Length {
        /// Which text.
        what: &'static str,
        /// The fewest bytes.
        min: usize,
        /// The most bytes.
        max: usize,
        /// How many it has.
        got: usize,
    },
    /// A limit of this node is reached.
    #[error("at most {limit} {what} at a time")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// The beacon cannot be published.
    #[error("the beacon cannot be published: {reason}")]
    Beacon {
        /// Why.
        reason: String,
    },
    /// Storage could not be read.
    #[error("{0}")]
    Storage(#[from] crate::store::ReadError),
}
