//! A front end's way to a node: over the local API where one runs, else by opening its home for the
//! moment. Both speak the same requests (PROTOCOL.md section 12).

mod spool;

pub use spool::Refused;

use crate::api::types::{ErrorBody, InfoDetail, SendRequest};
use crate::api::{self, Address};
use crate::config::{DataDir, LOCK_PATIENCE, START_PATIENCE};
use crate::daemon::Switch;
use crate::home::{self, HomeError, Secret, Turn};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use spool::Spool;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tower::ServiceExt as _;

/// How long a running node has for a connection and a first answer.
const PROBE: Duration = Duration::from_secs(2);
/// How long a running node has for an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a held home is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// The most bytes of an answer: all messages of a long life.
const MAX_ANSWER: usize = 1 << 30;

/// A request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The node answered that it cannot.
    #[error("{message}")]
    Api {
        /// The HTTP status.
        status: u16,
        /// The stable word for the kind of error.
        code: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The home cannot be opened.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The node went away before it answered.
    #[error("the running node does not answer: {reason}")]
    Broken {
        /// What the connection said.
        reason: String,
    },
    /// A file or thread was refused by the system.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Finds the node of one data directory anew for each session.
#[derive(Clone, Debug)]
pub struct Client {
    data: DataDir,
    secret: Secret,
}

impl Client {
    /// For the node whose home is `data`; `secret` is used where no node runs.
    #[must_use]
    pub fn new(data: DataDir, secret: Secret) -> Self {
        Self { data, secret }
    }

    /// The running node, else the opened home; what waits in the spool goes first.
    ///
    /// Waits up to [`LOCK_PATIENCE`] for another process that holds the home, and up to [`START_PATIENCE`] for a
    /// node that is starting.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn session(&self) -> Result<Session, ClientError> {
        let began = Instant::now();
        let session = loop {
            if let Some(session) = self.running().await {
                break session;
            }
            match self.open().await {
                Err(ClientError::Home(HomeError::Locked { .. })) if began.elapsed() < LOCK_PATIENCE => {}
                Err(ClientError::Home(HomeError::Starting { .. })) if began.elapsed() < START_PATIENCE => {}
                result => break result?,
            }
            tokio::time::sleep(RETRY).await;
        };
        self.spool_directory().take_up(&session).await;
        Ok(session)
    }

    /// The running node, if there is one. Port files of nodes that are gone, or that came here by a copy of
    /// somebody else's directory, are ignored: nobody holds this directory then.
    pub async fn running(&self) -> Option<Session> {
        if !home::is_held(&self.data) {
            return None;
        }
        let address: Address = serde_json::from_slice(&std::fs::read(self.data.api_file()).ok()?).ok()?;
        let token = std::fs::read_to_string(self.data.token_file()).ok()?;
        // A proxy that the environment names has no business on the loopback.
        let http =
            reqwest::Client::builder().no_proxy().connect_timeout(PROBE).timeout(ANSWER).build().ok()?;
        let session = Session(Way::Remote { http, port: address.port, token });
        // Answered beside the node: one that waits for a slow disk is there all the same.
        let probe = session.get::<Value>(&["alive"], &[]);
        matches!(tokio::time::timeout(PROBE, probe).await, Ok(Ok(_))).then_some(session)
    }

    /// Runs `act` in a session of its own.
    ///
    /// # Errors
    /// [`ClientError`] of the session or of `act`.
    pub async fn with<T>(
        &self,
        act: impl AsyncFnOnce(&Session) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let session = self.session().await?;
        let result = act(&session).await;
        session.close().await;
        result
    }

    /// Leaves `request` for the next process that comes to the node; durable on return.
    ///
    /// # Errors
    /// Where the file cannot be written or too many wait already.
    pub fn spool(&self, request: &SendRequest) -> io::Result<PathBuf> {
        self.spool_directory().add(request)
    }

    /// Sends a text that has an id of its own; what happened to the answer does not matter: the node is asked
    /// once more, and takes a known id for what it is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit(&self, request: &SendRequest) -> Result<Submitted, ClientError> {
        match self.submit_once(request).await {
            Err(ClientError::Broken { .. }) => self.submit_once(request).await,
            result => result,
        }
    }

    async fn submit_once(&self, request: &SendRequest) -> Result<Submitted, ClientError> {
        let session = self.session().await?;
        let running = session.is_running();
        let detail = session.post(&["messages"], request).await;
        session.close().await;
        Ok(Submitted { running, detail: detail? })
    }

    /// Tells of every queued message that was refused, then forgets it; what `tell` fails at is kept.
    ///
    /// # Errors
    /// Of `tell`, or where the spool cannot be read.
    pub fn tell_refused(&self, tell: impl FnMut(&Refused) -> io::Result<()>) -> io::Result<()> {
        self.spool_directory().tell_refused(tell)
    }

    fn spool_directory(&self) -> Spool<'_> {
        Spool::of(&self.data)
    }

    async fn open(&self) -> Result<Session, ClientError> {
        if Turn::is_taken(&self.data) {
            return Err(HomeError::Starting { path: self.data.path().to_owned() }.into());
        }
        let (data, secret) = (self.data.clone(), self.secret.clone());
        let opened = tokio::task::spawn_blocking(move || home::open(&data, &secret)).await;
        let opened = opened.map_err(io::Error::other)??;
        let (_, transport_events) = tokio::sync::mpsc::channel(1);
        let daemon = opened.home.start(transport_events, Switch::default())?;
        Ok(Session(Way::Local {
            router: api::router(daemon.handle().clone(), None),
            daemon: Box::new(daemon),
        }))
    }
}

