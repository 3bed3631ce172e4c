//! Bringing two sets to agreement the slower way, which always succeeds (PROTOCOL.md section 9.2): negentropy 1 with
//! all timestamps zero. And how often either way may be gone with one neighbour.

use super::Bag;
use super::bucket::{Bucket, Rate};
use super::sketch::{Offer, Reading};
use crate::id::{Ack, EnvelopeId};
use crate::time::Time;
use crate::wire::frame::{Frame, Set};
use crate::wire::sketch::Name;
use negentropy::{Bound, Error, Id, Item, Negentropy, NegentropyStorageBase};
use std::sync::Arc;

/// Rounds of one run; enough for a whole bag of 100,000 names in frames of 60 kB.
const MAX_ROUNDS: u32 = 128;

/// The sorted names of a set as they were when a run began.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<[u8; 32]>);

impl Names {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// As they stand in digests and sketches: each once.
    pub(super) fn sketched(&self, set: Set) -> Vec<Name> {
        let mut names: Vec<Name> = self.0.iter().map(|name| sketched(set, name)).collect();
        names.dedup();
        names
    }
}

/// A name as digests and sketches show it: of a receipt, which is commitment and secret, the secret.
pub(super) fn sketched(set: Set, name: &[u8; 32]) -> Name {
    match set {
        Set::Receipts => Ack::from_slice(&name[16..]).unwrap_or(Ack([0; 16])).into(),
        Set::Public | Set::Sealed => EnvelopeId(*name).short().into(),
    }
}

impl NegentropyStorageBase for Names {
    fn size(&self) -> Result<usize, Error> {
        Ok(self.0.len())
    }

    fn get_item(&self, i: usize) -> Result<Option<Item>, Error> {
        Ok(self.0.get(i).map(item))
    }

    fn iterate(
        &self,
        begin: usize,
        end: usize,
        visit: &mut dyn FnMut(Item, usize) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let names = self.0.get(begin..end).ok_or(Error::BadRange)?;
        for (index, name) in (begin..).zip(names) {
            if !visit(item(name), index)? {
                break;
            }
        }
        Ok(())
    }

    fn find_lower_bound(&self, first: usize, last: usize, bound: &Bound) -> usize {
        let range = self.0.get(first..last).unwrap_or_default();
        first + range.partition_point(|name| item(name) < bound.item)
    }
}

fn item(name: &[u8; 32]) -> Item {
    Item::with_timestamp_and_id(0, Id::from_byte_array(*name))
}

/// The names of each set, gathered again only when the set changed.
#[derive(Debug, Default)]
pub(super) struct Snapshots([Option<(u64, Arc<Names>)>; 3]);

impl Snapshots {
    pub(super) fn of(&mut self, set: Set, bag: &dyn Bag) -> Arc<Names> {
        let version = bag.version(set);
        match &self.0[set as usize] {
            Some((at, names)) if *at == version => names.clone(),
            _ => {
                let names = Arc::new(Names(bag.names(set)));
                self.0[set as usize] = Some((version, names.clone()));
                names
            }
        }
    }
}

/// What the dialer learns from one message.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Held here alone, sorted.
    pub(super) have: Vec<[u8; 32]>,
    /// Held there alone, sorted.
    pub(super) need: Vec<[u8; 32]>,
    /// What to send next; `None` when the run is over.
    pub(super) next: Option<Vec<u8>>,
}

/// A message that the method cannot take.
#[derive(Debug)]
pub(super) struct Nonsense;

impl From<Error> for Nonsense {
    fn from(_: Error) -> Self {
        Self
    }
}

/// One run over one set, at either end.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) number: u8,
    names: Arc<Names>,
    rounds: u32,
    limit: u64,
}

impl Run {
    /// `limit` is the largest message in bytes, at least 4,096.
    pub(super) fn new(number: u8, names: Arc<Names>, limit: u64) -> Self {
        Self { number, names, rounds: 0, limit }
    }

    /// The dialer's first message.
    pub(super) fn begin(&self) -> Result<Vec<u8>, Nonsense> {
        Ok(self.method()?.initiate()?)
    }

    /// The dialer reads an answer.
    pub(super) fn advance(&mut self, message: &[u8]) -> Result<Difference, Nonsense> {
        self.count()?;
        let mut method = self.method()?;
        method.set_initiator();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = method.reconcile_with_ids(message, &mut have, &mut need)?;
        // The method lists what it needs in the order of a hash map.
        Ok(Difference { have: sorted(&have), need: sorted(&need), next })
    }

    /// The listener answers a message.
    pub(super) fn answer(&mut self, message: &[u8]) -> Result<Vec<u8>, Nonsense> {
        self.count()?;
        Ok(self.method()?.reconcile(message)?)
    }

    fn count(&mut self) -> Result<(), Nonsense> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS { Err(Nonsense) } else { Ok(()) }
    }

    fn method(&self) -> Result<Negentropy<'_, Names>, Nonsense> {
        Ok(Negentropy::borrowed(self.names.as_ref(), self.limit)?)
    }
}

fn sorted(ids: &[Id]) -> Vec<[u8; 32]> {
    let mut names: Vec<[u8; 32]> = ids.iter().map(|id| **id).collect();
    names.sort_unstable();
    names
}

/// How the runs with one neighbour go on, and what they may cost.
#[derive(Debug)]
pub(super) struct Sync {
    pub(super) runs: [Option<Run>; 3],
    /// The dialer's next message of a run, which goes not before its time.
    pub(super) next_message: Option<(Time, Frame)>,
    /// The listener's sketches that may go on.
    pub(super) offers: [Option<Offer>; 3],
    /// The dialer's view of the other end's.
    pub(super) readings: [Option<Reading>; 3],
    /// The dialer's: of which sets its last digest may be answered with a sketch.
    pub(super) expected: [bool; 3],
    /// The dialer's: sketches in a row that came to nothing.
    pub(super) strikes: u8,
    /// The next number of a run.
    pub(super) number: u8,
    /// When the dialer last began.
    pub(super) began: Option<Time>,
    /// How long it waits after that where it was of no use.
    pub(super) wait: core::time::Duration,
    /// Whether the link brought or took anything since the last run.
    pub(super) progress: bool,
    /// The listener's: how often a run is begun with it, by set.
    pub(super) begins: [Bucket; 3],
    /// The same for sketches.
    pub(super) sketches: [Bucket; 3],
    /// The listener's: how many bytes its answers may have.
    pub(super) answers: Bucket,
}

impl Sync {
    pub(super) fn new(now: Time, begins: Rate, answers: Rate, wait: core::time::Duration) -> Self {
        Self {
            runs: [None, None, None],
            next_message: None,
            offers: [None, None, None],
            readings: [None, None, None],
            expected: [false; 3],
            strikes: 0,
            number: 0,
            began: None,
            wait,
            progress: true,
            begins: [Bucket::new(begins, now); 3],
            sketches: [Bucket::new(begins, now); 3],
            answers: Bucket::new(answers, now),
        }
    }

    /// When the dialer may begin again; `every` is the pause after a run that was of use.
    pub(super) fn due(&self, every: core::time::Duration) -> Time {
        let wait = if self.progress { every } else { self.wait };
        self.began.map_or(Time(0), |began| began + wait)
    }
}
