//! Traces with the reference's draws.

use super::calibration::{self, Forecasts};
use super::carriers::Carriers;
use super::circles::Circles;
use super::measure::measure;
use super::record::{Film, open};
use super::stage::{self, Stage};
use super::{Progress, RunError, TraceOptions, lost, seal_name, violations};
use crate::invariants::Checks;
use crate::oracle::drafts;
use crate::scenario::ProtocolName;
use crate::workload::Written;
use crate::{Crossing, Delivery, Draw, Foresight, Oracle, Outcome, Radio, Recording, Trace, TraceReplay};
use core::time::Duration;
use mesh_core::Config;
use mesh_core::wire::Lifetime;
use std::collections::{BTreeMap, BTreeSet};

/// Replays a trace: messages and window are drawn as the reference draws them, all pairs that write are
/// introduced beforehand, and the hop delay holds for the oracle and the nodes alike.
///
/// # Errors
/// Where an option is out of its range or the trace is shorter than the window.
pub fn trace_run(
    trace: &Trace,
    options: &TraceOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<(Outcome, Recording), RunError> {
    check(trace, options)?;
    let oracle = Oracle::new(trace);
    let ttl = options.ttl_s * 1000;
    let window = oracle.end().saturating_sub(ttl);
    let draws = oracle.draws(options.seed, options.messages as usize, window, options.create);
    if draws.is_empty() {
        let allowed =
            format!("below the trace's length, {} s, so that messages can be drawn", oracle.end() / 1000);
        return Err(RunError::Option { what: "ttl", allowed, got: options.ttl_s.to_string() });
    }
    let crossing = match options.goodput {
        None => Crossing::delayed(options.hop_delay_ms),
        Some(goodput) => Crossing::carrying(options.hop_delay_ms, u64::from(options.size), goodput),
    };
    let foreseen = oracle.foresee(&draws, crossing, ttl);
    let mut written: Vec<Written> =
        drafts(&draws, options.size).into_iter().map(|draft| Written { draft, workload: 0 }).collect();
    written.sort_by_key(|written| (written.draft.at, written.draft.number));
    let (mut stage, checks) = stage_of(trace, options, &written);
    stage.play(progress);
    let deliveries = deliveries(&stage, &draws, &foreseen, ttl);
    let mut outcome = measure(&stage.world, &deliveries);
    outcome.scenario.clone_from(&options.name);
    options.protocol.name().clone_into(&mut outcome.protocol);
    outcome.seal = seal_name(options.protocol, options.seal);
    outcome.seed = options.seed;
    outcome.violations = violations(checks.as_ref());
    outcome.losses = losses(&stage, &deliveries);
    outcome.notes = lost(&stage);
    outcome.notes.extend(stage.world.counters().bytes_by_type());
    outcome.notes.extend(stage.carried_notes(&oracle, Crossing::delayed(options.hop_delay_ms)));
    let (end_s, asked) = (stage.end as f64 / 1000.0, stage.forecasts.count());
    let judged = stage.forecasts.judge(&deliveries, end_s, options.ttl_s as f64);
    outcome.notes.extend(calibration::notes(&judged, asked));
    let mut recording = stage.film.finish(deliveries);
    recording.reliability = calibration::classes(&judged);
    recording.contact_seconds = trace.contacts.iter().map(|c| (c.end - c.start) as f32 / 1000.0).collect();
    recording.contact_seconds.sort_by(f32::total_cmp);
    Ok((outcome, recording))
}

fn check(trace: &Trace, options: &TraceOptions) -> Result<(), RunError> {
    let wrong =
        |what, allowed: &str, got: String| Err(RunError::Option { what, allowed: allowed.to_owned(), got });
    if trace.nodes < 2 {
        return wrong("trace", "of two nodes or more", trace.nodes.to_string());
    }
    if !(1..=1_000_000).contains(&options.messages) {
        return wrong("messages", "from 1 to 1000000", options.messages.to_string());
    }
    if !(12..=64_000).contains(&options.size) {
        return wrong("size", "from 12 to 64000 bytes", options.size.to_string());
    }
    if options.goodput == Some(0) {
        return wrong("goodput", "at least 1 B/s", "0".to_owned());
    }
    if options.ttl_s == 0 {
        return wrong("ttl", "at least 1 s", "0".to_owned());
    }
    Ok(())
}

fn stage_of<'a>(
    trace: &Trace,
    options: &TraceOptions,
    written: &'a [Written],
) -> (Stage<'a>, Option<Checks>) {
    let hop_delay = Duration::from_millis(options.hop_delay_ms);
    let radio = Radio::ideal(hop_delay, options.goodput, options.links.unwrap_or(0));
    // The window is the message's life: the shortest class that covers it.
    let lifetime = Lifetime::covering(Duration::from_secs(options.ttl_s));
    let config = Config { lifetime, ..Config::default() };
    let mut world =
        stage::world(options.seed, options.seal, options.protocol, trace.nodes, |_| config.clone());
    let real = options.protocol == ProtocolName::Starling;
    if real {
        world.introduce(&stage::pairs(written));
    }
    world.forget();
    let shown = stage::watch(&mut world);
    let quota = config.mesh.carry.quota;
    let checks = (options.check && real).then(|| Checks::of(&mut world, options.seal, trace.nodes, quota));
    world.travel(Box::new(TraceReplay::new(trace)), radio);
    let last = written.last().map_or(0, |written| written.draft.at);
    // Later than the last window nothing counts.
    let end = last.saturating_add(options.ttl_s * 1000).min(trace.end());
    let carriers = if real { Carriers::watch(&mut world, trace.nodes, written.len()) } else { None };
    let film = Film::new(end, options.samples, options.scenes);
    let (unwritten, nodes, forecasts) = (BTreeSet::new(), trace.nodes, Forecasts::default());
    let batteries = None;
    let circles = Circles::default();
    (
        Stage { world, written, film, shown, batteries, carriers, circles, forecasts, end, unwritten, nodes },
        checks,
    )
}

