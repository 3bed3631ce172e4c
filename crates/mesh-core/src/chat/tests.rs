use super::contacts::MAX_HELD;
use super::*;
use crate::store::Memory;
use crate::time::Wall;
use crate::view::{Cursor, MAX_PAGE, MessageState, Page};
use crate::wire::message::{Gap, MAX_TEXT, Place};
use crate::{Output, StoreOp};

const ROOM: usize = 1_000;

/// One person's chat over a store that is written between inputs.
pub(super) struct Rig {
    pub(super) memory: Memory,
    pub(super) state: State,
    pub(super) events: Vec<Event>,
    pub(super) now: Now,
}

pub(super) fn account(n: u8) -> AccountId {
    AccountId([n; 20])
}

fn text_to(to: u8, text: &str, id: Option<MessageId>) -> Draft {
    Draft { to: account(to).into(), body: Body::Text { text: text.into() }, id }
}

impl Rig {
    pub(super) fn new(n: u8) -> Self {
        let (memory, mut out) = (Memory::default(), Outbox::default());
        let state = State::create(AccountKey([n; 32]), "Asha", Rng::new([n; 32]), &mut out);
        let now = Now { mono: Time(1_000), wall: Wall(1_800_000_000) };
        let mut rig = Self { memory, state, events: vec![], now };
        rig.drain(out);
        rig
    }

    fn drain(&mut self, mut out: Outbox) {
        let mut batch: Vec<StoreOp> = vec![];
        while let Some(output) = out.pop() {
            match output {
                Output::Store(op) => batch.push(op),
                Output::Notify(_, event) => self.events.push(event),
                _ => {}
            }
        }
        self.memory.apply(batch);
        self.state.settle();
    }

    pub(super) fn step<T>(&mut self, action: impl FnOnce(&mut State, Now, &Memory, &mut Outbox) -> T) -> T {
        let mut out = Outbox::default();
        let result = action(&mut self.state, self.now, &self.memory.clone(), &mut out);
        self.drain(out);
        result
    }

    pub(super) fn befriend(&mut self, n: u8) {
        self.step(|s, now, _, out| s.add(now, account(n), AccountKey([n; 32]), None, out)).unwrap();
        self.jobs();
    }

    /// Befriends, and the own profile arrived there.
    pub(super) fn befriend_well(&mut self, n: u8) {
        self.step(|s, now, _, out| s.add(now, account(n), AccountKey([n; 32]), None, out)).unwrap();
        for part in self.jobs().into_iter().filter_map(|job| job.part) {
            self.step(|s, now, _, out| s.acked(now, commit(part), out));
        }
    }

    fn send(&mut self, to: u8, text: &str) -> MessageId {
        self.step(|s, now, m, out| s.submit(now, text_to(to, text, None), ROOM, m, out)).unwrap()
    }

    /// Takes every due job and pretends to seal it.
    pub(super) fn jobs(&mut self) -> Vec<Job> {
        let mut jobs = vec![];
        self.step(|s, now, memory, out| {
            while let Some(job) = s.next_job(now, memory, out).unwrap() {
                if let Some(part) = job.part {
                    s.sealed(part, sealing(now, part), out);
                }
                jobs.push(job);
            }
        });
        jobs
    }

    pub(super) fn receive(&mut self, from: u8, contents: &[Vec<u8>], ack: Option<Ack>) -> Option<Ack> {
        let envelope = EnvelopeId([9; 32]);
        let (account, conversation) = (account(from), account(from).into());
        let incoming = Incoming { account, conversation, envelope, contents, ack, hops_left: 9 };
        self.step(|s, now, memory, out| s.receive(now, incoming, memory, out)).unwrap()
    }

    pub(super) fn receive_text(&mut self, from: u8, text: &str) {
        let id = MessageId(self.state.rng.bytes());
        self.receive_text_named(from, id, text);
    }

    pub(super) fn receive_text_named(&mut self, from: u8, id: MessageId, text: &str) {
        let body = Body::Text { text: text.to_owned() };
        let message = Message { id, when: 0, lamport: 1, parents: Vec::new(), body };
        self.receive(from, &[message.to_bytes()], None);
    }

    pub(super) fn texts(&self, with: u8) -> Vec<String> {
        let views = self.state.page(Some(account(with).into()), &Page::default(), &self.memory).unwrap();
        views.into_iter().map(|v| v.text).collect()
    }

