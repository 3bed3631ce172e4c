//! Movement: who comes within reach, when they hear of each other, connect, and wait for a place.

use super::agenda::{Happening, Pair};
use super::overlay::Chooser;
use super::slot::NodeIx;
use super::{World, number_of};
use crate::contact::{Meeting, Mobility};
use crate::radio::{Choosing, Radio};
use mesh_core::LinkId;
use mesh_core::radio::ADVERT_LEN;
use mesh_core::rng::Rng;
use std::collections::{HashMap, VecDeque};

/// Those who cannot be reached for a reason that lasts are tried again after this, in milliseconds.
const RETRY: u64 = 1_000;
/// ... doubled each time up to this.
const RETRY_MOST: u64 = 64_000;

/// A movement with the radio that everybody carries on it.
pub(super) struct Journey {
    mobility: Box<dyn Mobility>,
    pub(super) radio: Radio,
    next: Option<Meeting>,
    /// When it began, in milliseconds of the world: the movement counts from there.
    start: u64,
    pub(super) rng: Rng,
    pub(super) stations: Vec<Station>,
    /// Never walked through: its order is chance.
    near: HashMap<(u32, u32), Nearby>,
    /// Nodes that run, since when, and what all of them drew until then, in node-milliseconds.
    running: u64,
    running_since: u64,
    node_ms: u64,
}

/// One node's radio.
#[derive(Debug, Default)]
pub(super) struct Station {
    /// When it has nothing to do any more, in microseconds.
    pub(super) free_us: u64,
    /// When it transmits or receives, from this until that, in microseconds, in order.
    busy: VecDeque<(u64, u64)>,
    /// When its last connection attempt is over.
    dialing_until: u64,
    /// Places that are taken or reserved.
    links: u32,
    /// Who is within reach, first come first.
    near: Vec<u32>,
    /// A link gives its place away at this time.
    rotates: bool,
    /// Who chooses its links, where the nodes do.
    pub(super) chooser: Option<Box<Chooser>>,
}

/// Two nodes within reach of one another.
#[derive(Clone, Debug)]
struct Nearby {
    ticket: u64,
    stage: Stage,
    /// Whether they were linked in this contact.
    linked: bool,
    /// Whether a connection failed.
    failed: bool,
    wait: u64,
    /// Who dials, where the nodes choose.
    dialer: Option<u32>,
    /// What each was last told of the other's advert, and when; the smaller number first.
    told: [Option<([u8; ADVERT_LEN], u64)>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Neither heard the other.
    Seeking,
    /// Bodies are in the way.
    Hidden,
    /// One does not run, or they are parted.
    Off,
    /// One has no free place.
    Waiting,
    /// A connection is being made; places are reserved.
    Dialing,
    /// Linked, by the end of the one with the smaller number.
    Linked(LinkId),
}

impl World {
    /// From now on the nodes move like this, each with a `radio`: nodes of the movement are the nodes of the
    /// world with the same numbers. A world may hold several, one for each kind of radio.
    ///
    /// # Panics
    /// Where the movement has more nodes than the world.
    pub fn travel(&mut self, mut mobility: Box<dyn Mobility>, radio: Radio) {
        let count = mobility.nodes() as usize;
        assert!(count <= self.nodes.len(), "{count} travellers in a world of {} nodes", self.nodes.len());
        let next = mobility.next_meeting();
        let running = self.nodes[..count].iter().filter(|slot| slot.body.is_some()).count() as u64;
        self.journeys.push(Journey {
            mobility,
            radio,
            next,
            start: self.now,
            rng: self.rng.fork(),
            stations: (0..count).map(|_| Station::default()).collect(),
            near: HashMap::new(),
            running,
            running_since: self.now,
            node_ms: 0,
        });
        for index in 0..count {
            let runs = self.nodes[index].body.is_some();
            self.set_drain(index, runs);
        }
        let n = self.journeys.len() - 1;
        if self.journeys[n].radio.broadcasts {
            self.plan(self.now, Happening::Around(n));
        }
        for index in 0..count {
            self.begin_choosing(n, index);
        }
    }

    /// Where everybody is, in metres east and north, as far as the movement has been asked; empty where no
    /// movement knows places.
    #[must_use]
    pub fn places(&self) -> Vec<(f32, f32)> {
        let places = self.journeys.iter().map(|journey| {
            (0..journey.mobility.nodes()).map_while(|node| journey.mobility.place(node)).collect()
        });
        places.max_by_key(Vec::len).unwrap_or_default()
    }

