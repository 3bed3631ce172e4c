//! `starling forward`: a message for somebody else.

use super::{App, Which, messages};
use starling::api::types::{ForwardRequest, Message};

/// Pass a message on to somebody else. They see that you did not write it; not who did.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// To whom: petname, name, tag or account.
    who: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (path, request) = (["messages", &args.which.message, "forward"], ForwardRequest { to: args.who });
    let query = args.which.query();
    let message: Message =
        app.client().with(async |session| session.post_with(&path, &query, &request).await).await?;
    app.out.value(&message, || messages::line(&message))
}
