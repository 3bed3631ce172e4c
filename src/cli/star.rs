//! `starling star`: messages that one finds again.

use super::{App, messages};
use starling::api::types::{Message, StarRequest};
use starling::t;

/// Mark a message with a star, for this device alone; without MESSAGE, list those that have one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `messages --ids` and --json print it, or the first digits of it.
    message: Option<String>,
    /// The conversation where it stands: needed where several have a message of this id.
    #[arg(long = "in", value_name = "WHO")]
    within: Option<String>,
    /// Take the star away.
    #[arg(long, requires = "message")]
    off: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let Some(id) = args.message else { return list(app).await };
    let (path, request) = (["messages", &id, "star"], StarRequest { starred: !args.off });
    let query: Vec<(&str, &str)> = args.within.iter().map(|who| ("in", who.as_str())).collect();
    let message: Message =
        app.client().with(async |session| session.put(&path, &query, &request).await).await?;
    app.out.value(&message, || messages::line_with_id(&message))
}

async fn list(app: &App) -> anyhow::Result<()> {
    let starred: Vec<Message> =
        app.client().with(async |session| session.get(&["starred"], &[]).await).await?;
    for message in &starred {
        app.out.value(message, || messages::line_with_id(message))?;
    }
    if starred.is_empty() {
        app.out.line(&t!("starred-none"))?;
    }
    Ok(())
}
