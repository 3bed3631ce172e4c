//! From recordings to curves: which charts a report has, and over which axes.

use super::Run;
use super::chart::{Axis, Bars, Line, Lines, Tone};
use super::text::{amount, bytes, percent, span};
use crate::Sample;
use crate::stats::Interval;
use std::collections::BTreeMap;

/// The most points of one line.
const MAX_POINTS: usize = 400;
/// The most bars of one chart; smaller ones are added up as `other`.
const MAX_BARS: usize = 10;

/// Every chart that `runs` have material for, as HTML figures.
pub(crate) fn figures(runs: &[Run]) -> Vec<String> {
    let mut figures = Vec::new();
    figures.extend(delivery(runs).map(|chart| chart.figure()));
    figures.extend(latency(runs).map(|chart| chart.figure()));
    figures.extend(per_delivery(runs).into_iter().map(|chart| chart.figure()));
    figures.extend(airtime(runs).map(|chart| chart.figure()));
    figures.extend(links(runs).map(|chart| chart.figure()));
    figures.extend(carried(runs).map(|chart| chart.figure()));
    figures.extend(losses(runs).map(|chart| chart.figure()));
    figures.extend(energy(runs).map(|chart| chart.figure()));
    figures.extend(classes(runs).map(|chart| chart.figure()));
    figures.extend(contacts(runs).map(|chart| chart.figure()));
    figures.extend(reliability(runs).map(|chart| chart.figure()));
    figures
}

/// Whether forecasts came true: on the diagonal, what was called likely happens as often as was said.
fn reliability(runs: &[Run]) -> Option<Lines> {
    let run = runs.iter().find(|run| !run.recording.reliability.is_empty())?;
    let classes = &run.recording.reliability;
    let points = classes.iter().map(|class| (class.forecast, class.came_true)).collect();
    let line = |name, tone, points| Line { name, tone, points, band: Vec::new() };
    let lines = vec![
        line("as it came", Tone::Main, points),
        line("as it was said", Tone::Bound, vec![(0.0, 0.0), (1.0, 1.0)]),
    ];
    let count: u64 = classes.iter().map(|class| class.count).sum();
    let note = format!("Of the forecasts with a likelihood, the share that came true; {count} forecasts.");
    let (x, y) = (share_axis("told likelihood"), share_axis("came true"));
    Some(Lines { title: "Forecasts", note, x, y, lines })
}

fn delivery(runs: &[Run]) -> Option<Lines> {
    let share = |pick: fn(&Sample) -> u64| {
        move |run: &Run, sample: &Sample| ratio(pick(sample), run.outcome.messages)
    };
    let lines = vec![
        over_time("delivered", Tone::Main, runs, share(|sample| sample.delivered))?,
        over_time("possible (oracle)", Tone::Bound, runs, share(|sample| sample.oracle))?,
    ];
    let note = "Share of all messages. Nothing that obeys physics is above the dashed line.".to_owned();
    let x = time_axis(&lines)?;
    Some(Lines { title: "Delivery against the oracle", note, x, y: share_axis("messages"), lines })
}

fn latency(runs: &[Run]) -> Option<Lines> {
    let delays = |pick: fn(&crate::Delivery) -> Option<f64>| {
        let all = runs.iter().flat_map(|run| &run.recording.deliveries);
        sorted(all.filter_map(|one| Some(pick(one)? - one.written_s)).filter(|delay| *delay >= 0.0))
    };
    let all: usize = runs.iter().map(|run| run.recording.deliveries.len()).sum();
    let (ours, bound) = (delays(|one| one.shown_s), delays(|one| one.oracle_s));
    let longest = ours.last().copied().unwrap_or(0.0).max(bound.last().copied().unwrap_or(0.0));
    if all == 0 || longest <= 0.0 {
        return None;
    }
    let shortest = ours.first().copied().unwrap_or(longest).min(bound.first().copied().unwrap_or(longest));
    let x = log_time_axis(shortest.max(0.1), longest.max(1.0), "time from writing to reading");
    let curve = |name, tone, delays: &[f64]| Line {
        name,
        tone,
        points: distribution(delays, all, |delay| delay.max(0.1).log10().clamp(x.from, x.to)),
        band: Vec::new(),
    };
    let lines = vec![curve("delivered", Tone::Main, &ours), curve("possible (oracle)", Tone::Bound, &bound)];
    let note =
        "Share of all messages that arrived within a time; the scale of time is logarithmic.".to_owned();
    Some(Lines { title: "Delay", note, x, y: share_axis("messages"), lines })
}

