//! Identity, contacts and invites.

use super::error::ApiError;
use super::extract::{Body, Number, Who};
use super::types::{
    AddRequest, Added, Contact, ContactDetail, ErrorBody, ForecastDetail, Identity, Invite, InviteRequest,
    ProfileRequest, RenameRequest,
};
use crate::handle::Handle;
use crate::t;
use axum::Json;
use axum::extract::{Path, State};
use mesh_core::view::ContactView;
use mesh_core::{AccountId, Command, Refusal, Reply};
use std::time::Duration;

/// The person of this node.
#[utoipa::path(get, path = "/v1/identity", tag = "people", responses((status = 200, body = Identity)))]
pub(super) async fn identity(State(handle): State<Handle>) -> Result<Json<Identity>, ApiError> {
    Ok(Json(handle.read(|node, _| node.identity()).await?.into()))
}

/// Changes the own name and about text, and tells the contacts.
#[utoipa::path(put, path = "/v1/identity", tag = "people", request_body = ProfileRequest,
    responses((status = 200, body = Identity), (status = 400, body = ErrorBody)))]
pub(super) async fn set_profile(
    State(handle): State<Handle>,
    Body(request): Body<ProfileRequest>,
) -> Result<Json<Identity>, ApiError> {
    handle.command(Command::SetProfile { name: request.name, about: request.about }).await?;
    identity(State(handle)).await
}

/// Everybody known here.
#[utoipa::path(get, path = "/v1/contacts", tag = "people", responses((status = 200, body = Vec<Contact>)))]
pub(super) async fn contacts(State(handle): State<Handle>) -> Result<Json<Vec<Contact>>, ApiError> {
    let contacts = handle.read(|node, _| node.contacts()).await?;
    Ok(Json(contacts.iter().map(Contact::from).collect()))
}

/// One contact, with its safety number.
#[utoipa::path(get, path = "/v1/contacts/{who}", tag = "people",
    params(("who" = String, Path, description = "Petname, name, tag, account or a beginning that only one has")),
    responses((status = 200, body = ContactDetail), (status = 404, body = ErrorBody)))]
pub(super) async fn contact(
    State(handle): State<Handle>,
    Path(who): Path<String>,
) -> Result<Json<ContactDetail>, ApiError> {
    let account = handle.resolve(&who).await??;
    Ok(Json(ContactDetail::from(&view(&handle, account).await?)))
}

/// How long a message to somebody takes that is written now, learnt from this node's own meetings.
#[utoipa::path(get, path = "/v1/contacts/{who}/forecast", tag = "people", params(("who" = String, Path)),
    responses((status = 200, body = ForecastDetail), (status = 404, body = ErrorBody)))]
pub(super) async fn forecast(
    State(handle): State<Handle>,
    Path(who): Path<String>,
) -> Result<Json<ForecastDetail>, ApiError> {
    let account = handle.resolve(&who).await??;
    Ok(Json(handle.read(move |node, now| node.forecast(now, Some(account))).await?.into()))
}

/// Adds a person by link or QR text, and sends a first contact.
#[utoipa::path(post, path = "/v1/contacts", tag = "people", request_body = AddRequest,
    responses((status = 200, body = Added), (status = 400, body = ErrorBody)))]
pub(super) async fn add(
    State(handle): State<Handle>,
    Body(request): Body<AddRequest>,
) -> Result<Json<Added>, ApiError> {
    let command = Command::Add { link: request.link, petname: request.petname };
    match handle.command(command).await? {
        Reply::Contact(account) => Ok(Json(added(&view(&handle, account).await?))),
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

/// Changes how a contact is shown here.
#[utoipa::path(put, path = "/v1/contacts/{who}", tag = "people", params(("who" = String, Path)),
    request_body = RenameRequest,
    responses((status = 200, body = Added), (status = 404, body = ErrorBody)))]
pub(super) async fn rename(
    State(handle): State<Handle>,
    Path(who): Path<String>,
    Body(request): Body<RenameRequest>,
) -> Result<Json<Added>, ApiError> {
    let account = handle.resolve(&who).await??;
    handle.command(Command::Rename { account, petname: request.petname }).await?;
    Ok(Json(added(&view(&handle, account).await?)))
}

/// Decides about a contact: `accept`, `decline`, `block` or `verify`.
#[utoipa::path(post, path = "/v1/contacts/{who}/{decision}", tag = "people",
    params(("who" = String, Path), ("decision" = String, Path, description = "accept, decline, block or verify")),
    responses((status = 200, body = Added), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn decide(
    State(handle): State<Handle>,
    Who { who, decision }: Who,
) -> Result<Json<Added>, ApiError> {
    if decision == "block" {
        let account = handle.fellow(&who).await??;
        handle.command(Command::Block { account }).await?;
        return Ok(Json(added(&view(&handle, account).await?)));
    }
    let account = handle.resolve(&who).await??;
    let before = view(&handle, account).await?;
    let command = match decision.as_str() {
        "accept" => Command::Accept { account },
        "decline" => Command::Decline { account },
        "verify" => Command::Verify { account },
        _ => return Err(ApiError::not_found(t!("api-no-decision"))),
    };
    handle.command(command).await?;
    match view(&handle, account).await {
        Ok(after) => Ok(Json(added(&after))),
        // A declined request is forgotten.
        Err(_) => Ok(Json(Added { state: "declined".to_owned(), ..added(&before) })),
    }
}

/// The live invites, oldest first.
#[utoipa::path(get, path = "/v1/invites", tag = "people", responses((status = 200, body = Vec<Invite>)))]
pub(super) async fn invites(State(handle): State<Handle>) -> Result<Json<Vec<Invite>>, ApiError> {
    let invites = handle.read(|node, _| node.invites()).await?;
    Ok(Json(invites.into_iter().map(Invite::from).collect()))
}

/// Makes an invite.
#[utoipa::path(post, path = "/v1/invites", tag = "people", request_body = InviteRequest,
    responses((status = 200, body = Invite), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn invite_new(
    State(handle): State<Handle>,
    Body(request): Body<InviteRequest>,
) -> Result<Json<Invite>, ApiError> {
    if request.uses == Some(0) || request.lifetime_s == Some(0) {
        return Err(ApiError::invalid(t!("invite-short")));
    }
    let lifetime = request.lifetime_s.map(Duration::from_secs);
    match handle.command(Command::InviteNew { uses: request.uses, lifetime }).await? {
        Reply::Invite(invite) => Ok(Json(invite.into())),
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

/// Ends an invite and destroys the keys kept for it alone.
#[utoipa::path(delete, path = "/v1/invites/{number}", tag = "people", params(("number" = u32, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn invite_revoke(
    State(handle): State<Handle>,
    Number(number): Number,
) -> Result<axum::http::StatusCode, ApiError> {
    handle.command(Command::InviteRevoke { number }).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

async fn view(handle: &Handle, account: AccountId) -> Result<ContactView, ApiError> {
    let contacts = handle.read(|node, _| node.contacts()).await?;
    let found = contacts.into_iter().find(|contact| contact.account == account);
    found.ok_or_else(|| Refusal::UnknownContact { account }.into())
}

fn added(contact: &ContactView) -> Added {
    Added {
        account: contact.account.to_text(),
        name: contact.shown().to_owned(),
        state: contact.state.as_str().to_owned(),
    }
}
