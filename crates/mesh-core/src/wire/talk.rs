//! Kinds of events beyond texts and what is said about them (PROTOCOL.md section 7.2).

use super::message::{MAX_OPTION, MAX_OPTIONS, MAX_TEXT, Poll, Post};
use serde::{Deserialize, Serialize};

/// The shortest and the longest time, in seconds, after which messages disappear: half a minute and 90 days.
pub const TIMER: (u32, u32) = (30, 90 * 86_400);

/// The order is part of the format: new kinds go to the end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Talk {
    /// What stands for itself, and disappears.
    Fleeting(Fleeting),
    /// After how long disappears what two people write from now on. Of a group it is an operation.
    Timer {
        /// Within [`TIMER`]; 0 is not at all.
        seconds: u32,
    },
}

/// What disappears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleeting {
    /// How long after it was seen, within [`TIMER`]; 0 where nothing but opening it ends it.
    pub seconds: u32,
    /// Whether it can be opened once.
    pub once: bool,
    /// What it says.
    pub said: Said,
}

/// What stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Said {
    /// A text.
    Post(Post),
    /// A question.
    Poll(Poll),
}

impl core::fmt::Debug for Talk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl Talk {
    /// Names the kind only: content never reaches a log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Fleeting(_) => "Fleeting",
            Self::Timer { .. } => "Timer",
        }
    }

    pub(super) fn is_within_limits(&self) -> bool {
        match self {
            Self::Fleeting(fleeting) => fleeting.is_within_limits(),
            Self::Timer { seconds } => *seconds == 0 || is_timer(*seconds),
        }
    }
}

impl Fleeting {
    fn is_within_limits(&self) -> bool {
        let ends = is_timer(self.seconds) || self.seconds == 0 && self.once;
        ends && match &self.said {
            Said::Post(post) => post.is_within_limits(),
            Said::Poll(poll) => !self.once && poll.is_within_limits(),
        }
    }
}

fn is_timer(seconds: u32) -> bool {
    (TIMER.0..=TIMER.1).contains(&seconds)
}

const _: () = assert!(MAX_OPTION * MAX_OPTIONS < MAX_TEXT);

#[cfg(test)]
mod tests {
    use super::super::codec;
    use super::super::message::{Body, Message};
    use super::*;
    use crate::id::MessageId;

    fn message(talk: Talk) -> Message {
        let (id, body) = (MessageId([1; 16]), Body::Talk(talk));
        Message { id, when: 0, lamport: 1, parents: Vec::new(), body }
    }

    fn fleeting(seconds: u32, once: bool) -> Talk {
        Talk::Fleeting(Fleeting {
            seconds,
            once,
            said: Said::Post(Post { text: "x".into(), ..Post::default() }),
        })
    }

    #[test]
    fn golden_talk() {
        let poll = Poll { question: "q".into(), options: vec!["a".into(), "b".into()], multiple: false };
        let kinds = [
            fleeting(60, false),
            fleeting(0, true),
            Talk::Fleeting(Fleeting { seconds: 30, once: false, said: Said::Poll(poll) }),
            Talk::Timer { seconds: 3_600 },
        ];
        let encoded = kinds.map(|talk| data_encoding::HEXLOWER.encode(&codec::encode(&talk)));
        let expected =
            ["003c0000017800000000", "00000100017800000000", "001e0001017102016101 6200", "01fb100e"];
        assert_eq!(encoded, expected.map(|hex| hex.replace(' ', "")));
        let timer = data_encoding::HEXLOWER.encode(&codec::encode(&Body::Talk(Talk::Timer { seconds: 0 })));
        assert_eq!(timer, "120100", "kind 18");
    }

    #[test]
    fn times_beyond_the_limits_are_refused() {
        let timer = |seconds| Talk::Timer { seconds };
        let fits =
            [timer(0), timer(30), timer(TIMER.1), fleeting(30, false), fleeting(0, true), fleeting(30, true)];
        let exceeds = [
            timer(29),
            timer(TIMER.1 + 1),
            fleeting(0, false),
            fleeting(29, true),
            fleeting(TIMER.1 + 1, false),
        ];
        for talk in fits {
            assert!(Message::from_bytes(&message(talk).to_bytes()).is_ok());
        }
        for talk in exceeds {
            assert!(Message::from_bytes(&message(talk).to_bytes()).is_err());
        }
    }
}