fn deliveries(stage: &Stage<'_>, draws: &[Draw], foreseen: &Foresight, ttl: u64) -> Vec<Delivery> {
    let shown = open(&stage.shown);
    let delivery = |(number, (draw, oracle)): (usize, (&Draw, &Option<u64>))| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let at = shown.at(number, draw.to).filter(|at| *at <= draw.at.saturating_add(ttl));
        let seconds = |ms: u64| ms as f64 / 1000.0;
        Delivery {
            number,
            class: "text".to_owned(),
            from: draw.from,
            to: draw.to,
            written_s: seconds(draw.at),
            shown_s: at.map(seconds),
            oracle_s: oracle.map(seconds),
        }
    };
    draws.iter().zip(&foreseen.arrivals).enumerate().map(delivery).collect()
}

/// How many bags messages reached that could have arrived and did not.
pub(super) fn reach(stage: &Stage<'_>, deliveries: &[Delivery]) -> Option<(String, f64)> {
    let carriers = open(stage.carriers.as_ref()?);
    let missed = |delivery: &&Delivery| delivery.shown_s.is_none() && delivery.oracle_s.is_some();
    let bags = deliveries.iter().filter(missed).map(|delivery| carriers.bags(delivery.number));
    let bags: Vec<usize> = bags.filter(|bags| *bags > 0).collect();
    let mean = bags.iter().sum::<usize>() as f64 / bags.len().max(1) as f64;
    (!bags.is_empty()).then(|| ("bags that a missed message reached, on average".to_owned(), mean))
}

/// Undelivered messages by cause.
pub(super) fn losses(stage: &Stage<'_>, deliveries: &[Delivery]) -> BTreeMap<String, u64> {
    let shown = open(&stage.shown);
    let mut losses = BTreeMap::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.shown_s.is_none()) {
        let cause = if stage.unwritten.contains(&delivery.number) {
            "not written: the writer's node was off"
        } else if shown.refused.contains(&delivery.number) {
            "refused: the writer's node did not take it"
        } else if shown.at(delivery.number, delivery.to).is_some() {
            "too late: shown after the window"
        } else if delivery.oracle_s.is_none() {
            "no path: nobody could have delivered it"
        } else if !stage.world.is_running(delivery.to.into()) {
            "off: the reader's node does not run"
        } else {
            let cause = stage.carriers.as_ref().and_then(|carriers| open(carriers).cause(delivery.number));
            cause.unwrap_or("missed: there was a path")
        };
        *losses.entry(cause.to_owned()).or_default() += 1;
    }
    losses
}
