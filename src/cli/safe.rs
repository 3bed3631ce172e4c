//! `starling safe`: a sign of life.

use super::App;

/// Tell the people nearby that you are safe.
///
/// It is public, like `starling sos`, and lives for 12 hours; write your name if others than your contacts shall know
/// who you are.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What else to say, at most 72 bytes.
    #[arg(default_value = "")]
    text: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    super::sos::publish(app, "safe", args.text).await
}
