use std::path::Path;

use super::*;
use crate::mobility::Waypoint;
use crate::trace::parse;
use crate::workload::{Workload, plan};
use crate::{AnyTrace, Movement, Span};

fn events(text: &str) -> OneEvents {
    match parse("events", text).unwrap() {
        AnyTrace::Events(events) => events,
        AnyTrace::Contacts(_) => panic!("events were expected"),
    }
}

fn run(text: &str, settings: &OneSettings) -> OneOutcome {
    replay(&events(text), settings)
}

fn epidemic() -> OneSettings {
    OneSettings::default()
}

/// Lets the clock of a run go on until `second`: nothing else happens.
fn until(second: u64) -> String {
    format!("{second} CONN 98 99 down\n")
}

#[test]
fn a_transfer_is_over_at_the_next_tick() {
    let outcome = run(&format!("1 CONN 0 1 up\n5 C M 0 1 100\n{}", until(20)), &epidemic());
    assert_eq!((outcome.delivered, outcome.latency_median_s), (1, 1.0));
    assert_eq!((outcome.relayed, outcome.overhead, outcome.hops_mean), (1, 0.0, 1.0));
}

#[test]
fn a_host_takes_part_in_one_transfer_at_a_time() {
    let text = format!("1 CONN 0 1 up\n1 CONN 0 2 up\n5 C A 0 1 100\n5 C B 0 2 100\n{}", until(20));
    let outcome = run(&text, &epidemic());
    // Each goes to its recipient first, one second apart, and then to the other neighbour as a relay.
    assert_eq!((outcome.delivered, outcome.latency_mean_s, outcome.relayed), (2, 1.5, 4));
}

#[test]
fn neighbours_are_asked_for_what_is_for_oneself() {
    // Host 1 has something for host 0; whichever of them is updated first starts that transfer.
    for seed in 0..20 {
        let text = format!("1 C A 1 0 100\n2 C B 0 2 100\n5 CONN 0 1 up\n{}", until(6));
        let outcome = run(&text, &OneSettings { seed, ..epidemic() });
        assert_eq!((outcome.delivered, outcome.latency_mean_s), (1, 5.0), "seed {seed}");
    }
}

#[test]
fn a_contact_that_ends_cuts_what_is_under_way() {
    let slow = OneSettings { rate: 1000, ..epidemic() };
    let cut = run(&format!("1 CONN 0 1 up\n5 C M 0 1 10000\n10 CONN 0 1 down\n{}", until(30)), &slow);
    assert_eq!((cut.delivered, cut.aborted, cut.started), (0, 1, 1));
    let whole = run(&format!("1 CONN 0 1 up\n5 C M 0 1 10000\n16 CONN 0 1 down\n{}", until(30)), &slow);
    assert_eq!((whole.delivered, whole.aborted, whole.latency_mean_s), (1, 0, 10.0));
}

#[test]
fn a_cut_transfer_begins_anew_at_the_next_contact() {
    let slow = OneSettings { rate: 1000, ..epidemic() };
    let text = "1 CONN 0 1 up\n5 C M 0 1 10000\n10 CONN 0 1 down\n20 CONN 0 1 up\n40 CONN 0 1 down\n";
    let outcome = run(text, &slow);
    assert_eq!((outcome.delivered, outcome.aborted, outcome.latency_mean_s), (1, 1, 25.0));
}

#[test]
fn relays_refuse_what_has_less_than_a_minute_and_recipients_do_not() {
    let short = OneSettings { ttl_s: 120, ..epidemic() };
    // At 100 s a message of 10 s has 30 s to live; its sender looks for such messages at 120 s only.
    let relay = run(&format!("10 C M 0 2 100\n100 CONN 0 1 up\n{}", until(110)), &short);
    assert_eq!((relay.relayed, relay.started), (0, 0));
    let recipient = run(&format!("10 C M 0 2 100\n100 CONN 0 2 up\n{}", until(110)), &short);
    assert_eq!((recipient.delivered, recipient.dropped), (1, 0));
    let late = run(&format!("10 C M 0 2 100\n121 CONN 0 2 up\n{}", until(130)), &short);
    assert_eq!((late.delivered, late.dropped), (0, 1));
}