    pub(super) fn restart(&mut self) {
        self.state = State::restore(AccountKey([1; 32]), Rng::new([77; 32]), &self.memory).unwrap();
    }
}

fn commit(part: PartKey) -> AckCommit {
    let mut commit = part.message.0;
    commit[15] ^= u8::try_from(part.index).unwrap();
    AckCommit(commit)
}

fn sealing(now: Now, part: PartKey) -> Sealing {
    let mut envelope = [0; 32];
    envelope[..16].copy_from_slice(&commit(part).0);
    let expires = now.mono + Duration::from_secs(14 * 86_400);
    let place = Some(Place { session: [6; 8], index: u32::from(part.message.0[0]) });
    Sealing { envelope: EnvelopeId(envelope), commit: commit(part), expires, hops: 13, carriers: 0, place }
}

#[test]
fn a_stranger_is_a_request_and_learns_nothing_until_accepted() {
    let (mut asha, mut bela) = (Rig::new(1), Rig::new(2));
    bela.befriend(1);
    bela.send(1, "hello");
    let contents: Vec<_> = bela.jobs().into_iter().map(|j| j.bytes).collect();
    asha.step(|s, _, _, out| s.met(account(2), AccountKey([2; 32]), out));
    assert_eq!(asha.receive(2, &contents, Some(Ack([5; 16]))), None);
    assert_eq!(asha.texts(2), ["hello"]);
    let held = asha.step(|s, now, _, out| s.accept(now, account(2), out)).unwrap();
    assert_eq!(held, [(EnvelopeId([9; 32]), Ack([5; 16]))]);
}

#[test]
fn a_blocked_person_is_dropped_without_an_answer() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    asha.step(|s, _, _, out| s.block(account(2), out)).unwrap();
    let mut bela = Rig::new(2);
    bela.befriend(1);
    bela.send(1, "hello");
    let contents: Vec<_> = bela.jobs().into_iter().map(|j| j.bytes).collect();
    assert_eq!(asha.receive(2, &contents, Some(Ack([5; 16]))), None);
    assert!(asha.texts(2).is_empty());
}

#[test]
fn a_text_that_arrives_twice_is_shown_once_and_acknowledged_again() {
    let (mut asha, mut bela) = (Rig::new(1), Rig::new(2));
    asha.befriend(2);
    bela.befriend(1);
    bela.send(1, "hello");
    let contents: Vec<_> = bela.jobs().into_iter().map(|j| j.bytes).collect();
    assert_eq!(asha.receive(2, &contents, Some(Ack([5; 16]))), Some(Ack([5; 16])));
    asha.restart();
    assert_eq!(asha.receive(2, &contents, Some(Ack([6; 16]))), Some(Ack([6; 16])));
    assert_eq!(asha.texts(2), ["hello"]);
}

#[test]
fn a_long_text_is_cut_and_delivered_only_when_every_part_is_receipted() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = asha.send(2, &"x".repeat(2_500));
    let jobs = asha.jobs();
    assert_eq!(jobs.len(), 3);
    for (index, job) in jobs.iter().enumerate() {
        assert!(job.bytes.len() <= ROOM);
        let state = asha.state.info(asha.now, id, &asha.memory).unwrap().unwrap().state;
        assert_eq!(state, MessageState::Waiting, "before part {index}");
        let commit = commit(job.part.unwrap());
        asha.step(|s, now, _, out| s.acked(now, commit, out));
    }
    assert_eq!(asha.state.info(asha.now, id, &asha.memory).unwrap().unwrap().state, MessageState::Delivered);
}

#[test]
fn states_rise_and_never_fall() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = asha.send(2, "hello");
    let part = asha.jobs()[0].part.unwrap();
    let envelope = sealing(asha.now, part).envelope;
    asha.step(|s, now, _, out| s.kept(now, envelope, LinkId(4), out));
    asha.step(|s, now, _, out| s.kept(now, envelope, LinkId(4), out));
    let info = asha.state.info(asha.now, id, &asha.memory).unwrap().unwrap();
    assert_eq!((info.state, info.carriers), (MessageState::HandedOn, 1), "a link counts once");
    let read = Message {
        id: MessageId([3; 16]),
        when: 0,
        lamport: 0,
        parents: vec![],
        body: Body::Read { seen: vec![Seen { id, hops_left: 10 }] },
    };
    asha.receive(2, &[read.to_bytes()], None);
    asha.step(|s, now, _, out| s.acked(now, commit(part), out));
    let info = asha.state.info(asha.now, id, &asha.memory).unwrap().unwrap();
    assert_eq!((info.state, info.hops), (MessageState::Read, Some(3)));
}

