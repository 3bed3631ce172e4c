//! Reality and simulation side by side: a run of real daemons is measured with the simulator's own rules, and
//! its contacts and messages are played again in a [`World`].

use crate::oracle::percentile;
use crate::report::Run;
use crate::{
    Audience, Contact, Crossing, Delivery, Draft, Draw, NodeIx, Observer, Oracle, Outcome, Radio, Recording,
    Sample, Seal, TraceReplay, World,
};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Samples of a mirrored run.
const SAMPLES: u64 = 120;

/// What took place: who could reach whom, and who wrote what when. Times are milliseconds since the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// How many nodes.
    pub nodes: u32,
    /// How long it lasted.
    pub length: u64,
    /// Links that stood.
    pub contacts: Vec<Contact>,
    /// What was written to one person each.
    pub letters: Vec<Letter>,
}

/// A message to one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number, unique in the run.
    pub number: u32,
    /// When it was written.
    pub at: u64,
    /// Who wrote it.
    pub from: u32,
    /// To whom.
    pub to: u32,
    /// Length of its text in bytes.
    pub bytes: u32,
}

/// When letters were shown to their readers, by their numbers.
pub type Shown = BTreeMap<u32, u64>;

impl Field {
    /// Deliveries, delays and the oracle's of a run in which letters were shown as `shown` says. Each hop of the
    /// oracle costs `hop_ms`. Everything that only a transport can count is left at 0.
    #[must_use]
    pub fn measure(&self, shown: &Shown, hop_ms: u64) -> Run {
        let oracle = Oracle::over(self.nodes, &self.contacts);
        let crossing = Crossing::delayed(hop_ms);
        let mut deliveries = Vec::with_capacity(self.letters.len());
        let (mut delays, mut bound, mut stretch) = (Vec::new(), Vec::new(), Vec::new());
        for letter in &self.letters {
            let draw = Draw { from: letter.from, to: letter.to, at: letter.at };
            let possible = oracle.arrival(&draw, crossing, self.length);
            let arrived = shown.get(&letter.number).copied().filter(|at| *at <= self.length);
            let delay = arrived.map(|at| at.saturating_sub(letter.at));
            delays.extend(delay);
            bound.extend(possible.map(|at| at - letter.at));
            if let (Some(delay), Some(possible)) = (delay, possible.filter(|at| *at > letter.at)) {
                stretch.push(delay * 1_000 / (possible - letter.at));
            }
            deliveries.push(Delivery {
                number: letter.number,
                class: "text".to_owned(),
                from: letter.from,
                to: letter.to,
                written_s: seconds(letter.at),
                shown_s: arrived.map(seconds),
                oracle_s: possible.map(seconds),
            });
        }
        for values in [&mut delays, &mut bound, &mut stretch] {
            values.sort_unstable();
        }
        let share = |part: usize| part as f64 / self.letters.len().max(1) as f64;
        let quantile = |values: &[u64], at| percentile(values, at).map(seconds);
        let outcome = Outcome {
            scenario: self.name.clone(),
            protocol: "starling".to_owned(),
            nodes: self.nodes,
            messages: self.letters.len() as u64,
            delivered: delays.len() as u64,
            delivery_ratio: share(delays.len()),
            oracle_ratio: share(bound.len()),
            delay_p50_s: quantile(&delays, 0.5),
            delay_p90_s: quantile(&delays, 0.9),
            oracle_delay_p50_s: quantile(&bound, 0.5),
            oracle_delay_p90_s: quantile(&bound, 0.9),
            stretch_p50: quantile(&stretch, 0.5),
            links: self.contacts.len() as u64,
            sim_seconds: seconds(self.length),
            ..Outcome::default()
        };
        let mut contact_seconds: Vec<f32> =
            self.contacts.iter().map(|contact| (contact.end - contact.start) as f32 / 1_000.0).collect();
        contact_seconds.sort_by(f32::total_cmp);
        Run { outcome, recording: Recording { deliveries, contact_seconds, ..Recording::default() } }
    }

