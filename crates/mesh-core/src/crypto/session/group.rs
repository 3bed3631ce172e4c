//! Writing to a group: one envelope for everybody, and its keys to each device that lacks them
//! (PROTOCOL.md section 15.4).

use super::chain::{Link, commitment};
use super::outbound::{KemUse, Letter, header_for, own_payload};
use super::payload::room_of;
use super::records::{self, Sid};
use super::renewal::{RENEW_S, Way};
use super::share::Share;
use super::state::{
    GroupSession, Holder, Live, OlmRef, Origin, Renewal, binding, group_session_name, prefix,
};
use super::{SealError, SealedEnvelope, Sessions};
use crate::id::{AccountId, AckCommit, DeviceId, EnvelopeId, GroupId};
use crate::outbox::Outbox;
use crate::time::Time;
use crate::wire::message::Place;

impl Sessions {
    /// When a share of a group's session is due next; in the past where one is now.
    #[must_use]
    pub fn group_keys_due(&self) -> Option<Time> {
        self.groups.values().filter_map(|held| held.due.first()).map(|(at, _)| at).min()
    }

    pub(super) fn seal_to_group(
        &mut self,
        group: GroupId,
        letter: &Letter<'_>,
        out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        if letter.contents.is_empty() {
            return self.seal_group_keys(group, letter, out);
        }
        let (got, limit) = (room_of(letter.contents), self.room(letter.to));
        if got > limit {
            return Err(SealError::TooLong { got, limit });
        }
        let unknown = SealError::UnknownPeer { to: letter.to };
        if self.is_group_renewal_due(group) {
            let devices = self.audience(group);
            if devices.is_empty() {
                return Err(unknown);
            }
            self.begin_group_session(group, letter.own.device_id(), &devices, out);
        }
        let sid = self.current(letter.to)?;
        if self.group_sessions.get(&sid).is_none_or(|(session, _)| session.holders.is_empty()) {
            return Err(unknown);
        }
        self.seal_group_contents(group, sid, letter, out)
    }

    fn seal_group_contents(
        &mut self,
        group: GroupId,
        sid: Sid,
        letter: &Letter<'_>,
        out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        let bound = binding(group, letter.own.device_id());
        let (megolm, item) = self.encrypt_next(sid, &bound, letter.contents, out)?;
        let payload = own_payload(letter, megolm);
        let only = self.only_holder(sid);
        let commit = match only {
            Some(_) => commitment(item.ack),
            None => AckCommit(self.rng.bytes()),
        };
        let (header, size) = header_for(letter, &payload, item.tag, commit)?;
        let mut sealed = self.finish_envelope(header, size, &item, &payload, only.is_some())?;
        sealed.to = only;
        let last = self.group_sessions.get(&sid).and_then(|(_, live)| live.index.checked_sub(1));
        sealed.place = last.map(|index| Place { session: prefix(&sid), index });
        self.wake_quiet(group, sid);
        Ok(sealed)
    }

    /// The account whose single device reads a session.
    fn only_holder(&self, sid: Sid) -> Option<AccountId> {
        let (session, _) = self.group_sessions.get(&sid)?;
        let (device, _) = session.holders.first_key_value().filter(|_| session.holders.len() == 1)?;
        self.peers.get(device).map(|peer| peer.account)
    }

    /// Something was written: who lacks the session gets its share.
    fn wake_quiet(&mut self, group: GroupId, sid: Sid) {
        let Some(held) = self.groups.get_mut(&group) else { return };
        let Some((session, _)) = self.group_sessions.get_mut(&sid) else { return };
        for device in core::mem::take(&mut session.quiet) {
            held.due.set(device, Some(Time(0)));
        }
    }

