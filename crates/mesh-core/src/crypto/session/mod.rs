//! Sessions with other people's devices: what turns contents into envelopes and back.
//!
//! Three kinds of things carry a conversation (PROTOCOL.md sections 5 and 6):
//!
//! * a *sender session* per conversation and direction: one Megolm session and one forward-only chain
//!   of one-time items (tag, key, receipt). Its owner writes; whoever was given a *share* of it reads,
//!   in any order;
//! * Olm sessions between two devices, through which the shares travel, each wrapped under a key that
//!   also hangs on ML-KEM secrets;
//! * *first contacts* (K1) and *control chains*, which carry a share to a device that does not know
//!   the session yet.
//!
//! The rules that the rest of the crate must know:
//!
//! * [`Sessions::seal`] chooses by itself how an envelope reaches the other side. An envelope with a
//!   share rides on the chain of the session before, on a control chain, or as a first contact,
//!   whichever the peer can open.
//! * A receipt of an envelope to a single device proves that its share arrived: hand every one to
//!   [`Sessions::receipted`].
//! * Where [`Sessions::owes`] names an account, keys are due to it: call `seal` with no contents, if
//!   that person may learn that this device is there.
//! * A first contact makes state for whoever knows a link of ours. Call [`Sessions::forget`] for those
//!   whom the person declines, and bound the number of open requests.
//! * All state is in [`Table::Session`](crate::Table::Session), in records so small that a message
//!   costs one or two of them; [`Sessions::restore`] rebuilds everything.

mod audience;
mod authors;
mod chain;
mod group;
mod inbound;
mod missing;
mod open;
mod outbound;
mod payload;
mod records;
mod renewal;
mod restore;
mod share;
mod state;

#[cfg(test)]
mod tests;

pub use audience::MAX_ACQUAINTANCES;
pub use chain::commitment;
pub use missing::{MAX_ASKS, Missing};
pub use payload::PER_CONTENT;

