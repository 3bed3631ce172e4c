//! Who takes how much of the bag, and what goes first when it is full.

use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds of the node's life.
pub(super) type Age = u64;
/// An item's place in the bag.
pub(super) type Slot = u32;

/// How dear an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Rank {
    Own = 0,
    Contact = 1,
    Other = 2,
    /// Beyond the share of whoever brought it.
    Surplus = 3,
    /// Brought by a contact with the mark of what is beyond a share.
    ContactSurplus = 4,
}

impl Rank {
    pub(super) fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Own,
            1 => Self::Contact,
            3 => Self::Surplus,
            4 => Self::ContactSurplus,
            _ => Self::Other,
        }
    }
}

/// Who brought an item: each link shares fairly with the others of its rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) rank: Rank,
    /// The link's number; [`DEPARTED`] for all links that are gone.
    pub(super) link: u64,
}

/// The one source of everything whose link is gone, so that coming back under new links gains no share.
pub(super) const DEPARTED: u64 = u64::MAX;

/// How the quota is divided; strangers keep what neither own nor contacts' mail may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most bytes of everything.
    pub(super) all: u64,
    /// The most bytes of own and contacts' mail together.
    pub(super) own_and_contacts: u64,
    /// The most bytes of own mail.
    pub(super) own: u64,
    /// The most items.
    pub(super) items: usize,
}

#[derive(Debug, Default)]
struct Share {
    bytes: u64,
    items: BTreeMap<(Age, Slot), u32>,
}

/// The shares of all sources.
#[derive(Debug, Default)]
pub(super) struct Shares {
    by_source: BTreeMap<Source, Share>,
    /// Sources by rank and size.
    by_size: BTreeSet<(Rank, u64, Source)>,
    bytes: [u64; 5],
    count: usize,
}

impl Shares {
    /// Bytes of everything.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.iter().sum()
    }

    /// Bytes of own mail.
    pub(super) fn own_bytes(&self) -> u64 {
        self.bytes[Rank::Own as usize]
    }

    pub(super) fn add(&mut self, source: Source, ends: Age, slot: Slot, len: u32) {
        let share = self.by_source.entry(source).or_default();
        self.by_size.remove(&(source.rank, share.bytes, source));
        share.items.insert((ends, slot), len);
        share.bytes += u64::from(len);
        self.by_size.insert((source.rank, share.bytes, source));
        self.bytes[source.rank as usize] += u64::from(len);
        self.count += 1;
    }

    pub(super) fn remove(&mut self, source: Source, ends: Age, slot: Slot) {
        let Some(share) = self.by_source.get_mut(&source) else { return };
        let Some(len) = share.items.remove(&(ends, slot)) else { return };
        self.by_size.remove(&(source.rank, share.bytes, source));
        share.bytes -= u64::from(len);
        if share.items.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.by_size.insert((source.rank, share.bytes, source));
        }
        self.bytes[source.rank as usize] -= u64::from(len);
        self.count -= 1;
    }

    /// Moves everything of a source whose link is gone, and returns what moved. Each item moves once.
    pub(super) fn depart(&mut self, source: Source) -> Vec<Slot> {
        let items = self.by_source.get(&source).map(|share| share.items.clone()).unwrap_or_default();
        for (&(ends, slot), &len) in &items {
            self.remove(source, ends, slot);
            self.add(Source { link: DEPARTED, ..source }, ends, slot, len);
        }
        items.into_keys().map(|(_, slot)| slot).collect()
    }

    /// What has to go next so that the limits hold: of the rank that is over, from the source that
    /// takes most, the item that is nearest to its end. `None` where the limits hold. Own mail is named
    /// only where own mail alone is over.
    pub(super) fn excess(&self, limits: Limits) -> Option<Slot> {
        let [own, contacts, _, _, marked] = self.bytes;
        if own > limits.own {
            return self.worst(Rank::Own);
        }
        if own + contacts + marked > limits.own_and_contacts {
            return self.worst(Rank::ContactSurplus).or_else(|| self.worst(Rank::Contact));
        }
        if self.bytes() > limits.all {
            return self.worst(Rank::Surplus).or_else(|| self.worst(Rank::Other));
        }
        if self.count <= limits.items {
            return None;
        }
        let order = [Rank::Surplus, Rank::Other, Rank::ContactSurplus, Rank::Contact, Rank::Own];
        order.into_iter().find_map(|rank| self.worst(rank))
    }

    fn worst(&self, rank: Rank) -> Option<Slot> {
        let low = (rank, 0, Source { rank: Rank::Own, link: 0 });
        let high = (rank, u64::MAX, Source { rank: Rank::ContactSurplus, link: u64::MAX });
        let (_, _, source) = self.by_size.range(low..=high).next_back()?;
        let ((_, slot), _) = self.by_source.get(source)?.items.first_key_value()?;
        Some(*slot)
    }
}