#[test]
fn only_the_recipient_can_say_that_it_read() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    asha.befriend(3);
    let id = asha.send(2, "hello");
    let body = Body::Read { seen: vec![Seen { id, hops_left: 10 }] };
    let read = Message { id: MessageId([3; 16]), when: 0, lamport: 0, parents: vec![], body };
    asha.receive(3, &[read.to_bytes()], None);
    assert_eq!(asha.state.info(asha.now, id, &asha.memory).unwrap().unwrap().state, MessageState::Waiting);
}

#[test]
fn what_is_unsealed_or_expired_is_sealed_again_after_a_restart() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = asha.send(2, "hello");
    asha.restart();
    let first = asha.jobs();
    assert_eq!(first.len(), 1);
    assert!(asha.jobs().is_empty());
    asha.now.mono = asha.now.mono + Duration::from_secs(15 * 86_400);
    asha.restart();
    let again = asha.jobs();
    assert!(again.iter().any(|job| job.bytes == first[0].bytes), "the same message, sealed again");
    assert_eq!(asha.state.info(asha.now, id, &asha.memory).unwrap().unwrap().state, MessageState::Waiting);
}

#[test]
fn custody_ends_after_ninety_days_and_says_so() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = asha.send(2, "hello");
    asha.jobs();
    asha.now.mono = asha.now.mono + CUSTODY;
    assert!(asha.jobs().is_empty());
    assert_eq!(asha.state.info(asha.now, id, &asha.memory).unwrap().unwrap().state, MessageState::Expired);
    assert_eq!(asha.state.open(), 0);
}

#[test]
fn reading_is_told_once_and_only_to_contacts() {
    let (mut asha, mut bela) = (Rig::new(1), Rig::new(2));
    asha.befriend(2);
    bela.befriend(1);
    bela.send(1, "hello");
    let contents: Vec<_> = bela.jobs().into_iter().map(|j| j.bytes).collect();
    asha.receive(2, &contents, Some(Ack([5; 16])));
    asha.step(|s, now, _, out| s.mark_read(now, account(2).into(), None, out));
    assert_eq!(asha.jobs().len(), 1);
    asha.restart();
    asha.step(|s, now, _, out| s.mark_read(now, account(2).into(), None, out));
    assert!(asha.jobs().is_empty());
}

#[test]
fn the_same_command_twice_sends_once() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = Some(MessageId([8; 16]));
    for _ in 0..2 {
        let sent = asha.step(|s, now, m, out| s.submit(now, text_to(2, "hi", id), ROOM, m, out));
        assert_eq!(sent.ok(), id);
    }
    assert_eq!(asha.jobs().len(), 1);
}

#[test]
fn a_text_beyond_the_most_in_custody_is_refused() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    for _ in 0..MAX_OPEN {
        asha.send(2, "still on its way");
    }
    let one_more = asha.step(|s, now, m, out| s.submit(now, text_to(2, "no", None), ROOM, m, out));
    assert_eq!(one_more, Err(Refusal::Full { what: "unsent messages", limit: MAX_OPEN }));
}

#[test]
fn a_request_holds_back_a_bounded_number_of_receipts() {
    let mut asha = Rig::new(1);
    asha.step(|s, _, _, out| s.met(account(2), AccountKey([2; 32]), out));
    for n in 0..=u16::try_from(MAX_HELD).unwrap() {
        let [low, high] = n.to_le_bytes();
        let ack = [&[low, high][..], &[7; 14]].concat().try_into().unwrap();
        assert_eq!(asha.receive(2, &[], Some(Ack(ack))), None);
    }
    let held = asha.step(|s, now, _, out| s.accept(now, account(2), out)).unwrap();
    assert_eq!(held.len(), MAX_HELD);
}

#[test]
fn a_request_beyond_the_limit_evicts_the_oldest() {
    let mut asha = Rig::new(1);
    let mut evicted = vec![];
    for n in 0..=u8::try_from(MAX_REQUESTS).unwrap() {
        evicted.extend(asha.step(|s, _, _, out| s.met(account(n + 10), AccountKey([n; 32]), out)));
    }
    assert_eq!(evicted, [account(10)]);
}

