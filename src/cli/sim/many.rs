//! Runs of one scenario with many seeds, on several threads.

use super::finish::peak_rss_bytes;
use super::input::usage;
use super::meter::Meter;
use mesh_sim::report::Run;
use mesh_sim::runner::{self, Options};
use mesh_sim::scenario::Scenario;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One run, with the machine's time and memory in its figures.
fn one(scenario: &Scenario, seed: u64, options: &Options, meter: &Meter, slot: usize) -> anyhow::Result<Run> {
    let begun = Instant::now();
    let told = runner::run(scenario, seed, options, &mut |progress| meter.tell(slot, progress));
    let (mut outcome, recording) = told.map_err(usage)?;
    outcome.wall_seconds = begun.elapsed().as_secs_f64();
    outcome.peak_rss_bytes = peak_rss_bytes();
    Ok(Run { outcome, recording })
}

/// A run for each seed, in the order of the seeds, whatever the number of threads. Scenes are kept of the
/// first run alone.
pub(super) fn seeds(
    scenario: &Scenario,
    seeds: Range<u64>,
    threads: usize,
    options: &Options,
    meter: &Meter,
    first_slot: usize,
) -> anyhow::Result<Vec<Run>> {
    let next = AtomicU64::new(seeds.start);
    let slots = AtomicUsize::new(first_slot);
    let done = Mutex::new(BTreeMap::new());
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let slot = slots.fetch_add(1, Ordering::Relaxed);
        let scenes = if seed == seeds.start { options.scenes } else { 0 };
        let result = one(scenario, seed, &Options { scenes, ..options.clone() }, meter, slot);
        if result.is_err() {
            // The others finish what they have begun.
            next.store(seeds.end, Ordering::Relaxed);
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, result);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
