//! Reading: whose envelope, what it brings, what it held.

use super::chain::Item;
use super::inbound::OpenError;
use super::payload::{Encapsulated, First, Full, MAX_FAILED, Parcel, Payload, Refresh};
use super::records::{self, Sid};
use super::share::{KemId, KemSecret, Share, Wrap};
use super::state::{KEM_SECRETS, Kem, OlmRef, Reads, SEEN, binding, keep_newest, prefix};
use super::{Delivery, FirstContact, Opened, Sessions};
use crate::crypto::kem::{KemKey, kem_id};
use crate::crypto::ratchet::OlmState;
use crate::crypto::seal::{FIRST_CLASS, FirstOpen, FirstOpened};
use crate::crypto::{OwnIdentity, VerifiedIntro};
use crate::id::{AccountId, ConversationId, DeviceId, Tag};
use crate::outbox::Outbox;
use crate::store::Read;
use crate::time::{Now, Time};
use crate::wire::Envelope;
use crate::wire::codec;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Contents that one envelope may hold: each may cost a read of storage and several writes (PROTOCOL.md section 7).
const MAX_CONTENTS: usize = 64;
/// A device's first contact is owed at most once in this time, in seconds: 10 minutes.
const ANSWER_EVERY_S: u64 = 600;
/// Chains of one tag that are tried: the writer's, and those of some who claim its session.
const MAX_CLAIMS: usize = 8;
/// Why a message of a claimed session is refused: the claim ends, and nothing of the writer's is used up.
const NOT_THE_WRITER: &str = "a message of another device or group than its session's share told";

/// An envelope at work, and what is needed to open it.
struct Work<'a> {
    own: &'a OwnIdentity,
    read: &'a dyn Read,
    envelope: &'a Envelope,
}

/// A first contact after its outer seal.
struct Opening {
    sender: [u8; 32],
    psk: Zeroizing<[u8; 32]>,
    invite: Option<u32>,
    is_spent: bool,
    payload: Zeroizing<Vec<u8>>,
}

/// What came of a share.
enum Unpacked {
    /// The plaintext of the Olm message.
    Plain(Vec<u8>),
    /// The message was received before.
    Again,
    /// It does not open: keys are missing on one side.
    Failed,
}

impl Sessions {
    /// Tries to open an envelope. What it uses up is deleted in the same batch of writes: store the
    /// contents there too.
    pub fn open(
        &mut self,
        now: Now,
        own: &OwnIdentity,
        read: &dyn Read,
        envelope: &Envelope,
        out: &mut Outbox,
    ) -> Opened {
        self.begin(now);
        if !envelope.is_current() {
            return Opened::Foreign;
        }
        let work = Work { own, read, envelope };
        for (sid, index) in self.claims(envelope.tag()) {
            match self.item(read, sid, index) {
                Ok(Some(item)) if item.tag == envelope.tag() => {
                    match self.open_item(&work, (sid, index), &item, out) {
                        Opened::Rejected(NOT_THE_WRITER) => self.end(self.now_s, sid, out),
                        opened => return opened,
                    }
                }
                Ok(_) => {}
                Err(_) => return Opened::Rejected("the key of its tag cannot be read"),
            }
        }
        if envelope.size() == Some(FIRST_CLASS) {
            self.open_first(now.mono, &work, out)
        } else {
            Opened::Foreign
        }
    }

    /// The items of a tag: more than one where several devices claim a session. A group's come first, since its
    /// messages show who wrote them.
    fn claims(&self, tag: Tag) -> Vec<(Sid, u32)> {
        let tag = prefix(&tag.0);
        let found = self.tags.range((tag, 0, 0)..=(tag, u32::MAX, u32::MAX)).take(MAX_CLAIMS);
        let mut claims: Vec<_> =
            found.filter_map(|(_, slot, index)| Some((*self.slots.get(slot)?, *index))).collect();
        let is_group = |sid: &Sid| self.inbound.get(sid).is_some_and(|i| matches!(i.reads, Reads::Group(_)));
        claims.sort_by_key(|(sid, _)| !is_group(sid));
        claims
    }