/// What became of a text.
#[derive(Debug)]
pub struct Submitted {
    /// Whether a node took it that meets others; else it waits for one.
    pub running: bool,
    /// Where it is.
    pub detail: InfoDetail,
}

/// A way to a node that stands.
#[derive(Debug)]
pub struct Session(Way);

#[derive(Debug)]
enum Way {
    Remote { http: reqwest::Client, port: u16, token: String },
    Local { router: axum::Router, daemon: Box<home::Running> },
}

impl Session {
    /// Whether a node runs that meets others; else messages only wait.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.0, Way::Remote { .. })
    }

    /// Reads `/v1/<segments>?<query>`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        self.request(Method::GET, segments, query, None).await
    }

    /// Posts `body` to `/v1/<segments>`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.post_with(segments, &[], body).await
    }

    /// Posts `body` to `/v1/<segments>?<query>`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post_with<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(io::Error::other)?;
        self.request(Method::POST, segments, query, Some(body)).await
    }

    /// Puts `body` at `/v1/<segments>?<query>`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn put<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(io::Error::other)?;
        self.request(Method::PUT, segments, query, Some(body)).await
    }

    /// Deletes `/v1/<segments>?<query>`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<(), ClientError> {
        self.request(Method::DELETE, segments, query, None).await
    }

    /// Everything that happens from now on; `None` where no node runs.
    ///
    /// # Errors
    /// [`ClientError::Broken`] where the node went away.
    pub async fn events(&self) -> Result<Option<Events>, ClientError> {
        let Way::Remote { port, token, .. } = &self.0 else { return Ok(None) };
        let broken = |error: tungstenite::Error| ClientError::Broken { reason: error.to_string() };
        let mut request = format!("ws://127.0.0.1:{port}/v1/events").into_client_request().map_err(broken)?;
        let protocols = format!("{}, token.{token}", api::SUBPROTOCOL);
        let value =
            protocols.parse().map_err(|_| ClientError::Broken { reason: "a damaged token".into() })?;
        request.headers_mut().insert("sec-websocket-protocol", value);
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", *port)).await?;
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.map_err(broken)?;
        Ok(Some(Events(socket)))
    }

    /// Ends the session; an opened home is closed and free for others.
    pub async fn close(self) {
        if let Way::Local { daemon, .. } = self.0 {
            daemon.stop().await;
        }
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<T, ClientError> {
        let (status, bytes) = match &self.0 {
            Way::Remote { http, port, token } => {
                remote(http.request(method, url(*port, segments, query)).bearer_auth(token), body).await?
            }
            Way::Local { router, .. } => {
                local(router.clone(), method, &url(0, segments, query), body).await?
            }
        };
        if status.is_success() {
            let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            let foreign = |e: serde_json::Error| ClientError::Broken { reason: e.to_string() };
            return serde_json::from_slice(bytes).map_err(foreign);
        }
        match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(ErrorBody { error }) => {
                Err(ClientError::Api { status: status.as_u16(), code: error.code, message: error.message })
            }
            Err(_) => Err(ClientError::Broken { reason: status.to_string() }),
        }
    }
}

