//! Who writes whom, how much, and when.
//!
//! A scenario has one [`Workload`] or several, each a section `[[workload]]` of its file; [`plan`] makes drafts of
//! them, in order of time and numbered from 0. The same seed makes the same drafts.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{Error as _, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::mobility::{Dice, Impossible, count};
use crate::units::{Bytes, within};
use crate::{Audience, Contact, Draft, Span};

/// The shortest text: a draft's number stands in it.
const FEWEST_BYTES: Bytes = Bytes(12);

/// The longest text.
const MOST_BYTES: Bytes = Bytes(64_000);

/// The share of acquaintances that are far away in the ring of people.
const FAR: f32 = 0.2;

/// How often a sender is drawn before a message is given up: nobody may be active at the right time.
const TRIES: u32 = 1000;

/// What sets the seeds of workloads apart, so that one more changes nothing in the others.
const NEXT_SEED: u64 = 1_000_003;

/// Messages of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name in the report: 1 to 32 bytes. Default `text`.
    #[serde(default = "text")]
    pub class: String,
    /// How many messages: 1 to 1,000,000.
    #[serde(deserialize_with = "within::<_, 1, 1_000_000>")]
    pub messages: u32,
    /// Who writes to whom. Default `uniform`.
    #[serde(default)]
    pub between: Between,
    /// Contacts of each person, members of each group, or organisers: 1 to 1,000, and at most everybody. Default 8.
    #[serde(default = "eight", deserialize_with = "within::<_, 1, 1000>")]
    pub people: u32,
    /// Whether people write while others are about: at the beginning of a contact. Default: at any time.
    #[serde(default)]
    pub active: bool,
    /// Length of the text: 12 B to 64 kB. Default 100 B.
    #[serde(default)]
    pub size: Size,
    /// The first is not written before this; in whole seconds.
    #[serde(default)]
    pub from: Span,
    /// All are written before this, in whole seconds. Without it: the end of the run.
    #[serde(default)]
    pub until: Option<Span>,
}

/// Who writes to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Between {
    /// Anybody to anybody.
    #[default]
    Uniform,
    /// Everybody to those they know: people stand in a ring and know their neighbours in it, and a fifth of all
    /// acquaintances are far away.
    Contacts,
    /// To all members of a group, a message each. Groups are drawn at random, as many as people suffice for.
    Groups,
    /// A public beacon to everybody, from one of a few organisers: those with the smallest numbers.
    Broadcast,
    /// A public beacon to everybody, from anybody in need.
    Everybody,
}

/// How long texts are: one length (`"100 B"`), or anything between two (`["1 kB", "10 kB"]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The shortest.
    pub least: Bytes,
    /// The longest.
    pub most: Bytes,
}

/// A message that will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Who writes what to whom, and when.
    pub draft: Draft,
    /// Of which workload it is: an index.
    pub workload: usize,
}

impl Default for Workload {
    /// A hundred messages.
    fn default() -> Self {
        Self {
            class: text(),
            messages: 100,
            between: Between::Uniform,
            people: eight(),
            active: false,
            size: Size::default(),
            from: Span::default(),
            until: None,
        }
    }
}

impl Default for Size {
    /// A hundred bytes.
    fn default() -> Self {
        Self::fixed(100)
    }
}

/// Plans what is written in a run of this length among `nodes` nodes. `contacts` are those of the run, in
/// milliseconds; only senders who shall be active need them. Messages for which no active sender was found are
/// left out.
///
/// # Errors
/// A value that makes no sense, and what is allowed.
pub fn plan(
    workloads: &[Workload],
    nodes: u32,
    length: Span,
    contacts: &[Contact],
    seed: u64,
) -> Result<Vec<Written>, Impossible> {
    let mut all = Vec::new();
    for (index, workload) in workloads.iter().enumerate() {
        workload.check(nodes, length)?;
        let seed = seed.wrapping_mul(NEXT_SEED).wrapping_add(index as u64);
        let drafts = workload.drafts(nodes, length, contacts, seed);
        all.extend(drafts.into_iter().map(|draft| Written { draft, workload: index }));
    }
    // A stable order: what is written at one instant stays in the order of the workloads.
    all.sort_by_key(|written| written.draft.at);
    for (number, written) in all.iter_mut().enumerate() {
        written.draft.number = u32::try_from(number).unwrap_or(u32::MAX);
    }
    Ok(all)
}

