//! `starling run`: the node itself.

use super::{App, Failure, holder};
use anyhow::Context as _;
use mesh_core::Config;
use serde_json::json;
use starling::api::Server;
use starling::client::Client;
use starling::config::{LOCK_PATIENCE, MAX_TRANSPORT_EVENTS, RUN_PATIENCE, parse_duration};
use starling::contact_log::{self, ContactLog};
use starling::daemon::Switch;
use starling::home::{self, HomeError, Opened, Turn};
use starling::strings::{clean, clean_line};
use starling::t;
use starling::transport::ble::{self, Battery, Ble, BleConfig, BleHandle};
use starling::transport::lan::{BEACON_PORT, Lan, LanConfig, LanHandle, PeerAddress};
use starling::transport::{LinkIds, Nowhere, Transport, TransportEvent, Transports};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long the first address may take before the node is called ready without one.
const BIND_PATIENCE: Duration = Duration::from_secs(2);

/// Run this node: find neighbours, pass envelopes on, receive and deliver.
///
/// It finds other nodes of the same Wi-Fi or LAN by itself, and other nodes of this machine even without
/// any network. Ctrl-C ends it cleanly; what was accepted is safe in any case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Listen on this address (again for more) [default: every address, any free port].
    #[arg(long, value_name = "ADDR")]
    listen: Vec<SocketAddr>,
    /// Also link to this node, for ever (again for more): HOST:PORT or a multiaddress, as its --listen says.
    #[arg(long, value_name = "ADDR")]
    peer: Vec<PeerAddress>,
    /// Do not announce this node and do not look for others on the network (mDNS).
    #[arg(long)]
    no_mdns: bool,
    /// The UDP port at which the nodes of this machine find each other [default: 28517].
    #[arg(long, value_name = "PORT", default_value_t = BEACON_PORT, hide_default_value = true)]
    beacon_port: u16,
    /// Open no links over Wi-Fi and LAN at all.
    #[arg(long, conflicts_with_all = ["listen", "peer"])]
    no_lan: bool,
    /// Use this Bluetooth adapter (again for more) [default: the first one].
    #[arg(long, value_name = "NAME")]
    ble_adapter: Vec<String>,
    /// Open no links over Bluetooth.
    #[arg(long, conflicts_with = "ble_adapter")]
    no_ble: bool,
    /// What radios may cost: full (on a charger), balanced or saver (as long as the battery lasts) [default: full].
    #[arg(long, value_name = "PROFILE", default_value = "full", hide_default_value = true, value_parser = battery)]
    battery: Battery,
    /// Change what neighbours can recognise this device by after this long, up to double [default: 12h].
    #[arg(long, value_name = "DURATION", value_parser = rotation)]
    rotate_every: Option<Duration>,
    /// Write down when contacts were, in this new file, without saying whom: material for `sim trace`.
    #[arg(long, value_name = "FILE")]
    contact_log: Option<PathBuf>,
    /// A text that a group agreed on: with it the contact logs of the group can be merged.
    #[arg(long, value_name = "TEXT", requires = "contact_log", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    contact_log_key: Option<String>,
    /// Serve the local API on this port of 127.0.0.1 [default: any free one].
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    api_port: u16,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            peer: Vec::new(),
            no_mdns: false,
            beacon_port: BEACON_PORT,
            no_lan: false,
            ble_adapter: Vec::new(),
            no_ble: false,
            battery: Battery::Full,
            rotate_every: None,
            contact_log: None,
            contact_log_key: None,
            api_port: 0,
        }
    }
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let (opened, turn) = open(app, args.battery).await?;
    if let Some(path) = &opened.quarantined {
        app.out.note(&t!("quarantined", path = path.display().to_string()));
    }
    let stop = Stop::listen()?;
    let (mut events, transport_events) = mpsc::channel(MAX_TRANSPORT_EVENTS);
    let switch = Switch::default();
    let running = opened.home.start(transport_events, switch.clone())?;
    let mut log = None;
    if let Some(path) = &args.contact_log {
        match write_contacts(&running, path, args.contact_log_key.as_deref(), events).await {
            Ok((tapped, task)) => (events, log) = (tapped, Some(task)),
            Err(error) => {
                running.stop().await;
                return Err(error);
            }
        }
    }
    let served = serve(app, &args, &running, &switch, events).await;
    // From here on commands find the node by its API.
    drop(turn);
    let result = match served {
        Ok((server, pipes)) => {
            let result = until_stopped(app, stop, &running, &server, pipes.lan.as_deref()).await;
            app.out.note(&t!("run-stopping"));
            server.stop().await;
            pipes.shutdown().await;
            result
        }
        Err(error) => Err(error),
    };
    switch.set(None);
    if let Some(log) = log {
        // The transport is gone: the log completes itself, or has complained already.
        let _ = log.await;
    }
    running.stop().await;
    result
}