    /// How many nodes a node has within reach, linked or not.
    #[must_use]
    pub fn within_reach(&self, ix: NodeIx) -> usize {
        self.journeys.iter().filter_map(|journey| journey.stations.get(ix.0)).map(|s| s.near.len()).sum()
    }

    /// The next meeting, and of which journey.
    pub(super) fn next_meeting(&self) -> Option<(u64, usize)> {
        let next = |(n, journey): (usize, &Journey)| Some((journey.start + journey.next?.at, n));
        self.journeys.iter().enumerate().filter_map(next).min()
    }

    pub(super) fn meet(&mut self, n: usize) {
        let journey = &mut self.journeys[n];
        let Some(meeting) = journey.next else { return };
        journey.next = journey.mobility.next_meeting();
        if meeting.near {
            self.come(n, meeting.a, meeting.b);
        } else {
            self.leave(n, meeting.a, meeting.b);
        }
    }

    fn come(&mut self, journey: usize, a: u32, b: u32) {
        self.counters.meetings += 1;
        let fresh = Nearby {
            ticket: 0,
            stage: Stage::Seeking,
            linked: false,
            failed: false,
            wait: RETRY,
            dialer: None,
            told: [None; 2],
        };
        let travels = &mut self.journeys[journey];
        if travels.near.insert((a, b), fresh).is_some() {
            return;
        }
        travels.stations[a as usize].near.push(b);
        travels.stations[b as usize].near.push(a);
        self.seek(journey, a, b);
    }

    fn leave(&mut self, n: usize, a: u32, b: u32) {
        let journey = &mut self.journeys[n];
        let Some(gone) = journey.near.remove(&(a, b)) else { return };
        journey.stations[a as usize].near.retain(|other| *other != b);
        journey.stations[b as usize].near.retain(|other| *other != a);
        let losses = &mut self.counters.losses;
        match gone.stage {
            _ if gone.linked => {}
            Stage::Linked(_) => {}
            Stage::Off => losses.off += 1,
            Stage::Hidden => losses.too_far += 1,
            Stage::Waiting => losses.no_place += 1,
            Stage::Seeking if !gone.failed => losses.undiscovered += 1,
            Stage::Seeking | Stage::Dialing => losses.unconnected += 1,
        }
        match gone.stage {
            Stage::Linked(link) => {
                self.release(n, a, b);
                self.hang_up(link);
                self.parted_by_radio(n, a as usize, b as usize);
                self.fill(n, a);
                self.fill(n, b);
            }
            Stage::Dialing => {
                self.release(n, a, b);
                if let Some(dialer) = gone.dialer {
                    self.dial_failed(n, dialer as usize, if dialer == a { b as usize } else { a as usize });
                }
                self.fill(n, a);
                self.fill(n, b);
            }
            _ => {}
        }
    }

    /// Waits until one of the two hears the other.
    fn seek(&mut self, n: usize, a: u32, b: u32) {
        let crowd = self.crowd(n, a, b);
        let journey = &mut self.journeys[n];
        if journey.is_chosen() {
            journey.enter(n, a, b, Stage::Seeking);
            return;
        }
        let delay = journey.discovery_ms(crowd);
        let pair = journey.enter(n, a, b, Stage::Seeking);
        match delay {
            0 => self.on_found(pair),
            delay => self.plan(self.now + delay, Happening::Found(pair)),
        }
    }

    /// One heard the other: they connect, where nothing speaks against it.
    pub(super) fn on_found(&mut self, pair: Pair) {
        let Pair { journey, a, b, .. } = pair;
        if !self.journeys[journey].holds(pair) {
            return;
        }
        if !self.may_link(a as usize, b as usize) {
            return self.try_later(pair, Stage::Off);
        }
        if self.is_hidden(journey, a, b) {
            return self.try_later(pair, Stage::Hidden);
        }
        if !self.journeys[journey].has_places(a, b) {
            self.journeys[journey].enter(journey, a, b, Stage::Waiting);
            return self.ask_for_rotation(journey, a, b);
        }
        self.start_connecting(journey, a, b);
    }

