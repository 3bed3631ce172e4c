//! The JSON values of the local API and of `--json` (PROTOCOL.md section 12). Their keys are stable.

mod groups;
mod joins;
mod message;
mod remarks;
mod search;
mod talk;

pub use groups::{Group, GroupRequest, Member, MemberRequest, MembersRequest, PropertiesRequest};
pub use joins::{Ask, AskRequest, GroupLink, GroupLinkRequest, JoinRequest};
pub use message::Message;
pub use remarks::{
    EditRequest, ForwardRequest, PinRequest, Poll, PollOption, PollRequest, Reaction, ReactionRequest,
    VoteRequest,
};

pub use search::Found;
pub use talk::{ALWAYS, Conversation, DeskRequest, ScheduleRequest, Scheduled, StarRequest, TimerRequest};

use crate::transport::ble::radio::{Pipe, RadioState};
use crate::transport::ble::{AdapterStatus, LinkStatus};
use mesh_core::view::{
    BeaconView, ContactView, ForecastView, IdentityView, InfoView, InviteView, MessageView, PeerView,
    StatusView,
};
use mesh_core::{AccountId, BeaconKind, ConversationId, Medium, Node, Role, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The person of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// Base32 of the account, 32 characters.
    pub account: String,
    /// The chosen name.
    pub name: String,
    /// The default invite's link.
    pub link: String,
}

impl From<IdentityView> for Identity {
    fn from(view: IdentityView) -> Self {
        Self { account: view.account.to_text(), name: view.name, link: view.link }
    }
}

/// A person we know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// Base32 of the account.
    pub account: String,
    /// The name they chose; empty until their first message opened.
    pub name: String,
    /// What they are called here.
    pub petname: Option<String>,
    /// Three words made from their account key.
    pub tag: String,
    /// `added`, `request`, `introduced`, `verified` or `blocked`.
    pub state: String,
}

impl From<&ContactView> for Contact {
    fn from(view: &ContactView) -> Self {
        Self {
            account: view.account.to_text(),
            name: view.name.clone(),
            petname: view.petname.clone(),
            tag: view.tag.clone(),
            state: view.state.as_str().to_owned(),
        }
    }
}

/// One contact with what is needed to verify it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactDetail {
    /// The contact.
    #[serde(flatten)]
    pub contact: Contact,
    /// 60 digits, the same on both sides.
    pub safety_number: String,
    /// Whether its name looks like another contact's.
    pub confusable: bool,
}

impl From<&ContactView> for ContactDetail {
    fn from(view: &ContactView) -> Self {
        Self {
            contact: view.into(),
            safety_number: view.safety_number.chars().filter(char::is_ascii_digit).collect(),
            confusable: view.confusable,
        }
    }
}

/// What became of `add`, `accept`, `decline` and `block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Added {
    /// Base32 of the account.
    pub account: String,
    /// How it is shown here.
    pub name: String,
    /// The contact's state, or `declined` where it was forgotten.
    pub state: String,
}

/// An invite that lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invite {
    /// Its number on this node.
    pub number: u32,
    /// `STARLING:1/...`
    pub link: String,
    /// First contacts it is still good for; `null` is without limit.
    pub uses_left: Option<u32>,
    /// Seconds that it still lives; `null` is until revoked.
    pub expires_in_s: Option<u64>,
}

impl From<InviteView> for Invite {
    fn from(view: InviteView) -> Self {
        Self {
            number: view.number,
            link: view.link,
            uses_left: view.uses_left,
            expires_in_s: view.expires_in.map(|left| left.as_secs()),
        }
    }
}

/// How accounts and groups are shown here.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<ConversationId, String>);

impl Names {
    /// The names of `contacts`.
    #[must_use]
    pub fn new(contacts: &[ContactView]) -> Self {
        Self(contacts.iter().map(|contact| (contact.account.into(), contact.shown().to_owned())).collect())
    }

    /// The names of all contacts, of all groups and of everybody in them.
    #[must_use]
    pub fn all(node: &Node) -> Self {
        let groups = node.groups();
        let members = groups.iter().flat_map(|group| &group.members);
        let fellows = members.filter_map(|member| Some((member.account?.into(), member.name.clone())));
        let mut names: BTreeMap<ConversationId, String> = fellows.collect();
        names.extend(groups.iter().map(|group| (group.id.into(), group.name.clone())));
        names.extend(Self::new(&node.contacts()).0);
        Self(names)
    }

