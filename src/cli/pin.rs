//! `starling pin`: a message that stands first.

use super::{App, Which, messages};
use starling::api::types::{Message, PinRequest};

/// Hold a message up for both sides to see first.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Take it down again.
    #[arg(long)]
    off: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, request) = (["messages", &args.which.message, "pin"], PinRequest { pinned: !args.off });
    let query = args.which.query();
    let message: Message =
        app.client().with(async |session| session.put(&path, &query, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
