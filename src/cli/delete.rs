//! `starling delete`: a message goes away.

use super::{App, Which};
use serde_json::json;
use starling::api::types::Message;
use starling::client::Session;
use starling::strings::clean_line;
use starling::t;

/// Take a message away: on this device alone, or an own one for everybody.
///
/// For everybody means: every device of the other person that receives it drops the words. Nobody can be made to
/// forget what was read before.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Take an own message back, for everybody.
    #[arg(long)]
    for_everyone: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let gone = async |session: &Session| {
        let path = ["messages", &args.which.message, "shown"];
        let message: Message = session.get(&path, &args.which.query()).await?;
        let everyone = if args.for_everyone { "true" } else { "false" };
        let query = [("everyone", everyone), ("in", message.conversation.as_str())];
        session.delete(&["messages", &message.id], &query).await?;
        Ok(message)
    };
    let Message { id, conversation, .. } = app.client().with(gone).await?;
    let value = json!({
        "id": id, "conversation": conversation, "deleted": true, "for_everyone": args.for_everyone,
    });
    app.out.value(&value, || t!("deleted", id = clean_line(&id)))
}