    /// What `node` shows for these accounts, each once: as much work as there are accounts, however many contacts.
    #[must_use]
    pub fn among(node: &Node, accounts: impl IntoIterator<Item = AccountId>) -> Self {
        let shown = |account: AccountId| Some((account.into(), node.shown(account)?));
        Self(accounts.into_iter().filter_map(shown).collect())
    }

    /// The names of everybody in a message, and of the group that it stands in: as much work as there are names.
    #[must_use]
    pub fn in_message(node: &Node, view: &MessageView) -> Self {
        Self::in_messages(node, [view])
    }

    /// The same for many messages, each name looked up once.
    #[must_use]
    pub fn in_messages<'a>(node: &Node, views: impl IntoIterator<Item = &'a MessageView>) -> Self {
        let mut names = Self::default();
        for view in views {
            let votes = view.poll.iter().flat_map(|poll| &poll.votes).filter_map(|(by, _)| *by);
            let felt = view.reactions.iter().filter_map(|(by, _)| *by);
            let named = view.mentions.iter().copied().flatten();
            let people = view.from.into_iter().chain(votes).chain(felt).chain(named);
            for who in people.map(ConversationId::from).chain(view.conversation.group().map(Into::into)) {
                if !names.0.contains_key(&who) {
                    names.0.extend(shown(node, who).map(|name| (who, name)));
                }
            }
        }
        names
    }

    /// These, and those of these conversations.
    #[must_use]
    pub fn and(mut self, node: &Node, others: impl IntoIterator<Item = ConversationId>) -> Self {
        for who in others {
            self.0.extend(shown(node, who).map(|name| (who, name)));
        }
        self
    }

    /// Petname, name or tag of a person, or the name of a group; else its text form.
    #[must_use]
    pub fn of(&self, who: impl Into<ConversationId>) -> String {
        let who = who.into();
        self.0.get(&who).cloned().unwrap_or_else(|| who.to_text())
    }

    /// The same, or `me` for this node's person.
    fn of_any(&self, account: Option<AccountId>) -> String {
        account.map_or_else(|| "me".to_owned(), |account| self.of(account))
    }
}

fn shown(node: &Node, who: ConversationId) -> Option<String> {
    match who {
        ConversationId::Person(account) => node.shown(account),
        ConversationId::Group(group) => node.group(group).map(|group| group.name),
    }
}

/// Where a message of ours is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// The message.
    pub id: String,
    /// `waiting`, `handed_on`, `delivered`, `read` or `expired`: the least advanced recipient's.
    pub state: String,
    /// Distinct neighbours that confirmed to hold its latest sealing.
    pub carriers: u32,
    /// Links that it crossed to the recipient; `null` while unknown.
    pub hops: Option<u8>,
    /// Seconds that it still lives.
    pub expires_in_s: u64,
    /// How long it may take; absent where that is not known yet, and of messages that have come to their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
}

/// How long a message may take: so many in a hundred are delivered within this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// 0 to 100.
    pub percent: u8,
    /// Seconds.
    pub within_s: u64,
}

impl Forecast {
    /// One sentence of all that is known.
    #[must_use]
    pub fn of(view: &ForecastView) -> Option<Self> {
        let (within_s, per_mille) = view.about()?;
        Some(Self { percent: u8::try_from((per_mille + 5) / 10).unwrap_or(100), within_s })
    }
}

/// What is known of how long messages to somebody take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForecastDetail {
    /// In one sentence; `null` while it is not known yet.
    pub about: Option<Forecast>,
    /// Step by step; empty while it is not known yet.
    pub steps: Vec<Forecast>,
}

impl From<Option<ForecastView>> for ForecastDetail {
    fn from(view: Option<ForecastView>) -> Self {
        let percent = |per_mille: u16| u8::try_from((per_mille + 5) / 10).unwrap_or(100);
        let step = |(within_s, per_mille): &(u64, u16)| Forecast {
            percent: percent(*per_mille),
            within_s: *within_s,
        };
        let steps = view.iter().flat_map(|view| &view.steps).map(step).collect();
        Self { about: view.as_ref().and_then(Forecast::of), steps }
    }
}

impl From<&InfoView> for Info {
    fn from(view: &InfoView) -> Self {
        Self {
            id: view.id.to_text(),
            state: view.state.as_str().to_owned(),
            carriers: view.carriers,
            hops: view.hops,
            expires_in_s: view.expires_in.as_secs(),
            forecast: view.forecast.as_ref().and_then(Forecast::of),
        }
    }
}

