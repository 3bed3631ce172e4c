//! `starling ble`: the adapters, who is heard, and the links of the running node.

use super::App;
use super::status::{adapter_state, bytes};
use serde::Serialize;
use starling::api::types::{Adapter, AdapterLink, Status};
use starling::config::parse_duration;
use starling::strings::clean_line;
use starling::t;
use starling::transport::ble::radio::{Radio, RadioEvent, RadioOrder, RadioState, Remote};
use starling::transport::ble::{self, AdapterStatus, system};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long an adapter may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// Over how long the throughput of links is measured.
const MEASURE: Duration = Duration::from_secs(2);

/// Show the Bluetooth adapters, who is heard, and the links of the running node.
///
/// Links show their pipe, the bytes that cross at once, strength, round trip, throughput of the last two seconds, and
/// the share of values that had to be sent again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Listen for other nodes for so long, whether or not the node runs [default: show what it hears].
    #[arg(long, value_name = "DURATION", value_parser = span)]
    scan: Option<Duration>,
}

/// One adapter with its figures.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    adapter: Adapter,
    /// Whether the running node uses it.
    used: bool,
    /// The links' figures over the last seconds, in their order.
    traffic: Vec<Traffic>,
}

/// What a link did lately.
#[derive(Debug, Default, Serialize)]
struct Traffic {
    sent_per_s: u64,
    received_per_s: u64,
    /// Values sent again, in percent of those sent, over the life of the link.
    repeated_percent: f64,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let mut found = used(app).await?;
    let others = system::adapters();
    let unused = |name: &String| found.iter().all(|one| one.adapter.name != *name);
    let unused: Vec<_> = others.into_iter().filter(unused).collect();
    let mut names: Vec<_> = found.iter().map(|one| one.adapter.name.clone()).collect();
    names.extend(unused.iter().cloned());
    if let Some(time) = args.scan {
        let heard = listen(&names, time).await;
        found.extend(heard.iter().filter(|adapter| unused.contains(&adapter.name)).cloned().map(idle));
        for one in &mut found {
            let heard = heard.iter().find(|adapter| adapter.name == one.adapter.name);
            one.adapter.heard = heard.map(|adapter| adapter.heard.clone()).unwrap_or_default();
        }
    } else {
        found.extend(listen(&unused, Duration::ZERO).await.into_iter().map(idle));
    }
    if found.is_empty() {
        return app.out.line(&t!("ble-none"));
    }
    for one in &found {
        app.out.value(one, || describe(one))?;
    }
    Ok(())
}

fn idle(adapter: Adapter) -> Found {
    Found { adapter, used: false, traffic: Vec::new() }
}

/// The adapters of the running node, looked at twice.
async fn used(app: &App) -> anyhow::Result<Vec<Found>> {
    if app.client().running().await.is_none() {
        return Ok(Vec::new());
    }
    let session = app.client().session().await?;
    let before = session.get::<Status>(&["status"], &[]).await;
    let started = Instant::now();
    if before.as_ref().is_ok_and(|status| status.bluetooth.iter().any(|adapter| !adapter.links.is_empty())) {
        tokio::time::sleep(MEASURE).await;
    }
    let after = session.get::<Status>(&["status"], &[]).await;
    session.close().await;
    let (before, after) = (before?.bluetooth, after?.bluetooth);
    let took = started.elapsed();
    Ok(after.into_iter().map(|adapter| compare(&before, adapter, took)).collect())
}

fn compare(before: &[Adapter], adapter: Adapter, took: Duration) -> Found {
    let earlier = before.iter().find(|one| one.name == adapter.name);
    let links = earlier.map(|one| one.links.as_slice()).unwrap_or_default();
    let traffic = adapter.links.iter().map(|link| traffic(links, link, took)).collect();
    Found { adapter, used: true, traffic }
}

fn traffic(before: &[AdapterLink], link: &AdapterLink, took: Duration) -> Traffic {
    let earlier = before.iter().find(|one| one.link == link.link);
    let (sent, received) = earlier.map_or((link.bytes_sent, link.bytes_received), |one| {
        (
            link.bytes_sent.saturating_sub(one.bytes_sent),
            link.bytes_received.saturating_sub(one.bytes_received),
        )
    });
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = |bytes: u64| bytes.saturating_mul(1000) / millis;
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
    let repeated_percent = link.values_repeated as f64 * 100.0 / link.values_sent.max(1) as f64;
    Traffic { sent_per_s: per_second(sent), received_per_s: per_second(received), repeated_percent }
}

