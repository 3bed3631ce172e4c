//! `starling demo`: everything in a minute.

use super::App;
use crate::demo;
use std::io::IsTerminal as _;

/// Watch messages cross a partition, on this machine, without any network.
///
/// Five real nodes with their own directories, sockets and keys: you and a neighbour on one side, two
/// people on the other, and somebody who walks between them and can read nothing. Then you type a message
/// of your own and watch it travel.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask for nothing and wait for nobody.
    #[arg(long)]
    no_input: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let interactive = !args.no_input && app.out.is_terminal() && std::io::stdin().is_terminal();
    demo::run(app.out.is_json(), interactive).await
}
