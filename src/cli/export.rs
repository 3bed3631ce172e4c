//! `starling export`: a conversation in a file of one's own.

use super::{App, Failure, messages};
use starling::api::types::{ConversationName, Message};
use starling::client::Session;
use starling::config::write_private;
use starling::strings::clean_line;
use starling::t;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Messages of one request.
const PAGE: &str = "1000";

/// Write a conversation to a file, or to standard output: whole, oldest first.
///
/// The file is readable by anybody who has it: it is not encrypted. What disappears, and what can be opened once, is left away.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Petname, name, tag, account or group.
    who: String,
    /// `json`: one array of messages as --json prints them. `html`: a page to read and print.
    #[arg(long, value_parser = ["json", "html"], default_value = "json")]
    format: String,
    /// The file, for the owner's eyes only [default: standard output].
    #[arg(long, short)]
    out: Option<PathBuf>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    if args.out.as_ref().is_some_and(|path| path.exists()) {
        return Err(Failure::usage(t!("export-exists")));
    }
    let session = app.client().session().await?;
    let read = read(&session, &args.who).await;
    session.close().await;
    let (name, messages) = read?;
    let text = match args.format.as_str() {
        "html" => html(&name, &messages),
        _ => serde_json::to_string_pretty(&messages)?,
    };
    let Some(path) = args.out else { return app.out.raw(&text) };
    write_private(&path, text.as_bytes())?;
    let value = serde_json::json!({ "file": path, "messages": messages.len() });
    let shown = path.display().to_string();
    app.out.value(&value, || t!("exported", count = messages.len(), file = shown.as_str()))
}

/// The name of a conversation, and everything that was said in it and stays.
async fn read(session: &Session, who: &str) -> anyhow::Result<(String, Vec<Message>)> {
    let named: ConversationName = session.get(&["conversations", who], &[]).await?;
    let mut all: Vec<Message> = Vec::new();
    // Also what disappears leads on to the next page.
    let mut behind: Option<String> = None;
    loop {
        let mut query = vec![("with", named.conversation.as_str()), ("first", PAGE)];
        query.extend(behind.as_deref().map(|id| ("after", id)));
        let page: Vec<Message> = session.get(&["messages"], &query).await?;
        let Some(last) = page.last().map(|message| message.id.clone()) else { break };
        all.extend(page.into_iter().filter(|message| message.timer_s.is_none() && !message.once));
        behind = Some(last);
    }
    Ok((named.name, all))
}

/// A page without scripts, links or pictures. Everything that people wrote stands in it as text and nothing else.
fn html(name: &str, messages: &[Message]) -> String {
    let name = escape(&clean_line(name));
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name}</title>\n<style>body{{font:16px sans-serif;max-width:45em;margin:2em auto}}\
         p{{white-space:pre-wrap;unicode-bidi:isolate;margin:.4em 0}}</style></head>\n<body><h1>{name}</h1>\n"
    );
    for message in messages {
        // The line that a terminal shows: control and formatting characters are gone from it already.
        // Writing to a string cannot fail.
        let _ = writeln!(page, "<p>{}</p>", escape(&messages::line(message)));
    }
    page.push_str("</body></html>\n");
    page
}

/// `text` as the text of an element.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, from: &str) -> Message {
        let value = serde_json::json!({
            "id": "0123456789abcdef0123456789abcdef", "conversation": "", "from": from, "text": text,
            "sent_at": "2026-11-22T08:00:00Z", "received_at": null, "state": "delivered",
            "reactions": [{ "from": "<b>", "emoji": "<img src=x onerror=alert(1)>" }],
            "poll": { "options": [{ "text": "<script>", "votes": ["\"'"] }], "multiple": false, "closed": true },
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn nothing_that_people_wrote_is_markup_in_an_exported_page() {
        let evil = "</p><script>alert(1)</script><a href='javascript:x'>&lt;\u{202e}\u{0}";
        let page = html("<title>x</title>", &[message(evil, "<svg/onload=x>")]);
        let body = page.split_once("<h1>").unwrap().1;
        let tags: Vec<&str> = body.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
        assert_eq!(tags, ["/h1", "p", "/p", "/body", "/html"]);
        assert!(!page.contains('\u{202e}') && !page.contains('\u{0}'));
        assert!(page.contains("&lt;/p&gt;&lt;script&gt;"));
    }
}