    fn try_later(&mut self, pair: Pair, stage: Stage) {
        let Pair { journey, a, b, .. } = pair;
        let pair = self.journeys[journey].enter(journey, a, b, stage);
        let wait = self.journeys[journey].back_off(a, b);
        self.plan(self.now + wait, Happening::Found(pair));
    }

    /// `a` dials.
    pub(super) fn start_connecting(&mut self, n: usize, a: u32, b: u32) {
        let journey = &mut self.journeys[n];
        let pair = journey.enter(n, a.min(b), a.max(b), Stage::Dialing);
        if journey.is_chosen()
            && let Some(nearby) = journey.near.get_mut(&(pair.a, pair.b))
        {
            nearby.dialer = Some(a);
        }
        journey.stations[a as usize].links += 1;
        journey.stations[b as usize].links += 1;
        let (least, most) = journey.radio.connect_ms;
        let span = u64::from(least) + journey.rng.below(u64::from(most.saturating_sub(least)) + 1);
        if span == 0 {
            return self.on_connected(pair);
        }
        // A phone makes one connection at a time.
        let station = &mut journey.stations[a as usize];
        station.dialing_until = station.dialing_until.max(self.now) + span;
        let at = station.dialing_until;
        self.plan(at, Happening::Connected(pair));
    }

    pub(super) fn on_connected(&mut self, pair: Pair) {
        let Pair { journey: n, a, b, .. } = pair;
        let journey = &mut self.journeys[n];
        if !journey.holds(pair) {
            return;
        }
        let failure = (journey.radio.connect_failure * 1e6) as u64;
        let failed = failure > 0 && journey.rng.below(1_000_000) < failure;
        if failed || !self.may_link(a as usize, b as usize) {
            self.release(n, a, b);
            if let Some(nearby) = self.journeys[n].near.get_mut(&(a, b)) {
                nearby.failed = true;
            }
            if let Some(dialer) = self.journeys[n].dialer(a, b) {
                self.journeys[n].enter(n, a, b, Stage::Seeking);
                let (dialer, other) = (dialer as usize, if dialer == a { b as usize } else { a as usize });
                self.dial_failed(n, dialer, other);
                return self.advise(n, dialer);
            }
            self.seek_again(n, a, b);
            self.fill(n, a);
            return self.fill(n, b);
        }
        // Where nobody chooses, chance decides who dials: on the air it is the lower advertisement.
        let turned = match self.journeys[n].dialer(a, b) {
            Some(dialer) => dialer == b,
            None => self.journeys[n].rng.below(2) == 1,
        };
        let (dialer, listener) = if turned { (b, a) } else { (a, b) };
        let link = self.join_by_radio(n, dialer as usize, listener as usize);
        let link = if turned { self.lines.get(&link).map_or(link, |line| line.back) } else { link };
        self.journeys[n].enter(n, a, b, Stage::Linked(link));
        if let Some(nearby) = self.journeys[n].near.get_mut(&(a, b)) {
            (nearby.linked, nearby.wait) = (true, RETRY);
        }
        self.joined_by_radio(n, dialer as usize, listener as usize);
    }

    /// A link ended while both are still within reach: they look for each other again.
    pub(super) fn unlinked(&mut self, n: usize, a: usize, b: usize) {
        let (a, b) = (number_of(a.min(b)), number_of(a.max(b)));
        let is_linked = |nearby: &Nearby| matches!(nearby.stage, Stage::Linked(_));
        if !self.journeys[n].near.get(&(a, b)).is_some_and(is_linked) {
            return;
        }
        self.release(n, a, b);
        if self.journeys[n].is_chosen() {
            self.journeys[n].enter(n, a, b, Stage::Seeking);
            return self.parted_by_radio(n, a as usize, b as usize);
        }
        self.seek_again(n, a, b);
        self.fill(n, a);
        self.fill(n, b);
    }

    fn seek_again(&mut self, n: usize, a: u32, b: u32) {
        let crowd = self.crowd(n, a, b);
        let journey = &mut self.journeys[n];
        let pair = journey.enter(n, a, b, Stage::Seeking);
        let delay = journey.back_off(a, b) + journey.discovery_ms(crowd);
        self.plan(self.now + delay, Happening::Found(pair));
    }

    fn release(&mut self, n: usize, a: u32, b: u32) {
        for node in [a, b] {
            let station = &mut self.journeys[n].stations[node as usize];
            station.links = station.links.saturating_sub(1);
        }
    }

