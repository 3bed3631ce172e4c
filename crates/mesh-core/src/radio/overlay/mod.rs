//! Whom a node links to over a radio with few places (PROTOCOL.md section 4.8).
//!
//! A graph in which everybody has some links to neighbours drawn by chance is connected and few hops wide; one in
//! which everybody links to the nearest falls into islands. And a graph that stands still keeps what one of its parts knows
//! from the others. So places are filled by chance among those whose adverts show another bag, and a link
//! over which nothing flows gives its place, after a minute or two, to somebody who waits.
//!
//! The transport tells what its radio does, and asks for advice after each time:
//!
//! ```
//! use mesh_core::radio::overlay::{Advice, Config, Overlay};
//! use mesh_core::radio::Advert;
//! use mesh_core::rng::Rng;
//! use mesh_core::{Role, Time};
//!
//! let mut overlay = Overlay::new(Config::default(), Rng::new([1; 32]));
//! // From `Output::Advertise`: what is said here, and what the bag looks like.
//! let ours = Advert::new([7; 8], [0, 1], false, 0);
//! overlay.advertise(ours.to_bytes(), [7; 8]);
//! // Somebody else is heard, under the number that the radio gave to its address.
//! let theirs = Advert::new([8; 8], [9, 9], false, 0);
//! overlay.heard(Time(1_000), 42, &theirs.to_bytes(), Some(-60));
//! // A random moment later it is to be dialled: our bytes are the lower ones.
//! let at = overlay.next_wakeup(Time(1_000)).expect("somebody is to be dialled");
//! assert_eq!(overlay.poll(at), Some(Advice::Dial(42)));
//! overlay.linked(at, 42, Role::Dialer);
//! assert_eq!(overlay.poll(at), None);
//! ```

#[cfg(test)]
mod tests;

use super::advert::{ADVERT_LEN, Advert};
use super::battery::Battery;
use crate::border::Role;
use crate::rng::Rng;
use crate::time::Time;
use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Neighbours that are heard and remembered at a time; of more, a random part.
pub const MAX_SEEN: usize = 256;
/// Somebody heard is dialled after a random part of this, so that not all who hear a newcomer dial at once.
const JITTER_MS: u64 = 2_000;
/// Who has the higher bytes waits so long to be dialled, and then dials all the same: it may not be heard itself.
const YIELD: Duration = Duration::from_secs(15);
/// Whoever says that it has no free place is dialled after so long: it may give a link up.
const FULL_WAIT: Duration = Duration::from_secs(30);
/// The first pause after a failure; doubled each time ...
const RETRY: Duration = Duration::from_secs(1);
/// ... up to this.
const RETRY_MOST: Duration = Duration::from_secs(60);
/// Who is weak yields to who is louder and may be dialled within this, not to who cannot be linked.
const LOUD_SOON: Duration = Duration::from_secs(15);
/// Who shows another bag for so long waits: what crosses a crowd makes everybody different for some seconds.
const WAITS: Duration = Duration::from_secs(30);
/// A link that stood so long did not fail.
const STOOD: Duration = Duration::from_secs(30);
/// Nothing flows on a link on which nothing flowed for this long ...
const QUIET: Duration = Duration::from_secs(5);
/// ... and one on which something always flows gives its place up after so many leases.
const BUSY_LEASES: u32 = 3;
/// Places are given up this far apart at least.
const DROP_EVERY: Duration = Duration::from_secs(10);
/// So many places are never kept for anybody.
const KEPT_FREE: usize = 2;
/// Who is linked over a faster medium is left alone for so long, unless [`Overlay::lonely`] says otherwise.
const ELSEWHERE: Duration = Duration::from_secs(10 * 60);
/// A dial that was advised and never told of again is forgotten after this.
const DIAL_MOST: Duration = Duration::from_secs(20);

