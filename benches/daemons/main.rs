//! Whole daemons over loopback, each in a process of its own: what a person waits for, and what a
//! relay pays. Shipping defaults: padding and jitter are on, every figure is durable on both sides.
//!
//! `cargo bench --bench daemons`, or `... -- quick` for a tenth of the messages, or `... -- one_hop` for
//! one part.

mod crowd;
mod figures;
mod fill;
mod peer;
mod talk;

use anyhow::{Context as _, Result};
use figures::{Latencies, Usage, report};
use futures::stream::FuturesUnordered;
use futures::{StreamExt as _, TryStreamExt as _};
use mesh_core::view::MessageState;
use mesh_core::{AccountId, Command, Event, MessageId, Reply};
use peer::{Child, Local};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of each text.
const TEXT: usize = 1_024;
/// Messages on their way at once.
const WINDOW: usize = 64;
/// What can be asked for by name.
const PARTS: [&str; 8] =
    ["one_hop", "relay", "four_hops", "ten_nodes", "meeting", "idle", "full_bag", "long_conversation"];
/// Envelopes of the full bag.
const FULL: usize = 100_000;

fn main() -> Result<()> {
    if let Some(dir) = std::env::var_os(peer::ROLE) {
        return peer::main(dir.as_ref());
    }
    let scale = if std::env::args().any(|arg| arg == "quick") { 10 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // On the runtime's own threads, where a daemon's front ends live.
    runtime.block_on(async { tokio::spawn(run(scale)).await? })
}

async fn run(scale: usize) -> Result<()> {
    println!("load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let named: Vec<String> = std::env::args().filter(|arg| PARTS.contains(&arg.as_str())).collect();
    for part in PARTS.iter().filter(|part| named.is_empty() || named.iter().any(|n| n == *part)) {
        match *part {
            "one_hop" => one_hop(scale).await?,
            "relay" => relay(scale).await?,
            "four_hops" => four_hops(scale).await?,
            "ten_nodes" => crowd::ten_nodes(scale).await?,
            "meeting" => crowd::meeting(scale).await?,
            "idle" => idle().await?,
            "long_conversation" => talk::long_conversation(scale).await?,
            _ => full_bag(scale).await?,
        }
    }
    Ok(())
}

/// Aims 1 and 2: sealed, durable on both sides and receipted.
async fn one_hop(scale: usize) -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut local = Local::start(&place.path().join("a"), &[]).await?;
    let bela = Child::start(&place.path().join("b"), &[local.address])?;
    let to = local.introduce(&bela).await?;
    warm_up(&mut local, to).await?;
    let mut latencies = Latencies::default();
    for _ in 0..1_000 / scale {
        let start = Instant::now();
        let id = local.send(to, TEXT).await?;
        local.wait_delivered(&[id].into()).await?;
        latencies.add(start.elapsed());
    }
    report("1 hop, one at a time, receipted", &latencies.to_string());
    let usage = (Usage::own()?, bela.usage()?);
    let (count, start) = (20_000 / scale, Instant::now());
    windowed(&mut local, to, count).await?;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    let (own, theirs) = (Usage::own()?.since(usage.0), bela.usage()?.since(usage.1));
    report("1 hop, window 64, receipted", &format!("{rate:.0}/s"));
    report("  CPU per message", &format!("author {}, recipient {}", own.per(count), theirs.per(count)));
    bela.stop()
}

async fn warm_up(local: &mut Local, to: AccountId) -> Result<()> {
    let id = local.send(to, 16).await?;
    local.wait_delivered(&[id].into()).await
}

/// Keeps [`WINDOW`] messages on their way until `count` are receipted.
async fn windowed(local: &mut Local, to: AccountId, count: usize) -> Result<()> {
    let door = local.door();
    let mut sends = FuturesUnordered::new();
    let (mut started, mut receipted) = (0, 0);
    while receipted < count {
        while started < count && started - receipted < WINDOW {
            sends.push(door.send(to, TEXT));
            started += 1;
        }
        tokio::select! {
            Some(sent) = sends.next(), if !sends.is_empty() => { sent?; }
            delivered = local.next_delivered() => { delivered?; receipted += 1; }
        }
    }
    Ok(())
}

/// Submits `count` messages, [`WINDOW`] at a time.
async fn burst(local: &Local, to: AccountId, count: usize) -> Result<BTreeSet<MessageId>> {
    let door = local.door();
    let sends = futures::stream::iter(0..count).map(|_| door.send(to, TEXT));
    sends.buffer_unordered(WINDOW).try_collect().await
}

/// Aim 3: what a relay pays for each message that it stores and forwards.
async fn relay(scale: usize) -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut local = Local::start(&place.path().join("a"), &[]).await?;
    let courier = Child::start(&place.path().join("r"), &[local.address])?;
    let chandra = Child::start(&place.path().join("c"), &[courier.address])?;
    let to = local.introduce(&chandra).await?;
    warm_up(&mut local, to).await?;
    // What a stranger may bring at once; further ones come at the pace that is granted to strangers.
    let (count, usage, start) = (2_500 / scale, courier.usage()?, Instant::now());
    let mut arrivals = chandra.arrivals();
    burst(&local, to, count).await?;
    for _ in 0..count {
        arrivals.recv().await.context("the recipient ended")?;
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    let used = courier.usage()?.since(usage);
    report("2 hops through a relay, burst, arrived", &format!("{rate:.0}/s"));
    report("  CPU of the relay per message", &used.per(count));
    drop(arrivals);
    courier.stop()?;
    chandra.stop()
}

/// Aim 4: one way over four hops; receipts jitter by design and are not waited for.
async fn four_hops(scale: usize) -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut local = Local::start(&place.path().join("a"), &[]).await?;
    let mut relays = Vec::new();
    let mut neighbour = local.address;
    for name in ["r1", "r2", "r3"] {
        let relay = Child::start(&place.path().join(name), &[neighbour])?;
        neighbour = relay.address;
        relays.push(relay);
    }
    let chandra = Child::start(&place.path().join("c"), &[neighbour])?;
    let to = local.introduce(&chandra).await?;
    warm_up(&mut local, to).await?;
    let mut arrivals = chandra.arrivals();
    let mut latencies = Latencies::default();
    for _ in 0..500 / scale {
        let start = Instant::now();
        let id = local.send(to, TEXT).await?;
        while arrivals.recv().await.context("the recipient ended")? != id {}
        latencies.add(start.elapsed());
    }
    report("4 hops, one at a time, one way", &latencies.to_string());
    let (count, start) = (2_000 / scale, Instant::now());
    let mut open = burst(&local, to, count).await?;
    while !open.is_empty() {
        open.remove(&arrivals.recv().await.context("the recipient ended")?);
    }
    report("4 hops, burst, one way", &format!("{:.0}/s", count as f64 / start.elapsed().as_secs_f64()));
    for child in relays.into_iter().chain([chandra]) {
        child.stop()?;
    }
    Ok(())
}

