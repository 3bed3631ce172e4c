//! Writing: which session, which way, and the envelope.

use super::chain::{Item, Link, commitment};
use super::payload::{Encapsulated, First, Full, Parcel, Refresh, first_room, room_of, session_room};
use super::records::{self, Sid};
use super::share::{KemId, KemSecret, Share, Wrap};
use super::state::{
    Conversation, KEM_SECRETS, Kem, Live, Member, OLM_SESSIONS, OlmRef, Origin, Outbound, Outward, Pending,
    Started, keep_newest, prefix, session_name,
};
use super::{SealError, SealedEnvelope, Sessions};
use crate::crypto::kem::kem_id;
use crate::crypto::ratchet::{AccountKeys, OlmId, OlmState, RatchetError};
use crate::crypto::seal::{FIRST_CLASS, FirstSeal, Header, SESSION_OVERHEAD};
use crate::crypto::{OwnIdentity, kdf};
use crate::id::{AccountId, Ack, AckCommit, ConversationId, DeviceId, Tag};
use crate::outbox::Outbox;
use crate::store::Read;
use crate::time::{Now, Time};
use crate::wire::codec;
use crate::wire::message::Place;
use crate::wire::{Envelope, Lifetime, SizeClass};

/// The share rides again in every so-many-th message until one was receipted.
const SHARE_EVERY: u32 = 25;
/// A share goes again with every so many messages without receipt to who is known to have it: two fit into the 200
/// messages of the shortest look-ahead.
const KNOWN_SHARE_EVERY: u32 = 100;
/// Of a session that the peer knows, every so-many-th message's receipt is waited for.
const PROBE_EVERY: u32 = 10;
/// A session that was answered is renewed after this long, in seconds: 10 minutes.
const ROUND_TRIP_S: u64 = 600;
/// Any session is renewed after this long, in seconds: 7 days.
const RENEW_S: u64 = 7 * 86_400;
/// The largest class that a new generation of ours may lift an envelope to.
const REFRESH_CLASS: SizeClass = SizeClass::B4096;

const NONE: KemId = [0; 8];

/// How the next envelope reaches an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// On the session's own chain, without keys.
    Own,
    /// With a share to a device, on the chain of the session before.
    Carrier(DeviceId, Sid),
    /// With a share to a device, on a control chain.
    Control(DeviceId, usize),
    /// As a first contact.
    First(DeviceId),
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    renew: bool,
    shrunk: bool,
    way: Way,
}

/// A share, encrypted for a device, before its wrap.
struct Packed {
    olm: Vec<u8>,
    psk: [u8; 32],
    share_id: [u8; 8],
    kem: KemUse,
    /// The recognition secret of the reply seed in it.
    seed: Option<[u8; 32]>,
}

/// The KEM secrets that go into a wrap.
struct KemUse {
    outward: (KemId, KemSecret),
    inward: (KemId, KemSecret),
    unconfirmed: Option<Encapsulated>,
}

/// Where an envelope's tag and key come from, and what sealing it changes.
pub(super) struct Letter<'a> {
    pub(super) own: &'a OwnIdentity,
    pub(super) read: &'a dyn Read,
    pub(super) to: ConversationId,
    pub(super) lifetime: Lifetime,
    pub(super) contents: &'a [Vec<u8>],
}

impl Sessions {
    /// Whether the next contents to this person go in a first contact: then the profile belongs among
    /// them. To a group they never do.
    #[must_use]
    pub fn is_first_contact(&self, to: ConversationId) -> bool {
        let plan = to.person().and_then(|account| self.plan(account, false));
        plan.is_some_and(|plan| matches!(plan.way, Way::First(_)))
    }

    /// The room that one envelope of this conversation has for contents now, in bytes; each content takes
    /// its length and 3. Longer contents go in segments.
    #[must_use]
    pub fn room(&self, to: ConversationId) -> usize {
        if self.is_first_contact(to) { first_room() } else { session_room() }
    }

