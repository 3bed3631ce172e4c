//! What a node says on one radio, and when it says it anew (PROTOCOL.md section 4.8).

use super::advert::{ADVERT_LEN, Advert};
use super::battery::Battery;
use super::trickle::{Constants, Trickle};
use crate::rng::Rng;
use crate::time::Time;
use core::time::Duration;
use std::collections::BTreeMap;

/// Adverts of others that are counted at a time; the one that was heard longest ago goes.
pub const MAX_HEARD: usize = 255;
/// An advert counts for this long after it was last heard: a scanner may pause for 30 s.
const LIVE: Duration = Duration::from_secs(45);
/// Adverts that agree in one interval, after which this node need not say the same anew: k of RFC 6206.
const ENOUGH: u8 = 3;
/// Strangers make this node speak sooner at most this often: adverts of nobody cost nothing.
const TURNED_EVERY: Duration = Duration::from_secs(60);
/// No advert stands for longer: as long as Bluetooth's private addresses (TGAP(private_addr_int), Core Specification,
/// volume 3, part C, appendix A).
const MOST: Duration = Duration::from_secs(15 * 60);

/// How often a node says something new on a radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// An advert follows a change after half of this to the whole. Default 4 s.
    pub least: Duration,
    /// ... and stands for this long while nothing changes. Default 8 minutes; never more than 15.
    pub most: Duration,
    /// With so many links over the radio it has no free place. Default 6.
    pub places: usize,
}

impl From<Battery> for Config {
    fn from(battery: Battery) -> Self {
        let pace = battery.pace();
        Self { least: pace.advert_least, most: pace.advert_most, places: pace.links }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::from(Battery::default())
    }
}

/// What this node says on one radio that works.
#[derive(Debug)]
pub struct Herald {
    rng: Rng,
    trickle: Trickle,
    said: Advert,
    since: Time,
    /// What the bag looks like, and whether there is a place.
    truth: ([u8; 8], bool),
    /// What was said is not the truth any more.
    stale: bool,
    /// Adverts of others and when each was last heard.
    heard: BTreeMap<[u8; ADVERT_LEN], Time>,
    /// When a stranger's advert last made this node speak sooner.
    turned: Option<Time>,
}

impl Herald {
    /// The radio works: its first advert, [`Herald::advert`], is to be said at once.
    #[must_use]
    pub fn new(config: Config, now: Time, root: [u8; 8], full: bool, mut rng: Rng) -> Self {
        let constants = Constants { least: config.least, most: config.most.min(MOST), enough: ENOUGH };
        let trickle = Trickle::new(constants, now, &mut rng);
        let said = Advert::new(root, rng.bytes(), full, 0);
        let truth = (root, full);
        Self { rng, trickle, said, since: now, truth, stale: false, heard: BTreeMap::new(), turned: None }
    }

    /// What is said now.
    #[must_use]
    pub fn advert(&self) -> Advert {
        self.said
    }

    /// What the bag looked like when it was last looked at.
    #[must_use]
    pub fn root(&self) -> [u8; 8] {
        self.truth.0
    }

    /// The bag looks like this, and no place is free or one is: where that is not what is said, it is soon.
    pub fn look(&mut self, now: Time, root: [u8; 8], full: bool) {
        if self.truth == (root, full) {
            return;
        }
        self.truth = (root, full);
        self.stale = true;
        self.trickle.reset(now, &mut self.rng);
    }

    /// Somebody's advert was heard: remote bytes.
    pub fn heard(&mut self, now: Time, bytes: &[u8]) {
        let Some(advert) = Advert::from_bytes(bytes) else { return };
        let is_new = self.count(now, advert.to_bytes());
        if advert.shows(self.truth.0) {
            return self.trickle.agrees();
        }
        let may_turn = self.turned.is_none_or(|turned| now.since(turned) >= TURNED_EVERY);
        if is_new && may_turn {
            self.turned = Some(now);
            self.trickle.reset(now, &mut self.rng);
        }
    }

    /// Whether a new advert is due, which is to be said at once.
    pub fn tick(&mut self, now: Time) -> bool {
        let mut due = self.since + MOST <= now;
        while self.trickle.next_wakeup() <= now {
            let speaks = self.trickle.poll(now, &mut self.rng);
            due |= speaks.is_some_and(|alone| alone || self.stale);
        }
        if due {
            self.say(now);
        }
        due
    }

