//! `starling react`: a feeling about a message.

use super::{App, Which, messages};
use starling::api::types::{Message, ReactionRequest};

/// React to a message; an empty EMOJI takes the reaction back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// One emoji, or a few letters: at most 40 bytes.
    emoji: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, request) =
        (["messages", &args.which.message, "reaction"], ReactionRequest { emoji: args.emoji });
    let query = args.which.query();
    let message: Message =
        app.client().with(async |session| session.put(&path, &query, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