    /// Seals contents to one person or to a group: none (keys only), one, or several. The state that this
    /// uses up is in the same batch of writes, so nothing is ever sealed twice with it.
    ///
    /// To a group, contents are one envelope for everybody, and keys are one for the device whose turn it is:
    /// as long as [`Sessions::owes`] names the group.
    ///
    /// # Errors
    /// [`SealError`]. Nothing changed where nobody is known to read it or the contents are too long; where
    /// storage or a ratchet failed, drop this input's writes and restore.
    #[expect(clippy::too_many_arguments, reason = "all of them are borrowed from the layer above, per input")]
    pub fn seal(
        &mut self,
        now: Now,
        own: &OwnIdentity,
        read: &dyn Read,
        to: ConversationId,
        lifetime: Lifetime,
        contents: &[Vec<u8>],
        out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        self.begin(now);
        let letter = Letter { own, read, to, lifetime, contents };
        match to {
            ConversationId::Person(account) => self.seal_to_person(account, &letter, out),
            ConversationId::Group(group) => self.seal_to_group(group, &letter, out),
        }
    }

    fn seal_to_person(
        &mut self,
        to: AccountId,
        letter: &Letter<'_>,
        out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        let contents = letter.contents;
        let plan = self.plan(to, contents.is_empty()).ok_or(SealError::UnknownPeer { to: letter.to })?;
        let limit = if matches!(plan.way, Way::First(_)) { first_room() } else { session_room() };
        let got = room_of(contents);
        if got > limit {
            return Err(SealError::TooLong { got, limit });
        }
        let packed = self.pack(to, letter, plan, out)?;
        let mut sealed = match (plan.way, packed) {
            (Way::First(device), Some(packed)) => self.seal_first(letter, device, packed, out),
            (Way::Carrier(device, _) | Way::Control(device, _), Some(packed)) => {
                self.seal_with_share(letter, plan.way, device, packed, out)
            }
            _ => self.seal_own(letter, out),
        }?;
        if !contents.is_empty() {
            let sid = self.current(letter.to)?;
            let last = self.outbound.get(&sid).and_then(|(_, live)| live.index.checked_sub(1));
            sealed.place = last.map(|index| Place { session: prefix(&sid), index });
        }
        Ok(sealed)
    }

    /// An envelope of ours was receipted: its keys arrived.
    pub fn receipted(&mut self, now: Now, commit: AckCommit, out: &mut Outbox) {
        self.begin(now);
        let Some(pending) = self.pending.remove(&commit) else { return };
        self.records.delete(out, records::pending(commit));
        let Pending { session, device, next, told, seed } = pending;
        if let Some(peer) = self.peers.get_mut(&device) {
            peer.told = peer.told.max(told);
            for held in peer.seeds.iter_mut().filter(|held| Some(held.recognition) == seed) {
                held.known = true;
            }
            self.put_peer(device, out);
        }
        self.acked(session, next, out);
        self.share_arrived(session, device, out);
    }

    fn acked(&mut self, sid: Sid, next: u32, out: &mut Outbox) {
        let Some((_, live)) = self.outbound.get_mut(&sid).filter(|(_, live)| live.acked < next) else {
            return;
        };
        live.acked = next;
        self.records.put(out, records::hot(sid), &live.to_record());
        self.drop_pending(|pending| pending.session == sid && pending.next < next, out);
    }

    /// A device surely has the share of a session: nothing of the session's past is kept for it.
    pub(super) fn share_arrived(&mut self, sid: Sid, device: DeviceId, out: &mut Outbox) {
        let Some((outbound, _)) = self.outbound.get_mut(&sid) else { return };
        let account = outbound.account;
        let Some(member) = outbound.member_mut(device).filter(|member| !member.known) else { return };
        member.known = true;
        let is_known = outbound.is_known();
        if is_known {
            outbound.origin = None;
        }
        self.records.put(out, records::outbound(sid), outbound);
        self.drop_pending(|pending| pending.session == sid && pending.device == device, out);
        if is_known {
            self.end_carrier(account, sid, out);
        }
    }

    /// The device that should get a keys-only envelope now; only where an account has several devices,
    /// otherwise the next content brings them.
    pub(super) fn lacking(&self, conversation: &Conversation) -> Option<DeviceId> {
        let current = self.outbound.get(&conversation.current?)?;
        if conversation.devices.len() < 2 {
            return None;
        }
        conversation.devices.iter().find(|device| is_share_due(current, **device, self.now)).copied()
    }

