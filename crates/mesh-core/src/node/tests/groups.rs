//! Groups from end to end: members, messages, keys and receipts, over partitions and restarts.

use super::*;
use crate::border::GroupCommand;
use crate::id::{ConversationId, GroupId};
use crate::view::GroupView;

const A_WHILE: Duration = Duration::from_secs(60);

impl Village {
    /// Everybody knows the first one, all are linked to it, and all but the last `out` are in its group.
    fn with_group(names: &[&str], out: usize) -> (Self, GroupId) {
        let mut village = Self::new(names);
        for other in 1..names.len() {
            village.introduce(0, other);
            village.join(0, other);
        }
        village.pass(A_WHILE);
        let members = (1..names.len() - out).map(|at| village.account(at)).collect();
        let group = village.create("Street", members);
        village.pass(A_WHILE);
        (village, group)
    }

    fn create(&mut self, name: &str, members: Vec<AccountId>) -> GroupId {
        let create = GroupCommand::Create { name: name.into(), members };
        match self.command(0, Command::Group(create)) {
            Ok(Reply::Group(group)) => group,
            other => panic!("{other:?}"),
        }
    }

    fn change(&mut self, at: usize, command: GroupCommand) {
        let answer = self.command(at, Command::Group(command));
        assert!(matches!(answer, Ok(Reply::Group(_) | Reply::Done)), "{answer:?}");
        self.pass(A_WHILE);
    }

    fn say(&mut self, at: usize, group: GroupId, text: &str) -> MessageId {
        let answer = self.command(at, Command::Send { to: group.into(), text: text.into(), message: None });
        self.pass(A_WHILE);
        match answer {
            Ok(Reply::Sent(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// What somebody reads in a group: who said what.
    fn heard(&self, at: usize, group: GroupId) -> Vec<(Option<AccountId>, String)> {
        let views = self.nodes[at].0.messages(Some(ConversationId::Group(group))).unwrap();
        views.into_iter().map(|view| (view.from, view.text)).collect()
    }

    fn words(&self, at: usize, group: GroupId) -> Vec<String> {
        self.heard(at, group).into_iter().map(|(_, text)| text).collect()
    }

    fn group(&self, at: usize, group: GroupId) -> GroupView {
        self.nodes[at].0.group(group).expect("the group is known")
    }

    fn part_all(&mut self) {
        for (link, ..) in self.links.clone() {
            self.part(link);
        }
    }
}

#[test]
fn everybody_in_a_group_reads_everybody_also_those_who_know_each_other_through_it_alone() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    for (at, text) in ["from Asha", "from Bo", "from Chandra"].into_iter().enumerate() {
        village.say(at, group, text);
    }
    for at in 0..3 {
        assert_eq!(village.words(at, group), ["from Asha", "from Bo", "from Chandra"], "{at}");
    }
    assert_eq!(village.heard(2, group)[1].0, Some(village.account(1)));
    assert_eq!(village.nodes[1].0.contacts().len(), 1, "a group makes no contacts and no requests");
    let names: Vec<_> = village.group(1, group).members.into_iter().map(|member| member.name).collect();
    assert_eq!(names, ["Asha", "Bo", "Chandra"]);
    assert_eq!(village.nodes[1].0.shown(village.account(2)).as_deref(), Some("Chandra"));
}

#[test]
fn a_message_is_delivered_once_all_have_it_and_read_once_all_saw_it() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    village.say(1, group, "first, so that all have keys");
    let away: Vec<LinkId> =
        village.links.iter().filter(|(_, a, b)| *a == 2 || *b == 2).map(|(link, ..)| *link).collect();
    away.into_iter().for_each(|link| village.part(link));
    let id = village.say(1, group, "who has it?");
    let info = village.nodes[1].0.info(village.now, id).unwrap().unwrap();
    assert_eq!(info.state, MessageState::HandedOn);
    let states: Vec<_> = info.recipients.iter().map(|recipient| recipient.state).collect();
    assert!(
        states.contains(&MessageState::Delivered) && states.contains(&MessageState::Waiting),
        "{states:?}"
    );
    village.join(0, 2);
    village.pass(A_WHILE);
    assert_eq!(village.state(1, id), MessageState::Delivered);
    for at in [0, 2] {
        let seen = Command::MarkRead { within: group.into(), messages: None };
        village.command(at, seen).unwrap();
        village.pass(A_WHILE);
    }
    assert_eq!(village.state(1, id), MessageState::Read);
    assert_eq!(village.nodes[1].0.info(village.now, id).unwrap().unwrap().recipients.len(), 2);
}

#[test]
fn who_is_put_out_reads_nothing_new_and_who_comes_in_nothing_old() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit"], 1);
    village.say(0, group, "before");
    let (chandra, dawit) = (village.account(2), village.account(3));
    village.change(0, GroupCommand::Add { group, members: vec![dawit] });
    village.say(0, group, "with four");
    village.say(1, group, "Bo, with four");
    village.change(0, GroupCommand::Remove { group, member: chandra });
    village.say(0, group, "without Chandra");
    village.say(1, group, "Bo, without Chandra");
    assert_eq!(
        village.words(3, group),
        ["with four", "Bo, with four", "without Chandra", "Bo, without Chandra"]
    );
    assert_eq!(village.words(2, group), ["before", "with four", "Bo, with four"]);
    assert_eq!(village.group(2, group).admin, None, "Chandra knows that she is out");
    let refused = village.command(2, Command::Send { to: group.into(), text: "?".into(), message: None });
    assert!(matches!(refused, Err(crate::Refusal::Group { .. })), "{refused:?}");
    let states: Vec<_> = [0, 1, 3].map(|at| village.group(at, group).state).into();
    assert!(states.iter().all(|state| *state == states[0]));
}

#[test]
fn a_split_group_goes_on_in_both_halves_and_heals_to_one() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit"], 0);
    let (bo, dawit) = (village.account(1), village.account(3));
    village.change(0, GroupCommand::Promote { group, member: bo, admin: true });
    for at in 0..4 {
        village.say(at, group, &format!("hello from {at}"));
    }
    village.part_all();
    village.join(0, 2);
    village.join(1, 3);
    village.say(0, group, "Asha's half");
    village.say(1, group, "Bo's half");
    village.command(0, Command::Group(GroupCommand::Remove { group, member: dawit })).unwrap();
    let property = crate::border::GroupProperty::Name("Lane".into());
    village.change(1, GroupCommand::Set { group, property });
    village.say(2, group, "Chandra's half");
    village.say(3, group, "Dawit's half");
    village.restart(1);
    village.restart(2);
    for (a, b) in [(0, 1), (1, 2), (2, 3)] {
        village.join(a, b);
    }
    village.pass(Duration::from_secs(1_800));
    let said = ["Asha's half", "Bo's half", "Chandra's half", "Dawit's half"];
    for at in 0..3 {
        let mut halves = village.words(at, group).split_off(4);
        halves.sort();
        assert_eq!(halves, said, "{at}");
        let view = village.group(at, group);
        assert_eq!((view.name.as_str(), view.members.len()), ("Lane", 3), "{at}");
        assert_eq!(village.words(at, group), village.words(0, group), "{at}");
    }
    assert_eq!(village.group(3, group).admin, None);
}

