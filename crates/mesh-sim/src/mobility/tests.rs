use proptest::prelude::*;

use super::*;
use crate::Span;
use crate::trace::Trace;

/// Contacts of sixty people.
fn all(movement: &Movement, seed: u64, radius: f32, seconds: u64) -> Vec<Contact> {
    walked(movement, 60, seed, radius, seconds)
}

fn walked(movement: &Movement, nodes: u32, seed: u64, radius: f32, seconds: u64) -> Vec<Contact> {
    let mut walking = movement.walk(nodes, seed, radius, seconds).unwrap();
    contacts(&mut *walking, seconds * 1000)
}

/// How many others a node has within reach on average, and how long a contact lasts in seconds.
fn degree_and_duration(contacts: &[Contact], nodes: u32, seconds: u64) -> (f64, f64) {
    let together: u64 = contacts.iter().map(|contact| contact.end - contact.start).sum();
    let degree = 2.0 * together as f64 / 1000.0 / seconds as f64 / f64::from(nodes);
    (degree, together as f64 / 1000.0 / contacts.len() as f64)
}

/// For sixty people.
fn small_ones() -> Vec<Movement> {
    let minutes = Span::minutes;
    let groups = "groups = 3\nmeet_every = \"4 min\"\nmeet_for = \"1 min\"\ncouriers = 2\nway = \"2 min\"";
    vec![
        Movement::Waypoint(Waypoint { width_m: 200.0, height_m: 200.0, ..Default::default() }),
        Movement::Waypoint(Waypoint { neighbours: Some(2.0), ..Default::default() }),
        Movement::Stadium(Stadium {
            break_at: minutes(2),
            egress_at: minutes(5),
            egress_for: minutes(1),
            ..Default::default()
        }),
        Movement::Festival(Festival { begins_h: 1.95, ..Default::default() }),
        Movement::City(City { width_m: 500.0, height_m: 500.0, ..Default::default() }),
        Movement::Evacuation(Evacuation {
            length_m: 600.0,
            town_m: 50.0,
            departure: minutes(1),
            ..Default::default()
        }),
        Movement::Train(Train::default()),
        Movement::Villages(Villages { distance_m: 1000.0, ..Default::default() }),
        Movement::Groups(toml::from_str(groups).unwrap()),
    ]
}

#[test]
fn the_same_seed_is_the_same_walk_and_another_seed_another() {
    for movement in small_ones() {
        let first = all(&movement, 1, 10.0, 900);
        assert!(!first.is_empty(), "{movement:?}");
        assert_eq!(first, all(&movement, 1, 10.0, 900), "{movement:?}");
        assert_ne!(first, all(&movement, 2, 10.0, 900), "{movement:?}");
    }
}

