//! The index: what of a text is kept for searching, and how it is found.
//!
//! It lives in memory alone. A search reads every text that its filters leave, the newest first, with the searcher
//! for bytes that `ripgrep` uses; at the lengths that messages have that is as fast as a list of words, and what is
//! taken out is gone at once, with nothing to merge later (docs/BENCHMARKS.md has the figures).

use super::fold;
use super::query::{Kinds, Query, Writer};
use memchr::memmem::Finder;
use mesh_core::{ConversationId, MessageId, Wall};
use std::collections::HashMap;
use zeroize::{Zeroize as _, Zeroizing};

/// Names a message: where it stands and which it is.
pub type Key = (ConversationId, MessageId);

/// What is searched of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Which message.
    pub key: Key,
    /// Who wrote it.
    pub from: Writer,
    /// When it came, or was written here.
    pub at: Wall,
    /// What it is.
    pub kinds: Kinds,
    /// Its words.
    pub text: String,
}

/// Where texts are searched.
pub trait Index: Send + std::fmt::Debug {
    /// Takes a message in, as the newest; one that is there keeps its place and has these words from now on.
    fn put(&mut self, document: &Document);

    /// Takes a message out, with its words.
    fn remove(&mut self, key: Key);

    /// Takes everything of a conversation out.
    fn forget(&mut self, with: ConversationId);

    /// The messages that fit, the newest first, after `skip` of them, at most `most`.
    fn find(&self, query: &Query, skip: usize, most: usize) -> Vec<Key>;

    /// How many messages are in it.
    fn len(&self) -> usize;

    /// Whether none is.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that it holds.
    fn bytes(&self) -> usize;

    /// Whether older messages had to go for want of room.
    fn is_cut(&self) -> bool;
}

/// Texts one after the other, in the order in which they came.
#[derive(Debug)]
pub struct Scan {
    entries: Vec<Entry>,
    /// Folded texts; what is not of an entry any more is zero.
    words: Zeroizing<Vec<u8>>,
    places: HashMap<(u32, MessageId), u32>,
    /// Conversations and people, named by their place here.
    names: Vec<ConversationId>,
    numbers: HashMap<ConversationId, u32>,
    /// Entries whose message is gone.
    dead: usize,
    most: usize,
    is_cut: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: MessageId,
    with: u32,
    from: u32,
    at: u32,
    start: u32,
    len: u32,
    kinds: Kinds,
}

/// The number of this node's person.
const OWN: u32 = u32::MAX;
/// A place in [`Scan::places`] costs about this many bytes, with what a table leaves empty.
const PER_PLACE: usize = 48;

impl Scan {
    /// An empty index that holds at most about `most` bytes; older messages make room for newer ones.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            entries: Vec::new(),
            words: Zeroizing::default(),
            places: HashMap::new(),
            names: Vec::new(),
            numbers: HashMap::new(),
            dead: 0,
            most,
            is_cut: false,
        }
    }

    fn number(&mut self, name: ConversationId) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(OWN - 1);
        self.names.push(name);
        self.numbers.insert(name, number);
        number
    }

    fn known(&self, name: ConversationId) -> Option<u32> {
        self.numbers.get(&name).copied()
    }

    /// Appends words; where they stand.
    fn write(&mut self, text: &str) -> (u32, u32) {
        let folded = Zeroizing::new(fold::fold(text));
        if self.words.capacity() - self.words.len() < folded.len() {
            // A vector that grows by itself would leave what it held behind.
            let room = (self.words.len() + folded.len()).next_multiple_of(64 * 1024) * 5 / 4;
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.words);
            self.words = larger;
        }
        let start = self.words.len();
        self.words.extend_from_slice(folded.as_bytes());
        (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(folded.len()).unwrap_or(0))
    }

    fn words_of(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        self.words.get(start..start + entry.len as usize).unwrap_or_default()
    }

    fn silence(&mut self, place: u32) {
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        let start = entry.start as usize;
        let range = start..start + entry.len as usize;
        entry.len = 0;
        if let Some(words) = self.words.get_mut(range) {
            words.zeroize();
        }
    }

    fn take_out(&mut self, place: u32) {
        self.silence(place);
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        if self.places.remove(&(entry.with, entry.id)).is_some() {
            entry.kinds = Kinds::NONE;
            self.dead += 1;
        }
    }

    /// Moves what lives together, without the first `drop` entries.
    fn compact(&mut self, drop: usize) {
        let (old, words) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.words));
        self.places.clear();
        self.dead = 0;
        let mut kept = Zeroizing::new(Vec::with_capacity(words.len()));
        for mut entry in old.into_iter().skip(drop).filter(|entry| !entry.kinds.is_none()) {
            let start = entry.start as usize;
            let text = words.get(start..start + entry.len as usize).unwrap_or_default();
            entry.start = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            kept.extend_from_slice(text);
            let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
            self.places.insert((entry.with, entry.id), place);
            self.entries.push(entry);
        }
        self.words = kept;
    }

    /// Keeps within the limits: first what is dead goes, then the oldest quarter.
    fn tidy(&mut self) {
        if self.dead > 1_024 && self.dead > self.places.len() {
            self.compact(0);
        }
        if self.bytes() > self.most || self.words.len() > u32::MAX as usize / 2 {
            self.compact(0);
            if self.bytes() > self.most / 4 * 3 {
                self.compact(self.entries.len().div_ceil(4));
                self.is_cut = true;
            }
        }
    }

    fn fits(&self, entry: &Entry, wanted: &Wanted<'_>) -> bool {
        let is_of = |number: u32, wanted: Option<u32>| wanted.is_none_or(|wanted| wanted == number);
        is_of(entry.with, wanted.with)
            && is_of(entry.from, wanted.from)
            && u64::from(entry.at) >= wanted.since.0
            && u64::from(entry.at) < wanted.until.0
            && entry.kinds.has(wanted.kinds)
            && wanted.needles.iter().all(|needle| needle.find(self.words_of(entry)).is_some())
    }

    /// The query in this index's numbers; `None` where nothing here can fit.
    fn wanted<'a>(&self, query: &'a Query) -> Option<Wanted<'a>> {
        let with = match query.within {
            Some(with) => Some(self.known(with)?),
            None => None,
        };
        let from = match query.from {
            Some(Writer::Own) => Some(OWN),
            Some(Writer::Other(account)) => Some(self.known(account.into())?),
            None => None,
        };
        let needles = query.needles.iter().map(|needle| Finder::new(needle.as_bytes())).collect();
        Some(Wanted { with, from, since: query.since, until: query.until, kinds: query.kinds, needles })
    }
}

