//! Commands of front ends: each is carried out or refused whole, and answered.

use super::Node;
use crate::border::{Command, Event, Post, Refusal, Remark, Reply};
use crate::chat::Draft;
use crate::crypto::ContactLink;
use crate::crypto::IntroError;
use crate::crypto::invite::MAX_INVITES;
use crate::crypto::session::{LearnError, PER_CONTENT};
use crate::id::{AccountId, Ack, CommandId, ConversationId, EnvelopeId, MessageId};
use crate::time::Now;
use crate::wire::message::{self, Body, GroupMessage};
use core::time::Duration;

impl Node {
    pub(super) fn on_command(&mut self, now: Now, command: CommandId, what: Command) {
        let result = self.carry_out(now, what);
        if let Err(Refusal::Storage(error)) = &result {
            // Part of it may be done already: nothing of it may become durable.
            self.fail(error.clone());
        }
        self.outbox.notify(Event::Answered { command, result });
    }

    fn carry_out(&mut self, now: Now, command: Command) -> Result<Reply, Refusal> {
        let out = &mut self.outbox;
        match command {
            Command::SetProfile { name, about } => {
                self.chat.set_profile(now, &name, &about, out).map(|()| Reply::Done)
            }
            Command::InviteNew { uses, lifetime } => self.invite_new(now, uses, lifetime),
            Command::InviteRevoke { number } => self.invite_revoke(number),
            Command::Add { link, petname } => self.add(now, &link, petname.as_deref()),
            Command::Rename { account, petname } => {
                self.chat.rename(account, &petname, out).map(|()| Reply::Contact(account))
            }
            Command::Accept { account } => self.accept(now, account),
            Command::Decline { account } => {
                self.chat.decline(account, out)?;
                self.sessions.forget(now, account, out);
                Ok(Reply::Done)
            }
            Command::Block { account } => {
                self.chat.block(account, out)?;
                self.share_secrets(now);
                Ok(Reply::Contact(account))
            }
            Command::Verify { account } => self.chat.verify(account, out).map(|()| Reply::Contact(account)),
            Command::Send { to, text, message } => self.submit(now, to, Body::Text { text }, message),
            Command::Post { to, post, message } => self.post(now, to, post, message),
            Command::Remark { message, within, remark } => self.remark(now, (message, within), remark),
            Command::Hide { message, within } => {
                self.chat.hide(message, within, &*self.read, out).map(|()| Reply::Done)
            }
            Command::Group(command) => self.on_group(now, command),
            Command::Space(command) => self.on_space(now, command),
            Command::Talk(command) => self.on_talk(now, command),
            Command::MarkRead { within, messages } => {
                self.chat.mark_read(now, within, messages.as_deref(), out);
                Ok(Reply::Done)
            }
            Command::Beacon { kind, text, position } => self.beacon(now, kind, &text, position),
            Command::BeaconCancel { id } => self.beacon_cancel(now, &id),
        }
    }

    fn add(&mut self, now: Now, link: &str, petname: Option<&str>) -> Result<Reply, Refusal> {
        let unreadable = |error: &dyn core::fmt::Display| Refusal::Link { reason: error.to_string() };
        let link = ContactLink::from_text(link).map_err(|error| unreadable(&error))?;
        let (account, key) = (link.intro().account_id(), link.intro().account());
        if account == self.identity.account_id() {
            return Err(Refusal::OwnLink);
        }
        self.chat.check_add(account, petname)?;
        match self.sessions.learn(now, link.intro(), Some(link.invite()), &mut self.outbox) {
            // A printed link may be older than what its owner told since: the newer keys stay.
            Ok(_) | Err(LearnError::Intro(IntroError::Rollback { .. })) => {}
            Err(error) => return Err(unreadable(&error)),
        }
        let held = self.chat.add(now, account, key, petname, &mut self.outbox)?;
        self.share_secrets(now);
        self.release(now, account, &held)?;
        Ok(Reply::Contact(account))
    }