/// Bytes and copies for each delivery so far.
fn per_delivery(runs: &[Run]) -> Vec<Lines> {
    let bytes_each = |_: &Run, sample: &Sample| per(count(sample.bytes_on_air), sample.delivered);
    let copies_each = |_: &Run, sample: &Sample| per(count(sample.copies), sample.delivered);
    let chart = |title, label, line: Option<Line>, words: fn(f64) -> String| {
        let lines = vec![line?];
        let note = "Everything so far, divided by the deliveries so far.".to_owned();
        Some(Lines { title, note, x: time_axis(&lines)?, y: value_axis(&lines, label, words), lines })
    };
    let of_bytes = over_time("bytes", Tone::Main, runs, bytes_each);
    let of_copies = over_time("copies", Tone::Second, runs, copies_each);
    [
        chart("Bytes on air per delivery", "bytes", of_bytes, bytes),
        chart("Copies per delivery", "copies", of_copies, amount),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn airtime(runs: &[Run]) -> Option<Lines> {
    let lines = vec![rates("busy", Tone::Main, runs, |sample| sample.airtime_s)?];
    let note = "Seconds of transmission in each second, over all nodes.".to_owned();
    let (x, y) = (time_axis(&lines)?, value_axis(&lines, "links busy", amount));
    Some(Lines { title: "Airtime", note, x, y, lines })
}

fn links(runs: &[Run]) -> Option<Lines> {
    let lines = vec![
        over_time("links", Tone::Main, runs, |_, sample| Some(f64::from(sample.links)))?,
        over_time("nodes running", Tone::Second, runs, |_, sample| Some(f64::from(sample.running)))?,
    ];
    let note = "Links that stand and nodes that run.".to_owned();
    let (x, y) = (time_axis(&lines)?, value_axis(&lines, "", amount));
    Some(Lines { title: "Links", note, x, y, lines })
}

fn carried(runs: &[Run]) -> Option<Lines> {
    let lines = vec![over_time("carried", Tone::Main, runs, |_, sample| Some(count(sample.carried)))?];
    let note = "Envelopes in all bags together.".to_owned();
    let (x, y) = (time_axis(&lines)?, value_axis(&lines, "envelopes", amount));
    Some(Lines { title: "Carried", note, x, y, lines })
}

fn energy(runs: &[Run]) -> Option<Lines> {
    if runs.iter().all(|run| run.outcome.energy_j <= 0.0) {
        return None;
    }
    let lines = vec![over_time("energy", Tone::Main, runs, |_, sample| Some(sample.energy_j))?];
    let note = "Joules drawn from all batteries.".to_owned();
    let (x, y) = (time_axis(&lines)?, value_axis(&lines, "joules", amount));
    Some(Lines { title: "Energy", note, x, y, lines })
}

fn losses(runs: &[Run]) -> Option<Bars> {
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut messages = 0;
    for run in runs {
        messages += run.outcome.messages;
        for (cause, lost) in &run.outcome.losses {
            *causes.entry(cause).or_default() += lost;
        }
    }
    let mut groups: Vec<(String, u64)> = causes
        .into_iter()
        .filter(|(_, lost)| *lost > 0)
        .map(|(cause, lost)| (cause.to_owned(), lost))
        .collect();
    groups.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if groups.len() > MAX_BARS {
        let rest = groups.split_off(MAX_BARS - 1).iter().map(|(_, lost)| lost).sum();
        groups.push(("other".to_owned(), rest));
    }
    let most = groups.first()?.1;
    let groups = groups.into_iter().map(|(cause, lost)| (cause, vec![count(lost)])).collect();
    let note = format!("Undelivered of {messages} messages, by what kept them.");
    let value = linear_axis(0.0, count(most), "messages", amount);
    Some(Bars { title: "Losses by cause", note, value, kinds: vec![("lost", Tone::Bad)], groups })
}

fn classes(runs: &[Run]) -> Option<Bars> {
    let mut sums: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for (class, part) in runs.iter().flat_map(|run| &run.outcome.classes) {
        let sum = sums.entry(class).or_default();
        *sum = (sum.0 + part.messages, sum.1 + part.delivered, sum.2 + part.oracle);
    }
    sums.retain(|_, sum| sum.0 > 0);
    if sums.is_empty() {
        return None;
    }
    let share = |part: u64, all: u64| ratio(part, all).unwrap_or(0.0);
    let groups = sums.iter().take(MAX_BARS).map(|(class, (all, delivered, oracle))| {
        ((*class).to_owned(), vec![share(*delivered, *all), share(*oracle, *all)])
    });
    let kinds = vec![("delivered", Tone::Main), ("possible (oracle)", Tone::Bound)];
    let note = "Share of the messages of each class.".to_owned();
    let value = share_axis("messages");
    Some(Bars { title: "By class", note, value, kinds, groups: groups.collect() })
}

fn contacts(runs: &[Run]) -> Option<Lines> {
    let spans = sorted(runs.iter().flat_map(|run| &run.recording.contact_seconds).map(|s| f64::from(*s)));
    let (shortest, longest) = (*spans.first()?, *spans.last()?);
    let x = log_time_axis(shortest.max(0.1), longest.max(1.0), "length of a contact");
    let points = distribution(&spans, spans.len(), |span| span.max(0.1).log10().clamp(x.from, x.to));
    let lines = vec![Line { name: "contacts", tone: Tone::Main, points, band: Vec::new() }];
    let note = format!("Share of {} contacts that are no longer.", spans.len());
    Some(Lines { title: "Contacts", note, x, y: share_axis("contacts"), lines })
}

/// A line through the samples: the value itself for one run, mean and band for several.
fn over_time(
    name: &'static str,
    tone: Tone,
    runs: &[Run],
    value: impl Fn(&Run, &Sample) -> Option<f64>,
) -> Option<Line> {
    let times = &runs.iter().max_by_key(|run| run.recording.samples.len())?.recording.samples;
    let stride = times.len().div_ceil(MAX_POINTS).max(1);
    let kept = times.iter().enumerate().filter(|(i, _)| i % stride == 0 || i + 1 == times.len());
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for (i, time) in kept {
        let values = runs.iter().filter_map(|run| value(run, run.recording.samples.get(i)?));
        let Some(interval) = Interval::over(values) else { continue };
        points.push((time.at_s, interval.mean));
        if runs.len() > 1 {
            let (low, high) = (interval.mean - interval.half, interval.mean + interval.half);
            band.push((time.at_s, low.max(0.0), high));
        }
    }
    (points.len() > 1).then_some(Line { name, tone, points, band })
}

/// A line of growth for each second between samples.
fn rates(name: &'static str, tone: Tone, runs: &[Run], total: fn(&Sample) -> f64) -> Option<Line> {
    let line = over_time(name, tone, runs, |_, sample| Some(total(sample)))?;
    let steps = line.points.windows(2).filter(|pair| pair[1].0 > pair[0].0);
    let points = steps.map(|pair| (pair[1].0, (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0))).collect();
    Some(Line { points, band: Vec::new(), ..line })
}

/// The share of `all` that is no greater, over sorted `values`.
fn distribution(values: &[f64], all: usize, place: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let stride = values.len().div_ceil(MAX_POINTS).max(1);
    let kept = values.iter().enumerate().filter(|(i, _)| i % stride == 0 || i + 1 == values.len());
    kept.map(|(i, value)| (place(*value), (i + 1) as f64 / all.max(1) as f64)).collect()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn ratio(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| count(part) / count(all))
}

fn per(total: f64, each: u64) -> Option<f64> {
    (each > 0).then(|| total / count(each))
}

fn count(value: u64) -> f64 {
    value as f64
}

fn share_axis(label: &'static str) -> Axis {
    let ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|share| (share, percent(share))).to_vec();
    Axis { from: 0.0, to: 1.0, ticks, label }
}

fn value_axis(lines: &[Line], label: &'static str, words: fn(f64) -> String) -> Axis {
    let tops = lines.iter().flat_map(|line| {
        line.points.iter().map(|point| point.1).chain(line.band.iter().map(|(_, _, high)| *high))
    });
    linear_axis(0.0, tops.fold(0.0, f64::max), label, words)
}

/// From `from` to a round number that holds `to`, with about five ticks.
fn linear_axis(from: f64, to: f64, label: &'static str, words: fn(f64) -> String) -> Axis {
    let width = if to > from { to - from } else { 1.0 };
    let rough = width / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    let step = steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power);
    let many = (width / step).ceil().max(1.0);
    let ticks = (0..=12).map(f64::from).take_while(|i| *i <= many).map(|i| from + i * step);
    let ticks = ticks.map(|at| (at, words(at))).collect();
    Axis { from, to: from + many * step, ticks, label }
}

