//! The stream of events over WebSocket.

use super::error::ApiError;
use super::extract::Params;
use super::types::{Beacon, Message, Names};
use crate::config::MAX_STREAMS;
use crate::handle::{Handle, Notice, Since, Stopped};
use axum::extract::State;
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use mesh_core::{AccountId, ConversationId, Event, MessageId, Seq};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The subprotocol of the stream; a second one, `token.<TOKEN>`, may carry the token.
pub const SUBPROTOCOL: &str = "starling.v1";

/// Counts the streams that are open.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STREAMS)))
    }
}

/// What is asked of a stream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    since: Option<u64>,
}

/// Everything that happens from now on, or after the event numbered `since`, one JSON object per frame.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(("since" = Option<u64>, Query, description = "The last `seq` that was seen")),
    responses((status = 101, description = "A WebSocket, subprotocol `starling.v1`"), (status = 429)))]
pub(super) async fn events(
    State(handle): State<Handle>,
    axum::Extension(streams): axum::Extension<Streams>,
    Params(query): Params<Query>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let permit = streams.0.try_acquire_owned().map_err(|_| ApiError::busy())?;
    // Before the answer: what happens once the client knows that it is connected must not be missed.
    let start = match query.since {
        None => Start::Now(handle.events()),
        Some(seen) => Start::After(seen, handle.events_since(Seq(seen))),
    };
    Ok(upgrade.protocols([SUBPROTOCOL]).on_upgrade(move |socket| stream(socket, handle, start, permit)))
}

/// Where a stream begins.
enum Start {
    Now(Receiver<Notice>),
    After(u64, Since),
}

async fn stream(mut socket: WebSocket, handle: Handle, start: Start, permit: OwnedSemaphorePermit) {
    let mut notices = match start {
        Start::Now(notices) => notices,
        Start::After(seen, since) => {
            let Ok(notices) = catch_up(&mut socket, &handle, seen, since).await else { return };
            notices
        }
    };
    loop {
        tokio::select! {
            notice = notices.recv() => {
                let value = match notice {
                    Ok(notice) => match to_json(&handle, &notice).await {
                        Ok(Some(value)) => value,
                        Ok(None) => continue,
                        Err(Stopped) => break,
                    },
                    Err(RecvError::Lagged(missed)) => json!({ "type": "lagged", "missed": missed }),
                    Err(RecvError::Closed) => break,
                };
                if socket.send(Frame::text(value.to_string())).await.is_err() {
                    break;
                }
            }
            // Nothing is expected from the client; this sees its close and answers its pings.
            frame = socket.recv() => if !matches!(frame, Some(Ok(_))) { break },
        }
    }
    drop(permit);
}

/// Tells what happened after the event `seen`; an error means that there is nobody to tell.
async fn catch_up(
    socket: &mut WebSocket,
    handle: &Handle,
    seen: u64,
    since: Since,
) -> Result<Receiver<Notice>, ()> {
    if since.gap {
        let gap = json!({ "type": "gap", "since": seen });
        socket.send(Frame::text(gap.to_string())).await.map_err(drop)?;
    }
    for notice in &since.past {
        if let Some(value) = to_json(handle, notice).await.map_err(drop)? {
            socket.send(Frame::text(value.to_string())).await.map_err(drop)?;
        }
    }
    Ok(since.next)
}

/// A message as it is now, not as it was when it was told of: words that were taken back or changed since go to
/// nobody any more. `None` where it is gone, or cannot be read.
async fn shown(
    handle: &Handle,
    with: ConversationId,
    message: MessageId,
) -> Result<Option<Message>, Stopped> {
    let shown = handle.read(move |node, _| super::remarks::message(node, with, message)).await?;
    Ok(shown.ok().flatten())
}

/// The event for front ends; `None` for what is not theirs.
async fn to_json(handle: &Handle, notice: &Notice) -> Result<Option<Value>, Stopped> {
    let names = async |account: Option<AccountId>| {
        let Some(account) = account else { return Ok(Names::default()) };
        handle.read(move |node, _| Names::among(node, [account])).await
    };
    let mut value = match &*notice.event {
        Event::Message(view) => match shown(handle, view.conversation, view.id).await? {
            Some(shown) => json!({ "type": "message", "message": shown }),
            // What was taken away here since is nobody's news.
            None => return Ok(None),
        },
        Event::MessageChanged { conversation, message } => {
            match shown(handle, *conversation, *message).await? {
                Some(shown) => json!({ "type": "message_changed", "message": shown }),
                None => json!({
                    "type": "message_changed", "id": message.to_text(), "conversation": conversation.to_text(),
                }),
            }
        }
        Event::MessageState { message, to, state, carriers } => json!({
            "type": "message_state", "id": message.to_text(), "to": to.to_text(),
            "state": state.as_str(), "carriers": carriers,
        }),
        Event::Conversation { conversation } => {
            json!({ "type": "conversation", "conversation": conversation.to_text() })
        }
        Event::Scheduled { message } => json!({ "type": "scheduled", "id": message.to_text() }),
        Event::Group { group } => json!({ "type": "group", "group": group.to_text() }),
        Event::Contact { account } => json!({ "type": "contact", "account": account.to_text() }),
        Event::Beacon(view) => {
            json!({ "type": "beacon", "beacon": Beacon::new(view, &names(view.contact).await?) })
        }
        Event::PeerUp { link, contact } => {
            let names = names(*contact).await?;
            json!({ "type": "peer_up", "link": link.0, "contact": contact.map(|c| names.of(c)) })
        }
        Event::PeerDown { link } => json!({ "type": "peer_down", "link": link.0 }),
        Event::Fault { link, what } => json!({ "type": "fault", "link": link.0, "what": what }),
        Event::AuthMismatch { account } => json!({ "type": "auth_mismatch", "account": account.to_text() }),
        _ => return Ok(None),
    };
    value["seq"] = notice.seq.0.into();
    Ok(Some(value))
}
