//! The bag: what is carried for oneself and for others (PROTOCOL.md section 8).
//!
//! [`State`] decides what is held, for how long, and what goes first when room ends. It keeps one small
//! record per item in memory and in storage; bodies are written once, read when they are served, and
//! never read at a start. Nothing here walks the bag when an item comes or goes.
//!
//! Ages count in the monotonic time of the node's life, which goes on over restarts; the wall clock is not
//! read.

mod held;
mod lines;
mod parcel;
mod passed;
mod record;
mod sets;
mod shares;
mod sum;
#[cfg(test)]
mod tests;
mod tombstones;

pub use lines::latest_first;
pub use parcel::{Kind, Parcel};

use crate::id::{AccountId, Ack, AckCommit, EnvelopeId, LinkId, ShortId, Tag};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::wire::envelope::MAX_LEN;
use crate::wire::{Envelope, Lifetime, codec};
use core::time::Duration;
use held::{Held, source};
use lines::Lines;
use parcel::Cache;
use passed::Passed;
use record::{Ended, Proof, Record};
use shares::{Age, DEPARTED, Limits, Rank, Shares, Slot, Source};
use std::collections::{BTreeMap, BTreeSet};
use sum::Sum;
use tombstones::{Bounds, Tombstones};

/// The most items that one tick ends; the rest follows in the next.
const ENDS_PER_TICK: usize = 512;

/// With no more hops than this an item is worth being asked for again where it has more: a neighbour that
/// lowers hops cannot keep it from spreading.
pub const FEW_HOPS: u8 = 3;

/// The limits of the bag.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes on the air of everything that is held. Default 256 MiB.
    pub quota: u64,
    /// Items that are held, for the memory that each takes (about 250 B). Default 262,144.
    pub items: usize,
    /// Percent of the quota that own mail may take. Default 60.
    pub own_percent: u8,
    /// Percent that own and contacts' mail together may take; the rest is the strangers' for ever.
    /// Default 85.
    pub own_and_contacts_percent: u8,
    /// Public things among the items. Default 4,096.
    pub public: usize,
    /// Tombstones of names that ended here. Default 131,072.
    pub ended: usize,
    /// Receipts that ended something here. Default 65,536.
    pub receipts: usize,
    /// Receipts of what was never seen here. Default 16,384.
    pub unknown_receipts: usize,
    /// Bytes of bodies kept in memory because they were new a moment ago; at least 128 KiB, so that what
    /// one input brought can be served by it. Default 256 KiB.
    pub cache: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            quota: 256 * 1024 * 1024,
            items: 262_144,
            own_percent: 60,
            own_and_contacts_percent: 85,
            public: 4_096,
            ended: 131_072,
            receipts: 65_536,
            unknown_receipts: 16_384,
            cache: 256 * 1024,
        }
    }
}

/// Where an item came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written here.
    Own {
        /// The one account that it is for, where there is one: served first to that neighbour.
        to: Option<AccountId>,
    },
    /// Overheard by a radio, from whoever is in reach.
    Air,
    /// Brought by a neighbour.
    Link {
        /// Which.
        link: LinkId,
        /// Whether the neighbour proved to be a contact.
        contact: bool,
    },
}

/// Why an item is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is in the bag already, with no fewer hops, and without the mark or no copy without it came.
    #[error("it is held already")]
    Known,
    /// Its age reached its lifetime.
    #[error("it is too old")]
    TooOld,
    /// A receipt or its own end was seen here.
    #[error("it ended here before")]
    Ended,
    /// The bag is full of what ranks no lower.
    #[error("the bag is full")]
    NoRoom,
}

/// What came of keeping an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new here.
    New,
    /// It was here with fewer hops, or with the mark of what is beyond a share.
    Raised,
}

/// What came of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Not known before; these held items ended.
    New {
        /// Their names.
        ended: Vec<EnvelopeId>,
    },
    /// Known before.
    Known,
}

