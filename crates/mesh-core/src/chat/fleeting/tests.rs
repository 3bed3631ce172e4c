use super::super::tests::{Rig, account};
use super::*;
use crate::border::Remark;
use crate::chat::Draft;
use crate::wire::message::Message;
use proptest::prelude::*;

const ROOM: usize = 1_000;

fn bo() -> ConversationId {
    account(2).into()
}

fn rig() -> Rig {
    let mut asha = Rig::new(1);
    asha.befriend_well(2);
    asha
}

fn pass(rig: &mut Rig, seconds: u64) {
    rig.now.mono = rig.now.mono + Duration::from_secs(seconds);
    rig.step(|s, now, m, out| s.tick(now, m, out)).unwrap();
}

fn submit(rig: &mut Rig, body: Body) -> Result<MessageId, Refusal> {
    let draft = Draft { to: bo(), body, id: None };
    rig.step(|s, now, m, out| s.submit(now, draft, ROOM, m, out))
}

fn text(text: &str) -> Body {
    Body::Text { text: text.into() }
}

fn timer(seconds: u32) -> Body {
    Body::Talk(Talk::Timer { seconds })
}

fn fleeting(seconds: u32, once: bool, text: &str) -> Body {
    let said = Said::Post(Post { text: text.into(), ..Post::default() });
    Body::Talk(Talk::Fleeting(Fleeting { seconds, once, said }))
}

fn message(n: u8, body: Body) -> Message {
    Message { id: MessageId([n; 16]), when: 0, lamport: n.into(), parents: Vec::new(), body }
}

fn receive(rig: &mut Rig, n: u8, body: Body) {
    rig.receive(2, &[message(n, body).to_bytes()], None);
}

fn is_on_disk(rig: &Rig, words: &str) -> bool {
    let mut found = false;
    for table in Table::ALL {
        rig.memory
            .scan(table, &mut |_, value| {
                found |= value.windows(words.len()).any(|window| window == words.as_bytes());
            })
            .unwrap();
    }
    found
}

fn words(rig: &Rig) -> Vec<String> {
    rig.texts(2).into_iter().filter(|text| !text.is_empty()).collect()
}

#[test]
fn what_is_written_under_a_timer_is_gone_at_its_author_after_its_time_over_a_restart() {
    let mut asha = rig();
    submit(&mut asha, text("stays")).unwrap();
    submit(&mut asha, timer(60)).unwrap();
    let id = submit(&mut asha, text("burns after reading")).unwrap();
    assert_eq!(words(&asha), ["stays", "burns after reading"]);
    let jobs = asha.jobs();
    let mut lifetimes: Vec<_> = jobs.iter().map(|job| job.lifetime).collect();
    lifetimes.sort_unstable();
    assert_eq!(lifetimes, [None, None, Some(Lifetime::Hour)], "carriers hold it for the next class up");
    pass(&mut asha, 59);
    asha.restart();
    pass(&mut asha, 0);
    assert_eq!(words(&asha).len(), 2);
    pass(&mut asha, 1);
    assert_eq!(words(&asha), ["stays"]);
    assert!(!is_on_disk(&asha, "burns after"));
    assert!(
        asha.events
            .iter()
            .any(|event| matches!(event, Event::MessageChanged { message, .. } if *message == id))
    );
    asha.restart();
    assert_eq!((words(&asha), asha.memory.count(Table::Talk)), (vec!["stays".to_owned()], 0));
}

#[test]
fn at_the_reader_the_time_runs_from_when_it_was_seen_and_ends_unseen_with_the_envelopes() {
    let mut asha = rig();
    receive(&mut asha, 1, fleeting(60, false, "seen"));
    receive(&mut asha, 2, fleeting(60, false, "unseen"));
    receive(&mut asha, 3, fleeting(86_400, false, "long"));
    pass(&mut asha, 3_000);
    assert_eq!(words(&asha).len(), 3);
    asha.step(|s, now, _, out| s.mark_read(now, bo(), Some(&[MessageId([1; 16])]), out));
    asha.restart();
    pass(&mut asha, 60);
    assert_eq!(words(&asha), ["unseen", "long"]);
    pass(&mut asha, 540);
    assert_eq!(words(&asha), ["long"], "an hour after it came");
    let listed = asha.state.conversations(&asha.memory).unwrap();
    assert_eq!(listed[0].unread, 1, "what is gone is not unread");
    pass(&mut asha, 3 * 86_400);
    assert!(words(&asha).is_empty() && !is_on_disk(&asha, "seen") && !is_on_disk(&asha, "long"));
}

#[test]
fn what_comes_again_after_its_end_is_not_shown_again() {
    let mut asha = rig();
    receive(&mut asha, 1, fleeting(30, false, "once upon"));
    pass(&mut asha, 3_600);
    receive(&mut asha, 1, fleeting(30, false, "once upon"));
    assert!(words(&asha).is_empty() && !is_on_disk(&asha, "once upon"));
}

