//! When a radio listens for adverts: airtime and battery against how soon somebody new is found. Time is an argument.

use mesh_core::radio::Battery;
use std::time::{Duration, Instant};

/// The least that the interval of any advertiser takes: a shorter time of listening may hear nothing.
const LISTEN: Duration = Duration::from_secs(5);
/// After a start and after the last link was lost a radio listens all the time for so long, unless it saves.
const BRISK: Duration = Duration::from_secs(30);

/// How long to listen and how long to rest; `None` is no rest. `sated`: there are neighbours enough. BlueZ lets nobody
/// say how often it advertises, so a window spans the 1.28 s of its own pace several times.
fn cycle(battery: Battery, sated: bool) -> (Duration, Option<Duration>) {
    let rest = match (battery, sated) {
        (Battery::Full, false) => return (LISTEN, None),
        (Battery::Full, true) | (Battery::Balanced, false) => 10,
        (Battery::Balanced, true) => 55,
        (Battery::Saver, false) => 56,
        (Battery::Saver, true) => 236,
    };
    let listen = if battery == Battery::Saver { Duration::from_secs(4) } else { LISTEN };
    (listen, Some(Duration::from_secs(rest)))
}

/// The duty cycle of one radio.
#[derive(Debug)]
pub(super) struct Duty {
    battery: Battery,
    listening: bool,
    /// When the present phase ends.
    until: Instant,
    brisk_until: Instant,
}

impl Duty {
    pub(super) fn new(now: Instant, battery: Battery) -> Self {
        Self { battery, listening: true, until: now + LISTEN, brisk_until: now + BRISK }
    }

    /// Another profile from now on.
    pub(super) fn set(&mut self, now: Instant, battery: Battery) {
        if battery != self.battery {
            *self = Self::new(now, battery);
        }
    }

    /// Nobody is linked any more, or the radio came back: look around.
    pub(super) fn look_around(&mut self, now: Instant) {
        self.brisk_until = now + BRISK;
        (self.listening, self.until) = (true, now + LISTEN);
    }

    /// Whether to listen now.
    pub(super) fn listens(&mut self, now: Instant, sated: bool) -> bool {
        let (listen, rest) = cycle(self.battery, sated);
        let brisk = self.battery != Battery::Saver && now < self.brisk_until && !sated;
        let Some(rest) = rest.filter(|_| !brisk) else {
            (self.listening, self.until) = (true, now + listen);
            return true;
        };
        if now >= self.until {
            self.listening = !self.listening;
            self.until = now + if self.listening { listen } else { rest };
        }
        self.listening
    }

    /// When [`Duty::listens`] may say otherwise; `None` where nothing changes by itself.
    pub(super) fn next_due(&self, now: Instant, sated: bool) -> Option<Instant> {
        let (_, rest) = cycle(self.battery, sated);
        rest?;
        let brisk = self.battery != Battery::Saver && now < self.brisk_until && !sated;
        Some(if brisk { self.brisk_until } else { self.until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of listening in an hour, and how often that changes.
    fn hour(battery: Battery, sated: bool) -> (u32, u32) {
        let start = Instant::now();
        let mut duty = Duty::new(start, battery);
        let (mut listened, mut changes, mut before) = (0, 0, true);
        for second in 0..3_600 {
            let listens = duty.listens(start + Duration::from_secs(second), sated);
            listened += u32::from(listens);
            changes += u32::from(listens != before);
            before = listens;
        }
        (listened, changes)
    }

    #[test]
    fn each_profile_listens_for_its_share_of_the_time() {
        assert_eq!(hour(Battery::Full, false), (3_600, 0));
        for (battery, sated, share) in [
            (Battery::Full, true, 1_200),
            (Battery::Balanced, false, 1_220),
            (Battery::Balanced, true, 300),
            (Battery::Saver, false, 240),
            (Battery::Saver, true, 60),
        ] {
            let (listened, changes) = hour(battery, sated);
            assert!(listened.abs_diff(share) <= 10, "{battery:?} {sated}: {listened} s of {share}");
            assert!(changes <= 2 * 3_600 / 15);
        }
    }

    #[test]
    fn a_node_without_links_looks_around_at_once() {
        let start = Instant::now();
        let mut duty = Duty::new(start, Battery::Saver);
        assert!(duty.listens(start, true));
        let resting = start + Duration::from_secs(30);
        assert!(!duty.listens(resting, true));
        duty.look_around(resting);
        assert!(duty.listens(resting, false));
    }
}