use super::cert::{IntroError, VerifiedIntro};
use super::invite::{invite_psk, no_invite_psk};
use super::ratchet::{OlmId, Ratchet, RatchetError};
use super::seal::{Noise, Sealer};
use crate::id::{AccountId, Ack, AckCommit, ConversationId, DeviceId, EnvelopeId, GroupId, Invite, Tag};
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::store::ReadError;
use crate::time::{Now, Schedule, Time};
use crate::wire::Envelope;
use crate::wire::message::Place;
use core::fmt;
use records::{Records, Sid};
use state::{
    Budget, Conversation, Group, GroupSession, Inbound, Live, Outbound, Peer, Pending, Readers, Uptime,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most recognition secrets that a link hello has room for.
pub const MAX_RECOGNITION: usize = 64;
/// Trials of pre-shared keys per second, for first contacts that were sealed to a prekey of ours.
pub const PSK_TRIALS_PER_S: u64 = 20;
/// X25519 exchanges per second for envelopes in the class of first contacts, and how many at once
/// after a quiet time: a first synchronisation brings many.
pub const AGREEMENTS_PER_S: u64 = 500;
const AGREEMENTS_BURST: u64 = 5_000;
/// How long an ended session must not come back, in seconds of uptime: 28 days, twice the longest
/// lifetime of an envelope.
const TOMBSTONE_S: u64 = 28 * 86_400;
/// Ended sessions of each kind that are remembered; the oldest goes first. Every request that gives way to
/// a newer one leaves some, so that strangers decide how many there are.
pub const MAX_ENDED: usize = 65_536;

/// All sender sessions, control chains and Olm sessions of this device.
pub struct Sessions {
    ratchet: Box<dyn Ratchet>,
    sealer: Box<dyn Sealer>,
    rng: Rng,
    records: Records,
    uptime: Uptime,
    /// The uptime of the input at work.
    now_s: u64,
    /// The time of the input at work, by the clock that goes on while a node is off.
    now: Time,
    peers: BTreeMap<DeviceId, Peer>,
    conversations: BTreeMap<AccountId, Conversation>,
    outbound: BTreeMap<Sid, (Outbound, Live)>,
    groups: BTreeMap<GroupId, Group>,
    group_sessions: BTreeMap<Sid, (GroupSession, Live)>,
    /// Who is heard in which group, as the layer above says in each run.
    authors: Option<BTreeMap<GroupId, BTreeSet<AccountId>>>,
    /// The groups that each account reads.
    groups_of: BTreeMap<AccountId, BTreeSet<GroupId>>,
    /// Who is known for the sake of groups alone.
    acquaintances: BTreeSet<AccountId>,
    /// Those of them whom no group has, and since when, in seconds of uptime.
    strays: Schedule<u64, AccountId>,
    /// To whom keys may be owed: people of several devices, and those of whom a share did not open.
    owing: BTreeSet<AccountId>,
    pending: BTreeMap<AckCommit, Pending>,
    /// The same by session and device.
    pending_of: BTreeSet<(Sid, DeviceId, AckCommit)>,
    inbound: BTreeMap<Sid, Inbound>,
    /// The chains that are read of each device.
    read_of: BTreeMap<DeviceId, BTreeSet<Sid>>,
    /// Which items a tag belongs to: the first bytes of the tag, chain and index. More than one chain has it where
    /// somebody hands on a session of somebody else as their own.
    tags: BTreeSet<([u8; 8], u32, u32)>,
    slots: BTreeMap<u32, Sid>,
    readers: Readers,
    /// Since when, in seconds of uptime.
    ended: Schedule<u64, Sid>,
    ended_olm: Schedule<u64, OlmId>,
    neighbours: BTreeSet<AccountId>,
    /// When the writer of a session that has gaps is asked, in seconds of uptime.
    asks: Schedule<u64, Sid>,
    psk_trials: Budget,
    agreements: Budget,
}

/// An envelope of ours, ready to be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEnvelope {
    /// The envelope; its hops are set by the carrier.
    pub envelope: Envelope,
    /// What its receipt will match; give it back to [`Sessions::receipted`].
    pub commit: AckCommit,
    /// Whether one single device can open it: only then a receipt can come.
    pub single_device: bool,
    /// Whether it is a first contact.
    pub first_contact: bool,
    /// Where its contents stand; `None` where it holds keys only.
    pub place: Option<Place>,
    /// The account that it is for; `None` where people of several accounts open it.
    pub to: Option<AccountId>,
}

/// Why nothing was sealed; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No device of this account is known, or none of anybody in this group.
    #[error("no device of {to:?} is known")]
    UnknownPeer {
        /// To whom.
        to: ConversationId,
    },
    /// There were no contents, and nobody lacks the session of this group now.
    #[error("no keys of {to:?} are owed")]
    NothingOwed {
        /// The group.
        to: ConversationId,
    },
    /// The contents need more room than one envelope has: see [`Sessions::room`].
    #[error("contents need {got} bytes, an envelope has room for {limit}")]
    TooLong {
        /// What they need, 3 bytes per content included.
        got: usize,
        /// What there is.
        limit: usize,
    },
    /// Stored state could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A ratchet refused its own state or the peer's keys.
    #[error(transparent)]
    Ratchet(#[from] RatchetError),
}

/// Why a peer's device was not learnt; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// Older than what is known of the device, or another bundle under the same number.
    #[error(transparent)]
    Intro(#[from] IntroError),
    /// The device is one of another account.
    #[error("this device belongs to another account")]
    OtherAccount,
    /// As many devices of the account are known as an account may have.
    #[error("at most {limit} devices of an account are known")]
    TooManyDevices {
        /// The limit.
        limit: usize,
    },
    /// As many people are known for the sake of groups alone as may be, and all are in groups.
    #[error("at most {limit} members of groups are known who are not known for themselves")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
}

