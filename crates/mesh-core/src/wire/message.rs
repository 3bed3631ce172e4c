//! What a seal holds: one event of a conversation (PROTOCOL.md section 7).

use super::codec::{self, DecodeError};
use crate::id::MessageId;
use serde::{Deserialize, Serialize};

/// The longest text that a person may send, in bytes of UTF-8.
pub const MAX_TEXT: usize = 64 * 1024;
/// The longest name, in bytes of UTF-8.
pub const MAX_NAME: usize = 64;
/// The longest about text, in bytes of UTF-8.
pub const MAX_ABOUT: usize = 256;
/// The most causal parents that a message names.
pub const MAX_PARENTS: usize = 8;

/// One event of a conversation, as its author wrote it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Random, chosen when the message was submitted; the same in every sealing.
    pub id: MessageId,
    /// The author's wall clock, seconds since 1970; shown, never trusted.
    pub when: u32,
    /// Greater than that of every parent.
    pub lamport: u64,
    /// The conversation's heads as the author saw them: the first 8 bytes of their ids.
    pub parents: Vec<[u8; 8]>,
    /// What it says.
    pub body: Body,
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Message({:?}, lamport {})", self.id, self.lamport)
    }
}

/// The kinds of events. The order is part of the format: new kinds go to the end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Body {
    /// Who I am; the first event of a first contact.
    Profile {
        /// At most [`MAX_NAME`] bytes.
        name: String,
        /// At most [`MAX_ABOUT`] bytes.
        about: String,
        /// Opens what the author publishes for contacts.
        profile_key: [u8; 32],
    },
    /// A text of at most [`MAX_TEXT`] bytes.
    Text {
        /// UTF-8, not empty.
        text: String,
    },
    /// The author's device holds these messages.
    Delivered {
        /// At most 64.
        ids: Vec<MessageId>,
    },
    /// The author has seen these messages.
    Read {
        /// At most 64.
        ids: Vec<MessageId>,
    },
    /// A part of an encoded [`Message`] that no single envelope holds; all or nothing.
    Segment {
        /// The whole message.
        whole: MessageId,
        /// Which part, from 0.
        index: u16,
        /// How many parts there are, 2 to 64.
        count: u16,
        /// The part.
        bytes: Vec<u8>,
    },
}

impl core::fmt::Debug for Body {
    /// Names the kind only: content never reaches a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Profile { .. } => "Profile",
            Self::Text { .. } => "Text",
            Self::Delivered { .. } => "Delivered",
            Self::Read { .. } => "Read",
            Self::Segment { .. } => "Segment",
        })
    }
}

impl Message {
    /// Encodes the message for sealing.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes what a seal held and checks every limit.
    ///
    /// # Errors
    /// Where the bytes are no message or a limit is passed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: Self = codec::decode(bytes)?;
        if message.is_within_limits() {
            return Ok(message);
        }
        Err(DecodeError::Malformed { expected: "Message", len: bytes.len() })
    }

    fn is_within_limits(&self) -> bool {
        let body = match &self.body {
            Body::Profile { name, about, .. } => name.len() <= MAX_NAME && about.len() <= MAX_ABOUT,
            Body::Text { text } => !text.is_empty() && text.len() <= MAX_TEXT,
            Body::Delivered { ids } | Body::Read { ids } => ids.len() <= 64,
            Body::Segment { index, count, .. } => (2..=64).contains(count) && index < count,
        };
        body && self.parents.len() <= MAX_PARENTS
    }
}
