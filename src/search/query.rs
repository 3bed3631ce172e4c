//! What is asked for.

use mesh_core::view::MessageView;
use mesh_core::{AccountId, ConversationId, Wall};

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// This node's person.
    Own,
    /// Somebody else.
    Other(AccountId),
}

/// What somebody looks for: everything that is given must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Folded texts that must all be there, see [`needles`](super::fold::needles).
    pub needles: Vec<String>,
    /// The conversation.
    pub within: Option<ConversationId>,
    /// Who wrote it.
    pub from: Option<Writer>,
    /// Only what came, or was written here, at this time or later.
    pub since: Wall,
    /// Only what came before this time.
    pub until: Wall,
    /// What it must be; several kinds must all fit.
    pub kinds: Kinds,
}

impl Default for Query {
    /// Everything.
    fn default() -> Self {
        let (since, until) = (Wall(0), Wall(u64::MAX));
        Self { needles: Vec::new(), within: None, from: None, since, until, kinds: Kinds::NONE }
    }
}

/// What a message is; it may be several of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// Every message.
    pub const ANY: Self = Self(1);
    /// Words, and no more.
    pub const TEXT: Self = Self(1 << 1);
    /// A question with options.
    pub const POLL: Self = Self(1 << 2);
    /// It answers another one.
    pub const REPLY: Self = Self(1 << 3);
    /// It was passed on.
    pub const FORWARD: Self = Self(1 << 4);
    /// An address of something is in it.
    pub const LINK: Self = Self(1 << 5);
    /// It names this node's person.
    pub const MENTION: Self = Self(1 << 6);
    /// It is held up for everybody.
    pub const PINNED: Self = Self(1 << 7);

    /// It has a star.
    pub const STARRED: Self = Self(1 << 8);

    /// How people name them.
    pub const NAMES: [(&str, Self); 8] = [
        ("text", Self::TEXT),
        ("poll", Self::POLL),
        ("reply", Self::REPLY),
        ("forward", Self::FORWARD),
        ("link", Self::LINK),
        ("mention", Self::MENTION),
        ("pinned", Self::PINNED),
        ("starred", Self::STARRED),
    ];

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(there, _)| *there == name).map(|(_, kind)| *kind)
    }

    /// What a message is.
    #[must_use]
    pub fn of(view: &MessageView) -> Self {
        let has_link = ["http://", "https://", "STARLING:1/"].iter().any(|start| view.text.contains(start));
        let is_text = view.poll.is_none();
        [
            (is_text, Self::TEXT),
            (view.poll.is_some(), Self::POLL),
            (view.reply.is_some(), Self::REPLY),
            (view.forwarded > 0, Self::FORWARD),
            (has_link, Self::LINK),
            (view.mentions.contains(&None), Self::MENTION),
            (view.pinned, Self::PINNED),
            (view.starred, Self::STARRED),
        ]
        .into_iter()
        .filter(|(is, _)| *is)
        .fold(Self::ANY, |kinds, (_, kind)| kinds.with(kind))
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `others` are among them.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0 && self.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}
