use super::super::tests::{Rig, account};
use super::super::{Incoming, PartKey};
use super::*;
use crate::view::{MessageView, Page};
use crate::wire::message::{Poll, Post, Seen};
use core::time::Duration;
use proptest::prelude::*;

const ROOM: usize = 1_000;
const THEM: u8 = 2;

fn id(n: u8) -> MessageId {
    MessageId([n; 16])
}

fn friends() -> Rig {
    let mut asha = Rig::new(1);
    asha.befriend_well(THEM);
    asha
}

impl Rig {
    fn submit(&mut self, body: Body) -> MessageId {
        let draft = Draft { to: account(THEM).into(), body, id: None };
        self.step(|s, now, m, out| s.submit(now, draft, ROOM, m, out)).unwrap()
    }

    fn remark(&mut self, message: MessageId, remark: Remark) -> Result<MessageId, Refusal> {
        self.step(|s, now, m, out| s.remark(now, (message, None), remark, ROOM, m, out))
    }

    /// Events of the other person, in one envelope.
    fn hear(&mut self, events: &[(u8, u64, Body)]) {
        let when = u32::try_from(self.now.wall.0).unwrap();
        let message = |(n, lamport, body): &(u8, u64, Body)| {
            Message { id: id(*n), when, lamport: *lamport, parents: vec![], body: body.clone() }.to_bytes()
        };
        self.receive(THEM, &events.iter().map(message).collect::<Vec<_>>(), None);
    }

    fn shown(&self, id: MessageId) -> MessageView {
        self.state.message(account(THEM).into(), id, &self.memory).unwrap().unwrap()
    }

    fn page(&self) -> Vec<MessageView> {
        self.state.page(Some(account(THEM).into()), &Page::default(), &self.memory).unwrap()
    }

    /// Whether these words stand anywhere in storage.
    fn stores(&self, words: &str) -> bool {
        let mut found = false;
        self.memory
            .scan(Table::Event, &mut |_, value| {
                found |= value.windows(words.len()).any(|window| window == words.as_bytes());
            })
            .unwrap();
        found
    }
}

/// How many writes it takes to receive these events of the other person in one envelope.
fn writes(asha: &mut Rig, events: &[(u8, u64, Body)]) -> usize {
    let message = |(n, lamport, body): &(u8, u64, Body)| {
        Message { id: id(*n), when: 0, lamport: *lamport, parents: vec![], body: body.clone() }.to_bytes()
    };
    let contents: Vec<_> = events.iter().map(message).collect();
    let (account, conversation) = (account(THEM), account(THEM).into());
    let envelope = crate::id::EnvelopeId([9; 32]);
    let incoming = Incoming { account, conversation, envelope, contents: &contents, ack: None, hops_left: 9 };
    let mut out = Outbox::default();
    asha.state.receive(asha.now, incoming, &asha.memory.clone(), &mut out).unwrap();
    core::iter::from_fn(|| out.pop()).filter(|output| matches!(output, crate::Output::Store(_))).count()
}

fn text(text: &str) -> Body {
    Body::Text { text: text.into() }
}

fn edit(of: u8, text: &str) -> Body {
    Body::Edit { of: id(of), text: text.into() }
}

#[test]
fn other_words_stand_for_the_first_ones_and_are_no_text_of_their_own() {
    let mut asha = friends();
    let mine = asha.submit(text("see you at 5"));
    asha.remark(mine, Remark::Edit("see you at 6".into())).unwrap();
    let view = asha.shown(mine);
    assert_eq!((view.text.as_str(), view.edits, asha.page().len()), ("see you at 6", 1, 1));
    assert!(
        asha.events.contains(&Event::MessageChanged { conversation: account(THEM).into(), message: mine })
    );
    asha.restart();
    assert_eq!(asha.shown(mine).text, "see you at 6");
}

#[test]
fn an_edit_that_comes_before_its_text_is_shown_with_it() {
    let mut asha = friends();
    asha.hear(&[(8, 2, edit(7, "new"))]);
    assert!(asha.page().is_empty());
    asha.hear(&[(7, 1, text("old"))]);
    assert_eq!(asha.shown(id(7)).text, "new");
}