    fn plan(&self, to: AccountId, keys_only: bool) -> Option<Plan> {
        let conversation = self.conversations.get(&to)?;
        let current = conversation.current.and_then(|sid| self.outbound.get(&sid));
        let counts = |member: &Member| conversation.devices.contains(&member.device);
        let shrunk = current.is_some_and(|(outbound, _)| !outbound.members.iter().all(counts));
        let renew = shrunk || current.is_none_or(|current| self.is_renewal_due(conversation, current));
        let kept = current.filter(|_| !renew);
        let owed = conversation.devices.iter().find(|d| self.peers.get(d).is_some_and(|peer| peer.owed));
        let way = match (&conversation.devices[..], owed) {
            ([], _) => return None,
            ([device], Some(_)) => Way::First(*device),
            (_, Some(device)) if keys_only => Way::First(*device),
            ([device], None) => {
                let due = kept.is_none_or(|current| is_share_due(current, *device, self.now));
                if due || keys_only { self.way_to(conversation, *device, renew, shrunk) } else { Way::Own }
            }
            (devices, _) if keys_only => {
                let device = self.lacking(conversation).or_else(|| devices.first().copied())?;
                self.way_to(conversation, device, true, true)
            }
            _ => Way::Own,
        };
        Some(Plan { renew, shrunk, way })
    }

    fn way_to(&self, conversation: &Conversation, device: DeviceId, renew: bool, shrunk: bool) -> Way {
        let carrier = if renew { conversation.current.filter(|_| !shrunk) } else { conversation.carrier };
        // Shares that nobody receipts must not run past the reader's look-ahead.
        let reaches = |(outbound, live): &(Outbound, Live)| outbound.is_known() && !live.is_lagging();
        if let Some(sid) = carrier.filter(|sid| self.outbound.get(sid).is_some_and(reaches)) {
            return Way::Carrier(device, sid);
        }
        match self.peers.get(&device).and_then(|peer| peer.control()) {
            Some(at) => Way::Control(device, at),
            None => Way::First(device),
        }
    }

    fn is_renewal_due(&self, conversation: &Conversation, (outbound, live): &(Outbound, Live)) -> bool {
        let grown = |device: &DeviceId| outbound.member(*device).is_none();
        if !outbound.is_known() || live.is_lagging() {
            return false;
        }
        let since = |then: u64| self.now_s.saturating_sub(then);
        let first_secret = |member: &Member| {
            let newest = self.peers.get(&member.device).map_or((NONE, NONE), |peer| peer.kem);
            (member.kem.0 == NONE && newest.0 != NONE) || (member.kem.1 == NONE && newest.1 != NONE)
        };
        since(outbound.created_s) >= RENEW_S
            || outbound.round_trip_s.is_some_and(|then| since(then) >= ROUND_TRIP_S)
            || conversation.devices.iter().any(grown)
            || outbound.members.iter().any(first_secret)
    }

    /// Begins a session where one is due, and encrypts its share where the plan has one. This is where
    /// sealing can still fail, so everything after it cannot.
    fn pack(
        &mut self,
        to: AccountId,
        letter: &Letter<'_>,
        plan: Plan,
        out: &mut Outbox,
    ) -> Result<Option<Packed>, SealError> {
        let device = match plan.way {
            Way::Own => None,
            Way::Carrier(device, _) | Way::Control(device, _) | Way::First(device) => Some(device),
        };
        let is_first = matches!(plan.way, Way::First(_));
        let session = device.map(|device| self.olm_towards(letter, device, is_first)).transpose()?;
        if plan.renew {
            self.begin_session(to, plan.shrunk, out);
        }
        let (Some(device), Some((session, state))) = (device, session) else { return Ok(None) };
        let kem = self.kem_for(letter, device, is_first, out)?;
        let sid = self.current(letter.to)?;
        let share = self.share_of(sid, device, to, letter.contents.is_empty(), &session);
        let mut state = state;
        let olm = self.ratchet.olm_encrypt(&mut state, &share.to_bytes(), &mut self.rng)?;
        self.records.put(out, records::olm(&session.id), &state);
        if let Some(seed) = share.seed {
            self.add_seed(letter.own.device_id(), device, &seed, false, &mut Vec::new(), out);
        }
        let psk = session.psk;
        self.keep_olm(device, session, out);
        let seed = share.seed.map(|seed| kdf("rec", &[&seed]));
        Ok(Some(Packed { olm, psk, share_id: self.rng.bytes(), kem, seed }))
    }