    fn open_item(
        &mut self,
        work: &Work<'_>,
        (sid, index): (Sid, u32),
        item: &Item,
        out: &mut Outbox,
    ) -> Opened {
        let envelope = work.envelope;
        // Anybody can copy a tag: only what opens uses the item up.
        let Some(plain) = self.sealer.open(envelope.header_bytes(), &item.psk, envelope.body()) else {
            return Opened::Rejected("the seal does not fit its tag");
        };
        let Some(inbound) = self.inbound.get(&sid) else { return Opened::Foreign };
        let (account, device, is_control) = (inbound.account, inbound.device, inbound.is_control());
        let conversation = inbound.conversation();
        if conversation.group().is_some_and(|group| !self.hears(group, account)) {
            return Opened::Foreign;
        }
        let ack = (super::commitment(item.ack) == envelope.ack_commit()).then_some(item.ack);
        let mut delivery = Delivery { conversation, ..Delivery::empty(account, device) };
        let result = match Payload::from_bytes(&plain) {
            None => Err("the payload is malformed"),
            Some(Payload::Bare(_)) if is_control => Err("a message on a control chain"),
            Some(Payload::Bare(megolm)) => self.take_message(work, sid, index, &megolm, false, &mut delivery),
            Some(Payload::Full(full)) => self.take_full(work, (sid, index), &full, &mut delivery, out),
        };
        if result == Err(NOT_THE_WRITER) {
            return Opened::Rejected(NOT_THE_WRITER);
        }
        self.consume(self.now_s, sid, index, item.tag, out);
        self.look_ahead(sid, index, &mut delivery.new_tags, out);
        self.watch_gaps(sid, index, out);
        self.heard(sid, (account, device), conversation, out);
        match result {
            Err(reason) => Opened::Rejected(reason),
            Ok(false) => Opened::Delivery(Box::new(delivery)),
            Ok(true) => {
                delivery.ack = ack;
                Opened::Delivery(Box::new(delivery))
            }
        }
    }

