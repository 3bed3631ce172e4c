use super::*;
use crate::Seal;
use core::time::Duration;

const A_WHILE: Duration = Duration::from_secs(120);

/// Five people who are all linked, in a group of four of whom two are admins.
fn street() -> (World, Circle) {
    let mut world = World::sealed(7, Seal::Cheap);
    let people: Vec<NodeIx> = (0..5).map(|n| world.add(&format!("Person {n}"))).collect();
    let script = Script { people: (0..5).collect(), admins: 2, members: 4, begins: 0, steps: Vec::new() };
    assert_eq!(script.check(5), Ok(()));
    assert!(world.introduce(&Circle::acquaintances(&script)).is_empty());
    let mut circle = Circle::new(&world, &script);
    for other in &people[1..] {
        world.connect(people[0], *other);
    }
    assert!(circle.begin(&mut world).is_some());
    world.run_for(A_WHILE);
    (world, circle)
}

fn step(world: &mut World, circle: &mut Circle, number: u32, by: u32, deed: Deed) -> bool {
    let done = circle.step(world, number, &Step { at: 0, by, deed });
    world.run_for(A_WHILE);
    done
}

#[test]
fn what_is_done_in_a_group_comes_to_the_same_for_all() {
    let (mut world, mut circle) = street();
    let deeds = [
        (2, Deed::Write(50)),
        (0, Deed::Add(4)),
        (3, Deed::Write(50)),
        (1, Deed::React(0)),
        (2, Deed::Edit(0)),
        (1, Deed::Remove(2)),
        (0, Deed::Rename),
        (4, Deed::Write(60)),
        (3, Deed::Delete(0)),
    ];
    for (n, (by, deed)) in (0..).zip(deeds) {
        assert!(step(&mut world, &mut circle, n, by, deed), "{deed:?}");
        assert_eq!(circle.disagreements(&world), [], "{deed:?}");
    }
    assert_eq!(circle.members(&world).into_iter().collect::<Vec<_>>(), [0, 1, 3, 4]);
    let readers: Vec<_> = circle.said().iter().map(Said::readers).collect();
    assert_eq!(readers, [vec![2, 0, 1, 3], vec![3, 0, 1, 2, 4], vec![4, 0, 1, 3]]);
    assert_eq!((circle.arrived(&world), circle.counts()), (3, (9, 0)));
}

#[test]
fn who_cannot_do_something_leaves_it_to_the_next() {
    let (mut world, mut circle) = street();
    assert!(step(&mut world, &mut circle, 0, 2, Deed::Promote(3)), "the first admin from there on does it");
    assert!(step(&mut world, &mut circle, 1, 4, Deed::Write(40)), "who is not in it leaves it to the next");
    assert_eq!(circle.said()[0].draft.from, 0);
    assert!(!step(&mut world, &mut circle, 2, 0, Deed::Leave), "four are the fewest");
}

#[test]
fn parts_that_have_not_healed_disagree() {
    let (mut world, mut circle) = street();
    world.disconnect(NodeIx::from(0), NodeIx::from(3));
    step(&mut world, &mut circle, 0, 0, Deed::Write(40));
    step(&mut world, &mut circle, 1, 0, Deed::Rename);
    let found: Vec<_> = circle.disagreements(&world).into_iter().map(|(_, what)| what).collect();
    assert_eq!(found, ["node 3 sees another group", "message 0 of 0 is not at 3"]);
    world.connect(NodeIx::from(0), NodeIx::from(3));
    world.run_for(A_WHILE);
    assert_eq!(circle.disagreements(&world), []);
}
