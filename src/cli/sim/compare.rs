//! `starling sim compare`: two results side by side.

use super::commits::{self, Course};
use super::finish::results;
use super::{away, input};
use crate::cli::{App, Failure};
use mesh_sim::Outcome;
use mesh_sim::compare::{Comparison, compare};
use serde_json::json;
use starling::t;
use std::collections::BTreeSet;
use std::ops::Range;

/// Compare two results, or two commits: what got better and what got worse.
///
/// A and B are files that hold what `--json` printed, or outcome.json of a report. With --of they are commits of
/// the git repository that you are in: each is checked out below target/compare, built, and run. Runs of equal
/// seeds are compared in pairs; a difference that could be chance counts as none.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The result before, or a commit.
    a: String,
    /// The result after, or a commit.
    b: String,
    /// Run this scenario at both commits: a name, or a file, which both read alike.
    #[arg(long, value_name = "SCENARIO")]
    of: Option<String>,
    /// Once for each of these seeds, at both commits: A..B (without B) or A..=B.
    #[arg(long, value_name = "A..B", default_value = "1..11", requires = "of", value_parser = input::seeds)]
    seeds: Range<u64>,
    /// The scenario in small, as its [ci] section says.
    #[arg(long, requires = "of")]
    small: bool,
    /// What builds a commit, in its checkout; it leaves the program in $CARGO_TARGET_DIR/release/starling.
    #[arg(long, value_name = "COMMAND", default_value = "cargo build --release --locked", requires = "of")]
    build: String,
    /// Exit with 1 where anything but time and memory got worse.
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let strict = args.strict;
    let (a, b) = match args.of {
        None => (results(&args.a)?, results(&args.b)?),
        Some(scenario) => {
            let scenario = absolute(scenario);
            let course = Course { scenario, small: args.small, seeds: args.seeds, build: args.build };
            let both =
                move || Ok((commits::outcomes(&args.a, &course)?, commits::outcomes(&args.b, &course)?));
            away(both).await?
        }
    };
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
    if strict && comparisons.iter().any(|(_, comparison)| comparison.is_worse()) {
        return Err(Failure { code: 1, message: t!("sim-worse") }.into());
    }
    Ok(())
}

/// A file's whole path, a name as it is.
fn absolute(scenario: String) -> String {
    std::fs::canonicalize(&scenario).map_or(scenario, |path| path.display().to_string())
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
