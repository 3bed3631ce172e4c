//! What is kept about peers and sessions, as it stands in memory and in records.

use super::chain::{CONTROL_ITEMS, Link, ahead_of, group_ahead_of};
use super::missing::Asked;
use super::payload::Encapsulated;
use super::records::Sid;
use super::share::{KemId, KemSecret};
use crate::crypto::kdf16;
use crate::crypto::kem::KemKey;
use crate::crypto::ratchet::{Export, MegolmReader, MegolmWriter, OlmId};
use crate::crypto::{Bundle, Cert, Intro, VerifiedIntro};
use crate::id::{AccountId, ConversationId, DeviceId, EnvelopeId, GroupId};
use crate::time::{Schedule, Time};
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Olm sessions kept per device.
pub(super) const OLM_SESSIONS: usize = 4;
/// Reply seeds kept per device, each with a control chain in either direction.
pub(super) const SEEDS: usize = 4;
/// First contacts remembered per device, so that a repeated one is not answered again.
pub(super) const SEEN: usize = 32;
/// KEM secrets kept per device and direction: the newest, and the one before it for shares on the way.
pub(super) const KEM_SECRETS: usize = 2;
/// Messages without a receipt after which a share is due again although the peer has one: it tells the
/// peer how far the chain went, before the peer's look-ahead of 200 ends.
const MAX_LAG: u32 = 150;
/// Megolm readers kept parsed; others are read again from their records.
pub(super) const READERS: usize = 64;

/// A device that we write to or heard of.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) account: AccountId,
    pub(super) cert: Cert,
    pub(super) bundle: Bundle,
    /// Both as they came: what brings this device to others.
    pub(super) signed: Intro,
    /// What our first contacts to it are sealed with.
    pub(super) psk: [u8; 32],
    pub(super) olm: Vec<OlmRef>,
    pub(super) seeds: Vec<Seed>,
    /// Counts what was received through Olm: the highest is the session that received last.
    pub(super) turn: u64,
    /// The uptime at which something authenticated came.
    pub(super) heard_s: u64,
    /// The newest generation of ours that it is known to have.
    pub(super) told: u32,
    /// The newest KEM secret of each direction; zeros where there is none.
    pub(super) kem: (KemId, KemId),
    /// Whether a first contact is owed: one of its shares did not open.
    pub(super) owed: bool,
    pub(super) answered_s: Option<u64>,
    /// Its envelopes that opened outside only, to be named in what is owed.
    pub(super) failed: Vec<EnvelopeId>,
    /// The first bytes of its first contacts' ids.
    pub(super) seen: Vec<[u8; 8]>,
}

/// An Olm session with a device; its state is a record of its own.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OlmRef {
    pub(super) id: OlmId,
    /// The pre-shared key of the first contact that began it; part of every wrap.
    pub(super) psk: [u8; 32],
    /// [`Peer::turn`] when it last received; 0 where it never did.
    pub(super) received: u64,
    pub(super) started: Option<Started>,
}

/// An Olm session that we began and that has received nothing yet.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Started {
    /// The generation of the peer that it was begun with.
    pub(super) seq: u32,
    /// The reply seed that goes with each of its first contacts.
    pub(super) seed: [u8; 32],
}

/// A reply seed, after the chains were made of it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Seed {
    /// What proves this pair to each other on a link.
    pub(super) recognition: [u8; 32],
    /// Our control chain.
    pub(super) link: [u8; 32],
    /// How many of its items are used.
    pub(super) used: u32,
    /// The peer's control chain.
    pub(super) inbound: Sid,
    /// Whether the peer is known to have the seed.
    pub(super) known: bool,
}

/// KEM keys and secrets shared with a device; read where a share is made or opened.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Kem {
    /// The peer's newest key, and its generation.
    pub(super) key: Option<(u32, KemKey)>,
    /// The generation that we last encapsulated to.
    pub(super) used: u32,
    pub(super) outward: Vec<Outward>,
    pub(super) inward: Vec<(KemId, KemSecret)>,
}

