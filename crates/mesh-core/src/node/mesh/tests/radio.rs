//! Neighbours that see one another over two media, and what their radios say.

use super::*;
use crate::radio::Advert;

/// Two nodes over Bluetooth, the first of which writes so many texts.
fn pair(texts: u32) -> (Net, LinkId) {
    let mut net = Net::new(2, 31);
    let (ble, _) = net.connect_over(0, 1, Profile::BLE);
    net.run(2_000);
    for n in 0..texts {
        net.write(0, letter(n));
    }
    (net, ble)
}

fn duplicates(net: &Net) -> usize {
    let closed = net.peers.iter().flat_map(|peer| &peer.closed);
    closed.filter(|why| **why == CloseReason::Duplicate).count()
}

#[test]
fn a_transfer_over_a_slow_link_goes_on_over_a_faster_one_and_nothing_crosses_twice() {
    let (mut net, ble) = pair(400);
    net.run(2_000);
    let before = net.holds(1).len();
    assert!((50..350).contains(&before), "{before} of 400 came over Bluetooth");
    net.connect(0, 1);
    net.run(1_000);
    assert!(!net.pipes.contains_key(&(0, ble)), "the slower link is closed");
    assert!(duplicates(&net) >= 1);
    net.run(5_000);
    assert_eq!(net.holds(1).len(), 400);
    assert_eq!((net.envelopes, net.arrived), (400, 400), "sent and arrived once each");
    assert_eq!(net.peers[0].carried.len(), 400, "each was confirmed, and once");
    assert!(net.peers.iter().all(|peer| peer.faults.is_empty()));
}

#[test]
fn both_ends_in_the_middle_of_something_hand_over_without_a_loss() {
    let (mut net, _) = pair(200);
    for n in 1_000..1_200 {
        net.write(1, letter(n));
    }
    net.run(1_500);
    net.connect(1, 0);
    net.run(6_000);
    assert_eq!((net.holds(0).len(), net.holds(1).len()), (400, 400));
    assert_eq!((net.envelopes, net.arrived, net.pipes.len()), (400, 400, 2));
}

#[test]
fn when_the_fast_link_goes_the_next_slow_one_goes_on_with_what_did_not_come() {
    let (mut net, _) = pair(100);
    net.run(500);
    let (lan, _) = net.connect(0, 1);
    net.run(1_000);
    for n in 100..400 {
        net.write(0, letter(n));
    }
    net.run(14);
    let before = net.holds(1).len();
    net.disconnect(0, lan);
    net.connect_over(0, 1, Profile::BLE);
    net.run(20_000);
    assert!((100..400).contains(&before), "the network went in the middle: {before}");
    assert_eq!(net.holds(1).len(), 400);
    assert_eq!(net.arrived, 400, "nothing came twice");
}

#[test]
fn a_slow_link_that_comes_beside_a_fast_one_goes_again() {
    let mut net = Net::new(2, 32);
    net.connect(0, 1);
    net.run(30_000);
    let (ble, _) = net.connect_over(1, 0, Profile::BLE);
    net.run(1_000);
    assert!(!net.pipes.contains_key(&(1, ble)));
    assert_eq!(net.pipes.len(), 2);
}

#[test]
fn a_slow_link_serves_again_when_the_fast_one_goes_before_the_end_is_agreed() {
    let (mut net, _) = pair(200);
    net.run(500);
    let (lan, _) = net.connect(0, 1);
    net.run(60);
    net.disconnect(0, lan);
    net.run(20_000);
    assert_eq!((net.holds(1).len(), net.arrived), (200, 200));
}

#[test]
fn a_radio_says_what_the_bag_looks_like_and_neighbours_with_equal_bags_see_it() {
    let mut net = Net::new(2, 33);
    for peer in 0..2 {
        net.act(peer, |peer, now| peer.mesh.radio(now, Medium::Ble, true, &mut peer.out));
    }
    let read = |net: &Net, peer: usize| {
        let (payload, root) = net.peers[peer].adverts.last().unwrap().clone();
        (Advert::from_bytes(&payload).unwrap(), root)
    };
    let ((first, root), (second, _)) = (read(&net, 0), read(&net, 1));
    assert!(first.shows(root) && second.shows(root));
    net.write(0, letter(1));
    net.run(4_000);
    let (changed, root) = read(&net, 0);
    assert!(changed.shows(root) && !read(&net, 1).0.shows(root), "the change is said within four seconds");
    net.connect_over(0, 1, Profile::BLE);
    net.run(6_000);
    assert!(read(&net, 1).0.shows(read(&net, 0).1), "equal again");
    net.act(0, |peer, now| peer.mesh.radio(now, Medium::Ble, false, &mut peer.out));
    let said = net.peers[0].adverts.len();
    net.write(0, letter(2));
    net.run(60_000);
    assert_eq!(net.peers[0].adverts.len(), said, "a radio that does not work says nothing");
}

#[test]
fn a_radio_without_a_free_place_says_so() {
    let config =
        MeshConfig { radio: crate::radio::Config { places: 2, ..Default::default() }, ..Default::default() };
    let mut net = Net::with(3, 34, &config);
    net.act(0, |peer, now| peer.mesh.radio(now, Medium::Ble, true, &mut peer.out));
    net.connect_over(0, 1, Profile::BLE);
    net.connect_over(0, 2, Profile::BLE);
    net.run(4_000);
    let full = |net: &Net| Advert::from_bytes(&net.peers[0].adverts.last().unwrap().0).unwrap().full;
    assert!(full(&net));
}

#[test]
fn contacts_keep_their_places_on_radios_where_places_are_few() {
    let (mut net, friend) = (Net::new(2, 35), AccountId([7; 20]));
    for peer in 0..2 {
        let secrets = vec![(friend, [5; 32])];
        net.act(peer, |peer, now| peer.mesh.set_secrets(now, secrets, &mut peer.out));
    }
    let (ble, _) = net.connect_over(0, 1, Profile::BLE);
    net.run(1_000);
    assert_eq!(net.peers[0].keeps, [(ble, true)]);
    net.act(0, |peer, now| peer.mesh.set_secrets(now, Vec::new(), &mut peer.out));
    assert_eq!(net.peers[0].keeps, [(ble, true), (ble, false)]);
}

#[test]
fn holders_count_the_age_of_one_envelope_up_to_a_second_per_hop_apart() {
    let mut net = Net::new(8, 36);
    // Each has it for a while before it meets the next.
    for n in 0..200 {
        net.write(0, letter(n));
        net.run(37);
    }
    for hop in 0..7 {
        net.connect(hop, hop + 1);
        net.run(10_700);
    }
    let ages = |net: &Net, peer: usize| -> BTreeMap<EnvelopeId, u128> {
        let now = Time(net.now);
        let sealed = net.peers[peer].mesh.sealed();
        sealed.map(|(id, since, age)| (id, (now.since(since) + age).as_millis())).collect()
    };
    let (first, last) = (ages(&net, 0), ages(&net, 7));
    let apart: Vec<u128> = first.iter().filter_map(|(id, age)| Some(last.get(id)?.abs_diff(*age))).collect();
    assert_eq!(apart.len(), 200);
    let (mean, most) = (apart.iter().sum::<u128>() / 200, apart.iter().max().copied().unwrap_or_default());
    assert!((500..=7_000).contains(&mean) && most <= 7_000, "{mean} ms on average, {most} ms at most");
}