/// The places of a radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Links at a time. Default 6: telephones hold 7 to 10 connections, their other devices included.
    pub places: usize,
    /// Of these, how many this node dials at most: so a place is left for who comes to it. Default 4.
    pub dialled: usize,
    /// Links that are made with neighbours whose adverts show the own bag. Default 4.
    pub calm: usize,
    /// How long a link keeps its place before it may be given to somebody who waits, at random from this to that.
    /// Default 1 to 2 minutes: half a minute of a slow link takes 600 kB across, and a crowd of 3,000 is some eight
    /// random links wide.
    pub lease: (Duration, Duration),
    /// A neighbour is thought to be there for this long after it was heard. Default 20 s; more than the longest
    /// pause of the scanner.
    pub live: Duration,
    /// Who is heard with fewer dBm is dialled only where nobody louder is there. Default -90: below it connections
    /// fail more often than not.
    pub weak_dbm: i8,
}

impl From<Battery> for Config {
    fn from(battery: Battery) -> Self {
        let pace = battery.pace();
        Self {
            places: pace.links,
            dialled: pace.links.saturating_sub(2).max(1),
            calm: pace.calm,
            lease: (Duration::from_secs(60), Duration::from_secs(120)),
            live: (pace.scan_every * 2).max(Duration::from_secs(20)),
            weak_dbm: -90,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::from(Battery::default())
    }
}

/// What the transport should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Connect to this neighbour, and tell [`Overlay::linked`] or [`Overlay::failed`]. Until then nobody else is
    /// to be dialled.
    Dial(u64),
    /// Close the link with this neighbour, and tell [`Overlay::lost`] when it is gone.
    Drop(u64),
}

/// Somebody who is heard.
#[derive(Debug)]
struct Seen {
    advert: Advert,
    rssi: Option<i8>,
    last: Time,
    /// Since when it has shown another bag.
    differs: Option<Time>,
    /// When it may be dialled at the earliest, but for who yields to whom.
    ready: Time,
    /// The pause after the next failure.
    pause: Duration,
    /// It is left alone because of a link over a faster medium.
    elsewhere: bool,
    /// Its place in the random order.
    rank: u64,
}

/// A link that stands.
#[derive(Debug)]
struct Link {
    role: Role,
    since: Time,
    lease: Duration,
    flowed: Option<Time>,
    keep: bool,
    /// It was advised to be closed.
    going: bool,
}

/// The links of one radio, and everybody it hears. Pure: the same calls and the same seed give the same advice.
#[derive(Debug)]
pub struct Overlay {
    config: Config,
    rng: Rng,
    ours: Option<([u8; ADVERT_LEN], [u8; 8])>,
    seen: BTreeMap<u64, Seen>,
    links: BTreeMap<u64, Link>,
    dialling: Option<(u64, Time)>,
    dropped: Option<Time>,
}

