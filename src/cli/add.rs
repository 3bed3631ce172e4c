//! `starling add`: adds a person by link.

use super::{App, Failure};
use starling::api::types::{AddRequest, Added};
use starling::strings::clean_line;
use starling::t;
use std::io::Read as _;

/// The longest text that can hold a link, in bytes; a link has 608 characters.
const MAX_LINK: usize = 8 * 1024;

/// Add a person by their link (or the text of their QR code).
///
/// You may write at once. They are told who you are with what arrives first, and asked whether to accept you; until
/// they do, you are not told whether your messages arrived.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// STARLING:1/..., or - to read it from standard input.
    link: String,
    /// What to call them here; they do not learn it.
    #[arg(long, value_name = "PETNAME")]
    name: Option<String>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let link = if args.link == "-" { from_stdin()? } else { args.link };
    if link.len() > MAX_LINK {
        return Err(Failure::usage(t!("link-too-long", got = link.len(), max = MAX_LINK)));
    }
    let request = AddRequest { link: link.trim().to_owned(), petname: args.name };
    let added: Added = app.client().with(async |session| session.post(&["contacts"], &request).await).await?;
    app.out.value(&added, || t!("added", name = clean_line(&added.name), state = added.state.as_str()))
}

fn from_stdin() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_LINK as u64 + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(t!("stdin-not-utf8")))
}
