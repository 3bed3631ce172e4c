//! Chains that we read: importing shares, looking ahead, using items up, ending.

use super::chain::{CONTROL_ITEMS, Item, Link};
use super::missing::Asked;
use super::records::{self, Sid};
use super::share::Share;
use super::state::{
    Inbound, Reads, SEEDS, Seed, control_name, group_session_name, keep_newest, prefix, session_name,
};
use super::{MAX_ENDED, Sessions, TOMBSTONE_S};
use crate::crypto::kdf;
use crate::crypto::ratchet::{Decrypted, Export, RatchetError};
use crate::id::{AccountId, DeviceId, Tag};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError};
use std::collections::BTreeMap;

/// The most items that one chain may hold unused; the oldest go first. Also how far a share may jump.
pub(super) const MAX_ITEMS: u32 = 16_384;
/// Sender sessions read per device and conversation; the oldest superseded one goes first.
pub(super) const MAX_SESSIONS: usize = 16;
/// Sender sessions read per device in all: more than the groups that two people share.
pub(super) const MAX_OF_DEVICE: usize = 256;
/// Sender sessions read per device for groups that nothing is known of: a share may come before the group does.
pub(super) const MAX_STRANGE: usize = 16;

/// Why a message of a session that we read does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    Read(ReadError),
    Ratchet(RatchetError),
    /// The Megolm state is gone.
    Gone,
}

