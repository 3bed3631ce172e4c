//! What is given to a simulation: scenarios by name or path, files that they name, values with units.

use crate::cli::Failure;
use mesh_sim::scenario::{BUILT_IN, Scenario, built_in, built_in_file};
use mesh_sim::{Bytes, Rate, Span};
use starling::config::parse_duration;
use starling::t;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// The most runs of one command.
const MAX_RUNS: u64 = 100_000;

/// The scenario called `name`: one that comes with the program, or a file.
pub(in crate::cli) fn scenario(name: &str) -> anyhow::Result<Scenario> {
    if let Some(text) = built_in(name) {
        return Scenario::from_toml(&format!("{name}.toml"), text).map_err(usage);
    }
    if !Path::new(name).exists() {
        let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        return Err(Failure::usage(t!("sim-no-scenario", name = name, known = known.join(", "))));
    }
    Scenario::from_toml(name, &read(name)?).map_err(usage)
}

/// The files that `scenario`, given as `name`, wants to be brought along.
pub(in crate::cli) fn files(scenario: &Scenario, name: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let Some(wanted) = scenario.trace_file() else { return Ok(files) };
    let text = match built_in(name).and_then(|_| built_in_file(wanted)) {
        Some(text) => text.to_owned(),
        None => {
            let beside = Path::new(name).parent().unwrap_or_else(|| Path::new("")).join(wanted);
            read(&beside.to_string_lossy())?
        }
    };
    files.insert(wanted.to_owned(), text);
    Ok(files)
}

/// The text of a file that a person named.
pub(in crate::cli) fn read(path: &str) -> anyhow::Result<String> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::usage(t!("sim-no-file", path = path, reason = error.to_string())))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        Failure::usage(t!("sim-not-text", path = path, line = line))
    })
}

/// An error of the person's input, as it explains itself.
pub(in crate::cli) fn usage(error: impl std::error::Error) -> anyhow::Error {
    Failure::usage(error.to_string())
}

/// `A..B` (without B), `A..=B` (with it), or one seed.
pub(super) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || t!("sim-bad-seeds", text = text, max = MAX_RUNS);
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let range = if let Some((from, to)) = text.split_once("..=") {
        number(from)?..number(to)?.checked_add(1).ok_or_else(wrong)?
    } else if let Some((from, to)) = text.split_once("..") {
        number(from)?..number(to)?
    } else {
        let one = number(text)?;
        one..one.checked_add(1).ok_or_else(wrong)?
    };
    let many = range.end.saturating_sub(range.start);
    if many == 0 || many > MAX_RUNS { Err(wrong()) } else { Ok(range) }
}

/// A span of time as everywhere on the command line, or as in scenarios.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).or_else(|error| {
        Span::parse(text).map(|span| Duration::from_millis(span.ms)).map_err(|_| error.to_string())
    })
}

/// A size such as `500B` or `2kB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    Bytes::parse(text)
        .map(|bytes| bytes.0)
        .map_err(|allowed| t!("sim-bad-value", text = text, allowed = allowed))
}

/// A rate such as `20kB/s`.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    Rate::parse(text)
        .map(|rate| rate.0)
        .map_err(|allowed| t!("sim-bad-value", text = text, allowed = allowed))
}

/// `key=value` or `key=value,value`: a place in a scenario and what shall stand there.
pub(super) fn setting(text: &str) -> Result<(String, Vec<String>), String> {
    let wrong = || t!("sim-bad-set", text = text);
    let (key, values) = text.split_once('=').ok_or_else(wrong)?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if key.trim().is_empty() || values.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok((key.trim().to_owned(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_or_one() {
        assert_eq!(seeds("3..6"), Ok(3..6));
        assert_eq!(seeds("3..=6"), Ok(3..7));
        assert_eq!(seeds("7"), Ok(7..8));
        for wrong in ["", "a..b", "6..3", "3..3", "..", "0..100001", "-1..3"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_are_written_in_either_style() {
        assert_eq!(span("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(span("10 min"), Ok(Duration::from_secs(600)));
        assert!(span("soon").is_err());
    }

    #[test]
    fn a_setting_has_a_place_and_values() {
        assert_eq!(setting("radio.links=3,7"), Ok(("radio.links".into(), vec!["3".into(), "7".into()])));
        for wrong in ["radio.links", "=3", "a=", "a=1,,2"] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