#[test]
fn texts_of_bad_length_or_to_strangers_are_refused() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let mut submit =
        |to, text: &str| asha.step(|s, now, m, out| s.submit(now, text_to(to, text, None), ROOM, m, out));
    assert!(matches!(submit(2, ""), Err(Refusal::Length { got: 0, .. })));
    assert!(matches!(submit(2, &"x".repeat(MAX_TEXT + 1)), Err(Refusal::Length { .. })));
    assert!(matches!(submit(3, "hi"), Err(Refusal::UnknownContact { .. })));
}

#[test]
fn an_absurd_clock_of_the_author_is_shown_within_reason() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let body = Body::Text { text: "from 1970".into() };
    let message = Message { id: MessageId([3; 16]), when: 0, lamport: 1, parents: vec![], body };
    asha.receive(2, &[message.to_bytes()], None);
    let view = &asha.state.page(Some(account(2).into()), &Page::default(), &asha.memory).unwrap()[0];
    assert_eq!(view.sent_at, Wall(1_800_000_000 - 14 * 86_400));
}

/// A person who wrote 1 to `count` to two others in turn.
fn writer(count: usize) -> Rig {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    asha.befriend(3);
    for n in 1..=count {
        asha.now.wall.0 += 60;
        asha.send(if n % 2 == 0 { 2 } else { 3 }, &n.to_string());
    }
    asha
}

type Name = (ConversationId, MessageId);

fn page(rig: &Rig, with: Option<u8>, from: Cursor, limit: usize) -> Vec<(Name, String)> {
    let page = Page { from, limit, ..Page::default() };
    let views = rig.state.page(with.map(|n| account(n).into()), &page, &rig.memory).unwrap();
    views.into_iter().map(|view| ((view.conversation, view.id), view.text)).collect()
}

#[test]
fn pages_forward_and_backward_give_every_text_once_and_in_order() {
    let mut asha = writer(23);
    for _ in 0..2 {
        for (with, expected) in [(None, 1..=23), (Some(2), 1..=11)] {
            let expected: Vec<String> =
                expected.map(|n| (if with.is_some() { 2 * n } else { n }).to_string()).collect();
            let (mut forward, mut from) = (Vec::new(), Cursor::Oldest);
            while let views @ [.., _] = &page(&asha, with, from, 4)[..] {
                forward.extend(views.iter().map(|(_, text)| text.clone()));
                let (with, last) = views[views.len() - 1].0;
                from = Cursor::After(with, last);
            }
            assert_eq!(forward, expected);
            let (mut backward, mut from) = (Vec::new(), Cursor::Newest);
            while let views @ [_, ..] = &page(&asha, with, from, 4)[..] {
                backward.splice(0..0, views.iter().map(|(_, text)| text.clone()));
                from = Cursor::Before(views[0].0.0, views[0].0.1);
            }
            assert_eq!(backward, expected);
        }
        asha.restart();
    }
}

#[test]
fn pages_come_to_an_end_where_several_conversations_have_messages_of_the_same_ids() {
    let mut asha = Rig::new(1);
    for n in [2, 3] {
        asha.befriend(n);
        (1..=9).for_each(|id| asha.receive_text_named(n, MessageId([id; 16]), &format!("{n}.{id}")));
    }
    let (mut all, mut from) = (Vec::new(), Cursor::Oldest);
    while let views @ [.., last] = &page(&asha, None, from, 4)[..] {
        all.extend(views.iter().map(|(_, text)| text.clone()));
        assert!(all.len() <= 18, "in circles");
        from = Cursor::After(last.0.0, last.0.1);
    }
    let said = |n: u8| (1..=9).map(move |id| format!("{n}.{id}"));
    assert_eq!(all, said(2).chain(said(3)).collect::<Vec<_>>());
    let elsewhere = Cursor::After(account(3).into(), MessageId([4; 16]));
    assert!(page(&asha, Some(2), elsewhere, 4).is_empty(), "no place of this conversation");
}

