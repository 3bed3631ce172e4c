//! What one node is advised, and what becomes of a crowd that follows the advice.

use super::*;
use crate::rng::Rng;
use proptest::prelude::*;
use std::collections::BTreeSet;

const ROOT: [u8; 8] = [1; 8];
const OTHER: [u8; 8] = [2; 8];
const S: u64 = 1_000;

type Pairs = BTreeSet<(u64, u64)>;

/// The nonces decide who dials: this node's bytes are lower than those of everybody in these tests.
fn overlay(config: Config) -> Overlay {
    let mut overlay = Overlay::new(config, Rng::new([3; 32]));
    overlay.advertise(Advert::new(ROOT, [0, 0], false, 0).to_bytes(), ROOT);
    overlay
}

fn advert(root: [u8; 8], full: bool) -> [u8; ADVERT_LEN] {
    Advert::new(root, [200, 7], full, 0).to_bytes()
}

/// Hears `remotes` once a second and follows every advice, which always works; what was advised, and when.
fn live(overlay: &mut Overlay, from: u64, until: u64, remotes: &[u64]) -> Vec<(u64, Advice)> {
    let mut advised = Vec::new();
    for s in from..until {
        let now = Time(s * S);
        remotes.iter().for_each(|remote| overlay.heard(now, *remote, &advert(OTHER, false), Some(-60)));
        while let Some(advice) = overlay.poll(now) {
            match advice {
                Advice::Dial(remote) => overlay.linked(now, remote, Role::Dialer),
                Advice::Drop(remote) => overlay.lost(now, remote),
            }
            advised.push((s, advice));
        }
    }
    advised
}

fn dials(advised: &[(u64, Advice)]) -> usize {
    advised.iter().filter(|(_, advice)| matches!(advice, Advice::Dial(_))).count()
}

#[test]
fn free_places_are_filled_and_some_are_left_for_who_comes() {
    let mut overlay = overlay(Config::default());
    let advised = live(&mut overlay, 0, 30, &(0..30).collect::<Vec<_>>());
    assert_eq!((dials(&advised), overlay.links()), (4, 4));
    for remote in 100..102 {
        overlay.linked(Time(30 * S), remote, Role::Listener);
    }
    assert_eq!(overlay.poll(Time(30 * S)), None);
    overlay.linked(Time(31 * S), 102, Role::Listener);
    assert_eq!(overlay.poll(Time(31 * S)), Some(Advice::Drop(102)), "the youngest of too many goes");
}

#[test]
fn the_lower_advert_dials_at_once_and_the_higher_one_after_it_waited_in_vain() {
    let heard = Time(S);
    let (mut lower, mut higher) = (overlay(Config::default()), overlay(Config::default()));
    higher.advertise(Advert::new(ROOT, [255, 255], false, 0).to_bytes(), ROOT);
    for overlay in [&mut lower, &mut higher] {
        overlay.heard(heard, 1, &advert(OTHER, false), None);
        assert_eq!(overlay.poll(heard), None, "not all who hear a newcomer dial at once");
    }
    let first = |overlay: &Overlay| overlay.next_wakeup(heard).unwrap();
    assert!(first(&lower) <= Time(3 * S));
    assert!(first(&higher) >= heard + YIELD);
    assert_eq!(lower.poll(first(&lower)), Some(Advice::Dial(1)));
    assert_eq!(higher.poll(first(&higher)), Some(Advice::Dial(1)));
}

#[test]
fn who_shows_the_same_bag_is_linked_only_up_to_calm_and_behind_everybody_else() {
    let mut overlay = overlay(Config { calm: 2, ..Config::default() });
    for s in 0..10 {
        for remote in 0..10 {
            let root = if remote < 9 { ROOT } else { OTHER };
            overlay.heard(Time(s * S), remote, &advert(root, false), None);
        }
    }
    let mut order = Vec::new();
    while let Some(Advice::Dial(remote)) = overlay.poll(Time(10 * S)) {
        overlay.linked(Time(10 * S), remote, Role::Dialer);
        order.push(remote);
    }
    assert_eq!((order[0], order.len()), (9, 2));
    assert_eq!(overlay.next_wakeup(Time(10 * S)), None);
}