/// A secret that we encapsulated.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Outward {
    pub(super) id: KemId,
    pub(super) secret: KemSecret,
    /// Sent again with each share until the peer names the secret.
    pub(super) unconfirmed: Option<Encapsulated>,
}

/// What is written to one account.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// The devices that count, in the order in which they were learnt.
    pub(super) devices: Vec<DeviceId>,
    pub(super) current: Option<Sid>,
    /// The session before, whose chain carries the shares of the current one.
    pub(super) carrier: Option<Sid>,
    /// A session that nothing follows any more, to be told with the next share.
    pub(super) ended: Option<([u8; 4], u32)>,
}

/// A sender session of ours: what rarely changes.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Outbound {
    pub(super) account: AccountId,
    pub(super) members: Vec<Member>,
    /// What a share holds; erased once every member is known to have one.
    pub(super) origin: Option<Origin>,
    pub(super) created_s: u64,
    /// When an answer came after every member had the share.
    pub(super) round_trip_s: Option<u64>,
}

/// A device that a session is written for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) device: DeviceId,
    /// Whether it is known to have the share.
    pub(super) known: bool,
    /// The message with which the share is due again.
    pub(super) due: u32,
    /// The time at which the envelope with the last share ends: then it is due again whatever was written since.
    pub(super) lapses: Time,
    /// The KEM secrets that protected the last share.
    pub(super) kem: (KemId, KemId),
}

/// A session at the first index that nobody receipted.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Origin {
    export: Vec<u8>,
    pub(super) link: [u8; 32],
}

/// A sender session of ours: what changes with every message.
pub(super) struct Live {
    /// None where the session only carries the next one's shares.
    pub(super) writer: Option<Box<dyn MegolmWriter>>,
    pub(super) link: Link,
    /// The chain's next index.
    pub(super) index: u32,
    /// How many envelopes were sealed in this session.
    pub(super) sent: u32,
    /// Everything below was receipted, or is older than something that was.
    pub(super) acked: u32,
}

/// [`Live`] as a record.
#[derive(Serialize, Deserialize)]
pub(super) struct Hot {
    pub(super) writer: Option<Vec<u8>>,
    pub(super) link: [u8; 32],
    pub(super) index: u32,
    pub(super) sent: u32,
    pub(super) acked: u32,
}

/// A group, as who writes to it sees it. Its audience stands in records of its own.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) current: Option<Sid>,
    pub(super) next: Renewal,
    /// The session before: its first bytes, and the index that nothing follows.
    pub(super) ended: Option<([u8; 4], u32)>,
    #[serde(skip)]
    pub(super) accounts: BTreeSet<AccountId>,
    /// When devices that may lack the current session get its share.
    #[serde(skip)]
    pub(super) due: Schedule<Time, DeviceId>,
}

/// Whether the next contents begin a session, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Renewal {
    #[default]
    No,
    /// The person wants it.
    Asked,
    /// Somebody who may have the share must not read on.
    Shrunk,
}

/// A sender session of ours for a group: what rarely changes, and who reads it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct GroupSession {
    pub(super) group: GroupId,
    pub(super) created_s: u64,
    /// Its shares bring no KEM secrets: it was begun because somebody left, and everybody gets one.
    pub(super) lean: bool,
    #[serde(skip)]
    pub(super) holders: BTreeMap<DeviceId, Holder>,
    /// The session at the indexes from which somebody reads it who may lack it, and how many those are.
    #[serde(skip)]
    pub(super) origins: BTreeMap<u32, (Origin, usize)>,
    /// Who lacks it while there is nothing in it for them.
    #[serde(skip)]
    pub(super) quiet: BTreeSet<DeviceId>,
}

/// A device that a group's session is written for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Holder {
    /// The index from which it reads.
    pub(super) origin: u32,
    /// Whether it is known to have the share.
    pub(super) known: bool,
    /// The chain's next index when the last share was sealed.
    pub(super) shared: Option<u32>,
    /// The time at which the envelope with the last share ends.
    pub(super) lapses: Time,
    /// The first bytes of that envelope's id.
    pub(super) envelope: [u8; 8],
}