    /// Gives free places to those who wait, first come first.
    fn fill(&mut self, n: usize, node: u32) {
        if self.nodes[node as usize].body.is_none() || self.journeys[n].is_chosen() {
            return;
        }
        for other in self.journeys[n].stations[node as usize].near.clone() {
            let journey = &self.journeys[n];
            if !journey.has_place(node) {
                return;
            }
            let (a, b) = (node.min(other), node.max(other));
            // In a crowd hardly anybody has a place: that is looked at before all pairs are.
            let waits = journey.has_place(other)
                && journey.near.get(&(a, b)).is_some_and(|nearby| nearby.stage == Stage::Waiting);
            if waits && self.may_link(a as usize, b as usize) {
                self.start_connecting(n, a, b);
            }
        }
    }

    /// Somebody waits: an old link of whoever has no place goes when its time has come.
    fn ask_for_rotation(&mut self, n: usize, a: u32, b: u32) {
        for node in [a, b] {
            let journey = &mut self.journeys[n];
            let rotate = journey.radio.rotate_ms;
            let full = !journey.has_place(node);
            let station = &mut journey.stations[node as usize];
            if rotate == 0 || !full || core::mem::replace(&mut station.rotates, true) {
                continue;
            }
            let since = self.oldest(n, node).map_or(self.now, |(since, _)| since);
            self.plan((since + rotate).max(self.now + RETRY), Happening::Rotate { journey: n, node });
        }
    }

    pub(super) fn on_rotate(&mut self, n: usize, node: u32) {
        self.journeys[n].stations[node as usize].rotates = false;
        let waits = |other: &u32| {
            let key = (node.min(*other), node.max(*other));
            self.journeys[n].near.get(&key).is_some_and(|nearby| nearby.stage == Stage::Waiting)
        };
        let Some(next) = self.journeys[n].stations[node as usize].near.iter().copied().find(waits) else {
            return;
        };
        let rotate = self.journeys[n].radio.rotate_ms;
        if let Some((since, link)) = self.oldest(n, node)
            && since + rotate <= self.now
        {
            self.hang_up(link);
        }
        self.ask_for_rotation(n, node.min(next), node.max(next));
    }

    /// A node's oldest link by this radio.
    fn oldest(&self, n: usize, node: u32) -> Option<(u64, LinkId)> {
        let by_radio = |link: &LinkId| {
            let line = self.lines.get(link)?;
            matches!(line.via, crate::pipe::Via::Radio { journey, .. } if journey == n)
                .then_some((line.since, *link))
        };
        self.nodes[node as usize].links.iter().find_map(by_radio)
    }

    /// A node stopped: its links are gone already.
    pub(super) fn journeys_without(&mut self, ix: NodeIx) {
        self.count_running(ix, false);
        self.set_drain(ix.0, false);
        for n in 0..self.journeys.len() {
            for (a, b) in self.journeys[n].pairs_of(ix) {
                let stage = self.journeys[n].near.get(&(a, b)).map(|nearby| nearby.stage);
                self.journeys[n].enter(n, a, b, Stage::Off);
                if stage == Some(Stage::Dialing) {
                    self.release(n, a, b);
                    let other = if a == ix.number() { b } else { a };
                    self.fill(n, other);
                }
            }
        }
    }

    /// A node runs again: it looks around.
    pub(super) fn journeys_with(&mut self, ix: NodeIx) {
        self.count_running(ix, true);
        self.set_drain(ix.0, true);
        for n in 0..self.journeys.len() {
            for (a, b) in self.journeys[n].pairs_of(ix) {
                self.seek(n, a, b);
            }
            if ix.0 < self.journeys[n].stations.len() {
                self.begin_choosing(n, ix.0);
            }
        }
    }

    fn count_running(&mut self, ix: NodeIx, runs: bool) {
        for journey in &mut self.journeys {
            if ix.0 < journey.stations.len() {
                journey.node_ms += journey.running * (self.now - journey.running_since);
                journey.running_since = self.now;
                journey.running = if runs { journey.running + 1 } else { journey.running - 1 };
            }
        }
    }

    /// What the radios of a node draw by themselves, in milliwatts.
    pub(super) fn idle_mw(&self, index: usize) -> f64 {
        let travels = |journey: &&Journey| index < journey.stations.len();
        self.journeys.iter().filter(travels).map(|journey| journey.radio.idle_mw()).sum()
    }