#[test]
fn a_link_gives_its_place_to_who_waits_after_one_to_two_minutes() {
    let mut overlay = overlay(Config::default());
    let advised = live(&mut overlay, 0, 600, &(0..30).collect::<Vec<_>>());
    let first = advised.iter().find(|(_, advice)| matches!(advice, Advice::Drop(_))).unwrap().0;
    assert!((60..=125).contains(&first), "{first}");
    let met: BTreeSet<u64> = advised
        .iter()
        .filter_map(|(_, advice)| match advice {
            Advice::Dial(remote) => Some(*remote),
            Advice::Drop(_) => None,
        })
        .collect();
    assert!(met.len() >= 18, "{} neighbours in ten minutes", met.len());
    assert_eq!(overlay.links(), 4);
}

#[test]
fn nobody_gives_a_place_up_where_nobody_waits() {
    let mut overlay = overlay(Config::default());
    let advised = live(&mut overlay, 0, 1_200, &[1, 2, 3]);
    assert_eq!((dials(&advised), advised.len()), (3, 3));
}

#[test]
fn contacts_keep_their_places_and_a_busy_link_does_for_three_leases() {
    let mut overlay = overlay(Config { dialled: 2, ..Config::default() });
    live(&mut overlay, 0, 20, &[1, 2]);
    overlay.keep(1, true);
    let mut gone = None;
    for s in 20..1_000 {
        overlay.flowed(Time(s * S), 2);
        for (at, advice) in live(&mut overlay, s, s + 1, &[1, 2, 3]) {
            assert_ne!(advice, Advice::Drop(1), "a contact's link stays");
            if advice == Advice::Drop(2) {
                gone.get_or_insert(at);
            }
        }
    }
    assert!(gone.is_some_and(|at| (180..=375).contains(&at)), "{gone:?}");
}

#[test]
fn failures_are_tried_again_after_1_2_4_up_to_60_seconds() {
    let mut overlay = overlay(Config::default());
    let (mut now, mut waits, mut failed) = (Time(0), Vec::new(), None::<Time>);
    while waits.len() < 10 {
        overlay.heard(now, 1, &advert(OTHER, false), None);
        if overlay.poll(now) == Some(Advice::Dial(1)) {
            waits.extend(failed.map(|failed| now.since(failed).as_secs_f64()));
            overlay.failed(now, 1);
            failed = Some(now);
        }
        now = now + Duration::from_millis(100);
    }
    for (n, wait) in waits.iter().enumerate() {
        let due = f64::from(1 << n.min(6)).min(60.0);
        assert!((due * 0.74..=due * 1.26 + 0.1).contains(wait), "{n}: {wait} of {due}");
    }
}

#[test]
fn a_whisper_is_dialled_only_where_nobody_louder_is_there() {
    let mut overlay = overlay(Config::default());
    overlay.heard(Time(0), 1, &advert(OTHER, false), Some(-95));
    overlay.heard(Time(0), 2, &advert(OTHER, false), Some(-70));
    assert_eq!(overlay.poll(Time(5 * S)), Some(Advice::Dial(2)));
    overlay.failed(Time(5 * S), 2);
    assert_eq!(overlay.poll(Time(5 * S)), None);
    overlay.linked(Time(6 * S), 2, Role::Listener);
    assert_eq!(overlay.poll(Time(6 * S)), Some(Advice::Dial(1)));
}

#[test]
fn a_whisper_waits_for_nobody_who_cannot_be_linked() {
    let mut overlay = overlay(Config::default());
    let mut whispered = None;
    for s in 0..120 {
        overlay.heard(Time(s * S), 1, &advert(OTHER, false), Some(-95));
        overlay.heard(Time(s * S), 2, &advert(OTHER, false), Some(-70));
        match overlay.poll(Time(s * S)) {
            Some(Advice::Dial(2)) => overlay.failed(Time(s * S), 2),
            Some(Advice::Dial(1)) => whispered = whispered.or(Some(s)),
            _ => {}
        }
    }
    assert!(whispered.is_some_and(|at| at < 60), "{whispered:?}");
}

