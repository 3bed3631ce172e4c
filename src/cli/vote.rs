//! `starling vote`: a choice in a poll.

use super::{App, Which, messages};
use starling::api::types::{Message, VoteRequest};

/// Choose in a poll; no choice takes the vote back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// The numbers of the options, from 1.
    choices: Vec<usize>,
    /// End a poll of yours: later votes do not count.
    #[arg(long, conflicts_with = "choices")]
    close: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let path = ["messages", &args.which.message, "vote"];
    let request = VoteRequest { choices: args.choices, close: args.close };
    let query = args.which.query();
    let message: Message =
        app.client().with(async |session| session.put(&path, &query, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
