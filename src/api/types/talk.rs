//! Conversations as they stand on this device, and what is to be sent later.

use super::{Message, Names, message, rfc3339};
use mesh_core::Wall;
use mesh_core::view::{ConversationView, ScheduledView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A conversation at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// The other person's account, or the id of the group.
    pub conversation: String,
    /// How the person or the group is shown here.
    pub name: String,
    /// Messages of others that were not read yet.
    pub unread: usize,
    /// The latest message.
    pub last: Option<Message>,
    /// What was begun to be written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub draft: String,
    /// Whether it is put away.
    #[serde(default, skip_serializing_if = "message::is_false")]
    pub archived: bool,
    /// Whether it stands first.
    #[serde(default, skip_serializing_if = "message::is_false")]
    pub pinned: bool,
    /// Until when it makes no sound: RFC 3339, or `always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<String>,
    /// Whether it counts as unread, whatever was seen.
    #[serde(default, skip_serializing_if = "message::is_false")]
    pub marked_unread: bool,
    /// The folders that it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// After how many seconds disappears what is written now; absent where it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer_s: Option<u64>,
}

/// For ever, as a time until which a conversation is mute.
pub const ALWAYS: &str = "always";

impl Conversation {
    /// The conversation as shown at `now` with `names`.
    #[must_use]
    pub fn new(view: &ConversationView, now: Wall, names: &Names) -> Self {
        let muted = view.desk.muted_until.filter(|until| *until > now);
        let until = |until: Wall| if until.0 == u64::MAX { ALWAYS.to_owned() } else { rfc3339(until) };
        Self {
            conversation: view.conversation.to_text(),
            name: names.of(view.conversation),
            unread: view.unread,
            last: view.last.as_ref().map(|message| Message::new(message, names)),
            draft: view.desk.draft.clone(),
            archived: view.desk.archived,
            pinned: view.desk.pinned,
            muted_until: muted.map(until),
            marked_unread: view.desk.marked_unread,
            folders: view.desk.folders.clone(),
            timer_s: view.timer.map(|timer| timer.as_secs()),
        }
    }
}

/// To change how a conversation stands here; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeskRequest {
    /// What was begun to be written, at most 64 KiB; empty is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
    /// Whether it is put away; what others write brings it back, unless it is mute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Whether it stands first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Until when it makes no sound: RFC 3339, `always`, or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<String>,
    /// Whether it counts as unread, whatever was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<bool>,
    /// A folder to put it in: 1 to 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_folder: Option<String>,
    /// A folder to take it out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_folder: Option<String>,
}

/// To set after how long messages disappear.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimerRequest {
    /// 30 to 7,776,000 seconds; `null` where they stay.
    #[serde(default)]
    pub after_s: Option<u64>,
}

/// To mark a message with a star on this device, or to take the star away.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StarRequest {
    /// Whether it has one.
    pub starred: bool,
}

/// To send a text later.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRequest {
    /// Petname, name, tag, account or group.
    pub to: String,
    /// 1 B to 64 KiB.
    pub text: String,
    /// When, RFC 3339, by this node's clock; at most a year ahead.
    pub at: String,
    /// 32 hexadecimal digits chosen by a client that may repeat the request: it is sent once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it shall make no sound.
    #[serde(default, skip_serializing_if = "message::is_false")]
    pub silent: bool,
}

/// What is to be sent later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scheduled {
    /// The message's id, which it keeps.
    pub id: String,
    /// To whom, as shown here.
    pub to: String,
    /// When, RFC 3339.
    pub at: String,
    /// Its words.
    pub text: String,
    /// Why it could not be sent in its time; then it waits until it is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Scheduled {
    /// As shown with `names`.
    #[must_use]
    pub fn new(view: &ScheduledView, names: &Names) -> Self {
        let ScheduledView { id, to, at, text, refused } = view.clone();
        Self { id: id.to_text(), to: names.of(to), at: rfc3339(at), text, refused }
    }
}