#[test]
fn contacts_keep_all_places_but_two_and_not_all_that_are_dialled() {
    let mut overlay = overlay(Config::default());
    for (remote, role) in (0..6).zip([[Role::Dialer; 4].as_slice(), &[Role::Listener; 2]].concat()) {
        overlay.linked(Time(remote), remote, role);
        overlay.keep(remote, true);
    }
    let dropped: BTreeSet<u64> = live(&mut overlay, 1, 2_000, &(0..20).collect::<Vec<_>>())
        .into_iter()
        .filter_map(|(_, advice)| if let Advice::Drop(remote) = advice { Some(remote) } else { None })
        .collect();
    assert!([0, 1, 2, 4].iter().all(|kept| !dropped.contains(kept)), "{dropped:?}");
    assert!(dropped.contains(&3) && dropped.contains(&5), "{dropped:?}");
}

#[test]
fn both_ends_of_a_link_that_was_given_up_wait_before_they_dial_again() {
    for (alone, wait) in [(false, 60..=122), (true, 0..=3)] {
        let mut overlay = overlay(Config::default());
        overlay.heard(Time(0), 1, &advert(OTHER, false), None);
        overlay.linked(Time(0), 1, Role::Dialer);
        if !alone {
            overlay.linked(Time(0), 2, Role::Listener);
        }
        overlay.lost(Time(90 * S), 1);
        let again = live(&mut overlay, 90, 300, &[1]).first().map(|(at, _)| at - 90);
        assert!(again.is_some_and(|after| wait.contains(&after)), "{again:?}");
    }
}

#[test]
fn who_has_no_place_is_dialled_last_and_late() {
    let mut overlay = overlay(Config::default());
    for s in 0..60 {
        overlay.heard(Time(s * S), 1, &advert(OTHER, true), None);
        let advice = overlay.poll(Time(s * S));
        assert_eq!(advice.is_some(), s >= 32, "{s}");
        if advice.is_some() {
            break;
        }
    }
}

#[test]
fn who_is_linked_by_a_faster_medium_is_left_alone_until_that_ends() {
    let mut overlay = overlay(Config::default());
    live(&mut overlay, 0, 5, &[1]);
    overlay.elsewhere(Time(5 * S), 1);
    assert!(live(&mut overlay, 5, 300, &[1]).is_empty());
    overlay.lonely(Time(300 * S));
    assert_eq!(live(&mut overlay, 300, 302, &[1]), [(300, Advice::Dial(1))]);
}

#[test]
fn somebody_else_is_dialled_at_once_when_who_was_dialled_turns_out_to_be_linked_elsewhere() {
    let mut overlay = overlay(Config::default());
    for remote in 1..3 {
        overlay.heard(Time(0), remote, &advert(OTHER, false), None);
    }
    let now = Time(3 * S);
    let Some(Advice::Dial(first)) = overlay.poll(now) else { panic!("nobody is dialled") };
    assert_eq!(overlay.poll(now), None, "one at a time");
    overlay.elsewhere(now, first);
    assert_eq!(overlay.poll(now), Some(Advice::Dial(3 - first)));
}

#[test]
fn who_is_gone_is_not_dialled() {
    let mut overlay = overlay(Config::default());
    overlay.heard(Time(0), 1, &advert(OTHER, false), None);
    assert_eq!(overlay.poll(Time(60 * S)), None);
    assert_eq!(overlay.next_wakeup(Time(60 * S)), None);
}

#[test]
fn attack_55_adverts_of_thousands_take_no_memory_and_leave_neighbours_their_share() {
    let mut overlay = overlay(Config::default());
    let honest = 100;
    let mut dialled = BTreeSet::new();
    for s in 0..600u64 {
        let now = Time(s * S);
        (0..honest).for_each(|remote| overlay.heard(now, remote, &advert(OTHER, false), None));
        (0..50).for_each(|n| overlay.heard(now, 1_000 + s * 50 + n, &advert(OTHER, false), None));
        while let Some(Advice::Dial(remote)) = overlay.poll(now) {
            dialled.insert(remote);
            overlay.failed(now, remote);
        }
    }
    assert!(overlay.seen.len() <= MAX_SEEN);
    let met = dialled.iter().filter(|remote| **remote < honest).count();
    assert!(met >= 30, "{met} of {honest} honest neighbours were dialled, of {} in all", dialled.len());
}