#[test]
fn every_pair_comes_before_it_leaves_and_in_order_of_time() {
    for movement in small_ones() {
        let mut walking = movement.walk(60, 3, 10.0, 900).unwrap();
        let (mut near, mut before) = (std::collections::BTreeSet::new(), 0);
        while let Some(meeting) = walking.next_meeting().filter(|meeting| meeting.at < 900_000) {
            assert!(meeting.a < meeting.b && meeting.b < 60 && meeting.at >= before);
            before = meeting.at;
            let pair = (meeting.a, meeting.b);
            assert!(
                if meeting.near { near.insert(pair) } else { near.remove(&pair) },
                "{movement:?} {meeting:?}"
            );
            if let Some(metres) = meeting.metres {
                assert_eq!(meeting.near, metres <= 10.0, "{movement:?} {meeting:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn the_grid_finds_exactly_those_within_the_radius(
        steps in prop::collection::vec(prop::collection::vec((0_usize..30, 0.0_f32..60.0, 0.0_f32..25.0, prop::bool::weighted(0.1)), 1..30), 1..6),
        radius in 0.5_f32..30.0,
    ) {
        let mut crowd = Crowd::new(30, radius);
        let mut near = std::collections::BTreeSet::new();
        for moves in steps {
            for (node, x, y, away) in moves {
                if away { crowd.take_away(node as u32) } else { crowd.put(node as u32, (x, y)) }
            }
            for meeting in crowd.look_around(0) {
                let pair = (meeting.a, meeting.b);
                let alternates = if meeting.near { near.insert(pair) } else { near.remove(&pair) };
                prop_assert!(alternates);
            }
            for a in 0..30 {
                for b in a + 1..30 {
                    let (one, other) = (crowd.place(a), crowd.place(b));
                    let together = one.zip(other).is_some_and(|(one, other)| {
                        let (x, y) = (one.0 - other.0, one.1 - other.1);
                        x * x + y * y <= radius * radius
                    });
                    prop_assert_eq!(near.contains(&(a, b)), together);
                    prop_assert_eq!(crowd.neighbours(a).contains(&b), together);
                }
            }
        }
    }
}

#[test]
fn a_replay_tells_touching_contacts_as_one() {
    let text = "20 40 0 1\n0 20 0 1\n60 80 1 2\n40 60 0 2\n";
    let mut replay = TraceReplay::new(&Trace::parse("t", text).unwrap());
    assert_eq!(replay.nodes(), 3);
    let told: Vec<(u64, u32, u32, bool)> =
        core::iter::from_fn(|| replay.next_meeting()).map(|it| (it.at / 1000, it.a, it.b, it.near)).collect();
    // Who leaves at an instant leaves before others come.
    let expected = [
        (0, 0, 1, true),
        (40, 0, 1, false),
        (40, 0, 2, true),
        (60, 0, 2, false),
        (60, 1, 2, true),
        (80, 1, 2, false),
    ];
    assert_eq!(told, expected);
}

#[test]
fn contacts_of_a_replay_are_those_of_the_trace() {
    let trace = Trace::parse("t", "0 20 0 1\n5 30 1 2\n25 50 0 1\n").unwrap();
    assert_eq!(contacts(&mut TraceReplay::new(&trace), 100_000), trace.contacts);
    let cut = contacts(&mut TraceReplay::new(&trace), 10_000);
    assert_eq!(cut.iter().map(|contact| contact.end).collect::<Vec<_>>(), [10_000, 10_000]);
}

#[test]
fn random_waypoint_has_the_degree_it_was_made_for() {
    let movement = Movement::Waypoint(Waypoint { neighbours: Some(5.0), ..Default::default() });
    let (degree, duration) = degree_and_duration(&walked(&movement, 1000, 1, 10.0, 600), 1000, 600);
    // Waypoints draw people to the middle, so that it is somewhat denser than an even spread.
    assert!((4.5..9.0).contains(&degree), "{degree}");
    assert!((5.0..40.0).contains(&duration), "{duration}");
}

#[test]
fn a_seat_in_the_stadium_has_some_twenty_to_fifty_neighbours() {
    let movement = Movement::Stadium(Stadium::default());
    let (degree, _) = degree_and_duration(&walked(&movement, 2000, 1, 5.0, 120), 2000, 120);
    assert!((20.0..50.0).contains(&degree), "{degree}");
}

#[test]
fn the_stadium_empties_and_contacts_on_the_way_out_are_short() {
    let (egress_at, egress_for) = (Span::minutes(1), Span::minutes(5));
    let movement = Movement::Stadium(Stadium { egress_at, egress_for, ..Default::default() });
    let mut walking = movement.walk(800, 1, 5.0, 1500).unwrap();
    let contacts: Vec<Contact> = contacts(&mut *walking, 1_500_000);
    assert!((0..800).all(|node| walking.place(node).is_none()), "everybody has left");
    let on_the_way: Vec<Contact> = contacts.into_iter().filter(|contact| contact.start > 120_000).collect();
    let (_, duration) = degree_and_duration(&on_the_way, 800, 1500);
    assert!((3.0..60.0).contains(&duration), "{duration}");
}

#[test]
fn festival_guests_sleep_in_their_tents_at_night() {
    let festival = Festival { begins_h: 23.0, night_from_h: 2.0, night_to_h: 9.0, ..Default::default() };
    let mut walking = Movement::Festival(festival).walk(200, 1, 10.0, 6 * 3600).unwrap();
    while walking.next_meeting().is_some() {}
    let in_camp = (0..200).filter(|node| walking.place(*node).is_some_and(|place| place.0 <= 100.0)).count();
    assert!(in_camp > 190, "{in_camp}");
}

#[test]
fn couriers_carry_between_the_villages_in_about_half_their_round() {
    let movement = Movement::Villages(Villages::default());
    let seconds = 12 * 3600;
    let contacts = walked(&movement, 41, 1, 30.0, seconds);
    let oracle = crate::Oracle::over(41, &contacts);
    let draws: Vec<crate::Draw> =
        (0..100).map(|number| crate::Draw { from: 5, to: 30, at: number * 200_000 }).collect();
    let foresight = oracle.foresee(&draws, crate::Crossing::INSTANT, u64::MAX / 2);
    // 5 km at 4 m/s and a stop of ten minutes, twice: a round takes 3,700 s.
    let middle = foresight.delay_s(0.5).unwrap();
    assert!(foresight.ratio() > 0.99 && (1200.0..4500.0).contains(&middle), "{} {middle}", foresight.ratio());
}

#[test]
fn shelters_never_move_and_couriers_visit_them() {
    let movement = Movement::City(City { width_m: 2000.0, height_m: 2000.0, ..Default::default() });
    let mut walking = movement.walk(80, 1, 30.0, 7200).unwrap();
    let first = walking.next_meeting().unwrap();
    assert_eq!(first.at, 0);
    let shelters: Vec<Option<Place>> = (0..12).map(|shelter| walking.place(shelter)).collect();
    let mut visited = std::collections::BTreeSet::new();
    while let Some(meeting) = walking.next_meeting() {
        if meeting.near && meeting.a < 12 && (12..20).contains(&meeting.b) {
            visited.insert(meeting.a);
        }
    }
    assert_eq!((0..12).map(|shelter| walking.place(shelter)).collect::<Vec<_>>(), shelters);
    assert!(visited.len() >= 10, "{visited:?}");
}

#[test]
fn all_who_leave_the_town_reach_the_camp() {
    let road = Evacuation {
        length_m: 1000.0,
        town_m: 100.0,
        departure: Span::minutes(5),
        responders: 0.0,
        ..Default::default()
    };
    let mut walking = Movement::Evacuation(road).walk(100, 1, 10.0, 2400).unwrap();
    while walking.next_meeting().is_some() {}
    let there = (0..100).filter(|node| walking.place(*node).is_some_and(|place| place.0 >= 980.0)).count();
    assert_eq!(there, 100);
}

#[test]
fn as_many_stay_aboard_the_train_as_were_aboard() {
    let mut walking = Movement::Train(Train::default()).walk(120, 1, 10.0, 3600).unwrap();
    let mut aboard = 0;
    while walking.next_meeting().is_some() {
        aboard = (0..120).filter(|node| walking.place(*node).is_some()).count();
    }
    assert_eq!(aboard, 60);
}

#[test]
fn impossible_values_are_refused_with_what_is_allowed() {
    let told = |nodes, movement: Movement| match movement.walk(nodes, 1, 10.0, 10) {
        Ok(_) => panic!("{movement:?} is impossible"),
        Err(wrong) => wrong.to_string(),
    };
    let few = told(3, Movement::City(City::default()));
    assert_eq!(few, "`nodes = 3` is impossible; allowed is at least 20: `shelters + bikes + cars`");
    let none = told(0, Movement::Festival(Festival::default()));
    assert_eq!(none, "`nodes = 0` is impossible; allowed is a whole number from 1 to 1000000");
    let slow = told(60, Movement::Waypoint(Waypoint { fastest: 0.1, ..Default::default() }));
    assert_eq!(slow, "`fastest = 0.1` is impossible; allowed is a number not below slowest (0.5)");
    let nowhere = told(60, Movement::Waypoint(Waypoint { width_m: f32::NAN, ..Default::default() }));
    assert!(nowhere.starts_with("`width_m = NaN` is impossible"), "{nowhere}");
    let hasty = told(60, Movement::Train(Train { stop_every: Span::seconds(1), ..Default::default() }));
    assert_eq!(hasty, "`stop_every = 1 s` is impossible; allowed is from 10 s to 1 d");
    let recorded = told(60, Movement::Trace(TraceFile { file: "a.txt".into(), skip: Span::default() }));
    assert_eq!(recorded, "`trace = a.txt` is impossible; allowed is a movement that needs no file");
    let Err(wide) = small_ones()[0].walk(60, 1, -1.0, 10) else { panic!("a radius is a length") };
    assert!(wide.to_string().starts_with("`radius = -1` is impossible"), "{wide}");
}

#[test]
fn all_movements_take_any_number_of_people_that_suffices() {
    for movement in small_ones() {
        assert_eq!((movement.check(60), movement.check(333)), (Ok(()), Ok(())), "{movement:?}");
    }
}
