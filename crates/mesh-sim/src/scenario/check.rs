//! What one value alone cannot tell: values that do not fit each other.

use super::{ProtocolName, RadioKind, Scenario};
use core::ops::Range;

/// Something wrong, and where to look for it.
pub(super) struct Wrong {
    /// The header of its section (`[[workload]]`), empty for the top.
    section: &'static str,
    /// Which of the sections of that name, from 0.
    nth: usize,
    /// The key.
    key: &'static str,
    /// What is wrong, and what is allowed.
    pub(super) what: String,
}

impl Wrong {
    /// Where the key stands; its section where the key is not written.
    pub(super) fn find(&self, text: &str) -> Option<Range<usize>> {
        let start = match self.section {
            "" => 0,
            section => text.match_indices(section).nth(self.nth)?.0,
        };
        let body = &text[start + self.section.len()..];
        let end = body.find("\n[").map_or(text.len(), |end| start + self.section.len() + end);
        let mut at = start;
        for line in text[start..end].split_inclusive('\n') {
            let key = line.split('=').next().unwrap_or_default().trim();
            if key == self.key {
                return Some(at..at + line.len());
            }
            at += line.len();
        }
        Some(start..end)
    }
}

/// The first thing that does not fit.
pub(super) fn check(scenario: &Scenario) -> Result<(), Wrong> {
    let top = |key, what: String| Wrong { section: "", nth: 0, key, what };
    if scenario.length.ms == 0 {
        return Err(top("length", "length must be longer than 0 s".to_owned()));
    }
    if scenario.honest() < 2 {
        let what =
            format!("{} of {} nodes attack: at least 2 must be honest", scenario.attackers(), scenario.nodes);
        return Err(top("nodes", what));
    }
    if scenario.carry.is_some_and(|carry| carry.0 < 100_000) {
        return Err(top("carry", "carry must be at least 100 kB".to_owned()));
    }
    if scenario.workload.is_empty() && scenario.group.is_empty() {
        let what = "there must be at least one [[workload]] or [[group]] section";
        return Err(top("workload", what.to_owned()));
    }
    check_workload(scenario)?;
    check_groups(scenario)?;
    check_thresholds(scenario)?;
    check_attacks(scenario)?;
    check_radio(scenario)?;
    check_movement(scenario)
}

fn check_workload(scenario: &Scenario) -> Result<(), Wrong> {
    for (nth, load) in scenario.workload.iter().enumerate() {
        load.check(scenario.honest(), scenario.length).map_err(|wrong| Wrong {
            section: "[[workload]]",
            nth,
            key: wrong.key,
            what: wrong.to_string(),
        })?;
    }
    Ok(())
}

fn check_groups(scenario: &Scenario) -> Result<(), Wrong> {
    for (nth, group) in scenario.group.iter().enumerate() {
        let wrong = |key, what| Err(Wrong { section: "[[group]]", nth, key, what });
        if scenario.protocol != ProtocolName::Starling {
            return wrong("members", "only the product has groups".to_owned());
        }
        if let Err(impossible) = group.check(scenario.honest(), scenario.length) {
            return wrong(impossible.key, impossible.to_string());
        }
    }
    Ok(())
}

/// A threshold of a class that nobody writes would be met by nothing.
fn check_thresholds(scenario: &Scenario) -> Result<(), Wrong> {
    let in_small = scenario.ci.iter().flat_map(|ci| &ci.expect).flatten().map(|one| ("[ci]", one));
    for (section, threshold) in scenario.expect.iter().map(|one| ("", one)).chain(in_small) {
        let written = scenario.workload.iter().map(|load| &load.class);
        let written: Vec<_> = written.chain(scenario.group.iter().map(|group| &group.class)).collect();
        if let Some(class) = threshold.part.class.as_ref().filter(|class| !written.contains(class)) {
            let classes: Vec<_> = written.iter().map(|class| format!("`{class}`")).collect();
            let what = format!("no workload has the class `{class}`; there are {}", classes.join(", "));
            return Err(Wrong { section, nth: 0, key: "expect", what });
        }
    }
    Ok(())
}

fn check_attacks(scenario: &Scenario) -> Result<(), Wrong> {
    for (nth, attack) in scenario.attack.iter().enumerate() {
        if attack.until.is_some_and(|until| until <= attack.from) {
            let what = format!("until must be after {}", attack.from);
            return Err(Wrong { section: "[[attack]]", nth, key: "until", what });
        }
    }
    Ok(())
}

fn check_radio(scenario: &Scenario) -> Result<(), Wrong> {
    let wrong = |key, what: &str| Err(Wrong { section: "[radio]", nth: 0, key, what: what.to_owned() });
    let radio = &scenario.radio;
    if radio.hop_delay.is_some() && radio.kind != RadioKind::Ideal {
        return wrong(
            "hop_delay",
            "hop_delay is for kind = \"ideal\" only: other radios have delays of their own",
        );
    }
    Ok(())
}

fn check_movement(scenario: &Scenario) -> Result<(), Wrong> {
    scenario.movement.check(scenario.nodes).map_err(|wrong| {
        let section = if wrong.key == "nodes" { "" } else { "[movement." };
        Wrong { section, nth: 0, key: wrong.key, what: wrong.to_string() }
    })
}