/// Nodes that all hear one another and follow the advice; who ever was linked to whom, and who is. All in a group of
/// so many know each other.
fn crowd(count: u64, seconds: u64, seed: u8, group: u64) -> (Pairs, Pairs) {
    let mut rng = Rng::new([seed; 32]);
    let mut nodes: Vec<Overlay> = (0..count).map(|_| Overlay::new(Config::default(), rng.fork())).collect();
    let (mut ever, mut links) = (BTreeSet::new(), Pairs::new());
    for s in 0..seconds {
        let now = Time(s * S);
        if s % 10 == 0 {
            let said: Vec<_> = nodes
                .iter()
                .zip(0u8..)
                .map(|(node, n)| Advert::new([n; 8], rng.bytes(), node.links() >= 6, 0).to_bytes())
                .collect();
            for (me, node) in nodes.iter_mut().enumerate() {
                node.advertise(said[me], [me as u8; 8]);
                for (other, said) in said.iter().enumerate().filter(|(other, _)| *other != me) {
                    node.heard(now, other as u64, said, None);
                }
            }
        }
        for me in 0..count {
            while let Some(advice) = nodes[me as usize].poll(now) {
                let (Advice::Dial(other) | Advice::Drop(other)) = advice;
                let pair = (me.min(other), me.max(other));
                if matches!(advice, Advice::Drop(_)) {
                    links.remove(&pair);
                    nodes[me as usize].lost(now, other);
                    nodes[other as usize].lost(now, me);
                } else if links.contains(&pair) || nodes[other as usize].links() >= 7 {
                    nodes[me as usize].failed(now, other);
                } else {
                    links.insert(pair);
                    ever.insert(pair);
                    nodes[me as usize].linked(now, other, Role::Dialer);
                    nodes[other as usize].linked(now, me, Role::Listener);
                    nodes[me as usize].keep(other, me / group == other / group);
                    nodes[other as usize].keep(me, me / group == other / group);
                }
            }
        }
    }
    (ever, links)
}

#[test]
fn a_crowd_becomes_one_graph_of_few_links_that_changes() {
    let (ever, links) = crowd(60, 60, 1, 1);
    let mut reached = BTreeSet::from([0]);
    while let Some(next) = links
        .iter()
        .flat_map(|(a, b)| [(a, b), (b, a)])
        .find(|(a, b)| reached.contains(*a) && !reached.contains(*b))
    {
        reached.insert(*next.1);
    }
    assert_eq!(reached.len(), 60, "one component");
    let most = (0..60).map(|me| links.iter().filter(|(a, b)| *a == me || *b == me).count()).max();
    assert!(most <= Some(6) && links.len() >= 120, "{most:?} links at most, {} in all", links.len());
    let (later, _) = crowd(60, 600, 1, 1);
    assert!(later.len() >= 3 * ever.len(), "{} pairs in ten minutes, {} in one", later.len(), ever.len());
}

#[test]
fn groups_whose_people_know_one_another_stay_linked_to_everybody_else() {
    let (_, links) = crowd(60, 1_800, 1, 10);
    let outside = |group: u64| links.iter().filter(|(a, b)| (a / 10 == group) != (b / 10 == group)).count();
    let least = (0..6).map(outside).min();
    assert!(least >= Some(5), "{least:?} links to others, of the group that has fewest");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a radio tells: advice names somebody it can be followed for, tables keep their bounds, and time goes on.
    #[test]
    fn any_order_of_events_is_taken(
        events in proptest::collection::vec((0u8..9, 0u64..12, any::<[u8; 6]>(), 0u64..40_000), 1..300),
    ) {
        let mut overlay = overlay(Config::default());
        let mut now = Time(0);
        for (what, remote, bytes, pass) in events {
            match what {
                0..3 => overlay.heard(now, remote, &bytes, Some(bytes[0] as i8)),
                3 => overlay.linked(now, remote, Role::Listener),
                4 => overlay.lost(now, remote),
                5 => overlay.failed(now, remote),
                6 => overlay.elsewhere(now, remote),
                7 => overlay.advertise(bytes, [bytes[0]; 8]),
                _ => now = now + Duration::from_millis(pass),
            }
            let mut asked = 0;
            while let Some(advice) = overlay.poll(now) {
                match advice {
                    Advice::Dial(remote) => prop_assert!(!overlay.links.contains_key(&remote)),
                    Advice::Drop(remote) => prop_assert!(overlay.links.contains_key(&remote)),
                }
                asked += 1;
                prop_assert!(asked < 20, "advice comes to an end");
            }
            prop_assert!(overlay.next_wakeup(now).is_none_or(|at| at > now));
        }
    }
}