    /// The Olm session to write on: for a first contact one that still brings pre-key messages for the
    /// peer's generation, else the one that last received.
    fn olm_towards(
        &mut self,
        letter: &Letter<'_>,
        device: DeviceId,
        is_first: bool,
    ) -> Result<(OlmRef, OlmState), SealError> {
        let unknown = SealError::UnknownPeer { to: letter.to };
        let peer = self.peers.get(&device).ok_or(unknown)?;
        let fits = |session: &&OlmRef| {
            let started = session.started.as_ref().is_some_and(|s| s.seq == peer.bundle.seq);
            !is_first || (session.received == 0 && started && session.psk == peer.psk && !peer.owed)
        };
        let held = if is_first { peer.olm.iter().find(fits) } else { peer.best_olm() };
        if let Some(held) = held {
            let state: Option<OlmState> = self.records.load(letter.read, &records::olm(&held.id))?;
            let state = state.ok_or_else(|| records::broken("an Olm session is missing"))?;
            return Ok((held.clone(), state));
        }
        let their = AccountKeys { identity: peer.cert.olm, fallback: peer.bundle.fallback };
        let (seq, psk) = (peer.bundle.seq, peer.psk);
        let account = letter.own.generation().olm();
        let state = self.ratchet.olm_start(account, their, &mut self.rng)?;
        let id: OlmId = self.ratchet.olm_id(&state)?;
        let started = Some(Started { seq, seed: self.rng.bytes() });
        Ok((OlmRef { id, psk, received: 0, started }, state))
    }

    fn keep_olm(&mut self, device: DeviceId, session: OlmRef, out: &mut Outbox) {
        let Some(peer) = self.peers.get_mut(&device) else { return };
        let mut surplus = Vec::new();
        if !peer.olm.iter().any(|held| held.id == session.id) {
            // What never received goes first, then what was silent longest.
            peer.olm.sort_by_key(|held| held.received);
            surplus = keep_newest(&mut peer.olm, OLM_SESSIONS - 1);
            peer.olm.push(session);
        }
        self.put_peer(device, out);
        for session in surplus {
            self.end_olm(session.id, out);
        }
    }

    pub(super) fn accepted_olm(&mut self, device: DeviceId, session: OlmRef, out: &mut Outbox) {
        let id = session.id;
        self.keep_olm(device, session, out);
        if let Some(peer) = self.peers.get_mut(&device) {
            peer.received_on(&id);
        }
    }

    /// The KEM secrets for a share. A key of the peer that nothing was encapsulated to yet is used now.
    fn kem_for(
        &mut self,
        letter: &Letter<'_>,
        device: DeviceId,
        is_first: bool,
        out: &mut Outbox,
    ) -> Result<KemUse, SealError> {
        let none = (NONE, [0; 32]);
        if is_first {
            // The peer may have lost what it knew: a first contact hangs on the invite alone.
            return Ok(KemUse { outward: none, inward: none, unconfirmed: None });
        }
        let mut kem: Kem = self.records.load(letter.read, &records::kem(device))?.unwrap_or_default();
        if let Some((seq, key)) = kem.key.as_ref().filter(|(seq, _)| *seq != kem.used) {
            let (ciphertext, secret) = key.encapsulate(&mut self.rng);
            let id = kem_id(&ciphertext);
            kem.used = *seq;
            let unconfirmed = Some(Encapsulated { seq: kem.used, ciphertext });
            kem.outward.push(Outward { id, secret: *secret.bytes(), unconfirmed });
            keep_newest(&mut kem.outward, KEM_SECRETS);
            self.records.put(out, records::kem(device), &kem);
        }
        let newest = kem.outward.last();
        let outward = newest.map_or(none, |outward| (outward.id, outward.secret));
        let inward = kem.inward.last().copied().unwrap_or(none);
        if let Some(peer) = self.peers.get_mut(&device) {
            peer.kem = (outward.0, inward.0);
        }
        Ok(KemUse { outward, inward, unconfirmed: newest.and_then(|newest| newest.unconfirmed.clone()) })
    }

