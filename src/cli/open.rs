//! `starling open`: what can be read once.

use super::{App, Which, messages};
use starling::api::types::Message;

/// Open a message that can be opened once: it is printed, and gone from this device.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, query) = (["messages", &args.which.message, "open"], args.which.query());
    let nothing = serde_json::json!({});
    let message: Message =
        app.client().with(async |session| session.post_with(&path, &query, &nothing).await).await?;
    app.out.value(&message, || messages::line(&message))
}