#[test]
fn a_message_and_what_is_said_about_it_may_come_in_one_envelope() {
    let mut asha = friends();
    let react = Body::React { to: id(7), emoji: "👍".into() };
    asha.hear(&[(7, 1, text("old")), (8, 2, edit(7, "new")), (9, 3, react)]);
    let view = asha.shown(id(7));
    assert_eq!(view.text, "new");
    assert_eq!(view.reactions, [(Some(account(THEM)), "👍".to_owned())]);
}

#[test]
fn what_was_taken_back_leaves_no_words_in_storage_whatever_came_first() {
    let events = [(7, 1, text("secret")), (8, 2, edit(7, "secret too")), (9, 3, Body::Delete { of: id(7) })];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut asha = friends();
        for at in order {
            asha.hear(&events[at..=at]);
        }
        let view = asha.shown(id(7));
        assert_eq!((view.deleted, view.text.as_str()), (true, ""), "{order:?}");
        assert!(!asha.stores("secret"), "{order:?}");
        asha.restart();
        assert!(asha.shown(id(7)).deleted);
    }
    let mut asha = friends();
    asha.hear(&events);
    assert!(asha.shown(id(7)).deleted && !asha.stores("secret"), "in one envelope");
}

#[test]
fn what_was_taken_back_before_it_came_is_no_gap() {
    let mut asha = friends();
    asha.hear(&[(9, 3, Body::Delete { of: id(7) })]);
    let parents = vec![[7; 8]];
    let next = Message { id: id(8), when: 0, lamport: 4, parents, body: text("next") };
    asha.receive(THEM, &[next.to_bytes()], None);
    assert!(!asha.shown(id(8)).gap);
}

#[test]
fn an_own_message_that_was_taken_back_is_not_sealed_again() {
    let mut asha = friends();
    let mine = asha.submit(text("secret"));
    asha.remark(mine, Remark::Delete).unwrap();
    let sealed: Vec<_> = asha.jobs().into_iter().filter_map(|job| job.part).collect();
    assert!(!sealed.contains(&PartKey { message: mine, index: 0 }));
    assert_eq!(sealed.len(), 1, "what takes it back goes out");
    assert!(!asha.stores("secret") && asha.shown(mine).deleted);
}

#[test]
fn nobody_changes_or_takes_back_the_message_of_another() {
    let mut asha = friends();
    let mine = asha.submit(text("mine"));
    let when = u32::try_from(asha.now.wall.0).unwrap();
    for (n, body) in [(8, Body::Edit { of: mine, text: "theirs".into() }), (9, Body::Delete { of: mine })] {
        let message = Message { id: id(n), when, lamport: 9, parents: vec![], body };
        asha.receive(THEM, &[message.to_bytes()], None);
    }
    assert_eq!((asha.shown(mine).text.as_str(), asha.shown(mine).deleted), ("mine", false));
    asha.hear(&[(7, 1, text("theirs"))]);
    for remark in [Remark::Edit("mine".into()), Remark::Delete] {
        assert!(matches!(asha.remark(id(7), remark), Err(Refusal::Message { .. })));
    }
}

#[test]
fn words_stand_after_a_quarter_of_an_hour() {
    let mut asha = friends();
    let mine = asha.submit(text("mine"));
    asha.now.wall.0 += 15 * 60;
    asha.remark(mine, Remark::Edit("changed".into())).unwrap();
    asha.now.wall.0 += 1;
    assert!(matches!(asha.remark(mine, Remark::Edit("late".into())), Err(Refusal::Message { .. })));
    assert!(asha.remark(mine, Remark::Delete).is_ok(), "taking back has no end");
    assert!(asha.remark(mine, Remark::React("x".into())).is_err(), "nothing is said about what is gone");
}

#[test]
fn a_reaction_is_taken_back_by_an_empty_one_and_long_ones_are_refused() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("good news"))]);
    asha.remark(id(7), Remark::React("🎉".into())).unwrap();
    assert_eq!(asha.shown(id(7)).reactions, [(None, "🎉".to_owned())]);
    asha.remark(id(7), Remark::React(String::new())).unwrap();
    assert!(asha.shown(id(7)).reactions.is_empty());
    assert!(matches!(asha.remark(id(7), Remark::React("e".repeat(41))), Err(Refusal::Length { .. })));
    assert!(matches!(asha.remark(id(70), Remark::Pin(true)), Err(Refusal::Unknown { .. })));
}

