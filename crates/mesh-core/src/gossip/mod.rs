//! Who gets what: reconciliation, have and want, receipts (PROTOCOL.md section 9).
//!
//! Two neighbours that meet compare digests; where those differ they find the difference of their sets and
//! ask for what they lack. From then on what is new is announced by name and asked for by those who lack
//! it, so an envelope crosses a pair once. Whatever a lost frame, a full queue or a crash leaves open, the
//! next digest finds.
//!
//! [`State`] knows no bodies: it reads names through [`Bag`] and says what to do as [`Action`]s.

mod air;
mod asking;
mod bucket;
mod calls;
#[cfg(test)]
mod contact_tests;
mod marked;
mod neighbour;
mod offers;
mod receipts;
mod reconcile;
mod sketch;
mod sync;
#[cfg(test)]
mod tests;
mod turns;
mod wants;

pub use bucket::Rate;
pub use turns::Turn;

use crate::border::{Profile, Role};
use crate::id::{AccountId, Ack, AckCommit, LinkId, ShortId};
use crate::rng::Rng;
use crate::time::{Now, Time};
use crate::wire::frame::{Frame, Root, Set};
use crate::wire::sketch::Sketch;
use air::Air;
use bucket::Bucket;
use calls::Arrived;
use core::time::Duration;
use marked::Marked;
use neighbour::{Link, MAX_RAISES};
use receipts::{Receipts, Say};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use sync::Snapshots;
use turns::Turns;
use wants::Wanted;

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
    /// Names that go into sketches made on demand, because the neighbour has another salt or the sets differ by
    /// more than the ready one tells; each costs about 0.25 us. Default 1,048,576 at once, 131,072 per second.
    pub sketch_work: Rate,
    /// Bytes of envelopes that a stranger's fast link is asked for. Default 4 MiB at once, 1 MiB per second.
    pub fast_intake: Rate,
    /// The same on a slow or metered link. Default 64 KiB at once, 16 KiB per second.
    pub slow_intake: Rate,
    /// Bytes of what a stranger's fast link brings that go on before all that is beyond such shares. Default 64 KiB at
    /// once, 4 KiB per second.
    pub fast_share: Rate,
    /// The same of a slow or metered link. Default 8 KiB at once, 256 B per second: a first contact has 4,135 bytes, and
    /// what is written beside it follows.
    pub slow_share: Rate,
    /// What new links may bring at once of their shares, all slow ones together and all others. Default 64 KiB at once,
    /// 256 B per second.
    pub new_shares: Rate,
    /// Receipts that a stranger is listened to. Default 8,192 at once, 256 per second.
    pub receipts: Rate,
    /// Public things that a neighbour may push unasked. Default 64 at once, 4 per second.
    pub public: Rate,
    /// Envelopes that are asked for at a time on a fast link. Default 256.
    pub fast_window: usize,
    /// The same on a slow one: the sender chooses the order among them. Default 1,024.
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
            sketch_work: Rate { burst: 1024 * kib, per_second: 128 * kib },
            fast_intake: Rate { burst: 4096 * kib, per_second: 1024 * kib },
            slow_intake: Rate { burst: 64 * kib, per_second: 16 * kib },
            fast_share: Rate { burst: 64 * kib, per_second: 4 * kib },
            slow_share: Rate { burst: 8 * kib, per_second: 256 },
            new_shares: Rate { burst: 64 * kib, per_second: 256 },
            receipts: Rate { burst: 8_192, per_second: 256 },
            public: Rate { burst: 64, per_second: 4 },
            fast_window: 256,
            slow_window: 1_024,
        }
    }
}

/// With more links than this a public thing is announced and not pushed: each of the others may have it already.
const PUSHED_LINKS: usize = 3;

/// Who had more links than that is in a crowd for so long.
const CROWD_LASTS: Duration = Duration::from_secs(120);

/// A public thing that was asked for counts like so many bytes: it has to be verified, and goes on to everybody.
const PUBLIC_COST: u64 = 4 * 1024;

/// What of a name is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Unknown,
    /// It ended here and is not taken again.
    Ended,
    /// It had to go for lack of room, and there is still none.
    Passed,
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
        /// Whether it came beyond the share of whoever brought it.
        surplus: bool,
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
    /// What a set looks like, in cells that follow every change; under the salt of [`epoch`] if that can be had.
    fn sketch(&self, set: Set) -> Option<Arc<Sketch>>;
    /// What of a name is known.
    fn standing(&self, id: ShortId) -> Standing;
    /// Up to `most` held names that should go on first, without those that `skip` names.
    fn foremost(&self, most: usize, skip: &dyn Fn(ShortId) -> bool) -> Vec<ShortId>;
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