/// The axis of a run's own time.
fn time_axis(lines: &[Line]) -> Option<Axis> {
    const STEPS: [f64; 20] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
        10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0,
    ];
    let ends = lines.iter().filter_map(|line| line.points.last()).map(|point| point.0);
    let end = ends.fold(0.0, f64::max);
    if end <= 0.0 {
        return None;
    }
    let fitting = STEPS.into_iter().find(|step| end / step <= 8.0);
    let step = fitting.unwrap_or_else(|| (end / 8.0 / 604_800.0).ceil() * 604_800.0);
    let ticks = (0..=8).map(|i| f64::from(i) * step).take_while(|at| *at <= end * 1.000_001);
    Some(Axis {
        from: 0.0,
        to: end,
        ticks: ticks.map(|at| (at, span(at))).collect(),
        label: "time of the run",
    })
}

/// An axis of the logarithms (base 10) of seconds.
fn log_time_axis(from_s: f64, to_s: f64, label: &'static str) -> Axis {
    const MARKS: [f64; 13] =
        [0.1, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 172_800.0, 604_800.0];
    let (from, to) = (from_s.log10(), (to_s * 1.05).log10());
    let from = if to - from < 0.5 { to - 0.5 } else { from };
    let inside = MARKS.into_iter().filter(|mark| (from..=to).contains(&mark.log10()));
    let ticks = inside.map(|mark| (mark.log10(), span(mark))).collect();
    Axis { from, to, ticks, label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_on_a_round_number_that_holds_the_greatest_value() {
        let axis = linear_axis(0.0, 87.0, "", amount);
        assert!((axis.to - 100.0).abs() < 1e-9, "{axis:?}");
        assert_eq!(axis.ticks.len(), 6);
        let axis = linear_axis(0.0, 0.0, "", amount);
        assert!(axis.to > 0.0);
    }

    #[test]
    fn a_distribution_ends_at_the_share_that_arrived() {
        let points = distribution(&[1.0, 2.0, 3.0], 4, |x| x);
        assert_eq!(points.last(), Some(&(3.0, 0.75)));
    }
}