#[test]
fn one_input_may_bring_messages_of_the_same_id_from_several_people() {
    let mut asha = Rig::new(1);
    (2..=3).for_each(|n| asha.befriend(n));
    asha.events.clear();
    asha.step(|s, now, memory, out| {
        for n in [2, 3] {
            let body = Body::Text { text: format!("of {n}") };
            let id = MessageId([7; 16]);
            let contents = &[Message { id, when: 0, lamport: 1, parents: vec![], body }.to_bytes()];
            let (account, conversation) = (account(n), account(n).into());
            let envelope = EnvelopeId([n; 32]);
            let incoming = Incoming { account, conversation, envelope, contents, ack: None, hops_left: 9 };
            s.receive(now, incoming, memory, out).unwrap();
        }
    });
    let told = |event: &Event| if let Event::Message(view) = event { Some(view.text.clone()) } else { None };
    assert_eq!(asha.events.iter().filter_map(told).collect::<Vec<_>>(), ["of 2", "of 3"]);
}

#[test]
fn an_id_that_stands_elsewhere_is_refused_for_a_new_message() {
    let mut asha = Rig::new(1);
    (2..=3).for_each(|n| asha.befriend(n));
    let id = asha.send(2, "hello");
    let mut submit =
        |to, id| asha.step(|s, now, m, out| s.submit(now, text_to(to, "again", Some(id)), ROOM, m, out));
    assert_eq!(submit(2, id), Ok(id), "it is said already");
    assert!(matches!(submit(3, id), Err(Refusal::Message { .. })));
    asha.receive_text_named(3, MessageId([8; 16]), "theirs");
    let theirs =
        asha.step(|s, now, m, out| s.submit(now, text_to(3, "mine", Some(MessageId([8; 16]))), ROOM, m, out));
    assert!(matches!(theirs, Err(Refusal::Message { .. })));
}

#[test]
fn a_page_never_has_more_than_the_most_whatever_is_asked_for() {
    let asha = writer(MAX_PAGE + 1);
    assert_eq!(page(&asha, None, Cursor::Oldest, usize::MAX).len(), MAX_PAGE);
    assert_eq!(page(&asha, None, Cursor::Newest, 0).len(), 1);
}

#[test]
fn a_page_begins_at_the_time_that_is_asked_for() {
    let asha = writer(10);
    let since = Wall(asha.now.wall.0 - 120);
    let views = asha.state.page(None, &Page { since, ..Page::default() }, &asha.memory).unwrap();
    assert_eq!(views.iter().map(|view| view.text.as_str()).collect::<Vec<_>>(), ["8", "9", "10"]);
}

#[test]
fn nothing_stands_before_or_after_a_message_that_is_not_there() {
    let asha = writer(4);
    let with = account(2).into();
    for from in [Cursor::After(with, MessageId([0; 16])), Cursor::Before(with, MessageId([255; 16]))] {
        assert!(page(&asha, None, from, 4).is_empty() && page(&asha, Some(2), from, 4).is_empty());
    }
    assert!(page(&asha, Some(9), Cursor::Oldest, 4).is_empty());
}

#[test]
fn conversations_come_latest_first_with_their_last_text() {
    let asha = writer(5);
    let seen = asha.state.conversations(&asha.memory).unwrap();
    let seen: Vec<_> = seen.into_iter().map(|c| (c.conversation, c.unread, c.last.unwrap().text)).collect();
    assert_eq!(seen, [(account(3).into(), 0, "5".to_owned()), (account(2).into(), 0, "4".to_owned())]);
}

#[test]
fn an_own_text_is_found_by_the_beginning_of_its_name() {
    let mut asha = writer(3);
    let id = asha.send(2, "this");
    for len in [8, 32] {
        assert_eq!(asha.state.own_named(&id.to_text()[..len].to_uppercase(), 2), [id]);
    }
    assert!(asha.state.own_named("zz", 2).is_empty());
    assert_eq!(asha.state.own_named("", 9).len(), 4, "profiles are no texts");
}

/// Asha wrote three texts to 2; the places of their sealings, in order, and their envelopes.
fn three_sealed(asha: &mut Rig) -> Vec<(u32, EnvelopeId)> {
    asha.befriend_well(2);
    let mut sealed = Vec::new();
    for n in [10, 11, 40] {
        let id = MessageId([n; 16]);
        asha.step(|s, now, m, out| s.submit(now, text_to(2, "hi", Some(id)), ROOM, m, out)).unwrap();
        let part = PartKey { message: id, index: 0 };
        sealed.push((u32::from(n), sealing(asha.now, part).envelope));
    }
    asha.jobs();
    sealed
}

