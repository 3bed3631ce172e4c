//! Parts of requests, with errors in the API's own form.

use super::error::ApiError;
use crate::t;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let parsed = Json::<T>::from_request(request, state).await;
        let wrong = |e: JsonRejection| {
            let message = t!("api-body", reason = e.body_text());
            if e.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return ApiError::too_long(message);
            }
            ApiError::invalid(message)
        };
        parsed.map(|Json(value)| Self(value)).map_err(wrong)
    }
}

/// The parameters after the question mark.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = Query::<T>::from_request_parts(parts, state).await;
        let wrong = |e: QueryRejection| ApiError::invalid(t!("api-query", reason = e.body_text()));
        parsed.map(|Query(value)| Self(value)).map_err(wrong)
    }
}

/// A number in the path.
pub(super) struct Number(pub(super) u32);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = Path::<u32>::from_request_parts(parts, state).await;
        let wrong = |e: PathRejection| ApiError::invalid(t!("api-query", reason = e.body_text()));
        parsed.map(|Path(value)| Self(value)).map_err(wrong)
    }
}

/// A contact and what is decided about it.
#[derive(Deserialize)]
pub(super) struct Who {
    pub(super) who: String,
    pub(super) decision: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = Path::<Self>::from_request_parts(parts, state).await;
        let wrong = |e: PathRejection| ApiError::invalid(t!("api-query", reason = e.body_text()));
        parsed.map(|Path(value)| value).map_err(wrong)
    }
}