    /// Seals the share of a group's session for the device whose turn it is.
    fn seal_group_keys(
        &mut self,
        group: GroupId,
        letter: &Letter<'_>,
        out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        let unknown = SealError::UnknownPeer { to: letter.to };
        let (sid, device) = self.next_due(group).ok_or(SealError::NothingOwed { to: letter.to })?;
        let peer = self.peers.get(&device).ok_or(unknown)?;
        let account = peer.account;
        let way = match peer.control().filter(|_| !peer.owed) {
            Some(at) => Way::Control(device, at),
            None => Way::First(device),
        };
        let is_first = matches!(way, Way::First(_));
        let olm = self.olm_towards(letter, device, is_first)?;
        let is_lean = self.group_sessions.get(&sid).is_some_and(|(session, _)| session.lean);
        let kem = match (is_first, is_lean) {
            (true, _) => KemUse::none(),
            (false, true) => self.kem_shared(letter, device)?,
            (false, false) => self.kem_for(letter, device, out)?,
        };
        let share = self.group_share(group, sid, device, (&olm.0, is_first))?;
        let packed = self.pack_share(letter, device, olm, &share, kem, out)?;
        let mut sealed = if is_first {
            self.seal_first(letter, device, packed, out)?
        } else {
            self.seal_with_share(letter, way, device, packed, out)?
        };
        sealed.to = Some(account);
        self.shared_in_group(sid, device, letter, sealed.envelope.id(), out);
        Ok(sealed)
    }

    /// The device that gets the share next; who turns out to have nothing to read yet waits for it.
    fn next_due(&mut self, group: GroupId) -> Option<(Sid, DeviceId)> {
        let held = self.groups.get_mut(&group)?;
        let sid = held.current?;
        let (session, live) = self.group_sessions.get_mut(&sid)?;
        loop {
            let device = held.due.due(self.now)?;
            let is_owed = self.peers.get(&device).is_some_and(|peer| peer.owed);
            match session.holders.get(&device) {
                Some(holder) if is_owed || holder.lacks(live.index) => return Some((sid, device)),
                Some(holder) if !holder.known => drop(session.quiet.insert(device)),
                _ => {}
            }
            held.due.set(device, None);
        }
    }

    fn group_share(
        &mut self,
        group: GroupId,
        sid: Sid,
        device: DeviceId,
        (olm, is_first): (&OlmRef, bool),
    ) -> Result<Share, SealError> {
        let seed = self.seed_for(device, olm, !is_first);
        let lost = || records::broken("a group's session lacks an origin");
        let (session, live) = self.group_sessions.get_mut(&sid).ok_or_else(lost)?;
        let at = session.holders.get(&device).map(|holder| holder.origin).ok_or_else(lost)?;
        let (export, link) = match session.origins.get(&at) {
            Some((origin, _)) => (origin.export().ok_or_else(lost)?, Link::new(origin.link)),
            // Who had the share and has to begin again reads on from here.
            None => (live.writer.as_ref().ok_or_else(lost)?.export(), live.link.clone()),
        };
        let ended = self.groups.get(&group).and_then(|held| held.ended);
        Ok(Share { export, link, ended, seed, next: Some(live.index), group: Some(group) })
    }

    fn shared_in_group(
        &mut self,
        sid: Sid,
        device: DeviceId,
        letter: &Letter<'_>,
        id: EnvelopeId,
        out: &mut Outbox,
    ) {
        let lapses = self.now + letter.lifetime.span();
        let Some((session, live)) = self.group_sessions.get_mut(&sid) else { return };
        let Some(holder) = session.holders.get_mut(&device) else { return };
        (holder.shared, holder.lapses, holder.envelope) = (Some(live.index), lapses, prefix(&id.0));
        self.records.put(out, records::holder(sid, device), holder);
        let again = (!holder.known).then_some(lapses);
        if let Some(held) = self.groups.get_mut(&session.group) {
            held.due.set(device, again);
        }
    }

