//! Figures of a run that is over.

use crate::stats::quantile;
use crate::{ClassOutcome, Delivery, Outcome, World};
use std::collections::BTreeMap;

/// Everything that the deliveries and the world's counters tell; names, seeds and violations are the caller's
/// to add.
pub(super) fn measure(world: &World, deliveries: &[Delivery]) -> Outcome {
    let counters = world.counters();
    let all = Figures::of(deliveries.iter());
    let mut classes: BTreeMap<String, Vec<&Delivery>> = BTreeMap::new();
    for delivery in deliveries {
        classes.entry(delivery.class.clone()).or_default().push(delivery);
    }
    let class = |(name, list): (String, Vec<&Delivery>)| (name, Figures::of(list.into_iter()).class());
    let ratio = |part: u64| if all.messages == 0 { 0.0 } else { part as f64 / all.messages as f64 };
    Outcome {
        trace_hash: hex(&world.trace_hash()),
        nodes: u32::try_from(world.len()).unwrap_or(u32::MAX),
        messages: all.messages,
        delivered: all.delays.len() as u64,
        delivery_ratio: ratio(all.delays.len() as u64),
        oracle_ratio: ratio(all.oracle.len() as u64),
        delay_p50_s: quantile(&all.delays, 0.5),
        delay_p90_s: quantile(&all.delays, 0.9),
        oracle_delay_p50_s: quantile(&all.oracle, 0.5),
        oracle_delay_p90_s: quantile(&all.oracle, 0.9),
        stretch_p50: quantile(&all.stretch, 0.5).filter(|stretch| stretch.is_finite()),
        stretch_of_p50s: all.stretch_of(0.5),
        stretch_of_p90s: all.stretch_of(0.9),
        bytes_on_air: counters.bytes_on_air,
        payload_bytes: counters.payload_bytes,
        copies_per_delivery: match all.delays.len() {
            0 => 0.0,
            delivered => counters.copies as f64 / delivered as f64,
        },
        airtime_s: counters.airtime_us as f64 / 1e6,
        energy_j: counters.energy_j,
        events: counters.events,
        links: counters.links,
        sim_seconds: world.now() as f64 / 1000.0,
        classes: classes.into_iter().map(class).collect(),
        ..Outcome::default()
    }
}

/// Delays, sorted.
#[derive(Default)]
struct Figures {
    messages: u64,
    delays: Vec<f64>,
    oracle: Vec<f64>,
    stretch: Vec<f64>,
    /// Delays here and the oracle's, of what both delivered.
    both: [Vec<f64>; 2],
}

impl Figures {
    fn of<'a>(deliveries: impl Iterator<Item = &'a Delivery>) -> Self {
        let mut figures = Self::default();
        for delivery in deliveries {
            figures.messages += 1;
            let since = |at: Option<f64>| at.map(|at| at - delivery.written_s);
            let (delay, oracle) = (since(delivery.shown_s), since(delivery.oracle_s));
            figures.delays.extend(delay);
            figures.oracle.extend(oracle);
            if let (Some(delay), Some(oracle)) = (delay, oracle) {
                let same = oracle <= 0.0 && delay <= 0.0;
                figures.stretch.push(if same { 1.0 } else { delay / oracle });
                figures.both[0].push(delay);
                figures.both[1].push(oracle);
            }
        }
        let [here, there] = &mut figures.both;
        for list in [&mut figures.delays, &mut figures.oracle, &mut figures.stretch, here, there] {
            list.sort_by(f64::total_cmp);
        }
        figures
    }

    /// A quantile of the delays by the same of the oracle's, over what both delivered.
    fn stretch_of(&self, share: f64) -> Option<f64> {
        let [here, there] = &self.both;
        let ratio = quantile(here, share)? / quantile(there, share)?;
        ratio.is_finite().then_some(ratio)
    }

    fn class(&self) -> ClassOutcome {
        ClassOutcome {
            messages: self.messages,
            delivered: self.delays.len() as u64,
            oracle: self.oracle.len() as u64,
            delay_p50_s: quantile(&self.delays, 0.5),
            delay_p90_s: quantile(&self.delays, 0.9),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(class: &str, shown_s: Option<f64>, oracle_s: Option<f64>) -> Delivery {
        Delivery { number: 0, class: class.to_owned(), from: 0, to: 1, written_s: 10.0, shown_s, oracle_s }
    }

    #[test]
    fn ratios_are_shares_of_all_messages_and_delays_of_the_delivered() {
        let world = World::new(1);
        let outcome = measure(
            &world,
            &[
                delivery("text", Some(20.0), Some(15.0)),
                delivery("text", None, Some(15.0)),
                delivery("sos", Some(40.0), Some(20.0)),
                delivery("sos", None, None),
            ],
        );
        assert_eq!((outcome.messages, outcome.delivered), (4, 2));
        assert_eq!((outcome.delivery_ratio, outcome.oracle_ratio), (0.5, 0.75));
        assert_eq!((outcome.delay_p50_s, outcome.stretch_p50), (Some(30.0), Some(3.0)));
        assert_eq!(outcome.classes["sos"].oracle, 1);
        assert_eq!(outcome.classes["text"].delay_p90_s, Some(10.0));
    }

    #[test]
    fn nothing_at_all_has_no_delays() {
        let outcome = measure(&World::new(1), &[]);
        assert_eq!((outcome.delivery_ratio, outcome.delay_p50_s, outcome.stretch_p50), (0.0, None, None));
    }
}
