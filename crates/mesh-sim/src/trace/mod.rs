//! Recorded contacts: reading and writing them.
//!
//! Two formats are understood; [`parse`] tells them apart by their first line that is no comment.
//!
//! **Contacts** ([`Trace`]): one line per contact, `start_s end_s a b`. The two nodes `a` and `b` are within
//! reach of one another from `start_s` on and until just before `end_s`. Times are seconds, whole or with
//! decimals (kept to the millisecond); nodes are numbered from 0. Lines that begin with `#` are the header:
//! `# nodes: N` limits the numbers to `0..N-1`, and `# contacts: N` tells how many lines follow. SocioPatterns
//! and CRAWDAD data are easily brought into this form, and so are contact logs from the field ([`FieldLog`]).
//!
//! **External events** ([`OneEvents`]) as The ONE simulator writes and reads them: `t CONN a b up|down` and
//! `t C id from to size`, in order of time.
//!
//! A file that cannot be read is refused with its name, the line, and what is allowed there.

mod events;
mod field;
mod number;
#[cfg(test)]
mod tests;

use core::fmt::Write as _;

pub use events::{OneEvent, OneEvents, OneHappening};
pub(crate) use field::union;
pub use field::{FieldLog, merge};

use crate::Contact;

/// Nodes a trace may number: one million. A greater number is a slip of the pen, and every node costs memory.
pub const MAX_NODES: u32 = 1_000_000;

/// What the first line of a contact log from the field says; see [`FieldLog`].
pub(crate) const FIELD_LOG: &str = "# starling contact log 1";

/// A trace of either format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyTrace {
    /// `start_s end_s a b`.
    Contacts(Trace),
    /// The ONE's external events.
    Events(OneEvents),
}

/// Recorded contacts, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// How many nodes there are: the greatest number and one.
    pub nodes: u32,
    /// The contacts, as they stand in the file. [`Oracle`](crate::Oracle) draws from this order.
    pub contacts: Vec<Contact>,
    /// What is odd about the file without making it useless, for people to read.
    pub notes: Vec<String>,
}

/// Why a trace was refused: the file, the line, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct TraceError {
    /// The file's name, as the caller gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: TraceProblem,
}

/// What is wrong with a line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceProblem {
    /// There is nothing in the file.
    #[error(
        "the file holds no contact; allowed are lines `start_s end_s a b` (with `#` comments), or The ONE's events `t CONN a b up|down` and `t C id from to size`"
    )]
    Empty,
    /// Too few or too many words.
    #[error("`{text}` has {found} fields; allowed is `{form}`")]
    Fields {
        /// The line.
        text: String,
        /// How many fields it has.
        found: usize,
        /// What it should look like.
        form: &'static str,
    },
    /// The file ends within a line.
    #[error("the file ends within this line: `{text}`; allowed is `{form}`. Was it cut off?")]
    CutOff {
        /// What is left of the line.
        text: String,
        /// What it should look like.
        form: &'static str,
    },
    /// Fewer contacts than the header says.
    #[error("the file ends after {found} contacts; its header promises {promised}. Was it cut off?")]
    Short {
        /// How many the header promises.
        promised: usize,
        /// How many there are.
        found: usize,
    },
    /// Not a time.
    #[error(
        "`{text}` is no time; allowed are seconds from 0 to {}, whole or with decimals",
        number::MAX_SECONDS
    )]
    Time {
        /// What stands there.
        text: String,
    },
    /// Not a node.
    #[error("`{text}` is no node; allowed are whole numbers from 0 to {max}")]
    Node {
        /// What stands there.
        text: String,
        /// The greatest number allowed.
        max: u32,
    },
    /// A contact that ends before it begins, or as it begins.
    #[error("the contact ends at {end} and begins at {start}; allowed is an end after the start")]
    Backwards {
        /// Its beginning, as written.
        start: String,
        /// Its end, as written.
        end: String,
    },
    /// A node in contact with itself, or writing to itself.
    #[error("node {node} stands on both sides; allowed are two different nodes")]
    Same {
        /// The node.
        node: u32,
    },
    /// A header value that is no number.
    #[error("`{text}` is no count; allowed is `# {key}: N` with a whole number from 1 to {max}")]
    Header {
        /// Which header.
        key: &'static str,
        /// What stands there.
        text: String,
        /// The greatest number allowed.
        max: u32,
    },
    /// An event of another kind.
    #[error("`{text}` is no event; allowed are CONN (`t CONN a b up|down`) and C (`t C id from to size`)")]
    Event {
        /// What stands there.
        text: String,
    },
    /// A connection that does something else than come or go.
    #[error("`{text}` is no state of a connection; allowed are `up` and `down`")]
    State {
        /// What stands there.
        text: String,
    },
    /// Not a size.
    #[error("`{text}` is no size; allowed are whole numbers of bytes from 1 to {max}")]
    Size {
        /// What stands there.
        text: String,
        /// The greatest size allowed.
        max: u32,
    },
    /// An event before its predecessor.
    #[error("this event is at {at}, the one before it at {before}; allowed are events in order of time")]
    Order {
        /// When it is, as written.
        at: String,
        /// When the one before it was, in seconds.
        before: String,
    },
    /// Logs from the field that cannot be put together.
    #[error("this log's numbers hold for itself alone; only logs written with a common key can be merged")]
    Alone,
}

/// Reads a trace of either format; `file` is the name that errors tell.
///
/// # Errors
/// The first line that is neither a comment nor what its format allows.
pub fn parse(file: &str, text: &str) -> Result<AnyTrace, TraceError> {
    if looks_like_events(text) {
        return OneEvents::parse(file, text).map(AnyTrace::Events);
    }
    Trace::parse(file, text).map(AnyTrace::Contacts)
}

