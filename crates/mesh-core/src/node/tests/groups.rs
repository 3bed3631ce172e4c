//! Groups from end to end: members, messages, keys and receipts, over partitions and restarts.

use super::*;
use crate::border::GroupCommand;
use crate::id::{ConversationId, GroupId};
use crate::view::GroupView;

pub(super) const A_WHILE: Duration = Duration::from_secs(60);

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

    pub(super) fn create(&mut self, name: &str, members: Vec<AccountId>) -> GroupId {
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
fn attack_71_who_is_blocked_is_not_heard_in_a_group_though_no_contact() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    village.say(1, group, "nice");
    let bo = village.account(1);
    village.command(2, Command::Block { account: bo }).unwrap();
    let id = village.say(1, group, "nasty");
    assert_eq!(village.words(2, group), ["nice"]);
    assert_eq!(village.words(0, group), ["nice", "nasty"]);
    assert_eq!(village.state(1, id), MessageState::HandedOn, "the blocked learns nothing");
    let stranger = Command::Block { account: AccountId([9; 20]) };
    assert!(matches!(village.command(2, stranger), Err(crate::Refusal::UnknownContact { .. })));
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

/// What random acts left behind.
#[derive(Default)]
struct Acts {
    said: u32,
    /// What was said, by whom.
    words: Vec<(usize, String)>,
    /// Who was put out at any time.
    removed: Vec<usize>,
}

impl Acts {
    /// One step of what may happen to a group, drawn by a number.
    fn step(&mut self, village: &mut Village, group: GroupId, n: u64) {
        let people = village.nodes.len();
        let pick = |shift: u32| usize::try_from(n >> shift & 0xff).unwrap() % people;
        let (at, other) = (pick(8), pick(16));
        let member = village.account(other);
        match n % 12 {
            0..=4 => {
                self.said += 1;
                let text = format!("{} from {at}", self.said);
                let send = Command::Send { to: group.into(), text: text.clone(), message: None };
                // Whoever may not do it is refused, which is fine.
                if village.command(at, send).is_ok() {
                    self.words.push((at, text));
                }
            }
            5 => {
                drop(village.command(at, Command::Group(GroupCommand::Add { group, members: vec![member] })))
            }
            6 => {
                let remove = Command::Group(GroupCommand::Remove { group, member });
                if village.command(at, remove).is_ok() {
                    self.removed.push(other);
                }
            }
            7 => {
                let promote = GroupCommand::Promote { group, member, admin: n >> 24 & 1 == 0 };
                drop(village.command(at, Command::Group(promote)));
            }
            8 => {
                let property = crate::border::GroupProperty::Name(format!("Street {n}"));
                drop(village.command(at, Command::Group(GroupCommand::Set { group, property })));
            }
            9 => village.restart(at),
            10 => village.part_all(),
            _ => {
                let are_linked =
                    |(_, a, b): &(LinkId, usize, usize)| (*a, *b) == (at, other) || (*a, *b) == (other, at);
                if at != other && !village.links.iter().any(are_linked) {
                    village.join(at, other);
                }
                village.pass(Duration::from_secs(n >> 32 & 127));
            }
        }
    }
}

/// Five people of whom four are in a group act at random over random links, then all meet; the seed tells which acts.
fn acts_that_heal(seed: u8) {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit", "Eyob"], 1);
    for (a, b) in [(1, 2), (1, 3), (1, 4), (2, 3)] {
        village.introduce(a, b);
    }
    let bo = village.account(1);
    village.change(0, GroupCommand::Promote { group, member: bo, admin: true });
    let (mut rng, mut acts) = (Rng::new([seed; 32]), Acts::default());
    for _ in 0..60 {
        acts.step(&mut village, group, u64::from_le_bytes(rng.bytes()));
    }
    village.part_all();
    for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)] {
        village.join(a, b);
    }
    village.pass(Duration::from_secs(6 * 3_600));
    let views: Vec<_> = (0..5).map(|at| village.nodes[at].0.group(group)).collect();
    let is_in = |at: &usize| views[*at].as_ref().is_some_and(|view| view.admin.is_some());
    let members: Vec<usize> = (0..5).filter(is_in).collect();
    for at in &members {
        let (one, other) = (views[members[0]].as_ref().unwrap(), views[*at].as_ref().unwrap());
        assert_eq!(one.state, other.state, "seed {seed}: {one:?}\n{other:?}");
        assert_eq!(other.members.len(), members.len(), "seed {seed}: {other:?}");
    }
    let stayed: Vec<usize> =
        members.into_iter().filter(|at| *at != 4 && !acts.removed.contains(at)).collect();
    for at in &stayed {
        let words = village.words(*at, group);
        assert_eq!(words, village.words(stayed[0], group), "seed {seed}: {at} and {}", stayed[0]);
        for (by, text) in acts.words.iter().filter(|(by, _)| stayed.contains(by)) {
            assert!(words.contains(text), "seed {seed}: {at} lacks what {by} said: {text}");
        }
    }
}

