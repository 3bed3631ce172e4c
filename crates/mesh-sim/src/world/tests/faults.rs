//! What goes wrong, and what comes of it.

use super::rig::{SECOND, Talker, draft, logged, plain, script, talkers};
use super::{MINUTE, befriend, pair, send, state, texts};
use crate::{Change, NodeIx, Power, Radio, Seal, World};
use mesh_core::view::MessageState;

const HUNGRY: Power = Power { advert_uj: 0.0, scan_mw: 0.0, byte_uj: 1_000.0, base_mw: 100.0 };

#[test]
fn a_battery_that_idles_lasts_as_long_as_its_joules() {
    let radio = Radio { power: HUNGRY, ..plain(1_000_000) };
    let (mut world, log) = talkers(1, script(2, &[(1, 3_600, 0, 1)]), radio);
    world.battery(NodeIx::from(1), 10.0);
    world.run_to(99_000);
    assert!(world.is_running(NodeIx::from(1)));
    world.run_to(200_000);
    assert!(!world.is_running(NodeIx::from(1)) && world.is_running(NodeIx::from(0)));
    assert_eq!(log.lock().unwrap().crashed, [(100_000, 1)]);
    assert_eq!(world.counters().losses.batteries, 1);
    // Node 0 drew from the wall all the time, node 1 until it died.
    let joules = world.counters().energy_j;
    assert!((joules - (20.0 + 10.0)).abs() < 0.1, "{joules}");
}

#[test]
fn bytes_empty_a_battery_sooner() {
    let radio = Radio { power: HUNGRY, ..plain(1_000_000) };
    let (mut world, log) = talkers(1, script(2, &[(1, 3_600, 0, 1)]), radio);
    world.battery(NodeIx::from(1), 10.0);
    world.run_to(10_000);
    world.submit(&draft(1, 0, 5_000));
    world.run_to(200_000);
    assert_eq!(log.lock().unwrap().crashed, [(50_000, 1)]);
}

#[test]
fn a_new_battery_brings_a_node_back_to_its_neighbours() {
    let radio = Radio { power: HUNGRY, ..plain(1_000_000) };
    let (mut world, _log) = talkers(1, script(2, &[(1, 3_600, 0, 1)]), radio);
    let ix = NodeIx::from(1);
    world.battery(ix, 1.0);
    world.run_to(60_000);
    assert!(!world.is_running(ix) && world.links().is_empty());
    world.battery(ix, 1_000.0);
    world.power(ix, true);
    world.run_to(120_000);
    assert!(world.is_running(ix));
    assert_eq!(world.links(), [(NodeIx::from(0), ix)]);
}

#[test]
fn a_protocol_under_test_comes_back_as_it_was_and_hears_that_its_links_are_gone() {
    let (mut world, log) = talkers(1, script(2, &[(1, 600, 0, 1)]), Radio::ideal(SECOND, None, 0));
    world.run_to(10_000);
    world.crash(NodeIx::from(0));
    assert!(world.links().is_empty());
    world.run_to(20_000);
    world.restart(NodeIx::from(0));
    world.run_to(30_000);
    world.submit(&draft(1, 0, 100));
    world.run_to(40_000);
    assert_eq!(log.lock().unwrap().shown, [(31_000, 1, 1)]);
}

#[test]
fn changes_happen_when_they_were_planned() {
    let mut world = World::new(1);
    let log = logged(&mut world);
    let ix = world.add_protocol(Box::new(Talker::default()));
    world.change_at(5_000, Change::Crash(ix));
    world.change_at(9_000, Change::Power(ix, true));
    world.change_at(12_000, Change::Clock(ix, 3_600));
    let before = world.clocks(ix).wall.0;
    world.run_to(7_000);
    assert!(!world.is_running(ix));
    world.run_to(20_000);
    assert_eq!(log.lock().unwrap().crashed, [(5_000, 0)]);
    assert_eq!(world.clocks(ix).wall.0 - before, 3_620);
    assert_eq!(world.clocks(ix).mono.0, 11_000);
}

#[test]
fn a_node_stores_before_it_sends() {
    let (mut world, a, b) = pair(31);
    let log = logged(&mut world);
    let id = send(&mut world, a, b, "In this order");
    let order = log.lock().unwrap().order.clone();
    assert!(order.starts_with('s') && order.trim_start_matches('s').starts_with('f'), "{order}");
    assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::Delivered));
}

#[test]
fn a_crash_after_the_commit_sends_nothing_and_loses_nothing() {
    let (mut world, a, b) = pair(32);
    let log = logged(&mut world);
    world.change(&Change::LoseSends(a));
    let to = world.node(b).identity().account;
    let command = mesh_core::Command::Send { to: to.into(), text: "Written, not sent".into(), message: None };
    assert_eq!(world.try_command(a, command), None);
    assert!(log.lock().unwrap().crashed.len() == 1 && log.lock().unwrap().order.contains('s'));
    assert!(world.run_until(5 * MINUTE, |world| texts(world, b) == ["Written, not sent"]));
}

#[test]
fn a_crash_before_the_commit_leaves_nothing_behind() {
    let (mut world, a, b) = pair(33);
    world.change(&Change::LoseCommit(a));
    let to = world.node(b).identity().account;
    let command = mesh_core::Command::Send { to: to.into(), text: "Never written".into(), message: None };
    assert_eq!(world.try_command(a, command), None);
    world.run_for(5 * MINUTE);
    assert!(texts(&world, b).is_empty());
}

#[test]
fn a_wall_clock_that_jumps_in_mid_contact_delivers_all_the_same() {
    let mut world = World::sealed(34, Seal::Real);
    let (a, b) = (world.add("Ada"), world.add("Ben"));
    befriend(&mut world, a, b);
    befriend(&mut world, b, a);
    world.connect(a, b);
    world.run_for(MINUTE);
    for (n, seconds) in [-1_700_000_000, 400_000_000, 0].into_iter().enumerate() {
        world.change(&Change::Clock(a, seconds));
        let id = send(&mut world, a, b, &format!("Number {n}"));
        assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::Delivered));
    }
}

#[test]
fn a_change_is_data_that_can_be_written_down() {
    let change = Change::Partition(vec![vec![NodeIx::from(0)], vec![NodeIx::from(1), NodeIx::from(2)]]);
    let copy = change.clone();
    assert_eq!(change, copy);
    assert_eq!(u32::from(NodeIx::from(7)), 7);
}
