//! A daemon in this process, or in a child that is spoken to over its standard streams.

use crate::figures::{Usage, Wakeups};
use anyhow::{Context as _, Result};
use mesh_core::view::StatusView;
use mesh_core::{AccountId, Command, Event, MessageId, Reply};
use starling::config::{DataDir, MAX_TRANSPORT_EVENTS};
use starling::daemon::Switch;
use starling::handle::{Handle, Notice};
use starling::home::{self, Running, Secret};
use starling::transport::LinkIds;
use starling::transport::lan::{Lan, LanConfig, LanHandle};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, mpsc};

/// Names the data directory in the environment of a child.
pub(crate) const ROLE: &str = "STARLING_BENCH_PEER";
const NEIGHBOURS: &str = "STARLING_BENCH_NEIGHBOURS";
/// Set in the environment of a child that looks for neighbours as it does where it is at home.
const DISCOVERS: &str = "STARLING_BENCH_DISCOVERS";

/// A daemon in this process.
pub(crate) struct Local {
    running: Running,
    _lan: Arc<LanHandle>,
    pub(crate) address: SocketAddr,
    pub(crate) events: broadcast::Receiver<Notice>,
}

impl Local {
    /// Creates the home where there is none, and listens.
    pub(crate) async fn start(dir: &Path, neighbours: &[SocketAddr]) -> Result<Self> {
        let (data, secret) = (DataDir::new(dir.to_owned()), Secret::default());
        let home = tokio::task::spawn_blocking(move || {
            if home::exists(&data) {
                home::open(&data, &secret).map(|opened| opened.home)
            } else {
                home::create(&data, "Bench", &secret)
            }
        });
        let (events, transport_events) = mpsc::channel(MAX_TRANSPORT_EVENTS);
        let switch = Switch::default();
        let running = home.await??.start(transport_events, switch.clone())?;
        let config =
            LanConfig { peers: neighbours.iter().copied().map(Into::into).collect(), ..LanConfig::default() };
        let config = if std::env::var_os(DISCOVERS).is_some() {
            config
        } else {
            let listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
            LanConfig { listen, mdns: false, loopback_beacon: false, ..config }
        };
        let lan = Arc::new(Lan::start(config, LinkIds::default(), events)?);
        switch.set(Some(Arc::clone(&lan) as _));
        let mut addresses = lan.addresses();
        while addresses.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            addresses = lan.addresses();
        }
        let events = running.handle().events();
        Ok(Self { running, _lan: lan, address: addresses[0], events })
    }

    pub(crate) async fn command(&self, command: Command) -> Result<Reply> {
        Ok(self.running.handle().command(command).await?)
    }

    pub(crate) async fn status(&self) -> Result<StatusView> {
        Ok(self.running.handle().read(|node, now| node.status(now)).await?)
    }

    /// Ends it, with its links.
    pub(crate) async fn stop(self) {
        drop(self._lan);
        self.running.stop().await;
    }

    pub(crate) fn door(&self) -> Door {
        Door(self.running.handle().clone())
    }

    pub(crate) async fn link(&self) -> Result<String> {
        Ok(self.running.handle().read(|node, _| node.identity().link).await?)
    }
}

/// Sends for a daemon, also several at a time.
#[derive(Clone)]
pub(crate) struct Door(Handle);

impl Door {
    /// Submits a text of `len` bytes; returns once it is durable.
    pub(crate) async fn send(&self, to: AccountId, len: usize) -> Result<MessageId> {
        match self.0.command(Command::Send { to: to.into(), text: "x".repeat(len), message: None }).await? {
            Reply::Sent(id) => Ok(id),
            other => anyhow::bail!("{other:?}"),
        }
    }
}

/// What a child does: tells its address and link, adds what it reads, tells what arrives.
pub(crate) fn main(dir: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let neighbours = std::env::var(NEIGHBOURS).unwrap_or_default();
    let neighbours: Vec<SocketAddr> =
        neighbours.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let dir = dir.to_owned();
    runtime.block_on(async { tokio::spawn(serve(dir, neighbours)).await? })
}

async fn serve(dir: PathBuf, neighbours: Vec<SocketAddr>) -> Result<()> {
    let mut local = Local::start(&dir, &neighbours).await?;
    println!("{} {}", local.address, local.link().await?);
    let (lines_tx, mut lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines_tx.blocking_send(line).is_err() {
                break;
            }
        }
    });
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(link) = line else { return Ok(()) };
                local.command(Command::Add { link, petname: None }).await?;
            }
            notice = local.events.recv() => tell(notice?, &mut local.events)?,
        }
    }
}

/// Tells what arrived, in one write for all that arrived together.
fn tell(first: Notice, events: &mut broadcast::Receiver<Notice>) -> Result<()> {
    let (mut lines, mut notice) = (String::new(), Some(first));
    while let Some(Notice { event, .. }) = notice {
        if let Event::Message(view) = &*event
            && view.from.is_some()
        {
            lines.push_str(&view.id.to_text());
            lines.push('\n');
        }
        notice = events.try_recv().ok();
    }
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    Ok(out.flush()?)
}

/// A daemon in a process of its own.
pub(crate) struct Child {
    process: std::process::Child,
    stdin: Mutex<ChildStdin>,
    pub(crate) address: SocketAddr,
    pub(crate) link: String,
    arrivals: Mutex<Option<mpsc::UnboundedReceiver<MessageId>>>,
}

impl Child {
    pub(crate) fn start(dir: &Path, neighbours: &[SocketAddr]) -> Result<Self> {
        Self::start_as(std::process::Command::new(std::env::current_exe()?), dir, neighbours)
    }

    /// One that also looks for neighbours by itself.
    pub(crate) fn start_discovering(dir: &Path, neighbours: &[SocketAddr]) -> Result<Self> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.env(DISCOVERS, "yes");
        Self::start_as(command, dir, neighbours)
    }

    #[expect(clippy::disallowed_methods, reason = "as many entries as the bench sends messages")]
    fn start_as(mut command: std::process::Command, dir: &Path, neighbours: &[SocketAddr]) -> Result<Self> {
        let neighbours: Vec<_> = neighbours.iter().map(ToString::to_string).collect();
        let mut process = command
            .env(ROLE, dir)
            .env(NEIGHBOURS, neighbours.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take().context("the child has a standard input")?;
        let mut stdout = BufReader::new(process.stdout.take().context("the child has a standard output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let (address, link) = line.trim().split_once(' ').context("the child did not start")?;
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (address, link) = (address.parse()?, link.to_owned());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if MessageId::from_text(&line).is_some_and(|id| arrived.send(id).is_err()) {
                    break;
                }
            }
        });
        let arrivals = Mutex::new(Some(arrivals));
        Ok(Self { process, stdin: Mutex::new(stdin), address, link, arrivals })
    }

    /// Adds a person by link.
    pub(crate) fn add(&self, link: &str) -> Result<()> {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writeln!(stdin, "{link}")?)
    }

    /// The messages that arrive there; to be taken once.
    pub(crate) fn arrivals(&self) -> mpsc::UnboundedReceiver<MessageId> {
        let taken = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.expect("arrivals are taken once")
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.process.id())
    }

    pub(crate) fn wakeups(&self) -> Result<Wakeups> {
        Wakeups::of(self.process.id())
    }

    /// Ends the child by closing its standard input.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}