    /// The same contacts and letters in a world of real nodes: what the simulator would have predicted.
    ///
    /// `radio` carries the links, which stand as soon as a contact does; `hop_ms` is what the oracle's hops cost.
    /// Wall time and memory are the caller's to fill in.
    #[must_use]
    pub fn mirror(&self, seed: u64, seal: Seal, radio: Radio, hop_ms: u64) -> Run {
        let mut world = World::sealed(seed, seal);
        let people: Vec<NodeIx> = (0..self.nodes).map(|node| world.add(&format!("Node {node}"))).collect();
        let pairs: BTreeSet<(u32, u32)> = self
            .letters
            .iter()
            .map(|letter| (letter.from.min(letter.to), letter.from.max(letter.to)))
            .collect();
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| (people[*a as usize], people[*b as usize])).collect();
        world.introduce(&pairs);
        world.forget();
        let seen = Arc::new(Mutex::new(Reader::default()));
        world.observe(Box::new(Arc::clone(&seen)));
        world.travel(Box::new(TraceReplay::over(self.nodes, &self.contacts)), radio);
        let samples = self.play(&mut world, &people, &seen);
        let shown = seen.lock().unwrap_or_else(PoisonError::into_inner).shown.clone();
        let mut run = self.measure(&shown, hop_ms);
        let counters = world.counters();
        run.outcome.seed = seed;
        run.outcome.seal = if seal == Seal::Cheap { "cheap" } else { "real" }.to_owned();
        run.outcome.trace_hash = world.trace_hash().iter().map(|byte| format!("{byte:02x}")).collect();
        run.outcome.bytes_on_air = counters.bytes_on_air;
        run.outcome.payload_bytes = counters.payload_bytes;
        run.outcome.copies_per_delivery = counters.copies as f64 / shown.len().max(1) as f64;
        run.outcome.airtime_s = counters.airtime_us as f64 / 1e6;
        run.outcome.events = counters.events;
        run.outcome.links = counters.links;
        run.recording.samples = samples;
        run
    }

    /// Lets everything happen; looks now and then.
    fn play(&self, world: &mut World, people: &[NodeIx], seen: &Mutex<Reader>) -> Vec<Sample> {
        let mut letters = self.letters.clone();
        letters.sort_by_key(|letter| (letter.at, letter.number));
        let mut letters = letters.into_iter().peekable();
        let start = world.now();
        let mut samples = Vec::new();
        for step in 0..=SAMPLES {
            let at = self.length * step / SAMPLES;
            while let Some(letter) = letters.next_if(|letter| letter.at <= at) {
                world.run_to(start + letter.at);
                world.submit(&letter.draft());
            }
            world.run_to(start + at);
            let counters = world.counters();
            samples.push(Sample {
                at_s: seconds(at),
                delivered: seen.lock().unwrap_or_else(PoisonError::into_inner).shown.len() as u64,
                oracle: 0,
                bytes_on_air: counters.bytes_on_air,
                copies: counters.copies,
                airtime_s: counters.airtime_us as f64 / 1e6,
                energy_j: 0.0,
                links: world.links().len() as u32,
                carried: people.iter().map(|ix| world.carried(*ix).0).sum(),
                running: self.nodes,
            });
        }
        samples
    }
}

impl Letter {
    fn draft(&self) -> Draft {
        let Self { number, at, from, to, bytes } = *self;
        Draft { number, at, from, to: Audience::One(to), bytes }
    }
}

/// Letters of `drafts`: one for each reader; what is for everybody is left out. Numbers are given anew.
#[must_use]
pub fn letters(drafts: &[Draft]) -> Vec<Letter> {
    let mut letters = Vec::new();
    for draft in drafts {
        let readers: &[u32] = match &draft.to {
            Audience::One(to) => &[*to],
            Audience::Each(several) => several,
            Audience::Everybody => &[],
        };
        for to in readers {
            let number = letters.len() as u32;
            letters.push(Letter { number, at: draft.at, from: draft.from, to: *to, bytes: draft.bytes });
        }
    }
    letters
}

/// A radio for contacts that are links: `latency` for each frame, `rate` bytes per second where it is limited.
#[must_use]
pub fn wire(latency: Duration, rate: Option<u64>) -> Radio {
    let latency_ms = u32::try_from(latency.as_millis()).unwrap_or(u32::MAX);
    Radio { latency_ms, control_free: false, ..Radio::ideal(Duration::ZERO, rate, 0) }
}

/// Notes when letters are shown.
#[derive(Debug, Default)]
struct Reader {
    shown: Shown,
}

impl Observer for Reader {
    fn shown(&mut self, at: u64, _: NodeIx, number: u32) {
        self.shown.entry(number).or_insert(at);
    }
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two people and somebody who walks between them.
    fn field() -> Field {
        let contact = |start, end, a, b| Contact { start, end, a, b };
        Field {
            name: "walk".into(),
            nodes: 3,
            length: 300_000,
            contacts: vec![contact(10_000, 40_000, 0, 1), contact(100_000, 140_000, 1, 2)],
            letters: vec![
                Letter { number: 0, at: 1_000, from: 0, to: 2, bytes: 40 },
                Letter { number: 1, at: 2_000, from: 2, to: 0, bytes: 40 },
            ],
        }
    }

    #[test]
    fn a_letter_counts_where_it_was_shown_in_time() {
        let run = field().measure(&Shown::from([(0, 100_500)]), 0);
        let outcome = &run.outcome;
        assert_eq!((outcome.messages, outcome.delivered), (2, 1));
        assert_eq!((outcome.delay_p50_s, outcome.oracle_delay_p50_s), (Some(99.5), Some(99.0)));
        assert!((outcome.oracle_ratio - 0.5).abs() < 1e-12, "nobody walks the other way");
    }

    #[test]
    fn a_mirrored_run_delivers_what_its_contacts_allow() {
        let run = field().mirror(7, Seal::Product, wire(Duration::from_millis(5), None), 0);
        assert_eq!(run.outcome.delivered, 1, "{:?}", run.recording.deliveries);
        let delay = run.outcome.delay_p50_s.unwrap();
        assert!((99.0..101.0).contains(&delay), "{delay}");
        assert_eq!(run.outcome.links, 2);
    }

    #[test]
    fn what_is_for_several_is_a_letter_for_each() {
        let draft = |to| Draft { number: 9, at: 5, from: 0, to, bytes: 20 };
        let drafts = [draft(Audience::Each(vec![1, 2])), draft(Audience::Everybody), draft(Audience::One(3))];
        let to: Vec<u32> = letters(&drafts).iter().map(|letter| letter.to).collect();
        assert_eq!(to, [1, 2, 3]);
    }
}