#[test]
fn a_poll_counts_the_last_vote_of_each_until_its_author_closes_it() {
    let mut asha = friends();
    let options = vec!["tea".into(), "coffee".into()];
    let poll = asha.submit(Body::Poll(Poll { question: "what?".into(), options, multiple: false }));
    asha.remark(poll, Remark::Vote(1)).unwrap();
    asha.hear(&[(7, 5, Body::Vote { poll, choices: 2 })]);
    assert!(asha.remark(poll, Remark::Vote(3)).is_err(), "one choice");
    assert!(asha.remark(poll, Remark::Vote(4)).is_err(), "no such option");
    asha.remark(poll, Remark::Vote(2)).unwrap();
    asha.remark(poll, Remark::Close).unwrap();
    assert!(asha.remark(poll, Remark::Vote(1)).is_err(), "closed");
    let view = asha.shown(poll);
    let counted = view.poll.unwrap();
    assert_eq!((view.text.as_str(), counted.closed), ("what?", true));
    assert_eq!(counted.votes.len(), 2);
    assert!(counted.votes.iter().all(|(_, choices)| *choices == 2));
}

#[test]
fn a_post_says_what_it_answers_and_whom_it_names() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("who comes?"))]);
    let me = crate::crypto::AccountKey([1; 32]).id();
    let post =
        Post { text: "I do".into(), reply: Some(id(7)), mentions: vec![me], silent: true, forwarded: 2 };
    let mine = asha.submit(Body::Post(post));
    asha.restart();
    let view = asha.shown(mine);
    assert_eq!((view.reply, view.forwarded, view.silent), (Some(id(7)), 2, true));
    assert_eq!((view.text.as_str(), view.mentions), ("I do", vec![None]));
}

#[test]
fn what_a_person_takes_away_here_is_gone_here_alone() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("old")), (8, 2, text("private"))]);
    asha.jobs();
    asha.step(|s, _, m, out| s.hide(id(8), None, m, out)).unwrap();
    assert!(asha.jobs().is_empty(), "nobody is told");
    assert!(!asha.stores("private"));
    for _ in 0..2 {
        assert_eq!(asha.texts(THEM), ["old"]);
        let last = asha.state.conversations(&asha.memory).unwrap().remove(0);
        assert_eq!((last.last.unwrap().id, last.unread), (id(7), 1));
        asha.hear(&[(8, 2, text("private"))]);
        asha.restart();
    }
    assert!(!asha.stores("private"), "it does not come back");
}

#[test]
fn a_mark_is_in_custody_like_a_text_and_has_no_state_to_show() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("hi"))]);
    let mark = asha.remark(id(7), Remark::React("x".into())).unwrap();
    assert_eq!(asha.state.open(), 0, "no message is on its way");
    asha.events.clear();
    let part = PartKey { message: mark, index: 0 };
    assert!(asha.jobs().iter().any(|job| job.part == Some(part)));
    asha.restart();
    asha.now.mono = asha.now.mono + Duration::from_secs(61);
    asha.receive(THEM, &[delivered(mark)], None);
    assert!(!asha.events.iter().any(|event| matches!(event, Event::MessageState { .. })));
    asha.restart();
    asha.now.mono = asha.now.mono + Duration::from_secs(61);
    assert!(asha.jobs().is_empty(), "it arrived");
}

fn delivered(id: MessageId) -> Vec<u8> {
    let body = Body::Delivered { seen: vec![Seen { id, hops_left: 9 }] };
    Message { id: MessageId([99; 16]), when: 0, lamport: 0, parents: vec![], body }.to_bytes()
}

