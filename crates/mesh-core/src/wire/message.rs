//! What a seal holds: one event of a conversation (PROTOCOL.md section 7).

use super::codec::{self, DecodeError};
use super::space::Space;
use super::talk::Talk;
use crate::id::{AccountId, GroupId, MessageId};
use serde::{Deserialize, Serialize};

/// The longest text that a person may send, in bytes of UTF-8.
pub const MAX_TEXT: usize = 64 * 1024;
/// The longest name, in bytes of UTF-8.
pub const MAX_NAME: usize = 64;
/// The longest about text, in bytes of UTF-8.
pub const MAX_ABOUT: usize = 256;
/// The most causal parents that a message names.
pub const MAX_PARENTS: usize = 8;

/// The most messages that one sealed receipt names.
pub const MAX_SEEN: usize = 64;
/// The most gaps that one message asks about.
pub const MAX_GAPS: usize = 128;
/// The most parts of a segmented message.
pub const MAX_PARTS: u16 = 64;
/// The longest reaction, in bytes of UTF-8: the longest emoji sequences of Unicode 17 have 35.
pub const MAX_EMOJI: usize = 40;
/// The most people whom one text names.
pub const MAX_MENTIONS: usize = 32;
/// The most options of a poll; at least two.
pub const MAX_OPTIONS: usize = 12;
/// The longest option or question of a poll, in bytes of UTF-8.
pub const MAX_OPTION: usize = 256;
/// The most operations of a group in one message, and the most heads that are named in one.
pub const MAX_OPS_AT_ONCE: usize = 128;
/// The most people who are introduced in one message: those whom one operation adds, and its author, have room.
pub const MAX_PEOPLE: usize = 128;
/// The largest Lamport time that is accepted; far beyond any honest conversation, and far from overflow.
pub const MAX_LAMPORT: u64 = 1 << 56;

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

/// The most heads of a group's operations that a message names.
pub const MAX_HEADS: usize = 4;

/// An event of a group, as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMessage {
    /// The operations on the group's members that the author knew of and nothing followed: the first 8 bytes of
    /// each one's hash, at most [`MAX_HEADS`]. They tell for whom the author took the group to be.
    pub heads: Vec<[u8; 8]>,
    /// What was said.
    pub message: Message,
}

/// A message that arrived, as a sealed receipt names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub id: MessageId,
    /// What was left of its envelope's hops on arrival: the author knows how many it started with.
    pub hops_left: u8,
}

/// Where a message was sealed: in which sender session, as which of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The first bytes of the session's name.
    pub session: [u8; 8],
    /// The index in it.
    pub index: u32,
}

/// Messages of a session, one after the other, that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The index of the first.
    pub first: u32,
    /// How many there are, at least 1.
    pub count: u32,
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
        /// At most [`MAX_SEEN`].
        seen: Vec<Seen>,
    },
    /// The author has seen these messages.
    Read {
        /// At most [`MAX_SEEN`].
        seen: Vec<Seen>,
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
    /// Messages of the addressee that did not come although later ones did: they are to be sealed again.
    Missing {
        /// The first bytes of the name of the addressee's session.
        session: [u8; 8],
        /// 1 to [`MAX_GAPS`].
        gaps: Vec<Gap>,
    },
    /// A text that answers another one, was passed on, or names people.
    Post(Post),
    /// A question with options to choose from.
    Poll(Poll),
    /// Another text for a text of the same author.
    Edit {
        /// Which.
        of: MessageId,
        /// As long as a text.
        text: String,
    },
    /// The author takes a message back, for everybody.
    Delete {
        /// Which.
        of: MessageId,
    },
    /// What the author feels about a message.
    React {
        /// Which.
        to: MessageId,
        /// At most [`MAX_EMOJI`] bytes; empty takes it back.
        emoji: String,
    },
    /// A message is held up for everybody to see first, or not any more.
    Pin {
        /// Which.
        of: MessageId,
        /// Whether it is.
        pinned: bool,
    },
    /// What the author chose.
    Vote {
        /// Of which poll.
        poll: MessageId,
        /// Bit n stands for option n; none takes the vote back.
        choices: u16,
    },
    /// The author of a poll ends it.
    Close {
        /// Which.
        poll: MessageId,
    },
    /// Operations of a group, in causal order, and the people whom they name (PROTOCOL.md section 15.5).
    Ops {
        /// Which.
        group: GroupId,
        /// Signed operations, encoded; at most [`MAX_OPS_AT_ONCE`].
        ops: Vec<Vec<u8>>,
        /// How the people are reached and called, encoded; at most [`MAX_PEOPLE`].
        people: Vec<Vec<u8>>,
    },
    /// An event of a group for one who lacks it: not for those who came in since.
    Enclosed {
        /// Which.
        group: GroupId,
        /// An encoded [`GroupMessage`] of the author.
        message: Vec<u8>,
    },
    /// The author lacks operations of a group.
    OpsWanted {
        /// Which.
        group: GroupId,
        /// The operations that the author has and nothing follows, at most [`MAX_OPS_AT_ONCE`].
        heads: Vec<[u8; 16]>,
    },
    /// Of getting into a group.
    Space(Space),
    /// Kinds beyond these.
    Talk(Talk),
}

