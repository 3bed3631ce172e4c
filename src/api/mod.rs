//! The local API: HTTP and WebSocket for front ends of the same person (PROTOCOL.md section 12).
//!
//! Loopback only. Three walls keep web pages and other people of the machine out: the token file is
//! the owner's alone, the `Host` must be this machine (a page cannot rebind a name to it), and an
//! `Origin` must be the API's own.

mod error;
mod events;
mod extract;
mod groups;
mod joins;
mod listener;
mod mesh;
mod messages;
mod people;
mod remarks;
mod search;
mod talk;
pub mod types;

pub use error::ApiError;
pub use events::SUBPROTOCOL;

use crate::config::{DataDir, FIRST_ANSWER, MAX_BODY, MAX_CONNECTIONS, write_private};
use crate::handle::Handle;
use crate::search::Searcher;
use crate::transport::ble::BleHandle;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Json, Router};
use listener::Few;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use utoipa::OpenApi;

/// What `api.json` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The process that listens.
    pub pid: u32,
}

/// Every route, without the walls: for clients in the same process.
/// `ble` is the node's Bluetooth, where it runs.
pub fn router(handle: Handle, ble: Option<Arc<BleHandle>>) -> Router {
    Router::new()
        .route("/v1/identity", get(people::identity).put(people::set_profile))
        .route("/v1/contacts", get(people::contacts).post(people::add))
        .route("/v1/contacts/{who}", get(people::contact).put(people::rename))
        .route("/v1/contacts/{who}/forecast", get(people::forecast))
        .route("/v1/contacts/{who}/{decision}", post(people::decide))
        .route("/v1/invites", get(people::invites).post(people::invite_new))
        .route("/v1/invites/{number}", delete(people::invite_revoke))
        .route("/v1/messages", get(messages::messages).post(messages::send))
        .route("/v1/messages/{id}", get(messages::info).put(remarks::edit).delete(remarks::delete))
        .route("/v1/messages/{id}/shown", get(remarks::shown))
        .route("/v1/messages/{id}/reaction", put(remarks::react))
        .route("/v1/messages/{id}/pin", put(remarks::pin))
        .route("/v1/messages/{id}/vote", put(remarks::vote))
        .route("/v1/messages/{id}/forward", post(remarks::forward))
        .route("/v1/polls", post(remarks::poll))
        .route("/v1/search", get(search::search))
        .route("/v1/conversations", get(talk::conversations))
        .route("/v1/conversations/{who}/desk", put(talk::desk))
        .route("/v1/conversations/{who}/timer", put(talk::timer))
        .route("/v1/messages/{id}/star", put(talk::star))
        .route("/v1/messages/{id}/open", post(talk::open))
        .route("/v1/starred", get(talk::starred))
        .route("/v1/scheduled", get(talk::scheduled).post(talk::schedule))
        .route("/v1/scheduled/{id}", delete(talk::unschedule))
        .route("/v1/conversations/{who}/read", post(messages::mark_read))
        .route("/v1/conversations/{who}", get(messages::conversation))
        .route("/v1/groups", get(groups::groups).post(groups::create))
        .route("/v1/groups/{which}", get(groups::group).put(groups::set).delete(groups::forget))
        .route("/v1/groups/{which}/members", post(groups::add))
        .route("/v1/groups/{which}/members/{who}", put(groups::promote).delete(groups::remove))
        .route("/v1/groups/{which}/leave", post(groups::leave))
        .route("/v1/groups/{which}/links", get(joins::links).post(joins::link_new))
        .route("/v1/groups/{which}/links/{number}", delete(joins::link_end))
        .route("/v1/groups/{which}/requests", get(joins::requests))
        .route("/v1/groups/{which}/requests/{who}/{decision}", post(joins::decide))
        .route("/v1/joins", get(joins::asks).post(joins::ask))
        .route("/v1/peers", get(mesh::peers))
        .route("/v1/status", get(mesh::status))
        .route("/v1/beacons", get(mesh::beacons).post(mesh::beacon_new))
        .route("/v1/beacons/{id}", delete(mesh::beacon_cancel))
        .route("/v1/events", get(events::events))
        .route("/v1/alive", get(alive))
        .route("/v1/openapi.json", get(openapi))
        .fallback(|| async { ApiError::not_found(crate::t!("api-no-route")) })
        .layer(Extension(events::Streams::default()))
        .layer(Extension(mesh::Radios(ble)))
        .layer(Extension(Searcher::new(handle.clone())))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(handle)
}

