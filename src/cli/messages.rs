//! `starling messages`: what was written.

use super::App;
use jiff::Timestamp;
use serde_json::Value;
use starling::api::types::{ConversationName, Message, SeenRequest};
use starling::client::{Client, ClientError, Session};
use starling::config::parse_duration;
use starling::strings::{clean, clean_line};
use starling::t;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// How often a node that does not run is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Digits of an id that are shown: two of a thousand messages share them once in ten thousand times.
const ID_DIGITS: usize = 8;
/// How many messages one request says were seen: well within the longest body.
const PER_REQUEST: usize = 1_000;

/// List messages, oldest first.
///
/// With WHO, what is printed counts as read and the writer learns it, unless --peek says otherwise.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the conversation with this person or group: petname, name, tag or account.
    who: Option<String>,
    /// Stay, and print what comes.
    #[arg(long, short)]
    follow: bool,
    /// Only what came since then: a time such as 2026-11-22T08:00:00Z, or a DURATION ago.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only the latest so many.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Do not mark anything as read.
    #[arg(long)]
    peek: bool,
    /// Begin each line with the first digits of the message's id, by which it can be answered, edited and so on.
    #[arg(long)]
    ids: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let client = app.client();
    let mut reader = Reader { app, args, seen: Seen::default(), conversation: None };
    let session = client.session().await?;
    let result = reader.show_new(&session).await;
    if reader.args.follow && result.is_ok() {
        return reader.follow(&client, session).await;
    }
    session.close().await;
    if result? == 0 {
        app.out.line(&t!("messages-none"))?;
    }
    Ok(())
}

/// What stands on the terminal already: messages by conversation and id, and what each said.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<(String, String), u64>);

impl Seen {
    /// Whether this message is there.
    pub(super) fn has(&self, message: &Message) -> bool {
        self.0.contains_key(&key(message))
    }

    /// Whether it is there, and said something else. How far it came is no part of what it says.
    pub(super) fn has_other(&self, message: &Message) -> bool {
        self.0.get(&key(message)).is_some_and(|said| *said != words(message))
    }

    /// Notes that it is there as it is; whether it was not.
    pub(super) fn note(&mut self, message: &Message) -> bool {
        self.0.insert(key(message), words(message)).is_none()
    }
}

fn key(message: &Message) -> (String, String) {
    (message.conversation.clone(), message.id.clone())
}

/// A digest of what a message says, which differs where that does.
fn words(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    let lasting = Message { state: String::new(), ..message.clone() };
    line(&lasting).hash(&mut hasher);
    hasher.finish()
}

struct Reader<'a> {
    app: &'a App,
    args: Args,
    seen: Seen,
    /// The person or the group that WHO means, once known.
    conversation: Option<String>,
}

