//! The scenarios that come with the program.

/// The name and the text of every scenario that comes with the program.
pub const BUILT_IN: [(&str, &str); 18] = [
    ("two_villages_and_a_courier", include_str!("../../../../scenarios/two_villages_and_a_courier.toml")),
    ("stadium_10k", include_str!("../../../../scenarios/stadium_10k.toml")),
    ("festival_day", include_str!("../../../../scenarios/festival_day.toml")),
    ("quake_week", include_str!("../../../../scenarios/quake_week.toml")),
    ("train_carriage", include_str!("../../../../scenarios/train_carriage.toml")),
    ("conference_trace", include_str!("../../../../scenarios/conference_trace.toml")),
    ("split_and_heal_groups", include_str!("../../../../scenarios/split_and_heal_groups.toml")),
    ("split_30_days", include_str!("../../../../scenarios/split_30_days.toml")),
    ("old_version_in_the_middle", include_str!("../../../../scenarios/old_version_in_the_middle.toml")),
    ("flood_attack", include_str!("../../../../scenarios/flood_attack.toml")),
    ("sybil_attack", include_str!("../../../../scenarios/sybil_attack.toml")),
    ("overload", include_str!("../../../../scenarios/overload.toml")),
    ("calls_in_overload", include_str!("../../../../scenarios/calls_in_overload.toml")),
    ("false_alarms", include_str!("../../../../scenarios/false_alarms.toml")),
    ("crowd_beacon", include_str!("../../../../scenarios/crowd_beacon.toml")),
    ("bad_clocks", include_str!("../../../../scenarios/bad_clocks.toml")),
    ("dead_batteries", include_str!("../../../../scenarios/dead_batteries.toml")),
    ("park", include_str!("../../../../scenarios/park.toml")),
];

/// Files that these scenarios name.
const FILES: [(&str, &str); 1] =
    [("traces/sfhh2009.txt", include_str!("../../../../scenarios/traces/sfhh2009.txt"))];

/// The text of the scenario of this name that comes with the program.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of a file that such a scenario names.
#[must_use]
pub fn built_in_file(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
