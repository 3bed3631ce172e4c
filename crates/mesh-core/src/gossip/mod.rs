//! Who gets what: reconciliation, have and want, receipts (PROTOCOL.md section 9).
//!
//! Two neighbours that meet compare digests; where those differ they find the difference of their sets and
//! ask for what they lack. From then on what is new is announced by name and asked for by those who lack
//! it, so an envelope crosses a pair once. Whatever a lost frame, a full queue or a crash leaves open, the
//! next digest finds.
//!
//! [`State`] knows no bodies: it reads names through [`Bag`] and says what to do as [`Action`]s.

mod bucket;
mod receipts;
mod sync;
#[cfg(test)]
mod tests;
mod wants;

pub use bucket::Rate;

use crate::border::{Profile, Role};
use crate::id::{AccountId, Ack, AckCommit, LinkId, ShortId};
use crate::rng::Rng;
use crate::time::{Now, Time};
use crate::wire::frame::{Frame, MAX_NAMES, Root, Set};
use bucket::Bucket;
use core::time::Duration;
use receipts::{Receipts, Say};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use sync::{Difference, Run, Snapshots, Sync};
use wants::{LinkWants, Wanted};

/// The limits of the exchange.
#[derive(Clone, Debug)]
pub struct Config {
    /// Announcements to one neighbour are this far apart while it owes an answer or is sending.
    /// Default 20 ms.
    pub batch: Duration,
    /// The dialer begins to reconcile at most this often; doubled, up to 15 minutes, while it is of no use.
    /// Default 6 s.
    pub sync_every: Duration,
    /// How often the listener takes part in a run over one set. Default once per 5 s.
    pub begins_per_5_s: u64,
    /// Bytes that the listener's answers may have. Default 4 MiB at once, 64 KiB per second.
    pub answers: Rate,
    /// Bytes of envelopes that a stranger's fast link is asked for. Default 4 MiB at once, 1 MiB per second.
    pub fast_intake: Rate,
    /// The same on a slow or metered link. Default 64 KiB at once, 16 KiB per second.
    pub slow_intake: Rate,
    /// Receipts that a stranger is listened to. Default 8,192 at once, 256 per second.
    pub receipts: Rate,
    /// Public things that a neighbour may push unasked. Default 64 at once, 4 per second.
    pub public: Rate,
    /// Envelopes that are asked for at a time on a fast link. Default 256.
    pub fast_window: usize,
    /// The same on a slow one. Default 32.
    pub slow_window: usize,
}

impl Default for Config {
    fn default() -> Self {
        let kib = 1024;
        Self {
            batch: Duration::from_millis(20),
            sync_every: Duration::from_secs(6),
            begins_per_5_s: 1,
            answers: Rate { burst: 4096 * kib, per_second: 64 * kib },
            fast_intake: Rate { burst: 4096 * kib, per_second: 1024 * kib },
            slow_intake: Rate { burst: 64 * kib, per_second: 16 * kib },
            receipts: Rate { burst: 8_192, per_second: 256 },
            public: Rate { burst: 64, per_second: 4 },
            fast_window: 256,
            slow_window: 32,
        }
    }
}

/// A pipe slower than this is slow, in bytes per second.
const SLOW: u32 = 200_000;
/// The largest message of a reconciliation on a slow and on a fast link, in bytes.
const SMALL_MESSAGE: u64 = 8 * 1024;
const LARGE_MESSAGE: u64 = 60_000;
/// The longest pause between two runs that were of no use.
const MAX_WAIT: Duration = Duration::from_secs(900);
/// A copy that is asked for because the own one has few hops left must bring more than those.
const LEAST_HOPS: u8 = crate::wire::envelope::MAX_HOPS / 4;
/// Names asked for in that way per link.
const MAX_RAISES: usize = 256;
/// How often unanswered questions are looked at.
const CHECK: Duration = Duration::from_secs(1);
/// What was sent unasked and not kept is announced like everything else after this long.
const PUSH_PATIENCE: Duration = Duration::from_secs(5);
/// So many that wait make a batch, which leaves at once: a frame for each costs both ends more than waiting does.
const FULL_BATCH: usize = 32;

