//! `starling completions`: for shells.

use super::App;
use std::io::Write as _;

/// Print completions for a shell.
///
/// For example: starling completions bash > ~/.local/share/bash-completion/completions/starling
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(_: &App, args: &Args, mut command: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "starling", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}
