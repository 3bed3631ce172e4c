//! How conversations stand on this device, messages that disappear, and what is sent later.

use super::error::ApiError;
use super::extract::{Body, Params};
use super::messages::{parse_id, parse_since};
use super::remarks::{Place, show};
use super::types::{
    ALWAYS, Conversation, DeskRequest, ErrorBody, Message, Names, ScheduleRequest, Scheduled, StarRequest,
    TimerRequest,
};
use crate::handle::Handle;
use crate::t;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mesh_core::border::Post;
use mesh_core::view::ConversationView;
use mesh_core::{Arrangement, Command, ConversationId, Node, ReadError, Reply, TalkCommand, Wall};
use std::time::Duration;

/// Every conversation in which something was said or begun: those that are pinned first, then the latest.
#[utoipa::path(get, path = "/v1/conversations", tag = "messages",
    responses((status = 200, body = Vec<Conversation>)))]
pub(super) async fn conversations(State(handle): State<Handle>) -> Result<Json<Vec<Conversation>>, ApiError> {
    let read = |node: &Node, now: mesh_core::Now| {
        let views = node.conversations()?;
        let names = Names::in_messages(node, views.iter().filter_map(|view| view.last.as_ref()));
        let names = names.and(node, views.iter().map(|view| view.conversation));
        Ok::<_, ReadError>(views.iter().map(|view| Conversation::new(view, now.wall, &names)).collect())
    };
    Ok(Json(handle.read(read).await??))
}

/// Changes how a conversation stands here.
#[utoipa::path(put, path = "/v1/conversations/{who}/desk", tag = "messages", params(("who" = String, Path)),
    request_body = DeskRequest,
    responses((status = 200, body = Conversation), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn desk(
    State(handle): State<Handle>,
    Path(who): Path<String>,
    Body(request): Body<DeskRequest>,
) -> Result<Json<Conversation>, ApiError> {
    let within = handle.conversation(&who).await??;
    let DeskRequest { draft, archived, pinned, muted_until, unread, add_folder, remove_folder } = request;
    let muted = match muted_until.as_deref() {
        None => None,
        Some("never") => Some(Arrangement::Muted(None)),
        Some(ALWAYS) => Some(Arrangement::Muted(Some(Wall(u64::MAX)))),
        Some(until) => Some(Arrangement::Muted(Some(parse_since(until)?))),
    };
    let changes = [
        draft.map(Arrangement::Draft),
        archived.map(Arrangement::Archived),
        pinned.map(Arrangement::Pinned),
        muted,
        unread.map(Arrangement::Unread),
        add_folder.map(|name| Arrangement::Folder { name, member: true }),
        remove_folder.map(|name| Arrangement::Folder { name, member: false }),
    ];
    for change in changes.into_iter().flatten() {
        handle.command(Command::Talk(TalkCommand::Arrange { within, change })).await?;
    }
    shown(&handle, within).await
}

/// Sets after how long disappears what is written from now on, for everybody in the conversation.
#[utoipa::path(put, path = "/v1/conversations/{who}/timer", tag = "messages", params(("who" = String, Path)),
    request_body = TimerRequest,
    responses((status = 200, body = Conversation), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn timer(
    State(handle): State<Handle>,
    Path(who): Path<String>,
    Body(request): Body<TimerRequest>,
) -> Result<Json<Conversation>, ApiError> {
    let within = handle.conversation(&who).await??;
    if request.after_s.is_some_and(|after| !(30..=90 * 86_400).contains(&after)) {
        return Err(ApiError::invalid(t!("bad-timer")));
    }
    let after = request.after_s.map(Duration::from_secs);
    handle.command(Command::Talk(TalkCommand::Timer { within, after })).await?;
    shown(&handle, within).await
}

async fn shown(handle: &Handle, with: ConversationId) -> Result<Json<Conversation>, ApiError> {
    let read = move |node: &Node, now: mesh_core::Now| {
        let known = node.conversations()?.into_iter().find(|view| view.conversation == with);
        let view = known.unwrap_or_else(|| ConversationView {
            conversation: with,
            unread: 0,
            last: None,
            desk: node.desk(with),
            timer: node.timer(with),
        });
        let names = Names::in_messages(node, &view.last).and(node, [with]);
        Ok::<_, ReadError>(Conversation::new(&view, now.wall, &names))
    };
    Ok(Json(handle.read(read).await??))
}

/// Marks a message with a star on this device, or takes the star away.
#[utoipa::path(put, path = "/v1/messages/{id}/star", tag = "messages", params(("id" = String, Path), Place),
    request_body = StarRequest,
    responses((status = 200, body = Message), (status = 404, body = ErrorBody)))]
