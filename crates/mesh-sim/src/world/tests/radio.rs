//! What radios do to contacts and frames.

use super::rig::{SECOND, crowd, draft, plain, script, talkers, urgent};
use crate::{Faults, Loss, NodeIx, Radio};
use core::time::Duration;

/// When the links between `a` and `b` came up, in milliseconds.
fn ups(log: &super::rig::Log, a: u32, b: u32) -> Vec<u64> {
    let up = |(at, x, y, up): &(u64, u32, u32, bool)| (*up && (*x, *y) == (a, b)).then_some(*at);
    log.linked.iter().filter_map(up).collect()
}

#[test]
fn an_envelope_takes_exactly_the_hop_delay_and_others_do_not_wait_for_it() {
    let radio = Radio::ideal(10 * SECOND, None, 0);
    let (mut world, log) = talkers(1, script(2, &[(1, 60, 0, 1)]), radio);
    world.run_to(5_000);
    world.submit(&draft(1, 0, 500));
    world.run_to(5_400);
    world.submit(&draft(2, 0, 60_000));
    world.run_to(60_000);
    assert_eq!(log.lock().unwrap().shown, [(15_000, 1, 1), (15_400, 1, 2)]);
}

#[test]
fn a_control_frame_of_an_ideal_radio_takes_no_time() {
    let radio = Radio::ideal(10 * SECOND, Some(10), 0);
    let (mut world, log) = urgent(1, script(2, &[(1, 60, 0, 1)]), radio);
    world.run_to(5_000);
    world.submit(&draft(1, 0, 500));
    world.run_to(5_000);
    assert_eq!(log.lock().unwrap().shown, [(5_000, 1, 1)]);
}

#[test]
fn an_ideal_link_stands_as_long_as_its_contact() {
    let (mut world, log) = talkers(1, script(2, &[(3, 8, 0, 1)]), Radio::ideal(SECOND, None, 0));
    world.run_to(20_000);
    assert_eq!(log.lock().unwrap().linked, [(3_000, 0, 1, true), (8_000, 0, 1, false)]);
}

#[test]
fn what_is_under_way_when_a_contact_ends_is_lost_and_what_arrives_just_then_is_not() {
    let (mut world, log) = talkers(1, script(2, &[(1, 10, 0, 1)]), Radio::ideal(2 * SECOND, None, 0));
    world.run_to(8_000);
    world.submit(&draft(1, 0, 100));
    world.run_to(8_001);
    world.submit(&draft(2, 0, 100));
    world.run_to(20_000);
    assert_eq!(log.lock().unwrap().shown, [(10_000, 1, 1)]);
    assert_eq!(log.lock().unwrap().lost.get(&Loss::Cut), Some(&1));
    assert_eq!(world.counters().losses.cut_payloads, 1);
}

#[test]
fn envelopes_stand_in_line_for_the_goodput_of_their_direction() {
    let radio = Radio::ideal(SECOND, Some(1_000), 0);
    let (mut world, log) = talkers(1, script(2, &[(1, 60, 0, 1)]), radio);
    world.run_to(2_000);
    world.submit(&draft(1, 0, 2_000));
    world.submit(&draft(2, 0, 1_000));
    world.submit(&draft(3, 1, 500));
    world.run_to(60_000);
    assert_eq!(log.lock().unwrap().shown, [(3_500, 0, 3), (5_000, 1, 1), (6_000, 1, 2)]);
    assert_eq!(world.counters().airtime_us, 3_500_000);
    assert_eq!((world.counters().copies, world.counters().payload_bytes), (3, 3_500));
}

#[test]
fn a_half_duplex_radio_does_one_thing_at_a_time() {
    // Everybody around node 0 speaks at once.
    let movement = || script(3, &[(1, 60, 0, 1), (1, 60, 0, 2)]);
    let arrivals = |half_duplex| {
        let (mut world, log) = talkers(1, movement(), Radio { half_duplex, ..plain(1_000) });
        world.run_to(2_000);
        world.submit(&draft(1, 1, 1_000));
        world.submit(&draft(2, 2, 1_000));
        world.run_to(60_000);
        let shown = log.lock().unwrap().shown.clone();
        shown.into_iter().map(|(at, _, _)| at).collect::<Vec<_>>()
    };
    assert_eq!(arrivals(false), [3_000, 3_000]);
    assert_eq!(arrivals(true), [3_000, 4_000]);
}