    /// A new session for everybody who counts; the one before carries its shares, unless somebody who
    /// must not read on knows its chain.
    fn begin_session(&mut self, to: AccountId, shrunk: bool, out: &mut Outbox) {
        let writer = self.ratchet.megolm_new(&mut self.rng);
        let (export, link) = (writer.export(), Link::new(self.rng.bytes()));
        let sid = session_name(&export);
        let Some(conversation) = self.conversations.get_mut(&to) else { return };
        let member = |device: &DeviceId| Member {
            device: *device,
            known: false,
            due: 0,
            lapses: Time(0),
            kem: (NONE, NONE),
        };
        let outbound = Outbound {
            account: to,
            members: conversation.devices.iter().map(member).collect(),
            origin: Some(Origin::new(&export, &link)),
            created_s: self.now_s,
            round_trip_s: None,
        };
        let before = conversation.current.replace(sid);
        let superfluous = if shrunk { before } else { conversation.carrier };
        let carrier = before.filter(|_| !shrunk);
        let also = conversation.carrier.filter(|_| shrunk);
        conversation.carrier = carrier;
        let live = Live { writer: Some(writer), link, index: 0, sent: 0, acked: 0 };
        self.records.put(out, records::outbound(sid), &outbound);
        self.records.put(out, records::hot(sid), &live.to_record());
        self.outbound.insert(sid, (outbound, live));
        for sid in [also, superfluous].into_iter().flatten() {
            self.finish(to, sid, out);
        }
        if let Some(carrier) = carrier {
            self.retire(carrier, out);
        }
        self.put_conversation(to, out);
    }

    /// A session that only carries shares from now on: its Megolm state goes.
    fn retire(&mut self, sid: Sid, out: &mut Outbox) {
        let Some((_, live)) = self.outbound.get_mut(&sid) else { return };
        live.writer = None;
        self.records.put(out, records::hot(sid), &live.to_record());
    }

    fn end_carrier(&mut self, account: AccountId, current: Sid, out: &mut Outbox) {
        let Some(conversation) = self.conversations.get_mut(&account) else { return };
        if conversation.current != Some(current) {
            return;
        }
        let Some(carrier) = conversation.carrier.take() else { return };
        self.finish(account, carrier, out);
        self.put_conversation(account, out);
    }

    /// Removes a session, to tell with the next share that nothing follows.
    fn finish(&mut self, account: AccountId, sid: Sid, out: &mut Outbox) {
        let Some(live) = self.remove_outbound(sid, out) else { return };
        if let Some(conversation) = self.conversations.get_mut(&account) {
            let name = core::array::from_fn(|i| sid[i]);
            conversation.ended = Some((name, live.index));
        }
    }

    pub(super) fn remove_outbound(&mut self, sid: Sid, out: &mut Outbox) -> Option<Live> {
        let (_, live) = self.outbound.remove(&sid)?;
        self.records.delete(out, records::outbound(sid));
        self.records.delete(out, records::hot(sid));
        self.drop_pending(|pending| pending.session == sid, out);
        Some(live)
    }

    fn drop_pending(&mut self, is_gone: impl Fn(&Pending) -> bool, out: &mut Outbox) {
        let (pending, records) = (&mut self.pending, &mut self.records);
        pending.retain(|commit, pending| {
            if is_gone(pending) {
                records.delete(out, records::pending(*commit));
                return false;
            }
            true
        });
    }

    fn put_conversation(&mut self, account: AccountId, out: &mut Outbox) {
        if let Some(conversation) = self.conversations.get(&account) {
            self.records.put(out, records::conversation(account), conversation);
        }
    }

    fn current(&self, to: ConversationId) -> Result<Sid, SealError> {
        let current = match to {
            ConversationId::Person(account) => self.conversations.get(&account).and_then(|c| c.current),
            ConversationId::Group(_) => None,
        };
        current.ok_or(SealError::UnknownPeer { to })
    }