struct Wanted<'a> {
    with: Option<u32>,
    from: Option<u32>,
    since: Wall,
    until: Wall,
    kinds: Kinds,
    needles: Vec<Finder<'a>>,
}

impl Index for Scan {
    fn put(&mut self, document: &Document) {
        let Document { key: (with, id), from, at, kinds, ref text } = *document;
        let with = self.number(with);
        let from = match from {
            Writer::Own => OWN,
            Writer::Other(account) => self.number(account.into()),
        };
        let kinds = kinds.with(Kinds::ANY);
        let at = u32::try_from(at.0).unwrap_or(u32::MAX);
        let known = self.places.get(&(with, id)).copied();
        if let Some(place) = known {
            self.silence(place);
        }
        let (start, len) = self.write(text);
        let entry = Entry { id, with, from, at, start, len, kinds };
        match known.and_then(|place| self.entries.get_mut(place as usize)) {
            Some(there) => *there = Entry { at: there.at, ..entry },
            None => {
                let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
                self.entries.push(entry);
                self.places.insert((with, id), place);
            }
        }
        self.tidy();
    }

    fn remove(&mut self, (with, id): Key) {
        let place = self.known(with).and_then(|with| self.places.get(&(with, id)).copied());
        if let Some(place) = place {
            self.take_out(place);
            self.tidy();
        }
    }

    fn forget(&mut self, with: ConversationId) {
        let Some(with) = self.known(with) else { return };
        let of_it = (0..).zip(&self.entries).filter(|(_, entry)| entry.with == with).map(|(place, _)| place);
        for place in of_it.collect::<Vec<u32>>() {
            self.take_out(place);
        }
        self.tidy();
    }

