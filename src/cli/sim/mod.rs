//! `starling sim`: many nodes in virtual time.

mod commits;
mod compare;
mod faults;
mod finish;
pub(super) mod input;
mod list;
mod many;
mod meter;
mod one;
mod run;
mod trace;

pub(super) use finish::Folder;
pub(crate) use finish::peak_rss_bytes;

use super::{App, Failure};
use starling::t;

/// What can be simulated, and what can be done with the results.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    List(list::Args),
    Run(run::Args),
    Trace(trace::Args),
    One(one::Args),
    Faults(faults::Args),
    Replay(faults::ReplayArgs),
    Compare(compare::Args),
}

pub(super) async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list::run(app, &args),
        Command::Run(args) => run::run(app, args).await,
        Command::Trace(args) => trace::run(app, args).await,
        Command::One(args) => one::run(app, args).await,
        Command::Faults(args) => faults::run(app, args).await,
        Command::Replay(args) => faults::replay(app, args).await,
        Command::Compare(args) => compare::run(app, args).await,
    }
}

/// Carries out `work` on a thread of its own; Ctrl-C ends the program without waiting for it.
async fn away<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let work = tokio::task::spawn_blocking(work);
    tokio::select! {
        done = work => done?,
        // Where no signals can be listened to, the system ends the program.
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure { code: 130, message: t!("sim-stopped") }.into()),
    }
}
