//! The simulator on the command line.

use crate::cli_rig::{Done, Person, eventually};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A scenario that takes a moment.
const TINY: &str = r#"
title = "Six people in a yard"
about = "Does a word get round?"
nodes = 6
length = "5 min"

[movement.waypoint]
neighbours = 1.5

[radio]
kind = "ideal"

[[workload]]
messages = 12
until = "2 min"
"#;

/// A trace in which 0 meets 1, and 1 meets 2.
const TRACE: &str = "# nodes: 3\n0 600 0 1\n900 1800 1 2\n2000 2400 0 2\n";

/// Keys that programs may count on.
const KEYS: [&str; 19] = [
    "trace_hash",
    "seed",
    "nodes",
    "messages",
    "delivered",
    "delivery_ratio",
    "oracle_ratio",
    "delay_p50_s",
    "delay_p90_s",
    "oracle_delay_p50_s",
    "bytes_on_air",
    "payload_bytes",
    "copies_per_delivery",
    "events",
    "sim_seconds",
    "wall_seconds",
    "peak_rss_bytes",
    "violations",
    "losses",
];

fn sim(args: &[&str]) -> Done {
    Person::nobody().run(&[&["sim"], args].concat())
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = dir.join(name);
    std::fs::write(&path, text).expect("the directory can be written");
    path.display().to_string()
}

