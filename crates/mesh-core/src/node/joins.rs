//! Links into groups: made, asked by, answered (PROTOCOL.md section 15.6).

use super::Node;
use crate::border::{Refusal, Reply, SpaceCommand, SpaceReply};
use crate::chat::group::What;
use crate::chat::{Knock, TELLS_THAT_IT_ENDED, Verdict};
use crate::crypto::invite::MAX_INVITES;
use crate::crypto::session::LearnError;
use crate::crypto::{ContactLink, GroupLink, IntroError};
use crate::id::{AccountId, GroupId};
use crate::time::Now;
use crate::view::{AskView, GroupLinkView, RequestView};
use crate::wire::space::Answer;
use core::time::Duration;

/// Uses of the invite behind a link: the link itself counts who comes in, and a counted invite is never shown as one's own.
const UNCOUNTED: u32 = u32::MAX;

impl Node {
    /// The links into a group that live, oldest first.
    #[must_use]
    pub fn group_links(&self, now: Now, group: GroupId) -> Vec<GroupLinkView> {
        self.chat.links(self.clock.life(now), group)
    }

    /// Who waits to be let into a group by a link of this device.
    #[must_use]
    pub fn join_requests(&self, group: GroupId) -> Vec<RequestView> {
        self.chat.join_requests(group)
    }

    /// The groups into which this person asked to be let.
    #[must_use]
    pub fn asks(&self) -> Vec<AskView> {
        self.chat.asks()
    }

    pub(super) fn on_space(&mut self, now: Now, command: SpaceCommand) -> Result<Reply, Refusal> {
        match command {
            SpaceCommand::LinkNew { group, uses, lifetime, approve } => {
                self.link_new(now, group, (uses, lifetime, approve))
            }
            SpaceCommand::LinkEnd { group, number } => {
                self.chat.end_link(now, group, number, &mut self.outbox)?;
                self.identity.invite_wind_up(number, TELLS_THAT_IT_ENDED, &mut self.outbox);
                Ok(Reply::Done)
            }
            SpaceCommand::Join { link } => self.ask_in(now, &link),
            SpaceCommand::Decide { group, account, accept } => self.decide(now, group, account, accept),
        }
    }

    fn link_new(
        &mut self,
        now: Now,
        group: GroupId,
        terms: (Option<u32>, Option<Duration>, bool),
    ) -> Result<Reply, Refusal> {
        for number in self.chat.forget_old_links(now, &mut self.outbox) {
            self.identity.invite_revoke(number, &mut self.rng, &mut self.outbox);
        }
        let (name, gives_way) = self.chat.check_link(now, group, &mut self.outbox)?;
        if let Some(number) = gives_way {
            self.identity.invite_revoke(number, &mut self.rng, &mut self.outbox);
        }
        let lives = terms.1.map(|span| span + TELLS_THAT_IT_ENDED);
        let invite = self.identity.invite_new(now, &mut self.rng, Some(UNCOUNTED), lives, &mut self.outbox);
        let invite = invite.map_err(|_| Refusal::Full { what: "invites", limit: MAX_INVITES })?;
        let contact = ContactLink::from_text(&invite.link).map_err(|error| unreadable(&error))?;
        let link = GroupLink::new(contact, group, &name);
        let view = self.chat.add_link(now, invite.number, &link, terms, &mut self.outbox);
        Ok(Reply::Space(SpaceReply::Link(view)))
    }

    /// Asks the device that a link names.
    fn ask_in(&mut self, now: Now, text: &str) -> Result<Reply, Refusal> {
        let link = GroupLink::from_text(text).map_err(|error| unreadable(&error))?;
        let intro = link.contact().intro();
        let admin = intro.account_id();
        if admin == self.identity.account_id() {
            return Err(Refusal::OwnLink);
        }
        if self.chat.contact_state(admin) == Some(crate::view::ContactState::Blocked) {
            return Err(Refusal::ContactState { state: "blocked" });
        }
        self.chat.check_ask(link.group(), &mut self.outbox)?;
        match self.sessions.learn(now, intro, Some(link.contact().invite()), &mut self.outbox) {
            Ok(_) | Err(LearnError::Intro(IntroError::Rollback { .. })) => {}
            Err(error) => return Err(unreadable(&error)),
        }
        let view = self.chat.ask_in(now, &link, &mut self.outbox);
        if self.chat.contact_state(admin).is_none() {
            self.sessions.acquaint(now, admin, &mut self.outbox);
        }
        Ok(Reply::Space(SpaceReply::Ask(view)))
    }

    fn decide(
        &mut self,
        now: Now,
        group: GroupId,
        account: AccountId,
        accept: bool,
    ) -> Result<Reply, Refusal> {
        let waits = self.chat.join_requests(group).iter().any(|request| request.account == account);
        if !waits {
            return Err(Refusal::Unknown { what: "request", name: account.to_text() });
        }
        if !accept {
            self.chat.decide_join(group, account, &mut self.outbox)?;
            self.chat.tell_asker(now, account, group, Answer::Refused, &mut self.outbox);
            return Ok(Reply::Group(group));
        }
        let key = self.sessions.account_key(account).ok_or(Refusal::UnknownContact { account })?;
        let number = self.chat.request_link(group, account);
        if number.is_some_and(|number| !self.chat.has_use_left(number)) {
            self.chat.decide_join(group, account, &mut self.outbox)?;
            self.chat.tell_asker(now, account, group, Answer::UsedUp, &mut self.outbox);
            return Err(Refusal::Group { group, why: "the link that they came by is used up".to_owned() });
        }
        self.change_group(now, group, What::add([key]), &[account])?;
        let number = self.chat.decide_join(group, account, &mut self.outbox)?;
        self.chat.spend_link(number, &mut self.outbox);
        Ok(Reply::Group(group))
    }

    /// Answers those who knocked. Whether there was anybody.
    pub(super) fn answer_knocks(&mut self, now: Now) -> bool {
        let knocks = self.chat.take_knocks();
        for knock in &knocks {
            self.answer_knock(now, knock);
        }
        !knocks.is_empty()
    }

    fn answer_knock(&mut self, now: Now, knock: &Knock) {
        let (from, group) = (knock.from, knock.group);
        let answer = match self.chat.weigh(now, knock, &mut self.outbox) {
            Verdict::Nothing => return,
            Verdict::Tell(answer) => answer,
            Verdict::Add(number) => match self.sessions.account_key(from) {
                Some(key) if self.change_group(now, group, What::add([key]), &[from]).is_ok() => {
                    self.chat.spend_link(number, &mut self.outbox);
                    return;
                }
                _ => Answer::Closed,
            },
        };
        self.chat.tell_asker(now, from, group, answer, &mut self.outbox);
    }
}

fn unreadable(error: &dyn core::fmt::Display) -> Refusal {
    Refusal::Link { reason: error.to_string() }
}
