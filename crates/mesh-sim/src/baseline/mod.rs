//! Other protocols on the same contacts, to compare with.
//!
//! | protocol | rule |
//! |---|---|
//! | [`Rule::Epidemic`] | whoever lacks a message gets it |
//! | [`Rule::Spray`] | binary Spray-and-Wait: a message starts with some copies, half of them go along at a meeting, the last one only to its reader |
//! | [`Rule::Prophet`] | PRoPHET (RFC 6693) with GRTR: along whoever is likelier to meet the reader |
//! | [`Rule::Flood`] | pushed to all neighbours at once, over at most so many hops, and forgotten |
//!
//! All of them but the flood ask before anything is sent (have, want, data) and keep what they have until the
//! end. They seal nothing, know no receipts, and their control frames are as small as can be: they are
//! flattered. A frame is a byte for its kind and numbers in little-endian order.

mod prophet;
mod words;

use crate::{Act, Audience, Draft, Protocol};
use core::time::Duration;
use mesh_core::{Input, Lane, LinkId, Now, Output, Time};
use prophet::Encounters;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use words::{Data, EVERYBODY, Word};

/// What did not come is asked of somebody else after this.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// Numbers in one frame.
const MOST_NUMBERS: usize = 1_024;

/// By which rule messages are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// To everybody who lacks it.
    Epidemic,
    /// Binary Spray-and-Wait.
    Spray {
        /// Copies that a message starts with.
        copies: u16,
    },
    /// PRoPHET with GRTR.
    Prophet,
    /// To all neighbours at once, without asking, and not kept.
    Flood {
        /// Hops that a message may take.
        hops: u8,
    },
}

impl Rule {
    /// The copies with which The ONE's default scenario sprays.
    pub const SPRAY: Self = Self::Spray { copies: 6 };
    /// The hops of messengers that flood.
    pub const FLOOD: Self = Self::Flood { hops: 7 };
}

/// One node of such a protocol.
#[derive(Debug)]
pub struct Baseline {
    me: u32,
    rule: Rule,
    held: BTreeMap<u32, Data>,
    /// Numbers that were here once.
    seen: BTreeSet<u32>,
    /// Neighbours, who they are once they said so, and what is asked of them.
    links: BTreeMap<LinkId, Option<u32>>,
    /// What was asked for, of whom and when.
    wanted: BTreeMap<u32, (LinkId, Time)>,
    /// Who else offered it.
    offers: BTreeMap<u32, Vec<LinkId>>,
    encounters: Encounters,
    acts: VecDeque<Act>,
    bytes: u64,
}

impl Baseline {
    /// The node numbered `me`.
    #[must_use]
    pub fn new(me: u32, rule: Rule) -> Self {
        Self {
            me,
            rule,
            held: BTreeMap::new(),
            seen: BTreeSet::new(),
            links: BTreeMap::new(),
            wanted: BTreeMap::new(),
            offers: BTreeMap::new(),
            encounters: Encounters::default(),
            acts: VecDeque::new(),
            bytes: 0,
        }
    }

    fn say(&mut self, link: LinkId, word: &Word) {
        let lane = if matches!(word, Word::Data(_)) { Lane::Bulk } else { Lane::Control };
        self.acts.push_back(Act::Core(Output::Send { link, lane, frame: word.to_bytes() }));
    }

    /// A message that is new here.
    fn take(&mut self, data: Data, from: Option<LinkId>) {
        if !self.seen.insert(data.number) {
            return;
        }
        if data.to == self.me || (data.to == EVERYBODY && data.from != self.me) {
            self.acts.push_back(Act::Shown { number: data.number });
        }
        if let Rule::Flood { .. } = self.rule {
            return self.push_on(data, from);
        }
        self.bytes += data.wire_len();
        self.held.insert(data.number, data);
        let others: Vec<LinkId> = self.links.keys().copied().filter(|link| Some(*link) != from).collect();
        for link in others {
            if self.goes(&data, link) {
                self.say(link, &Word::Have(vec![data.number]));
            }
        }
    }

    fn push_on(&mut self, data: Data, from: Option<LinkId>) {
        let Some(hops) = data.hops.checked_sub(u8::from(from.is_some())).filter(|hops| *hops > 0) else {
            return;
        };
        let others: Vec<LinkId> = self.links.keys().copied().filter(|link| Some(*link) != from).collect();
        for link in others {
            self.say(link, &Word::Data(Data { hops, ..data }));
        }
    }

    /// Whether a message may go to the neighbour on this link.
    fn goes(&self, data: &Data, link: LinkId) -> bool {
        let Some(Some(neighbour)) = self.links.get(&link).copied() else { return false };
        if data.to == neighbour || data.to == EVERYBODY {
            return true;
        }
        match self.rule {
            Rule::Epidemic => true,
            Rule::Spray { .. } => data.copies > 1,
            Rule::Prophet => self.encounters.is_likelier(neighbour, data.to),
            Rule::Flood { .. } => false,
        }
    }

