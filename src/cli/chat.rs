//! `starling chat`: a conversation, line by line.

use super::{App, messages};
use serde_json::json;
use starling::api::types::{ContactDetail, Message, SendRequest};
use starling::client::{Client, Events, Session};
use starling::strings::clean_line;
use starling::t;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

/// How many earlier messages are shown.
const EARLIER: &str = "20";

/// Talk to somebody line by line: what you type is sent, what comes is shown.
///
/// Ends with Ctrl-D or /quit. Needs a running node (`starling run`) to show what comes; without one,
/// your lines are stored and wait.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Petname, name, tag or account.
    who: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let client = app.client();
    let session = client.session().await?;
    let contact = session.get::<ContactDetail>(&["contacts", &args.who], &[]).await;
    let mut chat = match contact {
        Ok(contact) => Chat { app, account: contact.contact.account },
        Err(error) => {
            session.close().await;
            return Err(error.into());
        }
    };
    app.out.note(&t!("chat-opened", name = clean_line(&args.who)));
    let shown = chat.show_earlier(&session).await;
    let running = session.is_running();
    if !running {
        app.out.note(&t!("chat-not-running"));
    }
    let events = session.events().await;
    let lines = BufReader::new(tokio::io::stdin()).lines();
    session.close().await;
    shown?;
    chat.talk(&client, events?, lines).await
}

struct Chat<'a> {
    app: &'a App,
    account: String,
}

impl Chat<'_> {
    async fn show_earlier(&self, session: &Session) -> anyhow::Result<()> {
        let query = [("with", self.account.as_str()), ("last", EARLIER)];
        for message in session.get::<Vec<Message>>(&["messages"], &query).await? {
            self.app.out.value(&message, || messages::line(&message))?;
        }
        Ok(session.post(&["conversations", &self.account, "read"], &json!({})).await?)
    }

    async fn talk(
        &mut self,
        client: &Client,
        mut events: Option<Events>,
        mut lines: Lines<BufReader<Stdin>>,
    ) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                line = lines.next_line() => match line? {
                    None => return Ok(()),
                    Some(line) if line.trim() == "/quit" => return Ok(()),
                    Some(line) if line.trim().is_empty() => {}
                    Some(line) => self.send(client, line).await?,
                },
                event = next(&mut events) => match event {
                    Some(event) => self.on_event(client, event).await?,
                    None => {
                        events = None;
                        self.app.out.note(&t!("chat-not-running"));
                    }
                },
            }
        }
    }

    async fn send(&self, client: &Client, text: String) -> anyhow::Result<()> {
        let request = SendRequest { to: self.account.clone(), text, id: None };
        client.with(async |session| session.post::<serde_json::Value>(&["messages"], &request).await).await?;
        Ok(())
    }

    async fn on_event(&self, client: &Client, mut event: serde_json::Value) -> anyhow::Result<()> {
        if event["type"] != "message" || event["message"]["conversation"] != self.account.as_str() {
            return Ok(());
        }
        let message: Message = serde_json::from_value(event["message"].take())?;
        if message.from == "me" && self.app.out.is_terminal() {
            // The person has just typed it.
            return Ok(());
        }
        self.app.out.value(&message, || messages::line(&message))?;
        let path = ["conversations", self.account.as_str(), "read"];
        Ok(client.with(async |session| session.post(&path, &json!({})).await).await?)
    }
}

async fn next(events: &mut Option<Events>) -> Option<serde_json::Value> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}
