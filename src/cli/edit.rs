//! `starling edit`: other words for an own message.

use super::{App, Which, messages};
use starling::api::types::{EditRequest, Message};

/// Change the words of a message of yours, within 15 minutes.
///
/// The other side sees that it was changed; who has not received the message yet sees the new words only.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// The new text, at most 64 KiB.
    text: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, request) = (["messages", args.which.message.as_str()], EditRequest { text: args.text });
    let query = args.which.query();
    let message: Message =
        app.client().with(async |session| session.put(&path, &query, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