pub(super) async fn star(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
    Body(request): Body<StarRequest>,
) -> Result<Json<Message>, ApiError> {
    let (with, message) = place.find(&handle, &id).await?;
    let star = TalkCommand::Star { message, within: Some(with), starred: request.starred };
    handle.command(Command::Talk(star)).await?;
    show(&handle, (with, message)).await
}

/// The messages that have a star.
#[utoipa::path(get, path = "/v1/starred", tag = "messages", responses((status = 200, body = Vec<Message>)))]
pub(super) async fn starred(State(handle): State<Handle>) -> Result<Json<Vec<Message>>, ApiError> {
    let read = |node: &Node| {
        let views = node.starred().into_iter().filter_map(|(with, id)| node.message(with, id).transpose());
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let names = Names::in_messages(node, &views);
        Ok::<_, ReadError>(views.iter().map(|view| Message::new(view, &names)).collect())
    };
    Ok(Json(handle.read(move |node, _| read(node)).await??))
}

/// Opens a message that can be opened once: its words are answered here, and are gone.
#[utoipa::path(post, path = "/v1/messages/{id}/open", tag = "messages", params(("id" = String, Path), Place),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn open(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
) -> Result<Json<Message>, ApiError> {
    let (with, message) = place.find(&handle, &id).await?;
    let open = TalkCommand::Open { message, within: Some(with) };
    let Reply::Opened(view) = handle.command(Command::Talk(open)).await? else {
        return Err(ApiError::not_found(t!("api-gone")));
    };
    let names = move |node: &Node| Message::new(&view, &Names::in_message(node, &view));
    Ok(Json(handle.read(move |node, _| names(node)).await?))
}

/// What is to be sent later, the earliest first.
#[utoipa::path(get, path = "/v1/scheduled", tag = "messages", responses((status = 200, body = Vec<Scheduled>)))]
pub(super) async fn scheduled(State(handle): State<Handle>) -> Result<Json<Vec<Scheduled>>, ApiError> {
    let read = |node: &Node| {
        let views = node.scheduled();
        let names = Names::default().and(node, views.iter().map(|view| view.to));
        views.iter().map(|view| Scheduled::new(view, &names)).collect()
    };
    Ok(Json(handle.read(move |node, _| read(node)).await?))
}

/// Sends a text later. That it is to be sent is durable when this returns.
#[utoipa::path(post, path = "/v1/scheduled", tag = "messages", request_body = ScheduleRequest,
    responses((status = 200, body = Scheduled), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn schedule(
    State(handle): State<Handle>,
    Body(request): Body<ScheduleRequest>,
) -> Result<Json<Scheduled>, ApiError> {
    let ScheduleRequest { to, text, at, id, silent } = request;
    let (at, to) = (parse_since(&at)?, handle.conversation(&to).await??);
    let message = id.as_deref().map(parse_id).transpose()?;
    let post = Post::Text { text, reply: None, mentions: Vec::new(), silent };
    let schedule = TalkCommand::Schedule { to, at, post, message };
    let Reply::Sent(id) = handle.command(Command::Talk(schedule)).await? else {
        return Err(ApiError::not_found(t!("api-gone")));
    };
    let find = move |node: &Node| {
        let view = node.scheduled().into_iter().find(|view| view.id == id)?;
        Some(Scheduled::new(&view, &Names::default().and(node, [view.to])))
    };
    // A time that has passed already is now.
    let shown = handle.read(move |node, _| find(node)).await?;
    shown.map(Json).ok_or_else(|| ApiError::not_found(t!("api-gone")))
}

/// Takes back what was to be sent later.
#[utoipa::path(delete, path = "/v1/scheduled/{id}", tag = "messages", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn unschedule(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let wanted = id.to_lowercase();
    let named = move |node: &Node| {
        let all = node.scheduled().into_iter().map(|view| view.id);
        all.filter(|id| wanted.len() >= 4 && id.to_text().starts_with(&wanted)).collect::<Vec<_>>()
    };
    let [message] = handle.read(move |node, _| named(node)).await?[..] else {
        return Err(ApiError::not_found(t!("no-scheduled", id = crate::strings::clean_line(&id))));
    };
    handle.command(Command::Talk(TalkCommand::Unschedule { message })).await?;
    Ok(StatusCode::NO_CONTENT)
}
