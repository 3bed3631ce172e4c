//! `starling delete`: a message goes away.

use super::App;
use serde_json::json;
use starling::strings::clean_line;
use starling::t;

/// Take a message away: on this device alone, or an own one for everybody.
///
/// For everybody means: every device of the other person that receives it drops the words. Nobody can be made to
/// forget what was read before.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `messages --ids` and --json print it, or the first digits of it.
    message: String,
    /// Take an own message back, for everybody.
    #[arg(long)]
    for_everyone: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let path = ["messages", args.message.as_str()];
    let query = [("everyone", if args.for_everyone { "true" } else { "false" })];
    app.client().with(async |session| session.delete(&path, &query).await).await?;
    let value = json!({ "id": args.message, "deleted": true, "for_everyone": args.for_everyone });
    app.out.value(&value, || t!("deleted", id = clean_line(&args.message)))
}
