//! Radios whose nodes choose their links themselves: by what they hear, as the product's do.
//!
//! Every station scans in its rhythm. What it hears of whom is the adverts that the nodes there really say, and its
//! [`Overlay`] says whom to dial and which link to give up. The rest, how long connecting takes and what a link
//! carries, is the same as where pairs wait in line.

use super::agenda::Happening;
use super::journey::Stage;
use super::{World, number_of};
use crate::radio::Choosing;
use mesh_core::radio::overlay::{Advice, Config, Overlay};
use mesh_core::radio::{ADVERT_LEN, Advert};
use mesh_core::{Input, LinkId, Role, Time};

/// A node hears of an advert that stands this often, in milliseconds.
const TELL_EVERY: u64 = 30_000;
/// Links beyond its places that a radio takes until one of them is given up.
const SPARE: u32 = 1;

/// What one station heard and chose.
#[derive(Debug)]
pub(super) struct Chooser {
    overlay: Overlay,
    /// What its node says, and what its bag looks like.
    said: Option<[u8; ADVERT_LEN]>,
    /// When it is next asked for advice.
    asked: Option<u64>,
}

impl World {
    /// A node of a journey runs: it begins to listen and to speak.
    pub(super) fn begin_choosing(&mut self, n: usize, node: usize) {
        let journey = &mut self.journeys[n];
        let Choosing::Overlay(battery) = journey.radio.choosing else { return };
        let mut config = Config::from(battery);
        if journey.radio.max_links > 0 {
            config.places = journey.radio.max_links as usize;
        }
        config.live =
            config.live.max(core::time::Duration::from_millis(2 * u64::from(journey.radio.scan_every_ms)));
        let mut chooser =
            Chooser { overlay: Overlay::new(config, journey.rng.fork()), said: None, asked: None };
        // Protocols without adverts of their own are found all the same, and always have something new.
        let root = journey.rng.bytes();
        let anything = Advert::new(root, journey.rng.bytes(), false, 0).to_bytes();
        chooser.said = Some(anything);
        chooser.overlay.advertise(anything, root);
        let medium = journey.radio.medium;
        let first = journey.rng.below(u64::from(journey.radio.scan_every_ms).max(1));
        let station = &mut journey.stations[node];
        let begins = station.chooser.replace(Box::new(chooser)).is_none();
        if begins {
            self.plan(self.now + first, Happening::Scan { journey: n, node });
        }
        self.input(node, Input::Radio { medium, up: true });
    }

    /// What a node says from now on by its radios of this kind.
    pub(super) fn advertise(
        &mut self,
        node: usize,
        medium: mesh_core::Medium,
        payload: &[u8],
        root: [u8; 8],
    ) {
        let Ok(payload) = <[u8; ADVERT_LEN]>::try_from(payload) else { return };
        for n in 0..self.journeys.len() {
            let journey = &mut self.journeys[n];
            if journey.radio.medium != medium {
                continue;
            }
            let Some(chooser) = journey.stations.get_mut(node).and_then(|station| station.chooser.as_mut())
            else {
                continue;
            };
            chooser.said = Some(payload);
            chooser.overlay.advertise(payload, root);
            self.advise(n, node);
        }
    }

    /// A link is a contact's, or is none any more.
    pub(super) fn keep(&mut self, link: LinkId, keep: bool) {
        let Some((n, near, far)) = self.by_radio(link) else { return };
        if let Some(chooser) = self.chooser(n, near) {
            chooser.overlay.keep(far as u64, keep);
        }
    }

    /// Something is handed on over a link.
    pub(super) fn flowed(&mut self, n: usize, a: usize, b: usize) {
        let now = Time(self.now);
        for (near, far) in [(a, b), (b, a)] {
            if let Some(chooser) = self.chooser(n, near) {
                chooser.overlay.flowed(now, far as u64);
            }
        }
    }

    /// The scanner of a station listens for a while.
    pub(super) fn on_scan(&mut self, n: usize, node: usize) {
        let every = u64::from(self.journeys[n].radio.scan_every_ms.max(1));
        self.plan(self.now + every, Happening::Scan { journey: n, node });
        if self.nodes[node].body.is_none() {
            return;
        }
        let near = self.journeys[n].stations[node].near().to_vec();
        let finds = (self.journeys[n].finds(near.len()) * 1e6) as u64;
        for other in near {
            if self.journeys[n].chance(finds) {
                self.hear(n, node, other as usize);
            }
        }
        self.advise(n, node);
    }

