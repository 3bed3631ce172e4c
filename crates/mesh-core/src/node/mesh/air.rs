//! What a neighbourhood says on radios that advertise, and which links it keeps there (PROTOCOL.md section 4.8).

use super::{Mesh, View};
use crate::border::Medium;
use crate::gossip;
use crate::id::LinkId;
use crate::outbox::Outbox;
use crate::radio::{Config, Herald};
use crate::rng::Rng;
use crate::time::{Now, Time};
use crate::wire::frame::Set;
use std::collections::BTreeMap;

/// The radios that work and advertise.
#[derive(Debug)]
pub(super) struct Air {
    config: Config,
    rng: Rng,
    heralds: BTreeMap<Medium, Herald>,
    /// The versions of the sets that the heralds know.
    shown: Option<[u64; 3]>,
}

impl Air {
    /// No radio works yet.
    pub(super) fn new(config: Config, rng: Rng) -> Self {
        Self { config, rng, heralds: BTreeMap::new(), shown: None }
    }

    pub(super) fn next_wakeup(&self) -> Option<Time> {
        self.heralds.values().map(Herald::next_wakeup).min()
    }
}

impl Mesh {
    /// [`Input::Radio`](crate::Input::Radio).
    pub fn radio(&mut self, now: Now, medium: Medium, up: bool, out: &mut Outbox) {
        if !up {
            self.air.heralds.remove(&medium);
            return;
        }
        let root = gossip::root(&View { carry: &self.carry, now });
        let full = self.link.count_over(medium) >= self.air.config.places;
        let herald = Herald::new(self.air.config, now.mono, root, full, self.air.rng.fork());
        out.advertise(medium, herald.advert().to_bytes(), root);
        self.air.heralds.insert(medium, herald);
    }

    /// [`Input::Heard`](crate::Input::Heard).
    pub fn heard(&mut self, now: Now, medium: Medium, advert: &[u8]) {
        if let Some(herald) = self.air.heralds.get_mut(&medium) {
            herald.heard(now.mono, advert);
        }
    }

    /// Tells the heralds what the bag looks like, where that changed, and whether places are free.
    pub(super) fn show(&mut self, now: Now) {
        if self.air.heralds.is_empty() {
            return;
        }
        let versions = Set::ALL.map(|set| self.carry.version(set));
        let same = self.air.shown.replace(versions) == Some(versions);
        let mut root = None;
        for (medium, herald) in &mut self.air.heralds {
            let full = self.link.count_over(*medium) >= self.air.config.places;
            let root = match same {
                true => herald.root(),
                false => *root.get_or_insert_with(|| gossip::root(&View { carry: &self.carry, now })),
            };
            herald.look(now.mono, root, full);
        }
    }

    /// Says anew on the radios what is due.
    pub(super) fn advertise(&mut self, now: Now, out: &mut Outbox) {
        for (medium, herald) in &mut self.air.heralds {
            if herald.tick(now.mono) {
                out.advertise(*medium, herald.advert().to_bytes(), herald.root());
            }
        }
    }

    /// Where places are few, a contact's link keeps its own.
    pub(super) fn keep_place(&self, link: LinkId, keep: bool, out: &mut Outbox) {
        if self.link.profile(link).is_some_and(|profile| profile.medium == Medium::Ble) {
            out.keep(link, keep);
        }
    }
}