#[test]
fn room_is_made_by_dropping_what_was_received_first() {
    let small = OneSettings { buffer: 250, ..epidemic() };
    let text = format!("1 C A 0 1 100\n2 C B 0 1 100\n3 C C 0 1 100\n5 CONN 0 1 up\n{}", until(20));
    let outcome = run(&text, &small);
    assert_eq!((outcome.created, outcome.delivered, outcome.dropped), (3, 2, 1));
    let large = run(&format!("1 C A 0 1 300\n5 CONN 0 1 up\n{}", until(20)), &small);
    assert_eq!(large.started, 0, "what no buffer can hold is not even begun");
}

#[test]
fn copies_are_kept_after_delivery() {
    let text = format!("1 C M 0 1 100\n5 CONN 0 1 up\n10 CONN 0 1 down\n20 CONN 0 2 up\n{}", until(30));
    let outcome = run(&text, &epidemic());
    assert_eq!((outcome.delivered, outcome.relayed, outcome.overhead), (1, 2, 1.0));
}

#[test]
fn spray_gives_away_half_of_its_copies_and_keeps_the_last_for_the_recipient() {
    let spray = OneSettings { router: OneRouter::Spray { copies: 6 }, ..epidemic() };
    let mut text = "1 C M 0 19 100\n".to_owned();
    for (a, b) in (0..19).flat_map(|a| (a + 1..19).map(move |b| (a, b))) {
        text += &format!("5 CONN {a} {b} up\n");
    }
    let sprayed = run(&(text.clone() + &until(100)), &spray);
    assert_eq!((sprayed.delivered, sprayed.relayed), (0, 5), "six copies, five hand-overs");
    for host in 0..19 {
        text += &format!("100 CONN {host} 19 up\n");
    }
    let met = run(&(text + &until(120)), &spray);
    assert_eq!((met.delivered, met.relayed), (1, 6), "any holder delivers, and is refused a second time");
}

#[test]
fn the_seed_decides_the_order_and_nothing_else_does() {
    let square = Waypoint { width_m: 200.0, height_m: 200.0, ..Default::default() };
    let planned = plan(&[Workload::default()], 40, Span::minutes(10), &[], 1).unwrap();
    let drafts: Vec<_> = planned.into_iter().map(|written| written.draft).collect();
    let walked = |seed| {
        let mut walking = Movement::Waypoint(square.clone()).walk(40, 1, 20.0, 600).unwrap();
        walk(&mut *walking, &drafts, 600, &OneSettings { seed, ..epidemic() })
    };
    let first = walked(1);
    assert_eq!(first, walked(1));
    assert_ne!(first, walked(2));
    assert!(first.delivery > 0.5, "{first:?}");
}

/// What The ONE reported for its recorded run: delivery, overhead and median latency in seconds.
const REPORTED: [(OneRouter, f64, f64, f64); 2] =
    [(OneRouter::Epidemic, 0.9801, 98.16, 775.0), (OneRouter::Spray { copies: 6 }, 0.9479, 5.16, 1493.0)];

#[test]
fn the_recorded_run_gives_the_figures_of_the_one() {
    let beside = |folder: &Path| folder.join("shared/traces/one-rwp100.txt");
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let Some(path) = above.map(beside).find(|path| path.exists()) else {
        eprintln!("skipped: one-rwp100.txt is not beside this checkout (looked for shared/traces above it)");
        return;
    };
    let events = events(&std::fs::read_to_string(path).unwrap());
    for (router, delivery, overhead, median) in REPORTED {
        for seed in 1..=5 {
            let outcome = replay(&events, &OneSettings { router, seed, ..epidemic() });
            let told = format!("{router:?}, seed {seed}: {outcome:?}");
            assert!((outcome.delivery - delivery).abs() <= 0.01, "{told}");
            assert!((outcome.overhead / overhead - 1.0).abs() <= 0.03, "{told}");
            assert!((outcome.latency_median_s / median - 1.0).abs() <= 0.05, "{told}");
        }
    }
}
