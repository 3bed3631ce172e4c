//! `starling pin`: a message that stands first.

use super::{App, messages};
use starling::api::types::{Message, PinRequest};

/// Hold a message up for both sides to see first.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `messages --ids` and --json print it, or the first digits of it.
    message: String,
    /// Take it down again.
    #[arg(long)]
    off: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, request) = (["messages", &args.message, "pin"], PinRequest { pinned: !args.off });
    let message: Message = app.client().with(async |session| session.put(&path, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