/// A message of ours with each recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InfoDetail {
    /// The whole message.
    #[serde(flatten)]
    pub info: Info,
    /// Each recipient.
    pub recipients: Vec<Recipient>,
}

impl InfoDetail {
    /// The message as shown with `names`.
    #[must_use]
    pub fn new(view: &InfoView, names: &Names) -> Self {
        let recipients = view.recipients.iter().map(|recipient| Recipient {
            account: recipient.account.to_text(),
            name: names.of(recipient.account),
            state: recipient.state.as_str().to_owned(),
            at: recipient.at.map(rfc3339),
        });
        Self { info: view.into(), recipients: recipients.collect() }
    }
}

/// One recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recipient {
    /// Base32 of the account.
    pub account: String,
    /// How it is shown here.
    pub name: String,
    /// How far the message came.
    pub state: String,
    /// When that was learnt, RFC 3339.
    pub at: Option<String>,
}

/// Which conversation a text names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationName {
    /// The account of the other person, or the id of the group.
    pub conversation: String,
    /// What to show.
    pub name: String,
    /// Whether it is a group.
    pub group: bool,
}

/// A live link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its number in this run.
    pub link: u64,
    /// `lan`, `ble`, or `other` for one that this interface does not know.
    pub transport: String,
    /// Since when it stands, RFC 3339.
    pub since: String,
    /// The last measured round trip in milliseconds.
    pub rtt_ms: Option<u64>,
    /// How the neighbour is shown here, where both ends know each other.
    pub contact: Option<String>,
}

impl Peer {
    /// The link as shown at `now` with `names`.
    #[must_use]
    pub fn new(view: &PeerView, now: Wall, names: &Names) -> Self {
        Self {
            link: view.link.0,
            transport: medium_word(view.medium).to_owned(),
            since: rfc3339(Wall(now.0.saturating_sub(view.uptime.as_secs()))),
            rtt_ms: view.rtt.map(|rtt| u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX)),
            contact: view.contact.map(|contact| names.of(contact)),
        }
    }
}

const fn medium_word(medium: Medium) -> &'static str {
    match medium {
        Medium::Lan => "lan",
        Medium::Ble => "ble",
        _ => "other",
    }
}

/// How the node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The person's name.
    pub name: String,
    /// Live links.
    pub links: usize,
    /// What it carries.
    pub carried: Carried,
    /// Messages of ours without a final state.
    pub outbox: usize,
    /// The Bluetooth adapters in use; empty where the node does not run, or runs without.
    #[serde(default)]
    pub bluetooth: Vec<Adapter>,
}

/// A Bluetooth adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adapter {
    /// As the system names it.
    pub name: String,
    /// `starting`, `on`, `off`, `missing`, `no_service`, `denied` or `broken`.
    pub state: String,
    /// What the system says about a broken one; empty otherwise.
    pub reason: String,
    /// Whether others can find this node by it now.
    pub advertising: bool,
    /// Whether it listens for others now.
    pub scanning: bool,
    /// Strength in dBm of each other node that it hears, where it tells; the strongest first.
    pub heard: Vec<Option<i8>>,
    /// Its links.
    pub links: Vec<AdapterLink>,
}

/// A link over Bluetooth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdapterLink {
    /// Its number in this run, as in the list of peers.
    pub link: u64,
    /// Whether this node opened it.
    pub dialled: bool,
    /// `gatt` or `channel`.
    pub pipe: String,
    /// Bytes that cross at once.
    pub max_value: usize,
    /// Strength of the neighbour in dBm, where it is heard.
    pub rssi: Option<i8>,
    /// The round trip of the pipe in milliseconds, once it is known.
    pub round_trip_ms: Option<u64>,
    /// Bytes of frames sent and received.
    pub bytes_sent: u64,
    /// See `bytes_sent`.
    pub bytes_received: u64,
    /// Values sent, those sent again, and those received that were for others.
    pub values_sent: u64,
    /// See `values_sent`.
    pub values_repeated: u64,
    /// See `values_sent`.
    pub values_foreign: u64,
}

