//! Getting into groups by a link: the links that were made here, who asks by them, and where we asked
//! (PROTOCOL.md section 15.6).
//!
//! A link makes nobody a member. It lets a device ask; whoever made it answers with an operation that the group judges
//! like any other.

use super::State;
use super::groups::MAX_GROUPS;
use crate::border::{Event, Refusal};
use crate::crypto::GroupLink;
use crate::crypto::name::clean_name;
use crate::crypto::safety::tag;
use crate::id::{AccountId, GroupId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::view::{AskState, AskView, ContactState, GroupLinkView, RequestView};
use crate::wire::codec;
use crate::wire::message::{Body, Message};
use crate::wire::space::{Answer, Space};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Links into groups that are made here, those that ended lately included: each holds an invite.
pub const MAX_GROUP_LINKS: usize = 12;
/// People who wait for a decision; who comes later is not heard until there is room.
pub const MAX_JOIN_REQUESTS: usize = 128;
/// Groups into which we asked to be let, decided ones included; the oldest that is decided gives way.
pub const MAX_ASKS: usize = 64;
/// Answers within an hour: whoever has a link can be any number of people.
pub const MAX_ANSWERS: usize = 256;
const ANSWERS_IN: Duration = Duration::from_secs(3_600);
/// For how long whoever comes by a link that ended is told so: as long as a first contact may be on its way.
pub const TELLS_THAT_IT_ENDED: Duration = Duration::from_secs(14 * 86_400);

/// Markers of the records in [`Table::Space`].
const LINK: u8 = 1;
const ASK: u8 = 2;
const REQUEST: u8 = 3;

/// A link that was made here.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Link {
    /// That of its invite.
    number: u32,
    group: GroupId,
    token: [u8; 16],
    text: String,
    uses_left: Option<u32>,
    used: u32,
    /// In the node's life; also where it was taken back.
    ends: Option<Time>,
    approve: bool,
}

impl Link {
    fn is_over(&self, now: Now) -> bool {
        self.ends.is_some_and(|ends| ends <= now.mono)
    }

    fn is_forgotten(&self, now: Now) -> bool {
        self.ends.is_some_and(|ends| ends + TELLS_THAT_IT_ENDED <= now.mono)
    }

    fn view(&self, now: Now) -> GroupLinkView {
        GroupLinkView {
            number: self.number,
            group: self.group,
            link: self.text.clone(),
            uses_left: self.uses_left,
            used: self.used,
            expires_in: self.ends.map(|ends| ends.since(now.mono)),
            approve: self.approve,
        }
    }
}

/// Where we asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ask {
    admin: AccountId,
    name: String,
    state: AskState,
    asked: Time,
}

impl Ask {
    fn is_open(&self) -> bool {
        matches!(self.state, AskState::Asked | AskState::Waits)
    }
}

/// Somebody who waits for a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Request {
    name: String,
    /// The link by which they came.
    link: u32,
    was_member: bool,
}

/// Somebody wants to be let in, within the input at work.
#[derive(Clone, Debug)]
pub struct Knock {
    /// Who.
    pub from: AccountId,
    /// Into which group.
    pub group: GroupId,
    token: [u8; 16],
    name: String,
}

/// What is to be done about a [`Knock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Nothing,
    /// They are told so.
    Tell(Answer),
    /// They are let in, by the link of this number.
    Add(u32),
}

/// Everything about links into groups.
#[derive(Debug, Default)]
pub(super) struct Joins {
    links: BTreeMap<u32, Link>,
    asks: BTreeMap<GroupId, Ask>,
    requests: BTreeMap<(GroupId, AccountId), Request>,
    knocks: Vec<Knock>,
    /// When answers were given, the oldest first.
    answers: VecDeque<Time>,
}