/// An item that reached its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its name.
    pub id: EnvelopeId,
    /// Whether it was written here.
    pub own: bool,
    /// What it was.
    pub kind: Kind,
}

/// What is known of a held item without reading its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its whole name.
    pub id: EnvelopeId,
    /// What it is.
    pub kind: Kind,
    /// Length on the air in bytes.
    pub len: u32,
    /// How many more links it may cross.
    pub hops: u8,
    /// Neighbours that are known to have a copy, counted to 255.
    pub copies: u8,
    /// Whether it was written here.
    pub own: bool,
    /// For whom, of an own item for one account.
    pub to: Option<AccountId>,
    /// Which link brought it, standing or not; `None` for own items and for what is older than this run.
    pub via: Option<LinkId>,
    /// When it came here, in milliseconds of the node's life.
    pub came: u64,
    /// Whether it came beyond the share of whoever brought it.
    pub surplus: bool,
}

/// What the bag holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Sealed envelopes and public things.
    pub count: usize,
    /// Their bytes on the air.
    pub bytes: u64,
    /// Receipts and ended names.
    pub tombstones: usize,
}

/// The bag.
#[derive(Debug)]
pub struct State {
    config: Config,
    slots: Vec<Option<Held>>,
    free: Vec<Slot>,
    names: BTreeMap<EnvelopeId, Slot>,
    by_tag: BTreeSet<([u8; 8], Slot)>,
    by_commit: BTreeSet<([u8; 8], Slot)>,
    by_end: BTreeSet<(Age, Slot)>,
    public_by_end: BTreeSet<(Age, Slot)>,
    addressees: BTreeMap<Slot, AccountId>,
    few_hops: BTreeSet<Slot>,
    lines: Lines,
    shares: Shares,
    sums: [Sum; 2],
    tombstones: Tombstones,
    passed: Passed,
    /// Until when nobody counted: the time of the first tick after a start that found something held.
    woke: Option<u64>,
    cache: Cache,
}

impl State {
    /// The bag as storage has it; what is over ends with the first tick. Bodies are not read. The `now` of
    /// all calls must go on from before the restart.
    ///
    /// # Errors
    /// Where a table cannot be read. Single records that make no sense are passed over.
    pub fn restore(config: Config, read: &dyn Read) -> Result<Self, ReadError> {
        let bounds = Bounds { ended: config.ended, known: config.receipts, unknown: config.unknown_receipts };
        let mut this = Self {
            cache: Cache::new(config.cache),
            slots: Vec::new(),
            free: Vec::new(),
            names: BTreeMap::new(),
            by_tag: BTreeSet::new(),
            by_commit: BTreeSet::new(),
            by_end: BTreeSet::new(),
            public_by_end: BTreeSet::new(),
            addressees: BTreeMap::new(),
            few_hops: BTreeSet::new(),
            lines: Lines::default(),
            shares: Shares::default(),
            sums: [Sum::default(), Sum::default()],
            tombstones: Tombstones::restore(bounds, read)?,
            passed: Passed::default(),
            woke: Some(0),
            config,
        };
        read.scan(Table::Carried, &mut |key, value| {
            let record = codec::decode::<Record>(value).ok().filter(|record| record.version == 1);
            if let (Some(id), Some(record)) = (EnvelopeId::from_slice(key), record) {
                this.woke = None;
                let mut held = Held::restored(id, &record);
                if this.tombstones.proven(held.commit) {
                    // Its receipt was not settled when the node stopped: it ends with the first tick.
                    held.ends = 0;
                }
                this.insert(held, record.to);
            }
        })?;
        Ok(this)
    }