/// A text with more about it than its words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// 1 B to [`MAX_TEXT`].
    pub text: String,
    /// What it answers.
    pub reply: Option<MessageId>,
    /// How often it was passed on before it came here: 0 is written by its author. 255 is 255 or more.
    pub forwarded: u8,
    /// Whom it names, at most [`MAX_MENTIONS`].
    pub mentions: Vec<AccountId>,
    /// Whether it shall make no sound.
    pub silent: bool,
}

/// A question with options to choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// 1 B to [`MAX_OPTION`].
    pub question: String,
    /// 2 to [`MAX_OPTIONS`], each 1 B to [`MAX_OPTION`].
    pub options: Vec<String>,
    /// Whether several may be chosen.
    pub multiple: bool,
}

impl Post {
    pub(super) fn is_within_limits(&self) -> bool {
        is_text(&self.text) && self.mentions.len() <= MAX_MENTIONS
    }
}

impl Poll {
    pub(super) fn is_within_limits(&self) -> bool {
        let fits = |text: &String| (1..=MAX_OPTION).contains(&text.len());
        fits(&self.question)
            && (2..=MAX_OPTIONS).contains(&self.options.len())
            && self.options.iter().all(fits)
    }
}

impl Body {
    /// What this is said about; `None` for what stands for itself.
    #[must_use]
    pub const fn target(&self) -> Option<MessageId> {
        match self {
            Self::Edit { of, .. } | Self::Delete { of } | Self::Pin { of, .. } => Some(*of),
            Self::React { to, .. } => Some(*to),
            Self::Vote { poll, .. } | Self::Close { poll } => Some(*poll),
            _ => None,
        }
    }
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
            Self::Missing { .. } => "Missing",
            Self::Post(_) => "Post",
            Self::Poll(_) => "Poll",
            Self::Edit { .. } => "Edit",
            Self::Delete { .. } => "Delete",
            Self::React { .. } => "React",
            Self::Pin { .. } => "Pin",
            Self::Vote { .. } => "Vote",
            Self::Close { .. } => "Close",
            Self::Ops { .. } => "Ops",
            Self::Enclosed { .. } => "Enclosed",
            Self::OpsWanted { .. } => "OpsWanted",
            Self::Space(_) => "Space",
            Self::Talk(talk) => talk.name(),
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
            Body::Text { text } | Body::Edit { text, .. } => is_text(text),
            Body::Post(post) => post.is_within_limits(),
            Body::Talk(talk) => talk.is_within_limits(),
            Body::Poll(poll) => poll.is_within_limits(),
            Body::React { emoji, .. } => emoji.len() <= MAX_EMOJI,
            Body::Vote { choices, .. } => *choices < 1 << MAX_OPTIONS,
            Body::Delete { .. } | Body::Pin { .. } | Body::Close { .. } => true,
            Body::Ops { ops, people, .. } => ops.len() <= MAX_OPS_AT_ONCE && people.len() <= MAX_PEOPLE,
            Body::Enclosed { message, .. } => message.len() <= 2 * MAX_TEXT,
            Body::OpsWanted { heads, .. } => heads.len() <= MAX_OPS_AT_ONCE,
            Body::Space(space) => space.is_within_limits(),
            Body::Delivered { seen } | Body::Read { seen } => seen.len() <= MAX_SEEN,
            Body::Segment { index, count, .. } => (2..=MAX_PARTS).contains(count) && index < count,
            Body::Missing { gaps, .. } => {
                // Apart and ascending, so that nothing is named twice.
                let ends = gaps.iter().map(|gap| gap.first.checked_add(gap.count));
                let mut behind = ends.zip(gaps.iter().skip(1).map(|gap| gap.first).chain([u32::MAX]));
                (1..=MAX_GAPS).contains(&gaps.len())
                    && gaps.iter().all(|gap| gap.count > 0)
                    && behind.all(|(end, next)| end.is_some_and(|end| end <= next))
            }
        };
        body && self.parents.len() <= MAX_PARENTS && self.lamport <= MAX_LAMPORT
    }
}