#[test]
fn a_group_survives_restarts_at_every_step() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    for round in 0..6 {
        let at = round % 3;
        village.restart(at);
        village.say(at, group, &format!("round {round}"));
        village.restart((round + 1) % 3);
        village.part_all();
        for other in 1..3 {
            village.join(0, other);
        }
        village.pass(A_WHILE);
    }
    let expected: Vec<_> = (0..6).map(|round| format!("round {round}")).collect();
    for at in 0..3 {
        assert_eq!(village.words(at, group), expected, "{at}");
    }
}

#[test]
fn who_came_in_while_another_admin_changed_the_group_learns_of_it_without_a_word() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit"], 1);
    let (bo, dawit) = (village.account(1), village.account(3));
    village.change(0, GroupCommand::Promote { group, member: bo, admin: true });
    village.part_all();
    village.join(0, 3);
    village.join(1, 2);
    let property = crate::border::GroupProperty::Name("Lane".into());
    village.command(1, Command::Group(GroupCommand::Set { group, property })).unwrap();
    village.change(0, GroupCommand::Add { group, members: vec![dawit] });
    village.join(0, 1);
    village.pass(Duration::from_secs(600));
    let state = village.group(0, group).state;
    assert_eq!(village.group(3, group).name, "Lane");
    assert!((1..4).all(|at| village.group(at, group).state == state));
}