#[test]
fn neighbours_that_transmit_take_their_share_of_the_channel() {
    // Two pairs within reach of one another that do not talk across.
    let movement = script(4, &[(1, 60, 0, 1), (1, 60, 2, 3), (2, 60, 0, 2), (2, 60, 1, 3)]);
    let radio = Radio { contention: 1.0, max_links: 1, half_duplex: true, ..plain(1_000) };
    let (mut world, log) = talkers(1, movement, radio);
    world.run_to(3_000);
    world.submit(&draft(1, 0, 1_000));
    world.submit(&draft(2, 2, 1_000));
    world.run_to(60_000);
    assert_eq!(log.lock().unwrap().shown, [(4_000, 1, 1), (5_000, 3, 2)]);
}

#[test]
fn lost_pieces_are_repeated_and_cost_more_in_one_direction_than_in_the_other() {
    let radio = Radio { loss: 0.3, ..plain(1_000) };
    let (mut world, log) = talkers(3, script(2, &[(1, 60, 0, 1)]), radio);
    world.run_to(2_000);
    world.submit(&draft(1, 0, 1_000));
    world.submit(&draft(2, 1, 1_000));
    world.run_to(60_000);
    let mut spans: Vec<u64> = log.lock().unwrap().shown.iter().map(|(at, _, _)| at - 2_000).collect();
    spans.sort_unstable();
    assert!(spans[0] >= 1_000 && spans[1] <= 2_500 && spans[0] != spans[1], "{spans:?}");
    let counters = world.counters();
    assert!(counters.bytes_on_air > counters.payload_bytes);
}

#[test]
fn every_piece_pays_its_overhead() {
    let radio = Radio { mtu: 100, overhead: 10, ..plain(1_000) };
    let (mut world, log) = talkers(1, script(2, &[(1, 60, 0, 1)]), radio);
    world.run_to(2_000);
    world.submit(&draft(1, 0, 250));
    world.run_to(60_000);
    assert_eq!(world.counters().bytes_on_air, 280);
    assert_eq!(log.lock().unwrap().shown, [(2_280, 1, 1)]);
}

#[test]
fn with_one_place_each_the_first_come_are_served_and_a_free_place_goes_to_the_next() {
    let movement = script(3, &[(1, 10, 0, 1), (2, 60, 0, 2), (3, 5, 1, 2)]);
    let (mut world, log) = talkers(1, movement, Radio::ideal(SECOND, None, 1));
    world.run_to(60_000);
    let log = log.lock().unwrap();
    assert_eq!(
        log.linked,
        [(1_000, 0, 1, true), (10_000, 0, 1, false), (10_000, 0, 2, true), (60_000, 0, 2, false)]
    );
    assert_eq!(world.counters().losses.no_place, 1);
}

#[test]
fn an_old_link_gives_its_place_to_who_waits_when_places_rotate() {
    let contacts = [(1, 300, 0, 1), (2, 300, 0, 2)];
    let radio = |rotate_ms| Radio { rotate_ms, ..Radio::ideal(SECOND, None, 1) };
    let (mut still, log) = talkers(1, script(3, &contacts), radio(0));
    still.run_to(200_000);
    assert!(ups(&log.lock().unwrap(), 0, 2).is_empty());
    let (mut turning, log) = talkers(1, script(3, &contacts), radio(60_000));
    turning.run_to(200_000);
    let log = log.lock().unwrap();
    assert_eq!(ups(&log, 0, 2)[0], 61_000);
    assert!(ups(&log, 0, 1).len() > 1, "{:?}", log.linked);
}

#[test]
fn a_scanner_hears_a_neighbour_in_one_of_its_windows() {
    let ble = Radio { connect_ms: (0, 0), connect_failure: 0.0, ..Radio::ble() };
    let delays: Vec<u64> = (0..60)
        .map(|seed| {
            let (mut world, log) = talkers(seed, script(2, &[(1, 600, 0, 1)]), ble.clone());
            world.run_to(500_000);
            let log = log.lock().unwrap();
            ups(&log, 0, 1)[0] - 1_000
        })
        .collect();
    let mean = delays.iter().sum::<u64>() / 60;
    assert!((2_000..5_000).contains(&mean), "{mean}");
    let short = delays.iter().filter(|delay| **delay < 1_000).count();
    assert!(short > 2 && short < 30, "{delays:?}");
}