    /// A device surely has the share of a group's session: nothing of the past is kept for it.
    pub(super) fn holder_has_share(&mut self, sid: Sid, device: DeviceId, out: &mut Outbox) {
        let Some((session, _)) = self.group_sessions.get_mut(&sid) else { return };
        let Some(holder) = session.holders.get_mut(&device).filter(|holder| !holder.known) else { return };
        holder.known = true;
        self.records.put(out, records::holder(sid, device), holder);
        session.quiet.remove(&device);
        let (origin, group) = (holder.origin, session.group);
        if let Some(held) = self.groups.get_mut(&group) {
            held.due.set(device, None);
        }
        self.release_origin(sid, origin, out);
        self.drop_pending(sid, Some(device), |_| true, out);
    }

    /// A newcomer reads the current session from its next message on.
    pub(super) fn add_holder(&mut self, group: GroupId, device: DeviceId, out: &mut Outbox) {
        let Some(held) = self.groups.get(&group).filter(|held| held.next == Renewal::No) else { return };
        let Some(sid) = held.current else { return };
        let is_new =
            self.group_sessions.get(&sid).is_some_and(|(session, _)| !session.holders.contains_key(&device));
        if is_new {
            self.hold(sid, device, out);
        }
    }

    /// From the next message on a device reads a session that it may lack.
    fn hold(&mut self, sid: Sid, device: DeviceId, out: &mut Outbox) {
        let Some((session, live)) = self.group_sessions.get_mut(&sid) else { return };
        let Some(writer) = live.writer.as_ref() else { return };
        let (index, holder) = (live.index, Holder::new(live.index));
        let (_, count) = session.origins.entry(index).or_insert_with(|| {
            let origin = Origin::new(&writer.export(), &live.link);
            self.records.put(out, records::origin(sid, index), &origin);
            (origin, 0)
        });
        *count += 1;
        self.records.put(out, records::holder(sid, device), &holder);
        session.holders.insert(device, holder);
        session.quiet.insert(device);
    }

    /// Somebody reads no further: where they may have the share, what is written next begins a session.
    pub(super) fn drop_holder(&mut self, group: GroupId, device: DeviceId, out: &mut Outbox) {
        let Some(held) = self.groups.get_mut(&group) else { return };
        held.due.set(device, None);
        let Some(sid) = held.current else { return };
        let Some((session, _)) = self.group_sessions.get_mut(&sid) else { return };
        let Some(holder) = session.holders.remove(&device) else { return };
        session.quiet.remove(&device);
        self.records.delete(out, records::holder(sid, device));
        self.drop_pending(sid, Some(device), |_| true, out);
        if !holder.known {
            self.release_origin(sid, holder.origin, out);
        }
        if holder.known || holder.shared.is_some() {
            self.renew_because(group, Renewal::Shrunk, out);
        }
    }

    /// One less needs the session's past at this index; with the last one it is erased.
    fn release_origin(&mut self, sid: Sid, index: u32, out: &mut Outbox) {
        let Some((session, _)) = self.group_sessions.get_mut(&sid) else { return };
        let Some((_, count)) = session.origins.get_mut(&index) else { return };
        *count -= 1;
        if *count == 0 {
            session.origins.remove(&index);
            self.records.delete(out, records::origin(sid, index));
        }
    }

    /// A device could not open an envelope with a share: it gets one again at once.
    pub(super) fn reshare_in_groups(
        &mut self,
        failed: &[EnvelopeId],
        account: AccountId,
        device: DeviceId,
        out: &mut Outbox,
    ) {
        for group in self.groups_of.get(&account).cloned().unwrap_or_default() {
            let Some(sid) = self.groups.get(&group).and_then(|held| held.current) else { continue };
            let Some((session, _)) = self.group_sessions.get(&sid) else { continue };
            let Some(holder) = session.holders.get(&device) else { continue };
            if !failed.iter().any(|id| prefix(&id.0) == holder.envelope) {
                continue;
            }
            if holder.known {
                self.hold(sid, device, out);
            } else {
                self.share_again(sid, device, out);
            }
            if let Some(held) = self.groups.get_mut(&group) {
                held.due.set(device, Some(Time(0)));
            }
        }
    }

