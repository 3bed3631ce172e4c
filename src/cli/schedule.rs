//! `starling schedule`: texts that are sent later.

use super::{App, send};
use jiff::Timestamp;
use mesh_core::MessageId;
use serde_json::json;
use starling::api::types::{ScheduleRequest, Scheduled};
use starling::config::parse_duration;
use starling::strings::{clean, clean_line};
use starling::t;

/// Send texts later, by this device's clock: as soon as a node runs that has the time behind it.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Send a text later.
    Send {
        /// Petname, name, tag, account or group.
        who: String,
        /// The text, or - to read it from standard input.
        text: String,
        /// When: a time such as 2026-11-22T08:00:00Z, or a DURATION from now.
        #[arg(long, value_name = "TIME", value_parser = at)]
        at: Timestamp,
        /// It shall make no sound.
        #[arg(long)]
        silent: bool,
    },
    /// List what waits, the earliest first.
    List,
    /// Take back what waits.
    Cancel {
        /// Its id or the first digits of it.
        message: String,
    },
}

pub(super) async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Send { who, text, at, silent } => {
            let (text, id) = (send::text(text)?, MessageId(send::random_id()?).to_text());
            let request = ScheduleRequest { to: who, text, at: at.to_string(), id: Some(id), silent };
            let waits: Scheduled =
                app.client().with(async |session| session.post(&["scheduled"], &request).await).await?;
            app.out.value(&waits, || line(&waits))
        }
        Command::List => {
            let all: Vec<Scheduled> =
                app.client().with(async |session| session.get(&["scheduled"], &[]).await).await?;
            for waits in &all {
                app.out.value(waits, || line(waits))?;
            }
            if all.is_empty() {
                app.out.line(&t!("scheduled-none"))?;
            }
            Ok(())
        }
        Command::Cancel { message } => {
            let path = ["scheduled", &message];
            app.client().with(async |session| session.delete(&path, &[]).await).await?;
            app.out.value(&json!({ "cancelled": message }), || t!("scheduled-cancelled"))
        }
    }
}

fn line(waits: &Scheduled) -> String {
    let id = waits.id.get(..8).unwrap_or_default();
    let at = super::messages::short_time(&waits.at);
    let line =
        format!("{id}  {at}  {}: {}", clean_line(&waits.to), clean(&waits.text).replace('\n', "\n    "));
    match &waits.refused {
        Some(why) => format!("{line}\n    {}", t!("scheduled-refused", why = clean_line(why))),
        None => line,
    }
}

fn at(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || t!("bad-since", text = clean_line(text));
    let ahead = parse_duration(text).map_err(|_| wrong())?;
    Timestamp::now().checked_add(ahead).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_or_a_span_ahead() {
        assert!(at("2h").unwrap() > Timestamp::now());
        assert_eq!(at("2026-11-22T08:00:00Z").unwrap().to_string(), "2026-11-22T08:00:00Z");
        assert!(at("tomorrow").is_err());
    }
}
