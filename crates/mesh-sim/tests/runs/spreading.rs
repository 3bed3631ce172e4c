//! What spreading costs and what it survives: the figures of docs/BENCHMARKS.md, section "Gossip", in small.

use super::{options, small};
use mesh_sim::runner::{TraceOptions, run, trace_run};
use mesh_sim::scenario::{AttackKind, Scenario, built_in, built_in_file};
use mesh_sim::stats::quantile;
use mesh_sim::{Creation, Delivery, Outcome, Recording, Span, trace};

fn whole(name: &str) -> Scenario {
    Scenario::from_toml(&format!("{name}.toml"), built_in(name).unwrap()).unwrap()
}

fn run_of(scenario: &Scenario, seed: u64) -> (Outcome, Recording) {
    run(scenario, seed, &options(scenario), &mut |_| {}).unwrap()
}

fn note(outcome: &Outcome, name: &str) -> f64 {
    outcome.notes.get(name).copied().unwrap_or_default()
}

/// Delays of everything that was delivered, in seconds.
fn delays(recordings: &[Recording]) -> Vec<f64> {
    let all = recordings.iter().flat_map(|recording| &recording.deliveries);
    let mut delays: Vec<f64> = all.filter_map(|one| Some(one.shown_s? - one.written_s)).collect();
    delays.sort_by(f64::total_cmp);
    delays
}

#[test]
fn a_call_for_help_crosses_a_crowd_in_ten_seconds_and_once_into_each_node() {
    let (outcome, _) = run_of(&small("crowd_beacon"), 1);
    assert!(outcome.delivery_ratio >= 0.99, "{}", outcome.delivery_ratio);
    assert!(outcome.copies_per_delivery <= 1.05, "{}", outcome.copies_per_delivery);
    assert!(outcome.delay_p90_s.is_some_and(|delay| delay < 10.0), "{:?}", outcome.delay_p90_s);
}

#[test]
fn a_call_on_the_air_is_said_again_by_one_in_four() {
    let crowd = whole("crowd_beacon").vary("radio.broadcasts", "true").unwrap().small();
    let (outcome, _) = run_of(&crowd, 1);
    let calls = f64::from(crowd.workload[0].messages);
    let each = note(&outcome, "broadcasts") / f64::from(crowd.nodes) / calls;
    let whom_a_path_led_to = outcome.oracle_ratio;
    assert!(outcome.delivery_ratio >= 0.999 * whom_a_path_led_to, "{}", outcome.delivery_ratio);
    assert!(each > 0.0 && each <= 0.25, "{each} transmissions per node");
}

/// How much longer the slowest twentieth of honest mail may take while a slow channel is full of junk.
const MOST_SLOWER: f64 = 2.0;

/// What honest people notice of the attackers, who are at least one in ten: the same contacts and messages, with
/// them attacking and with them behaving.
fn compare(name: &str, attacked: &Scenario) {
    assert!(attacked.attackers() * 10 >= attacked.nodes, "{name}: {} attack", attacked.attackers());
    let mut peaceful = attacked.clone();
    peaceful.attack.iter_mut().for_each(|attack| attack.from = Span { ms: u64::MAX / 4 });
    let runs = |scenario: &Scenario| {
        let runs: Vec<_> = (1..4).map(|seed| run_of(scenario, seed)).collect();
        let delivered: u64 = runs.iter().map(|(outcome, _)| outcome.delivered).sum();
        (delivered, delays(&runs.into_iter().map(|(_, recording)| recording).collect::<Vec<_>>()))
    };
    let ((there, slow), (here, quick)) = (runs(attacked), runs(&peaceful));
    let (slow, quick) = (quantile(&slow, 0.95).unwrap(), quantile(&quick, 0.95).unwrap());
    println!("{name}: {there} of {here} delivered, 95 % within {slow:.0} s instead of {quick:.0} s");
    assert!(there as f64 >= 0.9 * here as f64, "{name}: {there} of {here}");
    assert!(slow <= MOST_SLOWER * quick, "{name}: {slow} s instead of {quick} s");
}

#[test]
fn attack_45_one_flooder_in_ten_costs_honest_people_little() {
    compare("flood", &small("flood_attack"));
}

#[test]
fn attack_46_one_sybil_in_ten_costs_honest_people_little() {
    compare("sybil", &small("sybil_attack"));
}

#[test]
fn attack_54_one_black_hole_in_ten_with_made_up_receipts_costs_honest_people_little() {
    let mut scenario = small("flood_attack");
    scenario.attack.iter_mut().for_each(|attack| attack.kind = AttackKind::BlackHole);
    compare("black holes", &scenario);
}

#[test]
fn attack_45_one_in_ten_who_marks_what_is_others_costs_honest_people_little() {
    let mut scenario = small("flood_attack");
    scenario.attack.iter_mut().for_each(|attack| attack.kind = AttackKind::Marker);
    compare("markers", &scenario);
}

