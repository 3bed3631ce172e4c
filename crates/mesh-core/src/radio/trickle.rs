//! Trickle (RFC 6206): to say something often while it changes and hardly ever while all agree.

use crate::rng::Rng;
use crate::time::Time;
use core::time::Duration;

/// The constants of RFC 6206, section 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Constants {
    /// Imin.
    pub(super) least: Duration,
    /// Imax, as a time.
    pub(super) most: Duration,
    /// k.
    pub(super) enough: u8,
}

/// One timer. Its names are those of RFC 6206, section 4.2.
#[derive(Debug)]
pub(super) struct Trickle {
    constants: Constants,
    /// I.
    interval: Duration,
    /// When the interval ends.
    end: Time,
    /// t, until it has passed.
    at: Option<Time>,
    /// c.
    agreed: u8,
}

impl Trickle {
    /// Begins with the shortest interval.
    pub(super) fn new(constants: Constants, now: Time, rng: &mut Rng) -> Self {
        let mut trickle = Self { constants, interval: constants.least, end: now, at: None, agreed: 0 };
        trickle.begin(now, rng);
        trickle
    }

    /// Somebody said the same.
    pub(super) fn agrees(&mut self) {
        self.agreed = self.agreed.saturating_add(1);
    }

    /// Something is not as it was said: the shortest interval begins, unless it runs already.
    pub(super) fn reset(&mut self, now: Time, rng: &mut Rng) {
        if self.interval > self.constants.least {
            self.interval = self.constants.least;
            self.begin(now, rng);
        }
    }

    /// Whether the moment to speak has come, and if so whether nobody else did it already. To be asked again until
    /// `None`.
    pub(super) fn poll(&mut self, now: Time, rng: &mut Rng) -> Option<bool> {
        if self.at.is_some_and(|at| at <= now) {
            self.at = None;
            return Some(self.agreed < self.constants.enough);
        }
        if self.end <= now {
            self.interval = (self.interval * 2).min(self.constants.most);
            // Whoever slept through many intervals begins one now, not all that passed.
            self.begin(now, rng);
        }
        None
    }

    /// When [`Trickle::poll`] has something to do.
    pub(super) fn next_wakeup(&self) -> Time {
        self.at.unwrap_or(self.end)
    }

    fn begin(&mut self, now: Time, rng: &mut Rng) {
        let half = u64::try_from(self.interval.as_millis() / 2).unwrap_or(u64::MAX);
        self.agreed = 0;
        self.end = now + self.interval;
        self.at = Some(now + Duration::from_millis(half + rng.below(half)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANTS: Constants =
        Constants { least: Duration::from_secs(4), most: Duration::from_secs(64), enough: 2 };

    /// When it speaks until `end`, where so many agree in each interval.
    fn spoken(trickle: &mut Trickle, end: u64, agree: u8) -> Vec<u64> {
        let (mut rng, mut said) = (Rng::new([1; 32]), Vec::new());
        loop {
            let now = trickle.next_wakeup();
            if now > Time(end) {
                return said;
            }
            if trickle.agreed == 0 {
                (0..agree).for_each(|_| trickle.agrees());
            }
            if trickle.poll(now, &mut rng) == Some(true) {
                said.push(now.0);
            }
        }
    }

    #[test]
    fn intervals_double_up_to_the_most() {
        let mut trickle = Trickle::new(CONSTANTS, Time(0), &mut Rng::new([2; 32]));
        let said = spoken(&mut trickle, 600_000, 0);
        let ends = [0, 4, 12, 28, 60, 124, 188].map(|s: u64| s * 1_000);
        for (said, pair) in said.iter().zip(ends.windows(2)) {
            let middle = (pair[0] + pair[1]) / 2;
            assert!((middle..pair[1]).contains(said), "{said} lies in the second half of {pair:?}");
        }
        assert!((12..=13).contains(&said.len()), "{said:?}");
    }

    #[test]
    fn nobody_speaks_where_enough_others_did() {
        let mut trickle = Trickle::new(CONSTANTS, Time(0), &mut Rng::new([2; 32]));
        assert_eq!(spoken(&mut trickle, 600_000, 2), Vec::<u64>::new());
        let mut trickle = Trickle::new(CONSTANTS, Time(0), &mut Rng::new([2; 32]));
        assert!(!spoken(&mut trickle, 600_000, 1).is_empty());
    }

    #[test]
    fn a_reset_speaks_soon_and_a_hundred_of_them_no_sooner() {
        let mut rng = Rng::new([3; 32]);
        let mut trickle = Trickle::new(CONSTANTS, Time(0), &mut rng);
        spoken(&mut trickle, 600_000, 0);
        let now = Time(600_000);
        trickle.reset(now, &mut rng);
        let soon = trickle.next_wakeup();
        assert!(soon >= Time(602_000) && soon < Time(604_000), "{soon:?}");
        (0..100).for_each(|_| trickle.reset(now, &mut rng));
        assert_eq!(trickle.next_wakeup(), soon);
    }
}
