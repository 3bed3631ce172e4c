//! How long a message may take, learnt from what happened around this node (PROTOCOL.md section 9.8).
//!
//! Every envelope that comes by is an experiment: it is first seen at some age, and at some later age its receipt
//! comes by, or it does not yet. From these the rate at which messages are delivered is estimated for each age, as
//! rates of survival are: deliveries by the time that was watched. Ages are counted by doublings, since what takes
//! minutes in a crowd takes days between villages. What little was watched at some age borrows from its
//! neighbours, so that what nobody waited for yet goes on as what came before it.

use crate::id::{EnvelopeId, LinkId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::Time;
use crate::view::ForecastView;
use crate::wire::codec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Fewer meetings than this say nothing.
const FEW_MEETINGS: u64 = 20;
/// ... and without a receipt there is nothing to tell from.
const FEW_RECEIPTS: f32 = 0.5;
/// Envelopes that are watched at a time; the oldest gives way.
const MAX_WATCHED: usize = 4_096;
/// Ages at which the share is told, in seconds.
pub(super) const STEPS_S: [u64; 9] = [60, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 259_200];
/// Ages are counted in halves of a doubling, from one second to twelve days.
const BINS: usize = 40;
const PER_DOUBLING: f64 = 2.0;
/// What was learnt weighs half after so many further envelopes: places and crowds change.
const HALF_LIFE: f64 = 2_000.0;
/// Of the time until a receipt came by, so much passed until the delivery; the rest was its way back.
const WAY_THERE: f64 = 0.5;
/// Of the time that passed without one, so much is known to have passed without a delivery.
const SILENCE: f64 = 0.6;
/// As many envelopes, watched through one step of age, are borrowed from the steps around it ...
const BORROWED: f64 = 5.0;
/// ... those of younger and those of greater age each weighing so much of the one before it. What comes late says
/// little of what comes early: couriers bring nothing for an hour, and then much.
const FADING: [f64; 2] = [0.6, 0.3];
/// Before anything was learnt: so much of an envelope was watched through every step, ...
const SUPPOSED: f64 = 0.1;
/// ... with so many deliveries in a step of the first minute and in a later one.
const SUPPOSED_RATES: [f64; 2] = [0.05, 0.3];
const FIRST_MINUTE: usize = 12;
/// Nothing is called surer than this.
const SUREST: f64 = 0.99;
/// What was learnt is stored this often, along with what is stored anyway.
const SAVE_EVERY: Duration = Duration::from_secs(600);
/// The record of [`Table::Meta`] in which it is stored. Without it a node has learnt nothing.
pub const FORECAST_KEY: &[u8] = b"forecast";

#[derive(Clone, Copy, Debug)]
struct Watched {
    /// Age when it was first seen, in milliseconds.
    age_ms: u64,
    since: Time,
    /// Who brought it, where it was not written here.
    via: Option<LinkId>,
}

/// What was learnt, by steps of age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Learnt {
    meetings: u64,
    delivered: Vec<f32>,
    /// Envelopes that were watched, those for a part of the step by that part.
    watched: Vec<f32>,
}

impl Default for Learnt {
    fn default() -> Self {
        Self { meetings: 0, delivered: vec![0.0; BINS], watched: vec![0.0; BINS] }
    }
}

impl Learnt {
    fn is_whole(&self) -> bool {
        let whole =
            |bins: &[f32]| bins.len() == BINS && bins.iter().all(|bin| bin.is_finite() && *bin >= 0.0);
        whole(&self.delivered) && whole(&self.watched)
    }
}

/// What was learnt, and what is being watched.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    learnt: Learnt,
    watched: BTreeMap<EnvelopeId, Watched>,
    order: VecDeque<EnvelopeId>,
    /// When it was stored, and whether it was of use since.
    saved: Time,
    changed: bool,
}

