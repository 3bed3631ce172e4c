//! Getting into a group by a link, from end to end.

use super::groups::A_WHILE;
use super::*;
use crate::border::{GroupCommand, SpaceCommand, SpaceReply};
use crate::chat::{MAX_GROUP_LINKS, MAX_JOIN_REQUESTS};
use crate::id::{ConversationId, GroupId};
use crate::view::{AskState, GroupLinkView};

const UNLIMITED: (Option<u32>, Option<Duration>, bool) = (None, None, false);

impl Village {
    fn space(&mut self, at: usize, command: SpaceCommand) -> Result<Reply, crate::Refusal> {
        let answer = self.command(at, Command::Space(command));
        self.pass(A_WHILE);
        answer
    }

    fn group_link(
        &mut self,
        at: usize,
        group: GroupId,
        (uses, lifetime, approve): (Option<u32>, Option<Duration>, bool),
    ) -> GroupLinkView {
        match self.space(at, SpaceCommand::LinkNew { group, uses, lifetime, approve }) {
            Ok(Reply::Space(SpaceReply::Link(link))) => link,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, at: usize, link: &GroupLinkView) {
        let answer = self.space(at, SpaceCommand::Join { link: link.link.clone() });
        assert!(matches!(answer, Ok(Reply::Space(SpaceReply::Ask(_)))), "{answer:?}");
    }

    fn ask_state(&self, at: usize, group: GroupId) -> AskState {
        let asks = self.nodes[at].0.asks();
        asks.iter().find(|ask| ask.group == group).expect("it was asked").state
    }

    fn is_in(&self, at: usize, group: GroupId) -> bool {
        self.nodes[at].0.group(group).is_some_and(|view| view.admin.is_some())
    }

    /// A group of the first two, and strangers linked to the first alone.
    fn with_strangers(strangers: usize) -> (Self, GroupId) {
        let names: Vec<&str> = ["Asha", "Bo", "Chandra", "Dawit", "Ede"][..2 + strangers].to_vec();
        let mut village = Self::new(&names);
        village.introduce(0, 1);
        for other in 1..names.len() {
            village.join(0, other);
        }
        village.pass(A_WHILE);
        let group = village.create("Street", vec![village.account(1)]);
        village.pass(A_WHILE);
        (village, group)
    }

    fn say_in(&mut self, at: usize, group: GroupId, text: &str) {
        self.command(at, Command::Send { to: group.into(), text: text.into(), message: None }).unwrap();
        self.pass(A_WHILE);
    }

    fn words_of(&self, at: usize, group: GroupId) -> Vec<String> {
        let views = self.nodes[at].0.messages(Some(ConversationId::Group(group))).unwrap();
        views.into_iter().map(|view| view.text).collect()
    }
}

#[test]
fn who_has_a_link_into_a_group_is_let_in_and_becomes_nobodys_request() {
    let (mut village, group) = Village::with_strangers(1);
    village.say_in(0, group, "before");
    let link = village.group_link(0, group, UNLIMITED);
    village.ask(2, &link);
    assert_eq!(village.ask_state(2, group), AskState::Joined);
    assert!(village.is_in(2, group));
    village.say_in(2, group, "hello");
    village.say_in(1, group, "welcome");
    for at in 0..3 {
        assert!(village.words_of(at, group).ends_with(&["hello".into(), "welcome".into()]), "{at}");
    }
    assert!(!village.words_of(2, group).contains(&"before".to_owned()), "newcomers read nothing old");
    assert_eq!(village.nodes[0].0.contacts().len(), 1, "neither a contact nor a request came of it");
    assert_eq!(village.nodes[2].0.contacts().len(), 0);
    assert_eq!(village.nodes[1].0.shown(village.account(2)).as_deref(), Some("Chandra"));
    assert_eq!(village.nodes[0].0.group_links(village.now, group)[0].used, 1);
}

#[test]
fn a_wish_and_its_answer_wait_for_a_courier_and_survive_restarts() {
    let mut village = Village::new(&["Asha", "Bo", "Chandra"]);
    let group = village.create("Street", vec![]);
    let link = village.group_link(0, group, UNLIMITED);
    village.ask(2, &link);
    village.restart(2);
    let to_courier = village.join(2, 1);
    village.pass(A_WHILE);
    village.part(to_courier);
    village.restart(0);
    assert_eq!(village.ask_state(2, group), AskState::Asked);
    let at_admin = village.join(1, 0);
    village.pass(A_WHILE);
    village.part(at_admin);
    village.restart(0);
    village.restart(1);
    village.join(1, 2);
    village.pass(Duration::from_secs(600));
    assert!(village.is_in(2, group));
    assert_eq!(village.ask_state(2, group), AskState::Joined);
    village.restart(2);
    assert_eq!(village.ask_state(2, group), AskState::Joined);
}

#[test]
fn a_link_lets_in_so_many_and_says_so_to_who_comes_later() {
    let (mut village, group) = Village::with_strangers(2);
    let link = village.group_link(0, group, (Some(1), None, false));
    village.ask(2, &link);
    village.restart(0);
    village.join(0, 3);
    village.ask(3, &link);
    assert_eq!(village.ask_state(2, group), AskState::Joined);
    assert_eq!(village.ask_state(3, group), AskState::UsedUp);
    assert!(!village.is_in(3, group));
    assert_eq!(village.nodes[0].0.group(group).unwrap().members.len(), 3);
}

#[test]
fn a_link_that_was_taken_back_or_whose_time_is_over_is_answered_as_such() {
    let (mut village, group) = Village::with_strangers(2);
    let (revoked, short) = (
        village.group_link(0, group, UNLIMITED),
        village.group_link(0, group, (None, Some(Duration::from_secs(3_600)), false)),
    );
    assert_eq!(village.space(0, SpaceCommand::LinkEnd { group, number: revoked.number }), Ok(Reply::Done));
    village.pass(Duration::from_secs(7_200));
    for (at, link) in [(2, &revoked), (3, &short)] {
        village.ask(at, link);
        assert_eq!(village.ask_state(at, group), AskState::Over, "{at}");
        assert!(!village.is_in(at, group));
    }
    assert!(village.nodes[0].0.group_links(village.now, group).is_empty());
}

#[test]
fn with_approval_nobody_is_let_in_before_the_person_decides() {
    let (mut village, group) = Village::with_strangers(2);
    let link = village.group_link(0, group, (None, None, true));
    village.ask(2, &link);
    village.ask(3, &link);
    assert_eq!(village.ask_state(2, group), AskState::Waits);
    village.restart(0);
    for other in 1..4 {
        village.join(0, other);
    }
    let requests = village.nodes[0].0.join_requests(group);
    let names: std::collections::BTreeSet<_> = requests.iter().map(|request| request.name.clone()).collect();
    assert_eq!(names, ["Chandra".to_owned(), "Dawit".to_owned()].into());
    let (chandra, dawit) = (village.account(2), village.account(3));
    village.space(0, SpaceCommand::Decide { group, account: chandra, accept: true }).unwrap();
    village.space(0, SpaceCommand::Decide { group, account: dawit, accept: false }).unwrap();
    assert_eq!(
        (village.ask_state(2, group), village.ask_state(3, group)),
        (AskState::Joined, AskState::Refused)
    );
    assert!(village.is_in(2, group) && !village.is_in(3, group));
    assert!(village.nodes[0].0.join_requests(group).is_empty());
    let again = village.space(0, SpaceCommand::Decide { group, account: dawit, accept: true });
    assert!(matches!(again, Err(crate::Refusal::Unknown { .. })), "{again:?}");
}

#[test]
fn attack_56_who_was_put_out_does_not_come_back_by_an_open_link_without_a_decision() {
    let (mut village, group) = Village::with_strangers(1);
    let link = village.group_link(0, group, UNLIMITED);
    village.ask(2, &link);
    let chandra = village.account(2);
    village.command(0, Command::Group(GroupCommand::Remove { group, member: chandra })).unwrap();
    village.pass(A_WHILE);
    assert!(!village.is_in(2, group));
    village.ask(2, &link);
    assert_eq!(village.ask_state(2, group), AskState::Waits);
    assert!(!village.is_in(2, group));
    let requests = village.nodes[0].0.join_requests(group);
    assert!(requests.len() == 1 && requests[0].was_member);
}

#[test]
fn attack_57_a_link_of_who_may_let_nobody_in_makes_no_member() {
    let (mut village, group) = Village::with_strangers(1);
    let refused =
        village.space(1, SpaceCommand::LinkNew { group, uses: None, lifetime: None, approve: false });
    assert!(matches!(refused, Err(crate::Refusal::Group { .. })), "{refused:?}");
    let bo = village.account(1);
    village.command(0, Command::Group(GroupCommand::Promote { group, member: bo, admin: true })).unwrap();
    village.pass(A_WHILE);
    let link = village.group_link(1, group, UNLIMITED);
    village.command(0, Command::Group(GroupCommand::Promote { group, member: bo, admin: false })).unwrap();
    village.pass(A_WHILE);
    village.ask(2, &link);
    assert_eq!(village.ask_state(2, group), AskState::Closed);
    assert_eq!(village.nodes[0].0.group(group).unwrap().members.len(), 2);
}

#[test]
fn who_is_blocked_hears_nothing_by_a_link() {
    let (mut village, group) = Village::with_strangers(1);
    village.introduce(0, 2);
    village.pass(A_WHILE);
    let (link, chandra) = (village.group_link(0, group, UNLIMITED), village.account(2));
    village.command(0, Command::Block { account: chandra }).unwrap();
    village.ask(2, &link);
    assert_eq!(village.ask_state(2, group), AskState::Asked);
    assert!(!village.is_in(2, group));
}

#[test]
fn links_into_groups_are_so_many_and_none_of_them_is_shown_as_ones_own() {
    let (mut village, group) = Village::with_strangers(0);
    let own = village.nodes[0].0.identity().link;
    let links: Vec<_> = (0..MAX_GROUP_LINKS).map(|_| village.group_link(0, group, UNLIMITED)).collect();
    let more = SpaceCommand::LinkNew { group, uses: None, lifetime: None, approve: false };
    let refused = village.space(0, more.clone());
    assert!(matches!(refused, Err(crate::Refusal::Full { .. })), "{refused:?}");
    assert_eq!(village.nodes[0].0.identity().link, own);
    assert_eq!(village.nodes[0].0.invites().len(), 1);
    let number = links[3].number;
    assert!(village.command(0, Command::InviteRevoke { number }).is_err(), "it is no link to the person");
    village.space(0, SpaceCommand::LinkEnd { group, number }).unwrap();
    assert!(village.space(0, more).is_ok(), "one that ended gives way");
}

#[test]
fn requests_to_be_let_in_are_so_many_and_who_comes_later_is_not_receipted() {
    use crate::chat::Incoming;
    use crate::id::{Ack, EnvelopeId};
    use crate::wire::message::{Body, Message};
    use crate::wire::space::Space;
    let (mut village, group) = Village::with_strangers(0);
    let link = village.group_link(0, group, (None, None, true));
    let token = crate::crypto::GroupLink::from_text(&link.link).unwrap().token();
    let body = Body::Space(Space::Join { group, token, name: "somebody".into() });
    let contents =
        [Message { id: MessageId([1; 16]), when: 0, lamport: 0, parents: vec![], body }.to_bytes()];
    let now = village.now;
    let mut heard = 0;
    for n in 0..=MAX_JOIN_REQUESTS {
        let account = AccountId([u8::try_from(n % 256).unwrap(); 20]);
        let (node, memory, _) = &mut village.nodes[0];
        let incoming = Incoming {
            account,
            conversation: account.into(),
            envelope: EnvelopeId([2; 32]),
            contents: &contents,
            ack: Some(Ack([3; 16])),
            hops_left: 5,
        };
        let ack = node.chat.receive(now, incoming, memory, &mut node.outbox).unwrap();
        heard += usize::from(ack.is_some());
        for knock in node.chat.take_knocks() {
            node.chat.weigh(now, &knock, &mut node.outbox);
        }
    }
    assert_eq!(heard, MAX_JOIN_REQUESTS);
    assert_eq!(village.nodes[0].0.join_requests(group).len(), MAX_JOIN_REQUESTS);
}
