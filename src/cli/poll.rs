//! `starling poll`: a question with options to choose from.

use super::{App, messages};
use starling::api::types::{Message, PollRequest};

/// Ask a question with 2 to 12 options to choose from.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Petname, name, tag or account.
    who: String,
    /// The question.
    question: String,
    /// The options.
    #[arg(required = true, num_args = 2..=12)]
    options: Vec<String>,
    /// Several may be chosen.
    #[arg(long)]
    multiple: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let Args { who: to, question, options, multiple } = args;
    let request = PollRequest { to, question, options, multiple };
    let client = app.client();
    let message: Message = client.with(async |session| session.post(&["polls"], &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
