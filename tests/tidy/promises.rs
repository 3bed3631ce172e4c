//! What the documents promise must stand in the code: features, attacks, sections.

use crate::source;
use std::collections::BTreeSet;

/// Where a promise shows; each has its tests or says `planned`.
const SURFACES: [&str; 4] = ["core", "cli", "api", "web"];

/// One entry of docs/features.toml.
#[derive(Default)]
struct Feature {
    id: String,
    text: String,
    status: String,
    /// The tests by surface; `None` where the entry says `planned`.
    tests: Vec<(String, Option<Vec<String>>)>,
}

#[test]
fn every_promise_has_its_tests_or_says_planned() {
    let known: BTreeSet<String> = source::test_names().into_iter().collect();
    let mut wrong = Vec::new();
    for feature in features() {
        let surfaces: Vec<&str> = feature.tests.iter().map(|(surface, _)| surface.as_str()).collect();
        if surfaces != SURFACES {
            wrong.push(format!("{}: names {surfaces:?}, not {SURFACES:?}", feature.id));
        }
        let named = feature.tests.iter().filter_map(|(_, tests)| tests.as_ref()).flatten();
        wrong.extend(
            named.filter(|test| !known.contains(*test)).map(|test| format!("{}: no test {test}", feature.id)),
        );
        let done = feature.tests.iter().filter(|(_, tests)| tests.is_some()).count();
        let expected = match done {
            0 => "planned",
            n if n == SURFACES.len() => "done",
            _ => "started",
        };
        if feature.status != expected {
            wrong.push(format!("{}: its tests make it {expected}, not {}", feature.id, feature.status));
        }
    }
    assert!(wrong.is_empty(), "docs/features.toml:\n{}", wrong.join("\n"));
}

#[test]
fn every_promise_has_one_name_and_a_text() {
    let mut seen = BTreeSet::new();
    for feature in features() {
        assert!(!feature.text.is_empty(), "{} has no text", feature.id);
        assert!(seen.insert(feature.id.clone()), "{} stands twice", feature.id);
    }
    assert!(seen.len() > 100, "docs/features.toml holds {} promises", seen.len());
}

/// With `BLESS=1` in the environment the last column of the table is written instead of compared.
#[test]
fn the_table_of_attacks_names_every_attack_test() {
    let written = source::read("docs/SECURITY.md");
    let mut tests: Vec<String> = source::test_names();
    tests.retain(|name| name.starts_with("attack_"));
    tests.sort();
    let mut expected = String::new();
    for line in written.lines() {
        expected.push_str(&attack_row(line, &tests).unwrap_or_else(|| line.to_owned()));
        expected.push('\n');
    }
    let unlisted: Vec<_> = tests.iter().filter(|name| !expected.contains(name.as_str())).collect();
    assert!(unlisted.is_empty(), "docs/SECURITY.md has no row for {unlisted:#?}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(source::root().join("docs/SECURITY.md"), &expected).expect("the table can be written");
        return;
    }
    let changed: Vec<_> = expected.lines().filter(|line| !written.contains(line)).collect();
    assert!(
        changed.is_empty(),
        "rows of docs/SECURITY.md should be (`just attacks` writes them):\n{}",
        changed.join("\n")
    );
}

/// The row as it should be, `None` for a line that is no row of an attack.
fn attack_row(line: &str, tests: &[String]) -> Option<String> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let (number, what) = (cells.next()?.parse::<u32>().ok()?, cells.next()?);
    let is_of = |name: &&String| {
        let digits: String = name["attack_".len()..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse() == Ok(number)
    };
    let named: Vec<String> = tests.iter().filter(is_of).map(|name| format!("`{name}`")).collect();
    let named = if named.is_empty() { "not yet".to_owned() } else { named.join(", ") };
    Some(format!("| {number} | {what} | {named} |"))
}

#[test]
fn every_cited_section_of_the_protocol_exists() {
    let protocol = source::read("docs/PROTOCOL.md");
    let exists = |number: &str| protocol.lines().any(|line| line.starts_with(&format!("## {number}. ")));
    let mut wrong = Vec::new();
    for file in source::rust_files() {
        for (at, cited) in file.text.match_indices(concat!("PROTOCOL.md", " section ")) {
            let rest = &file.text[at + cited.len()..];
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !exists(&number) {
                wrong.push(format!("{} cites section {number}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn features() -> Vec<Feature> {
    let text = source::read("docs/features.toml");
    let mut features: Vec<Feature> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "[[feature]]" {
            features.push(Feature::default());
            continue;
        }
        let feature = features.last_mut().expect("docs/features.toml begins with an entry");
        let (key, value) = line.split_once(" = ").unwrap_or_else(|| panic!("not a key and a value: {line}"));
        match key {
            "id" => feature.id = unquoted(value),
            "text" => feature.text = unquoted(value),
            "status" => feature.status = unquoted(value),
            surface => feature.tests.push((surface.to_owned(), named_tests(value))),
        }
    }
    features
}

fn named_tests(value: &str) -> Option<Vec<String>> {
    if value == "\"planned\"" {
        return None;
    }
    let inside = value.strip_prefix('[')?.strip_suffix(']')?;
    Some(inside.split(',').map(unquoted).filter(|name| !name.is_empty()).collect())
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches('"').to_owned()
}
