//! Forgetting long histories.

use super::events::{RECORDS, StoredText};
use super::forget::SLICE;
use super::tests::{Rig, account};
use super::*;
use crate::time::Wall;
use crate::{Output, StoreOp};

const COUNT: u64 = 200_000;

/// A person with a long history of two people, as storage holds it: account 2 wrote it all, half of it was seen.
fn long(count: u64) -> Rig {
    let mut asha = Rig::new(1);
    asha.befriend_well(2);
    asha.befriend_well(3);
    let text = |order: u64| {
        let id = MessageId(u128::from(order).to_be_bytes());
        let stored = StoredText {
            own: false,
            when: 0,
            arrived: Wall(0),
            order,
            lamport: order + 1,
            hops_left: 9,
            parents: Vec::new(),
            text: format!("{order}").into(),
        };
        let mark = order
            .is_multiple_of(2)
            .then(|| StoreOp::put(Table::Event, event_key(READ_MARK, account(2).into(), id), []));
        let text = StoreOp::put(Table::Event, event_key(TEXT, account(2).into(), id), codec::encode(&stored));
        [Some(text), mark].into_iter().flatten()
    };
    asha.memory.apply((0..count).flat_map(text));
    asha.restart();
    asha.receive_text(3, "I stay");
    asha
}

/// What one input stored.
fn operations(asha: &mut Rig, action: impl FnOnce(&mut State, &mut Outbox)) -> usize {
    let mut out = Outbox::default();
    action(&mut asha.state, &mut out);
    let outputs: Vec<Output> = core::iter::from_fn(|| out.pop()).collect();
    let writes = outputs.into_iter().filter_map(|o| if let Output::Store(op) = o { Some(op) } else { None });
    let writes: Vec<StoreOp> = writes.collect();
    let count = writes.len();
    asha.memory.apply(writes);
    count
}

fn is_unseen(asha: &Rig) -> bool {
    asha.texts(2).is_empty() && asha.state.conversations(&asha.memory).unwrap().len() == 1
}

#[test]
fn a_long_history_is_unseen_at_once_and_deleted_in_slices_that_go_on_after_a_crash() {
    let mut asha = long(COUNT);
    let (now, read) = (asha.now, asha.memory.clone());
    assert_eq!(asha.memory.count(Table::Event) as u64, COUNT + COUNT / 2 + 1);
    let most = operations(&mut asha, |s, out| s.forget(account(2), out));
    assert!(most <= RECORDS.len() * SLICE + 100, "{most} operations in one input");
    let mut left = asha.memory.count(Table::Event);
    let mut inputs: u64 = 0;
    while asha.state.next_wakeup().is_some_and(|due| due == Time(0)) {
        assert!(is_unseen(&asha), "nothing of it is listed or read");
        inputs += 1;
        if inputs.is_multiple_of(50) {
            asha.restart();
        }
        let done = operations(&mut asha, |s, out| s.tick(now, &read, out).unwrap());
        assert!(done <= RECORDS.len() * SLICE + 1, "{done} operations in one input");
        let now = asha.memory.count(Table::Event);
        assert!(now < left, "every slice gets somewhere");
        left = now;
    }
    assert_eq!(inputs, COUNT.div_ceil(SLICE as u64) - 1);
    assert_eq!((asha.texts(3), asha.memory.count(Table::Event)), (vec!["I stay".to_owned()], 1));
    asha.restart();
    assert_eq!(asha.state.next_wakeup(), None, "nothing is left to forget");
    assert!(is_unseen(&asha));
}

#[test]
fn who_comes_again_while_being_forgotten_begins_anew() {
    let mut asha = long(3 * SLICE as u64);
    let (now, read) = (asha.now, asha.memory.clone());
    operations(&mut asha, |s, out| s.forget(account(2), out));
    let note = asha.memory.load(Table::Meta, &[&b"forget"[..], &[2; 20]].concat()).unwrap();
    assert_eq!(note.as_deref(), Some(&[251, 0x09, 0x07][..]), "1,801 texts had come");
    asha.befriend_well(2);
    asha.receive_text(2, "hello again");
    // The last of the old history comes once more: its author never got a receipt.
    let old = MessageId(u128::from(3 * SLICE as u64 - 2).to_be_bytes());
    asha.receive_text_named(2, old, "sent again");
    for restarts in 0..2 {
        let mut texts = asha.texts(2);
        texts.sort_unstable();
        assert_eq!(texts, ["hello again", "sent again"], "{restarts}");
        let unread = asha.state.conversations(&asha.memory).unwrap();
        assert!(unread.iter().any(|c| c.conversation == account(2).into() && c.unread == 2), "{restarts}");
        asha.restart();
    }
    while asha.state.next_wakeup().is_some_and(|due| due == Time(0)) {
        operations(&mut asha, |s, out| s.tick(now, &read, out).unwrap());
    }
    asha.restart();
    assert_eq!((asha.texts(2).len(), asha.memory.count(Table::Event)), (2, 3));
}

#[test]
fn what_comes_again_as_another_kind_of_record_leaves_nothing_of_the_old_one() {
    let mut asha = long(2 * SLICE as u64);
    operations(&mut asha, |s, out| s.forget(account(2), out));
    asha.befriend_well(2);
    let old = MessageId(u128::from(2 * SLICE as u64 - 2).to_be_bytes());
    let body = Body::Post(crate::wire::message::Post { text: "as a post".into(), ..Default::default() });
    let post = Message { id: old, when: 0, lamport: 1, parents: Vec::new(), body };
    asha.receive(2, &[post.to_bytes()], None);
    asha.restart();
    assert_eq!(asha.texts(2), ["as a post"]);
    assert_eq!(asha.memory.load(Table::Event, &event_key(TEXT, account(2).into(), old)), Ok(None));
}