/// Looks at these adapters without offering anything on them, and listens for so long.
async fn listen(names: &[String], time: Duration) -> Vec<Adapter> {
    if names.is_empty() {
        return Vec::new();
    }
    let looks = ble::radios(names).into_iter().map(|radio| look(radio, time));
    futures::future::join_all(looks).await
}

async fn look(mut radio: Radio, time: Duration) -> Adapter {
    let first = tokio::time::timeout(PATIENCE, radio.events.recv()).await;
    let state = match first {
        Ok(Some(RadioEvent::State(state))) => state,
        _ => RadioState::Starting,
    };
    let scanning = state == RadioState::On && !time.is_zero();
    let mut heard = BTreeMap::new();
    if scanning {
        // A radio that has ended hears nobody.
        let _ = radio.orders.send(RadioOrder::Scan(true)).await;
        let _ = tokio::time::timeout(time, gather(&mut radio, &mut heard)).await;
    }
    let status = AdapterStatus { name: radio.name.clone(), state, scanning, ..AdapterStatus::default() };
    let mut adapter = Adapter::from(&status);
    adapter.heard = heard.into_values().collect();
    adapter.heard.sort_by_key(|rssi| std::cmp::Reverse(*rssi));
    adapter
}

async fn gather(radio: &mut Radio, heard: &mut BTreeMap<Remote, Option<i8>>) {
    while let Some(event) = radio.events.recv().await {
        if let RadioEvent::Heard { remote, rssi, .. } = event {
            heard.insert(remote, rssi);
        }
    }
}

fn describe(found: &Found) -> String {
    let adapter = &found.adapter;
    let mut words = vec![adapter_state(adapter)];
    words.extend(found.used.then(|| t!("ble-used")));
    words.extend(adapter.advertising.then(|| t!("ble-advertising")));
    words.extend(adapter.scanning.then(|| t!("ble-scanning")));
    let mut lines = vec![format!("{}: {}", clean_line(&adapter.name), words.join(", "))];
    if !adapter.heard.is_empty() {
        let strengths = adapter.heard.iter().map(|rssi| dbm(*rssi)).collect::<Vec<_>>().join(", ");
        lines.push(format!("  {}", t!("ble-heard", count = adapter.heard.len(), strengths = strengths)));
    }
    lines.extend(adapter.links.iter().zip(&found.traffic).map(|(link, traffic)| line(link, traffic)));
    lines.join("\n")
}

fn line(link: &AdapterLink, traffic: &Traffic) -> String {
    let trip = link.round_trip_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let (out, back) = (bytes(traffic.sent_per_s), bytes(traffic.received_per_s));
    let percent = format!("{:.1}", traffic.repeated_percent);
    let words = t!(
        "ble-link",
        pipe = link.pipe.as_str(),
        room = link.max_value,
        rssi = dbm(link.rssi),
        trip = trip,
        out = out,
        back = back,
        repeated = percent
    );
    // The number of the transport stands in front of the number of the link: people see the latter.
    format!("  {} {words}", link.link & u64::from(u32::MAX))
}

fn dbm(rssi: Option<i8>) -> String {
    rssi.map_or_else(|| "-".to_owned(), |rssi| format!("{rssi} dBm"))
}

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(sent: u64, values: u64, repeated: u64) -> AdapterLink {
        AdapterLink {
            link: 1 << 56 | 7,
            dialled: true,
            pipe: "gatt".to_owned(),
            max_value: 509,
            rssi: Some(-60),
            round_trip_ms: Some(45),
            bytes_sent: sent,
            bytes_received: 0,
            values_sent: values,
            values_repeated: repeated,
            values_foreign: 0,
        }
    }

    #[test]
    fn throughput_is_that_of_the_time_between_two_looks() {
        let now = traffic(&[link(1000, 10, 0)], &link(5000, 50, 5), Duration::from_secs(2));
        assert_eq!((now.sent_per_s, now.received_per_s), (2000, 0));
        assert!((now.repeated_percent - 10.0).abs() < 0.01, "{now:?}");
        let new = traffic(&[], &link(5000, 0, 0), Duration::ZERO);
        assert!(new.repeated_percent.abs() < 0.01, "{new:?}");
    }

    #[test]
    fn a_link_is_shown_with_its_own_number() {
        let words = line(&link(0, 0, 0), &Traffic::default());
        assert!(words.trim_start().starts_with("7 "), "{words}");
        assert!(words.contains("-60 dBm") && words.contains("45 ms"), "{words}");
    }
}
