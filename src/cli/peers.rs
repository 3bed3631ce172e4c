//! `starling peers`: the live links.

use super::App;
use jiff::Timestamp;
use starling::api::types::Peer;
use starling::strings::clean_line;
use starling::t;

/// List the neighbours that are linked now.
///
/// Who they are is known of contacts only: everybody else is somebody.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(app: &App, _: Args) -> anyhow::Result<()> {
    let session = app.client().session().await?;
    let running = session.is_running();
    let peers = session.get::<Vec<Peer>>(&["peers"], &[]).await;
    session.close().await;
    let peers = peers?;
    if !running {
        app.out.note(&t!("not-running"));
    } else if peers.is_empty() {
        app.out.line(&t!("peers-none"))?;
    }
    if !peers.is_empty() {
        app.out.line(&t!("peers-head"))?;
    }
    for peer in peers {
        app.out.value(&peer, || describe(&peer))?;
    }
    Ok(())
}

fn describe(peer: &Peer) -> String {
    let name = peer.contact.as_deref().map_or_else(|| t!("peer-unknown"), clean_line);
    let rtt = peer.rtt_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let since = peer.since.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    let seconds = Timestamp::now().duration_since(since).as_secs();
    let age = super::messages::span(u64::try_from(seconds).unwrap_or_default());
    format!("{:<4}  {:<4}  {age:>7}  {rtt:>10}  {name}", peer.link, peer.transport)
}