impl AnyTrace {
    /// Its contacts, whatever the format.
    #[must_use]
    pub fn into_trace(self) -> Trace {
        match self {
            Self::Contacts(trace) => trace,
            Self::Events(events) => events.trace(),
        }
    }
}

impl Trace {
    /// Reads `start_s end_s a b` lines; `file` is the name that errors tell.
    ///
    /// # Errors
    /// The first line that is neither a comment nor a contact.
    pub fn parse(file: &str, text: &str) -> Result<Self, TraceError> {
        let mut reader = Reader::new(text);
        for (at, line) in text.lines().enumerate() {
            let last_and_open = at + 1 == reader.lines && !text.ends_with('\n');
            reader.line(line.trim(), last_and_open).map_err(|problem| error(file, at + 1, problem))?;
        }
        reader.finish().map_err(|problem| error(file, text.lines().count().max(1), problem))
    }

    /// When the last contact is over, in milliseconds.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.contacts.iter().map(|contact| contact.end).max().unwrap_or(0)
    }

    /// The trace as a file of `start_s end_s a b` lines; `header` lines stand above it, each made a comment.
    #[must_use]
    pub fn write(&self, header: &[&str]) -> String {
        let mut text = String::with_capacity(24 * self.contacts.len() + 256);
        for line in header {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# nodes: {}", self.nodes);
        let _ = writeln!(text, "# contacts: {}", self.contacts.len());
        let _ = writeln!(text, "# format: start_s end_s a b  (half-open, a<b, ids 0..nodes-1)");
        for contact in &self.contacts {
            let (start, end) = (number::seconds(contact.start), number::seconds(contact.end));
            let _ = writeln!(text, "{start} {end} {} {}", contact.a, contact.b);
        }
        text
    }
}

/// What a line of contacts looks like.
const FORM: &str = "start_s end_s a b";

/// A file of contacts being read.
struct Reader {
    lines: usize,
    trace: Trace,
    promised: Option<usize>,
    declared: Option<u32>,
    field: Option<field::Renumbering>,
    open_end: bool,
}

impl Reader {
    fn new(text: &str) -> Self {
        let field = text.starts_with(FIELD_LOG).then(field::Renumbering::default);
        let (lines, open_end) = (text.lines().count(), !text.ends_with('\n'));
        Self { lines, trace: Trace::default(), promised: None, declared: None, field, open_end }
    }

    fn line(&mut self, line: &str, cut: bool) -> Result<(), TraceProblem> {
        if let Some(comment) = line.strip_prefix('#') {
            return self.header(comment.trim());
        }
        if line.is_empty() {
            return Ok(());
        }
        let contact = self.contact(line).map_err(|problem| match problem {
            TraceProblem::Fields { text, found, form } if cut && found < 4 => {
                TraceProblem::CutOff { text, form }
            }
            other => other,
        })?;
        self.trace.nodes = self.trace.nodes.max(contact.b + 1);
        self.trace.contacts.push(contact);
        Ok(())
    }

    fn header(&mut self, comment: &str) -> Result<(), TraceProblem> {
        if let Some(value) = comment.strip_prefix("nodes:") {
            self.declared = Some(count("nodes", value.trim(), MAX_NODES)?);
        }
        if let Some(value) = comment.strip_prefix("contacts:") {
            self.promised = Some(count("contacts", value.trim(), u32::MAX)? as usize);
        }
        Ok(())
    }

    fn contact(&mut self, line: &str) -> Result<Contact, TraceProblem> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [start, end, a, b] = fields[..] else {
            return Err(TraceProblem::Fields { text: shortened(line), found: fields.len(), form: FORM });
        };
        let max = if self.field.is_some() { u32::MAX } else { self.declared.unwrap_or(MAX_NODES) - 1 };
        let (mut one, mut other) = (number::node(a, max)?, number::node(b, max)?);
        if one == other {
            return Err(TraceProblem::Same { node: one });
        }
        let (from, to) = (number::millis(start)?, number::millis(end)?);
        if from >= to {
            return Err(TraceProblem::Backwards { start: start.to_owned(), end: end.to_owned() });
        }
        if let Some(numbers) = &mut self.field {
            (one, other) = (numbers.dense(one)?, numbers.dense(other)?);
        }
        Ok(Contact { start: from, end: to, a: one.min(other), b: one.max(other) })
    }

    fn finish(mut self) -> Result<Trace, TraceProblem> {
        let found = self.trace.contacts.len();
        if found == 0 {
            return Err(TraceProblem::Empty);
        }
        let Some(promised) = self.promised.filter(|promised| *promised != found) else {
            return Ok(self.trace);
        };
        // A file that was cut somewhere ends within a line; one that somebody shortened ends with a line.
        if found < promised && self.open_end {
            return Err(TraceProblem::Short { promised, found });
        }
        self.trace.notes.push(format!("the header promises {promised} contacts, the file holds {found}"));
        Ok(self.trace)
    }
}

/// The first line that is no comment has a letter where a contact has its end.
fn looks_like_events(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let word = first.and_then(|line| line.split_whitespace().nth(1));
    word.is_some_and(|word| word.starts_with(|first: char| first.is_ascii_alphabetic()))
}

fn count(key: &'static str, text: &str, max: u32) -> Result<u32, TraceProblem> {
    let wrong = || TraceProblem::Header { key, text: shortened(text), max };
    let count: u32 = text.parse().map_err(|_| wrong())?;
    if count == 0 || count > max { Err(wrong()) } else { Ok(count) }
}

fn error(file: &str, line: usize, problem: TraceProblem) -> TraceError {
    TraceError { file: file.to_owned(), line, problem }
}

/// So much of what stands in a file as an error may repeat.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("...".chars()).collect()
}
