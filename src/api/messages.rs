//! Messages and conversations.

use super::error::ApiError;
use super::extract::{Body, Params};
use super::types::{ConversationName, ErrorBody, InfoDetail, Message, Names, SeenRequest, SendRequest};
use crate::handle::Handle;
use crate::t;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mesh_core::border::Post;
use mesh_core::view::{Cursor, MAX_PAGE, MessageView, Page};
use mesh_core::{Command, ConversationId, MessageId, Node, Refusal, Reply, TalkCommand, Wall};
use serde::Deserialize;
use std::collections::VecDeque;
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
    /// Only the latest so many; with `before`, the latest before that.
    last: Option<usize>,
    /// Only what stands before this message, whose id it is.
    before: Option<String>,
    /// Only what stands behind this message, whose id it is; not together with `before` or `last`.
    after: Option<String>,
    /// Only the first so many; not together with `before` or `last`.
    first: Option<usize>,
}

/// Messages, oldest first.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(Wanted),
    responses((status = 200, body = Vec<Message>), (status = 404, body = ErrorBody)))]
pub(super) async fn messages(
    State(handle): State<Handle>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Vec<Message>>, ApiError> {
    let with = match &wanted.with {
        Some(who) => Some(handle.conversation(who).await??),
        None => None,
    };
    let since = match &wanted.since {
        Some(text) => parse_since(text)?,
        None => Wall(0),
    };
    let is_backward = wanted.before.is_some() || wanted.last.is_some();
    if is_backward && (wanted.after.is_some() || wanted.first.is_some()) {
        return Err(ApiError::invalid(t!("bad-page")));
    }
    let from = match wanted.before.as_deref().or(wanted.after.as_deref()) {
        Some(id) => Some(find(&handle, id, with).await?),
        None => None,
    };
    let messages = if is_backward {
        latest(&handle, with, since, from, wanted.last.unwrap_or(usize::MAX)).await?
    } else {
        earliest(&handle, with, since, from, wanted.first.unwrap_or(usize::MAX)).await?
    };
    let shown = move |node: &Node| {
        let names = Names::in_messages(node, &messages);
        messages.iter().map(|message| Message::new(message, &names)).collect()
    };
    Ok(Json(handle.read(move |node, _| shown(node)).await?))
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
    let to = handle.conversation(&request.to).await??;
    match handle.command(command(&handle, to, request, message).await?).await? {
        Reply::Sent(id) => detail(&handle, id).await,
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

/// A text that is nothing more is sent as before.
async fn command(
    handle: &Handle,
    to: ConversationId,
    request: SendRequest,
    message: Option<MessageId>,
) -> Result<Command, ApiError> {
    let SendRequest { text, reply_to, mentions: named, silent, once, .. } = request;
    if once {
        if reply_to.is_some() || !named.is_empty() || silent {
            return Err(ApiError::invalid(t!("bad-once")));
        }
        return Ok(Command::Talk(TalkCommand::Once { to, text, message }));
    }
    if reply_to.is_none() && named.is_empty() && !silent {
        return Ok(Command::Send { to, text, message });
    }
    let reply = match reply_to {
        Some(id) => Some(find(handle, &id, Some(to)).await?.1),
        None => None,
    };
    let mut mentions = Vec::with_capacity(named.len());
    for who in &named {
        mentions.push(handle.resolve(who).await??);
    }
    Ok(Command::Post { to, post: Post::Text { text, reply, mentions, silent }, message })
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

/// Which conversation `who` names: a person, or a group.
#[utoipa::path(get, path = "/v1/conversations/{who}", tag = "messages", params(("who" = String, Path)),
    responses((status = 200, body = ConversationName), (status = 404, body = ErrorBody)))]
pub(super) async fn conversation(
    State(handle): State<Handle>,
    Path(who): Path<String>,
) -> Result<Json<ConversationName>, ApiError> {
    let conversation = handle.conversation(&who).await??;
    let names = handle.read(|node, _| Names::all(node)).await?;
    let (name, group) = (names.of(conversation), conversation.group().is_some());
    Ok(Json(ConversationName { conversation: conversation.to_text(), name, group }))
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
    let within = handle.conversation(&who).await??;
    handle.command(Command::MarkRead { within, messages }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The first `count` messages since a time and behind a message, oldest first. Between the pages the node does its
/// other work.
async fn earliest(
    handle: &Handle,
    with: Option<ConversationId>,
    since: Wall,
    behind: Option<(ConversationId, MessageId)>,
    count: usize,
) -> Result<Vec<MessageView>, ApiError> {
    let mut messages: Vec<MessageView> = Vec::new();
    let start = behind.map_or(Cursor::Oldest, |(with, id)| Cursor::After(with, id));
    while messages.len() < count {
        let from = messages.last().map_or(start, |last| Cursor::After(last.conversation, last.id));
        let limit = (count - messages.len()).min(MAX_PAGE);
        let views = read(handle, with, Page { from, since, limit }).await?;
        let is_last = views.len() < limit;
        messages.extend(views);
        if is_last {
            break;
        }
    }
    Ok(messages)
}

/// The latest `count` messages since a time and before a message, oldest first.
async fn latest(
    handle: &Handle,
    with: Option<ConversationId>,
    since: Wall,
    before: Option<(ConversationId, MessageId)>,
    count: usize,
) -> Result<Vec<MessageView>, ApiError> {
    let mut messages: VecDeque<MessageView> = VecDeque::new();
    let start = before.map_or(Cursor::Newest, |(with, id)| Cursor::Before(with, id));
    while messages.len() < count {
        let from = messages.front().map_or(start, |first| Cursor::Before(first.conversation, first.id));
        let limit = (count - messages.len()).min(MAX_PAGE);
        let views = read(handle, with, Page { from, since, limit }).await?;
        let is_last = views.len() < limit;
        views.into_iter().rev().for_each(|view| messages.push_front(view));
        if is_last {
            break;
        }
    }
    Ok(messages.into())
}

async fn read(
    handle: &Handle,
    with: Option<ConversationId>,
    page: Page,
) -> Result<Vec<MessageView>, ApiError> {
    Ok(handle.read(move |node, _| node.page(with, &page)).await??)
}

async fn detail(handle: &Handle, id: MessageId) -> Result<Json<InfoDetail>, ApiError> {
    let read = move |node: &Node, now| {
        let info = node.info(now, id)?;
        let recipients = info.iter().flat_map(|info| &info.recipients).map(|recipient| recipient.account);
        let names = Names::among(node, recipients);
        Ok::<_, mesh_core::ReadError>(info.map(|info| InfoDetail::new(&info, &names)))
    };
    let detail = handle.read(read).await??;
    detail.map(Json).ok_or_else(|| ApiError::not_found(t!("no-message", id = id.to_text())))
}

/// The own message that `text` names, whole or by a beginning that only one has.
async fn find_id(handle: &Handle, text: &str) -> Result<MessageId, ApiError> {
    if let Some(id) = MessageId::from_text(text) {
        return Ok(id);
    }
    let wanted = digits(text)?;
    let beginning = wanted.clone();
    match handle.read(move |node, _| node.own_messages_named(&beginning)).await?[..] {
        [one] => Ok(one),
        _ => Err(ApiError::not_found(t!("no-message", id = wanted))),
    }
}

/// The same among the messages of everybody, in the conversation `within` or in all, and where it stands.
pub(super) async fn find(
    handle: &Handle,
    text: &str,
    within: Option<ConversationId>,
) -> Result<(ConversationId, MessageId), ApiError> {
    let wanted = digits(text)?;
    let several = |id: MessageId| ApiError::conflict(t!("message-in-several", id = id.to_text()));
    let none = || ApiError::not_found(t!("no-message", id = wanted.clone()));
    if let Some(id) = MessageId::from_text(text) {
        return match handle.read(move |node, _| node.locate(id, within)).await? {
            Ok(with) => Ok((with, id)),
            Err(Refusal::Message { .. }) => Err(several(id)),
            Err(_) => Err(none()),
        };
    }
    let beginning = wanted.clone();
    match handle.read(move |node, _| node.messages_named(&beginning, within)).await?[..] {
        [one] => Ok(one),
        [(_, one), (_, other)] if one == other => Err(several(one)),
        _ => Err(none()),
    }
}

/// The digits by which somebody names a message.
fn digits(text: &str) -> Result<String, ApiError> {
    let wanted = text.to_lowercase();
    if (4..=32).contains(&wanted.len()) && wanted.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(wanted);
    }
    Err(ApiError::invalid(t!("bad-message-id", id = crate::strings::clean_line(text))))
}

pub(super) fn parse_id(text: &str) -> Result<MessageId, ApiError> {
    let wrong = || ApiError::invalid(t!("bad-message-id", id = crate::strings::clean_line(text)));
    MessageId::from_text(text).ok_or_else(wrong)
}

pub(super) fn parse_since(text: &str) -> Result<Wall, ApiError> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| ApiError::invalid(t!("bad-since", text = crate::strings::clean_line(text))))?;
    Ok(Wall(u64::try_from(time.as_second()).unwrap_or_default()))
}
