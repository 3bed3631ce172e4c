//! The parts, one by one: what an envelope costs a relay before anything is opened.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mesh_core::wire::{Body, Envelope, Lifetime, Message, SizeClass};
use mesh_core::{AckCommit, MessageId, Tag};
use std::hint::black_box;

fn envelope_bytes(size: SizeClass) -> Vec<u8> {
    let header = Envelope::header(size, Lifetime::Fortnight, Tag([1; 16]), AckCommit([2; 16]));
    let body = vec![3; size.body_len()];
    Envelope::new(header, &body, 12).expect("the body has the length of its class").to_bytes()
}

fn envelopes(c: &mut Criterion) {
    let mut group = c.benchmark_group("envelope");
    for size in [SizeClass::B256, SizeClass::B1280, SizeClass::B16384] {
        let bytes = envelope_bytes(size);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("read and name {} B", size.body_len()), |b| {
            b.iter(|| Envelope::from_bytes(black_box(&bytes)).map(|envelope| envelope.id()));
        });
    }
    group.finish();
}

fn messages(c: &mut Criterion) {
    let text = "x".repeat(1024);
    let body = Body::Text { text };
    let message =
        Message { id: MessageId([1; 16]), when: 1_764_000_000, lamport: 7, parents: vec![[2; 8]], body };
    let bytes = message.to_bytes();
    let mut group = c.benchmark_group("message");
    group.bench_function("encode 1 KiB", |b| b.iter(|| black_box(&message).to_bytes()));
    group.bench_function("decode 1 KiB", |b| b.iter(|| Message::from_bytes(black_box(&bytes))));
    group.finish();
}

criterion_group!(benches, envelopes, messages);
criterion_main!(benches);