async fn remote(
    request: reqwest::RequestBuilder,
    body: Option<Vec<u8>>,
) -> Result<(StatusCode, Vec<u8>), ClientError> {
    let broken = |error: reqwest::Error| ClientError::Broken { reason: error.to_string() };
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body),
        None => request,
    };
    let response = request.send().await.map_err(broken)?;
    let status = response.status();
    Ok((status, response.bytes().await.map_err(broken)?.to_vec()))
}

async fn local(
    router: axum::Router,
    method: Method,
    url: &reqwest::Url,
    body: Option<Vec<u8>>,
) -> Result<(StatusCode, Vec<u8>), ClientError> {
    let target = url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
    let request = Request::builder().method(method).uri(target).header("content-type", "application/json");
    let request = request.body(Body::from(body.unwrap_or_default())).map_err(io::Error::other)?;
    let Ok(response) = router.oneshot(request).await;
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), MAX_ANSWER).await.map_err(io::Error::other)?;
    Ok((status, bytes.to_vec()))
}

fn url(port: u16, segments: &[&str], query: &[(&str, &str)]) -> reqwest::Url {
    let mut url: reqwest::Url =
        format!("http://127.0.0.1:{port}/v1").parse().expect("a port makes a whole address");
    url.path_segments_mut().expect("an http address has a path").extend(segments);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// A stream of events, as JSON objects.
#[derive(Debug)]
pub struct Events(tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>);

impl Events {
    /// The next event; `None` once the node went away.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await {
                Some(Ok(tungstenite::Message::Text(text))) => {
                    if let Ok(value) = serde_json::from_str(&text) {
                        return Some(value);
                    }
                }
                // The library answers pings by itself.
                Some(Ok(message)) if !message.is_close() => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_cannot_leave_their_place_in_the_path() {
        let url = url(81, &["contacts", "a/../b?c#d", "accept"], &[("with", "x&y=z")]);
        assert_eq!(url.as_str(), "http://127.0.0.1:81/v1/contacts/a%2F..%2Fb%3Fc%23d/accept?with=x%26y%3Dz");
    }

    #[tokio::test]
    async fn a_node_that_starts_is_told_from_another_command() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let turn = Turn::take(&data).unwrap();
        let client = Client::new(data, Secret::default());
        assert!(matches!(client.open().await, Err(ClientError::Home(HomeError::Starting { .. }))));
        drop(turn);
        assert!(matches!(client.open().await, Err(ClientError::Home(HomeError::NotThere { .. }))));
    }

    #[tokio::test]
    async fn stale_port_files_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        std::fs::write(data.api_file(), r#"{"port":1,"pid":1}"#).unwrap();
        std::fs::write(data.token_file(), "abc").unwrap();
        assert!(Client::new(data, Secret::default()).running().await.is_none());
    }

    /// Answers everything with 200, and says whether anybody asked.
    async fn imposter() -> (u16, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await.unwrap();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
        });
        (port, asked)
    }

    #[tokio::test]
    async fn whoever_has_the_port_of_a_node_that_died_is_not_asked() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let (port, asked) = imposter().await;
        std::fs::write(data.api_file(), format!(r#"{{"port":{port},"pid":1}}"#)).unwrap();
        std::fs::write(data.token_file(), "abc").unwrap();
        std::fs::write(dir.path().join("lock"), "").unwrap();
        let client = Client::new(data, Secret::default());
        assert!(client.running().await.is_none());
        assert!(!asked.is_finished());
        let held = std::fs::File::open(dir.path().join("lock")).unwrap();
        held.try_lock().unwrap();
        assert!(client.running().await.is_some());
    }
}