/// Begins the contact log; what the transport tells goes through it.
async fn write_contacts(
    running: &home::Running,
    path: &Path,
    key: Option<&str>,
    onward: mpsc::Sender<TransportEvent>,
) -> anyhow::Result<(mpsc::Sender<TransportEvent>, tokio::task::JoinHandle<()>)> {
    let account = running.handle().read(|node, _| node.identity().account).await?;
    let log = ContactLog::create(path, account, key).map_err(|error| {
        let (path, reason) = (path.display().to_string(), error.to_string());
        Failure::usage(t!("run-no-contact-log", path = path, reason = reason))
    })?;
    let (tapped, heard) = mpsc::channel(MAX_TRANSPORT_EVENTS);
    Ok((tapped, tokio::spawn(contact_log::follow(log, heard, onward))))
}

/// Opens the home; waits for a command that uses it, but not for another running node. Commands wait while the
/// turn lives.
async fn open(app: &App, battery: Battery) -> anyhow::Result<(Opened, Option<Turn>)> {
    let client = app.client();
    let usual = Config::default();
    let config = Config { mesh: usual.mesh.clone().with_battery(battery), ..usual };
    let mut turn = None;
    let (deadline, patient, mut told) =
        (Instant::now() + RUN_PATIENCE, Instant::now() + LOCK_PATIENCE, false);
    loop {
        turn = turn.or_else(|| Turn::take(&app.data));
        let (data, secret, config) = (app.data.clone(), app.secret.clone(), config.clone());
        match tokio::task::spawn_blocking(move || home::open_with(&data, &secret, config)).await? {
            Err(HomeError::Locked { path, holder }) => {
                if client.running().await.is_some() {
                    anyhow::bail!(t!("run-already", path = path.display().to_string()));
                }
                if Instant::now() >= deadline {
                    return Err(HomeError::Locked { path, holder }.into());
                }
                if Instant::now() >= patient && !std::mem::replace(&mut told, true) {
                    app.out.note(&t!("run-waits", holder = holder::words(holder)));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            result => return Ok((result?, turn)),
        }
    }
}

/// The transports of a running node.
struct Pipes {
    lan: Option<Arc<LanHandle>>,
    ble: Option<Arc<BleHandle>>,
}

impl Pipes {
    /// Opens whatever was not declined.
    fn open(args: &Args, events: mpsc::Sender<TransportEvent>) -> anyhow::Result<Self> {
        let lan =
            if args.no_lan { None } else { Some(Arc::new(start_lan(args, LinkIds::of(0), events.clone())?)) };
        let ble = if args.no_ble { None } else { Some(Arc::new(start_ble(args, LinkIds::of(1), events)?)) };
        Ok(Self { lan, ble })
    }

    /// Each in the place whose number its links bear.
    fn joined(&self) -> Transports {
        let lan = self.lan.clone().map_or_else(|| Arc::new(Nowhere) as Arc<dyn Transport>, |lan| lan as _);
        let ble = self.ble.clone().map_or_else(|| Arc::new(Nowhere) as Arc<dyn Transport>, |ble| ble as _);
        Transports::new(vec![lan, ble])
    }

    async fn shutdown(&self) {
        if let Some(lan) = &self.lan {
            lan.shutdown().await;
        }
        if let Some(ble) = &self.ble {
            ble.shutdown().await;
        }
    }
}

async fn serve(
    app: &App,
    args: &Args,
    running: &home::Running,
    switch: &Switch,
    events: mpsc::Sender<TransportEvent>,
) -> anyhow::Result<(Server, Pipes)> {
    let pipes = Pipes::open(args, events)?;
    switch.set(Some(Arc::new(pipes.joined())));
    let server = Server::start(running.handle().clone(), pipes.ble.clone(), &app.data, args.api_port).await;
    let server = server.with_context(|| t!("run-no-api", path = app.data.path().display().to_string()))?;
    take_up_spool(&app.client()).await;
    Ok((server, pipes))
}

fn start_lan(args: &Args, ids: LinkIds, events: mpsc::Sender<TransportEvent>) -> anyhow::Result<LanHandle> {
    let usual = LanConfig::default();
    let config = LanConfig {
        listen: if args.listen.is_empty() { usual.listen.clone() } else { args.listen.clone() },
        peers: args.peer.clone(),
        mdns: !args.no_mdns,
        beacon_port: args.beacon_port,
        rotate_every: args.rotate_every.unwrap_or(usual.rotate_every),
        ..usual
    };
    Lan::start(config, ids, events).map_err(|e| anyhow::anyhow!(t!("run-no-lan", reason = e.to_string())))
}

/// A machine without an adapter is no reason to stop: `status` and `doctor` say so.
fn start_ble(args: &Args, ids: LinkIds, events: mpsc::Sender<TransportEvent>) -> anyhow::Result<BleHandle> {
    let usual = BleConfig::default();
    let rotate_every = args.rotate_every.unwrap_or(usual.rotate_every);
    let config = BleConfig { rotate_every, battery: args.battery, ..usual };
    if ble::system::privacy() == Some(false) && !ble::system::adapters().is_empty() {
        tracing::warn!("the Bluetooth adapter's address stays the same; doctor says what to do");
    }
    Ble::start(config, ble::radios(&args.ble_adapter), ids, events)
        .map_err(|e| anyhow::anyhow!(t!("run-no-ble", reason = e.to_string())))
}

/// A session with the node takes the spool up; what fails is kept for the next one.
async fn take_up_spool(client: &Client) {
    match client.session().await {
        Ok(session) => session.close().await,
        Err(error) => tracing::warn!(%error, "queued messages wait in the spool"),
    }
}

async fn until_stopped(
    app: &App,
    mut stop: Stop,
    running: &home::Running,
    server: &Server,
    lan: Option<&LanHandle>,
) -> anyhow::Result<()> {
    announce(app, running, server, lan).await?;
    let mut notices = running.handle().events();
    loop {
        tokio::select! {
            () = stop.wait() => return Ok(()),
            () = running.ended() => anyhow::bail!(t!("run-ended")),
            notice = notices.recv() => if let Ok(notice) = notice {
                tell(app, &notice.event);
            },
        }
    }
}

async fn announce(
    app: &App,
    running: &home::Running,
    server: &Server,
    lan: Option<&LanHandle>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + BIND_PATIENCE;
    while lan.is_some_and(|lan| lan.addresses().is_empty()) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let addresses = lan.map(LanHandle::addresses).unwrap_or_default();
    let address = server.address();
    let identity = running.handle().read(|node, _| node.identity()).await?;
    let value = json!({
        "event": "ready", "port": address.port, "pid": address.pid,
        "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let listed = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    app.out.value(&value, || {
        t!("run-ready", name = clean_line(&identity.name), tag = identity.tag.as_str(), addresses = listed)
    })
}

/// What a person at the terminal should see at once.
fn tell(app: &App, event: &mesh_core::Event) {
    match event {
        mesh_core::Event::Beacon(beacon) if !beacon.own && !beacon.cancelled => {
            let text = clean(&beacon.text);
            app.out.note(&t!("run-beacon", kind = format!("{:?}", beacon.kind).to_uppercase(), text = text));
        }
        mesh_core::Event::Message(message) if message.from.is_some() => app.out.note(&t!("run-message")),
        mesh_core::Event::AuthMismatch { account } => {
            app.out.note(&t!("run-mismatch", account = account.to_text()));
        }
        _ => {}
    }
}

/// The signals that end a node. They count from the moment that this exists.
struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [interrupt, terminate, hang_up] = kinds.map(signal);
            Ok(Self { signals: [interrupt?, terminate?, hang_up?] })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    async fn wait(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate, hang_up] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        }
        #[cfg(not(unix))]
        // Without signals to listen to, the system ends the program.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

fn battery(text: &str) -> Result<Battery, String> {
    text.parse().map_err(|_| t!("battery-unknown"))
}

fn rotation(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    if span < Duration::from_secs(1) { Err(t!("rotation-short")) } else { Ok(span) }
}