    /// When [`Herald::tick`] has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Time {
        self.trickle.next_wakeup().min(self.since + MOST)
    }

    /// How many others were heard lately. A neighbour that has just said something new counts twice.
    #[must_use]
    pub fn density(&self, now: Time) -> u8 {
        let live = self.heard.values().filter(|at| now.since(**at) < LIVE).count();
        u8::try_from(live).unwrap_or(u8::MAX)
    }

    fn say(&mut self, now: Time) {
        let (root, full) = self.truth;
        self.heard.retain(|_, at| now.since(*at) < LIVE);
        self.said = Advert::new(root, self.rng.bytes(), full, self.density(now));
        (self.since, self.stale) = (now, false);
    }

    /// Whether it was not heard before.
    fn count(&mut self, now: Time, bytes: [u8; ADVERT_LEN]) -> bool {
        let is_new = self.heard.insert(bytes, now).is_none();
        if self.heard.len() > MAX_HEARD
            && let Some(oldest) = self.heard.iter().min_by_key(|(_, at)| **at).map(|(bytes, _)| *bytes)
        {
            self.heard.remove(&oldest);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: [u8; 8] = [1; 8];
    const OTHER: [u8; 8] = [2; 8];

    fn herald() -> Herald {
        Herald::new(Config::default(), Time(0), ROOT, false, Rng::new([5; 32]))
    }

    /// Everything that is said until `end`.
    fn said(herald: &mut Herald, end: u64) -> Vec<(u64, Advert)> {
        let mut said = Vec::new();
        while herald.next_wakeup() <= Time(end) {
            let now = herald.next_wakeup();
            said.extend(herald.tick(now).then(|| (now.0, herald.advert())));
        }
        said
    }

    fn strangers(n: u16, root: [u8; 8]) -> [u8; ADVERT_LEN] {
        Advert::new(root, n.to_le_bytes(), false, 0).to_bytes()
    }

    #[test]
    fn a_change_is_said_within_four_seconds_and_quiet_hours_take_few_words() {
        let mut herald = herald();
        let quiet = said(&mut herald, 3_600_000);
        assert!(quiet.len() <= 15, "{} adverts in an hour", quiet.len());
        herald.look(Time(3_600_000), OTHER, false);
        let (at, advert) = said(&mut herald, 3_604_000)[0];
        assert!(at >= 3_602_000 && advert.shows(OTHER) && !advert.shows(ROOT));
    }

    #[test]
    fn a_bag_that_changes_all_the_time_is_said_every_few_seconds_and_not_each_time() {
        let mut herald = herald();
        let mut all = Vec::new();
        for n in 0..6_000u64 {
            herald.look(Time(n * 10), [(n % 251) as u8; 8], false);
            all.extend(said(&mut herald, n * 10));
        }
        assert!((7..=30).contains(&all.len()), "{} adverts in a minute", all.len());
    }

    #[test]
    fn no_byte_but_the_first_and_the_density_stays_and_no_advert_stands_for_over_15_minutes() {
        let mut herald = herald();
        let (mut before, mut since) = (herald.advert(), 0);
        for n in 0..240u64 {
            // A crowd that agrees all the time: nobody need say anything for its own sake.
            let now = n * 30_000;
            (0..4).for_each(|who| herald.heard(Time(now), &strangers(who, ROOT)));
            for (at, advert) in said(&mut herald, now) {
                assert!(at - since <= 15 * 60_000, "{} s", (at - since) / 1_000);
                assert_ne!((advert.nonce, advert.digest), (before.nonce, before.digest));
                (before, since) = (advert, at);
            }
        }
        assert!(since > 6_000_000);
    }

    #[test]
    fn where_enough_others_say_the_same_it_is_not_said_anew() {
        let (mut alone, mut among) = (herald(), herald());
        let mut words = [0, 0];
        for n in 0..1_200u64 {
            let now = n * 1_000;
            (0..4).for_each(|who| among.heard(Time(now), &strangers(who, ROOT)));
            words[0] += said(&mut alone, now).len();
            words[1] += said(&mut among, now).len();
        }
        assert!(words[1] < words[0] && words[1] <= 2, "{words:?}");
    }

    #[test]
    fn the_number_of_others_is_said_and_forgotten() {
        let mut herald = herald();
        (0..20).for_each(|who| herald.heard(Time(1_000), &strangers(who, OTHER)));
        assert_eq!(said(&mut herald, 10_000)[0].1.density, 20);
        assert_eq!(herald.density(Time(46_000)), 0);
    }

    #[test]
    fn attack_55_adverts_of_nobody_take_no_memory_and_few_words() {
        let mut herald = herald();
        said(&mut herald, 3_600_000);
        let mut words = 0;
        for n in 0..60_000u32 {
            let now = 3_600_000 + u64::from(n) * 10;
            herald.heard(Time(now), &strangers((n % 65_536) as u16, OTHER));
            words += said(&mut herald, now).len();
        }
        assert_eq!(herald.heard.len(), MAX_HEARD);
        assert_eq!(herald.density(Time(4_200_000)), 255);
        assert!(words <= 50, "{words} adverts in ten minutes");
    }

    #[test]
    fn a_place_that_is_taken_is_said() {
        let mut herald = herald();
        herald.look(Time(60_000), ROOT, true);
        assert!(said(&mut herald, 64_000).iter().any(|(_, advert)| advert.full));
    }
}
