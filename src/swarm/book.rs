//! What is heard of a swarm, brought together: links from both of their ends, letters, bytes.

use super::member::{Heard, What};
use mesh_sim::Contact;
use mesh_sim::field::Shown;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// One end of a link, in milliseconds since the run began.
#[derive(Clone, Copy, Debug)]
struct End {
    node: u32,
    up: u64,
    down: Option<u64>,
}

/// Everything heard since the run began.
#[derive(Debug)]
pub(super) struct Book {
    begun: Instant,
    ends: BTreeMap<[u8; 32], Vec<End>>,
    /// When letters were shown, by their numbers.
    pub(super) shown: Shown,
    /// Bytes of all frames that arrived.
    pub(super) bytes: u64,
    /// The part of it that carries envelopes.
    pub(super) payload: u64,
    /// Envelopes that arrived.
    pub(super) copies: u64,
}

impl Book {
    pub(super) fn new(begun: Instant) -> Self {
        Self { begun, ends: BTreeMap::new(), shown: Shown::new(), bytes: 0, payload: 0, copies: 0 }
    }

    /// Milliseconds since the run began.
    pub(super) fn at(&self, when: Instant) -> u64 {
        u64::try_from(when.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn note(&mut self, heard: &Heard) {
        let (at, node) = (self.at(heard.at), heard.node);
        match heard.what {
            What::Up(binding) => {
                self.ends.entry(binding).or_default().push(End { node, up: at, down: None });
            }
            What::Down(binding) => {
                let ends = self.ends.entry(binding).or_default();
                if let Some(end) = ends.iter_mut().find(|end| end.node == node && end.down.is_none()) {
                    end.down = Some(at);
                }
            }
            What::Frame(bytes, envelope) => {
                self.bytes += bytes as u64;
                self.payload += if envelope { bytes as u64 } else { 0 };
                self.copies += u64::from(envelope);
            }
            What::Shown(number) => {
                self.shown.entry(number).or_insert(at);
            }
        }
    }

    /// The pairs that are linked now.
    pub(super) fn linked(&self) -> BTreeSet<(u32, u32)> {
        let standing = self.ends.values().filter(|ends| ends.iter().all(|end| end.down.is_none()));
        standing.filter_map(|ends| pair(ends)).collect()
    }

    /// The links that stood, for as long as both ends saw them, cut at `length`.
    pub(super) fn contacts(&self, length: u64) -> Vec<Contact> {
        let mut contacts = Vec::new();
        for ends in self.ends.values() {
            let Some((a, b)) = pair(ends) else { continue };
            let start = ends.iter().map(|end| end.up).max().unwrap_or(0);
            let end = ends.iter().filter_map(|end| end.down).min().unwrap_or(length).min(length);
            if start < end {
                contacts.push(Contact { start, end, a, b });
            }
        }
        contacts.sort_unstable();
        contacts
    }
}

/// The two nodes of a link of which both ends were heard.
fn pair(ends: &[End]) -> Option<(u32, u32)> {
    match ends {
        [one, other] if one.node != other.node => Some((one.node.min(other.node), one.node.max(other.node))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_contact_lasts_while_both_ends_have_the_link() {
        let begun = Instant::now();
        let mut book = Book::new(begun);
        let mut hear =
            |ms, node, what| book.note(&Heard { at: begun + Duration::from_millis(ms), node, what });
        hear(100, 2, What::Up([1; 32]));
        hear(130, 0, What::Up([1; 32]));
        hear(900, 2, What::Down([1; 32]));
        hear(905, 0, What::Down([1; 32]));
        hear(950, 1, What::Up([2; 32]));
        assert_eq!(book.contacts(1_000), [Contact { start: 130, end: 900, a: 0, b: 2 }]);
        assert!(book.linked().is_empty(), "of the second link one end is known");
    }
}