/// An envelope of ours whose receipt proves something.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) session: Sid,
    pub(super) device: DeviceId,
    /// The index behind that of its message.
    pub(super) next: u32,
    /// The generation of ours that it carried; 0 for none.
    pub(super) told: u32,
    /// The reply seed that it carried, by its recognition secret.
    pub(super) seed: Option<[u8; 32]>,
}

/// What a chain that we read carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reads {
    /// What its writer says to us alone.
    Person,
    /// Shares only: a control chain, without a Megolm session and with a fixed end.
    Control,
    /// What its writer says in a group.
    Group(GroupId),
}

/// A chain that we read.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Inbound {
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    pub(super) reads: Reads,
    /// The first index that no item was made of; nothing below is ever made again.
    pub(super) have: u32,
    /// The chain at `have`; none where nothing follows.
    pub(super) link: Option<[u8; 32]>,
    /// The uptime at which a later session took its place.
    pub(super) superseded_s: Option<u64>,
    pub(super) asked: Asked,
    /// The indexes whose items are unused, and the first bytes of their tags.
    #[serde(skip)]
    pub(super) left: BTreeMap<u32, [u8; 8]>,
    #[serde(skip)]
    pub(super) slot: u32,
}

macro_rules! silent_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
silent_debug!(Peer, Conversation, Outbound, Live, Pending, Inbound, Group, GroupSession, Origin);

impl Peer {
    pub(super) fn new(account: AccountId, intro: &VerifiedIntro, psk: [u8; 32]) -> Self {
        let (cert, bundle, signed) = ((**intro.cert()).clone(), (**intro.bundle()).clone(), intro.to_intro());
        Self {
            account,
            cert,
            bundle,
            signed,
            psk,
            olm: Vec::new(),
            seeds: Vec::new(),
            turn: 0,
            heard_s: 0,
            told: 0,
            kem: ([0; 8], [0; 8]),
            owed: false,
            answered_s: None,
            failed: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The Olm session to write on: the one that last received; among those that never did, the one
    /// with the smallest id, which both ends find.
    pub(super) fn best_olm(&self) -> Option<&OlmRef> {
        self.olm.iter().max_by(|a, b| a.received.cmp(&b.received).then(b.id.cmp(&a.id)))
    }

    /// The newest control chain of ours that the peer can read and that has items left.
    pub(super) fn control(&self) -> Option<usize> {
        self.seeds.iter().rposition(|seed| seed.known && seed.used < CONTROL_ITEMS)
    }

    /// Whether the newest control chain is half used: the next share brings a new seed.
    pub(super) fn wants_seed(&self) -> bool {
        let is_on_the_way = self.seeds.last().is_some_and(|seed| !seed.known);
        !is_on_the_way && self.control().is_some_and(|at| self.seeds[at].used >= CONTROL_ITEMS / 2)
    }

    /// Counts an envelope as received through the session `id`.
    pub(super) fn received_on(&mut self, id: &OlmId) {
        self.turn += 1;
        if let Some(session) = self.olm.iter_mut().find(|session| session.id == *id) {
            session.received = self.turn;
            session.started = None;
        }
    }
}

impl Outbound {
    pub(super) fn is_known(&self) -> bool {
        self.members.iter().all(|member| member.known)
    }

    pub(super) fn member(&self, device: DeviceId) -> Option<&Member> {
        self.members.iter().find(|member| member.device == device)
    }

    pub(super) fn member_mut(&mut self, device: DeviceId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.device == device)
    }
}

impl GroupSession {
    pub(super) fn new(group: GroupId, created_s: u64, lean: bool) -> Self {
        let (holders, origins, quiet) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { group, created_s, lean, holders, origins, quiet }
    }
}

impl Holder {
    /// One who reads from `origin` on.
    pub(super) fn new(origin: u32) -> Self {
        Self { origin, known: false, shared: None, lapses: Time(0), envelope: [0; 8] }
    }

    /// Whether there is something for it that no share of a living envelope opens, where that ended.
    pub(super) fn lacks(&self, next: u32) -> bool {
        !self.known && next > self.shared.unwrap_or(self.origin)
    }
}

impl Inbound {
    pub(super) fn is_control(&self) -> bool {
        self.reads == Reads::Control
    }

