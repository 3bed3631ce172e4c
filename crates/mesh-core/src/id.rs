//! The names of things: fixed-size newtypes, so that one cannot stand where another belongs.

use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The id in `bytes`, or `None` where the length differs.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Debug for $name {
            /// Writes the first four bytes only: logs carry shortened ids.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(", stringify!($name))?;
                for byte in &self.0[..4] {
                    write!(f, "{byte:02x}")?;
                }
                write!(f, "..)")
            }
        }
    };
}

id!(
    /// BLAKE3 of an envelope's immutable bytes (PROTOCOL.md section 3).
    EnvelopeId,
    32
);
id!(
    /// The first 8 bytes of an [`EnvelopeId`]: how link frames name it (PROTOCOL.md section 4).
    ShortId,
    8
);
id!(
    /// A message, named at random when it is submitted; one message may be sealed many times
    /// (PROTOCOL.md section 7).
    MessageId,
    16
);
id!(
    /// BLAKE3 of an account key, the first 20 bytes (PROTOCOL.md section 2).
    AccountId,
    20
);
id!(
    /// BLAKE3 of the operation that began a group, the first 20 bytes (PROTOCOL.md section 15).
    GroupId,
    20
);
id!(
    /// BLAKE3 of a device's signing key, the first 16 bytes (PROTOCOL.md section 2).
    DeviceId,
    16
);
id!(
    /// An envelope's one-time tag (PROTOCOL.md section 3).
    Tag,
    16
);
id!(
    /// The 16-byte secret whose publication proves delivery; the receipt of a single-device
    /// envelope (PROTOCOL.md section 3).
    Ack,
    16
);
id!(
    /// The commitment to an [`Ack`] in an envelope's header.
    AckCommit,
    16
);
id!(
    /// The secret of an invite (PROTOCOL.md section 2).
    Invite,
    16
);

/// Where events belong: what two people say to each other, or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConversationId {
    /// With one person.
    Person(AccountId),
    /// Of a group.
    Group(GroupId),
}

/// A live pipe to one neighbour, named by the transport that opened it; never reused in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkId(pub u64);

/// A question from a front end, chosen by it and repeated in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommandId(pub u64);

/// The durable sequence number of an event to front ends: never repeats, never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl EnvelopeId {
    /// The name in link frames.
    #[must_use]
    pub fn short(&self) -> ShortId {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        ShortId([a, b, c, d, e, f, g, h])
    }
}

impl Ack {
    /// The commitment to this secret, as an envelope's header carries it: the derivation `commit` of
    /// PROTOCOL.md section 1, first 16 bytes.
    #[must_use]
    pub fn commit(&self) -> AckCommit {
        let mut hasher = blake3::Hasher::new_derive_key("starling/1 commit");
        hasher.update(&16u32.to_le_bytes());
        hasher.update(&self.0);
        let mut commit = [0; 16];
        commit.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        AckCommit(commit)
    }
}

impl AccountId {
    /// The text form: base32 of the 20 bytes, 32 lower-case characters.
    #[must_use]
    pub fn to_text(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(&self.0).to_lowercase()
    }

    /// Reads [`AccountId::to_text`]'s form, in any case.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = data_encoding::BASE32_NOPAD.decode(text.to_uppercase().as_bytes()).ok()?;
        Self::from_slice(&bytes)
    }
}

impl GroupId {
    /// The text form: base32 of the 20 bytes, 32 lower-case characters.
    #[must_use]
    pub fn to_text(&self) -> String {
        AccountId(self.0).to_text()
    }

    /// Reads [`GroupId::to_text`]'s form, in any case.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        AccountId::from_text(text).map(|id| Self(id.0))
    }
}

impl ConversationId {
    /// The 20 bytes of the person's or the group's name: both are hashes, so no two are alike.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 20] {
        match self {
            Self::Person(account) => account.0,
            Self::Group(group) => group.0,
        }
    }

    /// The person, where it is with one person.
    #[must_use]
    pub const fn person(&self) -> Option<AccountId> {
        match self {
            Self::Person(account) => Some(*account),
            Self::Group(_) => None,
        }
    }

    /// The group, where it is one.
    #[must_use]
    pub const fn group(&self) -> Option<GroupId> {
        match self {
            Self::Person(_) => None,
            Self::Group(group) => Some(*group),
        }
    }

    /// The text form of the name: 32 lower-case characters of base32.
    #[must_use]
    pub fn to_text(&self) -> String {
        AccountId(self.bytes()).to_text()
    }
}

impl From<AccountId> for ConversationId {
    fn from(account: AccountId) -> Self {
        Self::Person(account)
    }
}

impl From<GroupId> for ConversationId {
    fn from(group: GroupId) -> Self {
        Self::Group(group)
    }
}

impl MessageId {
    /// The text form: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Reads [`MessageId::to_text`]'s form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::from_slice(&data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?)
    }
}