impl Reader<'_> {
    /// Prints what is not printed yet, or is another than it was then; returns how much.
    async fn show_new(&mut self, session: &Session) -> anyhow::Result<usize> {
        if let (Some(who), None) = (&self.args.who, &self.conversation) {
            let named: ConversationName = session.get(&["conversations", who], &[]).await?;
            self.conversation = Some(named.conversation);
        }
        let since = self.args.since.map(|since| since.to_string());
        let last = self.args.last.map(|last| last.to_string());
        let parameters = [("with", &self.conversation), ("since", &since), ("last", &last)];
        let query: Vec<(&str, &str)> =
            parameters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let messages: Vec<Message> = session.get(&["messages"], &query).await?;
        let is_news = |message: &Message| !self.seen.has(message) || self.seen.has_other(message);
        let fresh: Vec<Message> = messages.into_iter().filter(is_news).collect();
        for message in &fresh {
            self.show(message)?;
        }
        let theirs = fresh.iter().filter(|message| message.from != "me").map(|message| message.id.clone());
        self.mark_read(session, theirs.collect()).await?;
        Ok(fresh.len())
    }

    fn show(&mut self, message: &Message) -> anyhow::Result<()> {
        self.seen.note(message);
        let with_id = self.args.ids;
        self.app.out.value(message, || if with_id { line_with_id(message) } else { line(message) })
    }

    async fn mark_read(&self, session: &Session, ids: Vec<String>) -> Result<(), ClientError> {
        let (Some(account), false) = (&self.conversation, self.args.peek) else { return Ok(()) };
        mark_read(session, account, &ids).await
    }

    /// Prints what comes, for ever. While no node runs, looks for one.
    async fn follow(&mut self, client: &Client, first: Session) -> anyhow::Result<()> {
        if !first.is_running() {
            self.app.out.note(&t!("follow-waits"));
        }
        first.close().await;
        loop {
            if let Some(session) = client.running().await {
                // The node may go away at any time; then it is looked for again.
                if let Err(error) = self.follow_running(&session).await
                    && error.downcast_ref::<ClientError>().is_none()
                {
                    return Err(error);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn follow_running(&mut self, session: &Session) -> anyhow::Result<()> {
        let Some(mut events) = session.events().await? else { return Ok(()) };
        self.show_new(session).await?;
        while let Some(event) = events.next().await {
            match event["type"].as_str() {
                Some("message") => self.on_message(session, event).await?,
                Some("message_changed") => self.on_changed(event)?,
                Some("lagged") => {
                    self.show_new(session).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A message that was printed is another now: it is printed again.
    fn on_changed(&mut self, mut event: Value) -> anyhow::Result<()> {
        // One that is gone from here has nothing to print.
        let Ok(message) = serde_json::from_value::<Message>(event["message"].take()) else { return Ok(()) };
        if self.seen.has(&message) { self.show(&message) } else { Ok(()) }
    }

    async fn on_message(&mut self, session: &Session, mut event: Value) -> anyhow::Result<()> {
        let message: Message = serde_json::from_value(event["message"].take())?;
        let wanted = self.conversation.as_ref().is_none_or(|wanted| *wanted == message.conversation);
        if !wanted || self.seen.has(&message) {
            return Ok(());
        }
        self.show(&message)?;
        if message.from != "me" {
            self.mark_read(session, vec![message.id]).await?;
        }
        Ok(())
    }
}

/// Says that these messages were seen; nothing where there are none.
pub(super) async fn mark_read(session: &Session, account: &str, ids: &[String]) -> Result<(), ClientError> {
    for ids in ids.chunks(PER_REQUEST) {
        let seen = SeenRequest { ids: Some(ids.to_vec()) };
        session.post::<()>(&["conversations", account, "read"], &seen).await?;
    }
    Ok(())
}

/// As [`line`], with the digits by which the message is named.
pub(super) fn line_with_id(message: &Message) -> String {
    format!("{}  {}", message.id.get(..ID_DIGITS).unwrap_or_default(), line(message))
}

/// A message as people read it.
pub(super) fn line(message: &Message) -> String {
    let mut from = if message.from == "me" { t!("me") } else { clean_line(&message.from) };
    if let Some(group) = &message.group {
        from = t!("message-in-group", from = from, group = clean_line(group));
    }
    let when = short_time(&message.sent_at);
    let text = words_of(message);
    let mut line = format!("{when}  {from}: {}{}", before(message), text.replace('\n', "\n    "));
    if message.edited {
        line = format!("{line}  ({})", t!("message-edited"));
    }
    if message.from == "me" && !message.deleted {
        line = format!("{line}  [{}]", message.state.replace('_', " "));
    }
    after(message).iter().fold(line, |line, more| format!("{line}\n    {}", clean_line(more)))
}

/// The words, or what stands for them.
fn words_of(message: &Message) -> String {
    match message.timer_set_s {
        _ if message.deleted => t!("message-deleted"),
        Some(0) => t!("message-timer-off"),
        Some(after) => t!("message-timer-set", after = span(after)),
        None if message.once => t!("message-once", id = message.id.get(..ID_DIGITS).unwrap_or_default()),
        None => clean(&message.text),
    }
}

/// What stands before the words.
fn before(message: &Message) -> String {
    let answers = message.reply_to.as_deref().and_then(|id| id.get(..ID_DIGITS));
    let answers = answers.map(|id| t!("message-reply", id = id));
    let forwarded = (message.forwarded > 0).then(|| t!("message-forwarded"));
    let pinned = message.pinned.then(|| t!("message-pinned"));
    let starred = message.starred.then(|| t!("message-starred"));
    let timer = message.timer_s.map(|after| t!("message-timer", after = span(after)));
    let words: Vec<String> = [pinned, starred, timer, forwarded, answers].into_iter().flatten().collect();
    if words.is_empty() { String::new() } else { format!("({}) ", words.join(", ")) }
}

/// What stands in lines of its own behind them.
fn after(message: &Message) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, option) in (1..).zip(message.poll.iter().flat_map(|poll| &poll.options)) {
        let votes = format!("{} {}", option.votes.len(), option.votes.join(", "));
        lines.push(format!("{number}. {}: {}", option.text, votes.trim_end()));
    }
    if message.poll.as_ref().is_some_and(|poll| poll.closed) {
        lines.push(t!("poll-closed"));
    }
    // A reaction is any short text: it stands behind its author, in a line that has no other.
    let felt = message.reactions.iter().map(|reaction| format!("{}: “{}”", reaction.from, reaction.emoji));
    lines.extend(felt);
    lines
}

/// Date and minute in the local time zone.
pub(super) fn short_time(rfc3339: &str) -> String {
    let Ok(time) = rfc3339.parse::<Timestamp>() else { return rfc3339.to_owned() };
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Seconds in their largest fitting unit.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || t!("bad-since", text = clean_line(text));
    let ago = parse_duration(text).map_err(|_| wrong())?;
    Timestamp::now().checked_sub(ago).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_a_span_ago() {
        assert_eq!(since("2026-11-22T08:00:00Z").unwrap().to_string(), "2026-11-22T08:00:00Z");
        assert!(since("2h").unwrap() < Timestamp::now());
        assert!(since("yesterday").is_err() && since("").is_err());
    }

    #[test]
    fn spans_use_one_unit() {
        assert_eq!([span(5), span(120), span(7_200), span(90 * 86_400)], ["5s", "2m", "2h", "90d"]);
    }

    /// A message as the API gives it, with some fields of one's own.
    fn message(fields: &[(&str, Value)]) -> Message {
        let mut message = serde_json::json!({
            "id": "0123456789abcdef0123456789abcdef", "conversation": "", "from": "Eve", "text": "hi",
            "sent_at": "2026-11-22T08:00:00Z", "received_at": null, "state": "delivered",
        });
        for (name, value) in fields {
            message[*name] = value.clone();
        }
        serde_json::from_value(message).unwrap()
    }

    #[test]
    fn a_line_says_what_was_said_about_its_message() {
        let options =
            serde_json::json!([{ "text": "tea", "votes": ["me"] }, { "text": "coffee", "votes": [] }]);
        let shown = line(&message(&[
            ("edited", true.into()),
            ("forwarded", 1.into()),
            ("reply_to", "fedcba9876543210fedcba9876543210".into()),
            (
                "reactions",
                serde_json::json!([{ "from": "Bo", "emoji": "! Cy, ?" }, { "from": "me", "emoji": "x" }]),
            ),
            ("poll", serde_json::json!({ "options": options, "multiple": false, "closed": true })),
        ]));
        assert!(shown.contains("Eve: (forwarded, answers fedcba98) hi  (edited)"), "{shown}");
        assert!(
            shown.ends_with(
                "\n    1. tea: 1 me\n    2. coffee: 0\n    closed\n    Bo: “! Cy, ?”\n    me: “x”"
            ),
            "{shown}"
        );
    }

    #[test]
    fn nothing_is_shown_of_words_that_were_taken_back() {
        let shown = line(&message(&[("deleted", true.into()), ("text", "".into())]));
        assert!(shown.ends_with("Eve: taken back"), "{shown}");
    }

    #[test]
    fn what_was_printed_is_printed_again_only_where_it_says_something_else() {
        let mut seen = Seen::default();
        let hi = message(&[]);
        assert!(seen.note(&hi) && !seen.note(&hi));
        assert!(!seen.has_other(&message(&[("state", "read".into())])));
        assert!(seen.has_other(&message(&[("text", "ho".into()), ("edited", true.into())])));
        assert!(seen.has_other(&message(&[("deleted", true.into())])));
        let elsewhere = message(&[("conversation", "another".into())]);
        assert!(!seen.has(&elsewhere) && !seen.has_other(&elsewhere), "ids are of conversations");
    }

    #[test]
    fn a_message_cannot_write_lines_of_its_own() {
        let message = message(&[("from", "Eve\nBo".into()), ("text", "one\ntwo\u{1b}[2J".into())]);
        let shown = line(&message);
        assert!(shown.contains("Eve Bo: one\n    two[2J"), "{shown}");
    }
}
