//! `starling features`: what this program promises.

use super::App;
use std::io::Write as _;

/// The list that the tests hold the program to.
const FEATURES: &str = include_str!("../../docs/features.toml");

/// Print the list of features, each with the tests that prove it or the word "planned".
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &App, _: &Args) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(FEATURES.as_bytes())?)
}
