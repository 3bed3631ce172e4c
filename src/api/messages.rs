//! Messages and conversations.

use super::error::ApiError;
use super::extract::{Body, Params};
use super::types::{Conversation, ErrorBody, InfoDetail, Message, Names, SeenRequest, SendRequest};
use crate::handle::Handle;
use crate::t;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mesh_core::view::{ContactView, MessageState, MessageView};
use mesh_core::{AccountId, Command, MessageId, Reply, Wall};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which messages are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Petname, name, tag or account; absent is everybody.
    with: Option<String>,
    /// RFC 3339: only what was received, or for one's own sent, at that time or later.
    since: Option<String>,
    /// Only the latest so many.
    last: Option<usize>,
}

/// Messages, oldest first.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(Wanted),
    responses((status = 200, body = Vec<Message>), (status = 404, body = ErrorBody)))]
pub(super) async fn messages(
    State(handle): State<Handle>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Vec<Message>>, ApiError> {
    let with = match &wanted.with {
        Some(who) => Some(handle.resolve(who).await??),
        None => None,
    };
    let since = match &wanted.since {
        Some(text) => parse_since(text)?,
        None => Wall(0),
    };
    let (messages, contacts) = read(&handle, with).await?;
    let names = Names::new(&contacts);
    let recent: Vec<&MessageView> =
        messages.iter().filter(|m| m.received_at.unwrap_or(m.sent_at) >= since).collect();
    let skipped = recent.len().saturating_sub(wanted.last.unwrap_or(usize::MAX));
    Ok(Json(recent[skipped..].iter().map(|message| Message::new(message, &names)).collect()))
}

/// Sends a text. It is durable when this returns.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", request_body = SendRequest,
    responses((status = 200, body = InfoDetail), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn send(
    State(handle): State<Handle>,
    Body(request): Body<SendRequest>,
) -> Result<Json<InfoDetail>, ApiError> {
    let message = match &request.id {
        Some(text) => Some(parse_id(text)?),
        None => None,
    };
    let to = handle.resolve(&request.to).await??;
    match handle.command(Command::Send { to, text: request.text, message }).await? {
        Reply::Sent(id) => detail(&handle, id).await,
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

/// Where a message of ours is.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path)),
    responses((status = 200, body = InfoDetail), (status = 404, body = ErrorBody)))]
pub(super) async fn info(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<InfoDetail>, ApiError> {
    detail(&handle, find_id(&handle, &id).await?).await
}

/// Every conversation that has messages, the latest first.
#[utoipa::path(get, path = "/v1/conversations", tag = "messages",
    responses((status = 200, body = Vec<Conversation>)))]
pub(super) async fn conversations(State(handle): State<Handle>) -> Result<Json<Vec<Conversation>>, ApiError> {
    let (messages, contacts) = read(&handle, None).await?;
    let names = Names::new(&contacts);
    let mut found: Vec<Conversation> = Vec::new();
    for message in messages.iter().rev() {
        let account = message.conversation.to_text();
        let index = found.iter().position(|c| c.conversation == account).unwrap_or_else(|| {
            found.push(Conversation {
                conversation: account,
                name: names.of(message.conversation),
                unread: 0,
                last: Some(Message::new(message, &names)),
            });
            found.len() - 1
        });
        found[index].unread += usize::from(message.from.is_some() && message.state != MessageState::Read);
    }
    Ok(Json(found))
}

/// The person has seen messages of a conversation; their writer learns it.
#[utoipa::path(post, path = "/v1/conversations/{who}/read", tag = "messages", params(("who" = String, Path)),
    request_body = SeenRequest,
    responses((status = 204), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn mark_read(
    State(handle): State<Handle>,
    Path(who): Path<String>,
    Body(seen): Body<SeenRequest>,
) -> Result<StatusCode, ApiError> {
    let parsed = |ids: Vec<String>| ids.iter().map(|id| parse_id(id)).collect::<Result<Vec<_>, _>>();
    let messages = seen.ids.map(parsed).transpose()?;
    let from = handle.resolve(&who).await??;
    handle.command(Command::MarkRead { from, messages }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(
    handle: &Handle,
    with: Option<AccountId>,
) -> Result<(Vec<MessageView>, Vec<ContactView>), ApiError> {
    let (messages, contacts) = handle.read(move |node, _| (node.messages(with), node.contacts())).await?;
    Ok((messages?, contacts))
}

async fn detail(handle: &Handle, id: MessageId) -> Result<Json<InfoDetail>, ApiError> {
    let (info, contacts) = handle.read(move |node, now| (node.info(now, id), node.contacts())).await?;
    let info = info.ok_or_else(|| ApiError::not_found(t!("no-message", id = id.to_text())))?;
    Ok(Json(InfoDetail::new(&info, &Names::new(&contacts))))
}

/// The message that `text` names, whole or by a beginning that only one has.
async fn find_id(handle: &Handle, text: &str) -> Result<MessageId, ApiError> {
    if let Some(id) = MessageId::from_text(text) {
        return Ok(id);
    }
    let wanted = text.to_lowercase();
    if wanted.len() < 4 || !wanted.bytes().all(|b| b.is_ascii_hexdigit()) || wanted.len() > 32 {
        return Err(ApiError::invalid(t!("bad-message-id", id = crate::strings::clean_line(text))));
    }
    let (messages, _) = read(handle, None).await?;
    let mut fitting = messages.iter().filter(|m| m.from.is_none() && m.id.to_text().starts_with(&wanted));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.id),
        _ => Err(ApiError::not_found(t!("no-message", id = wanted))),
    }
}

fn parse_id(text: &str) -> Result<MessageId, ApiError> {
    let wrong = || ApiError::invalid(t!("bad-message-id", id = crate::strings::clean_line(text)));
    MessageId::from_text(text).ok_or_else(wrong)
}

fn parse_since(text: &str) -> Result<Wall, ApiError> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| ApiError::invalid(t!("bad-since", text = crate::strings::clean_line(text))))?;
    Ok(Wall(u64::try_from(time.as_second()).unwrap_or_default()))
}
