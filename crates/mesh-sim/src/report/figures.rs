//! The figures of a run in words and numbers: heading, tiles, tables.

use super::Run;
use super::text::{amount, bytes, escape, percent, span};
use crate::stats::Interval;
use crate::{ClassOutcome, Outcome};
use std::collections::BTreeMap;

/// One row of the table of figures.
struct Row {
    name: &'static str,
    what: &'static str,
    of: fn(&Outcome) -> Option<f64>,
    words: fn(f64) -> String,
}

const ROWS: [Row; 20] = [
    Row { name: "Messages", what: "deliveries asked for", of: |o| Some(count(o.messages)), words: amount },
    Row { name: "Delivered", what: "within the window", of: |o| Some(count(o.delivered)), words: amount },
    Row { name: "Delivery ratio", what: "of all messages", of: |o| Some(o.delivery_ratio), words: percent },
    Row {
        name: "Oracle ratio",
        what: "possible on these contacts",
        of: |o| Some(o.oracle_ratio),
        words: percent,
    },
    Row { name: "Share of the possible", what: "delivered / oracle", of: of_possible, words: percent },
    Row { name: "Delay, median", what: "of delivered messages", of: |o| o.delay_p50_s, words: span },
    Row { name: "Delay, ninth decile", what: "of delivered messages", of: |o| o.delay_p90_s, words: span },
    Row {
        name: "Oracle delay, median",
        what: "of possible deliveries",
        of: |o| o.oracle_delay_p50_s,
        words: span,
    },
    Row {
        name: "Oracle delay, ninth decile",
        what: "of possible deliveries",
        of: |o| o.oracle_delay_p90_s,
        words: span,
    },
    Row { name: "Stretch, median", what: "delay / oracle delay", of: |o| o.stretch_p50, words: amount },
    Row {
        name: "Copies per delivery",
        what: "envelope transfers",
        of: |o| Some(o.copies_per_delivery),
        words: amount,
    },
    Row {
        name: "Bytes on air",
        what: "everything transmitted",
        of: |o| Some(count(o.bytes_on_air)),
        words: bytes,
    },
    Row {
        name: "Payload",
        what: "bytes that carry envelopes",
        of: |o| Some(count(o.payload_bytes)),
        words: bytes,
    },
    Row { name: "Airtime", what: "links busy, summed", of: |o| Some(o.airtime_s), words: span },
    Row { name: "Energy", what: "drawn from batteries", of: energy, words: joules },
    Row { name: "Links", what: "contacts that became links", of: |o| Some(count(o.links)), words: amount },
    Row { name: "Events", what: "happenings of the world", of: |o| Some(count(o.events)), words: amount },
    Row { name: "Virtual time", what: "length of the run", of: |o| Some(o.sim_seconds), words: span },
    Row { name: "Wall time", what: "on the clock of the machine", of: |o| Some(o.wall_seconds), words: span },
    Row {
        name: "Memory",
        what: "most that the process held",
        of: |o| Some(count(o.peak_rss_bytes)),
        words: bytes,
    },
];

/// Title, what ran, and how often.
pub(crate) fn head(runs: &[Run]) -> String {
    let nothing = Outcome::default();
    let first = runs.first().map_or(&nothing, |run| &run.outcome);
    let seeds: Vec<String> = runs.iter().take(12).map(|run| run.outcome.seed.to_string()).collect();
    let more = if runs.len() > seeds.len() { " …" } else { "" };
    let (noun, runs_words) = match runs.len() {
        1 => ("Seed", String::new()),
        n => ("Seeds", format!(" · {n} runs, bands hold the mean with 95 % confidence")),
    };
    let title = if first.scenario.is_empty() { "Simulation" } else { first.scenario.as_str() };
    let seal =
        if first.seal.is_empty() { String::new() } else { format!(" · {} seal", escape(&first.seal)) };
    format!(
        "<header>\n<p class=\"kicker\">Starling simulation</p>\n<h1>{}</h1>\n<p>{} nodes · {}{seal} · {} of virtual time · {noun} {}{more}{runs_words}</p>\n<p class=\"hash\">Trace hash <code>{}</code></p>\n</header>\n",
        escape(title),
        first.nodes,
        escape(if first.protocol.is_empty() { "starling" } else { &first.protocol }),
        span(first.sim_seconds),
        seeds.join(", "),
        escape(&first.trace_hash),
    )
}

