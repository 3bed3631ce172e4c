//! Groups.

use super::error::ApiError;
use super::extract::Body;
use super::types::{ErrorBody, Group, GroupRequest, MemberRequest, MembersRequest, PropertiesRequest};
use crate::handle::Handle;
use crate::t;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mesh_core::border::{GroupCommand, GroupProperty};
use mesh_core::{AccountId, Command, GroupId};

/// Every group, by name; those that were left stay until they are forgotten.
#[utoipa::path(get, path = "/v1/groups", tag = "groups", responses((status = 200, body = Vec<Group>)))]
pub(super) async fn groups(State(handle): State<Handle>) -> Result<Json<Vec<Group>>, ApiError> {
    let views = handle.read(|node, _| node.groups()).await?;
    Ok(Json(views.iter().map(Group::from).collect()))
}

/// Begins a group.
#[utoipa::path(post, path = "/v1/groups", tag = "groups", request_body = GroupRequest,
    responses((status = 200, body = Group), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn create(
    State(handle): State<Handle>,
    Body(request): Body<GroupRequest>,
) -> Result<Json<Group>, ApiError> {
    let members = people(&handle, &request.members).await?;
    change(&handle, GroupCommand::Create { name: request.name, members }).await
}

/// One group.
#[utoipa::path(get, path = "/v1/groups/{which}", tag = "groups", params(("which" = String, Path)),
    responses((status = 200, body = Group), (status = 404, body = ErrorBody)))]
pub(super) async fn group(
    State(handle): State<Handle>,
    Path(which): Path<String>,
) -> Result<Json<Group>, ApiError> {
    let id = handle.group(&which).await??;
    show(&handle, id).await
}

/// Sets properties of a group.
#[utoipa::path(put, path = "/v1/groups/{which}", tag = "groups", params(("which" = String, Path)),
    request_body = PropertiesRequest,
    responses((status = 200, body = Group), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn set(
    State(handle): State<Handle>,
    Path(which): Path<String>,
    Body(request): Body<PropertiesRequest>,
) -> Result<Json<Group>, ApiError> {
    let group = handle.group(&which).await??;
    let PropertiesRequest { name, about, only_admins_post, only_admins_edit } = request;
    let properties = [
        name.map(GroupProperty::Name),
        about.map(GroupProperty::About),
        only_admins_post.map(GroupProperty::OnlyAdminsPost),
        only_admins_edit.map(GroupProperty::OnlyAdminsEdit),
    ];
    for property in properties.into_iter().flatten() {
        handle.command(Command::Group(GroupCommand::Set { group, property })).await?;
    }
    show(&handle, group).await
}

/// Adds contacts to a group.
#[utoipa::path(post, path = "/v1/groups/{which}/members", tag = "groups", params(("which" = String, Path)),
    request_body = MembersRequest,
    responses((status = 200, body = Group), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn add(
    State(handle): State<Handle>,
    Path(which): Path<String>,
    Body(request): Body<MembersRequest>,
) -> Result<Json<Group>, ApiError> {
    let group = handle.group(&which).await??;
    let members = people(&handle, &request.members).await?;
    change(&handle, GroupCommand::Add { group, members }).await
}

/// Makes a member an admin, or an ordinary member again.
#[utoipa::path(put, path = "/v1/groups/{which}/members/{who}", tag = "groups",
    params(("which" = String, Path), ("who" = String, Path)), request_body = MemberRequest,
    responses((status = 200, body = Group), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn promote(
    State(handle): State<Handle>,
    Path((which, who)): Path<(String, String)>,
    Body(request): Body<MemberRequest>,
) -> Result<Json<Group>, ApiError> {
    let group = handle.group(&which).await??;
    let member = handle.member(group, &who).await??;
    change(&handle, GroupCommand::Promote { group, member, admin: request.admin }).await
}

/// Puts a member out.
#[utoipa::path(delete, path = "/v1/groups/{which}/members/{who}", tag = "groups",
    params(("which" = String, Path), ("who" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn remove(
    State(handle): State<Handle>,
    Path((which, who)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let group = handle.group(&which).await??;
    let member = handle.member(group, &who).await??;
    handle.command(Command::Group(GroupCommand::Remove { group, member })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves a group.
#[utoipa::path(post, path = "/v1/groups/{which}/leave", tag = "groups", params(("which" = String, Path)),
    responses((status = 200, body = Group), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn leave(
    State(handle): State<Handle>,
    Path(which): Path<String>,
) -> Result<Json<Group>, ApiError> {
    let group = handle.group(&which).await??;
    change(&handle, GroupCommand::Leave { group }).await
}

/// Forgets a group that was left, and everything that was said in it.
#[utoipa::path(delete, path = "/v1/groups/{which}", tag = "groups", params(("which" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn forget(
    State(handle): State<Handle>,
    Path(which): Path<String>,
) -> Result<StatusCode, ApiError> {
    let group = handle.group(&which).await??;
    handle.command(Command::Group(GroupCommand::Forget { group })).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(handle: &Handle, command: GroupCommand) -> Result<Json<Group>, ApiError> {
    match handle.command(Command::Group(command)).await? {
        mesh_core::Reply::Group(id) => show(handle, id).await,
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

async fn show(handle: &Handle, id: GroupId) -> Result<Json<Group>, ApiError> {
    let view = handle.read(move |node, _| node.group(id)).await?;
    view.map(|view| Json(Group::from(&view))).ok_or_else(|| ApiError::not_found(t!("api-gone")))
}

async fn people(handle: &Handle, named: &[String]) -> Result<Vec<AccountId>, ApiError> {
    let mut accounts = Vec::with_capacity(named.len());
    for who in named {
        accounts.push(handle.resolve(who).await??);
    }
    Ok(accounts)
}