impl Forecast {
    /// What was learnt before.
    pub(super) fn restore(now: Time, read: &dyn Read) -> Result<Self, ReadError> {
        let stored =
            read.load(Table::Meta, FORECAST_KEY)?.and_then(|bytes| codec::decode::<Learnt>(&bytes).ok());
        let learnt = stored.filter(Learnt::is_whole).unwrap_or_default();
        Ok(Self { learnt, saved: now, ..Self::default() })
    }

    /// Goes on watching what was held over a restart: since when, and of what age it was then. The latest ones, which
    /// did not give way before.
    pub(super) fn resume(&mut self, held: impl Iterator<Item = (EnvelopeId, Time, Duration)>) {
        let mut held: Vec<_> = held.collect();
        held.sort_unstable_by_key(|(_, since, _)| *since);
        for (id, since, age) in held.split_off(held.len().saturating_sub(MAX_WATCHED)) {
            self.seen(since, id, age, None, &|_| true);
        }
    }

    /// Adds what was learnt to a batch, where that is due.
    pub(super) fn save(&mut self, now: Time, out: &mut Outbox) {
        if self.changed && now >= self.saved + SAVE_EVERY {
            (self.saved, self.changed) = (now, false);
            out.put(Table::Meta, FORECAST_KEY, codec::encode(&self.learnt));
        }
    }

    /// A neighbour was met.
    pub(super) fn met(&mut self) {
        self.learnt.meetings += 1;
        self.changed = true;
    }

