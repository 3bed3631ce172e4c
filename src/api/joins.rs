//! Links into groups.

use super::error::ApiError;
use super::extract::Body;
use super::types::{Ask, AskRequest, ErrorBody, GroupLink, GroupLinkRequest, JoinRequest};
use crate::handle::Handle;
use crate::t;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mesh_core::border::{SpaceCommand, SpaceReply};
use mesh_core::view::RequestView;
use mesh_core::{Command, Reply};
use std::time::Duration;

/// The links into a group that live, oldest first.
#[utoipa::path(get, path = "/v1/groups/{which}/links", tag = "groups", params(("which" = String, Path)),
    responses((status = 200, body = Vec<GroupLink>), (status = 404, body = ErrorBody)))]
pub(super) async fn links(
    State(handle): State<Handle>,
    Path(which): Path<String>,
) -> Result<Json<Vec<GroupLink>>, ApiError> {
    let group = handle.group(&which).await??;
    let views = handle.read(move |node, now| node.group_links(now, group)).await?;
    Ok(Json(views.into_iter().map(GroupLink::from).collect()))
}

/// Makes a link into a group.
#[utoipa::path(post, path = "/v1/groups/{which}/links", tag = "groups", params(("which" = String, Path)),
    request_body = GroupLinkRequest,
    responses((status = 200, body = GroupLink), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn link_new(
    State(handle): State<Handle>,
    Path(which): Path<String>,
    Body(request): Body<GroupLinkRequest>,
) -> Result<Json<GroupLink>, ApiError> {
    let group = handle.group(&which).await??;
    let GroupLinkRequest { uses, lifetime_s, approve } = request;
    let lifetime = lifetime_s.map(Duration::from_secs);
    let command = SpaceCommand::LinkNew { group, uses, lifetime, approve };
    match handle.command(Command::Space(command)).await? {
        Reply::Space(SpaceReply::Link(view)) => Ok(Json(view.into())),
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

/// Takes a link into a group back.
#[utoipa::path(delete, path = "/v1/groups/{which}/links/{number}", tag = "groups",
    params(("which" = String, Path), ("number" = u32, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn link_end(
    State(handle): State<Handle>,
    Path((which, number)): Path<(String, u32)>,
) -> Result<StatusCode, ApiError> {
    let group = handle.group(&which).await??;
    handle.command(Command::Space(SpaceCommand::LinkEnd { group, number })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who waits to be let into a group by a link of this node.
#[utoipa::path(get, path = "/v1/groups/{which}/requests", tag = "groups", params(("which" = String, Path)),
    responses((status = 200, body = Vec<JoinRequest>), (status = 404, body = ErrorBody)))]
pub(super) async fn requests(
    State(handle): State<Handle>,
    Path(which): Path<String>,
) -> Result<Json<Vec<JoinRequest>>, ApiError> {
    let group = handle.group(&which).await??;
    let views = handle.read(move |node, _| node.join_requests(group)).await?;
    Ok(Json(views.into_iter().map(JoinRequest::from).collect()))
}

/// Decides about somebody who wants to be let in: `approve` or `refuse`.
#[utoipa::path(post, path = "/v1/groups/{which}/requests/{who}/{decision}", tag = "groups",
    params(("which" = String, Path), ("who" = String, Path), ("decision" = String, Path)),
    responses((status = 200, body = JoinRequest), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn decide(
    State(handle): State<Handle>,
    Path((which, who, decision)): Path<(String, String, String)>,
) -> Result<Json<JoinRequest>, ApiError> {
    let accept = match decision.as_str() {
        "approve" => true,
        "refuse" => false,
        _ => return Err(ApiError::not_found(t!("api-no-route"))),
    };
    let group = handle.group(&which).await??;
    let waiting = handle.read(move |node, _| node.join_requests(group)).await?;
    let request = named(&waiting, &who)?;
    let account = request.account;
    handle.command(Command::Space(SpaceCommand::Decide { group, account, accept })).await?;
    Ok(Json(request.into()))
}

/// The groups into which you asked to be let.
#[utoipa::path(get, path = "/v1/joins", tag = "groups", responses((status = 200, body = Vec<Ask>)))]
pub(super) async fn asks(State(handle): State<Handle>) -> Result<Json<Vec<Ask>>, ApiError> {
    let views = handle.read(|node, _| node.asks()).await?;
    Ok(Json(views.into_iter().map(Ask::from).collect()))
}

/// Asks to be let into a group.
#[utoipa::path(post, path = "/v1/joins", tag = "groups", request_body = AskRequest,
    responses((status = 200, body = Ask), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn ask(
    State(handle): State<Handle>,
    Body(request): Body<AskRequest>,
) -> Result<Json<Ask>, ApiError> {
    match handle.command(Command::Space(SpaceCommand::Join { link: request.link })).await? {
        Reply::Space(SpaceReply::Ask(view)) => Ok(Json(view.into())),
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

/// The one who waits and is called so, or whose tag or account this is.
fn named(waiting: &[RequestView], who: &str) -> Result<RequestView, ApiError> {
    let wanted = who.trim().to_lowercase();
    let fits = |request: &&RequestView| {
        request.name.to_lowercase() == wanted || request.tag == wanted || request.account.to_text() == wanted
    };
    let found: Vec<&RequestView> = waiting.iter().filter(fits).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(ApiError::not_found(t!("join-nobody", who = crate::strings::clean_line(who)))),
        _ => Err(ApiError::not_found(t!("join-several", who = crate::strings::clean_line(who)))),
    }
}