/// Aim 7: an idle daemon with one neighbour, discovery on as it ships. Takes four minutes: discovery becomes calm and
/// sled closes after one.
async fn idle() -> Result<()> {
    let place = tempfile::tempdir()?;
    let asha = Child::start_discovering(&place.path().join("a"), &[])?;
    let bela = Child::start_discovering(&place.path().join("b"), &[asha.address])?;
    tokio::time::sleep(Duration::from_secs(90)).await;
    report("RSS, idle with one neighbour", &asha.usage()?.rss());
    let span = Duration::from_secs(150);
    let before = [asha.wakeups()?, bela.wakeups()?];
    tokio::time::sleep(span).await;
    for (child, before, end) in [(&asha, &before[0], "listener"), (&bela, &before[1], "dialler")] {
        let rates = child.wakeups()?.per_minute_since(before, span);
        report(&format!("wakeups per minute, idle, {end}"), &rates);
    }
    asha.stop()?;
    bela.stop()
}

/// Aim 7: a cold start with a full bag.
async fn full_bag(scale: usize) -> Result<()> {
    let place = tempfile::tempdir()?;
    let dir = place.path().join("full");
    let full = dir.clone();
    tokio::task::spawn_blocking(move || fill::fill(&full, 0..FULL / scale)).await??;
    let start = Instant::now();
    let child = Child::start(&dir, &[])?;
    report(&format!("cold start with {} envelopes", FULL / scale), &format!("{:?}", start.elapsed()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    report("  RSS", &child.usage()?.rss());
    child.stop()
}

impl Local {
    /// Adds the other side's link and the other way round; returns once both know each other.
    async fn introduce(&mut self, child: &Child) -> Result<AccountId> {
        let added = self.command(Command::Add { link: child.link.clone(), petname: None }).await?;
        let Reply::Contact(account) = added else { anyhow::bail!("{added:?}") };
        child.add(&self.link().await?)?;
        Ok(account)
    }

    async fn send(&self, to: AccountId, len: usize) -> Result<MessageId> {
        self.door().send(to, len).await
    }

    async fn next_delivered(&mut self) -> Result<MessageId> {
        loop {
            let notice = tokio::time::timeout(Duration::from_secs(60), self.events.recv()).await;
            if let Event::MessageState { message, state, .. } = &*notice.context("no receipt came")??.event
                && *state >= MessageState::Delivered
            {
                return Ok(*message);
            }
        }
    }

    async fn wait_delivered(&mut self, ids: &BTreeSet<MessageId>) -> Result<()> {
        let mut open = ids.clone();
        while !open.is_empty() {
            open.remove(&self.next_delivered().await?);
        }
        Ok(())
    }
}