#[test]
fn ten_times_what_fits_leaves_calls_and_goodput_alone() {
    let mut before = 0;
    for messages in [0.1, 0.3, 1.0] {
        let mut scenario = small("overload");
        let all = scenario.workload[0].messages;
        scenario.workload[0].messages = (f64::from(all) * messages) as u32;
        let (outcome, _) = run_of(&scenario, 1);
        let calls = &outcome.classes["sos"];
        let texts = outcome.classes["text"].delivered;
        println!(
            "{} texts: {texts} delivered; calls {} of {}",
            scenario.workload[0].messages, calls.delivered, calls.oracle
        );
        assert!(calls.delivered as f64 >= 0.99 * calls.oracle as f64, "{calls:?}");
        assert!(texts as f64 >= 0.95 * before as f64, "goodput collapses: {texts} after {before}");
        assert_eq!(outcome.violations, []);
        before = texts;
    }
}

/// The share of those at most `hops` hops away whom calls reached within so many seconds, and the delays of half and of
/// 95 in 100 of them. A hop takes the oracle 30 ms and the time of the text.
fn calls_within(recording: &Recording, hops: f64, seconds: f64) -> (f64, f64, f64) {
    let near = |one: &&Delivery| {
        one.class == "sos" && one.oracle_s.is_some_and(|at| at - one.written_s <= hops * 0.034)
    };
    let delays = |one: &Delivery| one.shown_s.map_or(f64::MAX, |at| at - one.written_s);
    let mut delays: Vec<f64> = recording.deliveries.iter().filter(near).map(delays).collect();
    delays.sort_by(f64::total_cmp);
    let there = delays.iter().filter(|delay| **delay <= seconds).count();
    let of = |share: f64| quantile(&delays, share).unwrap_or(f64::MAX);
    (there as f64 / delays.len().max(1) as f64, of(0.5), of(0.95))
}

#[test]
fn calls_pass_a_crowd_that_writes_ten_times_what_its_radios_carry() {
    let (outcome, recording) = run_of(&small("calls_in_overload"), 1);
    let (soon, _, p95) = calls_within(&recording, 3.0, 10.0);
    let (later, ..) = calls_within(&recording, 3.0, 60.0);
    let texts = &outcome.classes["text"];
    println!("calls: {soon:.4} in 10 s, {later:.4} in 60 s, 95 % within {p95:.1} s; texts {texts:?}");
    assert!(texts.delivered * 5 < texts.oracle, "the crowd is overloaded");
    assert!(soon >= 0.99 && later >= 0.999, "{soon} in 10 s, {later} in 60 s");
}

#[test]
fn attack_45_false_alarms_of_one_in_twenty_cost_a_true_call_two_seconds_and_a_tenth_of_the_air_at_most() {
    let alarms = small("false_alarms");
    assert!(alarms.attackers() * 20 >= alarms.nodes, "{} attack", alarms.attackers());
    let mut peaceful = alarms.clone();
    peaceful.attack.iter_mut().for_each(|attack| attack.from = Span { ms: u64::MAX / 4 });
    let ((with, recording), (without, quiet)) = (run_of(&alarms, 1), run_of(&peaceful, 1));
    let [(share, slow, last), (_, quick, quick_last)] =
        [&recording, &quiet].map(|recording| calls_within(recording, 3.0, 60.0));
    // Of the time of all nodes, half-duplex: what a frame takes, it takes of two. They attack for three quarters of it.
    let attacked = f64::from(with.nodes) * with.sim_seconds * 0.75;
    let air = 2.0 * (with.airtime_s - without.airtime_s) / attacked;
    println!(
        "true calls: {share:.4} in 60 s, p50 {slow:.2} s instead of {quick:.2} s, p95 {last:.1} s; {air:.3} of the air"
    );
    assert!(share >= 0.99, "{share}");
    assert!(slow - quick <= 1.0, "{slow} s instead of {quick} s");
    assert!(last - quick_last <= 2.0, "{last} s instead of {quick_last} s");
    assert!(air <= 0.10, "{air} of the air");
}

#[test]
fn receipts_reach_carriers_and_end_the_spreading() {
    let text = built_in_file("traces/sfhh2009.txt").unwrap();
    let trace = trace::parse("sfhh2009.txt", text).unwrap().into_trace();
    let options = TraceOptions {
        messages: 20,
        create: Creation::Active,
        hop_delay_ms: 10_000,
        goodput: Some(20_000),
        links: Some(6),
        size: 500,
        check: false,
        samples: 5,
        ..TraceOptions::default()
    };
    let (outcome, _) = trace_run(&trace, &options, &mut |_| {}).unwrap();
    assert!(outcome.delivery_ratio >= 0.95 * outcome.oracle_ratio, "{outcome:?}");
    assert!(outcome.stretch_of_p50s.is_some_and(|stretch| stretch <= 1.2), "{outcome:?}");
    assert!(outcome.stretch_of_p90s.is_some_and(|stretch| stretch <= 1.5), "{outcome:?}");
    let told = note(&outcome, "told carriers that dropped it within 6 h");
    assert!(told >= 0.95, "{told}");
}
