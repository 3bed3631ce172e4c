//! What a simulation leaves: a line on standard output, a report, an exit code.

use super::input;
use super::meter::span;
use crate::cli::{App, Failure};
use anyhow::Context as _;
use mesh_sim::Outcome;
use mesh_sim::report::{self, Run};
use mesh_sim::stats::Interval;
use serde_json::{Value, json};
use starling::t;
use std::path::{Path, PathBuf};

/// Where a report goes: made before the run, so that a long one is not in vain.
pub(in crate::cli) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder.
    pub(in crate::cli) fn new(path: &Path) -> anyhow::Result<Self> {
        let refused = |error: std::io::Error| {
            Failure::usage(t!("sim-no-folder", path = path.display().to_string(), reason = error.to_string()))
        };
        std::fs::create_dir_all(path).map_err(refused)?;
        let probe = path.join("report.html.part");
        std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(refused)?;
        Ok(Self(path.to_owned()))
    }

    /// A folder in this one; what a name may not hold becomes `_`.
    pub(super) fn below(&self, name: &str) -> anyhow::Result<Self> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-.=".contains(c) { c } else { '_' };
        Self::new(&self.0.join(name.replace(" = ", "=").chars().map(plain).collect::<String>()))
    }

    /// Writes page, tables and results.
    pub(in crate::cli) fn write(&self, app: &App, runs: &[Run]) -> anyhow::Result<()> {
        let results: Vec<&Outcome> = runs.iter().map(|run| &run.outcome).collect();
        let results = json!({ "runs": results }).to_string() + "\n";
        for (name, text) in [
            ("report.html", report::page(runs)),
            ("deliveries.csv", report::deliveries_csv(runs)),
            ("samples.csv", report::samples_csv(runs)),
            ("outcome.csv", report::outcome_csv(runs)),
            ("outcome.json", results),
        ] {
            self.file(name, &text)?;
        }
        app.out.note(&t!("sim-report", path = self.0.join("report.html").display().to_string()));
        Ok(())
    }

    /// Writes one more file.
    pub(in crate::cli) fn file(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.0.join(name);
        let (partial, shown) = (path.with_extension("part"), path.display().to_string());
        let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, &path));
        written.with_context(|| t!("sim-not-written", path = shown))
    }
}

/// The most memory that this process held so far, in bytes; 0 where the system does not tell.
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Tells the result of one run or several; an error where a threshold was missed or an invariant broke.
pub(in crate::cli) fn tell(app: &App, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let value = match outcomes {
        [one] => serde_json::to_value(one)?,
        many => combined(many)?,
    };
    tell_as(app, &value, outcomes)
}

/// As [`tell`], with `value` for programs.
pub(in crate::cli) fn tell_as(app: &App, value: &Value, outcomes: &[Outcome]) -> anyhow::Result<()> {
    app.out.value(value, || words(outcomes))?;
    judge(outcomes)
}

/// Whether everything was as it must be.
fn judge(outcomes: &[Outcome]) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for outcome in outcomes {
        let seed = outcome.seed;
        wrong.extend(
            outcome.missed.iter().map(|missed| t!("sim-missed", seed = seed, missed = missed.as_str())),
        );
        wrong.extend(outcome.violations.iter().take(5).map(|broken| {
            let (invariant, detail) = (broken.invariant.as_str(), broken.detail.as_str());
            t!(
                "sim-broken",
                seed = seed,
                invariant = invariant,
                at = broken.at,
                node = broken.node,
                detail = detail
            )
        }));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure { code: 1, message: wrong.join("\n") }.into()) }
}