impl Workload {
    /// Whether all values make sense for `nodes` nodes and a run of this length.
    ///
    /// # Errors
    /// The first value that does not, and what is allowed.
    pub fn check(&self, nodes: u32, length: Span) -> Result<(), Impossible> {
        count("nodes", nodes, 2, u32::MAX)?;
        if !(1..=32).contains(&self.class.len()) {
            return Err(Impossible::new("class", &self.class, "a name of 1 to 32 bytes"));
        }
        self.size.check()?;
        let until = self.until.unwrap_or(length);
        if until > length {
            return Err(Impossible::new("until", until, format!("at most the length, {length}")));
        }
        if self.from >= until {
            return Err(Impossible::new("from", self.from, format!("before {until}")));
        }
        Ok(())
    }

    fn drafts(&self, nodes: u32, length: Span, contacts: &[Contact], seed: u64) -> Vec<Draft> {
        let mut dice = Dice::new(seed, "workload 0");
        let desk = Desk::new(self, nodes, contacts, &mut dice);
        let from = self.from.ms / 1000;
        let until = (self.until.unwrap_or(length).ms / 1000).max(from + 1);
        let window = (from * 1000, until * 1000);
        let mut drafts: Vec<Draft> =
            (0..self.messages).filter_map(|_| desk.draft(self, window, &mut dice)).collect();
        drafts.sort_by_key(|draft| draft.at);
        drafts
    }
}

impl Size {
    /// Always so many bytes.
    #[must_use]
    pub const fn fixed(bytes: u64) -> Self {
        Self { least: Bytes(bytes), most: Bytes(bytes) }
    }