/// What came of trying to open an envelope.
#[derive(Debug)]
pub enum Opened {
    /// Not for this device, or opened before: its keys are gone.
    Foreign,
    /// Too many first contacts at once: bring this envelope again at the given time.
    Later(Time),
    /// For this device, and received before.
    Duplicate,
    /// For this device, and wrong; the reason carries nothing of the content.
    Rejected(&'static str),
    /// For this device, from somebody who presents the keys of this account without having them.
    Mismatch(AccountId),
    /// Opened.
    Delivery(Box<Delivery>),
}

/// What an envelope held. Its author is the device that authenticated it, whatever the contents claim.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Who wrote it.
    pub account: AccountId,
    /// With which device.
    pub device: DeviceId,
    /// Where it belongs: what is said to this device alone by its author, or in a group. The writer's share bound
    /// its session to it; whether the author is a member is the layer's above to say.
    pub conversation: ConversationId,
    /// Encoded messages, in order; none where the envelope held keys only, or its inside did not open.
    pub contents: Vec<Vec<u8>>,
    /// The receipt to publish; `None` where the envelope is for several devices, or its contents did
    /// not open.
    pub ack: Option<Ack>,
    /// Set for first contacts, repeated ones included.
    pub first_contact: Option<FirstContact>,
    /// Tags that can be opened from now on: their envelopes may be in the bag already.
    pub new_tags: Vec<Tag>,
    /// Envelopes of ours that opened outside only: what they held must be sealed again.
    pub resend: Vec<EnvelopeId>,
}

/// What a first contact tells about its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstContact {
    /// Certificate and newest bundle, verified.
    pub intro: VerifiedIntro,
    /// Through which invite of ours, by number.
    pub invite: Option<u32>,
    /// The writer is authentic, the contents are lost: an answer makes them come again.
    pub inner_failed: bool,
    /// Nothing was known of this device before.
    pub is_new: bool,
}

