//! The ONE's external events.

use std::collections::BTreeMap;

use super::{MAX_NODES, Trace, TraceError, TraceProblem, error, number, shortened};
use crate::{Audience, Contact, Draft};

/// The greatest message of an events file, in bytes.
const MAX_BYTES: u32 = 1 << 30;

/// What a connection's line looks like.
const CONN: &str = "t CONN a b up|down";

/// What a message's line looks like.
const CREATE: &str = "t C id from to size";

/// A run as The ONE recorded it: connections and messages, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneEvents {
    /// How many nodes there are: the greatest number and one.
    pub nodes: u32,
    /// How many messages are created; they are numbered from 0 in the order of the file.
    pub messages: u32,
    /// The events, in order of time.
    pub events: Vec<OneEvent>,
}

/// One line of an events file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneEvent {
    /// When, in milliseconds.
    pub at: u64,
    /// What happens.
    pub what: OneHappening,
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneHappening {
    /// A connection comes up or goes down.
    Connection {
        /// One end, as written.
        a: u32,
        /// The other end.
        b: u32,
        /// Whether it comes up.
        up: bool,
    },
    /// A message is created.
    Create {
        /// Its number, from 0.
        message: u32,
        /// Who writes it.
        from: u32,
        /// For whom it is.
        to: u32,
        /// Its size in bytes.
        bytes: u32,
    },
}

impl OneEvents {
    /// Reads an events file; `file` is the name that errors tell. Names of hosts may have a prefix of letters,
    /// as The ONE allows (`p12` is host 12).
    ///
    /// # Errors
    /// The first line that is no event, or stands before its time.
    pub fn parse(file: &str, text: &str) -> Result<Self, TraceError> {
        let mut events = Self::default();
        let lines = text.lines().count();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let cut = at + 1 == lines && !text.ends_with('\n');
            events.line(line, cut).map_err(|problem| error(file, at + 1, problem))?;
        }
        if events.events.is_empty() {
            return Err(error(file, lines.max(1), TraceProblem::Empty));
        }
        Ok(events)
    }

    /// When the last event is, in milliseconds.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.events.last().map_or(0, |event| event.at)
    }

    /// The connections as contacts, in the order of their beginning. Those that are up at the end last until
    /// the last event and one second more.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let mut open: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        let mut contacts = Vec::new();
        for event in &self.events {
            let OneHappening::Connection { a, b, up } = event.what else { continue };
            let pair = (a.min(b), a.max(b));
            if up {
                open.entry(pair).or_insert(event.at);
            } else if let Some(start) = open.remove(&pair) {
                close(&mut contacts, pair, start, event.at);
            }
        }
        let end = self.end() + 1000;
        for (pair, start) in open {
            close(&mut contacts, pair, start, end);
        }
        contacts.sort_unstable();
        Trace { nodes: self.nodes, contacts, notes: Vec::new() }
    }

    /// The messages as drafts.
    #[must_use]
    pub fn drafts(&self) -> Vec<Draft> {
        let draft = |event: &OneEvent| match event.what {
            OneHappening::Create { message, from, to, bytes } => Some(Draft {
                number: message,
                at: event.at,
                from,
                to: Audience::One(to),
                bytes: bytes.max(12),
            }),
            OneHappening::Connection { .. } => None,
        };
        self.events.iter().filter_map(draft).collect()
    }

    fn line(&mut self, line: &str, cut: bool) -> Result<(), TraceProblem> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let what = match fields.get(1) {
            Some(&"CONN") => connection(line, &fields, cut)?,
            Some(&"C") => self.create(line, &fields, cut)?,
            Some(other) => return Err(TraceProblem::Event { text: shortened(other) }),
            None => return Err(wrong_fields(line, 1, CONN, cut)),
        };
        let at = number::millis(fields[0])?;
        let before = self.end();
        if at < before {
            return Err(TraceProblem::Order { at: fields[0].to_owned(), before: number::seconds(before) });
        }
        let (one, other) = match what {
            OneHappening::Connection { a, b, .. } => (a, b),
            OneHappening::Create { from, to, .. } => (from, to),
        };
        if one == other {
            return Err(TraceProblem::Same { node: one });
        }
        self.nodes = self.nodes.max(one + 1).max(other + 1);
        self.messages += u32::from(matches!(what, OneHappening::Create { .. }));
        self.events.push(OneEvent { at, what });
        Ok(())
    }

    fn create(&self, line: &str, fields: &[&str], cut: bool) -> Result<OneHappening, TraceProblem> {
        let [_, _, _, from, to, size] = fields[..] else {
            return Err(wrong_fields(line, fields.len(), CREATE, cut));
        };
        let wrong = || TraceProblem::Size { text: shortened(size), max: MAX_BYTES };
        let bytes: u32 = size.parse().map_err(|_| wrong())?;
        if bytes == 0 || bytes > MAX_BYTES {
            return Err(wrong());
        }
        Ok(OneHappening::Create { message: self.messages, from: host(from)?, to: host(to)?, bytes })
    }
}

fn connection(line: &str, fields: &[&str], cut: bool) -> Result<OneHappening, TraceProblem> {
    let [_, _, a, b, state] = fields[..] else { return Err(wrong_fields(line, fields.len(), CONN, cut)) };
    let up = match state {
        "up" => true,
        "down" => false,
        _ if cut => return Err(wrong_fields(line, fields.len(), CONN, cut)),
        other => return Err(TraceProblem::State { text: shortened(other) }),
    };
    Ok(OneHappening::Connection { a: host(a)?, b: host(b)?, up })
}

fn host(text: &str) -> Result<u32, TraceProblem> {
    let digits = text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    number::node(digits, MAX_NODES - 1)
        .map_err(|_| TraceProblem::Node { text: shortened(text), max: MAX_NODES - 1 })
}

fn wrong_fields(line: &str, found: usize, form: &'static str, cut: bool) -> TraceProblem {
    let text = shortened(line);
    if cut { TraceProblem::CutOff { text, form } } else { TraceProblem::Fields { text, found, form } }
}

fn close(contacts: &mut Vec<Contact>, (a, b): (u32, u32), start: u64, end: u64) {
    if start < end {
        contacts.push(Contact { start, end, a, b });
    }
}
