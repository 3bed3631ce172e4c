//! Tables for papers: comma-separated, one header line, empty cells where there is no value.

use super::Run;
use crate::Outcome;

/// One line for each delivery that was asked for, of all runs.
#[must_use]
pub fn deliveries_csv(runs: &[Run]) -> String {
    let mut csv = String::from("seed,number,class,from,to,written_s,shown_s,oracle_s\n");
    for run in runs {
        let seed = run.outcome.seed;
        for one in &run.recording.deliveries {
            let (shown, oracle) = (optional(one.shown_s), optional(one.oracle_s));
            let class = cell(&one.class);
            csv.push_str(&format!(
                "{seed},{},{class},{},{},{},{shown},{oracle}\n",
                one.number, one.from, one.to, one.written_s
            ));
        }
    }
    csv
}

/// One line for each sample, of all runs.
#[must_use]
pub fn samples_csv(runs: &[Run]) -> String {
    let mut csv = String::from(
        "seed,at_s,delivered,oracle,bytes_on_air,copies,airtime_s,energy_j,links,carried,running\n",
    );
    for run in runs {
        let seed = run.outcome.seed;
        for s in &run.recording.samples {
            csv.push_str(&format!(
                "{seed},{},{},{},{},{},{},{},{},{},{}\n",
                s.at_s,
                s.delivered,
                s.oracle,
                s.bytes_on_air,
                s.copies,
                s.airtime_s,
                s.energy_j,
                s.links,
                s.carried,
                s.running
            ));
        }
    }
    csv
}

/// One line of figures for each run.
#[must_use]
pub fn outcome_csv(runs: &[Run]) -> String {
    let mut csv = String::from(
        "scenario,protocol,seal,trace_hash,seed,nodes,messages,delivered,delivery_ratio,oracle_ratio,delay_p50_s,delay_p90_s,oracle_delay_p50_s,oracle_delay_p90_s,stretch_p50,bytes_on_air,payload_bytes,copies_per_delivery,airtime_s,energy_j,events,links,sim_seconds,wall_seconds,peak_rss_bytes,violations,missed\n",
    );
    for run in runs {
        csv.push_str(&outcome_line(&run.outcome));
    }
    csv
}

fn outcome_line(o: &Outcome) -> String {
    [
        cell(&o.scenario),
        cell(&o.protocol),
        cell(&o.seal),
        cell(&o.trace_hash),
        o.seed.to_string(),
        o.nodes.to_string(),
        o.messages.to_string(),
        o.delivered.to_string(),
        o.delivery_ratio.to_string(),
        o.oracle_ratio.to_string(),
        optional(o.delay_p50_s),
        optional(o.delay_p90_s),
        optional(o.oracle_delay_p50_s),
        optional(o.oracle_delay_p90_s),
        optional(o.stretch_p50),
        o.bytes_on_air.to_string(),
        o.payload_bytes.to_string(),
        o.copies_per_delivery.to_string(),
        o.airtime_s.to_string(),
        o.energy_j.to_string(),
        o.events.to_string(),
        o.links.to_string(),
        o.sim_seconds.to_string(),
        o.wall_seconds.to_string(),
        o.peak_rss_bytes.to_string(),
        o.violations.len().to_string(),
        o.missed.len().to_string(),
    ]
    .join(",")
        + "\n"
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A text as one cell; one that a spreadsheet would take for a formula begins with an apostrophe.
fn cell(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", guarded.replace('"', "\"\""));
    }
    guarded
}
