//! `starling conversation`: how conversations stand on this device.

use super::{App, Failure, messages};
use clap::Args;
use jiff::Timestamp;
use starling::api::types::{Conversation, DeskRequest, TimerRequest};
use starling::config::parse_duration;
use starling::strings::clean_line;
use starling::t;
use std::time::Duration;

/// List your conversations, and put them in order: nobody else learns any of it, but for `timer`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List conversations: pinned ones first, then the latest.
    List {
        /// Those that are put away too.
        #[arg(long)]
        all: bool,
        /// Only those in this folder.
        #[arg(long, value_name = "NAME")]
        folder: Option<String>,
        /// Only those with something unread.
        #[arg(long)]
        unread: bool,
    },
    /// Put a conversation away. What others write brings it back, unless it is mute.
    Archive(Switch),
    /// Let a conversation stand first.
    Pin(Switch),
    /// Let a conversation make no sound, for ever or for a while.
    Mute {
        #[command(flatten)]
        switch: Switch,
        /// Only for this long.
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, conflicts_with = "off")]
        span: Option<Duration>,
    },
    /// Mark a conversation as unread, until you have seen it.
    Unread(Switch),
    /// Put a conversation in a folder.
    Folder {
        #[command(flatten)]
        switch: Switch,
        /// Which.
        name: String,
    },
    /// Keep what you have begun to write, or show it.
    Draft {
        /// Petname, name, tag, account or group.
        who: String,
        /// The words; empty forgets them. Left away, what is kept is shown.
        text: Option<String>,
    },
    /// Let what is written from now on disappear, for everybody in the conversation.
    ///
    /// A message is gone at its author so long after it was written, and at each reader so long after it was seen.
    /// Whoever reads it can keep it all the same: this spares friends, and does not bind others.
    Timer {
        /// Petname, name, tag, account or group.
        who: String,
        /// 30s to 90d, or off.
        #[arg(value_parser = after)]
        after: After,
    },
}

#[derive(Debug, Args)]
pub(super) struct Switch {
    /// Petname, name, tag, account or group.
    who: String,
    /// Not any more.
    #[arg(long)]
    off: bool,
}

/// After how long messages disappear; `None` where they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct After(pub(super) Option<Duration>);

pub(super) async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    let plain = DeskRequest::default();
    let (who, request) = match command {
        Command::List { all, folder, unread } => return list(app, all, folder.as_deref(), unread).await,
        Command::Timer { who, after } => return timer(app, &who, after).await,
        Command::Archive(Switch { who, off }) => (who, DeskRequest { archived: Some(!off), ..plain }),
        Command::Pin(Switch { who, off }) => (who, DeskRequest { pinned: Some(!off), ..plain }),
        Command::Unread(Switch { who, off }) => (who, DeskRequest { unread: Some(!off), ..plain }),
        Command::Mute { switch: Switch { who, off }, span } => {
            let until = match span {
                _ if off => "never".to_owned(),
                None => starling::api::types::ALWAYS.to_owned(),
                Some(span) => until(span)?,
            };
            (who, DeskRequest { muted_until: Some(until), ..plain })
        }
        Command::Folder { switch: Switch { who, off: false }, name } => {
            (who, DeskRequest { add_folder: Some(name), ..plain })
        }
        Command::Folder { switch: Switch { who, off: true }, name } => {
            (who, DeskRequest { remove_folder: Some(name), ..plain })
        }
        Command::Draft { who, text } => (who, DeskRequest { draft: text, ..plain }),
    };
    let path = ["conversations", &who, "desk"];
    let shown: Conversation =
        app.client().with(async |session| session.put(&path, &[], &request).await).await?;
    app.out.value(&shown, || line(&shown))
}

async fn list(app: &App, all: bool, folder: Option<&str>, unread: bool) -> anyhow::Result<()> {
    let listed: Vec<Conversation> =
        app.client().with(async |session| session.get(&["conversations"], &[]).await).await?;
    let is_wanted = |conversation: &&Conversation| {
        (all || !conversation.archived || folder.is_some())
            && folder.is_none_or(|folder| conversation.folders.iter().any(|name| name == folder))
            && (!unread || conversation.unread > 0 || conversation.marked_unread)
    };
    let wanted: Vec<&Conversation> = listed.iter().filter(is_wanted).collect();
    for conversation in &wanted {
        app.out.value(conversation, || line(conversation))?;
    }
    if wanted.is_empty() {
        app.out.line(&t!("conversations-none"))?;
    }
    Ok(())
}

pub(super) async fn timer(app: &App, who: &str, after: After) -> anyhow::Result<()> {
    let request = TimerRequest { after_s: after.0.map(|after| after.as_secs()) };
    let path = ["conversations", who, "timer"];
    let shown: Conversation =
        app.client().with(async |session| session.put(&path, &[], &request).await).await?;
    app.out.value(&shown, || line(&shown))
}

pub(super) fn after(text: &str) -> Result<After, String> {
    if text == "off" {
        return Ok(After(None));
    }
    parse_duration(text).map(|after| After(Some(after))).map_err(|error| error.to_string())
}

/// So long from now.
fn until(span: Duration) -> anyhow::Result<String> {
    let wrong = |_| Failure::usage(t!("bad-since", text = format!("{span:?}")));
    Timestamp::now().checked_add(span).map(|until| until.to_string()).map_err(wrong)
}

/// A conversation in a few lines.
fn line(conversation: &Conversation) -> String {
    let unread = match (conversation.unread, conversation.marked_unread) {
        (0, false) => None,
        (0, true) => Some(t!("conversation-unread")),
        (count, _) => Some(t!("conversation-unread-count", count = count)),
    };
    let muted = conversation.muted_until.as_deref().map(|until| match until {
        starling::api::types::ALWAYS => t!("conversation-muted"),
        until => t!("conversation-muted-until", until = messages::short_time(until)),
    });
    let notes = [
        unread,
        conversation.pinned.then(|| t!("conversation-pinned")),
        conversation.archived.then(|| t!("conversation-archived")),
        muted,
        conversation.timer_s.map(|after| t!("conversation-timer", after = messages::span(after))),
    ];
    let folders = conversation.folders.iter().map(|name| format!("#{}", clean_line(name)));
    let notes: Vec<String> = notes.into_iter().flatten().chain(folders).collect();
    let mut line = clean_line(&conversation.name);
    if !notes.is_empty() {
        line = format!("{line}  ({})", notes.join(", "));
    }
    if !conversation.draft.is_empty() {
        line = format!("{line}\n    {}", t!("conversation-draft", text = clean_line(&conversation.draft)));
    }
    match &conversation.last {
        Some(message) => format!("{line}\n    {}", messages::line(message).replace('\n', "\n    ")),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_a_span_or_off() {
        assert_eq!(after("off"), Ok(After(None)));
        assert_eq!(after("1h"), Ok(After(Some(Duration::from_secs(3_600)))));
        assert!(after("soon").is_err());
    }
}