fn missing(gaps: &[(u32, u32)]) -> Vec<Vec<u8>> {
    let gaps = gaps.iter().map(|(first, count)| Gap { first: *first, count: *count }).collect();
    let body = Body::Missing { session: [6; 8], gaps };
    vec![Message { id: MessageId([99; 16]), when: 0, lamport: 0, parents: vec![], body }.to_bytes()]
}

#[test]
fn what_a_reader_lacks_is_named_by_its_places_alone() {
    let mut asha = Rig::new(1);
    let sealed = three_sealed(&mut asha);
    asha.receive(2, &missing(&[(9, 2), (12, u32::MAX - 12)]), None);
    assert_eq!(asha.state.take_lacked(), [sealed[0].1, sealed[2].1]);
    assert!(asha.state.take_lacked().is_empty(), "once");
    asha.restart();
    asha.receive(2, &missing(&[(11, 1)]), None);
    assert_eq!(asha.state.take_lacked(), [sealed[1].1]);
}

#[test]
fn only_the_person_that_a_message_is_for_can_lack_it_and_only_until_it_is_delivered() {
    let mut asha = Rig::new(1);
    three_sealed(&mut asha);
    asha.befriend_well(3);
    asha.receive(3, &missing(&[(0, 1_000)]), None);
    assert!(asha.state.take_lacked().is_empty());
    for n in [10, 11, 40] {
        let part = PartKey { message: MessageId([n; 16]), index: 0 };
        asha.step(|s, now, _, out| s.acked(now, commit(part), out));
    }
    asha.receive(2, &missing(&[(0, 1_000)]), None);
    assert!(asha.state.take_lacked().is_empty());
}

#[test]
fn a_reader_is_asked_nothing_by_who_must_not_be_known() {
    let mut asha = Rig::new(1);
    asha.step(|s, _, _, out| s.met(account(2), AccountKey([2; 32]), out));
    asha.state.ask(asha.now, account(2), [6; 8], vec![Gap { first: 1, count: 1 }]);
    assert!(asha.jobs().is_empty());
    asha.step(|s, now, _, out| s.accept(now, account(2), out)).unwrap();
    asha.state.ask(asha.now, account(2), [6; 8], vec![Gap { first: 1, count: 1 }]);
    assert!(asha.jobs().iter().any(|job| job.part.is_none()));
}

#[test]
fn a_long_list_is_sealed_again_little_by_little() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    for n in 0..250 {
        asha.send(2, &n.to_string());
    }
    let parts: Vec<PartKey> = asha.jobs().into_iter().filter_map(|job| job.part).collect();
    let envelopes: Vec<EnvelopeId> = parts.iter().map(|part| sealing(asha.now, *part).envelope).collect();
    asha.state.resend(asha.now, &envelopes);
    let mut counts = vec![];
    for _ in 0..3 {
        counts.push(asha.jobs().len());
        asha.now.mono = asha.now.mono + Duration::from_secs(1);
    }
    assert_eq!(counts, [100, 100, 50]);
}

#[test]
fn people_beyond_the_most_are_refused_and_known_ones_are_not() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    asha.state.contacts.fill(u16::try_from(MAX_CONTACTS - 1).unwrap());
    assert_eq!(asha.state.contacts().len(), MAX_CONTACTS);
    let add = |asha: &mut Rig, n: u8| {
        asha.step(|s, now, _, out| s.add(now, account(n), AccountKey([n; 32]), None, out).map(|_| ()))
    };
    assert_eq!(add(&mut asha, 3), Err(Refusal::Full { what: "contacts", limit: MAX_CONTACTS }));
    assert_eq!(add(&mut asha, 2), Ok(()));
    let text = missing(&[(1, 1)]);
    assert_eq!(asha.receive(2, &text, Some(Ack([5; 16]))), Some(Ack([5; 16])));
}