impl From<&AdapterStatus> for Adapter {
    fn from(status: &AdapterStatus) -> Self {
        Self {
            name: status.name.clone(),
            state: radio_state(&status.state).to_owned(),
            reason: if let RadioState::Broken { reason } = &status.state {
                reason.clone()
            } else {
                String::new()
            },
            advertising: status.advertising,
            scanning: status.scanning,
            heard: status.heard.iter().map(|heard| heard.rssi).collect(),
            links: status.links.iter().map(AdapterLink::from).collect(),
        }
    }
}

/// How the interface calls a state.
fn radio_state(state: &RadioState) -> &'static str {
    match state {
        RadioState::Starting => "starting",
        RadioState::On => "on",
        RadioState::Off => "off",
        RadioState::Missing => "missing",
        RadioState::NoService => "no_service",
        RadioState::Denied => "denied",
        RadioState::Broken { .. } => "broken",
    }
}

impl From<&LinkStatus> for AdapterLink {
    fn from(status: &LinkStatus) -> Self {
        let pipe = match status.pipe {
            Pipe::Gatt => "gatt",
            Pipe::Channel => "channel",
        };
        Self {
            link: status.link.0,
            dialled: status.role == Role::Dialer,
            pipe: pipe.to_owned(),
            max_value: status.max_value,
            rssi: status.rssi,
            round_trip_ms: status.round_trip.map(|trip| u64::try_from(trip.as_millis()).unwrap_or(u64::MAX)),
            bytes_sent: status.sent.1,
            bytes_received: status.received.1,
            values_sent: status.values_sent,
            values_repeated: status.values_repeated,
            values_foreign: status.values_foreign,
        }
    }
}

/// The bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Carried {
    /// How many envelopes.
    pub envelopes: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Status {
    pub(super) fn new(view: StatusView, adapters: &[AdapterStatus]) -> Self {
        let carried = Carried { envelopes: view.carried_envelopes, bytes: view.carried_bytes };
        let bluetooth = adapters.iter().map(Adapter::from).collect();
        Self { name: view.name, links: view.links, carried, outbox: view.outbox, bluetooth }
    }
}

/// A beacon: an SOS or a sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Beacon {
    /// 16 hexadecimal digits.
    pub id: String,
    /// `sos`, `safe` or `cancel`.
    pub kind: String,
    /// Its text.
    pub text: String,
    /// RFC 3339, by the writer's clock.
    pub sent_at: String,
    /// Millionths of a degree north and east.
    pub position: Option<(i32, i32)>,
    /// Whether it was taken back.
    pub cancelled: bool,
    /// Who wrote it: `me`, a contact as shown here, or `null`.
    pub from: Option<String>,
}

impl Beacon {
    /// The beacon as shown with `names`.
    #[must_use]
    pub fn new(view: &BeaconView, names: &Names) -> Self {
        let contact = || view.contact.map(|contact| names.of(contact));
        Self {
            id: view.id.clone(),
            kind: kind_word(view.kind).to_owned(),
            text: view.text.clone(),
            sent_at: rfc3339(view.sent_at),
            position: view.position,
            cancelled: view.cancelled,
            from: if view.own { Some("me".to_owned()) } else { contact() },
        }
    }
}

const fn kind_word(kind: BeaconKind) -> &'static str {
    match kind {
        BeaconKind::Sos => "sos",
        BeaconKind::Safe => "safe",
        BeaconKind::Cancel => "cancel",
    }
}

/// `wall` in RFC 3339; what no calendar holds becomes the calendar's end.
#[must_use]
pub fn rfc3339(wall: Wall) -> String {
    let seconds = i64::try_from(wall.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// To add a person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// `STARLING:1/...`
    pub link: String,
    /// How the person shall be shown here.
    #[serde(default)]
    pub petname: Option<String>,
}

/// To change how a contact is shown here.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameRequest {
    /// 1 to 64 bytes.
    pub petname: String,
}

/// To change the own profile.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileRequest {
    /// 1 to 64 bytes.
    pub name: String,
    /// At most 256 bytes.
    #[serde(default)]
    pub about: String,
}

/// To make an invite.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// How many first contacts it shall be good for; absent is without limit.
    #[serde(default)]
    pub uses: Option<u32>,
    /// For how many seconds of this node's running time; absent is until revoked.
    #[serde(default)]
    pub lifetime_s: Option<u64>,
}

/// To say what the person has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenRequest {
    /// Which messages; absent is everything that is there now.
    #[serde(default)]
    pub ids: Option<Vec<String>>,
}