    /// How many others advertise around the fuller of the two.
    fn crowd(&self, n: usize, a: u32, b: u32) -> usize {
        let stations = &self.journeys[n].stations;
        stations[a as usize].near.len().max(stations[b as usize].near.len())
    }

    /// Whether the bodies in between are too many for the distance.
    pub(super) fn is_hidden(&self, n: usize, a: u32, b: u32) -> bool {
        let journey = &self.journeys[n];
        let radio = &journey.radio;
        if radio.body_loss_db <= 0.0 {
            return false;
        }
        let (Some(here), Some(there)) = (journey.mobility.place(a), journey.mobility.place(b)) else {
            return false;
        };
        let metres = f64::from((here.0 - there.0).hypot(here.1 - there.1));
        // The movement may be one meeting ahead: then the two are far apart already, and nothing is known.
        if metres > 1.5 * radio.range_m {
            return false;
        }
        let people = (self.crowd(n, a, b) + 1) as f64 * radio.people_per_node;
        let circle = core::f64::consts::PI * radio.range_m * radio.range_m;
        metres > radio.reach(people / circle.max(f64::MIN_POSITIVE))
    }
}

impl Station {
    /// The first moment from `from` on at which it has nothing to do for `span`, in microseconds.
    pub(super) fn gap(&self, from: u64, span: u64) -> u64 {
        let mut at = from;
        for (start, end) in &self.busy {
            if at.saturating_add(span) <= *start {
                break;
            }
            at = at.max(*end);
        }
        at
    }

    /// It transmits or receives from `start` until `end`.
    pub(super) fn occupy(&mut self, now_us: u64, start: u64, end: u64) {
        while self.busy.front().is_some_and(|(_, end)| *end <= now_us) {
            self.busy.pop_front();
        }
        let place = self.busy.partition_point(|(other, _)| *other < start);
        self.busy.insert(place, (start, end));
        self.free_us = self.free_us.max(end);
    }

    /// Who is within reach.
    pub(super) fn near(&self) -> &[u32] {
        &self.near
    }
}

impl Journey {
    /// Whether something happens whose chance is so many in a million.
    pub(super) fn chance(&mut self, in_a_million: u64) -> bool {
        self.rng.below(1_000_000) < in_a_million
    }

    /// Joules that all radios drew by themselves until `now`.
    pub(super) fn idle_j(&self, now: u64) -> f64 {
        let node_ms = self.node_ms + self.running * now.saturating_sub(self.running_since);
        self.radio.idle_mw() * node_ms as f64 / 1e6
    }

    /// The first moment from `from` on at which two stations have nothing to do for `span`, in microseconds.
    pub(super) fn both_free(&self, a: usize, b: usize, from: u64, span: u64) -> u64 {
        let mut at = from;
        loop {
            let there = self.stations[b].gap(self.stations[a].gap(at, span), span);
            if there == at {
                return at;
            }
            at = there;
        }
    }

    /// How many neighbours within reach of `node` transmit or receive now.
    pub(super) fn busy_near(&self, node: u32, now_us: u64) -> usize {
        if self.radio.contention <= 0.0 {
            return 0;
        }
        let busy = |other: &&u32| self.stations[**other as usize].free_us > now_us;
        self.stations[node as usize].near.iter().filter(busy).count()
    }

    /// Until an advertisement falls into a window of the scanner and is heard.
    fn discovery_ms(&mut self, crowd: usize) -> u64 {
        if self.radio.advert_every_ms == 0 {
            return 0;
        }
        let found = self.finds(crowd);
        let every = u64::from(self.radio.scan_every_ms.max(self.radio.scan_ms).max(1));
        let mut delay = 1 + self.rng.below(every);
        // After an hour of windows that brought nothing the two may as well have met by luck.
        while self.rng.below(1_000_000) as f64 >= found * 1e6 && delay < 3_600_000 {
            delay += every;
        }
        delay
    }

    /// The share of windows of the scanner in which somebody is heard among so many who advertise.
    pub(super) fn finds(&self, crowd: usize) -> f64 {
        if self.radio.advert_every_ms == 0 {
            return 1.0;
        }
        let adverts = f64::from(self.radio.scan_ms) / f64::from(self.radio.advert_every_ms);
        let missed = (1.0 - self.radio.heard(crowd)).max(0.0).powf(adverts.max(1.0));
        (1.0 - missed) * adverts.min(1.0)
    }

