//! The bag's clock: counts while the node runs, and credits downtime once, bounded.

use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::wire::{Lifetime, codec};
use core::time::Duration;
use serde::{Deserialize, Serialize};

const KEY: &[u8] = b"carry/clock";

/// Milliseconds that the bag has existed, downtime included as far as it is credited.
pub(super) type Age = u64;

#[derive(Serialize, Deserialize)]
struct Saved {
    age: Age,
    wall: u64,
}

/// Where the bag's age stands against the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Time,
    age_at_start: Age,
}

impl Clock {
    /// Goes on from what was saved, plus what the wall clock says has passed since, which is never
    /// less than nothing and never more than the longest lifetime.
    pub(super) fn restore(now: Now, read: &dyn Read) -> Result<Self, ReadError> {
        let saved = read.load(Table::Meta, KEY)?;
        let saved = saved.and_then(|bytes| codec::decode::<Saved>(&bytes).ok());
        let age = saved.map_or(0, |saved| {
            let down = now.wall.0.saturating_sub(saved.wall).min(Lifetime::Fortnight.span().as_secs());
            saved.age.saturating_add(down * 1000)
        });
        Ok(Self { started: now.mono, age_at_start: age })
    }

    /// The bag's age now.
    pub(super) fn age(&self, now: Time) -> Age {
        self.age_at_start.saturating_add(now.0.saturating_sub(self.started.0))
    }

    /// When the bag will be `age` old; in this run's past, now.
    pub(super) fn time(&self, age: Age) -> Time {
        self.started + Duration::from_millis(age.saturating_sub(self.age_at_start))
    }

    /// The record that [`Clock::restore`] reads.
    pub(super) fn record(&self, now: Now) -> (&'static [u8], Vec<u8>) {
        (KEY, codec::encode(&Saved { age: self.age(now.mono), wall: now.wall.0 }))
    }
}

/// `span` in the clock's unit.
pub(super) fn millis(span: Duration) -> Age {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Memory, StoreOp};
    use crate::time::Wall;

    fn at(mono: u64, wall: u64) -> Now {
        Now { mono: Time(mono), wall: Wall(wall) }
    }

    fn restarted(saved_wall: u64, wall: u64) -> Age {
        let store = Memory::default();
        let clock = Clock { started: Time(0), age_at_start: 5_000 };
        let (key, value) = clock.record(at(1_000, saved_wall));
        store.apply([StoreOp::put(Table::Meta, key, value)]);
        Clock::restore(at(77, wall), &store).unwrap().age(Time(77))
    }

    #[test]
    fn downtime_counts() {
        assert_eq!(restarted(100, 160), 6_000 + 60_000);
    }

    #[test]
    fn attack_31_a_wall_clock_set_back_takes_nothing_away() {
        assert_eq!(restarted(1_700_000_000, 0), 6_000);
    }

    #[test]
    fn attack_31_a_wall_clock_ten_years_ahead_adds_one_lifetime_at_most() {
        assert_eq!(restarted(100, 315_000_000), 6_000 + 14 * 86_400_000);
    }

    #[test]
    fn golden_record() {
        let clock = Clock { started: Time(0), age_at_start: 5 };
        assert_eq!(clock.record(at(1, 200)).1, [6, 200]);
    }
}
