//! How many bytes of bulk may be in flight: what the pipe carries in [`Bounds::target`], so that a control frame never
//! waits longer than that behind bulk (PROTOCOL.md section 4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most a window grows in one round: gently, because what it overshoots waits in buffers of the network.
const GROWTH: f64 = 1.5;

/// Between what a window moves, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The smallest: two pieces, one on the air while the other is acknowledged.
    pub(super) least: u32,
    /// The largest.
    pub(super) most: u32,
    /// The queue that bulk may make in front of a control frame.
    pub(super) target: Duration,
}

/// More was acknowledged than was in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got} bytes acknowledged, {in_flight} were in flight")]
pub(super) struct Overrun {
    /// Bytes acknowledged.
    pub(super) got: u32,
    /// Bytes in flight.
    pub(super) in_flight: u32,
}

/// The window of one bulk stream. Time is an argument.
///
/// It is measured in rounds, the time between sending a byte and its acknowledgement. After a round that was held up
/// by the window, the next one is `rate * (target + shortest round ever)`: a window that fills no queue grows, one that
/// keeps the far end waiting longer than the target shrinks at once.
#[derive(Debug)]
pub(super) struct Window {
    bounds: Bounds,
    size: u32,
    in_flight: u32,
    sent: VecDeque<(Instant, u32)>,
    base: Option<Duration>,
    round: Round,
}

#[derive(Debug, Default)]
struct Round {
    start: Option<Instant>,
    /// In flight when it began: it ends when so many bytes were acknowledged.
    left: u32,
    acked: u32,
    held_up: bool,
}

impl Window {
    /// Begins with `size` bytes.
    pub(super) fn new(bounds: Bounds, size: u32) -> Self {
        Self { bounds, size, in_flight: 0, sent: VecDeque::new(), base: None, round: Round::default() }
    }

    /// How many bytes may be in flight together.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// How many bytes are in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether `bytes` more may go; remembers when the window, not the sender, was the limit.
    pub(super) fn admits(&mut self, bytes: u32) -> bool {
        let admits = self.in_flight + bytes <= self.size;
        self.round.held_up |= !admits;
        admits
    }

    /// A piece goes out.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: u32) {
        if self.in_flight == 0 {
            self.round = Round { start: Some(now), left: bytes, ..Round::default() };
        }
        self.in_flight += bytes;
        self.sent.push_back((now, bytes));
    }

    /// The far end took `bytes`.
    pub(super) fn on_ack(&mut self, now: Instant, bytes: u32) -> Result<(), Overrun> {
        if bytes > self.in_flight {
            return Err(Overrun { got: bytes, in_flight: self.in_flight });
        }
        self.in_flight -= bytes;
        let mut left = bytes;
        let mut waited = None;
        while left > 0 {
            let Some((at, piece)) = self.sent.front_mut() else { break };
            let taken = left.min(*piece);
            waited = Some(now.saturating_duration_since(*at));
            *piece -= taken;
            left -= taken;
            if *piece == 0 {
                self.sent.pop_front();
            }
        }
        if let Some(waited) = waited {
            self.base = Some(self.base.map_or(waited, |base| base.min(waited)));
            self.advance_round(now, bytes, waited);
        }
        Ok(())
    }

    fn advance_round(&mut self, now: Instant, bytes: u32, waited: Duration) {
        self.round.acked += bytes;
        if self.round.acked < self.round.left {
            return;
        }
        let took = self.round.start.map_or(waited, |start| now.saturating_duration_since(start));
        let rate = f64::from(self.round.acked) / took.as_secs_f64().max(1e-6);
        let (base, target) = (self.base.unwrap_or_default(), self.bounds.target);
        let fits = rate * (target + base).as_secs_f64();
        let size = f64::from(self.size);
        if self.round.held_up || waited > target + base {
            let highest = if self.round.held_up { size * GROWTH } else { size };
            self.size = self.clamp(fits.min(highest));
        }
        // As much as was in flight before this acknowledgement: one that comes for half of it at once would otherwise
        // begin a round of half the length, and those measure by turns too much and too little.
        self.round = Round { start: Some(now), left: self.in_flight + bytes, ..Round::default() };
    }

    fn clamp(&self, bytes: f64) -> u32 {
        let Bounds { least, most, target: _ } = self.bounds;
        // In range by the clamp, so the cast keeps the value.
        bytes.clamp(f64::from(least), f64::from(most)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        Window::new(
            Bounds { least: 8 * 1024, most: 4 * 1024 * 1024, target: Duration::from_millis(75) },
            8 * 1024,
        )
    }

    /// A pipe of `rate` bytes per second behind a buffer without end; each piece comes back acknowledged after `delay`.
    fn saturate(window: &mut Window, rate: f64, delay: Duration, seconds: f64) -> (Duration, f64) {
        let start = Instant::now();
        let (mut now, mut free) = (start, start);
        let mut flying: VecDeque<(Instant, u32)> = VecDeque::new();
        let (mut longest, mut done) = (Duration::ZERO, 0.0);
        while now.duration_since(start).as_secs_f64() < seconds {
            while window.admits(4096) {
                window.on_sent(now, 4096);
                free = free.max(now) + Duration::from_secs_f64(4096.0 / rate);
                flying.push_back((free + delay, 4096));
                if now.duration_since(start).as_secs_f64() > seconds / 2.0 {
                    longest = longest.max(free.duration_since(now));
                }
            }
            let (at, bytes) = flying.pop_front().expect("the window holds at least one piece");
            now = at;
            done += f64::from(bytes);
            window.on_ack(now, bytes).unwrap();
        }
        (longest, done / seconds)
    }

    #[test]
    fn a_slow_pipe_gets_a_short_queue_and_stays_full() {
        let mut window = window();
        let (longest, rate) = saturate(&mut window, 100e3, Duration::from_micros(200), 20.0);
        assert!(longest < Duration::from_millis(90), "{longest:?}");
        assert!(rate > 95e3, "{rate}");
    }

    #[test]
    fn a_fast_pipe_fills_within_a_second() {
        let mut window = window();
        let (longest, rate) = saturate(&mut window, 20e6, Duration::from_millis(4), 2.0);
        assert!(longest < Duration::from_millis(90), "{longest:?}");
        assert!(rate > 16e6, "{rate}");
    }

    #[test]
    fn a_pipe_that_becomes_slow_gets_a_smaller_window() {
        let mut window = window();
        saturate(&mut window, 5e6, Duration::from_millis(1), 2.0);
        assert!(window.size() > 200_000, "{}", window.size());
        while window.in_flight() > 0 {
            let rest = window.in_flight().min(4096);
            window.on_ack(Instant::now() + Duration::from_secs(3), rest).unwrap();
        }
        let (longest, _) = saturate(&mut window, 100e3, Duration::from_millis(1), 20.0);
        assert!(longest < Duration::from_millis(90), "{longest:?}");
    }

    #[test]
    fn acknowledging_more_than_was_sent_is_broken() {
        let mut window = window();
        window.on_sent(Instant::now(), 100);
        assert_eq!(window.on_ack(Instant::now(), 101), Err(Overrun { got: 101, in_flight: 100 }));
    }
}