    /// Where its messages belong.
    pub(super) fn conversation(&self) -> ConversationId {
        match self.reads {
            Reads::Group(group) => group.into(),
            Reads::Person | Reads::Control => self.account.into(),
        }
    }

    /// The first index behind the look-ahead, where `index` was seen.
    pub(super) fn ahead_of(&self, index: u32) -> u32 {
        match self.reads {
            Reads::Group(_) => group_ahead_of(index),
            Reads::Person | Reads::Control => ahead_of(index),
        }
    }
}

impl Origin {
    pub(super) fn new(export: &Export, link: &Link) -> Self {
        Self { export: export.to_vec(), link: *link.0 }
    }

    pub(super) fn export(&self) -> Option<Export> {
        self.export.as_slice().try_into().ok()
    }
}

impl Live {
    /// Whether so much is without receipt that the peer's look-ahead may be passed.
    pub(super) fn is_lagging(&self) -> bool {
        self.index.saturating_sub(self.acked) > MAX_LAG
    }

    pub(super) fn to_record(&self) -> Hot {
        let writer = self.writer.as_ref().map(|writer| writer.to_bytes().to_vec());
        let Self { index, sent, acked, .. } = *self;
        Hot { writer, link: *self.link.0, index, sent, acked }
    }
}

/// The name of the session that an export belongs to: both ends compute it from the public key.
pub(super) fn session_name(export: &Export) -> Sid {
    kdf16("session name", &[&export[133..]])
}

/// The name of a session that a device writes for a group. Device and group are part of it, so that whoever hands
/// the session on as their own, or as another group's, makes another session.
pub(super) fn group_session_name(export: &Export, group: GroupId, device: DeviceId) -> Sid {
    kdf16("group session name", &[&export[133..], &group.0, &device.0])
}

/// What every message of a group's session begins with, inside Megolm, whose key signs it: who writes, and where.
/// Whoever hands on a session of somebody else cannot write it with their own name.
pub(super) fn binding(group: GroupId, device: DeviceId) -> [u8; BINDING] {
    prefix(&kdf16("group author", &[&group.0, &device.0]))
}

/// Length of [`binding`].
pub(super) const BINDING: usize = 8;

/// The name of the control chain from one device to another.
pub(super) fn control_name(seed: &[u8; 32], from: DeviceId, to: DeviceId) -> Sid {
    kdf16("control name", &[seed, &from.0, &to.0])
}

/// The first eight bytes: how ids are remembered in memory.
pub(super) fn prefix(bytes: &[u8]) -> [u8; 8] {
    core::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0))
}

/// Keeps the newest `limit` of `list`; returns what fell out.
pub(super) fn keep_newest<T>(list: &mut Vec<T>, limit: usize) -> Vec<T> {
    let surplus = list.len().saturating_sub(limit);
    list.drain(..surplus).collect()
}

/// A seconds counter of how long this device has run, over its runs: what sessions age by. No wall
/// clock is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uptime {
    base_s: u64,
    start: Option<Time>,
    saved_s: u64,
}

impl Uptime {
    pub(super) fn continued(base_s: u64) -> Self {
        Self { base_s, start: None, saved_s: base_s }
    }

    pub(super) fn at(&mut self, now: Time) -> u64 {
        let start = *self.start.get_or_insert(now);
        self.base_s.saturating_add(now.since(start).as_secs())
    }

    /// The point in this run at which so many seconds have been counted.
    pub(super) fn when(&self, total_s: u64) -> Option<Time> {
        self.start.map(|start| start + Duration::from_secs(total_s.saturating_sub(self.base_s)))
    }

    /// The seconds to write down, where an hour of them is new.
    pub(super) fn save_due(&mut self, now: Time) -> Option<u64> {
        let total = self.at(now);
        let due = total >= self.saved_s.saturating_add(SAVE_EVERY.as_secs());
        due.then(|| self.saved_s = total).map(|()| total)
    }