    /// Whether the nodes choose their links themselves.
    fn is_chosen(&self) -> bool {
        self.radio.choosing != Choosing::Line
    }

    /// Who dials or dialled, where the nodes choose.
    fn dialer(&self, a: u32, b: u32) -> Option<u32> {
        self.near.get(&(a, b))?.dialer
    }

    /// Where two nodes within reach are with one another.
    pub(super) fn stage(&self, a: u32, b: u32) -> Option<Stage> {
        self.near.get(&(a, b)).map(|nearby| nearby.stage)
    }

    /// Whether two nodes are within reach, not linked and not about to be.
    pub(super) fn is_apart(&self, a: u32, b: u32) -> bool {
        self.stage(a, b).is_some_and(|stage| !matches!(stage, Stage::Dialing | Stage::Linked(_)))
    }

    /// Whether a node takes one more link, with so many beyond its places.
    pub(super) fn has_room(&self, node: u32, spare: u32) -> bool {
        self.radio.max_links == 0 || self.stations[node as usize].links < self.radio.max_links + spare
    }

    /// Whether the radio of `node` tells its node of this advert of `other`: where it is new, and now and then.
    pub(super) fn tells(
        &mut self,
        node: usize,
        other: usize,
        said: [u8; ADVERT_LEN],
        now: u64,
        every: u64,
    ) -> bool {
        let key = (number_of(node.min(other)), number_of(node.max(other)));
        let Some(nearby) = self.near.get_mut(&key) else { return false };
        let told = &mut nearby.told[usize::from(node > other)];
        let tells = told.is_none_or(|(before, at)| before != said || now >= at + every);
        if tells {
            *told = Some((said, now));
        }
        tells
    }

    fn has_place(&self, node: u32) -> bool {
        self.radio.max_links == 0 || self.stations[node as usize].links < self.radio.max_links
    }

    fn has_places(&self, a: u32, b: u32) -> bool {
        self.has_place(a) && self.has_place(b)
    }

    /// Moves a pair to a stage; what was planned for it before no longer holds.
    fn enter(&mut self, journey: usize, a: u32, b: u32, stage: Stage) -> Pair {
        let mut ticket = 0;
        if let Some(nearby) = self.near.get_mut(&(a, b)) {
            // Tickets are random so that a later contact of the same two never holds an old one.
            ticket = self.rng.below(u64::MAX);
            (nearby.ticket, nearby.stage) = (ticket, stage);
        }
        Pair { journey, a, b, ticket }
    }

    fn holds(&self, pair: Pair) -> bool {
        self.near.get(&(pair.a, pair.b)).is_some_and(|nearby| nearby.ticket == pair.ticket)
    }

    fn back_off(&mut self, a: u32, b: u32) -> u64 {
        let Some(nearby) = self.near.get_mut(&(a, b)) else { return RETRY };
        let wait = nearby.wait;
        nearby.wait = (wait * 2).min(RETRY_MOST);
        wait
    }

    fn pairs_of(&self, ix: NodeIx) -> Vec<(u32, u32)> {
        let node = ix.number();
        let near = self.stations.get(ix.0).map(|station| &station.near[..]).unwrap_or_default();
        near.iter().map(|other| (node.min(*other), node.max(*other))).collect()
    }
}

impl Radio {
    fn idle_mw(&self) -> f64 {
        let adverts = if self.advert_every_ms == 0 {
            0.0
        } else {
            self.power.advert_uj / f64::from(self.advert_every_ms)
        };
        adverts + self.power.scan_mw * self.duty() + self.power.base_mw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_between_two_frames_does_not_wait_for_the_later_one() {
        let mut station = Station::default();
        station.occupy(0, 100, 200);
        station.occupy(0, 500, 600);
        assert_eq!(station.gap(0, 100), 0);
        assert_eq!(station.gap(0, 101), 200);
        assert_eq!(station.gap(150, 300), 200);
        assert_eq!(station.gap(150, 301), 600);
        station.occupy(300, 200, 500);
        assert_eq!((station.gap(0, 1), station.busy.len(), station.free_us), (0, 2, 600));
        assert_eq!(station.gap(200, 1), 600);
    }
}
