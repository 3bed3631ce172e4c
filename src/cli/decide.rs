//! `starling accept|decline|block`: decides about a person.

use super::App;
use serde_json::json;
use starling::api::types::Added;
use starling::strings::clean_line;
use starling::t;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Petname, name, tag or account.
    who: String,
}

pub(super) async fn run(app: &App, args: Args, decision: &str) -> anyhow::Result<()> {
    let path = ["contacts", &args.who, decision];
    let added: Added = app.client().with(async |session| session.post(&path, &json!({})).await).await?;
    app.out.value(&added, || t!("decided", name = clean_line(&added.name), state = added.state.as_str()))
}
