//! What the local API answers instead of a value.

use super::types::{ErrorBody, ErrorDetail};
use crate::handle::{Candidate, CommandError, Stopped, WhoError};
use crate::search::SearchError;
use crate::strings::clean_line;
use crate::t;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mesh_core::{ReadError, Refusal};

/// A request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    /// The request itself is wrong.
    #[must_use]
    pub fn invalid(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "invalid", message }
    }

    pub(super) fn too_long(message: String) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, code: "invalid", message }
    }

    /// What was named does not exist.
    #[must_use]
    pub fn not_found(message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", message }
    }

    pub(super) fn unauthorized() -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: t!("api-unauthorized") }
    }

    pub(super) fn forbidden() -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", message: t!("api-forbidden") }
    }

    pub(super) fn busy() -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, code: "full", message: t!("api-busy") }
    }

    pub(super) fn conflict(message: String) -> Self {
        Self { status: StatusCode::CONFLICT, code: "conflict", message }
    }

    fn storage(reason: &str) -> Self {
        let message = t!("api-storage", reason = reason);
        Self { status: StatusCode::INSUFFICIENT_STORAGE, code: "storage", message }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let detail = ErrorDetail { code: self.code.to_owned(), message: self.message };
        let mut response = (self.status, Json(ErrorBody { error: detail })).into_response();
        // Who has no token keeps no connection either.
        if matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Stopped> for ApiError {
    fn from(_: Stopped) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "stopped", message: t!("api-stopped") }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::storage(&error.to_string())
    }
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Stopped(stopped) => stopped.into(),
            SearchError::Read(error) => error.into(),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::Storage { reason } => Self::storage(&reason),
            CommandError::Stopped => Stopped.into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Link { reason } => Self::invalid(t!("refused-link", reason = reason)),
            Refusal::OwnLink => Self::invalid(t!("refused-own-link")),
            Refusal::UnknownContact { account } => {
                Self::not_found(t!("refused-unknown-contact", account = account.to_text()))
            }
            Refusal::Unknown { what, name } => {
                Self::not_found(t!("refused-unknown", what = what, name = clean_line(&name)))
            }
            Refusal::ContactState { state } => Self::conflict(t!("refused-state", state = state)),
            Refusal::Message { message, why } => {
                Self::conflict(t!("refused-message", id = message.to_text(), why = why))
            }
            Refusal::Group { why, .. } => Self::conflict(t!("refused-group", why = why)),
            Refusal::Length { what, min, max, got } => {
                Self::invalid(t!("refused-length", what = what, min = min, max = max, got = got))
            }
            Refusal::Full { what, limit } => Self {
                status: StatusCode::CONFLICT,
                code: "full",
                message: t!("refused-full", what = what, limit = limit),
            },
            Refusal::Beacon { reason } => Self::conflict(t!("refused-beacon", reason = reason)),
            Refusal::Storage(error) => error.into(),
            other => Self::conflict(other.to_string()),
        }
    }
}

impl From<WhoError> for ApiError {
    fn from(error: WhoError) -> Self {
        match error {
            WhoError::NotFound { who, candidates } if candidates.is_empty() => {
                Self::not_found(t!("who-nobody", who = clean_line(&who)))
            }
            WhoError::NotFound { who, candidates } => {
                Self::not_found(t!("who-not-found", who = clean_line(&who), list = list(&candidates)))
            }
            WhoError::NoGroup { who } => Self::not_found(t!("who-no-group", who = clean_line(&who))),
            WhoError::NoMember { who } => Self::not_found(t!("who-no-member", who = clean_line(&who))),
            WhoError::Ambiguous { who, candidates } => {
                Self::not_found(t!("who-ambiguous", who = clean_line(&who), list = list(&candidates)))
            }
        }
    }
}

fn list(candidates: &[Candidate]) -> String {
    let line = |c: &Candidate| format!("  {}  {}  {}", clean_line(&c.shown), c.tag, c.account);
    candidates.iter().map(line).collect::<Vec<_>>().join("\n")
}