    fn find(&self, query: &Query, skip: usize, most: usize) -> Vec<Key> {
        let Some(wanted) = self.wanted(query) else { return Vec::new() };
        let found = self.entries.iter().rev().filter(|entry| self.fits(entry, &wanted));
        let key = |entry: &Entry| Some((*self.names.get(entry.with as usize)?, entry.id));
        found.skip(skip).filter_map(key).take(most).collect()
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn bytes(&self) -> usize {
        self.words.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.places.len() * PER_PLACE
            + self.names.len() * 2 * size_of::<ConversationId>()
    }

    fn is_cut(&self) -> bool {
        self.is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::AccountId;
    use proptest::prelude::*;

    const BO: AccountId = AccountId([2; 20]);
    const CY: AccountId = AccountId([3; 20]);

    fn document(n: u8, with: AccountId, text: &str) -> Document {
        let (key, from) = ((with.into(), MessageId([n; 16])), Writer::Other(with));
        Document { key, from, at: Wall(u64::from(n)), kinds: Kinds::TEXT, text: text.to_owned() }
    }

    fn found(index: &Scan, query: &Query) -> Vec<u8> {
        index.find(query, 0, 100).into_iter().map(|(_, id)| id.0[0]).collect()
    }

    fn text(query: &str) -> Query {
        Query { needles: fold::needles(query), ..Query::default() }
    }

    fn filled() -> Scan {
        let mut index = Scan::new(1 << 20);
        index.put(&document(1, BO, "The boat leaves at eight"));
        index.put(&document(2, CY, "eight boats"));
        let own = Document { from: Writer::Own, kinds: Kinds::POLL, ..document(3, BO, "Boat or train?") };
        index.put(&own);
        index
    }

    #[test]
    fn the_newest_stands_first_and_every_filter_counts() {
        let index = filled();
        assert_eq!(found(&index, &text("boat")), [3, 2, 1]);
        assert_eq!(found(&index, &text("boat eight")), [2, 1]);
        assert_eq!(found(&index, &Query { within: Some(BO.into()), ..text("boat") }), [3, 1]);
        assert_eq!(found(&index, &Query { from: Some(Writer::Own), ..text("boat") }), [3]);
        assert_eq!(found(&index, &Query { from: Some(Writer::Other(CY)), ..Query::default() }), [2]);
        assert_eq!(found(&index, &Query { since: Wall(2), until: Wall(3), ..text("boat") }), [2]);
        assert_eq!(found(&index, &Query { kinds: Kinds::POLL, ..Query::default() }), [3]);
        let stranger = Query { within: Some(AccountId([9; 20]).into()), ..text("boat") };
        assert!(found(&index, &stranger).is_empty());
        assert_eq!(index.find(&text("boat"), 1, 1).len(), 1);
    }

    #[test]
    fn other_words_take_the_place_of_the_earlier_ones() {
        let mut index = filled();
        index.put(&document(1, BO, "the train"));
        assert_eq!(
            (found(&index, &text("train")), found(&index, &text("leaves"))),
            (vec![3, 1], Vec::<u8>::new())
        );
        assert_eq!(index.len(), 3);
    }

    #[test]
    fn what_is_taken_out_is_found_no_more_and_its_words_are_gone_from_memory() {
        let mut index = filled();
        index.remove((CY.into(), MessageId([2; 16])));
        assert_eq!(found(&index, &text("boat")), [3, 1]);
        let left = String::from_utf8_lossy(&index.words).into_owned();
        assert!(!left.contains("boats"), "{left:?}");
        index.forget(BO.into());
        assert!(index.is_empty() && index.words.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_full_index_lets_the_oldest_go_and_says_so() {
        let mut index = Scan::new(200_000);
        for n in 0..4_000_u16 {
            let id = MessageId([n.to_le_bytes(); 8].concat().try_into().unwrap());
            let document = document(1, BO, &format!("number{n} of many"));
            index.put(&Document { key: (BO.into(), id), ..document });
            assert!(index.bytes() <= 400_000, "{} bytes", index.bytes());
        }
        assert!(index.is_cut());
        assert_eq!(index.find(&text("number3999"), 0, 9).len(), 1);
        assert_eq!(index.find(&text("number0"), 0, 9).len(), 0);
    }

    proptest! {
        /// A reference that keeps whole documents.
        #[test]
        fn it_finds_what_a_list_of_documents_finds(
            acts in proptest::collection::vec((0_u8..12, 0_u8..4, "[ab ]{0,6}"), 0..60),
            query in "[ab]{1,2}",
        ) {
            let (mut index, mut list) = (Scan::new(1 << 20), Vec::<Document>::new());
            for (n, act, words) in acts {
                let document = document(n, if n % 2 == 0 { BO } else { CY }, &words);
                let known = list.iter().position(|there| there.key == document.key);
                match (act, known) {
                    (0, _) => {
                        index.remove(document.key);
                        list.retain(|there| there.key != document.key);
                    }
                    (_, Some(at)) => {
                        index.put(&document);
                        list[at].text = document.text;
                    }
                    (_, None) => {
                        index.put(&document);
                        list.push(document);
                    }
                }
            }
            let query = text(&query);
            let fits = |there: &&Document| {
                let folded = fold::fold(&there.text);
                query.needles.iter().all(|needle| folded.contains(needle.as_str()))
            };
            let expected: Vec<Key> = list.iter().rev().filter(fits).map(|there| there.key).collect();
            prop_assert_eq!(index.find(&query, 0, 100), expected);
            prop_assert_eq!(index.len(), list.len());
        }
    }
}
