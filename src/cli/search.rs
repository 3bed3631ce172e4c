//! `starling search`: messages by what they say.

use super::messages::since;
use super::{App, messages};
use jiff::Timestamp;
use starling::api::types::Found;
use starling::t;

/// Find messages by their words, in all conversations or in one; the newest stands first.
///
/// Each word is found by its beginning, and "several words" in quotation marks as they stand; case and accents do not
/// count. The node keeps what it needs for this in memory alone, and makes it at the first search.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The words; may be left away where an option says what is wanted.
    #[arg(default_value = "")]
    text: String,
    /// Only this conversation: petname, name, tag, account or group.
    #[arg(long = "in", value_name = "WHO")]
    within: Option<String>,
    /// Only what this person wrote; `me` for oneself.
    #[arg(long, value_name = "WHO")]
    from: Option<String>,
    /// Only what came since then: a time such as 2026-11-22T08:00:00Z, or a DURATION ago.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only what came before then.
    #[arg(long, value_name = "TIME", value_parser = since)]
    until: Option<Timestamp>,
    /// Only this kind.
    #[arg(long, value_parser = ["text", "poll", "reply", "forward", "link", "mention", "pinned", "starred"])]
    kind: Option<String>,
    /// At most so many, up to 200.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (since, until) = (args.since.map(|time| time.to_string()), args.until.map(|time| time.to_string()));
    let limit = args.limit.to_string();
    let given = [
        ("q", Some(&args.text)),
        ("in", args.within.as_ref()),
        ("from", args.from.as_ref()),
        ("since", since.as_ref()),
        ("until", until.as_ref()),
        ("kind", args.kind.as_ref()),
        ("limit", Some(&limit)),
    ];
    let query: Vec<(&str, &str)> =
        given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?.as_str()))).collect();
    let found: Found = app.client().with(async |session| session.get(&["search"], &query).await).await?;
    for message in &found.messages {
        app.out.value(message, || messages::line_with_id(message))?;
    }
    if found.messages.is_empty() {
        app.out.line(&t!("search-none"))?;
    }
    if found.more {
        app.out.note(&t!("search-more", shown = found.messages.len()));
    }
    if !found.whole {
        app.out.note(&t!("search-cut"));
    }
    Ok(())
}
