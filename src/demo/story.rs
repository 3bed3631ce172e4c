//! What happens in the demonstration.

use super::resident::Resident;
use super::view::{Happening, View};
use mesh_core::view::MessageState;
use mesh_core::{Command, MessageId};
use serde_json::json;
use starling::strings::clean;
use starling::t;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The longest text that the newcomer may type, in bytes.
const MAX_TYPED: usize = 1000;

/// Receipts leave within 10 s, at random, so that their time does not tell whose they are
/// (PROTOCOL.md section 9).
const JITTER: Duration = Duration::from_secs(11);
/// How often Bo walks to and fro for a receipt: each time takes some 20 s, and it may be a minute late.
const WALKS: usize = 5;

/// Tells the story with nodes that live below `place`.
pub(super) async fn tell(place: &Path, view: View, interactive: bool) -> anyhow::Result<()> {
    view.prose(&t!("demo-intro"))?;
    let mut story = Story::begin(place, view).await?;
    let result = story.play(interactive).await;
    let told = match result {
        Ok(()) => story.sum_up().await,
        Err(error) => Err(error),
    };
    story.end().await;
    told
}

/// One text and who wrote it.
pub(super) struct Sent {
    pub(super) by: usize,
    pub(super) id: MessageId,
}

pub(super) const YOU: usize = 0;
pub(super) const DINA: usize = 1;
pub(super) const ASHA: usize = 2;
const EMIL: usize = 3;
pub(super) const BO: usize = 4;

pub(super) struct Story {
    view: View,
    /// By the constants above.
    pub(super) people: Vec<Resident>,
    /// Where those who stay are reached; Bo has no place.
    pub(super) addresses: Vec<SocketAddr>,
    bo_is_west: bool,
    pub(super) sent: Vec<Sent>,
}

impl Story {
    async fn begin(place: &Path, view: View) -> anyhow::Result<Self> {
        let mut people = Vec::new();
        for name in ["You", "Dina", "Asha", "Emil", "Bo"] {
            people.push(Resident::new(place, name).await?);
            let detail = t!("demo-born", name = name);
            view.tell(Happening { event: "start", node: name, with: None, message: None, detail }).await?;
        }
        let mut story = Self { view, people, addresses: Vec::new(), bo_is_west: true, sent: Vec::new() };
        let you = story.people[YOU].arrive(&[]).await?;
        let dina = story.people[DINA].arrive(&[you]).await?;
        let asha = story.people[ASHA].arrive(&[]).await?;
        let emil = story.people[EMIL].arrive(&[asha]).await?;
        story.addresses = vec![you, dina, asha, emil];
        story.people[DINA].wait_for_links(1).await?;
        story.happened("met", YOU, Some(DINA), None, t!("demo-west")).await?;
        story.people[EMIL].wait_for_links(1).await?;
        story.happened("met", ASHA, Some(EMIL), None, t!("demo-east")).await?;
        story.bo_arrives(true).await?;
        Ok(story)
    }

    async fn play(&mut self, interactive: bool) -> anyhow::Result<()> {
        let asha = self.people[ASHA].account().await?;
        let link = self.people[ASHA].link().await?;
        let you = self.people[YOU].account().await?;
        self.people[YOU].command(Command::Add { link, petname: None }).await?;
        self.happened("added", YOU, Some(ASHA), None, t!("demo-added")).await?;
        let first = self.write(YOU, ASHA, asha, &t!("demo-text-first")).await?;
        self.carry(first, YOU, ASHA).await?;
        self.people[ASHA].command(Command::Accept { account: you }).await?;
        self.happened("accepted", ASHA, Some(YOU), None, t!("demo-accepted")).await?;
        self.bo_stays(ASHA).await?;
        let reply = self.write(ASHA, YOU, you, &t!("demo-text-reply")).await?;
        self.carry(reply, ASHA, YOU).await?;
        self.bo_stays(YOU).await?;
        self.home_comes(first, YOU).await?;
        let typed = self.newcomers_text(interactive).await?;
        let last = self.write(YOU, ASHA, asha, &typed).await?;
        self.carry(last, YOU, ASHA).await?;
        self.bo_stays(ASHA).await?;
        self.people[ASHA].command(Command::MarkRead { within: you.into(), messages: None }).await?;
        // That she has read it travels sealed, like a message.
        self.people[BO].wait_for_carried(1).await?;
        self.bo_walks().await?;
        self.bo_walks_again_for(last, YOU).await?;
        self.home_comes(last, YOU).await?;
        self.bo_walks_again_for(reply, ASHA).await?;
        self.home_comes(reply, ASHA).await?;
        self.street().await
    }

    async fn newcomers_text(&self, interactive: bool) -> anyhow::Result<String> {
        if !interactive {
            return Ok(t!("demo-text-typed"));
        }
        let typed = self.view.ask(&t!("demo-ask")).await?.unwrap_or_else(|| t!("demo-text-typed"));
        let end = typed.floor_char_boundary(MAX_TYPED);
        Ok(clean(&typed[..end]))
    }

