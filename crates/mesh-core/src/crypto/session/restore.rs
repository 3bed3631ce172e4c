//! Everything from its records, after a start.

use super::Sessions;
use super::chain::{Item, Link};
use super::records::{Kind, Sid, broken, decoded};
use super::state::{GroupSession, Holder, Hot, Inbound, Live, Origin, Outbound, Pending, Uptime, prefix};
use crate::crypto::ratchet::Ratchet;
use crate::id::{AccountId, AckCommit, DeviceId, GroupId};
use crate::rng::Rng;
use crate::store::{Read, ReadError, Table};
use crate::time::Time;
use std::collections::BTreeMap;

/// What a scan finds, before it is joined.
#[derive(Default)]
struct Found {
    outbound: BTreeMap<Sid, Outbound>,
    hot: BTreeMap<Sid, Hot>,
    groups: BTreeMap<Sid, GroupSession>,
    holders: Vec<(Sid, DeviceId, Holder)>,
    origins: Vec<(Sid, u32, Origin)>,
    items: Vec<(Sid, u32, [u8; 8])>,
}

impl Sessions {
    /// The sessions that storage holds.
    ///
    /// # Errors
    /// Where storage cannot be read, or a record is not what was written.
    pub fn restore(ratchet: Box<dyn Ratchet>, rng: Rng, read: &dyn Read) -> Result<Self, ReadError> {
        let mut sessions = Self::new(ratchet, rng);
        let (mut found, mut result) = (Found::default(), Ok(()));
        read.scan(Table::Session, &mut |key, value| {
            if result.is_ok() {
                result = sessions.take_record(&mut found, key, value);
            }
        })?;
        result?;
        sessions.join(found)?;
        Ok(sessions)
    }

    fn take_record(&mut self, found: &mut Found, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        let Some((kind, name)) = Kind::of(key) else { return Ok(()) };
        let damaged = || broken("the key of a session record has another length");
        let sid = || Sid::try_from(name).map_err(|_| damaged());
        let olm = || name.try_into().map_err(|_| damaged());
        match kind {
            Kind::Peer => {
                let device = DeviceId::from_slice(name).ok_or_else(damaged)?;
                self.peers.insert(device, decoded(value)?);
            }
            Kind::Conversation => {
                let account = AccountId::from_slice(name).ok_or_else(damaged)?;
                self.conversations.insert(account, decoded(value)?);
            }
            Kind::Outbound => drop(found.outbound.insert(sid()?, decoded(value)?)),
            Kind::Hot => drop(found.hot.insert(sid()?, decoded(value)?)),
            Kind::Pending => {
                let commit = AckCommit::from_slice(name).ok_or_else(damaged)?;
                let pending: Pending = decoded(value)?;
                self.pending_of.insert((pending.session, pending.device, commit));
                self.pending.insert(commit, pending);
            }
            Kind::Inbound => {
                let (sid, mut inbound): (Sid, Inbound) = (sid()?, decoded(value)?);
                inbound.slot = self.slot(sid);
                self.insert_inbound(sid, inbound);
            }
            Kind::Item => {
                let (sid, index) = name.split_first_chunk::<16>().ok_or_else(damaged)?;
                let index = u32::from_be_bytes(index.try_into().map_err(|_| damaged())?);
                let item = Item::from_bytes(value).ok_or_else(|| broken("an item is damaged"))?;
                found.items.push((*sid, index, prefix(&item.tag.0)));
            }
            Kind::Ended => self.ended.set(sid()?, Some(decoded(value)?)),
            Kind::EndedOlm => self.ended_olm.set(olm()?, Some(decoded(value)?)),
            Kind::Group
            | Kind::Audience
            | Kind::GroupSession
            | Kind::Holder
            | Kind::Origin
            | Kind::Acquaintance => {
                self.take_group_record(found, kind, name, value)?;
            }
            Kind::Uptime => self.uptime = Uptime::continued(decoded(value)?),
            Kind::Kem | Kind::Olm | Kind::Export => {}
        }
        Ok(())
    }

