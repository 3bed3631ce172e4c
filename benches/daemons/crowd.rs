//! Many neighbours, and full bags that meet: what crosses real sockets.

use crate::figures::report;
use crate::peer::Local;
use crate::{burst, fill, warm_up};
use anyhow::{Context as _, Result, ensure};
use mesh_core::{Command, Reply};
use std::path::Path;
use std::time::{Duration, Instant};

/// Nodes of the crowd, each linked with each.
const NODES: usize = 10;
/// What all of them write at once.
const MESSAGES: usize = 2_000;
/// What both of two bags hold.
const COMMON: usize = 10_000;
/// Bytes of a carried envelope of 1 KiB of text.
const ENVELOPE: usize = 1_319;

/// Aim 6: everybody carries what everybody wrote to somebody who is away.
pub(crate) async fn ten_nodes(scale: usize) -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut nodes: Vec<Local> = Vec::new();
    for n in 0..NODES {
        let neighbours: Vec<_> = nodes.iter().map(|node| node.address).collect();
        nodes.push(Local::start(&place.path().join(n.to_string()), &neighbours).await?);
    }
    let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
    let away = Local::start(&place.path().join("away"), &addresses).await?;
    let mut to = None;
    for node in &mut nodes {
        let added = node.command(Command::Add { link: away.link().await?, petname: None }).await?;
        let Reply::Contact(account) = added else { anyhow::bail!("{added:?}") };
        away.command(Command::Add { link: node.link().await?, petname: None }).await?;
        warm_up(node, account).await?;
        to = Some(account);
    }
    let to = to.context("there are nodes")?;
    away.stop().await;
    // What was said to warm up is settled.
    until(&nodes, "settles", |count| count == 0).await?;
    let (each, before, start) = (MESSAGES / scale / NODES, loopback()?, Instant::now());
    futures::future::try_join_all(nodes.iter().map(|node| burst(node, to, each))).await?;
    until(&nodes, "carries everything", |count| count >= each * NODES).await?;
    let (took, bytes) = (start.elapsed(), loopback()? - before);
    let deliveries = each * NODES * (NODES - 1);
    let rate = deliveries as f64 / took.as_secs_f64();
    let copies = bytes as f64 / (deliveries * ENVELOPE) as f64;
    report("10 nodes, full links, all at once", &format!("{rate:.0} deliveries/s, durable"));
    let figure = format!("{:.1} MB with headers, at most {copies:.2} copies per node", bytes as f64 / 1e6);
    report("  on the loopback", &figure);
    Ok(())
}

/// Aim 8: two bags of so many envelopes in common meet.
pub(crate) async fn meeting(scale: usize) -> Result<()> {
    let common = COMMON / scale;
    let mut equal = None;
    for differ in [0, 10, 1_000] {
        let place = tempfile::tempdir()?;
        let (a, b) = (place.path().join("a"), place.path().join("b"));
        filled(&a, 0, common + differ / 2).await?;
        filled(&b, differ / 2, common + differ).await?;
        let a = Local::start(&a, &[]).await?;
        let (before, start) = (loopback()?, Instant::now());
        let b = Local::start(&b, &[a.address]).await?;
        let both = [a, b];
        until(&both, "holds both bags", |count| count >= common + differ).await?;
        let took = start.elapsed();
        // What follows at once: confirmations, and the answer to a digest.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let bytes = loopback()? - before;
        let beyond = bytes.saturating_sub(*equal.get_or_insert(bytes)) as i64 - (differ * ENVELOPE) as i64;
        let figure = format!(
            "{took:.0?} with starting, {bytes} B with headers, {beyond} B beyond payloads and equal bags"
        );
        report(&format!("{common} in common, {differ} differ"), &figure);
    }
    Ok(())
}

async fn filled(dir: &Path, from: usize, end: usize) -> Result<()> {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || fill::fill(&dir, from..end)).await?
}

/// Waits until every node has a link and so many envelopes, two minutes at most.
async fn until(nodes: &[Local], what: &str, enough: impl Fn(usize) -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(120);
    for (n, node) in nodes.iter().enumerate() {
        loop {
            let status = node.status().await?;
            if status.links > 0 && enough(status.carried_envelopes) {
                break;
            }
            ensure!(Instant::now() < end, "node {n} never {what}: {} envelopes", status.carried_envelopes);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

/// Bytes that this machine said to itself so far, with the headers of TCP and IP.
fn loopback() -> Result<u64> {
    let devices = std::fs::read_to_string("/proc/net/dev")?;
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    line.and_then(|line| line.split_whitespace().next())
        .context("there is a loopback")?
        .parse()
        .map_err(Into::into)
}