/// To send a text.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// Petname, name, tag or account.
    pub to: String,
    /// 1 B to 64 KiB.
    pub text: String,
    /// 32 hexadecimal digits chosen by a client that may repeat the request: it is sent once.
    #[serde(default)]
    pub id: Option<String>,
    /// The message that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Whom it names: petnames, names, tags or accounts, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// Whether it shall make no sound.
    #[serde(default, skip_serializing_if = "message::is_false")]
    pub silent: bool,
    /// Whether it can be opened once; then it answers nothing, names nobody and makes its usual sound.
    #[serde(default, skip_serializing_if = "message::is_false")]
    pub once: bool,
}

impl SendRequest {
    /// A text and nothing more.
    #[must_use]
    pub fn text(to: String, text: String, id: Option<String>) -> Self {
        Self { to, text, id, reply_to: None, mentions: Vec::new(), silent: false, once: false }
    }
}

/// To publish a beacon.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeaconRequest {
    /// `sos` or `safe`.
    pub kind: String,
    /// At most 72 bytes.
    #[serde(default)]
    pub text: String,
    /// Millionths of a degree north and east.
    #[serde(default)]
    pub position: Option<(i32, i32)>,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// `invalid`, `unauthorized`, `forbidden`, `not_found`, `conflict`, `full`, `storage` or `stopped`.
    pub code: String,
    /// What is wrong and what to do, in the node's language.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::view::{ContactState, MessageState};
    use mesh_core::{LinkId, MessageId};
    use std::time::Duration;

    fn keys(value: &impl Serialize) -> Vec<String> {
        let value = serde_json::to_value(value).unwrap();
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    fn asha() -> ContactView {
        ContactView {
            account: AccountId([7; 20]),
            name: "Asha".into(),
            petname: None,
            tag: "lamp-river-nine".into(),
            state: ContactState::Introduced,
            safety_number: "1".repeat(60),
            confusable: false,
        }
    }

    #[test]
    fn a_message_has_its_stable_keys_and_names_its_author() {
        let view = MessageView {
            id: MessageId([1; 16]),
            conversation: AccountId([7; 20]).into(),
            from: Some(AccountId([7; 20])),
            text: "hi".into(),
            sent_at: Wall(0),
            received_at: Some(Wall(u64::MAX)),
            state: MessageState::Delivered,
            gap: false,
            reply: None,
            forwarded: 0,
            silent: false,
            mentions: Vec::new(),
            edits: 0,
            deleted: false,
            pinned: false,
            reactions: Vec::new(),
            poll: None,
            starred: false,
            timer: None,
            once: false,
            timer_set: None,
        };
        let message = Message::new(&view, &Names::new(&[asha()]));
        assert_eq!(keys(&message), ["conversation", "from", "id", "received_at", "sent_at", "state", "text"]);
        assert_eq!((message.from.as_str(), message.sent_at.as_str()), ("Asha", "1970-01-01T00:00:00Z"));
        let own = Message::new(&MessageView { from: None, ..view.clone() }, &Names::default());
        assert_eq!(own.from, "me");
        let gone = MessageView { deleted: true, state: MessageState::Expired, ..view };
        assert!(!keys(&Message::new(&gone, &Names::default())).contains(&"state".to_owned()));
    }

    #[test]
    fn the_other_values_have_their_stable_keys() {
        let identity = Identity { account: String::new(), name: String::new(), link: String::new() };
        assert_eq!(keys(&identity), ["account", "link", "name"]);
        assert_eq!(keys(&Contact::from(&asha())), ["account", "name", "petname", "state", "tag"]);
        let info = Info {
            id: String::new(),
            state: String::new(),
            carriers: 0,
            hops: None,
            expires_in_s: 0,
            forecast: None,
        };
        assert_eq!(keys(&info), ["carriers", "expires_in_s", "hops", "id", "state"]);
        let status = Status::new(StatusView::default(), &[]);
        assert_eq!(keys(&status), ["bluetooth", "carried", "links", "name", "outbox"]);
        let uptime = Duration::from_secs(5);
        let peer = PeerView { link: LinkId(3), uptime, rtt: None, contact: None, medium: Medium::Ble };
        let peer = Peer::new(&peer, Wall(10), &Names::default());
        assert_eq!(peer.transport, "ble");
        assert_eq!(keys(&peer), ["contact", "link", "rtt_ms", "since", "transport"]);
        assert_eq!(peer.since, "1970-01-01T00:00:05Z");
    }
}
