//! What is said about messages: other words, reactions, votes.

use super::error::ApiError;
use super::extract::{Body, Params};
use super::messages::find;
use super::types::{
    EditRequest, ErrorBody, ForwardRequest, Message, Names, PinRequest, PollRequest, ReactionRequest,
    VoteRequest,
};
use crate::handle::Handle;
use crate::t;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mesh_core::border::Post;
use mesh_core::{Command, ConversationId, MessageId, Remark, Reply};
use serde::Deserialize;
use utoipa::IntoParams;

/// For whom a message goes away.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// Takes an own message back for everybody. Default: it goes away on this device alone.
    #[serde(default)]
    everyone: bool,
    /// As of the other requests.
    #[serde(rename = "in")]
    within: Option<String>,
}

/// Where a message stands.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The conversation: petname, name, tag or account. Needed where several have a message of this id.
    #[serde(rename = "in")]
    within: Option<String>,
}

impl Place {
    /// The message that `id` names there.
    pub(super) async fn find(
        &self,
        handle: &Handle,
        id: &str,
    ) -> Result<(ConversationId, MessageId), ApiError> {
        let within = match &self.within {
            Some(who) => Some(handle.conversation(who).await??),
            None => None,
        };
        find(handle, id, within).await
    }
}

/// A message as it is shown now.
#[utoipa::path(get, path = "/v1/messages/{id}/shown", tag = "messages", params(("id" = String, Path), Place),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody)))]
pub(super) async fn shown(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
) -> Result<Json<Message>, ApiError> {
    show(&handle, place.find(&handle, &id).await?).await
}

/// Changes the words of an own message.
#[utoipa::path(put, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path), Place),
    request_body = EditRequest,
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn edit(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
    Body(request): Body<EditRequest>,
) -> Result<Json<Message>, ApiError> {
    remark(&handle, place.find(&handle, &id).await?, Remark::Edit(request.text)).await
}

/// Takes a message away, here or for everybody.
#[utoipa::path(delete, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path), Whose),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn delete(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(whose): Params<Whose>,
) -> Result<StatusCode, ApiError> {
    let Whose { everyone, within } = whose;
    let (with, message) = Place { within }.find(&handle, &id).await?;
    let within = Some(with);
    let command = match everyone {
        true => Command::Remark { message, within, remark: Remark::Delete },
        false => Command::Hide { message, within },
    };
    handle.command(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reacts to a message.
#[utoipa::path(put, path = "/v1/messages/{id}/reaction", tag = "messages", params(("id" = String, Path), Place),
    request_body = ReactionRequest,
    responses((status = 200, body = Message), (status = 404, body = ErrorBody)))]
pub(super) async fn react(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
    Body(request): Body<ReactionRequest>,
) -> Result<Json<Message>, ApiError> {
    remark(&handle, place.find(&handle, &id).await?, Remark::React(request.emoji)).await
}

/// Holds a message up, or not any more.
#[utoipa::path(put, path = "/v1/messages/{id}/pin", tag = "messages", params(("id" = String, Path), Place),
    request_body = PinRequest,
    responses((status = 200, body = Message), (status = 404, body = ErrorBody)))]
pub(super) async fn pin(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
    Body(request): Body<PinRequest>,
) -> Result<Json<Message>, ApiError> {
    remark(&handle, place.find(&handle, &id).await?, Remark::Pin(request.pinned)).await
}

/// Chooses in a poll, or closes one's own.
#[utoipa::path(put, path = "/v1/messages/{id}/vote", tag = "messages", params(("id" = String, Path), Place),
    request_body = VoteRequest,
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn vote(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
    Body(request): Body<VoteRequest>,
) -> Result<Json<Message>, ApiError> {
    let choices = request.choices.iter().try_fold(0_u16, |choices, number| {
        let bit = number.checked_sub(1).and_then(|n| 1_u16.checked_shl(u32::try_from(n).ok()?));
        bit.map(|bit| choices | bit)
    });
    let choices = choices.ok_or_else(|| ApiError::invalid(t!("bad-choice")))?;
    remark(
        &handle,
        place.find(&handle, &id).await?,
        if request.close { Remark::Close } else { Remark::Vote(choices) },
    )
    .await
}

/// Passes a message on.
#[utoipa::path(post, path = "/v1/messages/{id}/forward", tag = "messages", params(("id" = String, Path), Place),
    request_body = ForwardRequest,
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn forward(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
    Body(request): Body<ForwardRequest>,
) -> Result<Json<Message>, ApiError> {
    let (with, of) = place.find(&handle, &id).await?;
    let to = handle.conversation(&request.to).await??;
    post(&handle, to, Post::Forward { of, within: Some(with) }).await
}

/// Asks a question with options to choose from.
#[utoipa::path(post, path = "/v1/polls", tag = "messages", request_body = PollRequest,
    responses((status = 200, body = Message), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn poll(
    State(handle): State<Handle>,
    Body(request): Body<PollRequest>,
) -> Result<Json<Message>, ApiError> {
    let PollRequest { to, question, options, multiple } = request;
    let to = handle.conversation(&to).await??;
    post(&handle, to, Post::Poll { question, options, multiple }).await
}

async fn remark(
    handle: &Handle,
    (with, message): (ConversationId, MessageId),
    remark: Remark,
) -> Result<Json<Message>, ApiError> {
    handle.command(Command::Remark { message, within: Some(with), remark }).await?;
    show(handle, (with, message)).await
}

async fn post(handle: &Handle, to: ConversationId, post: Post) -> Result<Json<Message>, ApiError> {
    match handle.command(Command::Post { to, post, message: None }).await? {
        Reply::Sent(id) => show(handle, (to, id)).await,
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

pub(super) async fn show(
    handle: &Handle,
    (with, id): (ConversationId, MessageId),
) -> Result<Json<Message>, ApiError> {
    let shown = handle.read(move |node, _| message(node, with, id)).await??;
    shown.map(Json).ok_or_else(|| ApiError::not_found(t!("no-message", id = id.to_text())))
}

/// A message as it is now, with the names that are shown in it.
pub(super) fn message(
    node: &mesh_core::Node,
    with: ConversationId,
    id: MessageId,
) -> Result<Option<Message>, mesh_core::ReadError> {
    let Some(view) = node.message(with, id)? else { return Ok(None) };
    Ok(Some(Message::new(&view, &Names::in_message(node, &view))))
}
