//! A budget that fills itself.

use crate::time::Time;

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
    at: Time,
}

impl Bucket {
    pub(super) fn new(rate: Rate, now: Time) -> Self {
        Self { rate, level: rate.burst.saturating_mul(1000), at: now }
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

    /// Takes `amount` for what has happened already, down to nothing.
    pub(super) fn charge(&mut self, amount: u64, now: Time) {
        self.fill(now);
        self.level = self.level.saturating_sub(amount.saturating_mul(1000));
    }

    pub(super) fn is_empty(&mut self, now: Time) -> bool {
        self.fill(now);
        self.level == 0
    }

    fn fill(&mut self, now: Time) {
        let passed = now.0.saturating_sub(self.at.0);
        self.at = now;
        let gained = passed.saturating_mul(self.rate.per_second);
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
    fn what_came_already_is_charged_down_to_nothing() {
        let mut bucket = Bucket::new(Rate { burst: 10, per_second: 1 }, Time(0));
        bucket.charge(100, Time(0));
        assert!(bucket.is_empty(Time(0)));
        assert!(!bucket.is_empty(Time(1)));
    }
}
