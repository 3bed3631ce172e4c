//! A message as front ends see it.

use super::{Names, Poll, Reaction, rfc3339};
use mesh_core::AccountId;
use mesh_core::view::MessageView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The other person's account, or the id of the group.
    pub conversation: String,
    /// What the group is called that it stands in; absent between two people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How the author is shown here; `me` for one's own.
    pub from: String,
    /// The text.
    pub text: String,
    /// RFC 3339, by the author's clock.
    pub sent_at: String,
    /// RFC 3339, by this node's clock; `null` for one's own.
    pub received_at: Option<String>,
    /// `waiting`, `handed_on`, `delivered`, `read` or `expired`; absent where the message was taken back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// The message that it answers, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// How often it was passed on before it came here; 0: its author wrote it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forwarded: u8,
    /// Whether its author wants it to make no sound.
    #[serde(default, skip_serializing_if = "is_false")]
    pub silent: bool,
    /// Whom it names; `me` for oneself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// Whether its author changed the words.
    #[serde(default, skip_serializing_if = "is_false")]
    pub edited: bool,
    /// Whether its author took it back: then the text is empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// Whether it is held up for everybody.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pinned: bool,
    /// Who feels what about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Where it is a poll, whose question is the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
    /// Whether the person marked it with a star, on this device.
    #[serde(default, skip_serializing_if = "is_false")]
    pub starred: bool,
    /// After how many seconds it disappears once it was seen; absent where it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer_s: Option<u64>,
    /// Whether it can be opened once: then the text is empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
    /// Where it sets after how many seconds messages disappear from then on; 0 is not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer_set_s: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(value: &u8) -> bool {
    *value == 0
}

impl Message {
    /// The message as shown with `names`.
    #[must_use]
    pub fn new(view: &MessageView, names: &Names) -> Self {
        let reaction = |(by, emoji): &(Option<AccountId>, String)| Reaction {
            from: names.of_any(*by),
            emoji: emoji.clone(),
        };
        let reactions = view.reactions.iter().map(reaction);
        Self {
            id: view.id.to_text(),
            conversation: view.conversation.to_text(),
            group: view.conversation.group().map(|group| names.of(group)),
            from: names.of_any(view.from),
            text: view.text.clone(),
            sent_at: rfc3339(view.sent_at),
            received_at: view.received_at.map(rfc3339),
            state: if view.deleted { String::new() } else { view.state.as_str().to_owned() },
            reply_to: view.reply.map(|id| id.to_text()),
            forwarded: view.forwarded,
            silent: view.silent,
            mentions: view.mentions.iter().map(|who| names.of_any(*who)).collect(),
            edited: view.edits > 0,
            deleted: view.deleted,
            pinned: view.pinned,
            reactions: reactions.collect(),
            poll: view.poll.as_ref().map(|poll| Poll::new(poll, names)),
            starred: view.starred,
            timer_s: view.timer.map(|timer| timer.as_secs()),
            once: view.once,
            timer_set_s: view.timer_set.map(|timer| timer.as_secs()),
        }
    }
}