#[test]
fn a_long_edit_comes_in_parts() {
    let mut asha = friends();
    let mine = asha.submit(text("short"));
    asha.remark(mine, Remark::Edit("x".repeat(50_000))).unwrap();
    let mut ben = Rig::new(2);
    ben.befriend_well(1);
    let jobs = asha.jobs();
    assert!(jobs.len() > 2);
    for job in jobs {
        let envelope = crate::id::EnvelopeId([9; 32]);
        let contents = &[job.bytes][..];
        let (account, conversation) = (account(1), account(1).into());
        let incoming = Incoming { account, conversation, envelope, contents, ack: None, hops_left: 9 };
        ben.step(|s, now, m, out| s.receive(now, incoming, m, out)).unwrap();
    }
    let view = ben.state.message(account(1).into(), mine, &ben.memory).unwrap().unwrap();
    assert_eq!(view.text.len(), 50_000);
}

#[test]
fn a_forgotten_person_leaves_no_record_of_any_kind() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("one")), (8, 2, edit(7, "two")), (9, 3, text("three"))]);
    asha.step(|s, _, m, out| s.hide(id(9), None, m, out)).unwrap();
    asha.remark(id(7), Remark::React("x".into())).unwrap();
    asha.step(|s, _, _, out| s.forget(account(THEM), out));
    let mut left = 0;
    asha.memory.scan(Table::Event, &mut |_, _| left += 1).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn taking_a_message_back_again_and_again_costs_no_more_than_once() {
    let mut asha = friends();
    let edits = u8::try_from(MAX_EDITS).unwrap();
    asha.hear(&[(7, 1, text("secret"))]);
    (0..edits).for_each(|n| asha.hear(&[(20 + n, 2, edit(7, "secret too"))]));
    let deletes: Vec<_> = (100..164).map(|n| (n, 3, Body::Delete { of: id(7) })).collect();
    assert_eq!(writes(&mut asha, &deletes), deletes.len() + 1 + MAX_EDITS);
    let deletes: Vec<_> = (164..228).map(|n| (n, 3, Body::Delete { of: id(7) })).collect();
    assert_eq!(writes(&mut asha, &deletes), deletes.len());
}

#[test]
fn words_that_newer_ones_left_no_place_for_leave_storage_whatever_came_first() {
    let most = u8::try_from(MAX_EDITS).unwrap();
    let mut events: Vec<_> = (1..=most).map(|n| (20 + n, u64::from(n) + 1, edit(7, "new"))).collect();
    events.push((20, 1, edit(7, "displaced")));
    for is_backward in [false, true] {
        let mut asha = friends();
        asha.hear(&[(7, 1, text("old"))]);
        if is_backward {
            events.reverse();
        }
        events.iter().for_each(|event| asha.hear(core::slice::from_ref(event)));
        assert!(!asha.stores("displaced"), "{is_backward}");
        for _ in 0..2 {
            assert_eq!((asha.shown(id(7)).text.as_str(), asha.shown(id(7)).edits), ("new", MAX_EDITS));
            asha.restart();
        }
    }
    let mut asha = friends();
    let mine = asha.submit(text("mine"));
    for n in 0..most {
        asha.remark(mine, Remark::Edit(n.to_string())).unwrap();
    }
    assert!(matches!(asha.remark(mine, Remark::Edit("one more".into())), Err(Refusal::Message { .. })));
}

#[test]
fn what_several_conversations_have_is_meant_only_where_one_is_named() {
    let mut asha = friends();
    asha.befriend(3);
    asha.hear(&[(7, 1, text("of a friend"))]);
    asha.receive_text_named(3, id(7), "of another");
    let react = || Remark::React("x".into());
    assert!(matches!(asha.remark(id(7), react()), Err(Refusal::Message { .. })));
    let hidden = asha.step(|s, _, m, out| s.hide(id(7), None, m, out));
    assert!(matches!(hidden, Err(Refusal::Message { .. })));
    let within = Some(account(3).into());
    asha.step(|s, now, m, out| s.remark(now, (id(7), within), react(), ROOM, m, out)).unwrap();
    assert!(asha.shown(id(7)).reactions.is_empty());
    let elsewhere = Some(account(4).into());
    let nowhere = asha.step(|s, now, m, out| s.remark(now, (id(7), elsewhere), react(), ROOM, m, out));
    assert!(matches!(nowhere, Err(Refusal::Unknown { .. })));
    assert_eq!(asha.state.named("0707", None, 9).len(), 2);
    assert_eq!(asha.state.named("0707", within, 9), [(account(3).into(), id(7))]);
    asha.step(|s, _, m, out| s.hide(id(7), within, m, out)).unwrap();
    assert_eq!(asha.state.locate(id(7), None), Ok(account(THEM).into()), "one is left");
}

