//! Contents: what a contact wrote, after every seal was opened.

use super::rig::Bytes;
use mesh_core::chat::{Incoming, State};
use mesh_core::crypto::AccountKey;
use mesh_core::rng::Rng;
use mesh_core::view::Page;
use mesh_core::wire::{Body, Message};
use mesh_core::{Ack, EnvelopeId, Memory, MessageId, Now, Outbox, Output, Time, Wall};

/// The most contents of one input.
const MAX_CONTENTS: usize = 48;

/// Contents one after the other, from an accepted contact: `kind 1 | length u16 | bytes`. Kind 0 is a
/// message as it comes, 1 a part of a long one (`whole 1 | index 1 | count 1 | bytes`), 2 a restart.
pub(super) fn contents(bytes: &[u8]) {
    let (own, their) = (AccountKey([1; 32]), AccountKey([2; 32]));
    let (memory, now) = (Memory::default(), Now { mono: Time(1_000), wall: Wall(1_800_000_000) });
    let mut out = Outbox::default();
    let mut chat = State::create(own, "Asha", Rng::new([1; 32]), &mut out);
    chat.add(now, their.id(), their, None, &mut out).expect("a first contact is added");
    let _evicted = chat.met(their.id(), their, &mut out);
    apply(&memory, &mut out);
    let mut bytes = Bytes(bytes);
    for number in 0..MAX_CONTENTS {
        if bytes.0.is_empty() {
            break;
        }
        let (kind, len) = (bytes.u8(), usize::from(bytes.u16()));
        let mut record = Bytes(bytes.take(len));
        let content = match kind % 3 {
            0 => record.0.to_vec(),
            1 => part(&mut record),
            _ => {
                let rng = Rng::new([3; 32]);
                chat = State::restore(own, rng, &memory).expect("whatever was taken in can be restored");
                continue;
            }
        };
        let ack = (kind & 0x80 == 0).then_some(Ack([number as u8; 16]));
        let envelope = EnvelopeId([number as u8; 32]);
        let contents = [content];
        let (account, conversation) = (their.id(), their.id().into());
        let incoming =
            Incoming { account, conversation, envelope, contents: &contents, ack, hops_left: kind };
        chat.receive(now, incoming, &memory, &mut out).expect("memory can be read");
        while let Some(job) = chat.next_job(now, &memory, &mut out).expect("memory can be read") {
            Message::from_bytes(&job.bytes).expect("what we answer can be read");
        }
        chat.settle();
        apply(&memory, &mut out);
    }
    let views = chat.page(Some(their.id().into()), &Page::default(), &memory).expect("memory can be read");
    assert!(views.len() <= MAX_CONTENTS, "a content is one message at most");
    chat.forget(their.id(), &mut out);
}

fn part(record: &mut Bytes<'_>) -> Vec<u8> {
    let (whole, index, count) = (MessageId([record.u8() % 40; 16]), record.u8(), record.u8());
    let body =
        Body::Segment { whole, index: u16::from(index), count: u16::from(count), bytes: record.0.to_vec() };
    Message { id: MessageId([index; 16]), when: 1, lamport: 1, parents: Vec::new(), body }.to_bytes()
}

fn apply(memory: &Memory, out: &mut Outbox) {
    let mut ops = Vec::new();
    while let Some(output) = out.pop() {
        if let Output::Store(op) = output {
            ops.push(op);
        }
    }
    memory.apply(ops);
}
