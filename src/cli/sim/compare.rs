//! `starling sim compare`: two results side by side.

use super::finish::results;
use crate::cli::{App, Failure};
use mesh_sim::Outcome;
use mesh_sim::compare::{Comparison, compare};
use serde_json::json;
use starling::t;
use std::collections::BTreeSet;

/// Compare two results: what got better and what got worse.
///
/// A and B are files that hold what `--json` printed, or outcome.json of a report. Runs of equal seeds are
/// compared in pairs; a difference that could be chance counts as none.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The result before.
    a: String,
    /// The result after.
    b: String,
    /// Exit with 1 where anything but time and memory got worse.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let (a, b) = (results(&args.a)?, results(&args.b)?);
    let comparisons = by_scenario(&a, &b);
    if let [(_, one)] = &comparisons[..] {
        app.out.value(one, || words(one))?;
    } else {
        let values: serde_json::Map<String, serde_json::Value> = comparisons
            .iter()
            .map(|(name, comparison)| Ok((name.clone(), serde_json::to_value(comparison)?)))
            .collect::<anyhow::Result<_>>()?;
        app.out.value(&json!({ "scenarios": values }), || {
            let parts = comparisons.iter().map(|(name, comparison)| format!("{name}\n{}", words(comparison)));
            parts.collect::<Vec<_>>().join("\n\n")
        })?;
    }
    if args.strict && comparisons.iter().any(|(_, comparison)| comparison.is_worse()) {
        return Err(Failure { code: 1, message: t!("sim-worse") }.into());
    }
    Ok(())
}

/// One comparison for each scenario that both have; one of everything where they have none in common.
fn by_scenario(a: &[Outcome], b: &[Outcome]) -> Vec<(String, Comparison)> {
    let names = |all: &[Outcome]| all.iter().map(|one| one.scenario.clone()).collect::<BTreeSet<_>>();
    let common: Vec<String> = names(a).intersection(&names(b)).cloned().collect();
    if common.is_empty() {
        return vec![(String::new(), compare(a, b))];
    }
    let of = |all: &[Outcome], name: &str| {
        all.iter().filter(|one| one.scenario == name).cloned().collect::<Vec<_>>()
    };
    common.into_iter().map(|name| (name.clone(), compare(&of(a, &name), &of(b, &name)))).collect()
}

fn words(comparison: &Comparison) -> String {
    let table = comparison.table();
    let (a, b, paired) = (comparison.runs_a, comparison.runs_b, comparison.paired);
    let foot = if comparison.identical {
        t!("sim-identical")
    } else {
        t!("sim-compared", a = a, b = b, paired = paired)
    };
    format!("{table}{foot}")
}
