//! Long messages in parts: all or nothing (PROTOCOL.md section 7).

use super::outgoing::{CUSTODY, GRACE};
use crate::crypto::kdf16;
use crate::id::{AccountId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Schedule, Time};
use crate::wire::codec;
use crate::wire::message::{Body, MAX_MENTIONS, MAX_PARENTS, MAX_PARTS, MAX_TEXT, Message};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Unfinished long messages per person; a new one beyond it ends the oldest.
pub const MAX_UNFINISHED: usize = 32;
/// How long parts wait for the others: as long as their author may seal them, and the last envelope be on its way.
const PATIENCE: Duration = CUSTODY.saturating_add(GRACE);
/// Messages that are given up in one input, up to 64 records each.
const SLICE: usize = 16;
/// The beginning of the key, in the table of counters, under which stands when a message began; the account of its
/// author and its name follow.
const BEGUN: &[u8] = b"parts";
/// Bytes of a message around a part's own.
pub(super) const PART_OVERHEAD: usize = 64;
/// Bytes of a message around its text: id, times, parents and lengths in their longest forms, then what it answers
/// and whom it names.
const MESSAGE_OVERHEAD: usize =
    16 + 5 + 9 + 1 + 8 * MAX_PARENTS + 1 + 5 + 17 + 1 + 1 + AccountId::LEN * MAX_MENTIONS + 1;

/// How a message of `len` bytes is cut where one envelope takes `room`: the number of parts, and
/// their length.
pub(super) fn cut(len: usize, room: usize) -> Option<(u16, u32)> {
    if len <= room {
        return Some((1, u32::try_from(len).ok()?));
    }
    let part = room.checked_sub(PART_OVERHEAD).filter(|p| *p > 0)?;
    let count = u16::try_from(len.div_ceil(part)).ok().filter(|c| *c <= MAX_PARTS)?;
    Some((count, u32::try_from(part).ok()?))
}

/// One part of `whole`; the whole itself where there is one.
pub(super) fn part(whole: Message, index: u16, part_len: u32) -> Option<Message> {
    let encoded = whole.to_bytes();
    let part_len = usize::try_from(part_len).ok().filter(|l| *l > 0)?;
    let count = u16::try_from(encoded.len().div_ceil(part_len)).ok()?;
    if count <= 1 {
        return Some(whole);
    }
    let bytes = encoded.chunks(part_len).nth(usize::from(index))?.to_vec();
    let id = part_id(whole.id, index);
    let body = Body::Segment { whole: whole.id, index, count, bytes };
    Some(Message { id, when: whole.when, lamport: whole.lamport, parents: Vec::new(), body })
}

/// A part's name follows from the whole's, so that a part sealed twice is the same message.
fn part_id(whole: MessageId, index: u16) -> MessageId {
    MessageId(kdf16("segment", &[&whole.0, &index.to_le_bytes()]))
}

/// A part of a long message, as it was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived<'a> {
    pub(super) whole: MessageId,
    pub(super) index: u16,
    pub(super) count: u16,
    pub(super) bytes: &'a [u8],
}

impl Arrived<'_> {
    /// Whether so many parts of this length are more than the longest message. All but the last are equal.
    fn is_beyond_a_message(&self) -> bool {
        let is_last = self.index + 1 >= self.count;
        let as_long = if is_last { 1 } else { usize::from(self.count - 1) };
        self.bytes.len().saturating_mul(as_long) > MAX_TEXT + MESSAGE_OVERHEAD
    }
}