    fn share_again(&mut self, sid: Sid, device: DeviceId, out: &mut Outbox) {
        let Some((session, _)) = self.group_sessions.get_mut(&sid) else { return };
        if let Some(holder) = session.holders.get_mut(&device) {
            holder.shared = None;
            self.records.put(out, records::holder(sid, device), holder);
        }
    }

    /// A first contact is owed to a device: one of its groups may be what brings it.
    pub(super) fn owe_in_group(&mut self, account: AccountId, device: DeviceId) {
        let groups = self.groups_of.get(&account).into_iter().flatten();
        let holds = |group: &&GroupId| {
            let sid = self.groups.get(group).and_then(|held| held.current);
            let session = sid.and_then(|sid| self.group_sessions.get(&sid));
            session.is_some_and(|(session, _)| session.holders.contains_key(&device))
        };
        let Some(group) = groups.copied().find(|group| holds(&group)) else { return };
        if let Some(held) = self.groups.get_mut(&group) {
            held.due.set(device, Some(Time(0)));
        }
    }

    /// The devices that a group is written for.
    fn audience(&self, group: GroupId) -> Vec<DeviceId> {
        let accounts = self.groups.get(&group).into_iter().flat_map(|held| &held.accounts);
        accounts.flat_map(|account| self.devices_of(*account)).collect()
    }

    /// Whether what is written next begins a session. That the audience grew is no reason, nor is an answer.
    fn is_group_renewal_due(&self, group: GroupId) -> bool {
        let Some(held) = self.groups.get(&group) else { return false };
        let current = held.current.and_then(|sid| self.group_sessions.get(&sid));
        let Some((session, live)) = current else { return true };
        let age = self.now_s.saturating_sub(session.created_s);
        held.next != Renewal::No || (age >= RENEW_S && live.sent > 0)
    }

    fn begin_group_session(&mut self, group: GroupId, own: DeviceId, devices: &[DeviceId], out: &mut Outbox) {
        let before = self.groups.get(&group).and_then(|held| held.current);
        let ended = before.and_then(|sid| Some((sid, self.end_group_session(sid, out)?)));
        let writer = self.ratchet.megolm_new(&mut self.rng);
        let (export, link) = (writer.export(), Link::new(self.rng.bytes()));
        let sid = group_session_name(&export, group, own);
        let Some(held) = self.groups.get_mut(&group) else { return };
        let lean = held.next == Renewal::Shrunk;
        (held.current, held.next) = (Some(sid), Renewal::No);
        held.ended = ended.map(|(sid, live)| (core::array::from_fn(|i| sid[i]), live.index)).or(held.ended);
        self.records.put(out, records::group(group), held);
        let session = GroupSession::new(group, self.now_s, lean);
        let live = Live { writer: Some(writer), link, index: 0, sent: 0, acked: 0 };
        self.records.put(out, records::group_session(sid), &session);
        self.records.put(out, records::hot(sid), &live.to_record());
        self.group_sessions.insert(sid, (session, live));
        for device in devices {
            self.hold(sid, *device, out);
        }
    }

    /// Removes a session of ours, with all that is kept of it.
    pub(super) fn end_group_session(&mut self, sid: Sid, out: &mut Outbox) -> Option<Live> {
        let (session, live) = self.group_sessions.remove(&sid)?;
        self.records.delete(out, records::group_session(sid));
        self.records.delete(out, records::hot(sid));
        for device in session.holders.keys() {
            self.records.delete(out, records::holder(sid, *device));
        }
        for index in session.origins.keys() {
            self.records.delete(out, records::origin(sid, *index));
        }
        if let Some(held) = self.groups.get_mut(&session.group) {
            session.holders.keys().for_each(|device| held.due.set(*device, None));
        }
        self.drop_pending(sid, None, |_| true, out);
        Some(live)
    }
}
