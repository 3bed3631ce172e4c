//! Contact logs from the field.
//!
//! A node whose owner consents writes down when it met others, without saying who that was:
//!
//! ```text
//! # starling contact log 1
//! # numbers: random
//! # format: start_s end_s me other  (half-open; seconds since the log began)
//! 12.5 340 1841205330 77120194
//! ```
//!
//! `start_s end_s me other` is the contact format of this module: seconds since the log began, one line when a
//! contact is over. The numbers are 32 bits long and name nobody. With `# numbers: random` each is drawn anew
//! for every log, so that nothing joins two logs, and a stranger has a new one at each meeting.
//!
//! A group that wants one trace of all its logs writes them with a key of its own. `# numbers: keyed` then says
//! that `me` is the first 32 bits of the keyed BLAKE3 hash of the own account, and that `other` is that of the
//! link's binding, which both of its ends know and nobody else. `# began: UNIX_SECONDS` lets the clocks be laid
//! over one another, and [`merge`] joins the two ends of each link. Who took no part is in no trace.
//! Whoever reads a log numbers the nodes anew, from 0 in the order in which they appear.

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

    /// What stands above the lines. `began` is the time at which the log begins, in milliseconds since 1970; it
    /// is told only where logs shall be merged.
    #[must_use]
    pub fn header(&self, began: u64) -> String {
        let mut text = format!("{FIELD_LOG}\n");
        let _ = match self.numbers {
            Numbers::Random(_) => writeln!(text, "# numbers: random"),
            Numbers::Keyed(_) => {
                writeln!(text, "# numbers: keyed\n# began: {}", number::seconds(began))
            }
        };
        text.push_str("# format: start_s end_s me other  (half-open; seconds since the log began)\n");
        text
    }

    /// The number of `who` in this log: the bytes of an account, or of a link's binding.
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
    pub fn line(start: u64, end: u64, me: u32, other: u32) -> Option<String> {
        if end <= start || me == other {
            return None;
        }
        Some(format!("{} {} {me} {other}\n", number::seconds(start), number::seconds(end)))
    }
}

/// Merges logs written with one key, given as name and text: the clocks are laid over one another, and what
/// both ends of a link saw becomes one contact, for as long as both saw it. The result begins at 0; its notes
/// tell how many links only one end told of.
///
/// # Errors
/// A log that is none or was not written with a key, with its name and line.
pub fn merge(logs: &[(&str, &str)]) -> Result<Trace, TraceError> {
    let began = logs.iter().map(|(file, text)| began(file, text)).collect::<Result<Vec<_>, _>>()?;
    let first = began.iter().copied().min().unwrap_or(0);
    let mut links: BTreeMap<u32, Vec<End>> = BTreeMap::new();
    for ((file, text), began) in logs.iter().zip(&began) {
        // Read for its checks and their words.
        Trace::parse(file, text)?;
        for (link, mut end) in text.lines().filter_map(end_of_link) {
            (end.from, end.to) = (end.from + began - first, end.to + began - first);
            links.entry(link).or_default().push(end);
        }
    }
    let mut pairs: BTreeMap<(u32, u32), Vec<(u64, u64)>> = BTreeMap::new();
    let (mut single, mut apart) = (0, 0);
    for ends in links.values() {
        let [one, .., other] = ends.as_slice() else {
            single += 1;
            continue;
        };
        let (from, to) = (one.from.max(other.from), one.to.min(other.to));
        if one.me == other.me {
            single += 1;
        } else if from >= to {
            apart += 1;
        } else {
            pairs.entry((one.me.min(other.me), one.me.max(other.me))).or_default().push((from, to));
        }
    }
    let mut trace = numbered(pairs, logs)?;
    if single > 0 {
        trace.notes.push(format!("{single} links are told of by one end only and left out"));
    }
    if apart > 0 {
        trace
            .notes
            .push(format!("{apart} links are told of for different times and left out: clocks differ"));
    }
    Ok(trace)
}

/// What one end tells of a link.
#[derive(Clone, Copy, Debug)]
struct End {
    me: u32,
    from: u64,
    to: u64,
}

/// The link of a line that was checked before, and what it tells.
fn end_of_link(line: &str) -> Option<(u32, End)> {
    let mut words = line.split_whitespace();
    let (from, to) = (number::millis(words.next()?).ok()?, number::millis(words.next()?).ok()?);
    let (me, link) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((link, End { me, from, to }))
}

/// Nodes numbered from 0, contacts in order of time.
fn numbered(
    pairs: BTreeMap<(u32, u32), Vec<(u64, u64)>>,
    logs: &[(&str, &str)],
) -> Result<Trace, TraceError> {
    let mut numbers = Renumbering::default();
    let mut contacts = Vec::new();
    for ((one, other), spans) in pairs {
        let full = |problem| error(logs.first().map_or("", |log| log.0), 1, problem);
        let (a, b) = (numbers.dense(one).map_err(full)?, numbers.dense(other).map_err(full)?);
        let (a, b) = (a.min(b), a.max(b));
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

/// When a log began, in milliseconds since 1970.
fn began(file: &str, text: &str) -> Result<u64, TraceError> {
    let header = text.lines().take_while(|line| line.starts_with('#'));
    let value = header.filter_map(|line| line.strip_prefix("# began:")).next();
    let millis = value.and_then(|value| number::millis(value.trim()).ok());
    millis.filter(|_| text.starts_with(FIELD_LOG)).ok_or_else(|| error(file, 1, TraceProblem::Alone))
}

fn first_four(bytes: &[u8; 32]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