    pub(super) fn share_of(
        &mut self,
        sid: Sid,
        device: DeviceId,
        to: AccountId,
        tell: bool,
        olm: &OlmRef,
    ) -> Share {
        let (outbound, live) = &self.outbound[&sid];
        let from_start = outbound.origin.as_ref().and_then(|o| Some((o.export()?, Link::new(o.link))));
        let from_here = || {
            let export = live.writer.as_ref().map_or([0; 165], |writer| writer.export());
            (export, live.link.clone())
        };
        let (export, link) = from_start.unwrap_or_else(from_here);
        let next = tell.then_some(live.index);
        let ended = self.conversations.get(&to).and_then(|conversation| conversation.ended);
        let seed = match &olm.started {
            Some(started) => Some(started.seed),
            None if self.peers.get(&device).is_some_and(super::state::Peer::wants_seed) => {
                Some(self.rng.bytes())
            }
            None => None,
        };
        Share { export, link, ended, seed, next }
    }

    fn seal_own(&mut self, letter: &Letter<'_>, out: &mut Outbox) -> Result<SealedEnvelope, SealError> {
        let sid = self.current(letter.to)?;
        let (megolm, item) = self.encrypt_next(sid, letter.contents, out)?;
        let payload = if let [_] = letter.contents {
            megolm
        } else {
            Full { several: true, megolm, ..Full::default() }.to_bytes()
        };
        let (outbound, _) = &self.outbound[&sid];
        let only =
            if let [member] = &outbound.members[..] { Some((member.device, member.known)) } else { None };
        let commit = match only {
            Some(_) => commitment(item.ack),
            None => AckCommit(self.rng.bytes()),
        };
        let next = self.outbound[&sid].1.index;
        if let Some((device, _)) = only.filter(|(_, known)| !known || next.is_multiple_of(PROBE_EVERY)) {
            self.expect(commit, Pending { session: sid, device, next, told: 0, seed: None }, out);
        }
        let (header, size) = header_for(letter, &payload, item.tag, commit)?;
        self.finish_envelope(header, size, &item, &payload, only.is_some())
    }

    /// Encrypts contents as the session's next message. Its item goes with it, whichever tag the
    /// envelope bears: index and item never part.
    pub(super) fn encrypt_next(
        &mut self,
        sid: Sid,
        contents: &[Vec<u8>],
        out: &mut Outbox,
    ) -> Result<(Vec<u8>, Item), SealError> {
        let lost = || records::broken("a sender session has no state");
        let (_, live) = self.outbound.get_mut(&sid).ok_or_else(lost)?;
        let writer = live.writer.as_mut().ok_or_else(lost)?;
        let megolm = match contents {
            [content] => writer.encrypt(content),
            several => writer.encrypt(&codec::encode(&several)),
        };
        let item = live.link.step();
        live.index += 1;
        live.sent += 1;
        self.records.put(out, records::hot(sid), &live.to_record());
        Ok((megolm, item))
    }

    fn seal_with_share(
        &mut self,
        letter: &Letter<'_>,
        way: Way,
        device: DeviceId,
        packed: Packed,
        out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        let sid = self.current(letter.to)?;
        let mut full = self.full_payload(letter, sid, device, &packed);
        if !letter.contents.is_empty() {
            full.several = letter.contents.len() > 1;
            (full.megolm, _) = self.encrypt_next(sid, letter.contents, out)?;
        }
        let told = full.refresh.as_ref().map(|_| letter.own.generation().seq());
        let refresh_fits = full.to_bytes().len() + SESSION_OVERHEAD <= REFRESH_CLASS.body_len();
        let told = told.filter(|_| refresh_fits).unwrap_or(0);
        full.refresh = full.refresh.filter(|_| refresh_fits);
        let item = self.carrier_item(way, out)?;
        let single = !matches!(way, Way::Carrier(..)) || self.outbound[&sid].0.members.len() == 1;
        let commit = if single { commitment(item.ack) } else { AckCommit(self.rng.bytes()) };
        let (header, size) = header_for(letter, &full.to_bytes(), item.tag, commit)?;
        let wrapped = self.wrap(letter, device, &packed, &header)?;
        if let Some(parcel) = full.parcels.first_mut() {
            parcel.wrapped = wrapped;
        }
        self.shared(sid, device, letter.lifetime, &packed.kem, out);
        let next = self.outbound[&sid].1.index;
        self.expect(commit, Pending { session: sid, device, next, told, seed: packed.seed }, out);
        self.finish_envelope(header, size, &item, &full.to_bytes(), single)
    }

