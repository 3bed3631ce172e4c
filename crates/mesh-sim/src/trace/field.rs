//! Contact logs from the field.
//!
//! A node whose owner consents writes down whom it met, without saying who that was:
//!
//! ```text
//! # starling contact log 1
//! # numbers: random
//! # format: start_s end_s a b  (half-open; seconds since the log began)
//! 12.5 340 1841205330 77120194
//! ```
//!
//! `start_s end_s a b` is the contact format of this module: seconds since the log began, one line when a
//! contact is over. The numbers are 32 bits long and name nobody. With `# numbers: random` each is drawn anew
//! for every log, so that nothing joins two logs. A group that wants one trace of all its logs writes them
//! with a key of its own: `# numbers: keyed` then says that a number is the first 32 bits of the keyed BLAKE3
//! hash of the account, and `# began: UNIX_SECONDS` lets the clocks be laid over one another. [`merge`] puts
//! such logs together. Whoever reads a log numbers the nodes anew, from 0 in the order in which they appear.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use mesh_core::rng::Rng;

use super::{FIELD_LOG, MAX_NODES, Trace, TraceError, TraceProblem, error, number};
use crate::Contact;

/// Writes one node's contact log: gives everybody a number, and makes the lines.
#[derive(Debug)]
pub struct FieldLog {
    numbers: Numbers,
    known: BTreeMap<Vec<u8>, u32>,
    used: BTreeSet<u32>,
}

#[derive(Debug)]
enum Numbers {
    Random(Box<Rng>),
    Keyed([u8; 32]),
}

impl FieldLog {
    /// A log that nothing joins to any other: numbers are drawn from `rng`.
    #[must_use]
    pub fn alone(rng: Rng) -> Self {
        Self { numbers: Numbers::Random(Box::new(rng)), known: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// A log that can be merged with those written with the same key.
    #[must_use]
    pub fn keyed(key: [u8; 32]) -> Self {
        Self { numbers: Numbers::Keyed(key), known: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// What stands above the lines. `began` is the time at which the log begins, in seconds since 1970; it is
    /// told only where logs shall be merged.
    #[must_use]
    pub fn header(&self, began: u64) -> String {
        let mut text = format!("{FIELD_LOG}\n");
        let _ = match self.numbers {
            Numbers::Random(_) => writeln!(text, "# numbers: random"),
            Numbers::Keyed(_) => writeln!(text, "# numbers: keyed\n# began: {began}"),
        };
        text.push_str("# format: start_s end_s a b  (half-open; seconds since the log began)\n");
        text
    }

    /// The number that `who` (the bytes of an account) has in this log.
    pub fn number(&mut self, who: &[u8]) -> u32 {
        if let Some(number) = self.known.get(who) {
            return *number;
        }
        let number = match &mut self.numbers {
            Numbers::Keyed(key) => first_four(blake3::keyed_hash(key, who).as_bytes()),
            Numbers::Random(rng) => loop {
                let drawn = u32::from_le_bytes(rng.bytes());
                if !self.used.contains(&drawn) {
                    break drawn;
                }
            },
        };
        self.known.insert(who.to_vec(), number);
        self.used.insert(number);
        number
    }

    /// One contact as a line: `start` and `end` in milliseconds since the log began. Nothing where it had no
    /// duration, or where the two have the same number.
    #[must_use]
    pub fn line(start: u64, end: u64, a: u32, b: u32) -> Option<String> {
        if end <= start || a == b {
            return None;
        }
        Some(format!("{} {} {} {}\n", number::seconds(start), number::seconds(end), a.min(b), a.max(b)))
    }
}

/// Merges logs written with one key, given as name and text: the clocks are laid over one another, and what
/// both ends of a contact saw becomes one contact. The result begins at 0.
///
/// # Errors
/// A log that is none or was not written with a key, with its name and line.
pub fn merge(logs: &[(&str, &str)]) -> Result<Trace, TraceError> {
    let began = logs.iter().map(|(file, text)| began(file, text)).collect::<Result<Vec<_>, _>>()?;
    let first = began.iter().copied().min().unwrap_or(0);
    let mut numbers = Renumbering::default();
    let mut pairs: BTreeMap<(u32, u32), Vec<(u64, u64)>> = BTreeMap::new();
    for ((file, text), began) in logs.iter().zip(&began) {
        let shift = (began - first) * 1000;
        // Read for its checks; the numbers of the file itself are needed to join it with the others.
        let trace = Trace::parse(file, text)?;
        let names = originals(text);
        for contact in trace.contacts {
            let full = |problem| error(file, 1, problem);
            let a = numbers.dense(names[contact.a as usize]).map_err(full)?;
            let b = numbers.dense(names[contact.b as usize]).map_err(full)?;
            pairs.entry((a.min(b), a.max(b))).or_default().push((contact.start + shift, contact.end + shift));
        }
    }
    let mut contacts = Vec::new();
    for ((a, b), spans) in pairs {
        contacts.extend(union(spans).into_iter().map(|(start, end)| Contact { start, end, a, b }));
    }
    contacts.sort_unstable();
    Ok(Trace { nodes: numbers.given.len() as u32, contacts, notes: Vec::new() })
}

/// Numbers given anew, from 0 in the order in which nodes appear.
#[derive(Debug, Default)]
pub(super) struct Renumbering {
    given: BTreeMap<u32, u32>,
}

impl Renumbering {
    pub(super) fn dense(&mut self, number: u32) -> Result<u32, TraceProblem> {
        let next = self.given.len() as u32;
        if next >= MAX_NODES && !self.given.contains_key(&number) {
            return Err(TraceProblem::Node { text: number.to_string(), max: MAX_NODES - 1 });
        }
        Ok(*self.given.entry(number).or_insert(next))
    }
}

/// Joins spans of one pair that overlap or touch.
pub(crate) fn union(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(spans.len());
    for (start, end) in spans {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

fn began(file: &str, text: &str) -> Result<u64, TraceError> {
    let header = text.lines().take_while(|line| line.starts_with('#'));
    let value = header.filter_map(|line| line.strip_prefix("# began:")).next();
    let seconds = value.and_then(|value| value.trim().parse().ok());
    seconds.filter(|_| text.starts_with(FIELD_LOG)).ok_or_else(|| error(file, 1, TraceProblem::Alone))
}

/// The numbers in the file, in the order in which they were numbered anew.
fn originals(text: &str) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let numbers = lines.flat_map(|line| line.split_whitespace().skip(2)).filter_map(|word| word.parse().ok());
    numbers.filter(|number| seen.insert(*number)).collect()
}

fn first_four(bytes: &[u8; 32]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