/// A served API.
#[derive(Debug)]
pub struct Server {
    address: Address,
    data: DataDir,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves on 127.0.0.1 at `port` (0: any that is free), with a fresh token, and writes
    /// `api.json` and the token file.
    ///
    /// # Errors
    /// Where the port is taken or the data directory does not take the files.
    pub async fn start(
        handle: Handle,
        ble: Option<Arc<BleHandle>>,
        data: &DataDir,
        port: u16,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = Address { port: listener.local_addr()?.port(), pid: std::process::id() };
        let token = data_encoding::HEXLOWER.encode(&crate::daemon::random_seed()?);
        let (stop, mut stopped) = watch::channel(false);
        let walls = Walls { port: address.port, token_hash: blake3::hash(token.as_bytes()) };
        let app = router(handle, ble).layer(axum::middleware::from_fn_with_state(walls, guard));
        let task = tokio::spawn(async move {
            let end = async move {
                // An error means that the server was dropped: also an end.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            axum::serve(Few::new(listener, MAX_CONNECTIONS, FIRST_ANSWER), app)
                .with_graceful_shutdown(end)
                .await
        });
        write_private(&data.token_file(), token.as_bytes())?;
        write_private(&data.api_file(), serde_json::to_string(&address)?.as_bytes())?;
        Ok(Self { address, data: data.clone(), stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Takes the files away and ends; open streams are given a second.
    pub async fn stop(self) {
        // Stale files are ignored by clients, so a failure here does no harm.
        let _ = std::fs::remove_file(self.data.api_file());
        let _ = std::fs::remove_file(self.data.token_file());
        let _ = self.stop.send(true);
        let aborter = self.task.abort_handle();
        if tokio::time::timeout(std::time::Duration::from_secs(1), self.task).await.is_err() {
            aborter.abort();
        }
    }
}

#[derive(Clone)]
struct Walls {
    port: u16,
    /// Hashes compare in constant time.
    token_hash: blake3::Hash,
}

async fn guard(State(walls): State<Walls>, request: Request, next: Next) -> Result<Response, ApiError> {
    let headers = request.headers();
    let host = request.uri().authority().map(|a| a.as_str()).or_else(|| text(headers, header::HOST));
    if !host.is_some_and(|host| is_own_host(host, walls.port)) {
        return Err(ApiError::forbidden());
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if !own.is_some_and(|host| is_own_host(host, walls.port)) {
            return Err(ApiError::forbidden());
        }
    }
    let token = token(headers).ok_or_else(ApiError::unauthorized)?;
    if blake3::hash(token.as_bytes()) != walls.token_hash {
        return Err(ApiError::unauthorized());
    }
    Ok(next.run(request).await)
}

fn is_own_host(host: &str, port: u16) -> bool {
    let Some((name, given)) = host.rsplit_once(':') else { return false };
    matches!(name, "127.0.0.1" | "localhost") && given.parse() == Ok(port)
}

/// The token of a request: `Authorization: Bearer`, or a subprotocol, which is all that a page can
/// set on a WebSocket.
fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(bearer) = text(headers, header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "))
    {
        return Some(bearer.trim());
    }
    let protocols = text(headers, header::SEC_WEBSOCKET_PROTOCOL)?;
    protocols.split(',').find_map(|protocol| protocol.trim().strip_prefix("token."))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// That the node is there; answered without asking it.
#[utoipa::path(get, path = "/v1/alive", tag = "mesh", responses((status = 204)))]
async fn alive() -> axum::http::StatusCode {
    axum::http::StatusCode::NO_CONTENT
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "events", responses((status = 200)))]
async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Starling's local API",
        description = "Loopback only. `Authorization: Bearer <token>`, the token stands in `api.token` of the \
            data directory and the port in `api.json`. A WebSocket may carry it as subprotocol `token.<token>` \
            beside `starling.v1`."
    ),
    paths(
        people::identity,
        people::set_profile,
        people::contacts,
        people::contact,
        people::forecast,
        people::add,
        people::rename,
        people::decide,
        people::invites,
        people::invite_new,
        people::invite_revoke,
        messages::messages,
        messages::send,
        messages::info,
        talk::conversations,
        talk::desk,
        talk::timer,
        talk::star,
        talk::open,
        talk::starred,
        talk::scheduled,
        talk::schedule,
        talk::unschedule,
        messages::conversation,
        messages::mark_read,
        remarks::shown,
        remarks::edit,
        remarks::delete,
        remarks::react,
        remarks::pin,
        remarks::vote,
        remarks::forward,
        remarks::poll,
        search::search,
        groups::groups,
        groups::create,
        groups::group,
        groups::set,
        groups::add,
        groups::promote,
        groups::remove,
        groups::leave,
        groups::forget,
        joins::links,
        joins::link_new,
        joins::link_end,
        joins::requests,
        joins::decide,
        joins::asks,
        joins::ask,
        mesh::peers,
        mesh::status,
        mesh::beacons,
        mesh::beacon_new,
        mesh::beacon_cancel,
        events::events,
        alive,
        openapi
    )
)]
struct Description;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_at_this_port_is_a_host() {
        assert!(is_own_host("127.0.0.1:80", 80) && is_own_host("localhost:80", 80));
        for host in ["evil.example:80", "127.0.0.1", "127.0.0.1:81", "localhost.evil.example:80", ""] {
            assert!(!is_own_host(host, 80), "{host}");
        }
    }

    #[test]
    fn the_token_comes_as_bearer_or_as_subprotocol() {
        let mut headers = HeaderMap::new();
        assert_eq!(token(&headers), None);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, "starling.v1, token.abc".parse().unwrap());
        assert_eq!(token(&headers), Some("abc"));
        headers.insert(header::AUTHORIZATION, "Bearer xyz".parse().unwrap());
        assert_eq!(token(&headers), Some("xyz"));
    }

    #[test]
    fn every_route_is_described() {
        let described = serde_json::to_value(Description::openapi()).unwrap();
        let source = include_str!("mod.rs");
        let routes = source.split(".route(\"").skip(1).filter_map(|part| part.split('"').next());
        for route in routes.filter(|route| route.starts_with("/v1/")) {
            assert!(described["paths"].get(route).is_some(), "{route}");
        }
    }
}
