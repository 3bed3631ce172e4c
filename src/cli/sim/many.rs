//! Runs of one scenario with many seeds, on several threads.

use super::finish::peak_rss_bytes;
use super::input::usage;
use super::meter::Meter;
use mesh_sim::report::Run;
use mesh_sim::runner::{self, Options};
use mesh_sim::scenario::Scenario;
use std::ops::Range;
use std::time::Instant;

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
    let first = seeds.start;
    let one = |seed: u64| {
        let slot = first_slot.saturating_add(usize::try_from(seed - first).unwrap_or(usize::MAX));
        let scenes = if seed == first { options.scenes } else { 0 };
        let options = Options { scenes, ..options.clone() };
        let begun = Instant::now();
        let told = runner::run(scenario, seed, &options, &mut |progress| meter.tell(slot, progress));
        let (mut outcome, recording) = told.map_err(usage)?;
        outcome.wall_seconds = begun.elapsed().as_secs_f64();
        outcome.peak_rss_bytes = peak_rss_bytes();
        Ok(Run { outcome, recording })
    };
    runner::each(seeds, threads, &one).into_iter().collect()
}
