//! Peers, status and beacons.

use super::error::ApiError;
use super::extract::Body;
use super::types::{Beacon, BeaconRequest, ErrorBody, Names, Peer, Status};
use crate::handle::Handle;
use crate::t;
use crate::transport::ble::BleHandle;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use mesh_core::{BeaconKind, Command, Reply};
use std::sync::Arc;

/// The node's Bluetooth, where it runs.
#[derive(Clone, Debug)]
pub(super) struct Radios(pub(super) Option<Arc<BleHandle>>);

/// The live links.
#[utoipa::path(get, path = "/v1/peers", tag = "mesh", responses((status = 200, body = Vec<Peer>)))]
pub(super) async fn peers(State(handle): State<Handle>) -> Result<Json<Vec<Peer>>, ApiError> {
    let (peers, contacts, now) =
        handle.read(|node, now| (node.peers(now), node.contacts(), now.wall)).await?;
    let names = Names::new(&contacts);
    Ok(Json(peers.iter().map(|peer| Peer::new(peer, now, &names)).collect()))
}

/// How the node is.
#[utoipa::path(get, path = "/v1/status", tag = "mesh", responses((status = 200, body = Status)))]
pub(super) async fn status(
    State(handle): State<Handle>,
    Extension(Radios(ble)): Extension<Radios>,
) -> Result<Json<Status>, ApiError> {
    let view = handle.read(|node, now| node.status(now)).await?;
    let adapters = ble.map(|ble| ble.status().adapters).unwrap_or_default();
    Ok(Json(Status::new(view, &adapters)))
}

/// The beacons that live, newest first.
#[utoipa::path(get, path = "/v1/beacons", tag = "mesh", responses((status = 200, body = Vec<Beacon>)))]
pub(super) async fn beacons(State(handle): State<Handle>) -> Result<Json<Vec<Beacon>>, ApiError> {
    let (beacons, contacts) = handle.read(|node, now| (node.beacons(now), node.contacts())).await?;
    let names = Names::new(&contacts);
    Ok(Json(beacons.iter().map(|beacon| Beacon::new(beacon, &names)).collect()))
}

/// Publishes a beacon to everybody nearby.
#[utoipa::path(post, path = "/v1/beacons", tag = "mesh", request_body = BeaconRequest,
    responses((status = 200, body = Beacon), (status = 400, body = ErrorBody)))]
pub(super) async fn beacon_new(
    State(handle): State<Handle>,
    Body(request): Body<BeaconRequest>,
) -> Result<Json<Beacon>, ApiError> {
    let kind = match request.kind.as_str() {
        "sos" => BeaconKind::Sos,
        "safe" => BeaconKind::Safe,
        _ => return Err(ApiError::invalid(t!("api-beacon-kind"))),
    };
    let command = Command::Beacon { kind, text: request.text, position: request.position };
    match handle.command(command).await? {
        Reply::Beacon(beacon) => Ok(Json(Beacon::new(&beacon, &Names::default()))),
        _ => Err(ApiError::not_found(t!("api-gone"))),
    }
}

/// Takes an own beacon back.
#[utoipa::path(delete, path = "/v1/beacons/{id}", tag = "mesh", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn beacon_cancel(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<axum::http::StatusCode, ApiError> {
    handle.command(Command::BeaconCancel { id }).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