/// The salt of sketches: the day that the wall clock shows. Neighbours whose clocks differ get on with the listener's,
/// only with more work for the dialer.
#[must_use]
pub fn epoch(now: Now) -> u16 {
    let [low, high, ..] = (now.wall.0 / 86_400).to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Transmit; on a slow link it may wait for credit.
    Send(LinkId, Frame),
    /// Transmit at once, whatever waits.
    First(LinkId, Frame),
    /// Hand a held thing on.
    Serve(LinkId, ShortId),
    /// Take these receipts in; each that is new goes to [`State::proved`].
    Receipts(LinkId, Vec<Ack>),
    /// Say a held public thing to everybody in reach.
    Broadcast(ShortId),
    /// The receipt takes part in reconciliation from now on.
    Settle(AckCommit),
    /// The neighbour holds a copy, and whether it says so for the first time, as far as that is remembered.
    Copy(LinkId, ShortId, bool),
    /// The neighbour did something wrong, worth so much.
    Fault(LinkId, &'static str, u32),
}

/// The exchange with all ready links.
#[derive(Debug)]
pub struct State {
    config: Config,
    rng: Rng,
    links: BTreeMap<LinkId, Link>,
    wanted: Wanted,
    snapshots: Snapshots,
    /// Names that may go into sketches made on demand.
    work: Bucket,
    /// What new links may bring at once: those that are not slow, and those that are. Who comes over one medium under
    /// ever new names takes nothing from the other.
    new_shares: [Bucket; 2],
    /// Calls that strangers' slow links may be asked for in a crowd, all together.
    calls: Bucket,
    /// New links that begin with a call.
    new_calls: Bucket,
    /// Until then a node that has few links at the moment counts as one in a crowd.
    crowded_until: Time,
    receipts: Receipts,
    turns: Turns,
    air: Air,
    marked: Marked,
    actions: VecDeque<Action>,
}

impl State {
    /// No links yet.
    #[must_use]
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            work: Bucket::new(config.sketch_work, Time(0)),
            new_shares: [Bucket::new(config.new_shares, Time(0)); 2],
            calls: Bucket::new(calls::ALL, Time(0)),
            new_calls: Bucket::new(calls::NEW, Time(0)),
            crowded_until: Time(0),
            config,
            rng,
            links: BTreeMap::new(),
            wanted: Wanted::default(),
            snapshots: Snapshots::default(),
            receipts: Receipts::default(),
            turns: Turns::default(),
            air: Air::default(),
            marked: Marked::default(),
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
        let mut live = Link::new(&self.config, now.mono, role, contact, profile);
        live.begin_share(&mut self.new_shares[usize::from(live.slow)], now.mono);
        if live.slow && contact.is_none() {
            live.calls_in.begin(&mut self.new_calls, now.mono);
        }
        self.links.insert(link, live);
        self.note_crowd(now);
        self.turns.up(link, now.mono, contact.is_some());
        if role == Role::Dialer {
            self.send_digest(link, bag);
        }
        let few = bag.short_of_hops(MAX_RAISES);
        self.ask_for_hops(link, few);
        self.tell_sender(now, link, contact);
        let said = self.receipts.link_up(link);
        self.say(said);
    }

    /// A link is gone: what it was asked for is asked elsewhere.
    pub fn link_down(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        self.note_crowd(now);
        let Some(mut gone) = self.links.remove(&link) else { return };
        self.receipts.link_down(link);
        self.turns.down(link, now.mono);
        for id in gone.wants.asked() {
            self.ask_elsewhere(now, id, gone.calls_in.gave_up(id), link);
        }
        self.pump_all(now, bag);
    }

    /// Links of a crowd come and go: who has few for a moment is in a crowd all the same.
    fn note_crowd(&mut self, now: Now) {
        if self.links.len() > PUSHED_LINKS {
            self.crowded_until = now.mono + CROWD_LASTS;
        }
    }

    /// The neighbour proved to be a contact, or is none any more.
    pub fn recognised(&mut self, now: Now, link: LinkId, contact: Option<AccountId>) {
        if let Some(live) = self.links.get_mut(&link) {
            live.recognised(&self.config, now.mono, contact);
        }
        self.turns.recognised(link, contact.is_some());
        self.tell_sender(now, link, contact);
    }

    /// The turns of what `via` brought, or of what was written here.
    #[must_use]
    pub fn turn(&self, now: Now, via: Option<LinkId>, own: bool) -> Turn {
        self.turns.of(via, own, now.mono)
    }

    /// Whether so many bytes of a new envelope are within the share of the link that brought it: they go on before all
    /// that is not; where nothing of the share is used, whatever its size. Contacts share as they like.
    pub fn in_share(&mut self, now: Now, link: LinkId, len: u32) -> bool {
        let share = self.links.get_mut(&link).and_then(|live| live.share.as_mut());
        share.is_none_or(|share| share.take_whole(len.into(), now.mono))
    }

    /// Takes in a frame of a ready link. Envelopes and public things go through [`State::arrived`].
    pub fn frame(&mut self, now: Now, link: LinkId, frame: Frame, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        live.answered = true;
        match frame {
            Frame::Beat { root, .. } => self.on_beat(now, link, root, bag),
            Frame::Digest(roots) => self.on_digest(now, link, roots, bag),
            Frame::Sketch(part) => self.on_sketch(now, link, part, bag),
            Frame::More { set, run, first, end } => self.on_more(now, link, set, run, (first, end), bag),
            Frame::Reconcile { set, run, from_dialer, message } => {
                self.on_reconcile(now, link, set, run, from_dialer, &message, bag);
            }
            Frame::Have(ids) => self.on_have(now, link, ids, bag),
            Frame::Calls { hops, ids } => self.on_calls(now, link, hops, ids, bag),
            Frame::Want { least, ids } => self.on_want(now, link, least, ids, bag),
            Frame::Kept(ids) => {
                self.on_kept(now, link, ids, bag);
                self.offer(now, link, bag);
            }
            Frame::Receipts(acks) => self.on_receipts(now, link, acks),
            Frame::Hello(_)
            | Frame::Tokens(_)
            | Frame::Envelope(_)
            | Frame::Public(_)
            | Frame::Agreed
            | Frame::Moved { .. } => {}
        }
    }

    /// An envelope of `len` bytes came. `false` where a stranger's link was not asked for it: it is dropped.
    pub fn arrived(&mut self, now: Now, link: LinkId, id: ShortId, len: usize) -> bool {
        let Some(live) = self.links.get_mut(&link) else { return false };
        live.answered = true;
        let (contact, raised) = (live.contact.is_some(), live.raised(id));
        if let Some(intake) = &mut live.intake {
            intake.charge(len as u64, now.mono);
        }
        let waited = live.wants.arrived(id, now.mono);
        if let Some(waited) = waited {
            self.wanted.came(waited);
        }
        waited.is_some() || raised || contact || self.takes_gift(link)
    }

    /// Whether the link was told that what is lacking here may come unasked.
    fn takes_gift(&mut self, link: LinkId) -> bool {
        let Some(live) = self.links.get_mut(&link) else { return false };
        let one_more = live.gifts.checked_sub(1);
        live.gifts = one_more.unwrap_or(0);
        one_more.is_some()
    }

    /// What came is held now, or has reached its end here: it is announced to the others, and its bringer
    /// hears that it is kept. `from` is `None` for what was written here.
    pub fn accepted(&mut self, now: Now, id: ShortId, from: Option<LinkId>, bag: &dyn Bag) {
        let holders = self.wanted.release(id);
        if let Some(bringer) = from.and_then(|link| self.links.get_mut(&link)) {
            bringer.kept.push(id);
            bringer.sync.progress = true;
        }
        if self.is_spoilt(id, bag) {
            holders.iter().for_each(|holder| self.ask_for_unmarked(now, *holder, &[id]));
        }
        if let Standing::Held { hops: 1.., to, surplus, .. } = bag.standing(id) {
            for (link, live) in &mut self.links {
                // Who was asked for it too need not send it any more.
                let asked = live.wants.cancel(id, now.mono);
                if Some(*link) == from || (holders.contains(link) && !asked) {
                    continue;
                }
                if live.may_push(to) {
                    live.push(id, now.mono);
                    self.actions.push_back(Action::Serve(*link, id));
                } else if surplus && live.slow {
                    live.offers.later(id, now.mono);
                } else {
                    live.offers.sooner(id);
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

    /// A public thing came, with so many hops left. `false` where the link brings too many: it is dropped, and asked
    /// for later or when the sets are compared. One that was asked for counts with what a stranger is asked for: it is
    /// asked for less.
    pub fn arrived_public(&mut self, now: Now, link: LinkId, id: ShortId, hops: u8) -> bool {
        let (bound, shared) = (self.is_bound(now, link), self.is_shared(link, id));
        let Some(live) = self.links.get_mut(&link) else { return false };
        let asked = live.wants.arrived(id, now.mono).is_some();
        if !asked && !live.public_in.take(1, now.mono) {
            return false;
        }
        if asked && let Some(intake) = &mut live.intake {
            intake.owe(PUBLIC_COST, now.mono);
        }
        match live.calls_in.arrived(id, hops, shared, bound, now.mono) {
            Arrived::Asked => true,
            Arrived::InTime => {
                if bound && live.slow {
                    self.calls.charge(calls::CALL, now.mono);
                }
                true
            }
            Arrived::TooSoon => {
                self.check_calls(now, link);
                self.ask_elsewhere(now, id, Some(hops), link);
                false
            }
        }
    }

    /// A public thing is held now: where neighbours are few they get it unasked; in a crowd, where each would get
    /// it from several, it is announced, but over a `loaded` link: there an announcement and a request would each wait
    /// in line once more.
    pub fn accepted_public(
        &mut self,
        now: Now,
        id: ShortId,
        from: Option<LinkId>,
        loaded: &dyn Fn(LinkId) -> bool,
        bag: &dyn Bag,
    ) {
        let holders = self.wanted.release(id);
        let crowded = self.links.len() > PUSHED_LINKS;
        let hops_there = match bag.standing(id) {
            Standing::Held { hops, .. } => hops.checked_sub(1),
            _ => None,
        };
        for (link, live) in &mut self.links {
            let asked = live.wants.cancel(id, now.mono);
            let named = live.calls_in.settled(id);
            let Some(hops) = hops_there else { continue };
            if Some(*link) == from || ((named || holders.contains(link)) && !asked) {
                continue;
            }
            if crowded && !loaded(*link) {
                live.calls.push((id, hops));
            } else {
                self.actions.push_back(Action::Serve(*link, id));
            }
        }
        if let Some(link) = from {
            if let Some(bringer) = self.links.get_mut(&link) {
                bringer.sync.progress = true;
            }
            self.pump(now, link, bag);
        }
        self.flush(now);
    }

    /// A radio can say things to everybody, and hears so many nodes around.
    pub fn around(&mut self, nodes: u16) {
        self.air.around(nodes);
    }

    /// A public thing is held now: a radio that can says it to everybody in reach, where not enough others do.
    pub fn say_to_all(&mut self, now: Now, id: ShortId, own: bool, heard: bool) {
        self.air.plan(now.mono, id, own, heard, &mut self.rng);
    }

    /// Somebody in reach said this.
    pub fn overheard(&mut self, id: ShortId) {
        self.air.again(id);
    }

    /// Whether something new that was said to everybody may be verified now.
    pub fn may_take_from_air(&mut self, now: Now, id: ShortId) -> bool {
        self.air.may_take(now.mono, id)
    }

    /// Something that was said to everybody is forged: it is not verified again.
    pub fn forged(&mut self, id: ShortId) {
        self.air.forged(id);
    }

    /// What came is not held: it is not asked of this link again, but of others.
    pub fn declined(&mut self, now: Now, id: ShortId, link: LinkId, bag: &dyn Bag) {
        let mut call = None;
        if let Some(live) = self.links.get_mut(&link) {
            live.wants.decline(id);
            call = live.calls_in.gave_up(id);
        }
        self.ask_elsewhere(now, id, call, link);
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

    /// The receipts that wait for whom the other end proved to be.
    fn tell_sender(&mut self, now: Now, link: LinkId, contact: Option<AccountId>) {
        let Some(contact) = contact else { return };
        let said = self.receipts.recognised(link, contact);
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
            .filter(|(_, live)| live.wakeup().is_some_and(|at| at <= now.mono))
            .map(|(link, _)| *link)
            .collect();
        for link in due {
            if self.links.get(&link).is_some_and(|live| live.check.is_some_and(|at| at <= now.mono)) {
                self.check(now, link, bag);
            }
            self.offer(now, link, bag);
        }
        let to_all = self.air.due(now.mono).into_iter().map(Action::Broadcast);
        self.actions.extend(to_all);
        self.flush(now);
    }

    /// When [`State::tick`] has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let links = self.links.values();
        let links = links.flat_map(|link| [link.wakeup(), link.flush_at(self.config.batch)]).flatten();
        links.chain(self.receipts.next_wakeup()).chain(self.air.next_wakeup()).min()
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

    fn on_kept(&mut self, now: Now, link: LinkId, ids: Vec<ShortId>, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        live.sync.progress = true;
        for id in &ids {
            live.offers.has(*id, now.mono);
            live.got(*id);
        }
        live.pushed.take_if(|(id, _)| ids.contains(id));
        let held = ids.into_iter().filter(|id| matches!(bag.standing(*id), Standing::Held { .. }));
        self.actions.extend(held.map(|id| Action::Copy(link, id, live.copied(id))));
    }

    fn on_receipts(&mut self, now: Now, link: LinkId, acks: Vec<Ack>) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let allowed = |bucket: &mut Bucket| bucket.take(acks.len() as u64, now.mono);
        if live.receipts_in.as_mut().is_none_or(allowed) {
            self.actions.push_back(Action::Receipts(link, acks));
        }
    }

    fn fault(&mut self, link: LinkId, what: &'static str, weight: u32) {
        self.actions.push_back(Action::Fault(link, what, weight));
    }
}

fn may_go(standing: Standing) -> bool {
    matches!(standing, Standing::Held { hops: 1.., .. })
}