    pub(crate) fn check(self) -> Result<(), Impossible> {
        let allowed = FEWEST_BYTES..=MOST_BYTES;
        if let Some(wrong) = [self.least, self.most].into_iter().find(|bytes| !allowed.contains(bytes)) {
            return Err(Impossible::new("size", wrong, format!("{FEWEST_BYTES} to {MOST_BYTES}")));
        }
        if self.least > self.most {
            let both = format!("[{}, {}]", self.least, self.most);
            return Err(Impossible::new("size", both, "one length, or a smaller and a greater one"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl<'de> Visitor<'de> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a length as in \"100 B\", or two as in [\"1 kB\", \"10 kB\"]")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
        let wrong = |wanted: String| E::invalid_value(Unexpected::Str(text), &wanted.as_str());
        let bytes = Bytes::parse(text).map_err(wrong)?;
        Ok(Size { least: bytes, most: bytes })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Size, A::Error> {
        let (Some(least), Some(most)) = (list.next_element()?, list.next_element()?) else {
            return Err(A::Error::invalid_length(1, &self));
        };
        match list.next_element::<Bytes>()? {
            Some(_) => Err(A::Error::invalid_length(3, &self)),
            None => Ok(Size { least, most }),
        }
    }
}

fn text() -> String {
    "text".to_owned()
}

fn eight() -> u32 {
    8
}

/// What is drawn once for a workload: who knows whom, who belongs together, and when people are active.
struct Desk {
    nodes: u32,
    /// For each node, whom it knows; empty without a graph.
    known: Vec<Vec<u32>>,
    groups: Vec<Vec<u32>>,
    /// For each node, when its contacts begin; empty where that does not matter.
    starts: Vec<Vec<u64>>,
}

impl Desk {
    fn new(workload: &Workload, nodes: u32, contacts: &[Contact], dice: &mut Dice) -> Self {
        let mut desk = Self { nodes, known: Vec::new(), groups: Vec::new(), starts: Vec::new() };
        match workload.between {
            Between::Contacts => desk.known = acquaintances(workload.people.min(nodes - 1), nodes, dice),
            Between::Groups => {
                let members = workload.people.min(nodes).max(2);
                desk.groups = (0..(nodes / members).max(1)).map(|_| group(members, nodes, dice)).collect();
            }
            Between::Uniform | Between::Broadcast | Between::Everybody => {}
        }
        if workload.active {
            desk.starts = vec![Vec::new(); nodes as usize];
            for contact in contacts {
                desk.starts[contact.a as usize].push(contact.start);
                desk.starts[contact.b as usize].push(contact.start);
            }
        }
        desk
    }

    fn draft(&self, workload: &Workload, window: (u64, u64), dice: &mut Dice) -> Option<Draft> {
        let (least, most) = (workload.size.least.0, workload.size.most.0);
        let bytes = u32::try_from(least + dice.below_long(most - least + 1)).unwrap_or(u32::MAX);
        for _ in 0..TRIES {
            let Some((from, to)) = self.people(workload, dice) else { continue };
            if let Some(at) = self.time(from, window, dice) {
                return Some(Draft { number: 0, at, from, to, bytes });
            }
        }
        None
    }

    fn people(&self, workload: &Workload, dice: &mut Dice) -> Option<(u32, Audience)> {
        match workload.between {
            Between::Uniform => {
                let from = dice.below(self.nodes);
                let other = dice.below(self.nodes - 1);
                Some((from, Audience::One(if other >= from { other + 1 } else { other })))
            }
            Between::Contacts => {
                let from = dice.below(self.nodes);
                let known = &self.known[from as usize];
                let to = known.get(dice.below(known.len() as u32) as usize)?;
                Some((from, Audience::One(*to)))
            }
            Between::Groups => {
                let group = &self.groups[dice.below(self.groups.len() as u32) as usize];
                let from = group[dice.below(group.len() as u32) as usize];
                let others = group.iter().copied().filter(|member| *member != from).collect();
                Some((from, Audience::Each(others)))
            }
            Between::Broadcast => Some((dice.below(workload.people.min(self.nodes)), Audience::Everybody)),
            Between::Everybody => Some((dice.below(self.nodes), Audience::Everybody)),
        }
    }

    fn time(&self, from: u32, (start, end): (u64, u64), dice: &mut Dice) -> Option<u64> {
        if self.starts.is_empty() {
            return Some(start + dice.below_long(end - start));
        }
        let starts = &self.starts[from as usize];
        let at = *starts.get(dice.below(starts.len() as u32) as usize)?;
        (start..end).contains(&at).then_some(at)
    }
}

/// A ring in which everybody knows the next `each / 2` on both sides; a share of them is swapped for anybody.
fn acquaintances(each: u32, nodes: u32, dice: &mut Dice) -> Vec<Vec<u32>> {
    let mut known: BTreeMap<u32, BTreeSet<u32>> = (0..nodes).map(|node| (node, BTreeSet::new())).collect();
    let mut meet = |one: u32, other: u32| {
        known.entry(one).or_default().insert(other);
        known.entry(other).or_default().insert(one);
    };
    for node in 0..nodes {
        // With an odd number every second person knows one more ahead.
        let ahead = each / 2 + u32::from(each % 2 == 1 && node % 2 == 0);
        for step in 1..=ahead {
            let near = (node + step) % nodes;
            let other = if dice.chance(FAR) { dice.below(nodes) } else { near };
            if other != node {
                meet(node, other);
            }
        }
    }
    known.into_values().map(|others| others.into_iter().collect()).collect()
}

fn group(members: u32, nodes: u32, dice: &mut Dice) -> Vec<u32> {
    let mut group = BTreeSet::new();
    while (group.len() as u32) < members {
        group.insert(dice.below(nodes));
    }
    group.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Span = Span::minutes(60);

    fn with(between: Between) -> Workload {
        Workload { between, messages: 200, ..Workload::default() }
    }

    fn planned(workload: Workload, contacts: &[Contact]) -> Vec<Draft> {
        let planned = plan(&[workload], 20, HOUR, contacts, 5).unwrap();
        planned.into_iter().map(|written| written.draft).collect()
    }

    #[test]
    fn the_same_seed_plans_the_same_and_another_seed_something_else() {
        let workloads = [with(Between::Uniform), with(Between::Groups), with(Between::Everybody)];
        let plan = |seed| plan(&workloads, 30, HOUR, &[], seed).unwrap();
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn drafts_are_numbered_in_order_of_time() {
        let workloads = [with(Between::Uniform), with(Between::Everybody)];
        let planned = plan(&workloads, 20, HOUR, &[], 1).unwrap();
        assert_eq!(planned.len(), 400);
        assert!(planned.iter().enumerate().all(|(number, it)| it.draft.number as usize == number));
        assert!(planned.windows(2).all(|two| two[0].draft.at <= two[1].draft.at));
        assert!(planned[399].draft.at < 3_600_000);
        assert_eq!(planned.iter().filter(|it| it.workload == 1).count(), 200);
    }

    #[test]
    fn one_more_workload_changes_nothing_in_the_others() {
        let alone = plan(&[with(Between::Uniform)], 20, HOUR, &[], 1).unwrap();
        let beside = plan(&[with(Between::Uniform), with(Between::Contacts)], 20, HOUR, &[], 1).unwrap();
        let times = |all: &[Written]| -> Vec<u64> {
            all.iter().filter(|it| it.workload == 0).map(|it| it.draft.at).collect()
        };
        assert_eq!(times(&alone), times(&beside));
    }

    #[test]
    fn nobody_writes_to_themselves() {
        for between in [Between::Uniform, Between::Contacts, Between::Groups] {
            for draft in planned(with(between), &[]) {
                match draft.to {
                    Audience::One(to) => assert!(to != draft.from && to < 20),
                    Audience::Each(others) => assert!(!others.contains(&draft.from) && others.len() == 7),
                    Audience::Everybody => panic!("nobody was asked to speak to everybody"),
                }
            }
        }
    }

    #[test]
    fn acquaintance_is_mutual_and_as_wide_as_asked() {
        for each in [1, 3, 8] {
            let known = acquaintances(each, 100, &mut Dice::new(1, "test"));
            let mutual = |node: usize, other: &u32| known[*other as usize].contains(&(node as u32));
            assert!(
                known.iter().enumerate().all(|(node, others)| others.iter().all(|other| mutual(node, other)))
            );
            let mean = known.iter().map(Vec::len).sum::<usize>() as f32 / 100.0;
            assert!(mean >= each as f32 * 0.8 && mean <= each as f32 + 1.1, "{each}: {mean}");
        }
    }

    #[test]
    fn only_organisers_broadcast() {
        let drafts = planned(Workload { people: 2, ..with(Between::Broadcast) }, &[]);
        assert!(drafts.iter().all(|draft| draft.from < 2 && draft.to == Audience::Everybody));
    }

    #[test]
    fn more_people_than_there_are_means_everybody() {
        for between in [Between::Contacts, Between::Groups, Between::Broadcast] {
            assert_eq!(planned(Workload { people: 1000, ..with(between) }, &[]).len(), 200);
        }
    }

    #[test]
    fn active_senders_write_as_their_contacts_begin() {
        let contacts = [Contact { start: 500_000, end: 600_000, a: 3, b: 9 }];
        let active = Workload { active: true, ..with(Between::Uniform) };
        let drafts = planned(active.clone(), &contacts);
        assert_eq!(drafts.len(), 200);
        assert!(drafts.iter().all(|draft| draft.at == 500_000 && [3, 9].contains(&draft.from)));
        assert!(planned(active, &[]).is_empty(), "nobody is ever active");
    }

    #[test]
    fn all_is_written_within_the_window() {
        let (from, until) = (Span::minutes(10), Some(Span::minutes(40)));
        let drafts = planned(Workload { from, until, ..with(Between::Uniform) }, &[]);
        assert!(drafts.iter().all(|draft| (600_000..2_400_000).contains(&draft.at)));
    }

    #[test]
    fn lengths_stay_between_their_bounds() {
        let size = Size { least: Bytes(12), most: Bytes(15) };
        let drafts = planned(Workload { size, ..with(Between::Uniform) }, &[]);
        let lengths: BTreeSet<u32> = drafts.iter().map(|draft| draft.bytes).collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [12, 13, 14, 15]);
    }

    #[test]
    fn a_size_reads_as_one_length_or_as_two() {
        let read = |size: &str| toml::from_str::<Workload>(&format!("messages = 1\nsize = {size}"));
        assert_eq!(read("\"100 B\"").unwrap().size, Size::fixed(100));
        let range = Size { least: Bytes(1000), most: Bytes(10_000) };
        assert_eq!(read("[\"1 kB\", \"10 kB\"]").unwrap().size, range);
        for wrong in ["5", "\"long\"", "[]", "[\"1 kB\"]", "[\"1 kB\", \"2 kB\", \"3 kB\"]"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let told = read("100").unwrap_err().to_string();
        assert!(told.contains("a length as in"), "{told}");
    }

    #[test]
    fn impossible_values_are_refused_with_what_is_allowed() {
        let told = |workload: Workload| workload.check(20, HOUR).unwrap_err().to_string();
        let short = Workload { size: Size::fixed(3), ..Workload::default() };
        assert_eq!(told(short), "`size = 3 B` is impossible; allowed is 12 B to 64 kB");
        let crossed = Size { least: Bytes(20), most: Bytes(15) };
        let crossed = told(Workload { size: crossed, ..Workload::default() });
        assert_eq!(
            crossed,
            "`size = [20 B, 15 B]` is impossible; allowed is one length, or a smaller and a greater one"
        );
        let late = Workload { from: Span::minutes(61), ..Workload::default() };
        assert_eq!(told(late), "`from = 61 min` is impossible; allowed is before 1 h");
        let long = Workload { until: Some(Span::minutes(61)), ..Workload::default() };
        assert_eq!(told(long), "`until = 61 min` is impossible; allowed is at most the length, 1 h");
        let nameless = Workload { class: String::new(), ..Workload::default() };
        assert_eq!(told(nameless), "`class = ` is impossible; allowed is a name of 1 to 32 bytes");
    }
}
