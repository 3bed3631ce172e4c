//! `starling react`: a feeling about a message.

use super::{App, messages};
use starling::api::types::{Message, ReactionRequest};

/// React to a message; an empty EMOJI takes the reaction back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `messages --ids` and --json print it, or the first digits of it.
    message: String,
    /// One emoji, or a few letters: at most 40 bytes.
    emoji: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, request) = (["messages", &args.message, "reaction"], ReactionRequest { emoji: args.emoji });
    let message: Message = app.client().with(async |session| session.put(&path, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