impl Sessions {
    /// Takes a share in: a new session, or news of one that is known. Returns its name, `None` where it
    /// ended before.
    pub(super) fn import(
        &mut self,
        now_s: u64,
        from: (AccountId, DeviceId),
        share: &Share,
        new_tags: &mut Vec<Tag>,
        out: &mut Outbox,
    ) -> Result<Option<Sid>, &'static str> {
        let sid = match share.group {
            None => session_name(&share.export),
            Some(group) => group_session_name(&share.export, group, from.1),
        };
        if let Some((name, index)) = share.ended {
            self.end_at(from.1, name, index, out);
        }
        if self.ended.contains(&sid) {
            return Ok(None);
        }
        if let Some(known) = self.inbound.get(&sid) {
            if known.device != from.1 {
                return Err("a session of another device");
            }
        } else {
            self.begin_reading(now_s, from, sid, share, new_tags, out)?;
        }
        if let Some(next) = share.next {
            self.look_ahead(sid, next.saturating_sub(1), new_tags, out);
        }
        Ok(Some(sid))
    }

    fn begin_reading(
        &mut self,
        now_s: u64,
        (account, device): (AccountId, DeviceId),
        sid: Sid,
        share: &Share,
        new_tags: &mut Vec<Tag>,
        out: &mut Outbox,
    ) -> Result<(), &'static str> {
        let reader = self.ratchet.megolm_import(&share.export).map_err(|_| "a malformed session")?;
        let start = reader.first_index();
        self.readers.keep(sid, reader);
        self.records.put_bytes(out, records::export(sid), share.export.to_vec());
        let reads = share.group.map_or(Reads::Person, Reads::Group);
        self.supersede(now_s, device, reads, out);
        self.make_room(now_s, device, reads, out);
        let link = Some(*share.link.0);
        let inbound = Inbound {
            account,
            device,
            reads,
            have: start,
            link,
            superseded_s: None,
            asked: Asked::default(),
            left: BTreeMap::new(),
            slot: self.slot(sid),
        };
        let target = inbound.ahead_of(start);
        self.insert_inbound(sid, inbound);
        self.derive_until(sid, target, new_tags, out);
        Ok(())
    }

    pub(super) fn insert_inbound(&mut self, sid: Sid, inbound: Inbound) {
        self.read_of.entry(inbound.device).or_default().insert(sid);
        self.inbound.insert(sid, inbound);
    }

    /// The sender sessions that are read of a device.
    fn read_from(&self, device: DeviceId) -> impl Iterator<Item = (Sid, &Inbound)> {
        let sids = self.read_of.get(&device).into_iter().flatten();
        let held = sids.filter_map(|sid| Some((*sid, self.inbound.get(sid)?)));
        held.filter(|(_, inbound)| !inbound.is_control())
    }

    /// The sender session of a device whose name begins so.
    pub(super) fn read_named(&self, device: DeviceId, name: &[u8]) -> Option<Sid> {
        self.read_from(device).map(|(sid, _)| sid).find(|sid| sid.starts_with(name))
    }

    /// Bounds what one device makes us read, before it adds one more: the oldest of what is superseded goes first.
    fn make_room(&mut self, now_s: u64, device: DeviceId, reads: Reads, out: &mut Outbox) {
        let is_strange = |reads: Reads| match reads {
            Reads::Group(group) => !self.groups.contains_key(&group),
            Reads::Person | Reads::Control => false,
        };
        let age = |inbound: &Inbound| (inbound.superseded_s.is_none(), inbound.superseded_s, inbound.slot);
        let mut held: Vec<_> =
            self.read_from(device).map(|(sid, i)| (age(i), sid, is_strange(i.reads))).collect();
        held.sort_unstable();
        let strange = held.iter().filter(|(_, _, strange)| *strange).count();
        let over = if is_strange(reads) { (strange + 1).saturating_sub(MAX_STRANGE) } else { 0 };
        let mut gone: Vec<Sid> = held.iter().filter(|held| held.2).take(over).map(|held| held.1).collect();
        let over = (held.len() + 1).saturating_sub(MAX_OF_DEVICE + gone.len());
        gone.extend(held.iter().take(over).map(|held| held.1));
        for sid in gone {
            self.end(now_s, sid, out);
        }
    }

    /// Marks a device's sessions of one conversation as followed by a newer one, and bounds their number.
    fn supersede(&mut self, now_s: u64, device: DeviceId, reads: Reads, out: &mut Outbox) {
        let mut sids: Vec<(u64, Sid)> = Vec::new();
        for sid in self.read_of.get(&device).into_iter().flatten() {
            let Some(inbound) = self.inbound.get_mut(sid).filter(|inbound| inbound.reads == reads) else {
                continue;
            };
            if inbound.superseded_s.is_none() {
                inbound.superseded_s = Some(now_s);
                self.records.put(out, records::inbound(*sid), inbound);
            }
            sids.push((inbound.superseded_s.unwrap_or(now_s), *sid));
        }
        sids.sort_unstable_by(|a, b| b.cmp(a));
        for (_, sid) in sids.split_off(sids.len().min(MAX_SESSIONS - 1)) {
            self.end(now_s, sid, out);
        }
    }

    /// The control chains of a reply seed, ours and the peer's; `known` where the peer surely has it.
    pub(super) fn add_seed(
        &mut self,
        us: DeviceId,
        device: DeviceId,
        seed: &[u8; 32],
        known: bool,
        new_tags: &mut Vec<Tag>,
        out: &mut Outbox,
    ) {
        let recognition = kdf("rec", &[seed]);
        let Some(peer) = self.peers.get_mut(&device) else { return };
        if let Some(held) = peer.seeds.iter_mut().find(|held| held.recognition == recognition) {
            held.known |= known;
            return;
        }
        let sid = control_name(seed, device, us);
        let link = *Link::control(seed, us, device).0;
        peer.seeds.push(Seed { recognition, link, used: 0, inbound: sid, known });
        let account = peer.account;
        let dropped = keep_newest(&mut peer.seeds, SEEDS);
        let theirs = Some(*Link::control(seed, device, us).0);
        let inbound = Inbound {
            account,
            device,
            reads: Reads::Control,
            have: 0,
            link: theirs,
            superseded_s: None,
            asked: Asked::default(),
            left: BTreeMap::new(),
            slot: self.slot(sid),
        };
        self.insert_inbound(sid, inbound);
        self.derive_until(sid, CONTROL_ITEMS, new_tags, out);
        for seed in dropped {
            self.remove_inbound(seed.inbound, out);
        }
    }

    /// Makes the items of the look-ahead past `index`.
    pub(super) fn look_ahead(&mut self, sid: Sid, index: u32, new_tags: &mut Vec<Tag>, out: &mut Outbox) {
        let Some(inbound) = self.inbound.get(&sid) else { return };
        let target = inbound.ahead_of(index);
        if inbound.is_control() || target <= inbound.have || target - inbound.have > MAX_ITEMS {
            return;
        }
        self.derive_until(sid, target, new_tags, out);
        self.forget_past(sid, out);
    }

    fn derive_until(&mut self, sid: Sid, target: u32, new_tags: &mut Vec<Tag>, out: &mut Outbox) {
        let Some(inbound) = self.inbound.get_mut(&sid) else { return };
        let Some(bytes) = inbound.link.take() else { return };
        let mut link = Link::new(bytes);
        for index in inbound.have..target {
            let item = link.step();
            self.records.put_bytes(out, records::item(sid, index), item.to_bytes());
            let tag = prefix(&item.tag.0);
            self.tags.insert((tag, inbound.slot, index));
            inbound.left.insert(index, tag);
            new_tags.push(item.tag);
        }
        inbound.have = target.max(inbound.have);
        // A control chain ends with its last item: nothing is kept to go on with.
        inbound.link = (!inbound.is_control()).then_some(*link.0);
        self.records.put(out, records::inbound(sid), inbound);
        self.bound_items(sid, out);
    }

    fn bound_items(&mut self, sid: Sid, out: &mut Outbox) {
        let Some(inbound) = self.inbound.get_mut(&sid) else { return };
        let slot = inbound.slot;
        let mut dropped = BTreeMap::new();
        while inbound.left.len() > MAX_ITEMS as usize {
            dropped.extend(inbound.left.pop_first());
        }
        self.drop_items(sid, slot, &dropped, out);
    }

    /// Moves the Megolm state to the oldest message that is still missing: what came before is gone.
    fn forget_past(&mut self, sid: Sid, out: &mut Outbox) {
        let Some(inbound) = self.inbound.get(&sid) else { return };
        let oldest = inbound.left.first_key_value().map_or(inbound.have, |(index, _)| *index);
        let Some(reader) = self.readers.find(sid) else { return };
        if oldest <= reader.first_index() {
            return;
        }
        let Some(export) = reader.export_at(oldest) else { return };
        if let Ok(reader) = self.ratchet.megolm_import(&export) {
            self.readers.keep(sid, reader);
            self.records.put_bytes(out, records::export(sid), export.to_vec());
        }
    }

    /// The unused item at `index`.
    pub(super) fn item(&self, read: &dyn Read, sid: Sid, index: u32) -> Result<Option<Item>, ReadError> {
        if !self.inbound.get(&sid).is_some_and(|inbound| inbound.left.contains_key(&index)) {
            return Ok(None);
        }
        let bytes = self.records.load_bytes(read, &records::item(sid, index))?;
        let item = bytes.and_then(|bytes| Item::from_bytes(&bytes));
        item.map(Some).ok_or_else(|| records::broken("an item is missing or damaged"))
    }

    /// Uses an item up: it is deleted in the batch that stores what it opened.
    pub(super) fn consume(&mut self, now_s: u64, sid: Sid, index: u32, tag: Tag, out: &mut Outbox) {
        let Some(inbound) = self.inbound.get_mut(&sid) else { return };
        inbound.left.remove(&index);
        self.tags.remove(&(prefix(&tag.0), inbound.slot, index));
        self.records.delete(out, records::item(sid, index));
        if inbound.left.is_empty() && inbound.link.is_none() {
            self.end(now_s, sid, out);
        }
    }

    /// Opens a Megolm message of a session that we read.
    pub(super) fn decrypt(
        &mut self,
        read: &dyn Read,
        sid: Sid,
        message: &[u8],
    ) -> Result<Decrypted, OpenError> {
        if self.readers.find(sid).is_none() {
            let bytes = self.records.load_bytes(read, &records::export(sid)).map_err(OpenError::Read)?;
            let bytes = bytes.ok_or(OpenError::Gone)?;
            let export: Export = bytes.as_slice().try_into().map_err(|_| OpenError::Gone)?;
            let reader = self.ratchet.megolm_import(&export).map_err(OpenError::Ratchet)?;
            self.readers.keep(sid, reader);
        }
        let reader = self.readers.find(sid).ok_or(OpenError::Gone)?;
        reader.decrypt(message).map_err(OpenError::Ratchet)
    }

    /// The writer says that nothing follows `index` in a session of its device.
    fn end_at(&mut self, device: DeviceId, name: [u8; 4], index: u32, out: &mut Outbox) {
        let Some(sid) = self.read_named(device, &name) else { return };
        let Some(inbound) = self.inbound.get_mut(&sid) else { return };
        let dropped = inbound.left.split_off(&index);
        inbound.link = None;
        let (slot, is_done) = (inbound.slot, inbound.left.is_empty());
        self.records.put(out, records::inbound(sid), inbound);
        self.drop_items(sid, slot, &dropped, out);
        if is_done {
            self.end(self.now_s, sid, out);
        }
    }

    fn drop_items(&mut self, sid: Sid, slot: u32, items: &BTreeMap<u32, [u8; 8]>, out: &mut Outbox) {
        for (index, tag) in items {
            self.records.delete(out, records::item(sid, *index));
            self.tags.remove(&(*tag, slot, *index));
        }
    }

    /// Forgets a chain for good: no share brings it back.
    pub(super) fn end(&mut self, now_s: u64, sid: Sid, out: &mut Outbox) {
        let Some(inbound) = self.remove_inbound(sid, out) else { return };
        if inbound.is_control() {
            return;
        }
        self.ended.set(sid, Some(now_s));
        self.records.put(out, records::ended(sid), &now_s);
        self.forget_ended(out);
    }

    pub(super) fn remove_inbound(&mut self, sid: Sid, out: &mut Outbox) -> Option<Inbound> {
        let inbound = self.inbound.remove(&sid)?;
        self.drop_items(sid, inbound.slot, &inbound.left, out);
        if let Some(read) = self.read_of.get_mut(&inbound.device) {
            read.remove(&sid);
            if read.is_empty() {
                self.read_of.remove(&inbound.device);
            }
        }
        self.slots.remove(&inbound.slot);
        self.asks.set(sid, None);
        self.readers.drop(sid);
        self.records.delete(out, records::inbound(sid));
        if !inbound.is_control() {
            self.records.delete(out, records::export(sid));
        }
        Some(inbound)
    }

    /// A short name for a chain, for the index of tags.
    pub(super) fn slot(&mut self, sid: Sid) -> u32 {
        let slot = self.slots.last_key_value().map_or(0, |(slot, _)| slot + 1);
        self.slots.insert(slot, sid);
        slot
    }

    /// Ends superseded sessions and forgets tombstones whose time has come.
    pub(super) fn expire(&mut self, now_s: u64, out: &mut Outbox) {
        let old = |since: u64| now_s.saturating_sub(since) >= TOMBSTONE_S;
        let stale: Vec<Sid> = self
            .inbound
            .iter()
            .filter(|(_, inbound)| inbound.superseded_s.is_some_and(old))
            .map(|(sid, _)| *sid)
            .collect();
        for sid in stale {
            self.end(now_s, sid, out);
        }
        self.forget_ended(out);
    }

    /// Forgets the tombstones whose time has come, and the oldest of those that are too many.
    pub(super) fn forget_ended(&mut self, out: &mut Outbox) {
        let now_s = self.now_s;
        let old = |since: u64| now_s.saturating_sub(since) >= TOMBSTONE_S;
        while let Some((since, sid)) = self.ended.first()
            && (old(since) || self.ended.len() > MAX_ENDED)
        {
            self.ended.set(sid, None);
            self.records.delete(out, records::ended(sid));
        }
        while let Some((since, id)) = self.ended_olm.first()
            && (old(since) || self.ended_olm.len() > MAX_ENDED)
        {
            self.ended_olm.set(id, None);
            self.records.delete(out, records::ended_olm(&id));
        }
    }
}
