//! What a person does with conversations (PROTOCOL.md section 7.2).

use super::Node;
use crate::border::{Refusal, Reply, TalkCommand};
use crate::chat::Draft;
use crate::chat::group::{Meta, What};
use crate::id::{ConversationId, MessageId};
use crate::time::Now;
use crate::view::{DeskView, ScheduledView};
use crate::wire::message::{Body, Post};
use crate::wire::talk::{Fleeting, Said, TIMER, Talk};
use core::time::Duration;

impl Node {
    pub(super) fn on_talk(&mut self, now: Now, command: TalkCommand) -> Result<Reply, Refusal> {
        let out = &mut self.outbox;
        match command {
            TalkCommand::Arrange { within, change } => {
                self.chat.arrange(within, change, out).map(|()| Reply::Done)
            }
            TalkCommand::Star { message, within, starred } => {
                self.chat.star(message, within, starred, out).map(|()| Reply::Done)
            }
            TalkCommand::Timer { within, after } => self.set_timer(now, within, after),
            TalkCommand::Once { to, text, message } => {
                let said = Said::Post(Post { text, ..Post::default() });
                let fleeting = Fleeting { seconds: 0, once: true, said };
                self.submit(now, to, Body::Talk(Talk::Fleeting(fleeting)), message)
            }
            TalkCommand::Open { message, within } => {
                let opened = self.chat.open_once(now, message, within, &*self.read, out)?;
                Ok(Reply::Opened(Box::new(opened)))
            }
            TalkCommand::Schedule { to, at, post, message } => {
                let draft = Draft { to, body: self.body_of(post)?, id: message };
                self.chat.schedule(now, draft, at, &mut self.outbox).map(Reply::Sent)
            }
            TalkCommand::Unschedule { message } => {
                self.chat.unschedule(now, message, out).map(|()| Reply::Done)
            }
        }
    }

    fn set_timer(
        &mut self,
        now: Now,
        within: ConversationId,
        after: Option<Duration>,
    ) -> Result<Reply, Refusal> {
        let seconds = timer(after)?;
        match within {
            ConversationId::Group(group) => {
                self.change_group(now, group, What::Meta(Meta::Timer(seconds)), &[])
            }
            ConversationId::Person(_) => {
                let talk = Talk::Timer { seconds: seconds.unwrap_or_default() };
                self.submit(now, within, Body::Talk(talk), None)
            }
        }
    }

    /// Sends what is due; what cannot be sent waits for the person.
    pub(super) fn send_scheduled(&mut self, now: Now) {
        for (draft, at) in self.chat.take_scheduled(now, &mut self.outbox) {
            let room = self.room(draft.to);
            match self.chat.submit(now, draft.clone(), room, &*self.read, &mut self.outbox) {
                Ok(_) => {}
                Err(Refusal::Storage(error)) => self.fail(error),
                Err(why) => self.chat.not_sent(draft, at, &why, &mut self.outbox),
            }
        }
    }

    /// What waits for its time, the earliest first.
    #[must_use]
    pub fn scheduled(&self) -> Vec<ScheduledView> {
        self.chat.scheduled()
    }

    /// The messages that have a star here.
    #[must_use]
    pub fn starred(&self) -> Vec<(ConversationId, MessageId)> {
        self.chat.starred()
    }

    /// How a conversation stands among the others here.
    #[must_use]
    pub fn desk(&self, with: ConversationId) -> DeskView {
        self.chat.desk(with)
    }

    /// After how long disappears what is written in a conversation now; `None` where it stays.
    #[must_use]
    pub fn timer(&self, with: ConversationId) -> Option<Duration> {
        self.chat.timer(with).map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// A timer in seconds, where it is one.
pub(super) fn timer(after: Option<Duration>) -> Result<Option<u32>, Refusal> {
    let Some(after) = after else { return Ok(None) };
    let seconds = u32::try_from(after.as_secs()).unwrap_or(u32::MAX);
    if (TIMER.0..=TIMER.1).contains(&seconds) {
        return Ok(Some(seconds));
    }
    Err(Refusal::Unknown { what: "timer between 30 seconds and 90 days", name: seconds.to_string() })
}
