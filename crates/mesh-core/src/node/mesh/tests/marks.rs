//! The mark of what is beyond a share: who gets it, and that nobody gains by setting it.

use super::*;

const BLE: Profile = Profile { medium: Medium::Ble, mtu: 244, metered: false, typical_rate: 20_000 };

fn is_marked(net: &Net, index: usize, envelope: &Envelope) -> bool {
    net.peers[index].mesh.carry.item(envelope.id().short()).expect("it is held").surplus
}

/// Peer `index` holds `envelope` as somebody brought it who set the mark.
fn mark(net: &mut Net, index: usize, envelope: &Envelope) {
    let mut marked = envelope.clone();
    marked.surplus = true;
    let origin = Origin::Link { link: LinkId(9_999), contact: false };
    net.act(index, |peer, now| _ = peer.mesh.keep(now, marked, origin, &mut peer.out));
}

/// A marker (0) brings a letter to 1, which handed it on to 3; 2 is linked to 1.
fn spoilt(profile: Profile) -> (Net, Envelope) {
    let (mut net, letter) = (Net::new(4, 1), letter(1));
    mark(&mut net, 0, &letter);
    for (a, b) in [(0, 1), (1, 2), (1, 3)] {
        net.connect_over(a, b, profile);
    }
    net.run(20_000);
    assert!(is_marked(&net, 1, &letter) && is_marked(&net, 3, &letter));
    (net, letter)
}

#[test]
fn attack_45_a_mark_on_what_is_others_goes_where_another_brings_it_without() {
    for profile in [Profile::LAN, BLE] {
        let (mut net, letter) = spoilt(profile);
        // 2 lets go of what the marker spoilt, and hears from the writer itself.
        let held = letter.id();
        net.act(2, |peer, _| _ = peer.mesh.carry.forget_bodiless(at(0), held, &mut peer.out));
        net.write(2, letter.clone());
        net.run(20_000);
        assert!(!is_marked(&net, 1, &letter), "the next hop");
        assert!(!is_marked(&net, 3, &letter), "and the one behind it");
    }
}

#[test]
fn attack_45_a_neighbour_that_marks_first_is_outdone_by_one_that_named_it_too() {
    let (mut net, letter) = (Net::new(4, 1), letter(1));
    for (a, b) in [(0, 1), (1, 2), (1, 3)] {
        net.connect_over(a, b, BLE);
    }
    net.run(1_000);
    mark(&mut net, 0, &letter);
    net.write(2, letter.clone());
    net.run(20_000);
    assert!(!is_marked(&net, 1, &letter) && !is_marked(&net, 3, &letter));
}

#[test]
fn whatever_its_size_the_first_envelope_of_a_slow_link_is_within_its_share() {
    for class in SizeClass::ALL {
        let mut net = Net::new(2, 1);
        net.connect_over(0, 1, BLE);
        net.run(1_000);
        let header = Envelope::header(class, Lifetime::Fortnight, Tag([7; 16]), Ack([8; 16]).commit());
        let letter = Envelope::new(header, &vec![5; class.body_len()], 12).unwrap();
        net.write(0, letter.clone());
        net.run(20_000);
        assert!(!is_marked(&net, 1, &letter), "{class:?}");
    }
}