/// Long messages that are not complete yet.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// Per author, in the order in which they began: which parts are here.
    parts: BTreeMap<AccountId, Vec<(MessageId, u16, BTreeSet<u16>)>>,
    /// When they are given up.
    ends: Schedule<Time, (AccountId, MessageId)>,
    /// Those of storage of which it does not say when they began.
    undated: BTreeSet<(AccountId, MessageId)>,
    /// Records of the input at work: a key that comes late opens many parts at once, and reads do not see
    /// what the same input wrote.
    fresh: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Unfinished {
    /// When what storage holds began; the parts follow with [`Unfinished::restored`].
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut unfinished = Self::default();
        read.scan(Table::Meta, &mut |key, value| {
            let name = key.strip_prefix(BEGUN).and_then(|name| name.split_at_checked(AccountId::LEN));
            let name = name.and_then(|(from, whole)| {
                Some((AccountId::from_slice(from)?, MessageId::from_slice(whole)?))
            });
            if let (Some(name), Ok(begun)) = (name, codec::decode::<Time>(value)) {
                unfinished.ends.set(name, Some(begun + PATIENCE));
            }
        })?;
        Ok(unfinished)
    }

    /// Restores from a record's key, see [`record_key`].
    pub(super) fn restored(&mut self, key: &[u8]) {
        let Some((from, whole, index, count)) = parse_key(key) else { return };
        self.entry(from, whole, count).insert(index);
        if !self.ends.contains(&(from, whole)) {
            self.undated.insert((from, whole));
        }
    }

    /// Notes that the first part of a message is here.
    fn begin(&mut self, now: Time, from: AccountId, whole: MessageId, out: &mut Outbox) {
        self.ends.set((from, whole), Some(now + PATIENCE));
        out.put(Table::Meta, begun_key(from, whole), codec::encode(&now));
    }

    /// Gives up what has waited long enough, a slice at a time.
    pub(super) fn expire(&mut self, now: Time, out: &mut Outbox) {
        for (from, whole) in core::mem::take(&mut self.undated) {
            self.begin(now, from, whole, out);
        }
        for _ in 0..SLICE {
            let Some((from, whole)) = self.ends.due(now) else { return };
            self.drop(from, whole, out);
        }
    }

    /// When something is to be given up.
    pub(super) fn next_due(&self) -> Option<Time> {
        let undated = (!self.undated.is_empty()).then_some(Time(0));
        undated.or_else(|| self.ends.first().map(|(end, _)| end))
    }

    /// Lets go of the parts of one message.
    pub(super) fn drop(&mut self, from: AccountId, whole: MessageId, out: &mut Outbox) {
        let list = self.parts.get_mut(&from);
        let at = list.as_ref().and_then(|list| list.iter().position(|(id, ..)| *id == whole));
        if let (Some(list), Some(at)) = (list, at) {
            let (_, count, here) = list.remove(at);
            for index in here {
                out.delete(Table::Event, record_key(from, whole, index, count));
            }
        }
        if self.ends.contains(&(from, whole)) {
            self.ends.set((from, whole), None);
            out.delete(Table::Meta, begun_key(from, whole));
        }
    }

    fn entry(&mut self, from: AccountId, whole: MessageId, count: u16) -> &mut BTreeSet<u16> {
        let list = self.parts.entry(from).or_default();
        let at = list.iter().position(|(id, ..)| *id == whole).unwrap_or_else(|| {
            list.push((whole, count, BTreeSet::new()));
            list.len() - 1
        });
        &mut list[at].2
    }

    /// Takes a part; the whole message's bytes where it was the last one missing.
    pub(super) fn arrived(
        &mut self,
        now: Time,
        from: AccountId,
        part: Arrived<'_>,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        if part.is_beyond_a_message() {
            return Ok(None);
        }
        let list = self.parts.entry(from).or_default();
        let known = list.iter().find(|(id, ..)| *id == part.whole).map(|(_, count, _)| *count);
        if known.is_some_and(|count| count != part.count) {
            return Ok(None);
        }
        if known.is_none() && list.len() >= MAX_UNFINISHED {
            let oldest = list[0].0;
            self.drop(from, oldest, out);
        }
        if known.is_none() {
            self.begin(now, from, part.whole, out);
        }
        let here = self.entry(from, part.whole, part.count);
        if !here.insert(part.index) {
            return Ok(None);
        }
        if here.len() < usize::from(part.count) {
            let key = record_key(from, part.whole, part.index, part.count);
            self.fresh.insert(key.clone(), part.bytes.to_vec());
            out.put(Table::Event, key, part.bytes);
            return Ok(None);
        }
        self.finish(from, part, read, out).map(Some)
    }

    fn finish(
        &mut self,
        from: AccountId,
        last: Arrived<'_>,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Vec<u8>, ReadError> {
        let mut whole = Vec::new();
        for index in 0..last.count {
            if index == last.index {
                whole.extend_from_slice(last.bytes);
                continue;
            }
            let key = record_key(from, last.whole, index, last.count);
            match self.fresh.get(&key) {
                Some(bytes) => whole.extend_from_slice(bytes),
                None => whole.extend(read.load(Table::Event, &key)?.unwrap_or_default()),
            }
        }
        self.drop(from, last.whole, out);
        Ok(whole)
    }

    /// The input is at its end: what it wrote can be read from now on.
    pub(super) fn settle(&mut self) {
        self.fresh.clear();
    }

    /// Forgets what one person has begun.
    pub(super) fn forget(&mut self, from: AccountId, out: &mut Outbox) {
        let begun = self.parts.get(&from).into_iter().flatten().map(|(whole, ..)| *whole);
        for whole in begun.collect::<Vec<_>>() {
            self.drop(from, whole, out);
        }
        self.parts.remove(&from);
    }
}