impl Joins {
    /// What storage holds.
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut joins = Self::default();
        read.scan(Table::Space, &mut |key, value| joins.record(key, value))?;
        Ok(joins)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        let Some((kind, name)) = key.split_first() else { return };
        let Some(group) = name.get(..GroupId::LEN).and_then(GroupId::from_slice) else { return };
        match *kind {
            LINK => self.links.extend(codec::decode::<Link>(value).ok().map(|link| (link.number, link))),
            ASK => self.asks.extend(codec::decode(value).ok().map(|ask| (group, ask))),
            REQUEST => {
                let account = name.get(GroupId::LEN..).and_then(AccountId::from_slice);
                let request = codec::decode(value).ok();
                self.requests.extend(account.zip(request).map(|(who, request)| ((group, who), request)));
            }
            _ => {}
        }
    }

    fn put_link(&mut self, link: Link, out: &mut Outbox) {
        out.put(Table::Space, link_key(&link), codec::encode(&link));
        self.links.insert(link.number, link);
    }

    fn put_ask(&mut self, group: GroupId, ask: Ask, out: &mut Outbox) {
        out.put(Table::Space, key(ASK, group, &[]), codec::encode(&ask));
        self.asks.insert(group, ask);
    }

    fn take_request(&mut self, group: GroupId, account: AccountId, out: &mut Outbox) -> Option<Request> {
        let request = self.requests.remove(&(group, account))?;
        out.delete(Table::Space, key(REQUEST, group, &account.0));
        Some(request)
    }

    /// Whether an answer may be given now; counts it.
    fn may_answer(&mut self, now: Now) -> bool {
        while self.answers.front().is_some_and(|at| *at + ANSWERS_IN <= now.mono) {
            self.answers.pop_front();
        }
        let may = self.answers.len() < MAX_ANSWERS;
        if may {
            self.answers.push_back(now.mono);
        }
        may
    }

    /// Whether operations of a group are awaited from this person.
    pub(super) fn awaits(&self, group: GroupId, from: AccountId) -> bool {
        self.asks.get(&group).is_some_and(|ask| ask.admin == from && ask.is_open())
    }
}

impl State {
    /// Links that nobody is told about any more; their invites may go.
    pub fn forget_old_links(&mut self, now: Now, out: &mut Outbox) -> Vec<u32> {
        let gone: Vec<Link> =
            self.joins.links.values().filter(|link| link.is_forgotten(now)).cloned().collect();
        gone.iter().map(|link| self.drop_link(link, out)).collect()
    }

    fn drop_link(&mut self, link: &Link, out: &mut Outbox) -> u32 {
        out.delete(Table::Space, link_key(link));
        self.joins.links.remove(&link.number);
        link.number
    }

    /// Whether a further link into `group` may be made: its name, and the invite of a link that ended and has to give way.
    ///
    /// # Errors
    /// Where the group is unknown or the person is no admin, and where there are too many links.
    pub fn check_link(
        &mut self,
        now: Now,
        group: GroupId,
        out: &mut Outbox,
    ) -> Result<(String, Option<u32>), Refusal> {
        let view = self.group(group).ok_or_else(|| unknown("group", group.to_text()))?;
        if view.admin != Some(true) {
            return Err(Refusal::Group { group, why: "only admins let people in".to_owned() });
        }
        if self.joins.links.len() < MAX_GROUP_LINKS {
            return Ok((view.name, None));
        }
        let ended = self.joins.links.values().filter(|link| link.is_over(now)).min_by_key(|link| link.ends);
        let ended =
            ended.cloned().ok_or(Refusal::Full { what: "links into groups", limit: MAX_GROUP_LINKS })?;
        Ok((view.name, Some(self.drop_link(&ended, out))))
    }

    /// Notes a link that was made under an invite's number.
    pub fn add_link(
        &mut self,
        now: Now,
        number: u32,
        link: &GroupLink,
        (uses, lifetime, approve): (Option<u32>, Option<Duration>, bool),
        out: &mut Outbox,
    ) -> GroupLinkView {
        let link = Link {
            number,
            group: link.group(),
            token: link.token(),
            text: link.to_text(),
            uses_left: uses.map(|uses| uses.max(1)),
            used: 0,
            ends: lifetime.map(|span| now.mono + span),
            approve,
        };
        let view = link.view(now);
        self.joins.put_link(link, out);
        view
    }

