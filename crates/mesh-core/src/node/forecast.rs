//! How long a message may take, learnt from what happened around this node (PROTOCOL.md section 9.8).
//!
//! Every envelope that comes by is an experiment: it is first seen at some age, and at some later age its receipt
//! comes by, or it does not yet. From these the share that is delivered by each age is estimated as survival times
//! are: what is still on its way counts for the time that it was watched, and what was first seen late counts from
//! there on (E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", 1958).

use crate::id::{EnvelopeId, LinkId};
use crate::time::Time;
use crate::view::ForecastView;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// Fewer meetings than this say nothing.
const FEW_MEETINGS: u64 = 20;
/// ... and fewer receipts.
const FEW_RECEIPTS: f64 = 5.0;
/// Envelopes that are watched at a time; the oldest gives way.
const MAX_WATCHED: usize = 4_096;
/// Ages at which the share is told, in seconds.
pub(super) const STEPS_S: [u64; 9] = [60, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 259_200];
/// Ages are counted in steps of a sixth of a doubling, from one second on.
const STEPS_PER_DOUBLING: f64 = 6.0;
const BINS: usize = 128;
/// What was learnt weighs half after so many further envelopes: places and crowds change.
const HALF_LIFE: f64 = 2_000.0;

#[derive(Clone, Copy, Debug)]
struct Watched {
    /// Age when it was first seen, in milliseconds.
    age_ms: u64,
    since: Time,
    /// Who brought it, where it was not written here.
    via: Option<LinkId>,
}

/// What was learnt.
#[derive(Debug)]
pub(super) struct Forecast {
    meetings: u64,
    watched: BTreeMap<EnvelopeId, Watched>,
    order: VecDeque<EnvelopeId>,
    /// Envelopes of which the watching ended, by the step at which that was.
    delivered: Vec<f64>,
    /// ... without a receipt.
    lost_sight: Vec<f64>,
    /// ... and by the step at which it began.
    began: Vec<f64>,
}

impl Default for Forecast {
    fn default() -> Self {
        let bins = || vec![0.0; BINS];
        Self {
            meetings: 0,
            watched: BTreeMap::new(),
            order: VecDeque::new(),
            delivered: bins(),
            lost_sight: bins(),
            began: bins(),
        }
    }
}

impl Forecast {
    /// A neighbour was met.
    pub(super) fn met(&mut self) {
        self.meetings += 1;
    }

    /// An envelope is here that was not, of this age, brought by `via` or written here. `is_held` says what is
    /// still in the bag.
    pub(super) fn seen(
        &mut self,
        now: Time,
        id: EnvelopeId,
        age: Duration,
        via: Option<LinkId>,
        is_held: &dyn Fn(EnvelopeId) -> bool,
    ) {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        if self.watched.contains_key(&id) {
            return;
        }
        self.watched.insert(id, Watched { age_ms, since: now, via });
        self.order.push_back(id);
        while self.order.len() > MAX_WATCHED {
            let Some(oldest) = self.order.pop_front() else { return };
            // What had to go was not watched to now, and nobody knows for how long.
            if is_held(oldest) {
                self.ended(now, oldest, false);
            } else {
                self.watched.remove(&oldest);
            }
        }
    }

    /// Its receipt came by. Over the link that brought the envelope it says nothing: both may be made up.
    pub(super) fn receipted(&mut self, now: Time, id: EnvelopeId, from: LinkId) {
        if self.watched.get(&id).is_some_and(|watched| watched.via == Some(from)) {
            self.watched.remove(&id);
        }
        self.ended(now, id, true);
    }

    fn ended(&mut self, now: Time, id: EnvelopeId, receipted: bool) {
        let Some(watched) = self.watched.remove(&id) else { return };
        let kept = 0.5f64.powf(1.0 / HALF_LIFE);
        for bins in [&mut self.delivered, &mut self.lost_sight, &mut self.began] {
            bins.iter_mut().for_each(|bin| *bin *= kept);
        }
        let stayed = now.since(watched.since).as_millis() as u64;
        self.began[bin(watched.age_ms)] += 1.0;
        if receipted {
            // The receipt took its way back to here: the delivery lies in between.
            self.delivered[bin(watched.age_ms + stayed / 2)] += 1.0;
        } else {
            self.lost_sight[bin(watched.age_ms + stayed)] += 1.0;
        }
    }

    /// What is true of somebody who is here.
    pub(super) fn of_a_neighbour() -> ForecastView {
        ForecastView { steps: STEPS_S.map(|seconds| (seconds, 990)).to_vec() }
    }

