//! The parts, one by one: what sealing, opening, keeping and comparing cost, without disk or network.

mod pair;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mesh_core::carry::Origin;
use mesh_core::id::ShortId;
use mesh_core::rng::Rng;
use mesh_core::wire::sketch::{Name, Sketch, peel};
use mesh_core::wire::{Body, Envelope, Lifetime, Message, SizeClass};
use mesh_core::{AckCommit, LinkId, MessageId, Outbox, Tag};
use pair::{Bag, Device, meet};
use std::hint::black_box;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

fn seals(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    for (what, len) in [("20 B text", 47), ("1 KiB text", 1_053)] {
        let (mut a, b) = Device::friends();
        let to = b.account();
        group.bench_function(format!("seal, {what}"), |bench| bench.iter(|| a.seal(to, len)));
        // A fresh pair: what the first one sealed lies beyond a reader's look-ahead.
        let (mut a, mut b) = Device::friends();
        let to = b.account();
        let (mut sealed, mut at) = (Vec::new(), 0);
        group.bench_function(format!("open, {what}"), |bench| {
            bench.iter_batched(
                || {
                    if at == sealed.len() {
                        (sealed, at) = ((0..50).map(|_| a.seal(to, len)).collect(), 0);
                    }
                    at += 1;
                    sealed[at - 1].clone()
                },
                |envelope| b.open(&envelope),
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function("seal, first contact", |bench| {
        bench.iter_batched(Device::strangers, |(mut a, b)| a.seal(b.account(), 47), BatchSize::PerIteration);
    });
    group.bench_function("open, first contact", |bench| {
        let sealed = || {
            let (mut a, b) = Device::strangers();
            (a.seal(b.account(), 47), b)
        };
        bench.iter_batched(sealed, |(envelope, mut b)| b.open(&envelope), BatchSize::PerIteration);
    });
    group.finish();
}

fn sealed(rng: &mut Rng) -> Envelope {
    let size = SizeClass::B1280;
    let header = Envelope::header(size, Lifetime::Fortnight, Tag(rng.bytes()), AckCommit(rng.bytes()));
    let mut body = vec![0; size.body_len()];
    rng.fill(&mut body);
    Envelope::new(header, &body, 12).expect("the body has the length of its class")
}

fn keep(bag: &mut Bag, envelope: Envelope) {
    let mut out = Outbox::default();
    let origin = Origin::Link { link: LinkId(0), contact: false };
    bag.mesh.keep(bag.now, envelope, origin, &mut out).expect("room for it");
    while let Some(output) = out.pop() {
        if let mesh_core::Output::Store(op) = output {
            bag.memory.apply([op]);
        }
    }
}

fn ingest(c: &mut Criterion) {
    let (mut bag, mut rng) = (Bag::new(1), Rng::new([3; 32]));
    let mut group = c.benchmark_group("bag");
    group.throughput(Throughput::Elements(1));
    group.bench_function("keep a stranger's 1,319 B", |b| {
        b.iter_batched(|| sealed(&mut rng), |envelope| keep(&mut bag, envelope), BatchSize::PerIteration);
    });
    group.finish();
}

fn reconciliation(c: &mut Criterion) {
    let mut group = c.benchmark_group("meet");
    group.sample_size(10);
    let (mut a, mut b, mut rng) = (Bag::new(1), Bag::new(2), Rng::new([4; 32]));
    let (mut held, mut link) = (0, 0);
    for count in [1_000, 10_000, 100_000] {
        while held < count {
            let envelope = sealed(&mut rng);
            keep(&mut a, envelope.clone());
            keep(&mut b, envelope);
            held += 1;
        }
        // Whatever differs is exchanged at last, so that the next meeting is of equal bags.
        for differ in [0, 10, 1_000] {
            for n in 0..differ {
                keep(if n % 2 == 0 { &mut a } else { &mut b }, sealed(&mut rng));
            }
            let mut round = |deliver: bool| {
                link += 1;
                meet(&mut a, &mut b, link, deliver)
            };
            let name = format!("{count} held, {differ} differ: link up to all asked for");
            group.bench_function(name, |bench| bench.iter(|| round(false)));
            round(true);
        }
        // More than a dozen may need a second part of the sketch: several meetings tell what they cost.
        for (differ, rounds) in [(0, 1), (10, 100), (1_000, 5)] {
            let (mut finding, mut control) = (Vec::new(), 0);
            for _ in 0..rounds {
                for n in 0..differ {
                    keep(if n % 2 == 0 { &mut a } else { &mut b }, sealed(&mut rng));
                }
                link += 1;
                let bytes = meet(&mut a, &mut b, link, true);
                finding.push(bytes.finding);
                control += bytes.all - bytes.envelopes;
            }
            finding.sort_unstable();
            let (half, most) = (finding[rounds / 2], finding[rounds - 1]);
            let (mean, control) = (finding.iter().sum::<usize>() / rounds, control / rounds);
            println!(
                "{count} held, {differ} differ, {rounds} meetings: {half} B to find and ask in half of them,"
            );
            println!(
                "  {mean} B on average, {most} B at most; {control} B with what is kept, beside envelopes"
            );
        }
    }
    group.finish();
}

fn sketches(c: &mut Criterion) {
    let mut rng = Rng::new([5; 32]);
    let mut group = c.benchmark_group("sketch");
    for count in [1_000, 10_000, 100_000] {
        let names: Vec<Name> = (0..count).map(|_| ShortId(rng.bytes()).into()).collect();
        let make = || Sketch::of(1, 2_048, names.iter().copied());
        group.bench_function(format!("{count} names on demand, 2,048 cells"), |b| b.iter(make));
    }
    let mut sketch = Sketch::of(1, 2_048, []);
    group.bench_function("one name comes, 2,048 cells", |b| {
        b.iter(|| sketch.add(ShortId(rng.bytes()).into()))
    });
    for (differ, cells) in [(10, 26), (1_000, 1_445)] {
        let names: Vec<Name> = (0..differ).map(|_| ShortId(rng.bytes()).into()).collect();
        let there = Sketch::of(1, cells, names);
        let here = Sketch::of(1, cells, []);
        let cells = here.subtract_from(0, there.cells()).expect("they are as long");
        group.bench_function(format!("{differ} differences are read"), |b| b.iter(|| peel(cells.clone(), 1)));
    }
    group.finish();
}

criterion_group!(benches, envelopes, messages, seals, ingest, sketches, reconciliation);
criterion_main!(benches);