#[test]
fn where_everybody_is_a_contact_a_stranger_is_not_taken_in_and_else_the_oldest_request_goes() {
    let mut asha = Rig::new(1);
    asha.state.contacts.fill(u16::try_from(MAX_CONTACTS).unwrap());
    let meet = |asha: &mut Rig, n: u8| asha.step(|s, _, _, out| s.met(account(n), AccountKey([n; 32]), out));
    assert_eq!(meet(&mut asha, 2), Some(account(2)));
    let mut bela = Rig::new(1);
    bela.state.contacts.fill(u16::try_from(MAX_CONTACTS - 1).unwrap());
    assert_eq!((meet(&mut bela, 2), meet(&mut bela, 3)), (None, Some(account(2))));
}

#[test]
fn a_strangers_texts_beyond_the_most_are_neither_kept_nor_receipted_and_come_after_acceptance() {
    let (mut asha, mut bela) = (Rig::new(1), Rig::new(2));
    bela.befriend_well(1);
    asha.step(|s, _, _, out| s.met(account(2), AccountKey([2; 32]), out));
    for n in 0..=MAX_HELD {
        bela.send(1, &n.to_string());
    }
    let texts: Vec<_> = bela.jobs().into_iter().map(|job| job.bytes).collect();
    // Several to an envelope: receipts alone do not bound them.
    for contents in texts.chunks(8) {
        asha.receive(2, contents, Some(Ack([5; 16])));
    }
    assert_eq!(asha.texts(2).len(), MAX_HELD);
    let held = asha.step(|s, now, _, out| s.accept(now, account(2), out)).unwrap();
    assert_eq!(held.len(), MAX_HELD / 8, "nothing that was dropped is receipted");
    asha.receive(2, &texts[MAX_HELD..], None);
    assert_eq!(asha.texts(2).len(), MAX_HELD + 1);
}

#[test]
fn one_person_is_shown_as_in_the_list_of_all() {
    let mut asha = Rig::new(1);
    (2..=4).for_each(|n| asha.befriend(n));
    asha.step(|s, _, _, out| s.rename(account(2), "Petname", out)).unwrap();
    for n in [2, 3] {
        asha.step(|s, _, _, out| s.contacts.profile(account(n), "Chen", "", [0; 32], out));
    }
    let all = asha.state.contacts();
    assert!(all.iter().all(|view| asha.state.shown(view.account).as_deref() == Some(view.shown())));
    let shown: BTreeSet<&str> = all.iter().map(|view| view.shown()).collect();
    assert!(shown.is_superset(&BTreeSet::from(["Petname", "Chen", &crate::crypto::safety::tag(account(4))])));
    assert_eq!(asha.state.shown(account(9)), None);
}

#[test]
fn contacts_whose_names_can_be_taken_for_one_another_are_marked_and_others_are_not() {
    let mut asha = Rig::new(1);
    for (n, name) in [(2, "Bela"), (3, "bela"), (4, "Cora"), (5, "Вela")] {
        asha.befriend(n);
        asha.step(|s, _, _, out| s.rename(account(n), name, out)).unwrap();
    }
    let marked: Vec<_> = asha.state.contacts().into_iter().filter(|c| c.confusable).collect();
    let mut marked: Vec<u8> = marked.iter().map(|c| c.account.0[0]).collect();
    marked.sort_unstable();
    assert_eq!(marked, [2, 3, 5]);
}

fn told(id: MessageId, is_read: bool) -> Vec<u8> {
    let seen = vec![Seen { id, hops_left: 10 }];
    let body = if is_read { Body::Read { seen } } else { Body::Delivered { seen } };
    Message { id: MessageId([3; 16]), when: 0, lamport: 0, parents: vec![], body }.to_bytes()
}

fn shown(rig: &Rig, id: MessageId) -> MessageState {
    let info = rig.state.info(rig.now, id, &rig.memory).unwrap().unwrap();
    let views = rig.state.page(Some(account(2).into()), &Page::default(), &rig.memory).unwrap();
    let view = views.into_iter().find(|view| view.id == id).unwrap();
    assert_eq!((view.state, info.recipients[0].state), (info.state, info.state));
    info.state
}