    /// Opens a Megolm message that must stand at `index`. Returns that the envelope did its work.
    fn take_message(
        &mut self,
        work: &Work<'_>,
        sid: Sid,
        index: u32,
        megolm: &[u8],
        several: bool,
        delivery: &mut Delivery,
    ) -> Result<bool, &'static str> {
        let opened = self.decrypt(work.read, sid, megolm).map_err(reason)?;
        if opened.index != index {
            return Err("a message under another index");
        }
        delivery.contents = self.contents(sid, opened.plaintext, several)?;
        Ok(true)
    }

    fn take_full(
        &mut self,
        work: &Work<'_>,
        (sid, index): (Sid, u32),
        full: &Full,
        delivery: &mut Delivery,
        out: &mut Outbox,
    ) -> Result<bool, &'static str> {
        let device = delivery.device;
        let key = self.take_refresh(device, full.refresh.as_ref(), out);
        self.take_kem(work, device, key, full.secret.as_ref(), out);
        delivery.resend.clone_from(&full.failed);
        self.reshare_after(&full.failed, delivery.account, device, out);
        if full.parcels.is_empty() {
            if full.megolm.is_empty() {
                return Ok(true);
            }
            return self.take_message(work, sid, index, &full.megolm, full.several, delivery);
        }
        let mut shared = None;
        for parcel in &full.parcels {
            shared = shared.or(self.take_parcel(work, parcel, delivery, out)?);
        }
        let Some(shared) = shared else {
            self.owe(device, work.envelope, out);
            return Ok(false);
        };
        if full.megolm.is_empty() {
            return Ok(true);
        }
        self.take_carried(work, shared, (&full.megolm, full.several), delivery, out)
    }

    /// A message beside its session's share: its own item is used up although the tag was another's.
    fn take_carried(
        &mut self,
        work: &Work<'_>,
        sid: Sid,
        (megolm, several): (&[u8], bool),
        delivery: &mut Delivery,
        out: &mut Outbox,
    ) -> Result<bool, &'static str> {
        if self.inbound.get(&sid).is_some_and(|inbound| matches!(inbound.reads, Reads::Group(_))) {
            return Err("a message beside the share of a group's session");
        }
        let opened = self.decrypt(work.read, sid, megolm).map_err(reason)?;
        self.look_ahead(sid, opened.index, &mut delivery.new_tags, out);
        let item = self.item(work.read, sid, opened.index).map_err(|_| "a key cannot be read")?;
        let Some(item) = item else { return Err("a message whose key is used up") };
        self.consume(self.now_s, sid, opened.index, item.tag, out);
        self.watch_gaps(sid, opened.index, out);
        delivery.contents = self.contents(sid, opened.plaintext, several)?;
        Ok(true)
    }

    /// What a Megolm message held. In a group's session it begins with who wrote it and where.
    fn contents(&self, sid: Sid, mut plain: Vec<u8>, several: bool) -> Result<Vec<Vec<u8>>, &'static str> {
        let Some(inbound) = self.inbound.get(&sid) else { return Err("the session has ended") };
        if let Reads::Group(group) = inbound.reads {
            let bound = binding(group, inbound.device);
            plain = plain.strip_prefix(&bound).map(<[u8]>::to_vec).ok_or(NOT_THE_WRITER)?;
        }
        contents(plain, several)
    }

    /// The session that a parcel shares; `None` where neither the share nor the session is there.
    fn take_parcel(
        &mut self,
        work: &Work<'_>,
        parcel: &Parcel,
        delivery: &mut Delivery,
        out: &mut Outbox,
    ) -> Result<Option<Sid>, &'static str> {
        let device = delivery.device;
        let psks: Vec<[u8; 32]> = self.peers.get(&device).map_or_else(Vec::new, |peer| {
            let mut psks: Vec<_> = peer.olm.iter().map(|session| session.psk).collect();
            psks.dedup();
            psks
        });
        for psk in psks {
            if let Unpacked::Plain(plain) = self.unpack(work, device, parcel, &psk, out) {
                return self.take_share(work, &plain, delivery, out);
            }
        }
        Ok(self.session_of(device, parcel))
    }

    fn take_share(
        &mut self,
        work: &Work<'_>,
        plain: &[u8],
        delivery: &mut Delivery,
        out: &mut Outbox,
    ) -> Result<Option<Sid>, &'static str> {
        let (account, device) = (delivery.account, delivery.device);
        let Some((share, [])) = Share::from_prefix(plain) else { return Err("a malformed share") };
        if let Some(seed) = &share.seed {
            self.add_seed(work.own.device_id(), device, seed, true, &mut delivery.new_tags, out);
            self.put_peer(device, out);
        }
        if let Some(group) = share.group {
            delivery.conversation = group.into();
        }
        self.import(self.now_s, (account, device), &share, &mut delivery.new_tags, out)
    }

    /// The session that a parcel names, where an earlier share brought it.
    fn session_of(&self, device: DeviceId, parcel: &Parcel) -> Option<Sid> {
        self.read_named(device, &parcel.session)
    }

    /// Takes the wrap and Olm off a parcel.
    fn unpack(
        &mut self,
        work: &Work<'_>,
        device: DeviceId,
        parcel: &Parcel,
        psk: &[u8; 32],
        out: &mut Outbox,
    ) -> Unpacked {
        let Some(peer) = self.peers.get(&device) else { return Unpacked::Failed };
        let kem: Option<Kem> = self.records.load(work.read, &records::kem(device)).ok().flatten();
        let mut kem = kem.unwrap_or_default();
        let from_peer = |id: &KemId| find(id, kem.inward.iter().map(|(id, secret)| (id, secret)));
        let from_us = |id: &KemId| find(id, kem.outward.iter().map(|o| (&o.id, &o.secret)));
        let (Some(outward), Some(inward)) = (from_peer(&parcel.outward), from_us(&parcel.inward)) else {
            return Unpacked::Failed;
        };
        let wrap = Wrap {
            from: &peer.cert.device.0,
            to: &work.own.cert().device.0,
            psk,
            outward: (&parcel.outward, &outward),
            inward: (&parcel.inward, &inward),
            share_id: &parcel.share_id,
        };
        let Some(olm) = wrap.open(work.envelope.header_bytes(), &parcel.wrapped) else {
            return Unpacked::Failed;
        };
        if confirm(&mut kem, &parcel.inward) {
            self.records.put(out, records::kem(device), &kem);
        }
        self.olm_open(work, device, psk, &olm, out)
    }

    fn olm_open(
        &mut self,
        work: &Work<'_>,
        device: DeviceId,
        psk: &[u8; 32],
        message: &[u8],
        out: &mut Outbox,
    ) -> Unpacked {
        let Some(peer) = self.peers.get(&device) else { return Unpacked::Failed };
        let mut held: Vec<OlmRef> = peer.olm.clone();
        let identity = peer.cert.olm;
        if let Some(id) = self.ratchet.olm_session_of(message) {
            if self.ended_olm.contains(&id) {
                return Unpacked::Again;
            }
            held.retain(|session| session.id == id);
            if held.is_empty() {
                return self.olm_accept(work, device, identity, psk, message, out);
            }
        }
        held.sort_by_key(|session| core::cmp::Reverse(session.received));
        let is_prekey = self.ratchet.olm_session_of(message).is_some();
        for session in held {
            let key = records::olm(&session.id);
            let Ok(Some(mut state)) = self.records.load::<OlmState>(work.read, &key) else { continue };
            let Ok(plain) = self.ratchet.olm_decrypt(&mut state, message) else { continue };
            self.records.put(out, key, &state);
            if let Some(peer) = self.peers.get_mut(&device) {
                peer.received_on(&session.id);
            }
            self.put_peer(device, out);
            return Unpacked::Plain(plain);
        }
        if is_prekey { Unpacked::Again } else { Unpacked::Failed }
    }

    fn olm_accept(
        &mut self,
        work: &Work<'_>,
        device: DeviceId,
        identity: [u8; 32],
        psk: &[u8; 32],
        message: &[u8],
        out: &mut Outbox,
    ) -> Unpacked {
        for generation in work.own.generations() {
            let Ok((state, plain)) = self.ratchet.olm_accept(generation.olm(), identity, message) else {
                continue;
            };
            let Ok(id) = self.ratchet.olm_id(&state) else { continue };
            self.records.put(out, records::olm(&id), &state);
            let session = OlmRef { id, psk: *psk, received: 0, started: None };
            self.accepted_olm(device, session, out);
            self.put_peer(device, out);
            return Unpacked::Plain(plain);
        }
        Unpacked::Failed
    }

    fn open_first(&mut self, now: Time, work: &Work<'_>, out: &mut Outbox) -> Opened {
        let opening = match self.unseal_first(now, work) {
            Ok(opening) => opening,
            Err(opened) => return opened,
        };
        let Some(first) = First::from_bytes(&opening.payload) else {
            return Opened::Rejected("the payload is malformed");
        };
        let Ok(intro) = first.intro.verify() else { return Opened::Rejected("the intro does not verify") };
        if intro.cert().noise != opening.sender {
            return Opened::Mismatch(intro.account_id());
        }
        if intro.device_id() == work.own.device_id() {
            return Opened::Rejected("the intro is our own");
        }
        let is_new = !self.peers.contains_key(&intro.device_id());
        if is_new && opening.is_spent {
            return Opened::Rejected("the invite is used up");
        }
        if intro.check_kem(&first.kem).is_err() {
            return Opened::Rejected("the KEM key is not the signed one");
        }
        let (account, device) = (intro.account_id(), intro.device_id());
        let opened = match self.take_first(work, &opening, &first, intro, is_new, out) {
            Ok(opened) => opened,
            Err(reason) => Opened::Rejected(reason),
        };
        if is_new && !matches!(opened, Opened::Delivery(_)) {
            self.forget_newcomer(account, device, out);
        }
        opened
    }

    /// The outer seal of a first contact: every prekey once, and the pre-shared keys only of those
    /// that it was sealed to.
    fn unseal_first(&mut self, now: Time, work: &Work<'_>) -> Result<Opening, Opened> {
        self.agreements.check(now).map_err(Opened::Later)?;
        self.psk_trials.check(now).map_err(Opened::Later)?;
        for generation in work.own.generations() {
            let psks = work.own.psks(generation);
            let keys: Vec<_> = psks.iter().map(|psk| psk.psk.clone()).collect();
            let open = FirstOpen {
                header: work.envelope.header_bytes(),
                body: work.envelope.body(),
                to: work.own.cert(),
                prekey: generation.prekey().private(),
            };
            self.agreements.spend(1);
            match self.sealer.open_first(&open, &keys) {
                FirstOpened::Foreign => {}
                FirstOpened::NoKey => {
                    self.psk_trials.spend(keys.len() as u64);
                    return Err(Opened::Rejected("no invite of ours fits"));
                }
                FirstOpened::Opened { sender, psk, payload } => {
                    self.psk_trials.spend(psk as u64 + 1);
                    let fitting = psks.get(psk).ok_or(Opened::Foreign)?;
                    let (invite, is_spent) = (fitting.number, fitting.spent);
                    return Ok(Opening { sender, psk: fitting.psk.clone(), invite, is_spent, payload });
                }
            }
        }
        Err(Opened::Foreign)
    }

    fn take_first(
        &mut self,
        work: &Work<'_>,
        opening: &Opening,
        first: &First,
        intro: VerifiedIntro,
        is_new: bool,
        out: &mut Outbox,
    ) -> Result<Opened, &'static str> {
        let (account, device) = (intro.account_id(), intro.device_id());
        let learnt = self.learn_with(&intro, None, out);
        if is_new {
            learnt.map_err(|_| "as many devices of the account are known as may be")?;
        }
        let id = prefix(&work.envelope.id().0);
        let Some(peer) = self.peers.get_mut(&device) else { return Err("the device is not known") };
        if peer.account != account {
            return Err("the device belongs to another account");
        }
        if peer.seen.contains(&id) {
            return Ok(Opened::Duplicate);
        }
        peer.seen.push(id);
        keep_newest(&mut peer.seen, SEEN);
        self.take_kem(work, device, Some((intro.bundle().seq, first.kem.clone())), None, out);
        let mut delivery = Delivery::empty(account, device);
        let (shared, is_lost) = match self.unpack(work, device, &first.parcel, &opening.psk, out) {
            Unpacked::Plain(plain) => (self.take_share(work, &plain, &mut delivery, out)?, false),
            Unpacked::Again => (self.session_of(device, &first.parcel), false),
            Unpacked::Failed => (self.session_of(device, &first.parcel), true),
        };
        let contact = |inner_failed| FirstContact { intro, invite: opening.invite, inner_failed, is_new };
        if is_new && delivery.conversation != account.into() {
            self.keep_acquaintance(account, out)
                .map_err(|_| "as many members of groups are known as may be")?;
        } else if !is_lost && delivery.conversation == account.into() {
            self.know(account, out);
        }
        if let Some(sid) = shared {
            if !first.megolm.is_empty() {
                let megolm = (&first.megolm[..], first.several);
                self.take_carried(work, sid, megolm, &mut delivery, out)?;
            }
            delivery.resend.clone_from(&first.failed);
            self.reshare_after(&first.failed, account, device, out);
            delivery.ack = Some(first.ack);
            delivery.first_contact = Some(contact(false));
            if let Some(peer) = self.peers.get_mut(&device) {
                peer.heard_s = self.now_s;
            }
        } else if is_lost {
            self.owe(device, work.envelope, out);
            delivery.first_contact = Some(contact(true));
        } else {
            self.put_peer(device, out);
            return Ok(Opened::Duplicate);
        }
        self.put_peer(device, out);
        Ok(Opened::Delivery(Box::new(delivery)))
    }

    /// A share of a device did not open: it gets a first contact of ours, from which it can begin again.
    fn owe(&mut self, device: DeviceId, envelope: &Envelope, out: &mut Outbox) {
        let now_s = self.now_s;
        let Some(peer) = self.peers.get_mut(&device) else { return };
        peer.failed.push(envelope.id());
        keep_newest(&mut peer.failed, MAX_FAILED);
        let is_recent = peer.answered_s.is_some_and(|at| now_s.saturating_sub(at) < ANSWER_EVERY_S);
        peer.owed |= !is_recent;
        let account = peer.account;
        self.put_peer(device, out);
        if !is_recent {
            self.owing.insert(account);
            self.owe_in_group(account, device);
        }
    }

    /// A device could not open envelopes of ours: the current session's share is due again at once.
    fn reshare_after(
        &mut self,
        failed: &[crate::id::EnvelopeId],
        account: AccountId,
        device: DeviceId,
        out: &mut Outbox,
    ) {
        if failed.is_empty() {
            return;
        }
        self.reshare_in_groups(failed, account, device, out);
        let current = self.conversations.get(&account).and_then(|conversation| conversation.current);
        let Some(sid) = current else { return };
        let Some((outbound, _)) = self.outbound.get_mut(&sid) else { return };
        if let Some(member) = outbound.member_mut(device) {
            (member.known, member.due) = (false, 0);
            self.records.put(out, records::outbound(sid), outbound);
        }
    }

    /// A newer generation of the peer; its KEM key, where all signatures hold.
    pub(super) fn take_refresh(
        &mut self,
        device: DeviceId,
        refresh: Option<&Refresh>,
        out: &mut Outbox,
    ) -> Option<(u32, KemKey)> {
        let refresh = refresh?;
        let intro = refresh.intro.verify().ok().filter(|intro| intro.device_id() == device)?;
        intro.check_kem(&refresh.kem).ok()?;
        self.learn_with(&intro, None, out).ok()?;
        Some((intro.bundle().seq, refresh.kem.clone()))
    }

    /// Keeps a KEM key and a secret that came from a device.
    fn take_kem(
        &mut self,
        work: &Work<'_>,
        device: DeviceId,
        key: Option<(u32, KemKey)>,
        secret: Option<&Encapsulated>,
        out: &mut Outbox,
    ) {
        if key.is_none() && secret.is_none() {
            return;
        }
        let Ok(kem) = self.records.load::<Kem>(work.read, &records::kem(device)) else { return };
        let mut kem = kem.unwrap_or_default();
        if let Some(key) = key.filter(|key| kem.key.as_ref().is_none_or(|known| known.0 < key.0)) {
            kem.key = Some(key);
        }
        let opened = secret.and_then(|secret| {
            let generation = work.own.generation_of(secret.seq)?;
            let shared = generation.kem().decapsulate(&secret.ciphertext).ok()?;
            Some((kem_id(&secret.ciphertext), *shared.bytes()))
        });
        if let Some((id, secret)) = opened.filter(|(id, _)| !kem.inward.iter().any(|held| held.0 == *id)) {
            kem.inward.push((id, secret));
            keep_newest(&mut kem.inward, KEM_SECRETS);
            if let Some(peer) = self.peers.get_mut(&device) {
                peer.kem.1 = id;
            }
            self.put_peer(device, out);
        }
        self.records.put(out, records::kem(device), &kem);
    }

    /// Something authentic came on a chain: what that proves about our own sessions.
    fn heard(
        &mut self,
        sid: Sid,
        (account, device): (AccountId, DeviceId),
        conversation: ConversationId,
        out: &mut Outbox,
    ) {
        self.confirm_seed(sid, device, out);
        let now_s = self.now_s;
        if let Some(peer) = self.peers.get_mut(&device) {
            peer.heard_s = now_s;
        }
        // What is said in a group answers nothing that was said between two.
        if conversation != account.into() {
            return;
        }
        let current = self.conversations.get(&account).and_then(|conversation| conversation.current);
        let Some(current) = current else { return };
        let Some((outbound, _)) = self.outbound.get_mut(&current) else { return };
        if outbound.round_trip_s.is_none() && outbound.is_known() {
            outbound.round_trip_s = Some(now_s);
            self.records.put(out, records::outbound(current), outbound);
        }
    }

    /// The peer writes on the control chain of a seed: what carried the seed arrived.
    fn confirm_seed(&mut self, sid: Sid, device: DeviceId, out: &mut Outbox) {
        let Some(peer) = self.peers.get_mut(&device) else { return };
        let unknown = |seed: &&mut super::state::Seed| seed.inbound == sid && !seed.known;
        let Some(seed) = peer.seeds.iter_mut().find(unknown) else { return };
        seed.known = true;
        let recognition = seed.recognition;
        self.put_peer(device, out);
        let carried = self.pending.values().filter(|pending| pending.seed == Some(recognition));
        let carried: BTreeSet<Sid> = carried.map(|pending| pending.session).collect();
        // Of shares of several sessions nobody knows which one arrived.
        let (Some(session), 1) = (carried.first().copied(), carried.len()) else { return };
        if self.group_sessions.contains_key(&session) {
            self.holder_has_share(session, device, out);
        } else {
            self.share_arrived(session, device, out);
        }
    }
}

