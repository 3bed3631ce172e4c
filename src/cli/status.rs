//! `starling status`: how the node is.

use super::App;
use starling::api::types::{Adapter, Status};
use starling::strings::clean_line;
use starling::t;

/// Show how this node is: links, what it carries for others, what still waits.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(app: &App, _: Args) -> anyhow::Result<()> {
    let session = app.client().session().await?;
    let running = session.is_running();
    let status = session.get::<Status>(&["status"], &[]).await;
    session.close().await;
    let status = status?;
    if !running {
        app.out.note(&t!("not-running"));
    }
    app.out.value(&status, || {
        let mut lines = vec![t!(
            "status",
            name = clean_line(&status.name),
            links = status.links,
            envelopes = status.carried.envelopes,
            bytes = bytes(status.carried.bytes),
            outbox = status.outbox
        )];
        lines.extend(status.bluetooth.iter().map(adapter));
        lines.join("\n")
    })
}

/// One line for a Bluetooth adapter.
fn adapter(adapter: &Adapter) -> String {
    let (name, state) = (clean_line(&adapter.name), adapter_state(adapter));
    if adapter.state == "on" {
        t!("status-bluetooth-on", name = name, links = adapter.links.len(), heard = adapter.heard.len())
    } else {
        t!("status-bluetooth", name = name, state = state)
    }
}

/// How an adapter is, in words.
pub(super) fn adapter_state(adapter: &Adapter) -> String {
    match adapter.state.as_str() {
        "on" => t!("bluetooth-on"),
        "off" => t!("bluetooth-off"),
        "missing" => t!("bluetooth-missing"),
        "no_service" => t!("bluetooth-no-service"),
        "denied" => t!("bluetooth-denied"),
        "broken" => t!("bluetooth-broken", reason = clean_line(&adapter.reason)),
        _ => t!("bluetooth-starting"),
    }
}

/// Bytes in their largest fitting unit.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}