    /// An envelope has been here since `since`, when it was of this age, brought by `via` or written here. `is_held`
    /// says what is still in the bag.
    pub(super) fn seen(
        &mut self,
        since: Time,
        id: EnvelopeId,
        age: Duration,
        via: Option<LinkId>,
        is_held: &dyn Fn(EnvelopeId) -> bool,
    ) {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        if self.watched.contains_key(&id) {
            return;
        }
        self.watched.insert(id, Watched { age_ms, since, via });
        self.order.push_back(id);
        while self.order.len() > MAX_WATCHED {
            let Some(oldest) = self.order.pop_front() else { return };
            // What had to go was not watched to now, and nobody knows for how long.
            if is_held(oldest) {
                self.ended(since, oldest, false);
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
        self.changed = true;
        let kept = 0.5f32.powf(1.0 / HALF_LIFE as f32);
        for bins in [&mut self.learnt.delivered, &mut self.learnt.watched] {
            bins.iter_mut().for_each(|bin| *bin *= kept);
        }
        let end = watched.until(now, if receipted { WAY_THERE } else { SILENCE });
        watched.spread(end, &mut self.learnt.watched);
        if receipted {
            self.learnt.delivered[end as usize] += 1.0;
        }
    }

    /// What is true of somebody who is here.
    pub(super) fn of_a_neighbour() -> ForecastView {
        ForecastView { steps: STEPS_S.map(|seconds| (seconds, 990)).to_vec() }
    }

    /// The share that is delivered by each of [`STEPS_S`]; `None` while too little is known. `is_held` says what
    /// is still in the bag.
    pub(super) fn view(&self, now: Time, is_held: &dyn Fn(EnvelopeId) -> bool) -> Option<ForecastView> {
        let receipts: f32 = self.learnt.delivered.iter().sum();
        if self.learnt.meetings < FEW_MEETINGS || receipts < FEW_RECEIPTS {
            return None;
        }
        let mut time = self.learnt.watched.clone();
        // What had to go without a receipt was not watched to its end, and nobody knows for how long.
        for (_, watched) in self.watched.iter().filter(|(id, _)| is_held(**id)) {
            watched.spread(watched.until(now, SILENCE), &mut time);
        }
        let rates = rates(&self.learnt.delivered, &time);
        let share = |seconds: u64| {
            let end = place(seconds.saturating_mul(1_000));
            let whole: f64 = rates[..end as usize].iter().sum();
            let waited = whole + rates[end as usize] * end.fract();
            (seconds, ((1.0 - (-waited).exp()).min(SUREST) * 1_000.0).round() as u16)
        };
        Some(ForecastView { steps: STEPS_S.map(share).to_vec() })
    }
}

impl Watched {
    /// The place of the age that it had after this share of the time until `now`.
    fn until(&self, now: Time, share: f64) -> f64 {
        let stayed = now.since(self.since).as_millis() as f64;
        place(self.age_ms.saturating_add((stayed * share) as u64))
    }

    /// It was watched from its first sight until `end`.
    fn spread(&self, end: f64, watched: &mut [f32]) {
        let begin = place(self.age_ms);
        for (bin, time) in watched.iter_mut().enumerate().take(end as usize + 1).skip(begin as usize) {
            let (from, until) = (begin.max(bin as f64), end.min(bin as f64 + 1.0));
            *time += (until - from).max(0.0) as f32;
        }
    }
}

/// Deliveries for each step of age, by the time that was watched; where that is little, also by the steps around.
fn rates(delivered: &[f32], watched: &[f32]) -> Vec<f64> {
    let supposed = |bin: usize| SUPPOSED * SUPPOSED_RATES[usize::from(bin >= FIRST_MINUTE)];
    let around = |bin: usize| {
        let (mut ends, mut time) = (0.0, 0.0);
        for other in 0..BINS {
            let weight =
                FADING[usize::from(other > bin)].powi(i32::try_from(bin.abs_diff(other)).unwrap_or(i32::MAX));
            ends += weight * (f64::from(delivered[other]) + supposed(other));
            time += weight * (f64::from(watched[other]) + SUPPOSED);
        }
        ends / time
    };
    let rate = |bin: usize| {
        let (ends, time) = (f64::from(delivered[bin]), f64::from(watched[bin]));
        (ends + BORROWED * around(bin)) / (time + BORROWED)
    };
    (0..BINS).map(rate).collect()
}

/// In which step an age in milliseconds lies, and how far in it.
fn place(age_ms: u64) -> f64 {
    let seconds = (age_ms as f64 / 1_000.0).max(1.0);
    (seconds.log2() * PER_DOUBLING).min(BINS as f64 - 0.001)
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
        assert!(share(&forecast, 90_000_000, 60) < 0.1);
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
    fn golden_record() {
        let mut learnt = Learnt { meetings: 300, ..Learnt::default() };
        (learnt.delivered[0], learnt.watched[BINS - 1]) = (1.5, -2.0);
        let bytes = codec::encode(&learnt);
        assert_eq!(bytes[..8], [251, 0x2c, 1, 40, 0, 0, 0xc0, 0x3f]);
        assert_eq!((bytes.len(), &bytes[321..]), (325, &[0, 0, 0, 0xc0][..]));
        assert_eq!(codec::decode::<Learnt>(&bytes).unwrap(), learnt);
        assert!(!learnt.is_whole(), "nobody is watched for less than nothing");
    }

    #[test]
    fn the_latest_of_what_was_held_over_a_restart_is_watched_on() {
        let mut forecast = Forecast::default();
        let held = (0..5_000).map(|n| (id(n), Time(u64::from(5_000 - n)), Duration::from_secs(5)));
        forecast.resume(held);
        assert_eq!(forecast.watched.len(), MAX_WATCHED);
        assert!(forecast.watched.contains_key(&id(0)) && !forecast.watched.contains_key(&id(4_999)));
        assert_eq!(forecast.learnt, Learnt::default());
    }

    #[test]
    fn what_left_the_bag_meanwhile_does_not_count_as_watched_and_not_delivered() {
        let mut forecast = after_meetings(50);
        let gone = |n: u32| n.is_multiple_of(2);
        let is_held = |held: EnvelopeId| (0..5_000).any(|n| !gone(n) && id(n) == held);
        for n in 0..5_000 {
            forecast.seen(Time(u64::from(n)), id(n), Duration::ZERO, None, &is_held);
        }
        let counted = forecast.learnt.watched[0];
        let over = (5_000 - MAX_WATCHED) as f32 / 2.0;
        assert!((over * 0.8..=over).contains(&counted), "{counted}");
        assert_eq!(forecast.watched.len(), MAX_WATCHED);
    }

    #[test]
    fn a_receipt_over_the_link_that_brought_the_envelope_says_nothing() {
        let mut forecast = after_meetings(50);
        for n in 0..100 {
            forecast.seen(Time(0), id(n), Duration::ZERO, Some(LinkId(1)), &|_| true);
            forecast.receipted(Time(1_000), id(n), LinkId(1));
        }
        assert_eq!(forecast.learnt.delivered, [0.0; BINS]);
        for n in 100..200 {
            forecast.seen(Time(0), id(n), Duration::ZERO, Some(LinkId(1)), &|_| true);
            forecast.receipted(Time(1_000), id(n), LinkId(2));
        }
        assert!(forecast.learnt.delivered.iter().sum::<f32>() > 90.0);
    }

    #[test]
    fn what_nobody_waited_for_yet_goes_on_as_what_came_before_it() {
        let mut forecast = after_meetings(50);
        // Of what is left, a quarter comes in each doubling of time, up to an hour, and the day is not over.
        let (mut next, mut age) = (0, 60);
        while age < 3_600 {
            for n in next..next + 100 {
                forecast.seen(Time(0), id(n), Duration::from_secs(age), None, &|_| true);
                if n % 4 == 0 {
                    forecast.receipted(Time(2 * age * 1_000), id(n), LinkId(1));
                } else {
                    forecast.ended(Time(age * 1_333), id(n), false);
                }
            }
            (next, age) = (next + 100, 2 * age);
        }
        let (hour, day) = (share(&forecast, 3_600_000, 3_600), share(&forecast, 3_600_000, 86_400));
        assert!((0.6..0.95).contains(&hour) && day > hour + 0.05 && day <= SUREST, "{hour} and {day}");
    }

    #[test]
    fn where_hardly_a_receipt_comes_little_is_thought_likely_and_less_as_time_passes() {
        let mut forecast = after_meetings(50);
        for n in 0..200 {
            forecast.seen(Time(0), id(n), Duration::ZERO, None, &|_| true);
        }
        assert!(forecast.view(Time(600_000), &|_| true).is_none(), "not one came back");
        forecast.receipted(Time(600_000), id(0), LinkId(1));
        assert!(share(&forecast, 86_400_000, 43_200) < 0.1);
        assert!(share(&forecast, 86_400_000, 3_600) < share(&forecast, 600_000, 3_600));
    }

    #[test]
    fn what_was_learnt_outlives_a_restart_and_is_stored_once_in_ten_minutes() {
        let (memory, mut out) = (crate::store::Memory::default(), Outbox::default());
        let mut forecast = after_meetings(50);
        for n in 0..100 {
            forecast.seen(Time(0), id(n), Duration::ZERO, None, &|_| true);
            forecast.receipted(Time(600_000), id(n), LinkId(1));
        }
        for now in [599_999, 600_000, 600_001] {
            forecast.save(Time(now), &mut out);
        }
        let mut stored = 0;
        while let Some(crate::Output::Store(op)) = out.pop() {
            memory.apply([op]);
            stored += 1;
        }
        assert_eq!(stored, 1);
        let again = Forecast::restore(Time(0), &memory).unwrap();
        assert_eq!(again.view(Time(0), &|_| true), forecast.view(Time(600_000), &|_| true));
        memory.apply([crate::StoreOp::put(Table::Meta, FORECAST_KEY, *b"not this")]);
        assert!(Forecast::restore(Time(0), &memory).unwrap().view(Time(0), &|_| true).is_none());
    }
}
