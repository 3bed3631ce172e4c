//! What it costs two neighbours to meet again, and that a meeting cut short does no harm.

use super::*;

/// Bytes of digests, sketches, and of what is announced and asked for.
fn finding(net: &Net) -> usize {
    net.by_type[3..=6].iter().chain(&net.by_type[12..=14]).sum()
}

fn pair(common: u32, differ: core::ops::Range<u32>) -> Net {
    let mut net = Net::new(2, 1);
    for n in 0..common {
        net.write(0, letter(n));
        net.write(1, letter(n));
    }
    for n in differ {
        net.write((n % 2) as usize, letter(n));
    }
    net
}

#[test]
fn two_that_differ_in_ten_of_ten_thousand_meet_for_at_most_400_bytes_and_one_round_trip() {
    let mut net = pair(10_000, 10_000..10_010);
    net.connect(0, 1);
    // Hellos, digest, sketch, what is asked for together with what is given, and the rest: 5 ms each.
    net.run(25);
    assert_eq!(net.holds(0).len(), 10_010);
    assert_eq!(net.holds(0), net.holds(1));
    assert_eq!(net.envelopes, 10);
    assert!(finding(&net) <= 400, "{} bytes", finding(&net));
    net.run(60_000);
    // Kept says of each that it is stored; beats and hellos are as ever.
    assert_eq!(net.by_type[8], 10 * 8 + net.by_type[8] % 8);
    assert!(finding(&net) <= 400, "{} bytes", finding(&net));
}

#[test]
fn a_thousand_that_differ_cost_at_most_30_bytes_each() {
    let mut net = pair(2_000, 2_000..3_000);
    net.connect(0, 1);
    net.run(5_000);
    assert_eq!(net.holds(0).len(), 3_000);
    assert_eq!(net.holds(0), net.holds(1));
    assert_eq!(net.envelopes, 1_000);
    assert!(finding(&net) <= 30_000, "{} bytes", finding(&net));
}

#[test]
fn what_the_link_lost_of_a_sketch_is_found_with_the_next_beat() {
    let mut net = pair(100, 100..200);
    net.loss_percent = 100;
    net.connect(0, 1);
    net.run(30);
    net.loss_percent = 0;
    net.run(70_000);
    assert_eq!(net.holds(0).len(), 200);
    assert_eq!(net.holds(0), net.holds(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sets_converge_however_often_a_meeting_is_cut_short(
        seed in any::<u8>(),
        common in 0u32..300,
        own in proptest::collection::vec((0usize..2, 1_000u32..3_000), 0..400),
        receipts in proptest::collection::vec((0usize..2, 0u32..3_000), 0..60),
        cuts in proptest::collection::vec((0u64..120, 0u64..3_000), 0..8),
    ) {
        let mut net = Net::new(2, seed);
        for n in 0..common {
            net.write(0, letter(n));
            net.write(1, letter(n));
        }
        for (peer, n) in &own {
            net.act(*peer, |p, now| {
                let _ = p.mesh.keep(now, letter(*n), Origin::Own { to: None }, &mut p.out);
            });
        }
        for (peer, n) in &receipts {
            let ack = sealed(*n, Lifetime::Fortnight).1;
            net.act(*peer, |p, now| _ = p.mesh.carry.receipt(now, ack, None, true, &mut p.out));
        }
        for (at, pause) in cuts {
            let (link, _) = net.connect((at % 2) as usize, 1 - (at % 2) as usize);
            net.run(at);
            net.disconnect((at % 2) as usize, link);
            net.run(pause);
        }
        net.connect(0, 1);
        net.run(200_000);
        let ended: BTreeSet<u32> = receipts.iter().map(|(_, n)| *n).collect();
        let held = (0..common).chain(own.iter().map(|(_, n)| *n)).filter(|n| !ended.contains(n));
        let all: BTreeSet<_> = held.map(|n| letter(n).id().0).collect();
        for peer in [0, 1] {
            prop_assert_eq!(net.holds(peer), all.clone());
            prop_assert_eq!(net.peers[peer].mesh.carry.root(Set::Receipts), net.peers[0].mesh.carry.root(Set::Receipts));
        }
    }
}