    /// Takes a link back: whoever comes by it is told so for [`TELLS_THAT_IT_ENDED`].
    ///
    /// # Errors
    /// Where there is no such link, or it has ended.
    pub fn end_link(
        &mut self,
        now: Now,
        group: GroupId,
        number: u32,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let link = self.joins.links.get(&number).filter(|link| link.group == group && !link.is_over(now));
        let mut link = link.cloned().ok_or_else(|| unknown("link", number.to_string()))?;
        link.ends = Some(now.mono);
        self.joins.put_link(link, out);
        Ok(())
    }

    /// The links into a group that live, oldest first.
    #[must_use]
    pub fn links(&self, now: Now, group: GroupId) -> Vec<GroupLinkView> {
        let links = self.joins.links.values().filter(|link| link.group == group && !link.is_over(now));
        links.map(|link| link.view(now)).collect()
    }

    /// Whether an invite stands behind a link into a group.
    #[must_use]
    pub fn is_group_link(&self, number: u32) -> bool {
        self.joins.links.contains_key(&number)
    }

    /// Who waits to be let into a group.
    #[must_use]
    pub fn join_requests(&self, group: GroupId) -> Vec<RequestView> {
        let view = self.group(group);
        let is_in = |account: AccountId| {
            let members = view.iter().flat_map(|view| &view.members);
            members.into_iter().any(|member| member.account == Some(account))
        };
        let of_group = self.joins.requests.iter().filter(|((of, who), _)| *of == group && !is_in(*who));
        let shown = |(_, account): &(GroupId, AccountId), request: &Request| RequestView {
            account: *account,
            name: self.contacts.shown(*account).unwrap_or_else(|| match request.name.as_str() {
                "" => tag(*account),
                name => name.to_owned(),
            }),
            tag: tag(*account),
            was_member: request.was_member,
        };
        of_group.map(|(who, request)| shown(who, request)).collect()
    }

    /// The person decided about somebody who waits: by which link they came, and whether they are to be let in.
    ///
    /// # Errors
    /// Where nobody of this account waits.
    pub fn decide_join(
        &mut self,
        group: GroupId,
        account: AccountId,
        out: &mut Outbox,
    ) -> Result<u32, Refusal> {
        let request = self.joins.take_request(group, account, out);
        let request = request.ok_or_else(|| unknown("request", account.to_text()))?;
        out.notify(Event::Group { group });
        self.groups.name_newcomer(account, &request.name, out);
        Ok(request.link)
    }

    /// Whether a link lets one more in.
    #[must_use]
    pub fn has_use_left(&self, number: u32) -> bool {
        self.joins.links.get(&number).is_none_or(|link| link.uses_left != Some(0))
    }

    /// Somebody was let in by a link.
    pub fn spend_link(&mut self, number: u32, out: &mut Outbox) {
        let Some(mut link) = self.joins.links.get(&number).cloned() else { return };
        link.used += 1;
        link.uses_left = link.uses_left.map(|left| left.saturating_sub(1));
        self.joins.put_link(link, out);
    }

    /// We ask to be let into a group.
    ///
    /// # Errors
    /// Where we are in it, or asked in too many places.
    pub fn check_ask(&mut self, group: GroupId, out: &mut Outbox) -> Result<(), Refusal> {
        if self.group(group).is_some_and(|view| view.admin.is_some()) {
            return Err(Refusal::Group { group, why: "you are in this group".to_owned() });
        }
        if self.groups().len() >= MAX_GROUPS {
            return Err(Refusal::Full { what: "groups", limit: MAX_GROUPS });
        }
        let asks = &mut self.joins.asks;
        if asks.len() >= MAX_ASKS && !asks.contains_key(&group) {
            let decided = asks.iter().filter(|(_, ask)| !ask.is_open()).min_by_key(|(_, ask)| ask.asked);
            let Some(oldest) = decided.map(|(group, _)| *group) else {
                return Err(Refusal::Full { what: "groups that were asked", limit: MAX_ASKS });
            };
            asks.remove(&oldest);
            out.delete(Table::Space, key(ASK, oldest, &[]));
        }
        Ok(())
    }