#[test]
fn nobody_takes_away_what_is_on_its_way_to_somebody_else() {
    let mut asha = friends();
    asha.befriend_well(3);
    let draft = Draft { to: account(3).into(), body: text("for Chen"), id: Some(id(7)) };
    asha.step(|s, now, m, out| s.submit(now, draft, ROOM, m, out)).unwrap();
    asha.hear(&[(7, 1, text("of the same id")), (9, 2, Body::Delete { of: id(7) })]);
    let sealed = asha.jobs();
    assert!(sealed.iter().any(|job| job.to == account(3).into()), "it is still on its way");
}

#[test]
fn what_is_answered_stands_in_the_same_conversation() {
    let mut asha = friends();
    asha.befriend_well(3);
    asha.hear(&[(7, 1, text("secret id"))]);
    let post = Post { text: "hm".into(), reply: Some(id(7)), ..Post::default() };
    let draft = Draft { to: account(3).into(), body: Body::Post(post), id: None };
    let refused = asha.step(|s, now, m, out| s.submit(now, draft, ROOM, m, out));
    assert!(matches!(refused, Err(Refusal::Message { .. })));
}

#[test]
fn what_has_new_words_on_their_way_stays_until_they_arrived_and_what_expired_goes() {
    let mut asha = friends();
    let mine = asha.submit(text("first words"));
    asha.jobs();
    asha.receive(THEM, &[delivered(mine)], None);
    let edit = asha.remark(mine, Remark::Edit("new words".into())).unwrap();
    let hide = |asha: &mut Rig, of| asha.step(|s, _, m, out| s.hide(of, None, m, out));
    assert!(matches!(hide(&mut asha, mine), Err(Refusal::Message { .. })));
    assert!(asha.jobs().iter().any(|job| job.part == Some(PartKey { message: edit, index: 0 })));
    asha.receive(THEM, &[delivered(edit)], None);
    assert_eq!(hide(&mut asha, mine), Ok(()));
    let late = asha.submit(text("nobody was there"));
    asha.now.mono = asha.now.mono + super::super::CUSTODY;
    asha.jobs();
    assert_eq!(hide(&mut asha, late), Ok(()), "it is on its way no more");
    assert!(!asha.stores("nobody was there"));
}

#[test]
fn new_words_for_what_was_taken_away_here_are_not_kept_and_it_is_no_message_any_more() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("private"))]);
    asha.step(|s, _, m, out| s.hide(id(7), None, m, out)).unwrap();
    for _ in 0..2 {
        asha.events.clear();
        asha.hear(&[(8, 2, edit(7, "private too")), (9, 3, edit(7, "private as well"))]);
        assert!(!asha.stores("private"));
        assert!(asha.events.is_empty(), "nothing is told of it");
        assert_eq!(asha.state.message(account(THEM).into(), id(7), &asha.memory), Ok(None));
        assert!(matches!(asha.remark(id(7), Remark::React("x".into())), Err(Refusal::Unknown { .. })));
        assert!(asha.state.named("0707", None, 2).is_empty());
        asha.restart();
    }
}

#[test]
fn parts_of_what_was_taken_back_are_not_kept() {
    let mut asha = friends();
    let part = |index| Body::Segment { whole: id(7), index, count: 3, bytes: b"secret".to_vec() };
    asha.hear(&[(8, 0, part(0))]);
    assert!(asha.stores("secret"));
    asha.hear(&[(9, 3, Body::Delete { of: id(7) })]);
    assert!(!asha.stores("secret"));
    asha.hear(&[(10, 0, part(1))]);
    assert!(!asha.stores("secret"), "what comes later is not taken in");
    asha.restart();
    asha.hear(&[(11, 0, part(2))]);
    assert!(!asha.stores("secret"));
}

