//! `starling sim compare`: two results side by side.

use super::finish::results;
use crate::cli::{App, Failure};
use mesh_sim::compare::compare;
use starling::t;

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
    let comparison = compare(&results(&args.a)?, &results(&args.b)?);
    app.out.value(&comparison, || {
        let table = comparison.table();
        let (a, b, paired) = (comparison.runs_a, comparison.runs_b, comparison.paired);
        let foot = if comparison.identical {
            t!("sim-identical")
        } else {
            t!("sim-compared", a = a, b = b, paired = paired)
        };
        format!("{table}{foot}")
    })?;
    if args.strict && comparison.is_worse() {
        return Err(Failure { code: 1, message: t!("sim-worse") }.into());
    }
    Ok(())
}