/// What of a name is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Unknown,
    /// It ended here and is not taken again.
    Ended,
    /// It is held.
    Held {
        /// How many more links it may cross.
        hops: u8,
        /// Whether it was written here.
        own: bool,
        /// Whether it has so few hops left that a better copy is asked for.
        few_hops: bool,
        /// For whom, of what was written here for one account.
        to: Option<AccountId>,
    },
}

/// What gossip asks the bag.
pub trait Bag {
    /// The digest of a set.
    fn root(&self, set: Set) -> Root;
    /// Changes whenever the set does.
    fn version(&self, set: Set) -> u64;
    /// The names of a set, sorted.
    fn names(&self, set: Set) -> Vec<[u8; 32]>;
    /// What of a name is known.
    fn standing(&self, id: ShortId) -> Standing;
    /// Up to `most` held names with few hops left.
    fn short_of_hops(&self, most: usize) -> Vec<ShortId>;
}

/// The digest over all sets.
#[must_use]
pub fn root(bag: &dyn Bag) -> Root {
    let mut hasher = blake3::Hasher::new_derive_key("starling/1 roots");
    for set in Set::ALL {
        hasher.update(&bag.root(set));
    }
    let mut root = [0; 8];
    root.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    root
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Transmit.
    Send(LinkId, Frame),
    /// Hand a held thing on.
    Serve(LinkId, ShortId),
    /// Take these receipts in; each that is new goes to [`State::proved`].
    Receipts(LinkId, Vec<Ack>),
    /// The receipt takes part in reconciliation from now on.
    Settle(AckCommit),
    /// The neighbour holds a copy.
    Copy(LinkId, ShortId),
    /// The neighbour did something wrong, worth so much.
    Fault(LinkId, &'static str, u32),
}

#[derive(Debug)]
struct Link {
    role: Role,
    contact: Option<AccountId>,
    message_limit: u64,
    sync: Sync,
    wants: LinkWants,
    raises: BTreeSet<ShortId>,
    /// What was sent unasked, since when, until the neighbour keeps it.
    pushed: Option<(ShortId, Time)>,
    slow: bool,
    intake: Option<Bucket>,
    receipts_in: Option<Bucket>,
    public_in: Bucket,
    have: Vec<ShortId>,
    kept: Vec<ShortId>,
    receipts: Vec<Ack>,
    flushed: Option<Time>,
    /// The neighbour said something since the last announcement.
    answered: bool,
    check: Option<Time>,
}

/// The exchange with all ready links.
#[derive(Debug)]
pub struct State {
    config: Config,
    rng: Rng,
    links: BTreeMap<LinkId, Link>,
    wanted: Wanted,
    snapshots: Snapshots,
    receipts: Receipts,
    actions: VecDeque<Action>,
}

impl State {
    /// No links yet.
    #[must_use]
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            config,
            rng,
            links: BTreeMap::new(),
            wanted: Wanted::default(),
            snapshots: Snapshots::default(),
            receipts: Receipts::default(),
            actions: VecDeque::new(),
        }
    }

    /// A link is ready: the dialer says what it has, in digests.
    pub fn link_up(
        &mut self,
        now: Now,
        link: LinkId,
        role: Role,
        contact: Option<AccountId>,
        profile: Profile,
        bag: &dyn Bag,
    ) {
        self.links.insert(link, Link::new(&self.config, now.mono, role, contact, profile));
        if role == Role::Dialer {
            self.send_digest(link, bag);
        }
        let few = bag.short_of_hops(MAX_RAISES);
        self.ask_for_hops(now, link, few);
        let said = self.receipts.link_up(link);
        self.say(said);
    }

    /// A link is gone: what it was asked for is asked elsewhere.
    pub fn link_down(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(gone) = self.links.remove(&link) else { return };
        self.receipts.link_down(link);
        for id in gone.wants.asked() {
            self.ask_elsewhere(id, link);
        }
        self.pump_all(now, bag);
    }

    /// The neighbour proved to be a contact.
    pub fn recognised(&mut self, link: LinkId, contact: AccountId) {
        if let Some(link) = self.links.get_mut(&link) {
            link.contact = Some(contact);
            (link.intake, link.receipts_in) = (None, None);
        }
    }

    /// Takes in a frame of a ready link. Envelopes and public things go through [`State::arrived`].
    pub fn frame(&mut self, now: Now, link: LinkId, frame: Frame, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        live.answered = true;
        match frame {
            Frame::Beat { root, .. } => self.on_beat(now, link, root, bag),
            Frame::Digest(roots) => self.on_digest(now, link, roots, bag),
            Frame::Reconcile { set, run, from_dialer, message } => {
                self.on_reconcile(now, link, set, run, from_dialer, &message, bag);
            }
            Frame::Have(ids) => self.on_have(now, link, ids, bag),
            Frame::Want { least, ids } => self.on_want(link, least, ids, bag),
            Frame::Kept(ids) => self.on_kept(link, ids, bag),
            Frame::Receipts(acks) => self.on_receipts(now, link, acks),
            Frame::Hello(_) | Frame::Tokens(_) | Frame::Envelope(_) | Frame::Public(_) => {}
        }
    }

    /// An envelope of `len` bytes came. `false` where a stranger's link was not asked for it: it is dropped.
    pub fn arrived(&mut self, now: Now, link: LinkId, id: ShortId, len: usize) -> bool {
        let Some(live) = self.links.get_mut(&link) else { return false };
        live.answered = true;
        if let Some(intake) = &mut live.intake {
            intake.charge(len as u64, now.mono);
        }
        live.wants.arrived(id, now.mono) || live.contact.is_some()
    }

    /// What came is held now, or has reached its end here: it is announced to the others, and its bringer
    /// hears that it is kept. `from` is `None` for what was written here.
    pub fn accepted(&mut self, now: Now, id: ShortId, from: Option<LinkId>, bag: &dyn Bag) {
        let holders = self.wanted.release(id);
        if let Some(bringer) = from.and_then(|link| self.links.get_mut(&link)) {
            bringer.kept.push(id);
            bringer.sync.progress = true;
        }
        if let Standing::Held { hops: 1.., to, .. } = bag.standing(id) {
            for (link, live) in &mut self.links {
                if Some(*link) == from || holders.contains(link) {
                    continue;
                }
                if live.may_push(to) {
                    live.pushed = Some((id, now.mono));
                    live.check.get_or_insert(now.mono + CHECK);
                    self.actions.push_back(Action::Serve(*link, id));
                } else {
                    live.have.push(id);
                }
            }
        }
        self.flush(now);
        if let Some(link) = from {
            self.pump(now, link, bag);
        }
    }

    /// What came was held already: its bringer hears that it is kept.
    pub fn known(&mut self, now: Now, id: ShortId, link: LinkId) {
        self.wanted.release(id);
        if let Some(bringer) = self.links.get_mut(&link) {
            bringer.kept.push(id);
        }
        self.flush(now);
    }

    /// A public thing came. `false` where the link brings too many: it is dropped, and asked for again when
    /// the sets are compared.
    pub fn arrived_public(&mut self, now: Now, link: LinkId, id: ShortId) -> bool {
        let Some(live) = self.links.get_mut(&link) else { return false };
        live.wants.arrived(id, now.mono) || live.public_in.take(1, now.mono)
    }

    /// A public thing is held now: every other neighbour gets it unasked.
    pub fn accepted_public(&mut self, now: Now, id: ShortId, from: Option<LinkId>, bag: &dyn Bag) {
        let holders = self.wanted.release(id);
        let others = self.links.keys().filter(|link| Some(**link) != from && !holders.contains(link));
        self.actions.extend(others.map(|link| Action::Serve(*link, id)));
        if let Some(link) = from {
            if let Some(bringer) = self.links.get_mut(&link) {
                bringer.sync.progress = true;
            }
            self.pump(now, link, bag);
        }
    }

    /// What came is not held: it is not asked of this link again, but of others.
    pub fn declined(&mut self, now: Now, id: ShortId, link: LinkId, bag: &dyn Bag) {
        if let Some(live) = self.links.get_mut(&link) {
            live.wants.decline(id);
        }
        self.ask_elsewhere(id, link);
        self.pump_all(now, bag);
    }

    /// A receipt of ours, for an envelope that `origin` brought: said to whom at what time, see
    /// PROTOCOL.md section 9.
    pub fn publish_receipt(&mut self, now: Now, ack: Ack, origin: Option<LinkId>, sender: AccountId) {
        let links = self.contacts();
        let said = self.receipts.publish(now.mono, ack, origin, sender, &links, &mut self.rng);
        self.say(said);
        self.flush(now);
    }

    /// A neighbour's receipt was new and is in the bag: the others hear it.
    pub fn proved(&mut self, now: Now, ack: Ack, from: LinkId) {
        for (link, live) in &mut self.links {
            if *link == from {
                live.sync.progress = true;
            } else {
                live.receipts.push(ack);
            }
        }
        self.flush(now);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now, bag: &dyn Bag) {
        let links = self.contacts();
        let said = self.receipts.tick(now.mono, &links);
        self.say(said);
        let due: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, live)| live.check.is_some_and(|at| at <= now.mono))
            .map(|(link, _)| *link)
            .collect();
        for link in due {
            self.check(now, link, bag);
        }
        self.flush(now);
    }

    /// When [`State::tick`] has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let links = self.links.values();
        let links = links.flat_map(|link| [link.check, link.flush_at(self.config.batch)]).flatten();
        links.chain(self.receipts.next_wakeup()).min()
    }

    /// What is to be done, until `None`.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn contacts(&self) -> Vec<(LinkId, Option<AccountId>)> {
        self.links.iter().map(|(link, live)| (*link, live.contact)).collect()
    }

    fn send(&mut self, link: LinkId, frame: Frame) {
        self.actions.push_back(Action::Send(link, frame));
    }

    fn send_digest(&mut self, link: LinkId, bag: &dyn Bag) {
        self.send(link, Frame::Digest(Set::ALL.map(|set| bag.root(set))));
    }

    fn say(&mut self, said: Vec<Say>) {
        for say in said {
            match say {
                Say::To(link, ack) => {
                    if let Some(live) = self.links.get_mut(&link) {
                        live.receipts.push(ack);
                    }
                }
                Say::Settled(ack) => self.actions.push_back(Action::Settle(ack.commit())),
            }
        }
    }

    /// The dialer asks for the digests when the roots differ; the listener waits for that.
    fn on_beat(&mut self, now: Now, link: LinkId, theirs: Root, bag: &dyn Bag) {
        let Some(live) = self.links.get(&link) else { return };
        let due = live.sync.due(self.config.sync_every) <= now.mono;
        if live.role == Role::Dialer && due && theirs != root(bag) {
            self.send_digest(link, bag);
        }
    }

    fn on_digest(&mut self, now: Now, link: LinkId, theirs: [Root; 3], bag: &dyn Bag) {
        let Some(live) = self.links.get(&link) else { return };
        if live.role == Role::Listener {
            return self.send_digest(link, bag);
        }
        if live.sync.due(self.config.sync_every) > now.mono {
            return;
        }
        let differing = Set::ALL.into_iter().zip(theirs).filter(|(set, theirs)| bag.root(*set) != *theirs);
        let differing: Vec<Set> = differing.map(|(set, _)| set).collect();
        if !differing.is_empty() {
            self.pace(now, link);
        }
        for set in differing {
            self.begin(link, set, bag);
        }
    }

    /// Runs begin later and later as long as they are of no use.
    fn pace(&mut self, now: Now, link: LinkId) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let sync = &mut live.sync;
        sync.wait = if sync.progress { self.config.sync_every } else { (sync.wait * 2).min(MAX_WAIT) };
        sync.progress = false;
        sync.began = Some(now.mono);
    }

    fn begin(&mut self, link: LinkId, set: Set, bag: &dyn Bag) {
        let names = self.snapshots.of(set, bag);
        let Some(live) = self.links.get_mut(&link) else { return };
        live.sync.number = live.sync.number.wrapping_add(1);
        let run = Run::new(live.sync.number, names, live.message_limit);
        let Ok(message) = run.begin() else { return };
        let frame = Frame::Reconcile { set, run: run.number, from_dialer: true, message };
        live.sync.runs[set as usize] = Some(run);
        self.send(link, frame);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one frame")]
    fn on_reconcile(
        &mut self,
        now: Now,
        link: LinkId,
        set: Set,
        run: u8,
        from_dialer: bool,
        message: &[u8],
        bag: &dyn Bag,
    ) {
        match (self.links.get(&link).map(|live| live.role), from_dialer) {
            (Some(Role::Listener), true) => self.answer(now, link, set, run, message, bag),
            (Some(Role::Dialer), false) => self.advance(now, link, set, run, message, bag),
            _ => self.fault(link, "a reconciliation from the wrong end", 3),
        }
    }

    fn answer(&mut self, now: Now, link: LinkId, set: Set, number: u8, message: &[u8], bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let sync = &mut live.sync;
        if sync.runs[set as usize].as_ref().is_none_or(|run| run.number != number) {
            if !sync.begins[set as usize].take(5, now.mono) {
                return;
            }
            let names = self.snapshots.of(set, bag);
            sync.runs[set as usize] = Some(Run::new(number, names, live.message_limit));
        }
        let Some(run) = &mut sync.runs[set as usize] else { return };
        let Ok(message) = run.answer(message) else {
            return self.fault(link, "a reconciliation that makes no sense", 3);
        };
        if sync.answers.take(message.len() as u64, now.mono) {
            self.send(link, Frame::Reconcile { set, run: number, from_dialer: false, message });
        }
    }

    fn advance(&mut self, now: Now, link: LinkId, set: Set, number: u8, message: &[u8], bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let runs = &mut live.sync.runs;
        let Some(run) = runs[set as usize].as_mut().filter(|run| run.number == number) else { return };
        let Ok(Difference { have, need, next }) = run.advance(message) else {
            runs[set as usize] = None;
            return self.fault(link, "a reconciliation that makes no sense", 3);
        };
        match next {
            Some(message) => {
                self.send(link, Frame::Reconcile { set, run: number, from_dialer: true, message })
            }
            None => runs[set as usize] = None,
        }
        match set {
            Set::Receipts => self.exchange_receipts(now, link, &have, &need),
            Set::Public | Set::Sealed => self.exchange_names(now, link, &have, &need, bag),
        }
    }

    fn exchange_names(
        &mut self,
        now: Now,
        link: LinkId,
        have: &[[u8; 32]],
        need: &[[u8; 32]],
        bag: &dyn Bag,
    ) {
        let offered = have.iter().map(short).filter(|id| may_go(bag.standing(*id)));
        let offered: Vec<ShortId> = offered.collect();
        for ids in offered.chunks(MAX_NAMES) {
            self.send(link, Frame::Have(ids.to_vec()));
        }
        self.want(now, link, need.iter().map(short), bag);
    }

    /// A receipt's name is commitment and secret, so the difference is all that is needed.
    fn exchange_receipts(&mut self, now: Now, link: LinkId, have: &[[u8; 32]], need: &[[u8; 32]]) {
        let have: Vec<Ack> = have.iter().map(ack).collect();
        for acks in have.chunks(MAX_NAMES) {
            self.send(link, Frame::Receipts(acks.to_vec()));
        }
        for acks in need.chunks(MAX_NAMES) {
            self.on_receipts(now, link, acks.iter().map(ack).collect());
        }
    }

    fn on_have(&mut self, now: Now, link: LinkId, ids: Vec<ShortId>, bag: &dyn Bag) {
        let mut few = Vec::new();
        for id in &ids {
            if let Standing::Held { own, few_hops, .. } = bag.standing(*id) {
                self.actions.push_back(Action::Copy(link, *id));
                if few_hops && !own {
                    few.push(*id);
                }
            }
        }
        self.ask_for_hops(now, link, few);
        self.want(now, link, ids.into_iter(), bag);
    }

    fn on_want(&mut self, link: LinkId, least: u8, ids: Vec<ShortId>, bag: &dyn Bag) {
        if let Some(live) = self.links.get_mut(&link) {
            live.sync.progress = true;
        }
        for id in ids {
            if matches!(bag.standing(id), Standing::Held { hops, .. } if hops > least) {
                self.actions.push_back(Action::Serve(link, id));
            }
        }
    }

    fn on_kept(&mut self, link: LinkId, ids: Vec<ShortId>, bag: &dyn Bag) {
        if let Some(live) = self.links.get_mut(&link) {
            live.pushed.take_if(|(id, _)| ids.contains(id));
        }
        let held = ids.into_iter().filter(|id| matches!(bag.standing(*id), Standing::Held { .. }));
        self.actions.extend(held.map(|id| Action::Copy(link, id)));
    }

    fn on_receipts(&mut self, now: Now, link: LinkId, acks: Vec<Ack>) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let allowed = |bucket: &mut Bucket| bucket.take(acks.len() as u64, now.mono);
        if live.receipts_in.as_mut().is_none_or(allowed) {
            self.actions.push_back(Action::Receipts(link, acks));
        }
    }

    fn want(&mut self, now: Now, link: LinkId, ids: impl Iterator<Item = ShortId>, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        for id in ids.filter(|id| bag.standing(*id) == Standing::Unknown) {
            live.wants.announce(id);
        }
        self.pump(now, link, bag);
    }

    /// Asks once per link for copies that came a shorter way.
    fn ask_for_hops(&mut self, now: Now, link: LinkId, ids: Vec<ShortId>) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let new: Vec<ShortId> =
            ids.into_iter().filter(|id| live.raises.len() < MAX_RAISES && live.raises.insert(*id)).collect();
        for id in &new {
            live.wants.ask(*id, now.mono);
        }
        if !new.is_empty() {
            live.check.get_or_insert(now.mono + CHECK);
            self.send(link, Frame::Want { least: LEAST_HOPS, ids: new });
        }
    }

    /// Asks for what the window has room for and nobody else was asked for.
    fn pump(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        if !live.wants.is_idle() {
            live.check.get_or_insert(now.mono + CHECK);
        }
        let paused = live.intake.as_mut().is_some_and(|intake| intake.is_empty(now.mono));
        if paused || !live.wants.has_room() {
            return;
        }
        let mut ids = Vec::new();
        while ids.len() < MAX_NAMES
            && let Some(id) = live.wants.next()
        {
            if bag.standing(id) == Standing::Unknown && self.wanted.claim(id, link) {
                live.wants.ask(id, now.mono);
                ids.push(id);
            }
        }
        if !ids.is_empty() {
            self.send(link, Frame::Want { least: 0, ids });
        }
    }

    fn pump_all(&mut self, now: Now, bag: &dyn Bag) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.pump(now, link, bag);
        }
    }

    /// `link` does not bring `id`: the next link that announced it is asked.
    fn ask_elsewhere(&mut self, id: ShortId, link: LinkId) {
        for other in self.wanted.give_up(id, link).unwrap_or_default() {
            if let Some(live) = self.links.get_mut(&other) {
                live.wants.announce(id);
            }
        }
    }

    /// Looks at unanswered questions.
    fn check(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let overdue = live.wants.overdue(now.mono);
        let stuck = live.pushed.take_if(|(_, since)| now.mono.since(*since) >= PUSH_PATIENCE);
        live.have.extend(stuck.map(|(id, _)| id));
        let waits = live.pushed.is_some() || !live.wants.is_idle();
        live.check = waits.then_some(now.mono + CHECK);
        for id in &overdue {
            self.ask_elsewhere(*id, link);
        }
        if overdue.is_empty() {
            self.pump(now, link, bag);
        } else {
            self.pump_all(now, bag);
        }
    }

    /// Sends the announcements that have waited long enough.
    fn flush(&mut self, now: Now) {
        for (link, live) in &mut self.links {
            if live.flush_at(self.config.batch).is_none_or(|at| at > now.mono) {
                continue;
            }
            live.flushed = Some(now.mono);
            let kept = core::mem::take(&mut live.kept);
            let receipts = core::mem::take(&mut live.receipts);
            let have = core::mem::take(&mut live.have);
            live.answered &= have.is_empty();
            let kept = kept.chunks(MAX_NAMES).map(|ids| Frame::Kept(ids.to_vec()));
            let receipts = receipts.chunks(MAX_NAMES).map(|acks| Frame::Receipts(acks.to_vec()));
            let have = have.chunks(MAX_NAMES).map(|ids| Frame::Have(ids.to_vec()));
            self.actions.extend(receipts.chain(kept).chain(have).map(|frame| Action::Send(*link, frame)));
        }
    }

    fn fault(&mut self, link: LinkId, what: &'static str, weight: u32) {
        self.actions.push_back(Action::Fault(link, what, weight));
    }
}