    /// The payload around a share; the wrap's place is filled with zeros of its length.
    fn full_payload(&mut self, letter: &Letter<'_>, sid: Sid, device: DeviceId, packed: &Packed) -> Full {
        let own = letter.own;
        let parcel = packed.parcel(sid, vec![0; packed.olm.len() + 16]);
        let peer = self.peers.get_mut(&device);
        let (told, failed) = peer.map_or((0, Vec::new()), |p| (p.told, core::mem::take(&mut p.failed)));
        let news = told < own.generation().seq();
        let refresh = news.then(|| Refresh { intro: own.intro().to_intro(), kem: own.kem_key().clone() });
        let secret = packed.kem.unconfirmed.clone();
        Full { parcels: vec![parcel], secret, refresh, failed, several: false, megolm: Vec::new() }
    }

    fn carrier_item(&mut self, way: Way, out: &mut Outbox) -> Result<Item, SealError> {
        let lost = || records::broken("a chain is missing");
        match way {
            Way::Carrier(_, sid) => {
                let (_, live) = self.outbound.get_mut(&sid).ok_or_else(lost)?;
                let item = live.link.step();
                live.index += 1;
                self.records.put(out, records::hot(sid), &live.to_record());
                Ok(item)
            }
            Way::Control(device, at) => {
                let peer = self.peers.get_mut(&device).ok_or_else(lost)?;
                let seed = peer.seeds.get_mut(at).ok_or_else(lost)?;
                let mut link = Link::new(seed.link);
                let item = link.step();
                (seed.link, seed.used) = (*link.0, seed.used + 1);
                self.put_peer(device, out);
                Ok(item)
            }
            Way::Own | Way::First(_) => Err(lost().into()),
        }
    }

    fn seal_first(
        &mut self,
        letter: &Letter<'_>,
        device: DeviceId,
        packed: Packed,
        out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        let (sid, own) = (self.current(letter.to)?, letter.own);
        let ack = Ack(self.rng.bytes());
        let commit = commitment(ack);
        let header = Envelope::header(FIRST_CLASS, letter.lifetime, Tag(self.rng.bytes()), commit);
        let wrapped = self.wrap(letter, device, &packed, &header)?;
        let (several, mut megolm) = (letter.contents.len() > 1, Vec::new());
        if !letter.contents.is_empty() {
            (megolm, _) = self.encrypt_next(sid, letter.contents, out)?;
        }
        self.shared(sid, device, letter.lifetime, &packed.kem, out);
        let lost = || records::broken("a peer is missing");
        let now_s = self.now_s;
        let peer = self.peers.get_mut(&device).ok_or_else(lost)?;
        let failed = core::mem::take(&mut peer.failed);
        (peer.owed, peer.answered_s) = (false, if peer.owed { Some(now_s) } else { peer.answered_s });
        let first = First {
            intro: own.intro().to_intro(),
            seq: peer.bundle.seq,
            kem: own.kem_key().clone(),
            ack,
            failed,
            parcel: packed.parcel(sid, wrapped),
            several,
            megolm,
        };
        let (to, prekey, psk) = (peer.cert.clone(), peer.bundle.prekey, peer.psk);
        self.put_peer(device, out);
        let from = own.noise().private();
        let seal = FirstSeal { header: &header, from, to: &to, prekey: &prekey, psk: &psk };
        let payload = codec::encode(&first);
        let body = self
            .sealer
            .seal_first(&seal, &payload, &mut self.rng)
            .map_err(|e| SealError::TooLong { got: e.got, limit: e.limit })?;
        let (told, next) = (own.generation().seq(), self.outbound[&sid].1.index);
        self.expect(commit, Pending { session: sid, device, next, told, seed: packed.seed }, out);
        sealed(&header, &body, commit, true, true)
    }