#[test]
fn votes_that_a_poll_does_not_offer_and_other_words_for_its_question_count_for_nothing() {
    let options = vec!["tea".into(), "coffee".into()];
    let poll = |multiple| Body::Poll(Poll { question: "what?".into(), options: options.clone(), multiple });
    for (multiple, choices, counted) in
        [(false, 3, 0), (true, 3, 1), (true, 4, 0), (true, 7, 0), (false, 2, 1)]
    {
        let mut asha = friends();
        asha.hear(&[
            (7, 1, poll(multiple)),
            (8, 2, Body::Vote { poll: id(7), choices }),
            (9, 3, edit(7, "why?")),
        ]);
        let view = asha.shown(id(7));
        assert_eq!((view.text.as_str(), view.edits), ("what?", 0));
        assert_eq!(view.poll.unwrap().votes.len(), counted, "{multiple} {choices}");
    }
}

#[test]
fn of_reactions_that_wait_only_the_last_leaves_and_the_reader_misses_none() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("hi")), (8, 2, text("ho"))]);
    let [first, second] = ["a", "b"].map(|emoji| asha.remark(id(7), Remark::React(emoji.into())).unwrap());
    asha.remark(id(8), Remark::React("x".into())).unwrap();
    let last = asha.remark(id(7), Remark::React("c".into())).unwrap();
    let sealed: Vec<_> =
        asha.jobs().into_iter().filter_map(|job| job.part).map(|part| part.message).collect();
    assert!(!sealed.contains(&first), "the next took its place");
    assert!(sealed.contains(&second), "what a later event names as its parent is not missing");
    assert!(sealed.contains(&last));
    asha.remark(id(7), Remark::React("d".into())).unwrap();
    asha.now.mono = asha.now.mono + Duration::from_secs(15 * 86_400);
    let again: Vec<_> = asha.jobs().into_iter().filter_map(|job| job.part).map(|part| part.message).collect();
    assert!(again.contains(&last), "what has left is sealed again until it arrived");
}

#[test]
fn marks_beyond_the_most_in_custody_are_refused_but_for_what_takes_back() {
    let mut asha = friends();
    let mine = asha.submit(text("mine"));
    let poll = Poll { question: "?".into(), options: vec!["a".into(), "b".into()], multiple: false };
    let poll = asha.submit(Body::Poll(poll));
    for _ in 0..MAX_OPEN_MARKS {
        asha.remark(poll, Remark::Vote(1)).unwrap();
    }
    let full = Err(Refusal::Full { what: "unsent reactions", limit: MAX_OPEN_MARKS });
    assert_eq!(asha.remark(poll, Remark::Vote(2)), full);
    asha.restart();
    assert_eq!(asha.remark(mine, Remark::React("x".into())), full);
    assert!(asha.remark(mine, Remark::Delete).is_ok());
    assert_eq!(asha.state.open(), 1, "the poll is a message");
}

#[test]
fn nothing_is_left_of_what_a_post_says_once_it_was_taken_back() {
    let mut asha = friends();
    asha.hear(&[(6, 1, text("first"))]);
    let me = crate::crypto::AccountKey([1; 32]).id();
    let post =
        Post { text: "secret".into(), reply: Some(id(6)), mentions: vec![me], silent: true, forwarded: 2 };
    asha.hear(&[(7, 2, Body::Post(post))]);
    asha.hear(&[(8, 3, Body::Delete { of: id(7) })]);
    for _ in 0..2 {
        let view = asha.shown(id(7));
        assert_eq!((view.reply, view.forwarded, view.silent, view.mentions), (None, 0, false, vec![]));
        asha.restart();
    }
}

#[test]
fn what_was_taken_back_is_not_unread_and_no_new_message_whatever_came_first() {
    let events = [(7, 1, text("hi")), (8, 2, Body::Delete { of: id(7) })];
    for order in [[0, 1], [1, 0]] {
        let mut asha = friends();
        asha.events.clear();
        order.iter().for_each(|at| asha.hear(&events[*at..=*at]));
        for _ in 0..2 {
            assert_eq!(asha.state.conversations(&asha.memory).unwrap()[0].unread, 0, "{order:?}");
            asha.restart();
        }
        let told = asha.events.iter().filter(|event| matches!(event, Event::Message(_))).count();
        assert_eq!(told, usize::from(order == [0, 1]), "{order:?}");
        assert!(asha.events.iter().any(|event| matches!(event, Event::MessageChanged { .. })));
    }
}