    /// What [`State::keep`] would say, without room considered: `Ok` names what it would be.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn check(&self, now: Now, parcel: &Parcel) -> Result<Kept, Refused> {
        if let Some(held) = self.find(parcel.id) {
            let better = parcel.hops > held.hops || (held.is_surplus() && !parcel.surplus);
            return if better { Ok(Kept::Raised) } else { Err(Refused::Known) };
        }
        let age = now.mono.0;
        let over = |ended: Ended| age >= ended.reopens;
        if self.tombstones.proven(parcel.commit) || self.tombstones.ended(parcel.id.short()).is_some_and(over)
        {
            return Err(Refused::Ended);
        }
        if u64::from(parcel.age_s) * 1000 >= millis(parcel.span) {
            return Err(Refused::TooOld);
        }
        Ok(Kept::New)
    }

    /// Holds `parcel`, and lets go of what has to yield to it. Of something that is held already only
    /// more hops are taken, and a copy without the mark takes the mark off; its age stays what was counted here.
    ///
    /// # Errors
    /// Why it is not held; nothing of it changed then.
    pub fn keep(
        &mut self,
        now: Now,
        parcel: Parcel,
        origin: Origin,
        out: &mut Outbox,
    ) -> Result<Kept, Refused> {
        let kept = self.check(now, &parcel)?;
        if kept == Kept::Raised {
            self.raise(&parcel, origin, out);
            return Ok(kept);
        }
        let age = now.mono.0;
        let ends = age + millis(parcel.span) - u64::from(parcel.age_s) * 1000;
        // A copy that claims to be younger than the one that ended here gets what is left of that one's
        // life, counted from when it was first seen.
        let reopens = self.tombstones.ended(parcel.id.short()).map(|ended| ended.reopens);
        let held = Held {
            id: parcel.id,
            kind: parcel.kind,
            source: source(origin, parcel.surplus),
            via: if let Origin::Link { link, .. } = origin { Some(link) } else { None },
            hops: parcel.hops,
            copies: u8::from(matches!(origin, Origin::Link { .. })),
            len: parcel.wire_len(),
            span: millis(parcel.span),
            came: reopens.map_or(age, |reopens| reopens.saturating_sub(millis(parcel.span))),
            ends: ends.min(reopens.unwrap_or(u64::MAX)),
            tag: parcel.tag,
            commit: parcel.commit,
        };
        let to = if let Origin::Own { to } = origin { to } else { None };
        let slot = self.insert(held, to);
        if !self.make_room(slot, out) {
            return Err(Refused::NoRoom);
        }
        self.tombstones.forget_ended(parcel.id.short(), out);
        self.save(slot, out);
        out.put(Table::Body, parcel.id.0, parcel.immutable.clone());
        self.cache.put(parcel.id, parcel.immutable);
        Ok(kept)
    }

    /// Takes in a receipt: what it proves delivered ends, and does not come back. `span` is the lifetime
    /// of the envelope that it came out of, where it was opened here. Unless `settled`, the receipt takes
    /// part in reconciliation, and the envelope leaves it, only from [`State::settle`] on: a bag that
    /// lacked what a neighbour just brought would tell sooner than the receipt whose it was.
    pub fn receipt(
        &mut self,
        now: Now,
        ack: Ack,
        span: Option<Duration>,
        settled: bool,
        out: &mut Outbox,
    ) -> Receipt {
        let commit = ack.commit();
        if self.tombstones.proven(commit) {
            return Receipt::Known;
        }
        let slots = self.slots_by(&self.by_commit, &commit.0, |held| held.commit == commit);
        let spans = slots.iter().filter_map(|slot| self.held(*slot)).map(|held| held.span);
        let known = spans.chain(span.map(millis)).max();
        let life = 2 * known.unwrap_or_else(|| millis(Lifetime::Fortnight.span()));
        let proof = Proof { ack, until: now.mono.0 + life, known: known.is_some() };
        self.tombstones.prove(commit, proof, settled, out);
        let ended = if settled { self.drop_proven(commit, out) } else { Vec::new() };
        Receipt::New { ended }
    }

    /// From now on the receipt to `commit` takes part in reconciliation, and what it ended no longer does.
    pub fn settle(&mut self, commit: AckCommit, out: &mut Outbox) {
        self.tombstones.settle(commit);
        self.drop_proven(commit, out);
    }

    fn drop_proven(&mut self, commit: AckCommit, out: &mut Outbox) -> Vec<EnvelopeId> {
        let slots = self.slots_by(&self.by_commit, &commit.0, |held| held.commit == commit);
        slots.into_iter().filter_map(|slot| self.drop_item(slot, out)).map(|held| held.id).collect()
    }

    /// Takes an item out of the bag for good: it is not accepted again.
    pub fn withdraw(&mut self, now: Now, id: EnvelopeId, out: &mut Outbox) {
        let Some(held) = self.names.get(&id).copied().and_then(|slot| self.drop_item(slot, out)) else {
            return;
        };
        let until = now.mono.0 + 2 * held.span;
        self.tombstones.end(id.short(), Ended { reopens: 0, until }, out);
    }

    /// A thing that is not held and was superseded before it came, which would have lived for `span`: it is not
    /// taken again.
    pub fn supersede(&mut self, now: Now, id: EnvelopeId, span: Duration, out: &mut Outbox) {
        let until = now.mono.0 + 2 * millis(span);
        self.tombstones.end(id.short(), Ended { reopens: 0, until }, out);
    }

    /// Lets go of an item whose body storage does not have (any longer); it may come again. Whether it was
    /// held and is not over.
    pub fn forget_bodiless(&mut self, now: Now, id: EnvelopeId, out: &mut Outbox) -> bool {
        let slot = self.names.get(&id).copied();
        let living = slot.filter(|slot| self.held(*slot).is_some_and(|held| held.ends > now.mono.0));
        living.and_then(|slot| self.drop_item(slot, out)).is_some()
    }

    /// A neighbour is known to hold a copy.
    pub fn note_copy(&mut self, id: EnvelopeId) {
        if let Some(held) = self.names.get(&id).and_then(|slot| self.slots[*slot as usize].as_mut()) {
            held.copies = held.copies.saturating_add(1);
        }
    }

    /// A link is gone: what it brought joins the share of all departed links.
    pub fn link_down(&mut self, link: LinkId) {
        for rank in [Rank::Contact, Rank::Other, Rank::Surplus, Rank::ContactSurplus] {
            let source = Source { rank, link: link.0 };
            for slot in self.shares.depart(source) {
                if let Some(held) = self.slots[slot as usize].as_mut() {
                    held.source.link = DEPARTED;
                }
            }
        }
    }

    /// Ends what is over.
    ///
    /// What ended while this node was off leaves no tombstone: only the wall clock says how long that was, and it
    /// may be wrong by years. A neighbour's copy that counted its own time is welcome again.
    pub fn tick(&mut self, now: Now, out: &mut Outbox) -> Vec<Expired> {
        let age = now.mono.0;
        let woke = *self.woke.get_or_insert(age);
        let mut expired = Vec::new();
        while let Some((ends, slot)) = self.by_end.first().copied() {
            if ends > age || expired.len() == ENDS_PER_TICK {
                break;
            }
            let Some(held) = self.drop_item(slot, out) else { break };
            if ends > woke {
                let ended = Ended { reopens: held.came + held.span, until: held.came + 2 * held.span };
                self.tombstones.end(held.id.short(), ended, out);
            }
            expired.push(Expired { id: held.id, own: held.source.rank == Rank::Own, kind: held.kind });
        }
        self.tombstones.expire(age, out);
        expired
    }

    /// When [`State::tick`] has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let ends = self.by_end.first().map(|(ends, _)| *ends);
        [ends, self.tombstones.next_end()].into_iter().flatten().min().map(Time)
    }

    /// A held item by the name that frames use.
    #[must_use]
    pub fn item(&self, id: ShortId) -> Option<Item> {
        let (slot, held) = self.named(id).next()?;
        Some(Item {
            id: held.id,
            kind: held.kind,
            len: held.len,
            hops: held.hops,
            copies: held.copies,
            own: held.source.rank == Rank::Own,
            to: self.addressees.get(&slot).copied(),
            via: held.via,
            came: held.came,
            surplus: held.is_surplus(),
        })
    }

    /// Whether a name has a tombstone that refuses it.
    #[must_use]
    pub fn is_ended(&self, now: Now, id: ShortId) -> bool {
        self.tombstones.ended(id).is_some_and(|ended| now.mono.0 >= ended.reopens)
    }

    /// Whether something had to go for lack of room, and there is none yet: it would have to go again.
    #[must_use]
    pub fn is_passed(&self, id: ShortId) -> bool {
        self.passed.contains(id)
    }

    /// What had to go may be wanted again after all: one name, or everything.
    pub fn forgive(&mut self, id: Option<ShortId>) {
        match id {
            Some(id) => self.passed.remove(id),
            None => self.passed.clear(),
        }
    }

    /// The held sealed items that carry `tag`.
    #[must_use]
    pub fn by_tag(&self, tag: Tag) -> Vec<EnvelopeId> {
        let slots = self.slots_by(&self.by_tag, &tag.0, |held| held.tag == tag && held.kind == Kind::Sealed);
        slots.iter().filter_map(|slot| self.held(*slot)).map(|held| held.id).collect()
    }

    /// The held sealed items whose tags begin so.
    #[must_use]
    pub fn by_tag_prefix(&self, beginning: [u8; 8]) -> Vec<EnvelopeId> {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&beginning);
        let slots = self.slots_by(&self.by_tag, &key, |held| held.kind == Kind::Sealed);
        slots.iter().filter_map(|slot| self.held(*slot)).map(|held| held.id).collect()
    }

    /// The held items that a receipt to `commit` would end.
    #[must_use]
    pub fn by_commit(&self, commit: AckCommit) -> Vec<EnvelopeId> {
        let slots = self.slots_by(&self.by_commit, &commit.0, |held| held.commit == commit);
        slots.iter().filter_map(|slot| self.held(*slot)).map(|held| held.id).collect()
    }

    /// A held item with its age and hops of now; `None` where it is not held or over.
    ///
    /// # Errors
    /// Where its body cannot be read.
    pub fn load(&self, now: Now, id: EnvelopeId, read: &dyn Read) -> Result<Option<Parcel>, ReadError> {
        let Some(held) = self.find(id) else { return Ok(None) };
        let left = held.ends.saturating_sub(now.mono.0);
        if left == 0 {
            return Ok(None);
        }
        let body = match self.cache.find(id) {
            Some(body) => Some(body.to_vec()),
            None => read.load(Table::Body, &id.0)?,
        };
        // Less time left than the lifetime has means age, in whole seconds.
        let age_s = u32::try_from(held.span.saturating_sub(left) / 1000).unwrap_or(u32::MAX);
        Ok(body.map(|immutable| Parcel {
            id,
            kind: held.kind,
            immutable,
            hops: held.hops,
            age_s,
            surplus: held.is_surplus(),
            span: Duration::from_millis(held.span),
            tag: held.tag,
            commit: held.commit,
        }))
    }

    /// A held sealed envelope.
    ///
    /// # Errors
    /// Where its body cannot be read.
    pub fn envelope(&self, now: Now, id: EnvelopeId, read: &dyn Read) -> Result<Option<Envelope>, ReadError> {
        let parcel = self.load(now, id, read)?;
        Ok(parcel.and_then(|p| {
            let mut envelope = Envelope::from_parts(p.immutable, p.hops, p.age_s).ok()?;
            envelope.surplus = p.surplus;
            Some(envelope)
        }))
    }

    /// Up to `most` sealed items of others with at most [`FEW_HOPS`] left, which a copy that came a shorter
    /// way would help.
    #[must_use]
    pub fn short_of_hops(&self, most: usize) -> Vec<ShortId> {
        let held = self.few_hops.iter().filter_map(|slot| self.held(*slot));
        held.map(|held| held.id.short()).take(most).collect()
    }

    /// Up to `most` sealed items that may go on, those that should go on first: by turns between the links that
    /// brought them, one's own first, without those that `skip` names.
    #[must_use]
    pub fn foremost(&self, most: usize, skip: &dyn Fn(ShortId) -> bool) -> Vec<ShortId> {
        let name = |slot: Slot| {
            let held = self.held(slot).filter(|held| held.hops > 0)?;
            Some(held.id.short()).filter(|id| !skip(*id))
        };
        self.lines.foremost(most, name)
    }

    /// Whether an own envelope of any size has room: where not, sealing one would use keys up for nothing.
    #[must_use]
    pub fn has_own_room(&self) -> bool {
        self.shares.own_bytes() + MAX_LEN as u64 <= self.limits().own
    }

    /// How full it is.
    #[must_use]
    pub fn totals(&self) -> Load {
        let tombstones = self.tombstones.count();
        Load { count: self.names.len(), bytes: self.shares.bytes(), tombstones }
    }

    fn held(&self, slot: Slot) -> Option<&Held> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The held items whose names begin so: one, unless somebody made a second one on purpose.
    fn named(&self, id: ShortId) -> impl Iterator<Item = (Slot, &Held)> {
        let mut first = [0; 32];
        first[..ShortId::LEN].copy_from_slice(&id.0);
        let named = self.names.range(EnvelopeId(first)..).take_while(move |(whole, _)| whole.short() == id);
        named.filter_map(|(_, slot)| Some((*slot, self.held(*slot)?)))
    }

    /// Whether another item than the one in `slot` has its name in digests.
    fn has_twin(&self, id: ShortId, kind: Kind, slot: Slot) -> bool {
        self.named(id).any(|(other, held)| other != slot && held.kind == kind)
    }

    fn find(&self, id: EnvelopeId) -> Option<&Held> {
        self.held(*self.names.get(&id)?)
    }

    fn slots_by(
        &self,
        index: &BTreeSet<([u8; 8], Slot)>,
        key: &[u8; 16],
        matches: impl Fn(&Held) -> bool,
    ) -> Vec<Slot> {
        let key = prefix(key);
        let slots = index.range((key, 0)..=(key, Slot::MAX)).map(|(_, slot)| *slot);
        slots.filter(|slot| self.held(*slot).is_some_and(&matches)).collect()
    }

    fn insert(&mut self, held: Held, to: Option<AccountId>) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as Slot
        });
        self.names.insert(held.id, slot);
        self.by_end.insert((held.ends, slot));
        self.shares.add(held.source, held.ends, slot, held.len);
        if !self.has_twin(held.id.short(), held.kind, slot) {
            self.sums[held.kind as usize].add(held.id.short().into());
        }
        match held.kind {
            Kind::Sealed => {
                self.lines.add(held.place(), slot);
                self.by_tag.insert((prefix(&held.tag.0), slot));
                self.by_commit.insert((prefix(&held.commit.0), slot));
            }
            Kind::Public => {
                self.public_by_end.insert((held.ends, slot));
            }
        }
        if let Some(to) = to {
            self.addressees.insert(slot, to);
        }
        if held.hops <= FEW_HOPS && held.kind == Kind::Sealed {
            self.few_hops.insert(slot);
        }
        self.slots[slot as usize] = Some(held);
        slot
    }

    /// Out of memory and out of storage.
    fn drop_item(&mut self, slot: Slot, out: &mut Outbox) -> Option<Held> {
        let held = self.remove(slot)?;
        out.delete(Table::Carried, held.id.0);
        out.delete(Table::Body, held.id.0);
        Some(held)
    }

    fn remove(&mut self, slot: Slot) -> Option<Held> {
        let held = self.slots.get_mut(slot as usize)?.take()?;
        self.names.remove(&held.id);
        self.by_end.remove(&(held.ends, slot));
        self.shares.remove(held.source, held.ends, slot);
        if !self.has_twin(held.id.short(), held.kind, slot) {
            self.sums[held.kind as usize].remove(held.id.short().into());
        }
        self.by_tag.remove(&(prefix(&held.tag.0), slot));
        self.by_commit.remove(&(prefix(&held.commit.0), slot));
        self.public_by_end.remove(&(held.ends, slot));
        self.lines.remove(held.place(), slot);
        self.addressees.remove(&slot);
        self.few_hops.remove(&slot);
        self.cache.remove(held.id);
        self.free.push(slot);
        if self.has_much_room() {
            self.passed.clear();
        }
        Some(held)
    }

    /// Lets go until the limits hold; `false` where the newcomer itself had to go.
    fn make_room(&mut self, newcomer: Slot, out: &mut Outbox) -> bool {
        let limits = self.limits();
        while let Some(slot) = self.excess(limits) {
            // Own mail yields to nothing: where it alone is over its share, the new one is refused.
            let own = self.held(slot).is_some_and(|held| held.source.rank == Rank::Own);
            if slot == newcomer || own {
                if let Some(refused) = self.remove(newcomer).filter(|_| !own) {
                    self.passed.add(refused.id.short());
                }
                return false;
            }
            if let Some(gone) = self.drop_item(slot, out) {
                self.passed.add(gone.id.short());
            }
        }
        true
    }

    fn excess(&self, limits: Limits) -> Option<Slot> {
        if self.public_by_end.len() > self.config.public {
            return self.public_by_end.first().map(|(_, slot)| *slot);
        }
        self.shares.excess(limits)
    }

    /// Whether a quarter of everything is free.
    fn has_much_room(&self) -> bool {
        self.names.len() < self.config.items / 4 * 3 && self.shares.bytes() < self.config.quota / 4 * 3
    }

    fn limits(&self) -> Limits {
        let part = |percent: u8| self.config.quota / 100 * u64::from(percent);
        Limits {
            all: self.config.quota,
            own_and_contacts: part(self.config.own_and_contacts_percent),
            own: part(self.config.own_percent),
            items: self.config.items,
        }
    }

    /// Takes what is better in another copy of a held item.
    fn raise(&mut self, parcel: &Parcel, origin: Origin, out: &mut Outbox) {
        let Some(slot) = self.names.get(&parcel.id).copied() else { return };
        let Some(held) = self.slots[slot as usize].as_mut() else { return };
        held.hops = held.hops.max(parcel.hops);
        if held.hops > FEW_HOPS {
            self.few_hops.remove(&slot);
        }
        if held.is_surplus() && !parcel.surplus {
            // From now on it is as if this copy had come first.
            self.lines.remove(held.place(), slot);
            self.shares.remove(held.source, held.ends, slot);
            held.source = source(origin, false);
            if let Origin::Link { link, .. } = origin {
                held.via = Some(link);
            }
            self.lines.add(held.place(), slot);
            self.shares.add(held.source, held.ends, slot, held.len);
        }
        self.save(slot, out);
        // Its new rank may be over its part. No slot is that of a newcomer.
        self.make_room(Slot::MAX, out);
    }

    fn save(&self, slot: Slot, out: &mut Outbox) {
        let Some(held) = self.held(slot) else { return };
        let record = Record {
            version: 1,
            kind: held.kind as u8,
            rank: held.source.rank as u8,
            hops: held.hops,
            len: held.len,
            span: held.span,
            came: held.came,
            ends: held.ends,
            tag: held.tag,
            commit: held.commit,
            to: self.addressees.get(&slot).copied(),
        };
        out.put(Table::Carried, held.id.0, codec::encode(&record));
    }
}

/// `span` in the unit of [`Age`].
fn millis(span: Duration) -> Age {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn prefix(bytes: &[u8; 16]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    [a, b, c, d, e, f, g, h]
}