    /// Asks to be let into a group, whose link leads to a device that is known by now.
    pub fn ask_in(&mut self, now: Now, link: &GroupLink, out: &mut Outbox) -> AskView {
        let (group, admin) = (link.group(), link.contact().intro().account_id());
        let name = clean_name(link.name());
        let ask = Ask { admin, name, state: AskState::Asked, asked: now.mono };
        self.joins.put_ask(group, ask.clone(), out);
        let own = self.profile.name.clone();
        let body = Body::Space(Space::Join { group, token: link.token(), name: own });
        self.bring(now, admin.into(), &body, out);
        self.ask_view(group, &ask)
    }

    /// Where we asked, by name.
    #[must_use]
    pub fn asks(&self) -> Vec<AskView> {
        let mut views: Vec<_> =
            self.joins.asks.iter().map(|(group, ask)| self.ask_view(*group, ask)).collect();
        views.sort_by(|a, b| (&a.name, a.group).cmp(&(&b.name, b.group)));
        views
    }

    fn ask_view(&self, group: GroupId, ask: &Ask) -> AskView {
        let name = self.group(group).map_or_else(|| ask.name.clone(), |view| view.name);
        AskView { group, name, asked: ask.admin, state: ask.state }
    }

    /// Whether programs of this person are heard for the sake of a link: we asked them, or they wait for our answer.
    #[must_use]
    pub fn is_joining(&self, account: AccountId) -> bool {
        self.joins.asks.values().any(|ask| ask.admin == account && ask.is_open())
            || self.joins.requests.keys().any(|(_, who)| *who == account)
    }

    /// Whether these contents ask to be let in by links that are known here, and say nothing else.
    #[must_use]
    pub fn is_knock(&self, contents: &[Vec<u8>]) -> bool {
        let is = |bytes: &Vec<u8>| match Message::from_bytes(bytes).map(|message| message.body) {
            Ok(Body::Space(Space::Join { group, token, .. })) => self.link_of(group, token).is_some(),
            _ => false,
        };
        !contents.is_empty() && contents.iter().all(is)
    }

    fn link_of(&self, group: GroupId, token: [u8; 16]) -> Option<&Link> {
        self.joins.links.values().find(|link| link.group == group && link.token == token)
    }

    /// What programs say about getting into groups. Whether it was heard; if not, it is to come again.
    pub(super) fn receive_space(&mut self, from: AccountId, space: &Space, out: &mut Outbox) -> bool {
        match space {
            Space::Join { group, token, name } => {
                if self.joins.requests.len() >= MAX_JOIN_REQUESTS {
                    self.prune_requests(out);
                }
                let is_known = self.joins.requests.contains_key(&(*group, from));
                let has_room = is_known || self.joins.requests.len() < MAX_JOIN_REQUESTS;
                if has_room && self.link_of(*group, *token).is_some() {
                    let (group, token, name) = (*group, *token, clean_name(name));
                    self.joins.knocks.push(Knock { from, group, token, name });
                }
                has_room
            }
            Space::Answer { group, answer } => {
                self.answered_ask(*group, from, *answer, out);
                true
            }
        }
    }

    /// An answer of whoever was asked; it never takes back that we are in.
    fn answered_ask(&mut self, group: GroupId, from: AccountId, answer: Answer, out: &mut Outbox) {
        let ask = self.joins.asks.get(&group).filter(|ask| ask.admin == from && ask.is_open());
        let Some(mut ask) = ask.cloned() else { return };
        ask.state = match answer {
            Answer::Waits => AskState::Waits,
            Answer::Refused => AskState::Refused,
            Answer::Over => AskState::Over,
            Answer::UsedUp => AskState::UsedUp,
            Answer::Closed => AskState::Closed,
        };
        self.joins.put_ask(group, ask, out);
        out.notify(Event::Group { group });
    }

