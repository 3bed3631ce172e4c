use super::contacts::MAX_HELD;
use super::*;
use crate::store::Memory;
use crate::{Output, StoreOp};

const ROOM: usize = 1_000;

/// One person's chat over a store that is written between inputs.
struct Rig {
    memory: Memory,
    state: State,
    events: Vec<Event>,
    now: Now,
}

fn account(n: u8) -> AccountId {
    AccountId([n; 20])
}

impl Rig {
    fn new(n: u8) -> Self {
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

    fn step<T>(&mut self, action: impl FnOnce(&mut State, Now, &Memory, &mut Outbox) -> T) -> T {
        let mut out = Outbox::default();
        let result = action(&mut self.state, self.now, &self.memory.clone(), &mut out);
        self.drain(out);
        result
    }

    fn befriend(&mut self, n: u8) {
        self.step(|s, now, _, out| s.add(now, account(n), AccountKey([n; 32]), None, out)).unwrap();
        self.jobs();
    }

    fn send(&mut self, to: u8, text: &str) -> MessageId {
        self.step(|s, now, _, out| s.submit_text(now, account(to), text, None, ROOM, out)).unwrap()
    }

    /// Takes every due job and pretends to seal it.
    fn jobs(&mut self) -> Vec<Job> {
        let mut jobs = vec![];
        self.step(|s, now, memory, out| {
            while let Some(job) = s.next_job(now, memory, out) {
                if let Some(part) = job.part {
                    s.sealed(part, sealing(now, part), out);
                }
                jobs.push(job);
            }
        });
        jobs
    }

    fn receive(&mut self, from: u8, contents: &[Vec<u8>], ack: Option<Ack>) -> Option<Ack> {
        let envelope = EnvelopeId([9; 32]);
        let incoming = Incoming { account: account(from), envelope, contents, ack, hops_left: 9 };
        self.step(|s, now, memory, out| s.receive(now, incoming, memory, out)).unwrap()
    }

    fn texts(&self, with: u8) -> Vec<String> {
        let views = self.state.messages(Some(account(with)), &self.memory).unwrap();
        views.into_iter().map(|v| v.text).collect()
    }

    fn restart(&mut self) {
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
    Sealing { envelope: EnvelopeId(envelope), commit: commit(part), expires, hops: 13, carriers: 0 }
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
        let state = asha.state.info(asha.now, id).unwrap().state;
        assert_eq!(state, MessageState::Waiting, "before part {index}");
        let commit = commit(job.part.unwrap());
        asha.step(|s, now, _, out| s.acked(now, commit, out));
    }
    assert_eq!(asha.state.info(asha.now, id).unwrap().state, MessageState::Delivered);
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
    let info = asha.state.info(asha.now, id).unwrap();
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
    let info = asha.state.info(asha.now, id).unwrap();
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
    assert_eq!(asha.state.info(asha.now, id).unwrap().state, MessageState::Waiting);
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
    assert_eq!(asha.state.info(asha.now, id).unwrap().state, MessageState::Waiting);
}

#[test]
fn custody_ends_after_ninety_days_and_says_so() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = asha.send(2, "hello");
    asha.jobs();
    asha.now.mono = asha.now.mono + CUSTODY;
    assert!(asha.jobs().is_empty());
    assert_eq!(asha.state.info(asha.now, id).unwrap().state, MessageState::Expired);
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
    asha.step(|s, now, _, out| s.mark_read(now, account(2), None, out));
    assert_eq!(asha.jobs().len(), 1);
    asha.restart();
    asha.step(|s, now, _, out| s.mark_read(now, account(2), None, out));
    assert!(asha.jobs().is_empty());
}

#[test]
fn the_same_command_twice_sends_once() {
    let mut asha = Rig::new(1);
    asha.befriend(2);
    let id = Some(MessageId([8; 16]));
    for _ in 0..2 {
        let sent = asha.step(|s, now, _, out| s.submit_text(now, account(2), "hi", id, ROOM, out));
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
    let one_more = asha.step(|s, now, _, out| s.submit_text(now, account(2), "no", None, ROOM, out));
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
        |to, text: &str| asha.step(|s, now, _, out| s.submit_text(now, account(to), text, None, ROOM, out));
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
    let view = &asha.state.messages(Some(account(2)), &asha.memory).unwrap()[0];
    assert_eq!(view.sent_at, Wall(1_800_000_000 - 14 * 86_400));
}
