use super::*;

const PARK: &str = r#"title = "A park"
about = "Does it work?"
nodes = 40
length = "15 min"
expect = ["delivery_ratio >= 0.5"]

[movement.waypoint]
neighbours = 4

[radio]
kind = "ble"

[[workload]]
messages = 100
until = "5 min"

[[workload]]
messages = 3
between = "everybody"

[[attack]]
kind = "flooder"
nodes = 2
"#;

fn park(change: &str, to: &str) -> Result<Scenario, ScenarioError> {
    assert!(PARK.contains(change), "{change}");
    Scenario::from_toml("some/folder/park.toml", &PARK.replacen(change, to, 1))
}

fn error(change: &str, to: &str) -> String {
    park(change, to).unwrap_err().to_string()
}

#[test]
fn every_scenario_that_comes_with_the_program_reads_and_has_a_small_one() {
    for (name, text) in BUILT_IN {
        let scenario = Scenario::from_toml(&format!("{name}.toml"), text).unwrap();
        assert_eq!(scenario.name, name);
        assert!(!scenario.expect.is_empty(), "{name}");
        assert!(scenario.ci.is_some(), "{name}");
        assert!(text.starts_with("# "), "{name} begins with a word to its reader");
        let small = scenario.small();
        check::check(&small).map_err(|wrong| wrong.what).unwrap();
        assert!(small.nodes <= scenario.nodes && small.length <= scenario.length, "{name}");
        if let Some(file) = scenario.trace_file() {
            assert!(built_in_file(file).is_some(), "{name}");
        }
    }
}

#[test]
fn a_scenario_has_the_name_of_its_file() {
    assert_eq!(park("40", "40").unwrap().name, "park");
}

#[test]
fn an_unknown_key_is_named_with_those_that_are_known() {
    let error = error("nodes = 40", "nodse = 40");
    assert!(error.starts_with("some/folder/park.toml:3: unknown field `nodse`"), "{error}");
    assert!(error.contains("`length`"), "{error}");
}

#[test]
fn a_missing_key_is_named() {
    let error = error("nodes = 40\n", "");
    assert!(error.contains("missing field `nodes`"), "{error}");
}

#[test]
fn values_out_of_range_are_told_with_line_and_what_is_allowed() {
    for (change, to, line, said) in [
        ("nodes = 40", "nodes = 1", 3, "2 to 100000"),
        ("nodes = 40", "nodes = 1000000", 3, "2 to 100000"),
        ("nodes = 40", "nodes = \"many\"", 3, "i64"),
        ("\"15 min\"", "\"15 parsecs\"", 4, "ms, s, min, h, d"),
        ("\"15 min\"", "\"0 s\"", 4, "longer than 0 s"),
        ("0.5\"]", "half\"]", 5, "a number after"),
        ("\"delivery_ratio", "\"luck", 5, "delivery_of_oracle"),
        ("ratio >=", "ratio of sauce >=", 5, "there are `text`"),
        ("neighbours = 4", "neighbours = 0", 8, "from 0.001 to 1000"),
        ("\"ble\"", "\"telepathy\"", 11, "`wifi`"),
        ("\"ble\"", "\"ble\"\nhop_delay = \"1 s\"", 12, "ideal"),
        ("messages = 100", "messages = -1", 14, "1 to 1000000"),
        ("\"5 min\"", "\"50 min\"", 15, "at most the length, 15 min"),
        ("messages = 3", "messages = 3\nsize = \"1 MB\"", 19, "12 B to 64 kB"),
        ("nodes = 2", "nodes = 39", 3, "at least 2 must be honest"),
        ("\"flooder\"", "\"ninja\"", 22, "`black_hole`"),
        ("nodes = 2", "nodes = 2\nfrom = \"5 min\"\nuntil = \"1 min\"", 25, "after 5 min"),
    ] {
        let error = error(change, to);
        assert!(error.starts_with(&format!("some/folder/park.toml:{line}: ")), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let error = error("[radio]", "[radio");
    assert!(error.starts_with("some/folder/park.toml:10: "), "{error}");
}

#[test]
fn movements_exclude_each_other() {
    assert!(park("[radio]", "[movement.evacuation]\nlength_m = 100.0\n\n[radio]").is_err());
    let unknown = error("[movement.waypoint]", "[movement.flying]");
    assert!(unknown.contains("`stadium`"), "{unknown}");
}

#[test]
fn a_sweep_changes_one_value() {
    let scenario = park("40", "40").unwrap();
    assert_eq!(scenario.vary("nodes", "50").unwrap().nodes, 50);
    assert_eq!(scenario.vary("radio.range_m", "12.5").unwrap().radio.range_m, Some(12.5));
    assert_eq!(scenario.vary("workload.1.messages", "7").unwrap().workload[1].messages, 7);
    assert_eq!(scenario.vary("length", "20 min").unwrap().length, Span::minutes(20));
    assert_eq!(scenario.vary("radio.kind", "wifi").unwrap().radio.kind, RadioKind::Wifi);
    assert!(scenario.vary("nodes", "0").is_err());
    assert!(scenario.vary("radio.colour", "1").is_err());
    assert!(scenario.vary("nowhere.at_all", "1").is_err());
}

#[test]
fn a_small_scenario_stays_small_when_a_value_changes_and_takes_the_value() {
    let ci = "\n[ci]\nlength = \"3 min\"\nnodes = 20\n";
    let small = Scenario::from_toml("park.toml", &format!("{PARK}{ci}")).unwrap().small();
    let wider = small.vary("radio.range_m", "50").unwrap();
    assert_eq!((wider.nodes, wider.length), (20, Span::minutes(3)));
    let fewer = small.vary("nodes", "10").unwrap();
    assert_eq!((fewer.nodes, fewer.length), (10, Span::minutes(3)));
    let twice = wider.vary("nodes", "10").unwrap();
    assert_eq!((twice.nodes, twice.radio.range_m), (10, Some(50.0)));
}

#[test]
fn in_small_moments_keep_their_place_in_the_whole() {
    let ci = "\n[ci]\nlength = \"3 min\"\nmessages = 0.1\nnodes = 20\n";
    let scenario = Scenario::from_toml("park.toml", &format!("{PARK}{ci}")).unwrap();
    let small = scenario.small();
    assert_eq!((small.nodes, small.length), (20, Span::minutes(3)));
    assert_eq!(small.workload[0].until, Some(Span::minutes(1)));
    assert_eq!((small.workload[0].messages, small.workload[1].messages), (10, 1));
    assert_eq!(small.attackers(), 1);
}
