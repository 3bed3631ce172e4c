//! `starling sos`: calls for help nearby.

use super::{App, Failure};
use serde_json::json;
use starling::api::types::{Beacon, BeaconRequest};
use starling::t;

/// The longest text of a beacon, in bytes of UTF-8.
const MAX_BEACON: usize = 72;

/// Call for help from the people nearby. This reaches no emergency service.
///
/// The call is public and signed with a key of its own: everybody near reads it. Your contacts see that it may be
/// yours; nobody else does unless you write your name. It lives for 12 hours, and while this node runs it is said
/// again until you take it back, for at most 14 days.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is needed and where, at most 72 bytes.
    #[arg(required_unless_present = "cancel")]
    text: Option<String>,
    /// Take an SOS (or a sign of life) of yours back.
    #[arg(long, value_name = "ID", conflicts_with = "text")]
    cancel: Option<String>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    match (args.cancel, args.text) {
        (Some(id), _) => cancel(app, &id).await,
        (None, text) => publish(app, "sos", text.unwrap_or_default()).await,
    }
}

/// Publishes a beacon and shows it.
pub(super) async fn publish(app: &App, kind: &str, text: String) -> anyhow::Result<()> {
    if text.len() > MAX_BEACON || (kind == "sos" && text.trim().is_empty()) {
        return Err(Failure::usage(t!("beacon-length", max = MAX_BEACON, got = text.len())));
    }
    let request = BeaconRequest { kind: kind.to_owned(), text, position: None };
    let session = app.client().session().await?;
    let running = session.is_running();
    let beacon = session.post::<Beacon>(&["beacons"], &request).await;
    session.close().await;
    let beacon = beacon?;
    if !running {
        app.out.note(&t!("beacon-not-running"));
    }
    app.out.value(&beacon, || t!("beacon-published", id = beacon.id.as_str()))
}

async fn cancel(app: &App, id: &str) -> anyhow::Result<()> {
    app.client().with(async |session| session.delete(&["beacons", id], &[]).await).await?;
    app.out.value(&json!({ "id": id, "cancelled": true }), || t!("beacon-cancelled", id = id))
}
