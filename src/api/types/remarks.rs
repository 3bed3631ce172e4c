//! What is said about messages, and the requests that say it.

use super::Names;
use mesh_core::view::PollView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody feels about a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reaction {
    /// How the person is shown here; `me` for oneself.
    pub from: String,
    /// At most 40 bytes.
    pub emoji: String,
}

/// A poll as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Poll {
    /// What can be chosen.
    pub options: Vec<PollOption>,
    /// Whether several may be.
    pub multiple: bool,
    /// Whether its author closed it.
    pub closed: bool,
}

/// One option of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PollOption {
    /// What it says.
    pub text: String,
    /// Who chose it; `me` for oneself.
    pub votes: Vec<String>,
}

impl Poll {
    pub(super) fn new(view: &PollView, names: &Names) -> Self {
        let option = |(n, text): (usize, &String)| {
            let chosen = view.votes.iter().filter(|(_, choices)| choices >> n & 1 == 1);
            PollOption { text: text.clone(), votes: chosen.map(|(by, _)| names.of_any(*by)).collect() }
        };
        let options = view.options.iter().enumerate().map(option).collect();
        Self { options, multiple: view.multiple, closed: view.closed }
    }
}

/// To pass a message on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardRequest {
    /// To whom: petname, name, tag or account.
    pub to: String,
}

/// To change the words of an own message, within 15 minutes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// 1 B to 64 KiB.
    pub text: String,
}

/// To react to a message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactionRequest {
    /// At most 40 bytes; empty takes the reaction back.
    pub emoji: String,
}

/// To hold a message up, or not any more.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// Whether it is.
    pub pinned: bool,
}

/// To ask a question with options to choose from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PollRequest {
    /// Petname, name, tag or account.
    pub to: String,
    /// 1 to 256 bytes.
    pub question: String,
    /// 2 to 12, each 1 to 256 bytes.
    pub options: Vec<String>,
    /// Whether several may be chosen.
    #[serde(default)]
    pub multiple: bool,
}

/// To choose in a poll, or to close one's own.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// The numbers of the options, from 1; none takes the vote back.
    #[serde(default)]
    pub choices: Vec<usize>,
    /// Closes it instead: only its author can.
    #[serde(default)]
    pub close: bool,
}