#[test]
fn what_is_over_stands_with_the_history_and_nothing_of_it_where_messages_wait() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let ids: Vec<_> = (0..500).map(|n| asha.send(2, &format!("text {n}"))).collect();
    for job in asha.jobs() {
        asha.step(|s, now, _, out| s.acked(now, commit(job.part.unwrap()), out));
    }
    // The profile that went with the first contact is over too.
    let profiles: Vec<_> = asha.state.outgoing.under_way(asha.now).collect();
    for envelope in profiles {
        let commit = AckCommit(envelope.0[..16].try_into().unwrap());
        asha.step(|s, now, _, out| s.acked(now, commit, out));
    }
    for restarts in 0..2 {
        assert_eq!((asha.memory.count(Table::Outbox), asha.state.outgoing.count()), (0, 0), "{restarts}");
        assert!(ids.iter().all(|id| shown(&asha, *id) == MessageState::Delivered));
        asha.restart();
    }
    asha.receive(2, &[told(ids[7], true)], None);
    let info = asha.state.info(asha.now, ids[7], &asha.memory).unwrap().unwrap();
    assert_eq!((info.state, info.hops), (MessageState::Read, Some(3)));
    asha.receive(2, &[told(ids[7], false)], None);
    asha.restart();
    assert_eq!(shown(&asha, ids[7]), MessageState::Read, "states never fall");
    let beginning = ids[8].to_text();
    assert_eq!(asha.state.own_named(&beginning[..12], 2), [ids[8]]);
    let again = asha.step(|s, now, m, out| s.submit(now, text_to(2, "x", Some(ids[9])), ROOM, m, out));
    assert_eq!((again, asha.jobs().len()), (Ok(ids[9]), 0), "nothing is sent twice");
    asha.step(|s, _, _, out| s.forget(account(2), out));
    assert_eq!(asha.memory.count(Table::Event), 0);
}

#[test]
fn a_receipt_after_the_end_of_custody_still_tells_the_truth() {
    for (days, sealed) in [(5, false), (5, true), (15, true)] {
        let mut asha = Rig::new(1);
        asha.befriend(2);
        let id = asha.send(2, "hello");
        let part = asha.jobs()[0].part.unwrap();
        asha.now.mono = asha.now.mono + CUSTODY;
        asha.jobs();
        assert_eq!(shown(&asha, id), MessageState::Expired);
        asha.restart();
        asha.now.mono = asha.now.mono + Duration::from_secs(days * 86_400);
        asha.jobs();
        assert_eq!(asha.memory.count(Table::Outbox) > 0, days < 14);
        assert_eq!(shown(&asha, id), MessageState::Expired);
        if sealed {
            asha.receive(2, &[told(id, false)], None);
        } else {
            asha.step(|s, now, _, out| s.acked(now, commit(part), out));
        }
        assert_eq!(shown(&asha, id), MessageState::Delivered, "{days} {sealed}");
    }
}

#[test]
fn a_text_whose_end_was_lost_claims_nothing() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = asha.send(2, "hello");
    let part = asha.jobs()[0].part.unwrap();
    asha.step(|s, now, _, out| s.acked(now, commit(part), out));
    asha.memory.apply([StoreOp::delete(Table::Event, event_key(FATE, account(2).into(), id))]);
    asha.restart();
    assert_eq!(shown(&asha, id), MessageState::Expired);
    asha.receive(2, &[told(id, false)], None);
    assert_eq!(shown(&asha, id), MessageState::Delivered);
}

#[test]
fn a_profile_replaces_the_one_that_is_still_on_its_way() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    for n in 0..50 {
        asha.step(|s, now, _, out| s.set_profile(now, &format!("Asha {n}"), "", out)).unwrap();
        asha.jobs();
    }
    assert_eq!(asha.memory.count(Table::Outbox), 1);
}

/// Storage that fails.
struct Torn;

impl Read for Torn {
    fn load(&self, table: Table, _: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Err(ReadError { table, reason: "torn".to_owned() })
    }

    fn scan(&self, table: Table, _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ReadError> {
        Err(ReadError { table, reason: "torn".to_owned() })
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_an_absence() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let ids = [asha.send(2, "over"), asha.send(2, "on its way")];
    let part = asha.jobs()[0].part.unwrap();
    asha.step(|s, now, _, out| s.acked(now, commit(part), out));
    assert!(asha.state.page(None, &Page::default(), &Torn).is_err());
    let over = ids.into_iter().find(|id| *id == part.message).unwrap();
    assert!(asha.state.info(asha.now, over, &Torn).is_err());
    asha.now.mono = asha.now.mono + Duration::from_secs(15 * 86_400);
    let due = asha.step(|s, now, _, out| {
        core::iter::from_fn(|| s.next_job(now, &Torn, out).transpose()).find(Result::is_err)
    });
    assert!(due.is_some());
}