impl GroupMessage {
    /// The most bytes around the message itself.
    pub const OVERHEAD: usize = 1 + 8 * MAX_HEADS;

    /// Encodes the message for sealing.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes what a seal held and checks every limit.
    ///
    /// # Errors
    /// Where the bytes are no message of a group or a limit is passed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let this: Self = codec::decode(bytes)?;
        if this.heads.len() <= MAX_HEADS && this.message.is_within_limits() {
            return Ok(this);
        }
        Err(DecodeError::Malformed { expected: "GroupMessage", len: bytes.len() })
    }
}

fn is_text(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Message {
        let body = Body::Text { text: text.to_owned() };
        Message { id: MessageId([1; 16]), when: 1_800_000_000, lamport: 300, parents: vec![[2; 8]], body }
    }

    #[test]
    fn golden_text() {
        let bytes = text("hi").to_bytes();
        let mut expected = vec![1; 16];
        expected.extend([252, 0, 0xd2, 0x49, 0x6b, 251, 44, 1, 1]);
        expected.extend([2; 8]);
        expected.extend([1, 2, b'h', b'i']);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn golden_profile_delivered_read_and_segment() {
        let id = MessageId([1; 16]);
        let kinds = [
            Body::Profile { name: "A".into(), about: String::new(), profile_key: [3; 32] },
            Body::Delivered { seen: vec![Seen { id, hops_left: 9 }] },
            Body::Read { seen: vec![Seen { id, hops_left: 9 }] },
            Body::Segment { whole: id, index: 1, count: 2, bytes: vec![8] },
        ];
        let encoded = kinds.map(|body| data_encoding::HEXLOWER.encode(&codec::encode(&body)));
        let ones = "01".repeat(16);
        assert_eq!(encoded[0], format!("00014100{}", "03".repeat(32)));
        assert_eq!(encoded[1], format!("0201{ones}09"));
        assert_eq!(encoded[2], format!("0301{ones}09"));
        assert_eq!(encoded[3], format!("04{ones}01020108"));
    }

    #[test]
    fn golden_missing() {
        let body = Body::Missing { session: [7; 8], gaps: vec![Gap { first: 300, count: 2 }] };
        let encoded = data_encoding::HEXLOWER.encode(&codec::encode(&body));
        assert_eq!(encoded, format!("05{}01fb2c0102", "07".repeat(8)));
    }

    #[test]
    fn golden_space() {
        use crate::wire::space::{Answer, Space};
        let group = GroupId([7; 20]);
        let join = Body::Space(Space::Join { group, token: [8; 16], name: "A".into() });
        let answer = Body::Space(Space::Answer { group, answer: Answer::UsedUp });
        let encoded = [join, answer].map(|body| data_encoding::HEXLOWER.encode(&codec::encode(&body)));
        assert_eq!(encoded[0], format!("1100{}{}0141", "07".repeat(20), "08".repeat(16)));
        assert_eq!(encoded[1], format!("1101{}03", "07".repeat(20)));
        let body = Body::Space(Space::Join { group, token: [8; 16], name: "A".repeat(MAX_NAME + 1) });
        let long = Message { id: MessageId([1; 16]), when: 0, lamport: 0, parents: vec![], body };
        assert!(Message::from_bytes(&long.to_bytes()).is_err());
    }

    #[test]
    fn golden_post_and_poll() {
        let (id, who) = (MessageId([1; 16]), AccountId([2; 20]));
        let post =
            Post { text: "hi".into(), reply: Some(id), forwarded: 3, mentions: vec![who], silent: true };
        let poll = Poll { question: "q".into(), options: vec!["a".into(), "b".into()], multiple: true };
        let encoded = [Body::Post(post), Body::Poll(poll)]
            .map(|body| data_encoding::HEXLOWER.encode(&codec::encode(&body)));
        assert_eq!(encoded[0], format!("0602686901{}0301{}01", "01".repeat(16), "02".repeat(20)));
        assert_eq!(encoded[1], "07017102016101620 1".replace(' ', ""));
    }

    #[test]
    fn golden_marks() {
        let of = MessageId([1; 16]);
        let marks = [
            Body::Edit { of, text: "x".into() },
            Body::Delete { of },
            Body::React { to: of, emoji: "!".into() },
            Body::Pin { of, pinned: true },
            Body::Vote { poll: of, choices: 5 },
            Body::Close { poll: of },
        ];
        let ones = "01".repeat(16);
        let expected = ["08ID0178", "09ID", "0aID0121", "0bID01", "0cID05", "0dID"];
        for (mark, expected) in marks.iter().zip(expected) {
            let encoded = data_encoding::HEXLOWER.encode(&codec::encode(mark));
            assert_eq!(encoded, expected.replace("ID", &ones));
            assert_eq!(mark.target(), Some(of));
        }
    }

    #[test]
    fn golden_messages_of_groups() {
        let group = GroupId([3; 20]);
        let bodies = [
            Body::Ops { group, ops: vec![vec![7]], people: vec![vec![8], vec![]] },
            Body::Enclosed { group, message: vec![7] },
            Body::OpsWanted { group, heads: vec![[9; 16]] },
        ];
        let encoded = bodies.map(|body| data_encoding::HEXLOWER.encode(&codec::encode(&body)));
        assert_eq!(encoded[0], format!("0e{}010107020108 00", "03".repeat(20)).replace(' ', ""));
        assert_eq!(encoded[1], format!("0f{}0107", "03".repeat(20)));
        assert_eq!(encoded[2], format!("10{}01{}", "03".repeat(20), "09".repeat(16)));
        let message = GroupMessage { heads: vec![[4; 8]], message: text("hi") };
        let bytes = message.to_bytes();
        assert_eq!(bytes[..9], [1, 4, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(bytes[9..], text("hi").to_bytes());
        assert_eq!(GroupMessage::from_bytes(&bytes), Ok(message.clone()));
        let crowded = GroupMessage { heads: vec![[4; 8]; MAX_HEADS + 1], ..message };
        assert!(GroupMessage::from_bytes(&crowded.to_bytes()).is_err());
    }

    #[test]
    fn marks_and_polls_beyond_their_limits_are_refused() {
        let with = |body| Message { body, ..text("x") };
        let of = MessageId([1; 16]);
        let react = |len: usize| Body::React { to: of, emoji: "e".repeat(len) };
        let vote = |choices| Body::Vote { poll: of, choices };
        let post = |count| {
            Body::Post(Post {
                text: "x".into(),
                mentions: vec![AccountId([2; 20]); count],
                ..Post::default()
            })
        };
        let poll = |options: usize, len: usize| {
            Body::Poll(Poll {
                question: "q".into(),
                options: vec!["o".repeat(len); options],
                multiple: false,
            })
        };
        for (fits, exceeds) in [
            (react(MAX_EMOJI), react(MAX_EMOJI + 1)),
            (vote(0x0fff), vote(0x1000)),
            (post(MAX_MENTIONS), post(MAX_MENTIONS + 1)),
            (poll(2, 1), poll(1, 1)),
            (poll(MAX_OPTIONS, MAX_OPTION), poll(MAX_OPTIONS + 1, 1)),
            (poll(2, 1), poll(2, 0)),
            (poll(2, 1), poll(2, MAX_OPTION + 1)),
            (Body::Edit { of, text: "x".into() }, Body::Edit { of, text: String::new() }),
            (post(0), Body::Post(Post::default())),
        ] {
            assert!(Message::from_bytes(&with(fits).to_bytes()).is_ok());
            assert!(Message::from_bytes(&with(exceeds).to_bytes()).is_err());
        }
    }

    #[test]
    fn more_gaps_than_the_most_none_and_impossible_ones_are_refused() {
        let missing = |gaps: Vec<Gap>| Message { body: Body::Missing { session: [7; 8], gaps }, ..text("x") };
        let many = |count: usize| (0..count).map(|n| Gap { first: 2 * n as u32, count: 1 }).collect();
        assert!(Message::from_bytes(&missing(many(MAX_GAPS)).to_bytes()).is_ok());
        let wrong = [
            many(MAX_GAPS + 1),
            vec![],
            vec![Gap { first: 1, count: 9 }, Gap { first: 5, count: 1 }],
            vec![Gap { first: 5, count: 1 }, Gap { first: 1, count: 1 }],
            vec![Gap { first: 1, count: 0 }],
            vec![Gap { first: u32::MAX, count: 2 }],
        ];
        for gaps in wrong {
            assert!(Message::from_bytes(&missing(gaps).to_bytes()).is_err());
        }
    }

    #[test]
    fn more_parents_receipts_and_parts_than_the_most_are_refused() {
        let seen = |count| Body::Read { seen: vec![Seen { id: MessageId([1; 16]), hops_left: 9 }; count] };
        let segment = |count| Body::Segment { whole: MessageId([1; 16]), index: 0, count, bytes: vec![] };
        let with = |body| Message { body, ..text("x") };
        let parents = |count| Message { parents: vec![[2; 8]; count], ..text("x") };
        for (fits, exceeds) in [
            (parents(MAX_PARENTS), parents(MAX_PARENTS + 1)),
            (with(seen(MAX_SEEN)), with(seen(MAX_SEEN + 1))),
            (with(segment(MAX_PARTS)), with(segment(MAX_PARTS + 1))),
        ] {
            assert!(Message::from_bytes(&fits.to_bytes()).is_ok());
            assert!(Message::from_bytes(&exceeds.to_bytes()).is_err());
        }
    }

    #[test]
    fn an_empty_text_is_no_message() {
        assert!(Message::from_bytes(&text("").to_bytes()).is_err());
    }

    #[test]
    fn a_text_of_64_kib_is_a_message_and_one_byte_more_is_not() {
        assert!(Message::from_bytes(&text(&"x".repeat(MAX_TEXT)).to_bytes()).is_ok());
        assert!(Message::from_bytes(&text(&"x".repeat(MAX_TEXT + 1)).to_bytes()).is_err());
    }

    #[test]
    fn a_lamport_time_near_overflow_is_refused() {
        let mut message = text("x");
        message.lamport = u64::MAX;
        assert!(Message::from_bytes(&message.to_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_that_comes_back_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            if let Ok(message) = Message::from_bytes(&bytes) {
                prop_assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
            }
        }
    }
}