    pub(super) fn next_save(&self) -> Option<Time> {
        let unsaved = self.base_s.saturating_sub(self.saved_s);
        self.start.map(|start| {
            let saved_after = self.saved_s.saturating_sub(self.base_s);
            start
                + (SAVE_EVERY + Duration::from_secs(saved_after)).saturating_sub(Duration::from_secs(unsaved))
        })
    }
}

/// How often the uptime is written down; a crash loses at most this much of it.
const SAVE_EVERY: Duration = Duration::from_secs(3600);

/// A budget that fills at a steady rate up to what a second and a burst may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    per_s: u64,
    burst: u64,
    /// In thousandths, so that a millisecond fills something.
    level: u64,
    at: Time,
}

impl Budget {
    pub(super) fn new(per_s: u64, burst: u64) -> Self {
        Self { per_s, burst, level: burst * 1000, at: Time(0) }
    }

    /// Whether something is left; else the time to come again.
    pub(super) fn check(&mut self, now: Time) -> Result<(), Time> {
        let filled = now.since(self.at).as_millis() as u64 * self.per_s;
        self.level = self.level.saturating_add(filled).min(self.burst * 1000);
        self.at = self.at.max(now);
        if self.level >= 1000 {
            return Ok(());
        }
        Err(now + Duration::from_millis((1000 - self.level).div_ceil(self.per_s.max(1)).max(1)))
    }

    pub(super) fn spend(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(amount * 1000);
    }
}

/// Megolm readers that were used lately.
#[derive(Debug, Default)]
pub(super) struct Readers {
    kept: BTreeMap<Sid, (u64, Box<dyn MegolmReader>)>,
    clock: u64,
}

impl Readers {
    pub(super) fn find(&mut self, sid: Sid) -> Option<&mut Box<dyn MegolmReader>> {
        self.clock += 1;
        let (used, reader) = self.kept.get_mut(&sid)?;
        *used = self.clock;
        Some(reader)
    }

    pub(super) fn keep(&mut self, sid: Sid, reader: Box<dyn MegolmReader>) {
        self.clock += 1;
        self.kept.insert(sid, (self.clock, reader));
        if self.kept.len() > READERS {
            let oldest = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(sid, _)| *sid);
            oldest.and_then(|sid| self.kept.remove(&sid));
        }
    }

    pub(super) fn drop(&mut self, sid: Sid) {
        self.kept.remove(&sid);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn golden_name_of_a_groups_session_and_what_binds_its_messages() {
        let (mut export, group, device) = ([1; 165], GroupId([7; 20]), DeviceId([9; 16]));
        export[133..].fill(3);
        assert_eq!(HEXLOWER.encode(&group_session_name(&export, group, device)), GOLDEN_NAME);
        assert_eq!(HEXLOWER.encode(&binding(group, device)), GOLDEN_BINDING);
    }

    // Computed by an independent implementation.
    const GOLDEN_NAME: &str = "94b52a7d5f04a64f359f03988f3e8859";
    const GOLDEN_BINDING: &str = "ae6e8291d1719e0c";

    #[test]
    fn a_budget_fills_with_time_and_says_when() {
        let mut budget = Budget::new(20, 20);
        for _ in 0..20 {
            assert_eq!(budget.check(Time(0)), Ok(()));
            budget.spend(1);
        }
        assert_eq!(budget.check(Time(0)), Err(Time(50)));
        assert_eq!(budget.check(Time(50)), Ok(()));
        budget.spend(16);
        assert_eq!(budget.check(Time(60)), Err(Time(100)));
    }

    #[test]
    fn uptime_goes_on_where_it_was_saved() {
        let mut uptime = Uptime::continued(100);
        assert_eq!(uptime.at(Time(5_000)), 100);
        assert_eq!(uptime.at(Time(8_000)), 103);
        assert_eq!(uptime.save_due(Time(8_000)), None);
        assert_eq!(uptime.next_save(), Some(Time(3_605_000)));
        assert_eq!(uptime.save_due(Time(3_605_000)), Some(3700));
        assert_eq!(uptime.next_save(), Some(Time(7_205_000)));
    }
}
