//! A busy node is killed again and again: what `send` acknowledged arrives, once.

use crate::cli_rig::Person;
use crate::proof_rig::{self as rig, soon};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What one writer was told.
#[derive(Default)]
struct Written {
    acknowledged: Vec<String>,
    refused: usize,
}

/// Writes numbered texts to `who`, one at a time, until `stop`.
fn write(person: &Person, who: &str, name: &str, stop: &AtomicBool) -> Written {
    let mut written = Written::default();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("{name} {n}");
        let done = person.run(&["send", who, &text, "--json"]);
        // A node that was killed before it answered promised nothing; the text is not tried again.
        if done.code == 0 {
            written.acknowledged.push(text);
        } else {
            assert_eq!(done.code, 1, "{done:?}");
            assert!(!done.stderr.contains("panicked"), "{done:?}");
            written.refused += 1;
        }
    }
    written
}

#[test]
fn a_busy_node_that_is_killed_starts_again_and_loses_and_repeats_nothing() {
    let (start, kills) = (Instant::now(), rig::extent(5, 100));
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    bo.run(&["add", &asha.link(), "--name", "Asha", "--json"]).one();
    let there = bo.start(&["--listen", "127.0.0.1:0"]);
    let peer = there.address();
    let arguments = ["--listen", "127.0.0.1:0", "--peer", &peer];
    let (stop, mut slowest) = (AtomicBool::new(false), Duration::ZERO);
    let (_here, [one, two, back]) = std::thread::scope(|scope| {
        let mut here = asha.start(&arguments);
        let one = scope.spawn(|| write(&asha, "Bo", "one", &stop));
        let two = scope.spawn(|| write(&asha, "Bo", "two", &stop));
        let back = scope.spawn(|| write(&bo, "Asha", "back", &stop));
        // Whatever fails here, the writers end.
        let ending = Ending(&stop);
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(rig::random_below(600)));
            here.signal(rustix::process::Signal::KILL);
            drop(here);
            let down = Instant::now();
            here = asha.start(&arguments);
            slowest = slowest.max(down.elapsed());
        }
        drop(ending);
        (here, [one, two, back].map(|writer| writer.join().unwrap()))
    });
    let to_bo: Vec<String> = [&one, &two].iter().flat_map(|w| w.acknowledged.iter().cloned()).collect();
    check((&asha, "Asha"), (&bo, "Bo"), &to_bo);
    check((&bo, "Bo"), (&asha, "Asha"), &back.acknowledged);
    println!(
        "{kills} kills, {:.0} s, load {}: {} + {} acknowledged and there once, {} not acknowledged; slowest start {slowest:?}",
        start.elapsed().as_secs_f64(),
        rig::load(),
        to_bo.len(),
        back.acknowledged.len(),
        one.refused + two.refused + back.refused
    );
}

/// Everything that `from` was promised is with `to`, once, in order, and the receipts are home.
fn check((from, author): (&Person, &str), (to, reader): (&Person, &str), acknowledged: &[String]) {
    assert!(!acknowledged.is_empty());
    let arrived = || rig::texts(to, author, false);
    let patience = Duration::from_secs(180);
    let all = soon(patience, || {
        let arrived = arrived();
        acknowledged.iter().all(|text| arrived.contains(text))
    });
    assert!(all, "not everything that was acknowledged arrived");
    let found = arrived();
    rig::assert_each_once(&found, acknowledged);
    let kept = rig::texts(from, reader, true);
    rig::assert_each_once(&kept, acknowledged);
    // What was written but not acknowledged may have been kept or not; what was kept arrives.
    assert!(
        soon(patience, || rig::receipted(from) == kept.len()),
        "{} of {}",
        rig::receipted(from),
        kept.len()
    );
    rig::assert_each_once(&arrived(), &kept);
    for writer in ["one", "two", "back"] {
        let order = |texts: &[String]| {
            let own = texts.iter().filter_map(|text| text.strip_prefix(writer)?.trim().parse::<u32>().ok());
            own.collect::<Vec<_>>()
        };
        assert!(order(&arrived()).is_sorted(), "{writer} arrived out of order: {:?}", order(&arrived()));
    }
}

/// Stops the writers at its end, however that comes.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