    /// The share that is delivered by each of [`STEPS_S`]; `None` while too little is known. `is_held` says what
    /// is still in the bag.
    pub(super) fn view(&self, now: Time, is_held: &dyn Fn(EnvelopeId) -> bool) -> Option<ForecastView> {
        let receipts: f64 = self.delivered.iter().sum();
        if self.meetings < FEW_MEETINGS || receipts < FEW_RECEIPTS {
            return None;
        }
        let (mut began, mut lost) = (self.began.clone(), self.lost_sight.clone());
        // What had to go without a receipt was not watched to its end, and nobody knows for how long.
        for (_, watched) in self.watched.iter().filter(|(id, _)| is_held(**id)) {
            let stayed = now.since(watched.since).as_millis() as u64;
            began[bin(watched.age_ms)] += 1.0;
            lost[bin(watched.age_ms + stayed)] += 1.0;
        }
        let (mut at_risk, mut waiting) = (0.0, 1.0);
        let mut by_bin = Vec::with_capacity(BINS);
        for n in 0..BINS {
            at_risk += began[n];
            if at_risk > 0.0 {
                // Half of those that ended in this step are thought to be there for all of it.
                let there = (at_risk - lost[n] / 2.0).max(self.delivered[n]).max(f64::MIN_POSITIVE);
                waiting *= (1.0 - self.delivered[n] / there).clamp(0.0, 1.0);
            }
            at_risk -= self.delivered[n] + lost[n];
            by_bin.push(1.0 - waiting);
        }
        let share = |seconds: u64| (seconds, (by_bin[bin(seconds * 1_000)] * 1_000.0).round() as u16);
        Some(ForecastView { steps: STEPS_S.map(share).to_vec() })
    }
}

/// The step of an age in milliseconds.
fn bin(age_ms: u64) -> usize {
    let seconds = (age_ms / 1_000).max(1) as f64;
    ((seconds.log2() * STEPS_PER_DOUBLING) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> EnvelopeId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        EnvelopeId(id)
    }

    fn after_meetings(meetings: u64) -> Forecast {
        let mut forecast = Forecast::default();
        (0..meetings).for_each(|_| forecast.met());
        forecast
    }

    fn share(forecast: &Forecast, now: u64, seconds: u64) -> f64 {
        let view = forecast.view(Time(now), &|_| true).unwrap();
        f64::from(view.steps.iter().find(|(step, _)| *step == seconds).unwrap().1) / 1_000.0
    }

    #[test]
    fn a_few_meetings_say_nothing() {
        let mut forecast = after_meetings(19);
        for n in 0..100 {
            forecast.seen(Time(0), id(n), Duration::ZERO, None, &|_| true);
            forecast.receipted(Time(1_000), id(n), LinkId(1));
        }
        assert!(forecast.view(Time(1_000), &|_| true).is_none());
        forecast.met();
        assert!(forecast.view(Time(1_000), &|_| true).is_some());
    }

    #[test]
    fn what_is_receipted_half_the_time_is_half_likely() {
        let mut forecast = after_meetings(50);
        for n in 0..1_000 {
            forecast.seen(Time(0), id(n), Duration::ZERO, None, &|_| true);
        }
        // The other half stays for a day without an end.
        (0..500).for_each(|n| forecast.ended(Time(600_000), id(n), true));
        let hour = share(&forecast, 90_000_000, 3_600);
        assert!((0.45..0.55).contains(&hour), "{hour}");
        assert!(share(&forecast, 90_000_000, 60) < 0.05);
    }

    #[test]
    fn what_is_watched_only_for_a_while_does_not_count_as_never_delivered() {
        let mut forecast = after_meetings(50);
        for n in 0..1_000 {
            forecast.seen(Time(0), id(n), Duration::ZERO, None, &|_| true);
        }
        (0..500).for_each(|n| forecast.ended(Time(100_000), id(n), false));
        (500..1_000).for_each(|n| forecast.ended(Time(2_000_000), id(n), true));
        let hour = share(&forecast, 2_000_000, 3_600);
        assert!(hour > 0.9, "{hour}");
    }

    #[test]
    fn watched_envelopes_are_bounded() {
        let mut forecast = after_meetings(50);
        for n in 0..10_000 {
            forecast.seen(Time(u64::from(n)), id(n), Duration::ZERO, None, &|_| true);
        }
        assert_eq!((forecast.watched.len(), forecast.order.len()), (MAX_WATCHED, MAX_WATCHED));
    }

    #[test]
    fn what_left_the_bag_meanwhile_does_not_count_as_watched_and_not_delivered() {
        let mut forecast = after_meetings(50);
        let gone = |n: u32| n.is_multiple_of(2);
        let is_held = |held: EnvelopeId| (0..5_000).any(|n| !gone(n) && id(n) == held);
        for n in 0..5_000 {
            forecast.seen(Time(u64::from(n)), id(n), Duration::ZERO, None, &is_held);
        }
        let counted: f64 = forecast.lost_sight.iter().sum();
        let over = (5_000 - MAX_WATCHED as u32) / 2;
        assert!((f64::from(over) * 0.8..=f64::from(over)).contains(&counted), "{counted}");
        assert_eq!(forecast.watched.len(), MAX_WATCHED);
    }

    #[test]
    fn a_receipt_over_the_link_that_brought_the_envelope_says_nothing() {
        let mut forecast = after_meetings(50);
        for n in 0..100 {
            forecast.seen(Time(0), id(n), Duration::ZERO, Some(LinkId(1)), &|_| true);
            forecast.receipted(Time(1_000), id(n), LinkId(1));
        }
        assert!(forecast.view(Time(1_000), &|_| true).is_none());
        for n in 100..200 {
            forecast.seen(Time(0), id(n), Duration::ZERO, Some(LinkId(1)), &|_| true);
            forecast.receipted(Time(1_000), id(n), LinkId(2));
        }
        assert!(forecast.view(Time(1_000), &|_| true).is_some());
    }
}