/// Several runs as one object: means of what is a ratio or a delay, sums of what is a count.
pub(super) fn combined(outcomes: &[Outcome]) -> anyhow::Result<Value> {
    let Some(first) = outcomes.first() else { return Ok(json!({ "runs": [] })) };
    let mean = |of: fn(&Outcome) -> Option<f64>| {
        Interval::over(outcomes.iter().filter_map(of)).map(|interval| interval.mean)
    };
    let or_zero = |of: fn(&Outcome) -> Option<f64>| mean(of).unwrap_or_default();
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let hashes: String = outcomes.iter().map(|outcome| outcome.trace_hash.as_str()).collect();
    let mut whole = first.clone();
    whole.trace_hash = blake3::hash(hashes.as_bytes()).to_hex().to_string();
    whole.messages = sum(|o| o.messages);
    whole.delivered = sum(|o| o.delivered);
    whole.bytes_on_air = sum(|o| o.bytes_on_air);
    whole.payload_bytes = sum(|o| o.payload_bytes);
    whole.events = sum(|o| o.events);
    whole.links = sum(|o| o.links);
    whole.delivery_ratio = or_zero(|o| Some(o.delivery_ratio));
    whole.oracle_ratio = or_zero(|o| Some(o.oracle_ratio));
    whole.copies_per_delivery = or_zero(|o| Some(o.copies_per_delivery));
    whole.delay_p50_s = mean(|o| o.delay_p50_s);
    whole.delay_p90_s = mean(|o| o.delay_p90_s);
    whole.oracle_delay_p50_s = mean(|o| o.oracle_delay_p50_s);
    whole.oracle_delay_p90_s = mean(|o| o.oracle_delay_p90_s);
    whole.stretch_p50 = mean(|o| o.stretch_p50);
    whole.stretch_of_p50s = mean(|o| o.stretch_of_p50s);
    whole.stretch_of_p90s = mean(|o| o.stretch_of_p90s);
    whole.airtime_s = outcomes.iter().map(|o| o.airtime_s).sum();
    whole.energy_j = outcomes.iter().map(|o| o.energy_j).sum();
    whole.sim_seconds = outcomes.iter().map(|o| o.sim_seconds).sum();
    whole.wall_seconds = outcomes.iter().map(|o| o.wall_seconds).sum();
    whole.peak_rss_bytes = outcomes.iter().map(|o| o.peak_rss_bytes).max().unwrap_or_default();
    whole.violations = outcomes.iter().flat_map(|o| o.violations.clone()).collect();
    whole.missed = outcomes.iter().flat_map(|o| o.missed.clone()).collect();
    whole.losses.clear();
    whole.classes.clear();
    let mut value = serde_json::to_value(&whole)?;
    value["seeds"] = outcomes.iter().map(|outcome| outcome.seed).collect();
    value["figures"] = serde_json::to_value(mesh_sim::compare::spreads(outcomes))?;
    value["runs"] = serde_json::to_value(outcomes)?;
    Ok(value)
}

/// What people read of a result.
fn words(outcomes: &[Outcome]) -> String {
    let Some(first) = outcomes.first() else { return String::new() };
    let interval = |of: fn(&Outcome) -> Option<f64>| Interval::over(outcomes.iter().filter_map(of));
    let share = |of: fn(&Outcome) -> Option<f64>| {
        let Interval { mean, half, .. } = interval(of).unwrap_or_default();
        let width = if half > 0.0 { format!(" ± {:.1}", half * 100.0) } else { String::new() };
        format!("{:.1}{width} %", mean * 100.0)
    };
    let delay = |of: fn(&Outcome) -> Option<f64>| {
        interval(of).map_or_else(|| t!("sim-none"), |interval| span(interval.mean))
    };
    let total: u64 = outcomes.iter().map(|outcome| outcome.bytes_on_air).sum();
    let wall = outcomes.iter().map(|outcome| outcome.wall_seconds).sum();
    t!(
        "sim-result",
        scenario = first.scenario.as_str(),
        nodes = first.nodes,
        messages = outcomes.iter().map(|outcome| outcome.messages).sum::<u64>(),
        runs = outcomes.len(),
        delivered = share(|o| Some(o.delivery_ratio)),
        possible = share(|o| Some(o.oracle_ratio)),
        p50 = delay(|o| o.delay_p50_s),
        oracle_p50 = delay(|o| o.oracle_delay_p50_s),
        p90 = delay(|o| o.delay_p90_s),
        copies = format!("{:.1}", interval(|o| Some(o.copies_per_delivery)).unwrap_or_default().mean),
        bytes = crate::cli::status::bytes(total),
        sim = span(outcomes.iter().map(|outcome| outcome.sim_seconds).sum()),
        wall = span(wall),
        hash = first.trace_hash.get(..16).unwrap_or_default(),
    )
}

/// The outcomes in a file of results: one object, one per line, or an object with `runs`.
pub(super) fn results(path: &str) -> anyhow::Result<Vec<Outcome>> {
    parsed(path, &input::read(path)?)
}

/// The outcomes in a text of results, which errors call `path`.
pub(super) fn parsed(path: &str, text: &str) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |error: serde_json::Error| {
            Failure::usage(t!("sim-no-result", path = path, line = at + 1, reason = error.to_string()))
        };
        let mut value: Value = serde_json::from_str(line).map_err(wrong)?;
        match value.get_mut("runs").map(Value::take) {
            Some(runs) => outcomes.extend(serde_json::from_value::<Vec<Outcome>>(runs).map_err(wrong)?),
            None => outcomes.push(serde_json::from_value(value).map_err(wrong)?),
        }
    }
    if outcomes.is_empty() {
        return Err(Failure::usage(t!("sim-no-result", path = path, line = 1, reason = t!("sim-empty"))));
    }
    Ok(outcomes)
}