fn begun_key(from: AccountId, whole: MessageId) -> Vec<u8> {
    [BEGUN, &from.0, &whole.0].concat()
}

/// Marks the records of this module within the table of events.
pub(super) const PREFIX: u8 = 2;

fn record_key(from: AccountId, whole: MessageId, index: u16, count: u16) -> Vec<u8> {
    let mut key = vec![PREFIX];
    key.extend_from_slice(&from.0);
    key.extend_from_slice(&whole.0);
    key.extend_from_slice(&index.to_be_bytes());
    key.extend_from_slice(&count.to_be_bytes());
    key
}

fn parse_key(key: &[u8]) -> Option<(AccountId, MessageId, u16, u16)> {
    let (from, rest) = key.get(1..)?.split_at_checked(AccountId::LEN)?;
    let (whole, rest) = rest.split_at_checked(MessageId::LEN)?;
    let [a, b, c, d] = *rest else { return None };
    let numbers = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Some((AccountId::from_slice(from)?, MessageId::from_slice(whole)?, numbers.0, numbers.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;
    use proptest::prelude::*;

    fn message(len: usize) -> Message {
        let body = Body::Text { text: "y".repeat(len) };
        Message { id: MessageId([7; 16]), when: 1, lamport: 2, parents: vec![], body }
    }

    /// Opens parts in the given order, `at_once` of them by each input.
    fn assemble(message: &Message, room: usize, at_once: usize, order: impl Fn(u16) -> u64) -> Vec<Vec<u8>> {
        let encoded = message.to_bytes();
        let (count, len) = cut(encoded.len(), room).unwrap();
        let (memory, mut unfinished, mut whole) = (Memory::default(), Unfinished::default(), vec![]);
        let mut indexes: Vec<_> = (0..count).collect();
        indexes.sort_by_key(|i| order(*i));
        let mut out = Outbox::default();
        for (n, index) in indexes.into_iter().enumerate() {
            let part = part(message.clone(), index, len).unwrap();
            let sealed = part.to_bytes();
            assert!(sealed.len() <= room);
            let Body::Segment { whole: id, index, count, bytes } = part.body else { return vec![sealed] };
            let arrived = Arrived { whole: id, index, count, bytes: &bytes };
            whole
                .extend(unfinished.arrived(Time(0), AccountId([1; 20]), arrived, &memory, &mut out).unwrap());
            if (n + 1) % at_once == 0 || n + 1 == usize::from(count) {
                unfinished.settle();
                while let Some(crate::Output::Store(op)) = out.pop() {
                    memory.apply([op]);
                }
            }
        }
        let left = memory.count(Table::Event) + memory.count(Table::Meta);
        assert_eq!(left, 0, "nothing is left of a whole message");
        whole
    }

    proptest! {
        #[test]
        fn parts_in_any_order_and_any_number_at_once_give_the_whole_once(
            len in 1usize..9_000,
            at_once in 1usize..12,
            seed in any::<u64>(),
        ) {
            let message = message(len);
            let whole = assemble(&message, 1_000, at_once, |i| u64::from(i + 1).wrapping_mul(seed | 1));
            prop_assert_eq!(whole, vec![message.to_bytes()]);
        }
    }

    #[test]
    fn a_message_beyond_the_most_parts_is_not_cut() {
        assert_eq!(cut(1_000_000, 1_000), None);
    }

    #[test]
    fn the_oldest_unfinished_message_gives_way() {
        let (memory, mut unfinished) = (Memory::default(), Unfinished::default());
        for n in 0..=u8::try_from(MAX_UNFINISHED).unwrap() {
            let mut out = Outbox::default();
            let arrived = Arrived { whole: MessageId([n; 16]), index: 0, count: 2, bytes: b"x" };
            assert_eq!(unfinished.arrived(Time(0), AccountId([1; 20]), arrived, &memory, &mut out), Ok(None));
            while let Some(crate::Output::Store(op)) = out.pop() {
                memory.apply([op]);
            }
        }
        assert_eq!(memory.count(Table::Event), MAX_UNFINISHED);
    }

    #[test]
    fn parts_whose_whole_never_comes_are_given_up_also_after_a_restart() {
        let (memory, mut unfinished) = (Memory::default(), Unfinished::default());
        let author = AccountId([1; 20]);
        let apply = |mut out: Outbox| {
            while let Some(crate::Output::Store(op)) = out.pop() {
                memory.apply([op]);
            }
        };
        let begun = Time(1_000);
        for (n, is_dated) in [(1, true), (2, false)] {
            let mut out = Outbox::default();
            let whole = MessageId([n; 16]);
            let arrived = Arrived { whole, index: 0, count: 2, bytes: b"x" };
            unfinished.arrived(begun, author, arrived, &memory, &mut out).unwrap();
            if !is_dated {
                // As an earlier release left it.
                out.delete(Table::Meta, begun_key(author, whole));
            }
            apply(out);
        }
        unfinished = Unfinished::restore(&memory).unwrap();
        memory.scan(Table::Event, &mut |key, _| unfinished.restored(key)).unwrap();
        assert_eq!(unfinished.next_due(), Some(Time(0)), "what has no date gets one");
        let end = begun + PATIENCE;
        for (now, left) in [(begun + PATIENCE / 2, 2), (end, 1), (end + PATIENCE / 2, 0)] {
            let mut out = Outbox::default();
            unfinished.expire(now, &mut out);
            apply(out);
            assert_eq!((memory.count(Table::Event), memory.count(Table::Meta)), (left, left));
        }
        assert_eq!(unfinished.next_due(), None);
    }

    #[test]
    fn parts_of_more_than_the_longest_message_are_not_kept() {
        let (memory, mut unfinished) = (Memory::default(), Unfinished::default());
        let bytes = vec![0; 14_000];
        for (whole, index, count, kept) in [(1, 0, 64, 0), (2, 63, 64, 1), (3, 0, 5, 2), (4, 5, 7, 2)] {
            let mut out = Outbox::default();
            let arrived = Arrived { whole: MessageId([whole; 16]), index, count, bytes: &bytes };
            assert_eq!(unfinished.arrived(Time(0), AccountId([1; 20]), arrived, &memory, &mut out), Ok(None));
            while let Some(crate::Output::Store(op)) = out.pop() {
                memory.apply([op]);
            }
            assert_eq!(memory.count(Table::Event), kept, "message {whole}");
        }
    }

    #[test]
    fn the_longest_text_is_cut_and_whole_again() {
        let message = message(MAX_TEXT);
        assert_eq!(assemble(&message, 14_542, 1, u64::from), vec![message.to_bytes()]);
    }
}