impl Link {
    fn new(config: &Config, now: Time, role: Role, contact: Option<AccountId>, profile: Profile) -> Self {
        let slow = profile.metered || profile.typical_rate < SLOW;
        let (intake, window, message_limit) = if slow {
            (config.slow_intake, config.slow_window, SMALL_MESSAGE)
        } else {
            (config.fast_intake, config.fast_window, LARGE_MESSAGE)
        };
        // Five tokens begin a run, and one comes back per second.
        let begins = Rate { burst: 5 * config.begins_per_5_s, per_second: config.begins_per_5_s };
        Self {
            role,
            contact,
            message_limit,
            sync: Sync::new(now, begins, config.answers, config.sync_every),
            wants: LinkWants::new(window, now),
            raises: BTreeSet::new(),
            pushed: None,
            slow,
            intake: contact.is_none().then(|| Bucket::new(intake, now)),
            receipts_in: contact.is_none().then(|| Bucket::new(config.receipts, now)),
            public_in: Bucket::new(config.public, now),
            have: Vec::new(),
            kept: Vec::new(),
            receipts: Vec::new(),
            flushed: None,
            answered: true,
            check: None,
        }
    }

    /// Whether a thing for `to` is sent without asking: this neighbour alone wants it, and the link is at rest, so
    /// that an announcement would cost a round trip and spare nothing.
    fn may_push(&self, to: Option<AccountId>) -> bool {
        let is_theirs = to.is_some() && to == self.contact;
        let at_rest = self.pushed.is_none() && self.have.is_empty() && self.answered && self.wants.is_idle();
        is_theirs && at_rest && !self.slow
    }

    /// When the next batch leaves; `None` where nothing waits. At once, unless the neighbour still owes
    /// an answer to the last announcement or is sending what was asked for: then more is about to come
    /// that can go along.
    fn flush_at(&self, batch: Duration) -> Option<Time> {
        let waiting = self.have.len() + self.kept.len() + self.receipts.len();
        let at_rest = self.wants.is_idle() && (self.have.is_empty() || self.answered);
        match self.flushed {
            _ if waiting == 0 => None,
            Some(flushed) if waiting < FULL_BATCH && !at_rest => Some(flushed + batch),
            _ => Some(Time(0)),
        }
    }
}

fn may_go(standing: Standing) -> bool {
    matches!(standing, Standing::Held { hops: 1.., .. })
}

fn short(name: &[u8; 32]) -> ShortId {
    crate::id::EnvelopeId(*name).short()
}

fn ack(name: &[u8; 32]) -> Ack {
    let (_, ack) = name.split_at(16);
    Ack::from_slice(ack).unwrap_or(Ack([0; 16]))
}