#[test]
fn nobody_leaps_so_far_ahead_that_all_others_stay_behind_for_ever() {
    let mut asha = friends();
    asha.hear(&[(7, 1, text("hi")), (8, 1 << 56, Body::Pin { of: id(7), pinned: true })]);
    asha.hear(&[(9, 2 + (1 << 32), text("too far"))]);
    assert!(!asha.shown(id(7)).pinned);
    assert_eq!(asha.page().len(), 1);
    asha.hear(&[(10, 1 + (1 << 32), text("far, but believed"))]);
    assert_eq!(asha.page().len(), 2);
}

fn bodies() -> impl Strategy<Value = Body> {
    let of = (0_u8..4).prop_map(id);
    prop_oneof![
        3 => "[a-z]{1,9}".prop_map(|words| text(&words)),
        1 => (of.clone(), "[a-z]{1,9}").prop_map(|(of, text)| Body::Edit { of, text }),
        1 => of.clone().prop_map(|of| Body::Delete { of }),
        1 => (of.clone(), "[ab]{0,1}").prop_map(|(to, emoji)| Body::React { to, emoji }),
        1 => (of.clone(), any::<bool>()).prop_map(|(of, pinned)| Body::Pin { of, pinned }),
        1 => (of.clone(), 0_u16..4).prop_map(|(poll, choices)| Body::Vote { poll, choices }),
        1 => of.prop_map(|poll| Body::Close { poll }),
        1 => Just(Body::Poll(poll())),
        1 => (30_u32..40).prop_map(|seconds| Body::Talk(Talk::Timer { seconds })),
        1 => ("[a-z]{1,9}", any::<bool>()).prop_map(|(words, once)| {
            let said = Said::Post(Post { text: words, ..Post::default() });
            Body::Talk(Talk::Fleeting(Fleeting { seconds: 30, once, said }))
        }),
    ]
}

fn poll() -> Poll {
    Poll { question: "q".into(), options: vec!["a".into(), "b".into()], multiple: false }
}

fn edits() -> impl Strategy<Value = Body> {
    prop_oneof![
        1 => "[a-z]{1,9}".prop_map(|words| text(&words)),
        30 => "[a-z]{1,9}".prop_map(|words| edit(0, &words)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Law: the same events in any order, in envelopes of any size, across restarts, give the same conversation.
    #[test]
    fn any_order_of_arrival_and_any_restart_gives_the_same_conversation(
        bodies in prop_oneof![
            4 => proptest::collection::vec((bodies(), 1_u64..9), 1..12),
            // More words for one text than are kept.
            1 => proptest::collection::vec((edits(), 1_u64..9), MAX_EDITS..2 * MAX_EDITS),
        ],
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..16),
        restart in any::<prop::sample::Index>(),
    ) {
        let event = |at: usize| (u8::try_from(at).unwrap(), bodies[at].1, bodies[at].0.clone());
        let all: Vec<_> = (0..bodies.len()).map(event).collect();
        let mut straight = friends();
        straight.hear(&all);
        let mut shuffled = friends();
        let mut sequence: Vec<usize> = order.iter().map(|index| index.index(all.len())).collect();
        sequence.extend((0..all.len()).rev());
        let restart = restart.index(sequence.len());
        for (step, at) in sequence.into_iter().enumerate() {
            shuffled.hear(&all[at..=at]);
            if step == restart {
                shuffled.restart();
            }
        }
        let timer = |rig: &Rig| rig.state.timer(account(THEM).into());
        prop_assert_eq!((straight.page(), timer(&straight)), (shuffled.page(), timer(&shuffled)));
        shuffled.restart();
        prop_assert_eq!((straight.page(), timer(&straight)), (shuffled.page(), timer(&shuffled)));
    }
}