    fn on_word(&mut self, now: Now, link: LinkId, word: Word) {
        match word {
            Word::Hello { node, table } => {
                let fresh = self.links.insert(link, Some(node)).is_some_and(|known| known.is_none());
                if self.rule == Rule::Prophet {
                    self.encounters.met(now.mono, node, &table, self.me, fresh);
                }
                let offer: Vec<u32> =
                    self.held.values().filter(|data| self.goes(data, link)).map(|data| data.number).collect();
                for numbers in offer.chunks(MOST_NUMBERS) {
                    self.say(link, &Word::Have(numbers.to_vec()));
                }
            }
            Word::Have(numbers) => self.on_offer(now.mono, link, numbers),
            Word::Want(numbers) => {
                for number in numbers {
                    self.hand_over(link, number);
                }
            }
            Word::Data(data) => {
                self.wanted.remove(&data.number);
                self.offers.remove(&data.number);
                self.take(data, Some(link));
            }
        }
    }

    /// Asks for what is new here and not under way from somebody else.
    fn on_offer(&mut self, now: Time, link: LinkId, numbers: Vec<u32>) {
        let mut wanted = Vec::new();
        for number in numbers.into_iter().filter(|number| !self.seen.contains(number)) {
            let under_way = self
                .wanted
                .get(&number)
                .is_some_and(|(of, at)| self.links.contains_key(of) && now.since(*at) < ASK_AGAIN);
            if under_way {
                self.offers.entry(number).or_default().push(link);
            } else {
                self.wanted.insert(number, (link, now));
                wanted.push(number);
            }
        }
        if !wanted.is_empty() {
            self.say(link, &Word::Want(wanted));
        }
    }

    /// What was asked of a neighbour that is gone is asked of the next who offered it.
    fn on_gone(&mut self, now: Time, gone: LinkId) {
        self.links.remove(&gone);
        let lost: Vec<u32> =
            self.wanted.iter().filter(|(_, (of, _))| *of == gone).map(|(number, _)| *number).collect();
        for number in lost {
            self.wanted.remove(&number);
            let offers = self.offers.remove(&number).unwrap_or_default();
            for link in offers.into_iter().filter(|link| self.links.contains_key(link)).collect::<Vec<_>>() {
                self.on_offer(now, link, vec![number]);
            }
        }
    }

    fn hand_over(&mut self, link: LinkId, number: u32) {
        let Some(data) = self.held.get(&number).copied().filter(|data| self.goes(data, link)) else { return };
        let mut copy = data;
        if let Rule::Spray { .. } = self.rule
            && data.to != EVERYBODY
        {
            copy.copies = (data.copies / 2).max(1);
            let kept = Data { copies: (data.copies - copy.copies).max(1), ..data };
            self.held.insert(number, kept);
        }
        self.say(link, &Word::Data(copy));
    }

    fn hello(&mut self, now: Now, link: LinkId) {
        let table = match self.rule {
            Rule::Prophet => self.encounters.table(now.mono),
            _ => Vec::new(),
        };
        self.links.insert(link, None);
        if !matches!(self.rule, Rule::Flood { .. }) {
            self.say(link, &Word::Hello { node: self.me, table });
        }
    }
}

impl Protocol for Baseline {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::LinkUp { link, .. } => self.hello(now, link),
            Input::LinkDown { link } => self.on_gone(now.mono, link),
            Input::Frame { link, bytes } => {
                if let Some(word) = Word::read(bytes) {
                    self.on_word(now, link, word);
                }
            }
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    fn next_wakeup(&self) -> Option<Time> {
        None
    }

    fn submit(&mut self, _now: Now, draft: &Draft) {
        let readers = match &draft.to {
            Audience::One(to) => vec![*to],
            Audience::Each(several) => several.clone(),
            Audience::Everybody => vec![EVERYBODY],
        };
        // Several messages of one draft would share its number, so they are one for everybody whom the others
        // pass on; only its readers count.
        let to = if readers.len() == 1 { readers[0] } else { EVERYBODY };
        let (copies, hops) = match self.rule {
            Rule::Spray { copies } => (copies, u8::MAX),
            Rule::Flood { hops } => (1, hops),
            Rule::Epidemic | Rule::Prophet => (1, u8::MAX),
        };
        self.take(Data { number: draft.number, from: self.me, to, copies, hops, bytes: draft.bytes }, None);
    }

    fn carried(&self) -> (u64, u64) {
        (self.held.len() as u64, self.bytes)
    }

    fn restarted(&mut self, now: Now) {
        self.links.clear();
        self.wanted.clear();
        self.offers.clear();
        self.encounters.restarted(now.mono);
    }
}

#[cfg(test)]
mod tests;