/// The figures that everybody asks for first.
pub(crate) fn tiles(runs: &[Run]) -> String {
    let tile = |big: String, small: String| format!("<li><strong>{big}</strong><span>{small}</span></li>\n");
    let mean = |of: fn(&Outcome) -> Option<f64>| mean_of(runs, of);
    let or_dash = |value: Option<Interval>, words: fn(f64) -> String| {
        value.map_or_else(|| "–".to_owned(), |value| words(value.mean))
    };
    let delivered = or_dash(mean(|o| Some(o.delivery_ratio)), percent);
    let possible = or_dash(mean(|o| Some(o.oracle_ratio)), percent);
    let delay = or_dash(mean(|o| o.delay_p50_s), span);
    let bound = or_dash(mean(|o| o.oracle_delay_p50_s), span);
    let copies = or_dash(mean(|o| Some(o.copies_per_delivery)), amount);
    let on_air = or_dash(mean(|o| Some(count(o.bytes_on_air))), bytes);
    let broken: usize = runs.iter().map(|run| run.outcome.violations.len()).sum();
    let kept = if broken == 0 { "kept".to_owned() } else { format!("{broken} broken") };
    let mut html = String::from("<ul class=\"tiles\">\n");
    html.push_str(&tile(delivered, format!("delivered; {possible} was possible")));
    html.push_str(&tile(delay, format!("median delay; the oracle’s is {bound}")));
    html.push_str(&tile(copies, format!("copies per delivery; {on_air} on air")));
    html.push_str(&tile(kept, "invariants, checked at every step".to_owned()));
    html.push_str("</ul>\n");
    html
}

/// Every figure, with its confidence interval where there are several runs.
pub(crate) fn table(runs: &[Run]) -> String {
    let several = runs.len() > 1;
    let mut html = String::from(
        "<section aria-labelledby=\"figures\">\n<h2 id=\"figures\">Figures</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Figure</th><th scope=\"col\">Value</th>",
    );
    if several {
        html.push_str("<th scope=\"col\">± 95 %</th>");
    }
    html.push_str("<th scope=\"col\">What it counts</th></tr></thead>\n<tbody>\n");
    for row in &ROWS {
        let Some(value) = mean_of(runs, row.of) else { continue };
        html.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td>",
            row.name,
            (row.words)(value.mean)
        ));
        if several {
            let half = if value.runs > 1 { (row.words)(value.half) } else { "–".to_owned() };
            html.push_str(&format!("<td>{half}</td>"));
        }
        html.push_str(&format!("<td>{}</td></tr>\n", row.what));
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
    html
}

/// The figures of each class of messages, where there is more than one.
pub(crate) fn classes(runs: &[Run]) -> String {
    let mut parts: BTreeMap<&str, Vec<&ClassOutcome>> = BTreeMap::new();
    for (name, class) in runs.iter().flat_map(|run| &run.outcome.classes) {
        parts.entry(name).or_default().push(class);
    }
    if parts.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section aria-labelledby=\"classes\">\n<h2 id=\"classes\">By class</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Class</th><th scope=\"col\">Messages</th><th scope=\"col\">Delivered</th><th scope=\"col\">Possible</th><th scope=\"col\">Delay p50</th><th scope=\"col\">Delay p90</th></tr></thead>\n<tbody>\n",
    );
    for (name, classes) in parts {
        let sum = |of: fn(&ClassOutcome) -> u64| classes.iter().map(|class| of(class)).sum::<u64>();
        let (messages, delivered, oracle) = (sum(|c| c.messages), sum(|c| c.delivered), sum(|c| c.oracle));
        let share =
            |part: u64| if messages == 0 { "–".to_owned() } else { percent(count(part) / count(messages)) };
        let delay = |of: fn(&ClassOutcome) -> Option<f64>| {
            let interval = Interval::over(classes.iter().filter_map(|class| of(class)));
            interval.map_or_else(|| "–".to_owned(), |interval| span(interval.mean))
        };
        html.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td>{messages}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(name),
            share(delivered),
            share(oracle),
            delay(|c| c.delay_p50_s),
            delay(|c| c.delay_p90_s)
        ));
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
    html
}

fn mean_of(runs: &[Run], of: fn(&Outcome) -> Option<f64>) -> Option<Interval> {
    Interval::over(runs.iter().filter_map(|run| of(&run.outcome)))
}

fn of_possible(outcome: &Outcome) -> Option<f64> {
    (outcome.oracle_ratio > 0.0).then(|| outcome.delivery_ratio / outcome.oracle_ratio)
}

fn energy(outcome: &Outcome) -> Option<f64> {
    (outcome.energy_j > 0.0).then_some(outcome.energy_j)
}

fn joules(value: f64) -> String {
    format!("{} J", amount(value))
}

fn count(value: u64) -> f64 {
    value as f64
}
