//! `starling chat`: a conversation, line by line.

use super::messages::Seen;
use super::send::random_id;
use super::{App, conversation, messages};
use mesh_core::MessageId;
use starling::api::types::{ConversationName, Found, Message, SendRequest};
use starling::client::{Client, ClientError, Events, Session};
use starling::home::HomeError;
use starling::strings::clean_line;
use starling::t;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

/// How many earlier messages are shown.
const EARLIER: &str = "20";
/// How often a node that does not run is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Talk to somebody line by line: what you type is sent, what comes is shown.
///
/// Ends with Ctrl-D or /quit. `/search WORDS` finds what was said here, `/timer 1h` (or off) lets what is written from
/// now on disappear. Needs a running node (`starling run`) to show what comes; without one,
/// your lines are stored and wait.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Petname, name, tag or account.
    who: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let client = app.client();
    let session = client.session().await?;
    let named = session.get::<ConversationName>(&["conversations", &args.who], &[]).await;
    let mut chat = match named {
        Ok(named) => Chat { app, account: named.conversation, seen: Seen::default(), typed: BTreeSet::new() },
        Err(error) => {
            session.close().await;
            return Err(error.into());
        }
    };
    app.out.note(&t!("chat-opened", name = clean_line(&args.who)));
    let events = session.events().await;
    let shown = chat.show_earlier(&session).await;
    if !session.is_running() {
        app.out.note(&t!("chat-not-running"));
    }
    let lines = BufReader::new(tokio::io::stdin()).lines();
    session.close().await;
    shown?;
    chat.talk(&client, events?, lines).await
}

struct Chat<'a> {
    app: &'a App,
    account: String,
    /// Shown here.
    seen: Seen,
    /// Typed here.
    typed: BTreeSet<String>,
}

impl Chat<'_> {
    async fn show_earlier(&mut self, session: &Session) -> anyhow::Result<()> {
        let query = [("with", self.account.as_str()), ("last", EARLIER)];
        let mut shown = Vec::new();
        for message in session.get::<Vec<Message>>(&["messages"], &query).await? {
            let is_other = self.seen.has_other(&message);
            let is_new = self.seen.note(&message) && !self.typed.contains(&message.id);
            if is_other || is_new {
                self.show(&message)?;
                shown.push(message.id);
            }
        }
        Ok(messages::mark_read(session, &self.account, &shown).await?)
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
                    Some(line) if is_command(&line) => self.obey(client, line.trim()).await?,
                    Some(line) => self.send(client, line).await?,
                },
                event = next(&mut events) => match event {
                    Some(event) => self.on_event(client, event).await?,
                    None => {
                        events = None;
                        self.app.out.note(&t!("chat-not-running"));
                    }
                },
                () = tokio::time::sleep(LOOK), if events.is_none() => events = self.listen(client).await?,
            }
        }
    }

    /// The events of a node that runs again, with what came meanwhile shown.
    async fn listen(&mut self, client: &Client) -> anyhow::Result<Option<Events>> {
        let Some(session) = client.running().await else { return Ok(None) };
        // The node may go away at any time; then it is looked for again.
        let Ok(events) = session.events().await else { return Ok(None) };
        match self.show_earlier(&session).await {
            Err(error) if error.downcast_ref::<ClientError>().is_some() => Ok(None),
            shown => shown.map(|()| events),
        }
    }

    /// Sends a line; one that is refused ends nothing.
    async fn send(&mut self, client: &Client, text: String) -> anyhow::Result<()> {
        let id = MessageId(random_id()?).to_text();
        self.typed.insert(id.clone());
        let request = SendRequest::text(self.account.clone(), text, Some(id));
        match client.submit(&request).await {
            Err(ClientError::Api { message, .. }) => self.app.out.note(&t!("error", message = message)),
            Err(
                ClientError::Home(HomeError::Locked { .. } | HomeError::Starting { .. })
                | ClientError::Broken { .. },
            ) => {
                let path = client.spool(&request)?;
                self.app.out.note(&t!("send-spooled", path = path.display().to_string()));
            }
            result => result.map(drop)?,
        }
        Ok(())
    }

    /// Does what a line says that begins with a slash; what goes wrong ends nothing.
    async fn obey(&mut self, client: &Client, line: &str) -> anyhow::Result<()> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let done = match command {
            "/search" => self.search(client, rest).await,
            _ => match conversation::after(rest.trim()) {
                Ok(after) => conversation::timer(self.app, &self.account, after).await,
                Err(why) => Err(anyhow::anyhow!(why)),
            },
        };
        if let Err(error) = done {
            self.app.out.note(&t!("error", message = format!("{error:#}")));
        }
        Ok(())
    }

    async fn search(&self, client: &Client, words: &str) -> anyhow::Result<()> {
        let query = [("q", words), ("in", self.account.as_str()), ("limit", EARLIER)];
        let found: Found = client.with(async |session| session.get(&["search"], &query).await).await?;
        for message in found.messages.iter().rev() {
            self.app.out.value(message, || messages::line_with_id(message))?;
        }
        if found.messages.is_empty() {
            self.app.out.note(&t!("search-none"));
        }
        Ok(())
    }

    fn show(&mut self, message: &Message) -> anyhow::Result<()> {
        self.seen.note(message);
        self.app.out.value(message, || messages::line(message))
    }

    async fn on_event(&mut self, client: &Client, mut event: serde_json::Value) -> anyhow::Result<()> {
        if event["type"] == "lagged" {
            return client.with(async |session| Ok(self.show_earlier(session).await)).await?;
        }
        let is_change = event["type"] == "message_changed";
        if !is_change && event["type"] != "message" {
            return Ok(());
        }
        // A message that is gone from here has nothing to show.
        let Ok(message) = serde_json::from_value::<Message>(event["message"].take()) else { return Ok(()) };
        if message.conversation != self.account {
            return Ok(());
        }
        if is_change {
            let is_here = self.seen.has(&message) || self.typed.contains(&message.id);
            return if is_here { self.show(&message) } else { Ok(()) };
        }
        // What was typed here stands on the terminal already; a program sees it with its state.
        let is_typed = self.typed.contains(&message.id) && self.app.out.is_terminal();
        if is_typed || self.seen.has(&message) {
            self.seen.note(&message);
            return Ok(());
        }
        self.show(&message)?;
        let ids = [message.id];
        Ok(client.with(async |session| messages::mark_read(session, &self.account, &ids).await).await?)
    }
}

/// Whether a line is for the program: other lines that begin with a slash are sent.
fn is_command(line: &str) -> bool {
    let first = line.split_whitespace().next();
    matches!(first, Some("/search" | "/timer"))
}

async fn next(events: &mut Option<Events>) -> Option<serde_json::Value> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}