#[test]
fn other_words_for_what_disappears_are_carried_as_briefly_and_go_with_it() {
    let mut asha = rig();
    submit(&mut asha, timer(60)).unwrap();
    let id = submit(&mut asha, text("first words")).unwrap();
    asha.jobs();
    asha.step(|s, now, m, out| s.remark(now, (id, None), Remark::Edit("second words".into()), ROOM, m, out))
        .unwrap();
    assert_eq!(asha.jobs().last().unwrap().lifetime, Some(Lifetime::Hour));
    assert_eq!(words(&asha), ["second words"]);
    pass(&mut asha, 60);
    assert!(!is_on_disk(&asha, "first words") && !is_on_disk(&asha, "second words"));
}

#[test]
fn what_can_be_opened_once_shows_its_words_once_and_leaves_nothing() {
    let mut asha = rig();
    receive(&mut asha, 1, fleeting(0, true, "the code is 7"));
    let id = MessageId([1; 16]);
    let view = asha.state.message(bo(), id, &asha.memory).unwrap().unwrap();
    assert_eq!((view.once, view.text.as_str()), (true, ""));
    let open = |rig: &mut Rig| rig.step(|s, now, m, out| s.open_once(now, id, None, m, out));
    assert_eq!(open(&mut asha).unwrap().text, "the code is 7");
    assert!(open(&mut asha).is_err());
    assert!(!is_on_disk(&asha, "the code") && asha.texts(2).is_empty());
    asha.restart();
    assert!(open(&mut asha).is_err());
    receive(&mut asha, 2, text("plain"));
    let plain = asha.step(|s, now, m, out| s.open_once(now, MessageId([2; 16]), None, m, out));
    assert!(matches!(plain, Err(Refusal::Message { .. })));
}

#[test]
fn an_author_does_not_open_and_what_was_taken_back_cannot_be_opened() {
    let mut asha = rig();
    let id = submit(&mut asha, fleeting(0, true, "mine")).unwrap();
    assert!(asha.step(|s, now, m, out| s.open_once(now, id, None, m, out)).is_err());
    receive(&mut asha, 1, fleeting(0, true, "theirs"));
    receive(&mut asha, 2, Body::Delete { of: MessageId([1; 16]) });
    assert!(asha.step(|s, now, m, out| s.open_once(now, MessageId([1; 16]), None, m, out)).is_err());
    assert!(!is_on_disk(&asha, "theirs"));
}

#[test]
fn a_timer_shows_as_a_line_that_nobody_has_to_read_and_counts_until_the_next() {
    let mut asha = rig();
    receive(&mut asha, 1, timer(3_600));
    let listed = asha.state.conversations(&asha.memory).unwrap();
    assert_eq!((listed[0].unread, listed[0].timer), (0, Some(Duration::from_secs(3_600))));
    assert_eq!(listed[0].last.as_ref().unwrap().timer_set, Some(Duration::from_secs(3_600)));
    asha.restart();
    assert_eq!(asha.state.timer(bo()), Some(3_600));
    submit(&mut asha, timer(0)).unwrap();
    assert_eq!(asha.state.timer(bo()), None);
    let id = MessageId([1; 16]);
    let edit = asha.step(|s, now, m, out| s.remark(now, (id, None), Remark::React("x".into()), ROOM, m, out));
    assert!(matches!(edit, Err(Refusal::Message { .. })));
}

#[test]
fn more_than_a_slice_that_ends_together_goes_with_several_ticks() {
    let mut asha = rig();
    for n in 0..u128::try_from(SLICE + 1).unwrap() {
        let body = fleeting(30, false, "x");
        let message =
            Message { id: MessageId(n.to_be_bytes()), when: 0, lamport: 1, parents: Vec::new(), body };
        asha.receive(2, &[message.to_bytes()], None);
    }
    pass(&mut asha, 3_600);
    assert_eq!(words(&asha).len(), 1);
    assert!(asha.state.next_wakeup().is_some_and(|due| due <= asha.now.mono), "the rest is due at once");
    pass(&mut asha, 0);
    assert!(words(&asha).is_empty());
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_timers_comes_to_the_same(
        events in proptest::collection::vec((0_u64..6, 30_u32..100), 1..12),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let stamp = |at: usize| (events[at].0, MessageId([u8::try_from(at).unwrap(); 16]));
        let (mut straight, mut shuffled) = (TimerSet::default(), TimerSet::default());
        (0..events.len()).for_each(|at| straight.add(stamp(at), events[at].1));
        for index in &order {
            let at = index.index(events.len());
            shuffled.add(stamp(at), events[at].1);
        }
        (0..events.len()).rev().for_each(|at| shuffled.add(stamp(at), events[at].1));
        prop_assert_eq!(straight, shuffled);
    }
}
