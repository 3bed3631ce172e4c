//! `starling forward`: a message for somebody else.

use super::{App, messages};
use starling::api::types::{ForwardRequest, Message};

/// Pass a message on to somebody else. They see that you did not write it; not who did.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `messages --ids` and --json print it, or the first digits of it.
    message: String,
    /// To whom: petname, name, tag or account.
    who: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, request) = (["messages", &args.message, "forward"], ForwardRequest { to: args.who });
    let message: Message = app.client().with(async |session| session.post(&path, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