#[test]
fn who_was_brought_in_by_somebody_who_was_out_already_learns_that_they_are_not_in() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit"], 1);
    let (asha, bo, dawit) = (village.account(0), village.account(1), village.account(3));
    village.change(0, GroupCommand::Promote { group, member: bo, admin: true });
    village.part_all();
    village.join(0, 3);
    village.join(1, 2);
    village.change(1, GroupCommand::Remove { group, member: asha });
    village.change(0, GroupCommand::Add { group, members: vec![dawit] });
    assert_eq!(village.group(3, group).admin, Some(false));
    village.join(0, 1);
    village.pass(Duration::from_secs(600));
    assert_eq!(village.group(3, group).admin, None);
    assert!((1..3).all(|at| village.group(at, group).members.len() == 2));
}

#[test]
fn who_is_put_out_while_the_remover_is_demoted_elsewhere_learns_how_that_ends() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit"], 0);
    let [asha, bo, chandra] = [0, 1, 2].map(|at| village.account(at));
    village.change(0, GroupCommand::Promote { group, member: bo, admin: true });
    village.part_all();
    village.join(0, 2);
    village.change(0, GroupCommand::Remove { group, member: chandra });
    village.change(1, GroupCommand::Promote { group, member: asha, admin: false });
    village.change(0, GroupCommand::Promote { group, member: bo, admin: false });
    for (a, b) in [(0, 1), (1, 2), (1, 3)] {
        village.join(a, b);
    }
    village.pass(Duration::from_secs(600));
    assert_eq!(village.group(2, group).admin, None, "Asha came first");
    let state = village.group(0, group).state;
    assert!([1, 3].iter().all(|at| village.group(*at, group).state == state));
}

#[test]
fn who_leaves_is_out_for_everybody_and_forgets_when_they_like() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    village.say(2, group, "goodbye");
    village.change(2, GroupCommand::Leave { group });
    assert!([0, 1].iter().all(|at| village.group(*at, group).members.len() == 2));
    village.say(0, group, "gone?");
    assert_eq!(village.words(2, group), ["goodbye"]);
    village.command(2, Command::Group(GroupCommand::Forget { group })).unwrap();
    assert!(village.nodes[2].0.group(group).is_none() && village.words(2, group).is_empty());
    village.restart(2);
    assert!(village.nodes[2].0.groups().is_empty());
    let still_in = village.command(0, Command::Group(GroupCommand::Forget { group }));
    assert!(matches!(still_in, Err(crate::Refusal::Group { .. })), "{still_in:?}");
}

#[test]
fn a_group_that_a_stranger_brings_is_not_entered() {
    let mut village = Village::new(&["Asha", "Bo"]);
    let link = village.nodes[1].0.identity().link;
    village.command(0, Command::Add { link, petname: None }).unwrap();
    village.join(0, 1);
    let bo = village.account(1);
    village.create("Trap", vec![bo]);
    village.pass(A_WHILE);
    assert!(village.nodes[1].0.groups().is_empty());
}

#[test]
fn a_member_has_no_say_over_members() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    let chandra = village.account(2);
    let refused = village.command(1, Command::Group(GroupCommand::Remove { group, member: chandra }));
    assert!(matches!(refused, Err(crate::Refusal::Group { .. })), "{refused:?}");
    let property = crate::border::GroupProperty::OnlyAdminsPost(true);
    village.change(0, GroupCommand::Set { group, property });
    let refused = village.command(1, Command::Send { to: group.into(), text: "?".into(), message: None });
    assert!(matches!(refused, Err(crate::Refusal::Group { .. })), "{refused:?}");
    village.say(0, group, "to all");
    assert_eq!(village.words(2, group), ["to all"]);
}

#[test]
fn words_in_a_group_are_changed_felt_about_and_taken_back() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    let id = village.say(0, group, "helo");
    let edit = crate::Remark::Edit("hello".into());
    village.command(0, Command::Remark { message: id, within: None, remark: edit }).unwrap();
    village
        .command(2, Command::Remark { message: id, within: None, remark: crate::Remark::React("!".into()) })
        .unwrap();
    village.pass(A_WHILE);
    let view = village.nodes[1].0.message(group.into(), id).unwrap().unwrap();
    assert_eq!((view.text.as_str(), view.edits), ("hello", 1));
    assert_eq!(view.reactions, [(Some(village.account(2)), "!".to_owned())]);
    village.command(0, Command::Remark { message: id, within: None, remark: crate::Remark::Delete }).unwrap();
    village.pass(A_WHILE);
    assert!((0..3).all(|at| village.nodes[at].0.message(group.into(), id).unwrap().unwrap().deleted));
}
