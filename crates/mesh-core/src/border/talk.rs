//! What a person does with conversations: most of it on this device alone.

use super::Post;
use crate::id::{ConversationId, MessageId};
use crate::time::Wall;
use core::time::Duration;

/// What a person does with a conversation, or with a message as nobody else sees it (PROTOCOL.md section 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TalkCommand {
    /// Changes how a conversation stands among the others here.
    Arrange {
        /// Which.
        within: ConversationId,
        /// How.
        change: Arrangement,
    },
    /// Marks a message with a star, for this device alone, or takes the star away.
    Star {
        /// Which.
        message: MessageId,
        /// As of [`Command::Remark`](super::Command::Remark).
        within: Option<ConversationId>,
        /// Whether it has one.
        starred: bool,
    },
    /// Sets after how long what is written from now on disappears, for both people or the whole group.
    Timer {
        /// Where.
        within: ConversationId,
        /// 30 seconds to 90 days; `None` where messages stay.
        after: Option<Duration>,
    },
    /// Sends a text that can be opened once.
    Once {
        /// To whom.
        to: ConversationId,
        /// 1 B to 64 KiB.
        text: String,
        /// As of [`Command::Send`](super::Command::Send).
        message: Option<MessageId>,
    },
    /// Opens a message that can be opened once: its words are answered and gone from here.
    Open {
        /// Which.
        message: MessageId,
        /// As of [`Command::Remark`](super::Command::Remark).
        within: Option<ConversationId>,
    },
    /// Sends something at a later time, by this node's clock.
    Schedule {
        /// To whom.
        to: ConversationId,
        /// When.
        at: Wall,
        /// What; nothing that is passed on.
        post: Post,
        /// As of [`Command::Send`](super::Command::Send).
        message: Option<MessageId>,
    },
    /// Takes back what was to be sent later.
    Unschedule {
        /// Which.
        message: MessageId,
    },
}

/// A change of how a conversation stands among the others on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrangement {
    /// What the person has begun to write, at most 64 KiB; empty is nothing.
    Draft(String),
    /// Whether it is put away. What others write brings it back, unless it is mute.
    Archived(bool),
    /// Whether it stands first.
    Pinned(bool),
    /// Until when it makes no sound: `None` is not at all, [`Wall`]`(u64::MAX)` for ever.
    Muted(Option<Wall>),
    /// Whether it counts as unread, whatever was seen.
    Unread(bool),
    /// Whether it is in a folder.
    Folder {
        /// 1 to 64 bytes after cleaning.
        name: String,
        /// Whether it is.
        member: bool,
    },
}