impl Delivery {
    fn empty(account: AccountId, device: DeviceId) -> Self {
        let (contents, new_tags, resend): (_, Vec<Tag>, _) = (Vec::new(), Vec::new(), Vec::new());
        let conversation = account.into();
        Self { account, device, conversation, contents, ack: None, first_contact: None, new_tags, resend }
    }
}

fn contents(plaintext: Vec<u8>, several: bool) -> Result<Vec<Vec<u8>>, &'static str> {
    if !several {
        return Ok(vec![plaintext]);
    }
    let contents: Vec<Vec<u8>> = codec::decode(&plaintext).map_err(|_| "the contents are malformed")?;
    if contents.len() > MAX_CONTENTS { Err("too many contents") } else { Ok(contents) }
}

fn reason(error: OpenError) -> &'static str {
    match error {
        OpenError::Read(_) | OpenError::Gone => "the session's keys cannot be read",
        OpenError::Ratchet(_) => "the message does not open",
    }
}

/// The secret of this name; zeros for the name that means none.
fn find<'a>(id: &KemId, mut held: impl Iterator<Item = (&'a KemId, &'a KemSecret)>) -> Option<KemSecret> {
    if *id == [0; 8] {
        return Some([0; 32]);
    }
    held.find(|(held, _)| *held == id).map(|(_, secret)| *secret)
}

/// The peer named a secret of ours: its ciphertext need not be sent again.
fn confirm(kem: &mut Kem, id: &KemId) -> bool {
    let named = kem.outward.iter_mut().find(|outward| outward.id == *id && outward.unconfirmed.is_some());
    named.map(|outward| outward.unconfirmed = None).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_holds_a_bounded_number_of_contents() {
        let sealed = |count| codec::encode(&vec![vec![7_u8]; count]);
        assert_eq!(contents(sealed(MAX_CONTENTS), true).map(|all| all.len()), Ok(MAX_CONTENTS));
        assert_eq!(contents(sealed(MAX_CONTENTS + 1), true), Err("too many contents"));
    }
}
