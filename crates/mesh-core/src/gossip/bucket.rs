//! A budget that fills itself.

use crate::time::Time;
use core::time::Duration;

/// How much at once, and how much per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What a full budget holds.
    pub burst: u64,
    /// What comes back per second.
    pub per_second: u64,
}

/// What is left of a [`Rate`], in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    level: u64,
    /// What was taken beyond what was there: it is paid back before the level rises.
    debt: u64,
    at: Time,
}

impl Bucket {
    pub(super) fn new(rate: Rate, now: Time) -> Self {
        Self { rate, level: rate.burst.saturating_mul(1000), debt: 0, at: now }
    }

    /// Takes `amount` where it is there.
    pub(super) fn take(&mut self, amount: u64, now: Time) -> bool {
        self.fill(now);
        let amount = amount.saturating_mul(1000);
        let enough = amount <= self.level;
        if enough {
            self.level -= amount;
        }
        enough
    }

    /// Takes `amount` where it is there, and from a full budget in any case: what is missing is owed. So what is larger
    /// than the burst passes too, as seldom as the rate has it.
    pub(super) fn take_whole(&mut self, amount: u64, now: Time) -> bool {
        self.fill(now);
        let burst = self.rate.burst.saturating_mul(1000);
        let missing = amount.saturating_mul(1000).saturating_sub(burst);
        if missing == 0 || self.level < burst {
            return self.take(amount, now);
        }
        (self.level, self.debt) = (0, missing);
        true
    }

    /// Takes `amount` for what has happened already, down to nothing.
    pub(super) fn charge(&mut self, amount: u64, now: Time) {
        self.fill(now);
        self.level = self.level.saturating_sub(amount.saturating_mul(1000));
    }

    /// Takes `amount` for what has happened already; what is missing, up to the burst, is owed.
    pub(super) fn owe(&mut self, amount: u64, now: Time) {
        self.fill(now);
        let amount = amount.saturating_mul(1000);
        let missing = amount.saturating_sub(self.level);
        self.level = self.level.saturating_sub(amount);
        self.debt = self.debt.saturating_add(missing).min(self.rate.burst.saturating_mul(1000));
    }

    /// How long until so much is there, to the next millisecond.
    pub(super) fn wait_for(&mut self, amount: u64, now: Time) -> Duration {
        self.fill(now);
        let missing = amount.saturating_mul(1000).saturating_sub(self.level).saturating_add(self.debt);
        let missing = if self.level >= amount.saturating_mul(1000) { 0 } else { missing };
        Duration::from_millis(missing.div_ceil(self.rate.per_second.max(1)))
    }

    /// What is there.
    pub(super) fn level(&mut self, now: Time) -> u64 {
        self.fill(now);
        self.level / 1000
    }

    pub(super) fn is_empty(&mut self, now: Time) -> bool {
        self.fill(now);
        self.level == 0
    }

    fn fill(&mut self, now: Time) {
        let passed = now.0.saturating_sub(self.at.0);
        self.at = now;
        let gained = passed.saturating_mul(self.rate.per_second);
        let paid = gained.min(self.debt);
        self.debt -= paid;
        let gained = gained - paid;
        self.level = self.level.saturating_add(gained).min(self.rate.burst.saturating_mul(1000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_and_comes_back() {
        let mut bucket = Bucket::new(Rate { burst: 10, per_second: 2 }, Time(0));
        assert!(bucket.take(10, Time(0)));
        assert!(!bucket.take(1, Time(499)));
        assert!(bucket.take(1, Time(500)));
        assert!(!bucket.take(11, Time(1_000_000)), "never more than the burst");
        assert!(bucket.take(10, Time(1_000_000)));
    }

    #[test]
    fn what_is_larger_than_the_burst_passes_a_full_budget_and_all_of_it_is_paid_back() {
        let mut bucket = Bucket::new(Rate { burst: 10, per_second: 1 }, Time(0));
        assert!(bucket.take_whole(1, Time(0)) && !bucket.take_whole(40, Time(0)));
        assert!(bucket.take_whole(40, Time(1_000)));
        assert!(bucket.is_empty(Time(31_000)) && !bucket.is_empty(Time(31_001)));
        assert!(!bucket.take_whole(40, Time(40_999)) && bucket.take_whole(40, Time(41_000)));
    }

    #[test]
    fn what_came_already_is_charged_down_to_nothing() {
        let mut bucket = Bucket::new(Rate { burst: 10, per_second: 1 }, Time(0));
        bucket.charge(100, Time(0));
        assert!(bucket.is_empty(Time(0)));
        assert!(!bucket.is_empty(Time(1)));
    }

    #[test]
    fn what_is_owed_is_paid_back_first_and_is_never_more_than_the_burst() {
        let mut bucket = Bucket::new(Rate { burst: 10, per_second: 1 }, Time(0));
        bucket.owe(12, Time(0));
        assert!(bucket.is_empty(Time(2_000)) && !bucket.is_empty(Time(2_001)));
        bucket.owe(1_000, Time(2_001));
        assert!(bucket.is_empty(Time(12_001)) && !bucket.is_empty(Time(12_100)));
    }
}
