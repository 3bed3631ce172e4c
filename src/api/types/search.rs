//! What a search finds.

use super::Message;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The messages as they are now, the newest first.
    pub messages: Vec<Message>,
    /// Whether there are more behind these.
    pub more: bool,
    /// Whether everything was searched; of a history of some hundred thousand messages and more only the latest are.
    pub whole: bool,
}