    fn accept(&mut self, now: Now, account: AccountId) -> Result<Reply, Refusal> {
        let held = self.chat.accept(now, account, &mut self.outbox)?;
        self.share_secrets(now);
        self.release(now, account, &held)?;
        Ok(Reply::Contact(account))
    }

    /// Publishes the receipts that a request held back.
    fn release(&mut self, now: Now, account: AccountId, held: &[(EnvelopeId, Ack)]) -> Result<(), Refusal> {
        for (id, ack) in held {
            // What has left the bag since needs no receipt: its author seals it again.
            let Some(envelope) = self.mesh.envelope(now, *id, &*self.read)? else { continue };
            self.mesh.delivered(now, &envelope, *ack, None, account, &mut self.outbox);
        }
        Ok(())
    }

    pub(super) fn submit(
        &mut self,
        now: Now,
        to: ConversationId,
        body: Body,
        id: Option<MessageId>,
    ) -> Result<Reply, Refusal> {
        let room = self.room(to);
        let draft = Draft { to, body, id };
        self.chat.submit(now, draft, room, &*self.read, &mut self.outbox).map(Reply::Sent)
    }

    fn post(
        &mut self,
        now: Now,
        to: ConversationId,
        post: Post,
        id: Option<MessageId>,
    ) -> Result<Reply, Refusal> {
        let body = self.body_of(post)?;
        self.submit(now, to, body, id)
    }

    pub(super) fn body_of(&self, post: Post) -> Result<Body, Refusal> {
        Ok(match post {
            Post::Text { text, reply: None, mentions, silent: false } if mentions.is_empty() => {
                Body::Text { text }
            }
            Post::Text { text, reply, mentions, silent } => {
                Body::Post(message::Post { text, reply, forwarded: 0, mentions, silent })
            }
            Post::Forward { of, within } => Body::Post(self.forwarded(of, within)?),
            Post::Poll { question, options, multiple } => {
                Body::Poll(message::Poll { question, options, multiple })
            }
        })
    }

    /// The words of a message as they are shown now, passed on once more.
    fn forwarded(&self, of: MessageId, within: Option<ConversationId>) -> Result<message::Post, Refusal> {
        let gone = || Refusal::Unknown { what: "message", name: of.to_text() };
        let with = self.chat.locate(of, within)?;
        let view = self.chat.message(with, of, &*self.read)?.ok_or_else(gone)?;
        if view.deleted {
            return Err(Refusal::Message { message: of, why: "it was taken back" });
        }
        if view.once || view.timer_set.is_some() {
            return Err(Refusal::Message { message: of, why: "there are no words to pass on" });
        }
        let forwarded = view.forwarded.saturating_add(1);
        Ok(message::Post { text: view.text, forwarded, ..message::Post::default() })
    }

    fn remark(
        &mut self,
        now: Now,
        message: (MessageId, Option<ConversationId>),
        remark: Remark,
    ) -> Result<Reply, Refusal> {
        let room = self.room(self.chat.locate(message.0, message.1)?);
        self.chat.remark(now, message, remark, room, &*self.read, &mut self.outbox).map(Reply::Sent)
    }

    /// What one envelope takes.
    pub(super) fn room(&self, to: ConversationId) -> usize {
        let enclosing = if to.group().is_some() { GroupMessage::OVERHEAD } else { 0 };
        self.sessions.room(to).saturating_sub(PER_CONTENT + enclosing)
    }

    fn invite_new(
        &mut self,
        now: Now,
        uses: Option<u32>,
        lifetime: Option<Duration>,
    ) -> Result<Reply, Refusal> {
        let invite = self.identity.invite_new(now, &mut self.rng, uses, lifetime, &mut self.outbox);
        invite.map(Reply::Invite).map_err(|_| Refusal::Full { what: "invites", limit: MAX_INVITES })
    }

    fn invite_revoke(&mut self, number: u32) -> Result<Reply, Refusal> {
        let is_of_group = self.chat.is_group_link(number);
        if !is_of_group && self.identity.invite_revoke(number, &mut self.rng, &mut self.outbox) {
            return Ok(Reply::Done);
        }
        Err(Refusal::Unknown { what: "invite", name: number.to_string() })
    }
}