#[test]
fn the_list_names_every_scenario_on_one_line_for_programs() {
    let list = sim(&["list", "--json"]).one();
    let names: Vec<_> =
        list["scenarios"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    for name in ["two_villages_and_a_courier", "stadium_10k", "conference_trace", "dead_batteries", "park"] {
        assert!(names.contains(&name), "{names:?}");
        assert!(sim(&["list"]).stdout.contains(name));
    }
    assert!(sim(&["list", "--show", "park"]).stdout.contains("[movement.waypoint]"));
}

#[test]
fn a_tiny_scenario_runs_from_end_to_end_and_twice_the_same() {
    let dir = folder();
    let yard = file(dir.path(), "yard.toml", TINY);
    let report = dir.path().join("report");
    let first = sim(&["run", &yard, "--seed", "7", "--json", "--report", report.to_str().unwrap()]).one();
    for key in KEYS {
        assert!(!first[key].is_null(), "{key}: {first}");
    }
    assert_eq!((first["nodes"].as_u64(), first["messages"].as_u64()), (Some(6), Some(12)));
    assert!(first["delivered"].as_u64().unwrap() > 0, "{first}");
    assert!(first["peak_rss_bytes"].as_u64().unwrap() > 1_000_000);
    let second = sim(&["run", &yard, "--seed", "7", "--json"]).one();
    assert_eq!(first["trace_hash"], second["trace_hash"]);
    for name in ["report.html", "deliveries.csv", "samples.csv", "outcome.csv", "outcome.json"] {
        assert!(report.join(name).metadata().unwrap().len() > 50, "{name}");
    }
    let page = std::fs::read_to_string(report.join("report.html")).unwrap();
    assert!(page.contains("Who carries what, when") && page.contains("Delivery against the oracle"));
}

#[test]
fn seeds_and_sweeps_are_one_line_with_every_run_in_it() {
    let dir = folder();
    let yard = file(dir.path(), "yard.toml", TINY);
    let seeds = sim(&["run", &yard, "--seeds", "1..4", "--json"]).one();
    assert_eq!(seeds["runs"].as_array().unwrap().len(), 3);
    assert_eq!(seeds["messages"], 36);
    let sweep = sim(&["run", &yard, "--set", "movement.waypoint.neighbours=0.5,3", "--json"]).one();
    assert_eq!(sweep["points"].as_array().unwrap().len(), 2);
    let one_thread = sim(&["run", &yard, "--seeds", "1..4", "--threads", "1", "--json"]).one();
    assert_eq!(one_thread["trace_hash"], seeds["trace_hash"], "threads change nothing");
}

#[test]
fn bad_scenarios_are_told_with_file_line_and_what_is_allowed() {
    let dir = folder();
    for (text, words) in [
        (TINY.replace("nodes = 6", "nodes = -6"), &["bad.toml:4", "2 to 100000"][..]),
        (TINY.replace("length = \"5 min\"", "length = \"5 parsecs\""), &["bad.toml:5", "min"]),
        (TINY.replace("neighbours", "neighbors"), &["bad.toml:8", "neighbours"]),
        (TINY.replace("kind = \"ideal\"", "kind = \"telepathy\""), &["bad.toml:11", "ble"]),
        (TINY.replace("[radio]", "[radio"), &["bad.toml:10"]),
        (String::new(), &["bad.toml:1"]),
    ] {
        let path = file(dir.path(), "bad.toml", &text);
        let done = sim(&["run", &path, "--json"]);
        done.fails(2, words);
        assert!(done.stdout.is_empty(), "{done:?}");
    }
    sim(&["run", "no_such_place"]).fails(2, &["no_such_place", "two_villages_and_a_courier"]);
    let binary = dir.path().join("binary.toml");
    std::fs::write(&binary, [b'\n', 0xff, 0xfe]).unwrap();
    sim(&["run", binary.to_str().unwrap()]).fails(2, &["line 2", "UTF-8"]);
}

#[test]
fn impossible_values_are_usage_errors_that_say_what_is_allowed() {
    let dir = folder();
    let (yard, trace) = (file(dir.path(), "yard.toml", TINY), file(dir.path(), "t.txt", TRACE));
    for (args, words) in [
        (&["run", &yard, "--nodes", "1"][..], &["2..=100000"][..]),
        (&["run", &yard, "--seeds", "5..2"], &["A..B"]),
        (&["run", &yard, "--seed", "1", "--seeds", "1..2"], &["--seed"]),
        (&["run", &yard, "--set", "nodes"], &["KEY=VALUE"]),
        (&["run", &yard, "--set", "nodes=-3"], &["2 to 100000"]),
        (&["run", &yard, "--set", "no.such.place=3"], &["no.such.place"]),
        (&["run", &yard, "--protocol", "pigeon"], &["epidemic"]),
        (&["run", &yard, "--report", "/dev/null/report"], &["/dev/null/report"]),
        (&["trace", &trace, "--ttl", "soon"], &["soon"]),
        (&["trace", &trace, "--ttl", "40d"], &["ttl"]),
        (&["trace", &trace, "--goodput", "fast"], &["kB/s"]),
        (&["trace", &trace, "--size", "0.5 parsec"], &["kB"]),
        (&["trace", &trace, "--messages", "0"], &["1..=1000000"]),
        (&["trace", &trace, "--create", "never"], &["active"]),
        (&["trace", "no-such-file"], &["no-such-file"]),
        (&["replay", &yard], &["yard.toml:"]),
        (&["compare", &yard, &yard], &["yard.toml, line 2"]),
    ] {
        sim(args).fails(2, words);
    }
}

#[test]
fn broken_traces_are_told_with_file_line_and_what_is_allowed() {
    let dir = folder();
    for (text, words) in [
        (&TRACE[..TRACE.len() - 5], &["bad.txt, line 4", "start_s end_s a b"][..]),
        ("0 10 1 1\n", &["bad.txt, line 1", "two different nodes"]),
        ("0 10 0 1\n9 3 0 1\n", &["bad.txt, line 2", "end after the start"]),
        ("# nodes: 2\n0 10 0 7\n", &["bad.txt, line 2", "from 0 to 1"]),
        ("", &["bad.txt, line 1", "no contact"]),
    ] {
        let path = file(dir.path(), "bad.txt", text);
        sim(&["trace", &path]).fails(2, words);
    }
}

#[test]
fn a_trace_is_replayed_and_held_against_the_oracle() {
    let dir = folder();
    let trace = file(dir.path(), "three.txt", TRACE);
    let args = ["trace", &trace, "--messages", "20", "--ttl", "10m", "--hop-delay", "1s", "--json"];
    let result = sim(&args).one();
    for key in KEYS {
        assert!(!result[key].is_null(), "{key}: {result}");
    }
    assert_eq!((result["seed"].as_u64(), result["messages"].as_u64()), (Some(42), Some(20)));
    let (got, possible) =
        (result["delivery_ratio"].as_f64().unwrap(), result["oracle_ratio"].as_f64().unwrap());
    assert!(got <= possible && possible > 0.0 && got > 0.0, "{result}");
    assert_eq!(sim(&args).one()["trace_hash"], result["trace_hash"]);
}

#[test]
fn two_results_are_compared_in_a_table() {
    let dir = folder();
    let yard = file(dir.path(), "yard.toml", TINY);
    let a = file(dir.path(), "a.json", &sim(&["run", &yard, "--seeds", "1..3", "--json"]).stdout);
    let b = sim(&["run", &yard, "--seeds", "1..3", "--set", "movement.waypoint.neighbours=0.2", "--json"]);
    let b = file(dir.path(), "b.json", &b.stdout);
    let table = sim(&["compare", &a, &b]).stdout;
    assert!(table.contains("delivery_ratio") && table.contains("2 of them with equal seeds"), "{table}");
    assert!(sim(&["compare", &a, &a]).stdout.contains("the very same"));
    assert_eq!(sim(&["compare", &a, &a, "--json"]).one()["identical"], true);
    assert_eq!(sim(&["compare", &a, &a, "--strict"]).code, 0);
}

fn git(folder: &Path, args: &[&str]) {
    let who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"];
    let done = Command::new("git").args(who).args(args).current_dir(folder).output().expect("git is there");
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A commit's program is this one, in a wrapper that changes what the commit's file `extra` says.
const BUILD: &str = r#"mkdir -p "$CARGO_TARGET_DIR/release" && printf '#!/bin/sh\nexec "%s" "$@" %s\n' "$PROGRAM" "$(cat extra)" > "$CARGO_TARGET_DIR/release/starling" && chmod +x "$CARGO_TARGET_DIR/release/starling""#;

#[test]
fn two_commits_are_built_run_and_compared() {
    let dir = folder();
    let yard = file(dir.path(), "yard.toml", TINY);
    git(dir.path(), &["init", "-q"]);
    for (name, extra) in [("first", ""), ("second", "--set movement.waypoint.neighbours=0.2")] {
        file(dir.path(), "extra", extra);
        git(dir.path(), &["add", "extra"]);
        git(dir.path(), &["commit", "-q", "--allow-empty", "-m", name]);
        git(dir.path(), &["tag", name]);
    }
    let compare = |a: &str, b: &str, build: &str| {
        let args = ["sim", "compare", a, b, "--of", &yard, "--seeds", "1..3", "--build", build];
        let program = env!("CARGO_BIN_EXE_starling");
        let done = Command::new(program).args(args).current_dir(dir.path()).env("PROGRAM", program).output();
        let done = done.expect("the program starts");
        (done.status.code(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    };
    let (code, told) = compare("first", "second", BUILD);
    assert!(code == Some(0) && told.contains("2 of them with equal seeds"), "{told}");
    let (_, told) = compare("first", "first", "false");
    assert!(told.contains("the very same"), "a commit that was built is not built again: {told}");
    let (code, told) = compare("first", "third", BUILD);
    assert!(code == Some(2) && told.contains("third"), "{told}");
    git(dir.path(), &["rm", "-q", "extra"]);
    git(dir.path(), &["commit", "-q", "-m", "third"]);
    let (code, told) = compare("first", "HEAD", "false");
    assert!(code == Some(1) && told.contains("was not built"), "{told}");
}

#[test]
fn a_missed_threshold_is_an_exit_code() {
    let dir = folder();
    let strict =
        TINY.replace("length = \"5 min\"", "length = \"5 min\"\nexpect = [\"copies_per_delivery <= 0\"]");
    let yard = file(dir.path(), "strict.toml", &strict);
    let done = sim(&["run", &yard, "--json"]);
    done.fails(1, &["copies_per_delivery"]);
    assert_eq!(done.stdout.lines().count(), 1, "the result is told all the same");
}

#[test]
fn small_worlds_in_which_everything_goes_wrong_hold() {
    let dir = folder();
    let failures = dir.path().display().to_string();
    let result = sim(&["faults", "--seeds", "0..2", "--failures", &failures, "--json"]).one();
    assert_eq!((result["runs"].as_u64(), result["failures"].as_array().map(Vec::len)), (Some(2), Some(0)));
}

#[test]
fn an_interrupted_simulation_ends_at_once_and_writes_nothing() {
    let dir = folder();
    let long = TINY.replace("nodes = 6", "nodes = 400").replace("\"5 min\"", "\"30 d\"");
    let yard = file(dir.path(), "long.toml", &long);
    let person = Person::nobody();
    let mut command = person.command();
    let child = command.args(["sim", "run", &yard, "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().expect("the program starts");
    std::thread::sleep(Duration::from_secs(3));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(output.stdout.is_empty());
}

#[test]
fn contact_logs_of_two_nodes_become_one_contact() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let dir = folder();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (a, b) = (path("a.txt"), path("b.txt"));
    let key = "the park in June";
    let first = asha.start(&["--contact-log", &a, "--contact-log-key", key]);
    let second = bo.start(&["--contact-log", &b, "--contact-log-key", key, "--peer", &first.address()]);
    eventually("a link", || (!asha.run(&["peers", "--json"]).json().is_empty()).then_some(()));
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!((second.interrupt(), first.interrupt()), (0, 0));
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    let merged = mesh_sim::trace::merge(&[("a", &read(&a)), ("b", &read(&b))]).unwrap();
    assert_eq!((merged.nodes, merged.contacts.len()), (2, 1), "{merged:?}");
    assert!(merged.contacts[0].end - merged.contacts[0].start >= 1_000, "{merged:?}");
    let again = bo.run(&["run", "--no-lan", "--contact-log", &b]);
    again.fails(2, &["b.txt", "does not exist yet"]);
}

#[test]
fn a_swarm_of_real_nodes_is_laid_beside_its_replay() {
    let dir = folder();
    let yard = TINY.replace("\"5 min\"", "\"20 s\"").replace("\"2 min\"", "\"8 s\"");
    let yard = file(
        dir.path(),
        "yard.toml",
        &yard.replace("kind = \"ideal\"", "kind = \"ideal\"\nhop_delay = \"5 ms\""),
    );
    let report = dir.path().join("report");
    let result =
        Person::nobody().run(&["swarm", "6", &yard, "--json", "--report", report.to_str().unwrap()]).one();
    let (real, replayed) = (&result["delivery_ratio"], &result["simulated"]["delivery_ratio"]);
    assert_eq!(result["messages"], 12);
    assert!((real.as_f64().unwrap() - replayed.as_f64().unwrap()).abs() <= 0.25, "{result}");
    let log = std::fs::read_to_string(report.join("contacts.txt")).unwrap();
    assert!(
        matches!(mesh_sim::trace::parse("log", &log), Ok(trace) if trace.clone().into_trace().nodes == 6)
    );
}