    /// `node` hears the advert of `other`, where nothing is in between.
    fn hear(&mut self, n: usize, node: usize, other: usize) {
        let (a, b) = (number_of(node.min(other)), number_of(node.max(other)));
        if !self.may_link(a as usize, b as usize) || self.is_hidden(n, a, b) {
            return;
        }
        let now = self.now;
        let Some(said) = self.chooser(n, other).and_then(|chooser| chooser.said) else { return };
        if let Some(chooser) = self.chooser(n, node) {
            chooser.overlay.heard(Time(now), other as u64, &said, None);
        }
        let medium = self.journeys[n].radio.medium;
        if self.journeys[n].tells(node, other, said, now, TELL_EVERY) {
            self.input(node, Input::Heard { medium, advert: &said, rssi: None });
        }
    }

    /// Follows the advice that a station has, and plans when to ask for more.
    pub(super) fn advise(&mut self, n: usize, node: usize) {
        let now = Time(self.now);
        while let Some(advice) = self.chooser(n, node).and_then(|chooser| chooser.overlay.poll(now)) {
            match advice {
                Advice::Dial(other) => self.dial_by_advice(n, node, other as usize),
                Advice::Drop(other) => self.drop_by_advice(n, node, other as usize),
            }
        }
        let Some(chooser) = self.chooser(n, node) else { return };
        let next = chooser.overlay.next_wakeup(now).map(|at| at.0);
        let Some(at) = next.filter(|at| chooser.asked.is_none_or(|asked| *at < asked)) else { return };
        chooser.asked = Some(at);
        self.plan(at, Happening::Advise { journey: n, node });
    }

    pub(super) fn on_advise(&mut self, n: usize, node: usize) {
        let now = self.now;
        if let Some(chooser) = self.chooser(n, node).filter(|chooser| chooser.asked == Some(now)) {
            chooser.asked = None;
            self.advise(n, node);
        }
    }

    /// A station dials, unless the other is gone, linked, being dialled or has no place.
    fn dial_by_advice(&mut self, n: usize, node: usize, other: usize) {
        let (a, b) = (number_of(node.min(other)), number_of(node.max(other)));
        let may = self.may_link(a as usize, b as usize)
            && self.journeys[n].is_apart(a, b)
            && self.journeys[n].has_room(number_of(other), SPARE);
        if may {
            return self.start_connecting(n, number_of(node), number_of(other));
        }
        self.dial_failed(n, node, other);
    }

    fn drop_by_advice(&mut self, n: usize, node: usize, other: usize) {
        let (a, b) = (number_of(node.min(other)), number_of(node.max(other)));
        match self.journeys[n].stage(a, b) {
            Some(Stage::Linked(link)) => self.hang_up(link),
            _ => self.parted_by_radio(n, node, other),
        }
    }

    /// A dial came to nothing.
    pub(super) fn dial_failed(&mut self, n: usize, node: usize, other: usize) {
        let now = Time(self.now);
        if let Some(chooser) = self.chooser(n, node) {
            chooser.overlay.failed(now, other as u64);
        }
    }

    /// A link stands; `dialer` dialled.
    pub(super) fn joined_by_radio(&mut self, n: usize, dialer: usize, listener: usize) {
        let now = Time(self.now);
        for (near, far, role) in [(dialer, listener, Role::Dialer), (listener, dialer, Role::Listener)] {
            if let Some(chooser) = self.chooser(n, near) {
                chooser.overlay.linked(now, far as u64, role);
            }
            self.advise(n, near);
        }
    }

    /// A link is gone.
    pub(super) fn parted_by_radio(&mut self, n: usize, a: usize, b: usize) {
        let (now, elsewhere) = (Time(self.now), !self.between(a, b).is_empty());
        for (near, far) in [(a, b), (b, a)] {
            let Some(chooser) = self.chooser(n, near) else { continue };
            match elsewhere {
                true => chooser.overlay.elsewhere(now, far as u64),
                false => chooser.overlay.lost(now, far as u64),
            }
            self.advise(n, near);
        }
    }

    /// A link that is none of a radio's ended: who was left alone because of it is looked for again.
    pub(super) fn lonely(&mut self, a: usize, b: usize) {
        let now = Time(self.now);
        for n in 0..self.journeys.len() {
            for node in [a, b] {
                if let Some(chooser) = self.chooser(n, node) {
                    chooser.overlay.lonely(now);
                    self.advise(n, node);
                }
            }
        }
    }

    fn chooser(&mut self, n: usize, node: usize) -> Option<&mut Chooser> {
        self.journeys[n].stations.get_mut(node)?.chooser.as_deref_mut()
    }

    /// The journey and both ends of a link by radio.
    fn by_radio(&self, link: LinkId) -> Option<(usize, usize, usize)> {
        let line = self.lines.get(&link)?;
        let crate::pipe::Via::Radio { journey, .. } = line.via else { return None };
        Some((journey, line.near.node()?, line.far.node()?))
    }
}