    /// We are in a group: where we asked for that, it is done.
    pub(super) fn joined(&mut self, group: GroupId, out: &mut Outbox) {
        let ask = self.joins.asks.get(&group).filter(|ask| ask.state != AskState::Joined).cloned();
        if let Some(ask) = ask {
            self.joins.put_ask(group, Ask { state: AskState::Joined, ..ask }, out);
        }
    }

    /// Who knocked within the input at work, once.
    pub fn take_knocks(&mut self) -> Vec<Knock> {
        core::mem::take(&mut self.joins.knocks)
    }

    /// What is to be done about somebody who knocked. Who was in the group once, and is not now, is let in by nobody but a
    /// person: else whoever is put out would come back by any link that stands.
    pub fn weigh(&mut self, now: Now, knock: &Knock, out: &mut Outbox) -> Verdict {
        let Knock { from, group, token, name } = knock;
        let Some(link) = self.link_of(*group, *token).cloned() else { return Verdict::Nothing };
        if self.contacts.state(*from) == Some(ContactState::Blocked) || !self.joins.may_answer(now) {
            return Verdict::Nothing;
        }
        let view = self.group(*group).filter(|view| view.admin == Some(true));
        let is_in = |who: AccountId| {
            view.as_ref().is_some_and(|view| view.members.iter().any(|member| member.account == Some(who)))
        };
        if is_in(*from) {
            self.note_asked(now, super::Asked { from: *from, group: *group, heads: Vec::new() });
            return Verdict::Nothing;
        }
        if link.is_over(now) {
            return Verdict::Tell(Answer::Over);
        }
        if view.is_none() {
            return Verdict::Tell(Answer::Closed);
        }
        if link.uses_left == Some(0) {
            return Verdict::Tell(Answer::UsedUp);
        }
        let was_member = self.groups.has(*group, *from);
        if !link.approve && !was_member {
            self.groups.name_newcomer(*from, name, out);
            return Verdict::Add(link.number);
        }
        let request = Request { name: name.clone(), link: link.number, was_member };
        out.put(Table::Space, key(REQUEST, *group, &from.0), codec::encode(&request));
        self.joins.requests.insert((*group, *from), request);
        out.notify(Event::Group { group: *group });
        Verdict::Tell(Answer::Waits)
    }

    /// Tells somebody what came of their wish.
    pub fn tell_asker(&mut self, now: Now, to: AccountId, group: GroupId, answer: Answer, out: &mut Outbox) {
        self.bring(now, to.into(), &Body::Space(Space::Answer { group, answer }), out);
    }

    /// The link by which somebody came who waits.
    #[must_use]
    pub fn request_link(&self, group: GroupId, account: AccountId) -> Option<u32> {
        self.joins.requests.get(&(group, account)).map(|request| request.link)
    }

    /// Forgets the requests of those who were let in by another way, and of groups that are not here any more.
    fn prune_requests(&mut self, out: &mut Outbox) {
        let is_settled = |(group, account): &(GroupId, AccountId)| {
            self.group(*group).is_none_or(|view| {
                view.admin != Some(true) || view.members.iter().any(|member| member.account == Some(*account))
            })
        };
        let settled: Vec<_> = self.joins.requests.keys().copied().filter(is_settled).collect();
        for (group, account) in settled {
            self.joins.take_request(group, account, out);
        }
    }
}

fn key(kind: u8, group: GroupId, rest: &[u8]) -> Vec<u8> {
    [&[kind], &group.0[..], rest].concat()
}

fn link_key(link: &Link) -> Vec<u8> {
    key(LINK, link.group, &link.number.to_be_bytes())
}

fn unknown(what: &'static str, name: String) -> Refusal {
    Refusal::Unknown { what, name }
}