    /// A share was sealed: it is due again after [`SHARE_EVERY`] messages, or [`KNOWN_SHARE_EVERY`], or when its envelope
    /// has ended.
    fn shared(&mut self, sid: Sid, device: DeviceId, lifetime: Lifetime, kem: &KemUse, out: &mut Outbox) {
        let lapses = self.now + lifetime.span();
        let Some((outbound, live)) = self.outbound.get_mut(&sid) else { return };
        let last = live.sent.saturating_sub(1);
        if let Some(member) = outbound.member_mut(device) {
            let pace = if member.known { KNOWN_SHARE_EVERY } else { SHARE_EVERY };
            (member.due, member.lapses) = (last + pace, lapses);
            member.kem = (kem.outward.0, kem.inward.0);
        }
        self.records.put(out, records::outbound(sid), outbound);
    }

    fn wrap(
        &self,
        letter: &Letter<'_>,
        device: DeviceId,
        packed: &Packed,
        header: &Header,
    ) -> Result<Vec<u8>, SealError> {
        let peer = self.peers.get(&device).ok_or(RatchetError::State { what: "peer" })?;
        let KemUse { outward, inward, .. } = &packed.kem;
        let wrap = Wrap {
            from: &letter.own.cert().device.0,
            to: &peer.cert.device.0,
            psk: &packed.psk,
            outward: (&outward.0, &outward.1),
            inward: (&inward.0, &inward.1),
            share_id: &packed.share_id,
        };
        Ok(wrap.seal(header, &packed.olm))
    }

    fn expect(&mut self, commit: AckCommit, pending: Pending, out: &mut Outbox) {
        self.records.put(out, records::pending(commit), &pending);
        self.pending.insert(commit, pending);
    }

    fn finish_envelope(
        &mut self,
        header: Header,
        size: SizeClass,
        item: &Item,
        payload: &[u8],
        single: bool,
    ) -> Result<SealedEnvelope, SealError> {
        let body = self
            .sealer
            .seal(&header, &item.psk, size, payload, &mut self.rng)
            .map_err(|e| SealError::TooLong { got: e.got, limit: e.limit })?;
        let mut commit = [0; 16];
        commit.copy_from_slice(&header[18..]);
        sealed(&header, &body, AckCommit(commit), single, false)
    }
}

/// Whether a device must get the share of this session with the next envelope.
fn is_share_due((outbound, live): &(Outbound, Live), device: DeviceId, now: Time) -> bool {
    let Some(member) = outbound.member(device) else { return true };
    // Only an envelope for one device is receipted: with more of them nothing can be seen to lag.
    let is_lagging = outbound.members.len() == 1 && live.is_lagging();
    (!member.known || is_lagging) && (live.sent >= member.due || now >= member.lapses)
}

impl Packed {
    fn parcel(&self, sid: Sid, wrapped: Vec<u8>) -> Parcel {
        let KemUse { outward, inward, .. } = &self.kem;
        Parcel {
            share_id: self.share_id,
            outward: outward.0,
            inward: inward.0,
            session: prefix(&sid),
            wrapped,
        }
    }
}

fn header_for(
    letter: &Letter<'_>,
    payload: &[u8],
    tag: Tag,
    commit: AckCommit,
) -> Result<(Header, SizeClass), SealError> {
    let got = payload.len() + SESSION_OVERHEAD;
    let too_long = SealError::TooLong { got: payload.len(), limit: session_room() };
    let size = SizeClass::fitting(got).ok_or(too_long)?;
    Ok((Envelope::header(size, letter.lifetime, tag, commit), size))
}

fn sealed(
    header: &Header,
    body: &[u8],
    commit: AckCommit,
    single_device: bool,
    first_contact: bool,
) -> Result<SealedEnvelope, SealError> {
    let envelope = Envelope::new(*header, body, 0)
        .map_err(|_| records::broken("a sealed body has not the length of its class"))?;
    Ok(SealedEnvelope { envelope, commit, single_device, first_contact, place: None })
}
