//! What a run came to, to be looked at: one self-contained page, and tables for papers.
//!
//! [`page`] needs nothing but a browser: no network, no other file. Several runs of one scenario (seeds) share
//! a page; curves are then means with bands in which the true mean lies with 95 % confidence.

mod chart;
mod csv;
mod curves;
mod figures;
mod map;
mod text;

pub use csv::{deliveries_csv, outcome_csv, samples_csv};
pub(crate) use text::trimmed;

use crate::{Outcome, Recording};
use text::escape;

/// The most violations and missed thresholds that a page spells out.
const MAX_COMPLAINTS: usize = 50;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// One run: its figures and what it looked like over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// The figures.
    pub outcome: Outcome,
    /// The material of curves and map.
    pub recording: Recording,
}

/// The report of `runs`, which differ in their seeds only, as one HTML page; the map shows the first of them.
#[must_use]
pub fn page(runs: &[Run]) -> String {
    let name = runs.first().map_or("", |run| run.outcome.scenario.as_str());
    let mut html = String::with_capacity(1 << 20);
    html.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    // Nothing is fetched, whatever a name in the data holds.
    html.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n");
    html.push_str(&format!(
        "<title>{} · Starling simulation</title>\n<style>\n{STYLE}</style>\n",
        escape(name)
    ));
    html.push_str("</head>\n<body>\n");
    html.push_str(&figures::head(runs));
    html.push_str("<main>\n");
    html.push_str(&complaints(runs));
    html.push_str(&figures::tiles(runs));
    if let Some(first) = runs.first() {
        html.push_str(&map::section(first));
    }
    html.push_str("<section aria-labelledby=\"curves\">\n<h2 id=\"curves\">Over time and by cause</h2>\n<div class=\"charts\">\n");
    for figure in curves::figures(runs) {
        html.push_str(&figure);
    }
    html.push_str("</div>\n</section>\n");
    html.push_str(&figures::table(runs));
    html.push_str(&figures::classes(runs));
    html.push_str("</main>\n");
    html.push_str(&format!("<script>\n{SCRIPT}</script>\n</body>\n</html>\n"));
    html
}

/// What must not be overlooked: broken invariants and missed thresholds.
fn complaints(runs: &[Run]) -> String {
    let mut lines = Vec::new();
    for run in runs {
        let seed = run.outcome.seed;
        lines.extend(run.outcome.missed.iter().map(|missed| format!("Seed {seed}: {missed}")));
        lines.extend(run.outcome.violations.iter().map(|broken| {
            let (what, at, node, detail) = (&broken.invariant, broken.at, broken.node, &broken.detail);
            format!("Seed {seed}: “{what}” was broken at {at} ms by node {node}: {detail}")
        }));
    }
    if lines.is_empty() {
        return String::new();
    }
    let more = lines.len().saturating_sub(MAX_COMPLAINTS);
    let mut html = String::from(
        "<section class=\"complaint\" aria-labelledby=\"complaints\">\n<h2 id=\"complaints\">Missed and broken</h2>\n<ul>\n",
    );
    for line in lines.iter().take(MAX_COMPLAINTS) {
        html.push_str(&format!("<li>{}</li>\n", escape(line)));
    }
    if more > 0 {
        html.push_str(&format!("<li>and {more} more</li>\n"));
    }
    html.push_str("</ul>\n</section>\n");
    html
}

#[cfg(test)]
mod tests;
