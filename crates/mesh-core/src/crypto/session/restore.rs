//! Everything from its records, after a start.

use super::Sessions;
use super::chain::{Item, Link};
use super::records::{Kind, Sid, broken, decoded};
use super::state::{Hot, Inbound, Live, Outbound, Uptime, prefix};
use crate::crypto::ratchet::Ratchet;
use crate::id::{AccountId, AckCommit, DeviceId};
use crate::rng::Rng;
use crate::store::{Read, ReadError, Table};
use std::collections::BTreeMap;

/// What a scan finds, before it is joined.
#[derive(Default)]
struct Found {
    outbound: BTreeMap<Sid, Outbound>,
    hot: BTreeMap<Sid, Hot>,
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
                self.pending.insert(commit, decoded(value)?);
            }
            Kind::Inbound => {
                let (sid, mut inbound): (Sid, Inbound) = (sid()?, decoded(value)?);
                inbound.slot = self.slot(sid);
                self.inbound.insert(sid, inbound);
            }
            Kind::Item => {
                let (sid, index) = name.split_first_chunk::<16>().ok_or_else(damaged)?;
                let index = u32::from_be_bytes(index.try_into().map_err(|_| damaged())?);
                let item = Item::from_bytes(value).ok_or_else(|| broken("an item is damaged"))?;
                found.items.push((*sid, index, prefix(&item.tag.0)));
            }
            Kind::Ended => self.ended.set(sid()?, Some(decoded(value)?)),
            Kind::EndedOlm => self.ended_olm.set(olm()?, Some(decoded(value)?)),
            Kind::Uptime => self.uptime = Uptime::continued(decoded(value)?),
            Kind::Kem | Kind::Olm | Kind::Export => {}
        }
        Ok(())
    }

    fn join(&mut self, mut found: Found) -> Result<(), ReadError> {
        for (sid, index, tag) in found.items {
            let Some(inbound) = self.inbound.get_mut(&sid) else { continue };
            inbound.left.insert(index);
            self.tags.insert(tag, (inbound.slot, index));
        }
        let sids: Vec<Sid> = self.inbound.keys().copied().collect();
        for sid in sids {
            self.asks.set(sid, self.ask_at(sid));
        }
        for (sid, outbound) in found.outbound {
            let hot = found.hot.remove(&sid).ok_or_else(|| broken("a sender session lacks its state"))?;
            let writer = hot.writer.as_ref().map(|bytes| self.ratchet.megolm_writer(bytes)).transpose();
            let writer = writer.map_err(|e| broken(&e.to_string()))?;
            let Hot { index, sent, acked, .. } = hot;
            let live = Live { writer, link: Link::new(hot.link), index, sent, acked };
            self.outbound.insert(sid, (outbound, live));
        }
        Ok(())
    }
}