#[test]
fn whatever_members_do_while_they_are_apart_comes_to_one_when_they_meet() {
    (0..8).for_each(acts_that_heal);
}

#[test]
fn what_is_sealed_again_after_somebody_came_in_reaches_those_alone_who_were_there() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit"], 1);
    village.say(0, group, "keys for all");
    let away: Vec<LinkId> =
        village.links.iter().filter(|(_, a, b)| *a == 1 || *b == 1).map(|(link, ..)| *link).collect();
    away.into_iter().for_each(|link| village.part(link));
    let id = village.say(0, group, "before Dawit");
    let dawit = village.account(3);
    village.change(0, GroupCommand::Add { group, members: vec![dawit] });
    village.say(0, group, "with Dawit");
    for _ in 0..16 {
        village.pass(Duration::from_secs(86_400));
    }
    village.join(0, 1);
    village.pass(Duration::from_secs(3_600));
    assert_eq!(village.words(1, group), ["keys for all", "before Dawit", "with Dawit"]);
    assert_eq!(village.words(3, group), ["with Dawit"]);
    assert_eq!(village.state(0, id), MessageState::Delivered);
}

#[test]
fn a_group_whose_welcome_takes_several_messages_is_entered_also_where_a_restart_comes_between_them() {
    let names: Vec<String> = (0..70).map(|n| format!("P{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut village = Village::new(&names);
    for other in 1..names.len() {
        let link = village.nodes[other].0.identity().link;
        village.command(0, Command::Add { link, petname: None }).unwrap();
    }
    let first = (1..69).map(|at| village.account(at)).collect();
    let group = village.create("Stadium", first);
    village.introduce(0, 69);
    let last = village.account(69);
    village.command(0, Command::Group(GroupCommand::Add { group, members: vec![last] })).unwrap();
    assert_eq!(village.group(0, group).members.len(), 70);
    village.link(0, 69);
    // The ratchet draws what the order depends on: one time in ten the keys come last, and all of it opens at once.
    while village.nodes[69].1.count(Table::Group) == 0 && village.step() {}
    village.frames.clear();
    village.restart(69);
    village.join(0, 69);
    village.pass(A_WHILE);
    assert_eq!(village.group(69, group).members.len(), 70);
    assert_eq!(village.group(69, group).state, village.group(0, group).state);
    let known = (0..69).filter(|at| village.nodes[69].0.sessions.knows(village.account(*at))).count();
    assert_eq!(known, 69, "whoever came in can write to everybody");
}

#[test]
fn somebody_new_can_come_in_long_after_who_signed_a_change_has_gone() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra", "Dawit"], 1);
    village.introduce(2, 3);
    let (bo, chandra, dawit) = (village.account(1), village.account(2), village.account(3));
    village.change(0, GroupCommand::Promote { group, member: bo, admin: true });
    village.change(1, GroupCommand::Promote { group, member: chandra, admin: true });
    village.change(1, GroupCommand::Leave { group });
    for _ in 0..30 {
        village.pass(Duration::from_secs(86_400));
    }
    village.restart(2);
    assert!(!village.nodes[2].0.sessions.knows(bo), "Chandra never knew Bo but for the group");
    village.join(2, 3);
    village.change(2, GroupCommand::Add { group, members: vec![dawit] });
    assert_eq!(village.group(3, group).state, village.group(2, group).state);
}

#[test]
fn what_somebody_brought_before_they_were_accepted_counts_then() {
    let mut village = Village::new(&["Asha", "Bo"]);
    let link = village.nodes[1].0.identity().link;
    village.command(0, Command::Add { link, petname: None }).unwrap();
    village.join(0, 1);
    let (asha, bo) = (village.account(0), village.account(1));
    let group = village.create("Street", vec![bo]);
    village.pass(A_WHILE);
    village.command(1, Command::Accept { account: asha }).unwrap();
    village.pass(A_WHILE);
    village.say(0, group, "welcome");
    assert_eq!(village.words(1, group), ["welcome"]);
}

#[test]
fn a_fellow_whom_we_never_met_asks_like_any_stranger() {
    let (mut village, group) = Village::with_group(&["Asha", "Bo", "Chandra"], 0);
    for at in 0..3 {
        village.say(at, group, "hello");
    }
    let link = village.nodes[2].0.identity().link;
    village.command(1, Command::Add { link, petname: None }).unwrap();
    village.send(1, 2, "we are neighbours");
    village.pass(A_WHILE);
    let bo = village.account(1);
    let contact = village.nodes[2].0.contacts().into_iter().find(|contact| contact.account == bo);
    assert_eq!(contact.map(|contact| contact.state), Some(ContactState::Request));
    assert_eq!(village.texts(2, 1), ["we are neighbours"]);
}