    /// `by` writes to `to`; the neighbour and Bo take it over.
    async fn write(
        &mut self,
        by: usize,
        to: usize,
        account: mesh_core::AccountId,
        text: &str,
    ) -> anyhow::Result<MessageId> {
        let id = self.people[by].send(account, text).await?;
        self.sent.push(Sent { by, id });
        let detail = t!("demo-wrote", name = self.people[by].name, to = self.people[to].name, text = text);
        self.happened("sent", by, Some(to), Some(id), detail).await?;
        let info = self.people[by].wait_for_state(id, MessageState::HandedOn).await?;
        self.people[BO].wait_for_carried(1).await?;
        let detail = t!("demo-handed-on", carriers = info.carriers);
        self.happened("handed_on", by, Some(BO), Some(id), detail).await?;
        Ok(id)
    }

    /// Bo walks; the message arrives on the other side.
    async fn carry(&mut self, id: MessageId, by: usize, to: usize) -> anyhow::Result<()> {
        self.bo_walks().await?;
        let message = self.people[to].wait_for_message(id).await?;
        let (name, from) = (self.people[to].name, self.people[by].name);
        let detail = t!("demo-received", name = name, from = from, text = message.text);
        self.happened("received", to, Some(by), Some(id), detail).await
    }

    /// Bo stays until he has the receipt that `to` owes.
    async fn bo_stays(&self, to: usize) -> anyhow::Result<()> {
        let detail = t!("demo-jitter", name = self.people[to].name);
        self.happened("waits", BO, Some(to), None, detail).await?;
        self.people[BO].linger(JITTER).await
    }

    /// What Bo left too early for he fetches: a receipt may take a minute on the link that brought the message.
    async fn bo_walks_again_for(&mut self, message: MessageId, by: usize) -> anyhow::Result<()> {
        for _ in 0..WALKS {
            let home = self.people[by].wait_for_state(message, MessageState::Delivered);
            if let Ok(home) = tokio::time::timeout(JITTER, home).await {
                return home.map(drop);
            }
            self.bo_walks().await?;
            self.bo_stays(ASHA).await?;
            self.bo_walks().await?;
        }
        Ok(())
    }

    /// The receipt is back at the writer.
    pub(super) async fn home_comes(&self, id: MessageId, by: usize) -> anyhow::Result<()> {
        let info = self.people[by].wait_for_state(id, MessageState::Delivered).await?;
        let detail = t!("demo-receipt", name = self.people[by].name, state = info.state.as_str());
        self.happened(info.state.as_str(), by, None, Some(id), detail).await
    }

    pub(super) async fn bo_walks(&mut self) -> anyhow::Result<()> {
        let carried = self.people[BO].status().await?.carried_envelopes;
        self.people[BO].leave().await?;
        self.happened("parted", BO, None, None, t!("demo-walks", carried = carried)).await?;
        self.bo_arrives(!self.bo_is_west).await
    }

    async fn bo_arrives(&mut self, west: bool) -> anyhow::Result<()> {
        let (side, hosts) = if west { (0..2, YOU) } else { (2..4, ASHA) };
        let addresses = self.addresses[side].to_vec();
        self.people[BO].arrive(&addresses).await?;
        self.people[BO].wait_for_links(2).await?;
        self.bo_is_west = west;
        let (first, second) = (self.people[hosts].name, self.people[hosts + 1].name);
        self.happened("met", BO, Some(hosts), None, t!("demo-arrives", first = first, second = second))
            .await?;
        self.happened("met", BO, Some(hosts + 1), None, t!("demo-exchange")).await
    }

    pub(super) async fn happened(
        &self,
        event: &'static str,
        node: usize,
        with: Option<usize>,
        message: Option<MessageId>,
        detail: String,
    ) -> anyhow::Result<()> {
        self.draw_map().await?;
        let (node, with) = (self.people[node].name, with.map(|with| self.people[with].name));
        let message = message.map(|id| id.to_text());
        self.view.tell(Happening { event, node, with, message, detail }).await
    }

    /// Who stands where, and how many sealed envelopes everybody carries.
    async fn draw_map(&self) -> anyhow::Result<()> {
        let mut shown = Vec::new();
        for person in &self.people {
            shown.push(format!("{} [{}]", person.name, person.status().await?.carried_envelopes));
        }
        let bo = shown[BO].as_str();
        let (west, east) = if self.bo_is_west { (bo, "") } else { ("", bo) };
        let west = format!("{}  {}  {west}", shown[YOU], shown[DINA]);
        self.view.map(format!("{west:<32} | - - | {}  {}  {east}", shown[ASHA], shown[EMIL]));
        Ok(())
    }

    async fn sum_up(&self) -> anyhow::Result<()> {
        let mut delivered = 0;
        let mut receipts = 0;
        for Sent { by, id } in &self.sent {
            let Some(info) = self.people[*by].info(*id).await? else { continue };
            delivered += usize::from(matches!(info.state, MessageState::Delivered | MessageState::Read));
            receipts += info.recipients.iter().filter(|r| r.state >= MessageState::Delivered).count();
        }
        let (nodes, messages, seconds) = (self.people.len(), self.sent.len(), self.view.seconds());
        let summary = json!({ "summary": {
            "nodes": nodes, "messages": messages, "delivered": delivered, "receipts": receipts, "seconds": seconds,
        }});
        let seconds = format!("{seconds:.1}");
        let words =
            t!("demo-summary", nodes = nodes, messages = messages, delivered = delivered, seconds = seconds);
        self.view.summary(&summary, &words)
    }

    async fn end(self) {
        for person in self.people {
            person.stop().await;
        }
    }
}
