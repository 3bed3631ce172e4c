//! One node of the demonstration.

use anyhow::Context as _;
use mesh_core::view::{GroupView, InfoView, MessageState, MessageView, StatusView};
use mesh_core::{AccountId, Command, ConversationId, GroupId, MessageId, Reply};
use starling::config::{DataDir, MAX_TRANSPORT_EVENTS};
use starling::daemon::Switch;
use starling::home::{self, Running, Secret};
use starling::t;
use starling::transport::lan::{Lan, LanConfig, LanHandle};
use starling::transport::{LinkIds, TransportEvent};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long anything in the demonstration may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(25);

/// A person with a node.
pub(super) struct Resident {
    pub(super) name: &'static str,
    running: Running,
    switch: Switch,
    events: mpsc::Sender<TransportEvent>,
    ids: LinkIds,
    lan: Option<Arc<LanHandle>>,
}

impl Resident {
    /// A new person with a node of their own below `place`.
    pub(super) async fn new(place: &Path, name: &'static str) -> anyhow::Result<Self> {
        let data = DataDir::new(place.join(name.to_lowercase()));
        let home =
            tokio::task::spawn_blocking(move || home::create(&data, name, &Secret::default())).await??;
        let (events, transport_events) = mpsc::channel(MAX_TRANSPORT_EVENTS);
        let switch = Switch::default();
        let running = home.start(transport_events, switch.clone())?;
        Ok(Self { name, running, switch, events, ids: LinkIds::default(), lan: None })
    }

    /// Comes to a place: listens, and links to `neighbours`.
    pub(super) async fn arrive(&mut self, neighbours: &[SocketAddr]) -> anyhow::Result<SocketAddr> {
        let config = LanConfig {
            listen: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            peers: neighbours.iter().copied().map(Into::into).collect(),
            mdns: false,
            loopback_beacon: false,
            ..LanConfig::default()
        };
        let lan = Arc::new(Lan::start(config, self.ids.clone(), self.events.clone())?);
        self.switch.set(Some(Arc::clone(&lan) as _));
        self.lan = Some(Arc::clone(&lan));
        let address = until(|| async { Ok(lan.addresses().first().copied()) }).await?;
        address.with_context(|| t!("demo-stuck", name = self.name))
    }

    /// Leaves the place: every link ends.
    pub(super) async fn leave(&mut self) -> anyhow::Result<()> {
        if let Some(lan) = self.lan.take() {
            lan.shutdown().await;
        }
        self.switch.set(None);
        self.wait_for_links(0).await
    }

    pub(super) async fn wait_for_links(&self, count: usize) -> anyhow::Result<()> {
        let linked = until(|| async { Ok((self.status().await?.links == count).then_some(())) }).await?;
        linked.with_context(|| t!("demo-stuck", name = self.name))
    }

    pub(super) async fn status(&self) -> anyhow::Result<StatusView> {
        Ok(self.running.handle().read(|node, now| node.status(now)).await?)
    }

    pub(super) async fn account(&self) -> anyhow::Result<AccountId> {
        Ok(self.running.handle().read(|node, _| node.identity().account).await?)
    }

    pub(super) async fn link(&self) -> anyhow::Result<String> {
        Ok(self.running.handle().read(|node, _| node.identity().link).await?)
    }

    pub(super) async fn command(&self, command: Command) -> anyhow::Result<Reply> {
        Ok(self.running.handle().command(command).await?)
    }

    pub(super) async fn send(&self, to: impl Into<ConversationId>, text: &str) -> anyhow::Result<MessageId> {
        let command = Command::Send { to: to.into(), text: text.to_owned(), message: None };
        match self.command(command).await? {
            Reply::Sent(id) => Ok(id),
            other => anyhow::bail!("{other:?}"),
        }
    }

    pub(super) async fn info(&self, message: MessageId) -> anyhow::Result<Option<InfoView>> {
        Ok(self.running.handle().read(move |node, now| node.info(now, message)).await??)
    }

    /// Waits until a message of this person has come as far as `state`.
    pub(super) async fn wait_for_state(
        &self,
        message: MessageId,
        state: MessageState,
    ) -> anyhow::Result<InfoView> {
        let reached = until(|| async {
            let info = self.info(message).await?;
            Ok(info.filter(|info| info.state >= state && info.state != MessageState::Expired))
        });
        reached.await?.with_context(|| t!("demo-stuck", name = self.name))
    }

    /// Waits for the message with this id to arrive here.
    pub(super) async fn wait_for_message(&self, id: MessageId) -> anyhow::Result<MessageView> {
        let arrived = until(|| async {
            let messages = self.running.handle().read(|node, _| node.messages(None)).await??;
            Ok(messages.into_iter().find(|message| message.id == id))
        });
        arrived.await?.with_context(|| t!("demo-stuck", name = self.name))
    }

    /// Waits until this person asks to be known.
    pub(super) async fn wait_for_request(&self, account: AccountId) -> anyhow::Result<()> {
        let asked = until(|| async {
            let contacts = self.running.handle().read(|node, _| node.contacts()).await?;
            Ok(contacts.iter().any(|contact| contact.account == account).then_some(()))
        });
        asked.await?.with_context(|| t!("demo-stuck", name = self.name))
    }

    /// Waits until a group is known here and stands so.
    pub(super) async fn wait_for_group(
        &self,
        group: GroupId,
        fits: impl Fn(&GroupView) -> bool,
    ) -> anyhow::Result<GroupView> {
        let stands = until(|| async {
            let view = self.running.handle().read(move |node, _| node.group(group)).await?;
            Ok(view.filter(|view| fits(view)))
        });
        stands.await?.with_context(|| t!("demo-stuck", name = self.name))
    }

    /// Waits until this node carries at least `count` sealed envelopes.
    pub(super) async fn wait_for_carried(&self, count: usize) -> anyhow::Result<()> {
        let carried = until(|| async { Ok((self.status().await?.carried_envelopes >= count).then_some(())) });
        carried.await?.with_context(|| t!("demo-stuck", name = self.name))
    }

    /// Waits until nothing is carried here any more, or for `longest`.
    pub(super) async fn linger(&self, longest: Duration) -> anyhow::Result<()> {
        let gone = until(|| async { Ok((self.status().await?.carried_envelopes == 0).then_some(())) });
        // Who has more to carry walks on with it.
        tokio::time::timeout(longest, gone).await.map_or(Ok(()), |gone| gone.map(|_| ()))
    }

    pub(super) async fn stop(mut self) {
        if let Some(lan) = self.lan.take() {
            lan.shutdown().await;
        }
        self.switch.set(None);
        self.running.stop().await;
    }
}

/// Looks until `look` finds something, or for [`PATIENCE`].
async fn until<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    mut look: impl FnMut() -> F,
) -> anyhow::Result<Option<T>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(LOOK).await;
    }
}