impl Overlay {
    /// Nobody is heard yet.
    #[must_use]
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            config,
            rng,
            ours: None,
            seen: BTreeMap::new(),
            links: BTreeMap::new(),
            dialling: None,
            dropped: None,
        }
    }

    /// The own advert, and what the bag looks like: [`Output::Advertise`](crate::Output::Advertise).
    pub fn advertise(&mut self, payload: [u8; ADVERT_LEN], root: [u8; 8]) {
        self.ours = Some((payload, root));
    }

    /// An advert of `remote` was heard: remote bytes. What is no advert is passed over.
    pub fn heard(&mut self, now: Time, remote: u64, advert: &[u8], rssi: Option<i8>) {
        let Some(advert) = Advert::from_bytes(advert) else { return };
        let differs = !self.shows_ours(&advert);
        if let Some(seen) = self.seen.get_mut(&remote) {
            if now.since(seen.last) > self.config.live {
                seen.ready = seen.ready.max(now + jitter(&mut self.rng));
            }
            (seen.advert, seen.rssi, seen.last) = (advert, rssi, now);
            seen.differs = if differs { seen.differs.or(Some(now)) } else { None };
            return;
        }
        let ready = now + jitter(&mut self.rng);
        let rank = self.rng.below(u64::MAX);
        let differs = differs.then_some(now);
        let seen = Seen { advert, rssi, last: now, differs, ready, pause: RETRY, elsewhere: false, rank };
        self.seen.insert(remote, seen);
        if self.seen.len() > MAX_SEEN {
            self.forget_one(now);
        }
    }

    /// A link with `remote` stands. The radio may name somebody who came by itself as it never named anybody before. Of
    /// two links with one neighbour the first counts: tell [`Overlay::lost`] when the last of them is gone.
    pub fn linked(&mut self, now: Time, remote: u64, role: Role) {
        self.dialling.take_if(|(dialled, _)| *dialled == remote);
        let (least, most) = self.config.lease;
        let span = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        let lease = least + Duration::from_millis(self.rng.below(span.saturating_add(1)));
        let link = Link { role, since: now, lease, flowed: None, keep: false, going: false };
        self.links.entry(remote).or_insert(link);
    }

    /// A dial that was advised came to nothing.
    pub fn failed(&mut self, now: Time, remote: u64) {
        self.dialling.take_if(|(dialled, _)| *dialled == remote);
        self.pause(now, remote);
    }

    /// The link with `remote` is gone, by whatever hand.
    pub fn lost(&mut self, now: Time, remote: u64) {
        self.dialling.take_if(|(dialled, _)| *dialled == remote);
        let Some(link) = self.links.remove(&remote) else { return };
        let stood = now.since(link.since) >= STOOD;
        let rank = self.rng.below(u64::MAX);
        let Some(seen) = self.seen.get_mut(&remote) else { return };
        // Others have their turn first.
        seen.rank = rank;
        // A link that stood for a lease was given up by one end, and both wait; who is alone tries again at once.
        let leased = now.since(link.since) >= self.config.lease.0 && !link.keep && !self.links.is_empty();
        if stood {
            seen.pause = RETRY;
        }
        if link.going || leased {
            seen.ready = now + link.lease;
        } else {
            self.pause(now, remote);
        }
    }

    /// The link with `remote` was closed because the same neighbour is linked over a faster medium: it is left alone
    /// for ten minutes, or until [`Overlay::lonely`].
    pub fn elsewhere(&mut self, now: Time, remote: u64) {
        self.dialling.take_if(|(dialled, _)| *dialled == remote);
        self.links.remove(&remote);
        if let Some(seen) = self.seen.get_mut(&remote) {
            (seen.ready, seen.elsewhere) = (now + ELSEWHERE, true);
        }
    }

    /// A link over another medium ended: who was left alone because of such a link may be dialled at once.
    pub fn lonely(&mut self, now: Time) {
        for seen in self.seen.values_mut().filter(|seen| seen.elsewhere) {
            (seen.ready, seen.elsewhere) = (now, false);
        }
    }

    /// Something but a sign of life crossed the link with `remote`.
    pub fn flowed(&mut self, now: Time, remote: u64) {
        if let Some(link) = self.links.get_mut(&remote) {
            link.flowed = Some(now);
        }
    }

    /// The link with `remote` is not given up for others, or may be again: [`Output::Keep`](crate::Output::Keep). So are
    /// the oldest such links, up to two fewer than there are places and one fewer than may be dialled.
    pub fn keep(&mut self, remote: u64, keep: bool) {
        if let Some(link) = self.links.get_mut(&remote) {
            link.keep = keep;
        }
    }

    /// How many links stand.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// What to do now; ask until `None`, after every other call and at [`Overlay::next_wakeup`].
    pub fn poll(&mut self, now: Time) -> Option<Advice> {
        self.dialling.take_if(|(_, since)| now.since(*since) >= DIAL_MOST);
        if let Some(remote) = self.surplus(now) {
            return Some(self.give_up(now, remote));
        }
        if self.dialling.is_some() {
            return None;
        }
        if !self.has_place() {
            let waits = |seen: &Seen| self.waits_at(seen).is_some_and(|at| at <= now);
            let leaving = self.least_useful(now).filter(|_| self.may_drop(now))?;
            self.next_neighbour(now, waits)?;
            return Some(self.give_up(now, leaving));
        }
        let next = self.next_neighbour(now, |_| true)?;
        let rank = self.rng.below(u64::MAX);
        if let Some(seen) = self.seen.get_mut(&next) {
            seen.rank = rank;
        }
        self.dialling = Some((next, now));
        Some(Advice::Dial(next))
    }

    /// When [`Overlay::poll`] may have something new to say if nothing happens before; after `now`.
    #[must_use]
    pub fn next_wakeup(&self, now: Time) -> Option<Time> {
        if let Some((_, since)) = self.dialling {
            return Some(since + DIAL_MOST);
        }
        let live = |seen: &Seen| now.since(seen.last) <= self.config.live;
        let unlinked = self.seen.iter().filter(|(remote, _)| !self.links.contains_key(remote));
        let due = |seen: &Seen| {
            let at = self.may_dial_at(seen)?;
            if self.has_place() { Some(at) } else { Some(at.max(self.waits_at(seen)?)) }
        };
        let waiting = unlinked.filter(|(_, seen)| live(seen)).filter_map(|(_, seen)| due(seen));
        let kept = self.kept();
        let droppable = self.links.iter().filter(|(remote, link)| !kept.contains(remote) && !link.going);
        let leaves = droppable
            .map(|(_, link)| link.leaves_at())
            .chain(self.dropped.map(|dropped| dropped + DROP_EVERY));
        let (asked, leaves): (Vec<Time>, Vec<Time>) = (waiting.collect(), leaves.collect());
        let later = |times: Vec<Time>| times.into_iter().filter(|at| *at > now).min();
        // Places are only of interest while somebody waits for one.
        let leaves = if self.has_place() || asked.is_empty() { None } else { later(leaves) };
        later(asked).into_iter().chain(leaves).min()
    }

    fn has_place(&self) -> bool {
        let dialled = self.links.values().filter(|link| link.role == Role::Dialer).count();
        self.links.len() < self.config.places && dialled < self.config.dialled
    }

    /// The links that are not given up for others: the oldest of those that are to be kept, but never all places, nor
    /// all that this node may dial. A group that knows one another would be cut off from everybody else.
    fn kept(&self) -> BTreeSet<u64> {
        let mut asked: Vec<_> = self.links.iter().filter(|(_, link)| link.keep && !link.going).collect();
        asked.sort_by_key(|(remote, link)| (link.since, **remote));
        let mut dials = self.config.dialled.saturating_sub(1).max(1);
        let may = |(_, link): &(&u64, &Link)| {
            let dialled = link.role == Role::Dialer;
            let stays = !dialled || dials > 0;
            dials -= usize::from(dialled && stays);
            stays
        };
        let most = self.config.places.saturating_sub(KEPT_FREE).max(1);
        asked.into_iter().filter(may).take(most).map(|(remote, _)| *remote).collect()
    }

    /// Whether an advert shows the own bag.
    fn shows_ours(&self, advert: &Advert) -> bool {
        self.ours.is_some_and(|(_, root)| advert.shows(root))
    }

    /// From when on a place is given up for somebody; `None` while there is nothing to exchange.
    fn waits_at(&self, seen: &Seen) -> Option<Time> {
        seen.differs.filter(|_| !self.shows_ours(&seen.advert)).map(|since| since + WAITS)
    }

    /// Who is to be dialled next, of those whom `may` lets, place or none.
    fn next_neighbour(&self, now: Time, may: impl Fn(&Seen) -> bool) -> Option<u64> {
        let live = |seen: &&Seen| now.since(seen.last) <= self.config.live;
        let unlinked = || self.seen.iter().filter(|(remote, _)| !self.links.contains_key(remote));
        let is_loud = |seen: &Seen| seen.rssi.is_none_or(|rssi| rssi >= self.config.weak_dbm);
        let may_by = |seen: &Seen, by: Time| may(seen) && self.may_dial_at(seen).is_some_and(|at| at <= by);
        let any_loud =
            unlinked().any(|(_, seen)| live(&seen) && is_loud(seen) && may_by(seen, now + LOUD_SOON));
        let due = unlinked().filter(|(_, seen)| live(seen) && (is_loud(seen) || !any_loud));
        let due = due.filter(|(_, seen)| may_by(seen, now));
        let order = |(_, seen): &(&u64, &Seen)| (self.shows_ours(&seen.advert), seen.advert.full, seen.rank);
        due.min_by_key(order).map(|(remote, _)| *remote)
    }

    /// When somebody heard may be dialled; `None` where there is no need.
    fn may_dial_at(&self, seen: &Seen) -> Option<Time> {
        let (payload, root) = self.ours?;
        let equal = seen.advert.shows(root);
        if equal && (self.links.len() >= self.config.calm || seen.advert.full) {
            return None;
        }
        let yields = if payload < seen.advert.to_bytes() { Duration::ZERO } else { YIELD };
        let full = if seen.advert.full { FULL_WAIT } else { Duration::ZERO };
        Some(seen.ready + yields.max(full))
    }

    fn may_drop(&self, now: Time) -> bool {
        self.dropped.is_none_or(|dropped| now.since(dropped) >= DROP_EVERY)
    }

    /// The link that is given up first: with whom there is nothing to exchange, then the oldest. While all places
    /// but those for who comes are taken, one that was dialled.
    fn least_useful(&self, now: Time) -> Option<u64> {
        let only_dialled = self.links.len() < self.config.places;
        let kept = self.kept();
        let links = self.links.iter().filter(|(remote, link)| !kept.contains(remote) && !link.going);
        let links = links.filter(|(_, link)| !only_dialled || link.role == Role::Dialer);
        let links = links.filter(|(_, link)| link.leaves_at() <= now);
        let differs = |remote: &u64| self.seen.get(remote).is_some_and(|seen| !self.shows_ours(&seen.advert));
        links.min_by_key(|(remote, link)| (differs(remote), link.since, **remote)).map(|(remote, _)| *remote)
    }

    /// More links than places: one that may go, else the youngest that is not kept.
    fn surplus(&self, now: Time) -> Option<u64> {
        let standing = self.links.iter().filter(|(_, link)| !link.going);
        if standing.clone().count() <= self.config.places {
            return None;
        }
        let kept = self.kept();
        let others = standing.filter(|(remote, _)| !kept.contains(remote));
        let youngest = others.max_by_key(|(remote, link)| (link.since, Reverse(**remote)));
        let leaving = self.least_useful(now).filter(|_| self.may_drop(now));
        leaving.or_else(|| youngest.map(|(remote, _)| *remote))
    }

    fn give_up(&mut self, now: Time, remote: u64) -> Advice {
        if let Some(link) = self.links.get_mut(&remote) {
            link.going = true;
        }
        self.dropped = Some(now);
        Advice::Drop(remote)
    }

    /// Leaves somebody alone for its pause, give or take a quarter, and doubles that.
    fn pause(&mut self, now: Time, remote: u64) {
        let Some(seen) = self.seen.get_mut(&remote) else { return };
        let half = u64::try_from(seen.pause.as_millis() / 2).unwrap_or(u64::MAX);
        seen.ready = now + seen.pause * 3 / 4 + Duration::from_millis(self.rng.below(half + 1));
        seen.pause = (seen.pause * 2).min(RETRY_MOST);
    }

    /// Forgets somebody who is gone, else whom chance names: each name has the same chance, whoever is behind it.
    fn forget_one(&mut self, now: Time) {
        let gone = |seen: &Seen| now.since(seen.last) > self.config.live;
        let unlinked = self.seen.iter().filter(|(remote, _)| !self.links.contains_key(remote));
        let last = unlinked.max_by_key(|(_, seen)| (gone(seen), seen.rank));
        if let Some(remote) = last.map(|(remote, _)| *remote) {
            self.seen.remove(&remote);
        }
    }
}

impl Link {
    /// When it may be given up for somebody else.
    fn leaves_at(&self) -> Time {
        let rested = self.since + self.lease;
        let quiet = self.flowed.map_or(rested, |flowed| rested.max(flowed + QUIET));
        quiet.min(self.since + self.lease * BUSY_LEASES)
    }
}

fn jitter(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.below(JITTER_MS))
}