    fn take_group_record(
        &mut self,
        found: &mut Found,
        kind: Kind,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), ReadError> {
        let damaged = || broken("the key of a group's record has another length");
        let of_session = || name.split_first_chunk::<16>().ok_or_else(damaged);
        let group = |name: &[u8]| GroupId::from_slice(name).ok_or_else(damaged);
        let account = |name: &[u8]| AccountId::from_slice(name).ok_or_else(damaged);
        match kind {
            Kind::Group => {
                let held = self.groups.entry(group(name)?).or_default();
                let accounts = core::mem::take(&mut held.accounts);
                *held = super::Group { accounts, ..decoded(value)? };
            }
            Kind::Audience => {
                let (name, account) =
                    (name.get(..20).ok_or_else(damaged)?, account(name.get(20..).unwrap_or(&[]))?);
                let group = group(name)?;
                self.groups.entry(group).or_default().accounts.insert(account);
                self.groups_of.entry(account).or_default().insert(group);
            }
            Kind::GroupSession => {
                let sid = Sid::try_from(name).map_err(|_| damaged())?;
                found.groups.insert(sid, decoded(value)?);
            }
            Kind::Holder => {
                let (sid, device) = of_session()?;
                let device = DeviceId::from_slice(device).ok_or_else(damaged)?;
                found.holders.push((*sid, device, decoded(value)?));
            }
            Kind::Origin => {
                let (sid, index) = of_session()?;
                let index = u32::from_be_bytes(index.try_into().map_err(|_| damaged())?);
                found.origins.push((*sid, index, decoded(value)?));
            }
            _ => drop(self.acquaintances.insert(account(name)?)),
        }
        Ok(())
    }

    fn join(&mut self, mut found: Found) -> Result<(), ReadError> {
        for (sid, index, tag) in core::mem::take(&mut found.items) {
            let Some(inbound) = self.inbound.get_mut(&sid) else { continue };
            inbound.left.insert(index, tag);
            self.tags.insert((tag, inbound.slot, index));
        }
        let sids: Vec<Sid> = self.inbound.keys().copied().collect();
        for sid in sids {
            self.asks.set(sid, self.ask_at(sid));
        }
        for (sid, outbound) in core::mem::take(&mut found.outbound) {
            let live = self.live(found.hot.remove(&sid))?;
            self.outbound.insert(sid, (outbound, live));
        }
        for (sid, session) in core::mem::take(&mut found.groups) {
            let live = self.live(found.hot.remove(&sid))?;
            self.group_sessions.insert(sid, (session, live));
        }
        self.join_groups(found);
        let is_owed = |device: &DeviceId| self.peers.get(device).is_some_and(|peer| peer.owed);
        let owing =
            self.conversations.iter().filter(|(_, c)| c.devices.len() > 1 || c.devices.iter().any(is_owed));
        self.owing = owing.map(|(account, _)| *account).collect();
        Ok(())
    }

    fn live(&self, hot: Option<Hot>) -> Result<Live, ReadError> {
        let hot = hot.ok_or_else(|| broken("a sender session lacks its state"))?;
        let writer = hot.writer.as_ref().map(|bytes| self.ratchet.megolm_writer(bytes)).transpose();
        let writer = writer.map_err(|e| broken(&e.to_string()))?;
        let Hot { index, sent, acked, .. } = hot;
        Ok(Live { writer, link: Link::new(hot.link), index, sent, acked })
    }

    fn join_groups(&mut self, found: Found) {
        for (sid, index, origin) in found.origins {
            if let Some((session, _)) = self.group_sessions.get_mut(&sid) {
                session.origins.insert(index, (origin, 0));
            }
        }
        for (sid, device, holder) in found.holders {
            let Some((session, live)) = self.group_sessions.get_mut(&sid) else { continue };
            let Some(held) = self.groups.get_mut(&session.group) else { continue };
            if !holder.known {
                if let Some((_, count)) = session.origins.get_mut(&holder.origin) {
                    *count += 1;
                }
                let due = match holder.shared {
                    Some(_) => Some(holder.lapses),
                    None => holder.lacks(live.index).then_some(Time(0)),
                };
                held.due.set(device, due);
                if due.is_none() {
                    session.quiet.insert(device);
                }
            }
            session.holders.insert(device, holder);
        }
        let acquaintances: Vec<AccountId> = self.acquaintances.iter().copied().collect();
        acquaintances.into_iter().for_each(|account| self.watch_stray(account));
    }
}