impl fmt::Debug for Delivery {
    /// Shows who and how much, never the contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Delivery({:?}, {} contents, {} new tags)",
            self.account,
            self.contents.len(),
            self.new_tags.len()
        )
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("peers", &self.peers.len())
            .field("outbound", &self.outbound.len())
            .field("inbound", &self.inbound.len())
            .field("tags", &self.tags.len())
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub fn new(ratchet: Box<dyn Ratchet>, rng: Rng) -> Self {
        Self {
            ratchet,
            sealer: Box::new(Noise),
            rng,
            records: Records::default(),
            uptime: Uptime::default(),
            now_s: 0,
            now: Time(0),
            peers: BTreeMap::new(),
            conversations: BTreeMap::new(),
            outbound: BTreeMap::new(),
            groups: BTreeMap::new(),
            authors: None,
            group_sessions: BTreeMap::new(),
            groups_of: BTreeMap::new(),
            acquaintances: BTreeSet::new(),
            strays: Schedule::default(),
            owing: BTreeSet::new(),
            pending: BTreeMap::new(),
            pending_of: BTreeSet::new(),
            inbound: BTreeMap::new(),
            read_of: BTreeMap::new(),
            tags: BTreeSet::new(),
            slots: BTreeMap::new(),
            readers: Readers::default(),
            ended: Schedule::default(),
            ended_olm: Schedule::default(),
            neighbours: BTreeSet::new(),
            asks: Schedule::default(),
            psk_trials: Budget::new(PSK_TRIALS_PER_S, PSK_TRIALS_PER_S),
            agreements: Budget::new(AGREEMENTS_PER_S, AGREEMENTS_BURST),
        }
    }

    /// Seals with something other than Noise from now on: for worlds too large for the curve.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Box<dyn Sealer>) -> Self {
        self.sealer = sealer;
        self
    }

    /// The ratchet library, for the own generations.
    #[must_use]
    pub fn ratchet(&self) -> &dyn Ratchet {
        &*self.ratchet
    }

    /// Learns a device of somebody, from a link or a first contact; a newer bundle takes the place of
    /// the known one. `invite` is the secret of the link, which our first contacts will prove.
    ///
    /// # Errors
    /// [`LearnError`]: above all a bundle with a lower number than the known one is refused.
    pub fn learn(
        &mut self,
        now: Now,
        intro: &VerifiedIntro,
        invite: Option<Invite>,
        out: &mut Outbox,
    ) -> Result<DeviceId, LearnError> {
        self.begin(now);
        let psk = invite.map(|invite| *invite_psk(&invite));
        let device = self.learn_with(intro, psk, out)?;
        self.know(intro.account_id(), out);
        Ok(device)
    }

    /// The devices of an account that still count; the others are forgotten, and what is written next
    /// begins a session that they cannot read.
    pub fn retain_devices(&mut self, now: Now, account: AccountId, keep: &[DeviceId], out: &mut Outbox) {
        self.begin(now);
        let Some(conversation) = self.conversations.get_mut(&account) else { return };
        let (kept, gone) = conversation.devices.iter().partition(|device| keep.contains(device));
        conversation.devices = kept;
        self.records.put(out, records::conversation(account), conversation);
        let gone: Vec<DeviceId> = gone;
        for device in gone {
            self.forget_device(device, out);
        }
    }

    /// Forgets an account: its sessions end and cannot come back. Where a group of ours has it, what is between the
    /// two ends, and the group's goes on.
    pub fn forget(&mut self, now: Now, account: AccountId, out: &mut Outbox) {
        self.begin(now);
        if self.groups_of.contains_key(&account) {
            self.forget_between_two(account, out);
        } else {
            self.forget_wholly(account, out);
        }
    }

    fn forget_wholly(&mut self, account: AccountId, out: &mut Outbox) {
        self.know(account, out);
        self.owing.remove(&account);
        let Some(conversation) = self.conversations.remove(&account) else { return };
        self.records.delete(out, records::conversation(account));
        for device in conversation.devices {
            self.forget_device(device, out);
        }
        for sid in [conversation.current, conversation.carrier].into_iter().flatten() {
            self.remove_outbound(sid, out);
        }
    }

    /// Where keys are owed: a share of somebody's did not open, or a device that reads on lacks the session.
    #[must_use]
    pub fn owes(&self) -> Vec<ConversationId> {
        let people = self.owing.iter().map(|account| ConversationId::from(*account));
        let groups = self.groups.keys().map(|group| ConversationId::from(*group));
        people.chain(groups).filter(|to| self.owes_to(*to)).collect()
    }

    /// Whether [`Sessions::owes`] names this conversation.
    #[must_use]
    pub fn owes_to(&self, to: ConversationId) -> bool {
        match to {
            ConversationId::Person(account) => self.conversations.get(&account).is_some_and(|c| self.owed(c)),
            ConversationId::Group(group) => {
                self.groups.get(&group).is_some_and(|held| held.due.due(self.now).is_some())
            }
        }
    }

    fn owed(&self, conversation: &Conversation) -> bool {
        let lost = |device| self.peers.get(device).is_some_and(|peer: &Peer| peer.owed);
        conversation.devices.iter().any(lost) || self.lacking(conversation).is_some()
    }

    /// What proves each pair to each other on a link, of those accounts that `may` know it: most recently heard
    /// first, at most [`MAX_RECOGNITION`]. An account may appear with more than one secret.
    #[must_use]
    pub fn recognition(&self, may: impl Fn(AccountId) -> bool) -> Vec<(AccountId, [u8; 32])> {
        let mut peers: Vec<&Peer> = self.peers.values().filter(|peer| may(peer.account)).collect();
        peers.sort_by_key(|peer| core::cmp::Reverse(peer.heard_s));
        let secrets = peers
            .into_iter()
            .flat_map(|peer| peer.seeds.iter().rev().map(|seed| (peer.account, seed.recognition)));
        secrets.take(MAX_RECOGNITION).collect()
    }

    /// Writes the uptime down and ends what is old. A tick too many does no harm.
    pub fn tick(&mut self, now: Now, out: &mut Outbox) {
        self.begin(now);
        if let Some(total) = self.uptime.save_due(now.mono) {
            self.records.put(out, records::uptime(), &total);
            self.expire(total, out);
            self.forget_strays(out);
        }
    }

    /// When [`Sessions::tick`] or [`Sessions::take_missing`] has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        if self.peers.is_empty() {
            return None;
        }
        let ask = self.asks.first().and_then(|(due_s, _)| self.uptime.when(due_s));
        [self.uptime.next_save(), ask].into_iter().flatten().min()
    }

    /// Begins an input: what earlier ones wrote is in storage now.
    fn begin(&mut self, now: Now) {
        self.records.settle(now.mono);
        self.now_s = self.uptime.at(now.mono);
        self.now = now.mono;
    }

    fn learn_with(
        &mut self,
        intro: &VerifiedIntro,
        psk: Option<[u8; 32]>,
        out: &mut Outbox,
    ) -> Result<DeviceId, LearnError> {
        let (account, device) = (intro.account_id(), intro.device_id());
        let (cert, bundle) = (&**intro.cert(), &**intro.bundle());
        if let Some(peer) = self.peers.get_mut(&device) {
            if peer.account != account {
                return Err(LearnError::OtherAccount);
            }
            let (known, got) = (peer.bundle.seq, bundle.seq);
            if got < known || (got == known && peer.bundle != *bundle) {
                return Err(IntroError::Rollback { known, got }.into());
            }
            (peer.cert, peer.bundle, peer.signed) = (cert.clone(), bundle.clone(), intro.to_intro());
            peer.psk = psk.unwrap_or(peer.psk);
            self.records.put(out, records::peer(device), peer);
            return Ok(device);
        }
        let limit = super::cert::MAX_DEVICES;
        let conversation = self.conversations.entry(account).or_default();
        if conversation.devices.len() >= limit {
            return Err(LearnError::TooManyDevices { limit });
        }
        conversation.devices.push(device);
        if conversation.devices.len() > 1 {
            self.owing.insert(account);
        }
        self.records.put(out, records::conversation(account), conversation);
        let psk = psk.unwrap_or_else(|| *no_invite_psk());
        let peer = Peer::new(account, intro, psk);
        self.records.put(out, records::peer(device), &peer);
        self.peers.insert(device, peer);
        self.device_learnt(account, device, out);
        Ok(device)
    }

    fn forget_device(&mut self, device: DeviceId, out: &mut Outbox) {
        let Some(account) = self.peers.get(&device).map(|peer| peer.account) else { return };
        self.device_gone(account, device, out);
        let Some(peer) = self.peers.remove(&device) else { return };
        self.records.delete(out, records::peer(device));
        self.records.delete(out, records::kem(device));
        for session in &peer.olm {
            self.end_olm(session.id, out);
        }
        for sid in self.read_of.get(&device).cloned().unwrap_or_default() {
            self.end(self.now_s, sid, out);
        }
    }

    /// Deletes an Olm session; its pre-key messages are not accepted again.
    fn end_olm(&mut self, id: OlmId, out: &mut Outbox) {
        self.records.delete(out, records::olm(&id));
        self.records.put(out, records::ended_olm(&id), &self.now_s);
        self.ended_olm.set(id, Some(self.now_s));
        self.forget_ended(out);
    }

    /// Forgets a device that came with nothing of use: who knows a link could leave any number of them.
    fn forget_newcomer(&mut self, account: AccountId, device: DeviceId, out: &mut Outbox) {
        self.forget_device(device, out);
        let Some(conversation) = self.conversations.get_mut(&account) else { return };
        conversation.devices.retain(|held| *held != device);
        if conversation.devices.is_empty() && conversation.current.is_none() {
            self.know(account, out);
            self.owing.remove(&account);
            self.conversations.remove(&account);
            self.records.delete(out, records::conversation(account));
        } else {
            self.records.put(out, records::conversation(account), conversation);
        }
    }

    fn put_peer(&mut self, device: DeviceId, out: &mut Outbox) {
        if let Some(peer) = self.peers.get(&device) {
            self.records.put(out, records::peer(device), peer);
        }
    }
}
