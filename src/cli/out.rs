//! What goes to standard output: lines for people, or one JSON object per line for programs.

use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};

/// Standard output in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person reads, now.
    pub(crate) fn is_terminal(self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// `value` for programs, `line` for people.
    pub(crate) fn value(self, value: &impl Serialize, line: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string(value)? } else { line() };
        write(&text)
    }

    /// What is the result itself, whoever reads.
    pub(crate) fn raw(self, text: &str) -> anyhow::Result<()> {
        write(text)
    }

    /// A line for people; programs do not see it.
    pub(crate) fn line(self, line: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { write(line) }
    }

    /// A line beside the result: on standard error, for people.
    pub(crate) fn note(self, line: &str) {
        complain(line);
    }
}

/// A line on standard error; a closed one is nobody's loss.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// As [`complain`], where it matters whether it was said.
pub(crate) fn tell(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}

/// The reader has enough: `starling messages | head` is no failure.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}
