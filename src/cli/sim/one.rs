//! `starling sim one`: a recorded run of The ONE simulator, under its rules.

use super::{away, input};
use crate::cli::{App, Failure};
use mesh_sim::AnyTrace;
use mesh_sim::one::{OneOutcome, OneRouter, OneSettings, replay};
use mesh_sim::runner::each;
use mesh_sim::stats::Interval;
use serde_json::json;
use starling::t;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Replay a recorded run of The ONE simulator under its own rules, with its own routers.
///
/// FILE holds its external events: `t CONN a b up|down` and `t C id from to size`. The seeds decide what The ONE
/// leaves to chance: in which order hosts and messages come.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The recorded run.
    file: String,
    /// Which router: epidemic, or spray (binary Spray-and-Wait).
    #[arg(long, value_name = "NAME", default_value = "epidemic", value_parser = ["epidemic", "spray"])]
    router: String,
    /// Copies that a new message has, with spray.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=200))]
    copies: u8,
    /// Which seeds: A..B (without B), A..=B, or one.
    #[arg(long, value_name = "A..B", default_value = "1..6", value_parser = input::seeds)]
    seeds: Range<u64>,
    /// What a transfer carries.
    #[arg(long, value_name = "RATE", default_value = "250kB/s", value_parser = input::rate)]
    rate: u64,
    /// What a host can hold.
    #[arg(long, value_name = "SIZE", default_value = "5MB", value_parser = input::size)]
    buffer: u64,
    /// How long messages live.
    #[arg(long, value_name = "DURATION", default_value = "300m", value_parser = input::span)]
    ttl: Duration,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let parsed = mesh_sim::trace::parse(&args.file, &input::read(&args.file)?).map_err(input::usage)?;
    let AnyTrace::Events(events) = parsed else {
        return Err(Failure::usage(t!("sim-one-events", path = args.file.as_str())));
    };
    let router = match args.router.as_str() {
        "spray" => OneRouter::Spray { copies: args.copies },
        _ => OneRouter::Epidemic,
    };
    let usual =
        OneSettings { router, seed: 0, rate: args.rate, buffer: args.buffer, ttl_s: args.ttl.as_secs() };
    let (seeds, begun) = (args.seeds.clone(), Instant::now());
    let runs = away(move || {
        let one = |seed: u64| (seed, replay(&events, &OneSettings { seed, ..usual.clone() }));
        Ok(each(seeds, super::run::cores(), &one))
    });
    tell(app, &args.router, &runs.await?, begun.elapsed().as_secs_f64())
}

fn tell(app: &App, router: &str, runs: &[(u64, OneOutcome)], wall_seconds: f64) -> anyhow::Result<()> {
    let mean = |of: fn(&OneOutcome) -> f64| {
        Interval::over(runs.iter().map(|(_, outcome)| of(outcome))).unwrap_or_default()
    };
    let (delivery, overhead) = (mean(|o| o.delivery), mean(|o| o.overhead));
    let (median, latency, hops) =
        (mean(|o| o.latency_median_s), mean(|o| o.latency_mean_s), mean(|o| o.hops_mean));
    let value = json!({
        "router": router, "seeds": runs.iter().map(|(seed, _)| seed).collect::<Vec<_>>(),
        "delivery": delivery, "overhead": overhead, "latency_median_s": median, "latency_mean_s": latency,
        "hops_mean": hops, "runs": runs.iter().map(|(_, outcome)| outcome).collect::<Vec<_>>(),
        "wall_seconds": wall_seconds, "peak_rss_bytes": super::finish::peak_rss_bytes(),
    });
    let words = |interval: Interval, digits: usize| {
        let Interval { mean, half, .. } = interval;
        format!("{mean:.digits$} ± {half:.digits$}")
    };
    app.out.value(&value, || {
        t!(
            "sim-one",
            router = router,
            runs = runs.len(),
            delivery = words(delivery, 4),
            overhead = words(overhead, 2),
            mean = words(latency, 1),
            median = words(median, 1),
            hops = words(hops, 2)
        )
    })
}
