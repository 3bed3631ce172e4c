//! The node's life: one monotonic time that goes on over restarts (PROTOCOL.md section 8).
//!
//! Every deadline that is stored is a point in this time. While the node is off it advances by what
//! the wall clock claims, within reason: a clock that says 1970 or 2036 costs at most the bound.

use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time, Wall};
use crate::wire::codec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The longest downtime that is believed: the longest life of an envelope.
const MAX_DOWNTIME: Duration = Duration::from_secs(14 * 86_400);
/// How old the saved clock may grow while nothing else is written.
pub(super) const SAVE_EVERY: Duration = Duration::from_secs(600);
const KEY: &[u8] = b"clock";

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Saved {
    life: Time,
    wall: Wall,
}

/// Translates the shell's monotonic time, which starts anew with each process, into the node's life.
#[derive(Debug)]
pub(super) struct Clock {
    /// The shell's time when this process began, and the life at that moment.
    start: Time,
    base: Time,
    saved: Time,
}

impl Clock {
    /// A life that begins now.
    pub(super) fn new(now: Now) -> Self {
        Self { start: now.mono, base: Time::default(), saved: Time::default() }
    }

    /// The life as it was saved, plus the downtime.
    pub(super) fn restore(now: Now, read: &dyn Read) -> Result<Self, ReadError> {
        let Some(bytes) = read.load(Table::Meta, KEY)? else { return Ok(Self::new(now)) };
        let Ok(Saved { life, wall }) = codec::decode(&bytes) else { return Ok(Self::new(now)) };
        let downtime = Duration::from_secs(now.wall.0.saturating_sub(wall.0)).min(MAX_DOWNTIME);
        let base = life + downtime;
        Ok(Self { start: now.mono, base, saved: base })
    }

    /// Both clocks as the layers see them.
    pub(super) fn life(&self, now: Now) -> Now {
        Now { mono: self.base + now.mono.since(self.start), wall: now.wall }
    }

    /// The shell's time of a point in this life.
    pub(super) fn shell(&self, life: Time) -> Time {
        self.start + life.since(self.base)
    }

    /// Adds the clock to a batch, so that it is never older than what it dates.
    pub(super) fn save(&mut self, life: Now, out: &mut Outbox) {
        self.saved = life.mono;
        out.put(Table::Meta, KEY, codec::encode(&Saved { life: life.mono, wall: life.wall }));
    }

    /// When the clock is saved although nothing else is.
    pub(super) fn next_save(&self) -> Time {
        self.saved + SAVE_EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;

    fn at(mono_s: u64, wall_s: u64) -> Now {
        Now { mono: Time(mono_s * 1_000), wall: Wall(wall_s) }
    }

    fn reborn(saved: Now, now: Now) -> Time {
        let memory = Memory::default();
        let mut out = Outbox::default();
        Clock::new(at(0, 0)).save(saved, &mut out);
        while let Some(crate::Output::Store(op)) = out.pop() {
            memory.apply([op]);
        }
        Clock::restore(now, &memory).unwrap().life(now).mono
    }

    #[test]
    fn downtime_counts() {
        assert_eq!(reborn(at(100, 1_000), at(7, 1_060)), Time(160_000));
    }

    #[test]
    fn a_clock_that_ran_back_costs_nothing() {
        assert_eq!(reborn(at(100, 2_000_000_000), at(7, 0)), Time(100_000));
    }

    #[test]
    fn a_clock_ten_years_ahead_costs_at_most_a_fortnight() {
        let ten_years = 10 * 365 * 86_400;
        assert_eq!(reborn(at(100, 1_000), at(7, 1_000 + ten_years)), Time(100_000) + MAX_DOWNTIME);
    }

    #[test]
    fn shell_time_and_life_translate_both_ways() {
        let clock = Clock { start: Time(5_000), base: Time(90_000), saved: Time(0) };
        assert_eq!(clock.shell(clock.life(at(65, 0)).mono), Time(65_000));
    }
}
