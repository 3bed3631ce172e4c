//! Full-text search.

use super::error::ApiError;
use super::extract::Params;
use super::messages::parse_since;
use super::types::{ErrorBody, Found, Message, Names};
use crate::handle::Handle;
use crate::search::{Kinds, MAX_QUERY, Query, Searcher, Writer, fold};
use crate::strings::clean_line;
use crate::t;
use axum::extract::State;
use axum::{Extension, Json};
use mesh_core::Wall;
use serde::Deserialize;
use utoipa::IntoParams;

/// How many are given where nobody says.
const USUAL: usize = 50;

/// What is looked for; everything that is given must fit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Words, each by its beginning; between quotation marks as they stand. Case and diacritics do not count.
    /// May be empty where something else is given.
    #[serde(default)]
    q: String,
    /// The conversation: petname, name, tag, account or group.
    #[serde(rename = "in")]
    within: Option<String>,
    /// Who wrote it: petname, name, tag, account, or `me`.
    from: Option<String>,
    /// RFC 3339: only what came, or was written here, at that time or later.
    since: Option<String>,
    /// RFC 3339: only what came before that time.
    until: Option<String>,
    /// `text`, `poll`, `reply`, `forward`, `link`, `mention` (of oneself), `pinned` or `starred`.
    kind: Option<String>,
    /// At most so many, up to 200. Default: 50.
    limit: Option<usize>,
    /// Leaves so many of the newest away.
    #[serde(default)]
    skip: usize,
}

/// Messages by what they say, the newest first.
#[utoipa::path(get, path = "/v1/search", tag = "messages", params(Wanted),
    responses((status = 200, body = Found), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn search(
    State(handle): State<Handle>,
    Extension(searcher): Extension<Searcher>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Found>, ApiError> {
    let (limit, skip) = (wanted.limit.unwrap_or(USUAL), wanted.skip);
    let query = query(&handle, wanted).await?;
    let show = |node: &mesh_core::Node, view: &mesh_core::view::MessageView| {
        Message::new(view, &Names::in_message(node, view))
    };
    let found = searcher.find(&query, skip, limit, show).await?;
    Ok(Json(Found { messages: found.messages, more: found.more, whole: found.whole }))
}

async fn query(handle: &Handle, wanted: Wanted) -> Result<Query, ApiError> {
    let Wanted { q, within, from, since, until, kind, .. } = wanted;
    if q.len() > MAX_QUERY {
        return Err(ApiError::invalid(t!("search-long", most = MAX_QUERY)));
    }
    let needles = fold::needles(&q);
    let within = match &within {
        Some(who) => Some(handle.conversation(who).await??),
        None => None,
    };
    let from = match from.as_deref() {
        Some("me") => Some(Writer::Own),
        Some(who) => Some(Writer::Other(handle.fellow(who).await??)),
        None => None,
    };
    let kinds = match kind.as_deref() {
        Some(name) => named(name)?,
        None => Kinds::NONE,
    };
    if needles.is_empty() && from.is_none() && kinds.is_none() && since.is_none() {
        return Err(ApiError::invalid(t!("search-nothing")));
    }
    let time = |text: Option<String>, else_: Wall| text.map_or(Ok(else_), |text| parse_since(&text));
    Ok(Query {
        needles,
        within,
        from,
        since: time(since, Wall(0))?,
        until: time(until, Wall(u64::MAX))?,
        kinds,
    })
}

fn named(name: &str) -> Result<Kinds, ApiError> {
    let names: Vec<&str> = Kinds::NAMES.iter().map(|(name, _)| *name).collect();
    let wrong = || ApiError::invalid(t!("search-kind", kind = clean_line(name), kinds = names.join(", ")));
    Kinds::named(name).ok_or_else(wrong)
}