#[test]
fn a_contact_shorter_than_discovery_is_missed_and_counted() {
    let rare = Radio { scan_every_ms: 600_000, ..Radio::ble() };
    let (mut world, log) = talkers(1, script(2, &[(1, 3, 0, 1)]), rare);
    world.run_to(60_000);
    assert!(log.lock().unwrap().linked.is_empty());
    assert_eq!(world.counters().losses.undiscovered, 1);
}

#[test]
fn connecting_takes_its_time_one_after_the_other() {
    let radio = Radio { connect_ms: (2_000, 2_000), ..Radio::ideal(SECOND, None, 0) };
    let (mut world, log) = talkers(1, script(3, &[(1, 60, 0, 1), (1, 60, 0, 2)]), radio);
    world.run_to(30_000);
    let log = log.lock().unwrap();
    assert_eq!((ups(&log, 0, 1), ups(&log, 0, 2)), (vec![3_000], vec![5_000]));
}

#[test]
fn a_connection_that_always_fails_is_tried_again_and_counted_once() {
    let radio = Radio { connect_ms: (1_000, 1_000), connect_failure: 1.0, ..Radio::ideal(SECOND, None, 0) };
    let (mut world, log) = talkers(1, script(2, &[(1, 60, 0, 1)]), radio);
    world.run_to(100_000);
    assert!(log.lock().unwrap().linked.is_empty());
    assert_eq!(world.counters().losses.unconnected, 1);
}

#[test]
fn bodies_hide_those_who_stand_apart_in_a_crowd() {
    // Two 12 m apart, alone or among a hundred others.
    let alone = [(0.0, 0.0), (12.0, 0.0)];
    let packed: Vec<(f32, f32)> =
        alone.into_iter().chain((0..98_u8).map(|n| (f32::from(n % 10), 30.0 + f32::from(n / 10)))).collect();
    let radio = Radio { range_m: 16.0, body_loss_db: 16.5, ..Radio::ideal(SECOND, None, 0) };
    for (places, linked) in [(&alone[..], true), (&packed[..], false)] {
        let radio = Radio { people_per_node: if linked { 1.0 } else { 40.0 }, ..radio.clone() };
        let (mut world, log) = talkers(1, crowd(places, (0, 1)), radio);
        world.run_to(20_000);
        assert_eq!(!ups(&log.lock().unwrap(), 0, 1).is_empty(), linked);
    }
}

#[test]
fn faults_lose_double_and_delay_whole_frames() {
    let run = |faults| {
        let radio = Radio { faults, ..Radio::ideal(SECOND, None, 0) };
        let (mut world, log) = talkers(5, script(2, &[(1, 600, 0, 1)]), radio);
        world.run_to(2_000);
        for number in 0..1_000 {
            world.submit(&draft(number, 0, 100));
        }
        world.run_to(500_000);
        let log = log.lock().unwrap();
        let numbers: Vec<u32> = log.shown.iter().map(|(_, _, number)| *number).collect();
        (numbers, world.counters().losses.faults)
    };
    let (numbers, lost) = run(Faults { lose_per_mille: 200, ..Faults::default() });
    assert_eq!(numbers.len() + usize::try_from(lost).unwrap(), 1_000);
    assert!((150..250).contains(&lost), "{lost}");
    let (numbers, _) = run(Faults { duplicate_per_mille: 200, ..Faults::default() });
    assert!((1_150..1_250).contains(&numbers.len()), "{}", numbers.len());
    let (numbers, _) = run(Faults { reorder_per_mille: 200, reorder_ms: 500, ..Faults::default() });
    assert_eq!(numbers.len(), 1_000);
    assert!(!numbers.is_sorted());
    let (numbers, _) = run(Faults::default());
    assert!(numbers.is_sorted());
}

#[test]
fn a_partition_parts_those_within_reach_until_it_ends() {
    let (mut world, log) = talkers(1, script(2, &[(1, 600, 0, 1)]), Radio::ideal(SECOND, None, 0));
    world.run_to(10_000);
    world.partition(&[&[NodeIx::from(0)], &[NodeIx::from(1)]]);
    world.run_to(100_000);
    assert!(world.links().is_empty());
    world.repair();
    world.run_for(Duration::from_secs(70));
    assert_eq!(ups(&log.lock().unwrap(), 0, 1).len(), 2);
}
