//! Who writes whom, how much, and when.
//!
//! A scenario has one [`Workload`] or several; [`plan`] makes drafts of them, in order of time and numbered from
//! 0. The same seed makes the same drafts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::mobility::{Dice, Impossible, between, count, share};
use crate::{Audience, Contact, Creation, Draft};

/// The shortest text: a draft's number stands in it.
const FEWEST_BYTES: u32 = 12;

/// The longest text: 1 MiB.
const MOST_BYTES: u32 = 1 << 20;

/// The most messages of one workload.
const MOST_MESSAGES: u32 = 10_000_000;

/// How often a sender is drawn before a message is given up: nobody may be active at the right time.
const TRIES: u32 = 1000;

/// Messages of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Who writes whom. Default: anybody writes to anybody.
    pub who: Who,
    /// When people write: at any time, or while others are about. Default uniform.
    pub create: Creation,
    /// How many messages there are. Default 100; not together with `per_hour`.
    pub messages: Option<u32>,
    /// How many messages there are per hour, from everybody together.
    pub per_hour: Option<f32>,
    /// How long a text is, in bytes. Default 200.
    pub bytes: Size,
    /// The first second in which somebody may write. Default 0.
    pub from_s: u64,
    /// The second in which nobody writes any more. Default: the end of the run.
    pub until_s: Option<u64>,
}

/// Who writes whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Who {
    /// Anybody to anybody.
    Uniform,
    /// Everybody to those they know.
    Contacts(Contacts),
    /// Members of groups to all others of their group, each with a message of their own.
    Groups(Groups),
    /// A few organisers to everybody.
    Broadcast(Broadcast),
    /// Anybody in need to everybody.
    Sos,
}

/// Who knows whom: a ring in which everybody knows their neighbours, with some acquaintances moved far away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contacts {
    /// How many people a person knows on average. Default 8.
    pub each: u32,
    /// The share of acquaintances that are far away in the ring. Default 0.2.
    pub far: f32,
}

/// Groups of people, drawn at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// How many groups there are. Default 10.
    pub groups: u32,
    /// How many members each has. Default 8.
    pub members: u32,
}

/// Organisers who speak to everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Broadcast {
    /// How many organisers there are; they are the nodes with the smallest numbers. Default 3.
    pub organisers: u32,
}

/// How long texts are: one length, or anything between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// Always so many bytes.
    Fixed(u32),
    /// From so many to so many bytes, both included.
    Between(u32, u32),
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            who: Who::Uniform,
            create: Creation::Uniform,
            messages: None,
            per_hour: None,
            bytes: Size::Fixed(200),
            from_s: 0,
            until_s: None,
        }
    }
}

impl Default for Contacts {
    fn default() -> Self {
        Self { each: 8, far: 0.2 }
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self { groups: 10, members: 8 }
    }
}

impl Default for Broadcast {
    fn default() -> Self {
        Self { organisers: 3 }
    }
}

/// Plans what is written in a run of `seconds` among `nodes` nodes. `contacts` are those of the run, in
/// milliseconds; only senders who shall be active need them. Messages for which no active sender was found are
/// left out.
///
/// # Errors
/// A value that makes no sense, and what is allowed.
pub fn plan(
    workloads: &[Workload],
    nodes: u32,
    seconds: u64,
    contacts: &[Contact],
    seed: u64,
) -> Result<Vec<Draft>, Impossible> {
    let mut drafts = Vec::new();
    for (index, workload) in workloads.iter().enumerate() {
        workload.check(nodes, seconds)?;
        let mut dice = Dice::new(seed, &format!("workload {index}"));
        let desk = Desk::new(workload, nodes, contacts, &mut dice);
        let window = (workload.from_s * 1000, workload.end(seconds) * 1000);
        for _ in 0..workload.wanted(seconds) {
            drafts.extend(desk.draft(workload, window, &mut dice));
        }
    }
    // A stable order: what is written at one instant stays in the order of the workloads.
    drafts.sort_by_key(|draft| draft.at);
    for (number, draft) in drafts.iter_mut().enumerate() {
        draft.number = number as u32;
    }
    Ok(drafts)
}

impl Workload {
    /// Whether all values make sense for `nodes` nodes and a run of `seconds`.
    ///
    /// # Errors
    /// The first value that does not, and what is allowed.
    pub fn check(&self, nodes: u32, seconds: u64) -> Result<(), Impossible> {
        count("nodes", nodes, 2, u32::MAX)?;
        if let (Some(messages), Some(_)) = (self.messages, self.per_hour) {
            return Err(Impossible::new("messages", messages, "either `messages` or `per_hour`, not both"));
        }
        if let Some(messages) = self.messages {
            count("messages", messages, 1, MOST_MESSAGES)?;
        }
        if let Some(rate) = self.per_hour {
            between("per_hour", rate, 0.001, 1e9)?;
            count("per_hour", self.wanted(seconds), 0, MOST_MESSAGES)?;
        }
        self.bytes.check()?;
        self.who.check(nodes)?;
        let end = self.end(seconds);
        if end > seconds {
            return Err(Impossible::new("until_s", end, format!("at most the length of the run, {seconds}")));
        }
        if self.from_s >= end {
            return Err(Impossible::new(
                "from_s",
                self.from_s,
                format!("less than the end of writing, {end}"),
            ));
        }
        Ok(())
    }

    fn end(&self, seconds: u64) -> u64 {
        self.until_s.unwrap_or(seconds)
    }

    fn wanted(&self, seconds: u64) -> u32 {
        let hours = self.end(seconds).saturating_sub(self.from_s) as f64 / 3600.0;
        match self.per_hour {
            Some(rate) => (f64::from(rate) * hours).round() as u32,
            None => self.messages.unwrap_or(100),
        }
    }
}

impl Who {
    fn check(&self, nodes: u32) -> Result<(), Impossible> {
        match self {
            Self::Uniform | Self::Sos => Ok(()),
            Self::Contacts(contacts) => {
                count("each", contacts.each, 1, nodes - 1)?;
                share("far", contacts.far)
            }
            Self::Groups(groups) => {
                count("groups", groups.groups, 1, MOST_MESSAGES)?;
                count("members", groups.members, 2, nodes)
            }
            Self::Broadcast(broadcast) => count("organisers", broadcast.organisers, 1, nodes),
        }
    }
}

impl Size {
    fn check(self) -> Result<(), Impossible> {
        let (from, to) = self.bounds();
        count("bytes", from, FEWEST_BYTES, MOST_BYTES)?;
        count("bytes", to, FEWEST_BYTES, MOST_BYTES)?;
        if from > to {
            let allowed = "one length, or a smaller and a greater one";
            return Err(Impossible::new("bytes", format!("[{from}, {to}]"), allowed));
        }
        Ok(())
    }

    fn bounds(self) -> (u32, u32) {
        match self {
            Self::Fixed(bytes) => (bytes, bytes),
            Self::Between(from, to) => (from, to),
        }
    }
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
        match &workload.who {
            Who::Contacts(contacts) => desk.known = acquaintances(contacts, nodes, dice),
            Who::Groups(groups) => {
                desk.groups = (0..groups.groups).map(|_| group(groups.members, nodes, dice)).collect();
            }
            Who::Uniform | Who::Broadcast(_) | Who::Sos => {}
        }
        if workload.create == Creation::Active {
            desk.starts = vec![Vec::new(); nodes as usize];
            for contact in contacts {
                desk.starts[contact.a as usize].push(contact.start);
                desk.starts[contact.b as usize].push(contact.start);
            }
        }
        desk
    }

    fn draft(&self, workload: &Workload, window: (u64, u64), dice: &mut Dice) -> Option<Draft> {
        let (from, to) = workload.bytes.bounds();
        let bytes = from + dice.below(to - from + 1);
        for _ in 0..TRIES {
            let Some((from, to)) = self.people(&workload.who, dice) else { continue };
            if let Some(at) = self.time(from, window, dice) {
                return Some(Draft { number: 0, at, from, to, bytes });
            }
        }
        None
    }

    fn people(&self, who: &Who, dice: &mut Dice) -> Option<(u32, Audience)> {
        match who {
            Who::Uniform => {
                let from = dice.below(self.nodes);
                let other = dice.below(self.nodes - 1);
                Some((from, Audience::One(if other >= from { other + 1 } else { other })))
            }
            Who::Contacts(_) => {
                let from = dice.below(self.nodes);
                let known = &self.known[from as usize];
                let to = known.get(dice.below(known.len() as u32) as usize)?;
                Some((from, Audience::One(*to)))
            }
            Who::Groups(_) => {
                let group = &self.groups[dice.below(self.groups.len() as u32) as usize];
                let from = group[dice.below(group.len() as u32) as usize];
                let others = group.iter().copied().filter(|member| *member != from).collect();
                Some((from, Audience::Each(others)))
            }
            Who::Broadcast(broadcast) => Some((dice.below(broadcast.organisers), Audience::Everybody)),
            Who::Sos => Some((dice.below(self.nodes), Audience::Everybody)),
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
fn acquaintances(contacts: &Contacts, nodes: u32, dice: &mut Dice) -> Vec<Vec<u32>> {
    let mut known: BTreeMap<u32, BTreeSet<u32>> = (0..nodes).map(|node| (node, BTreeSet::new())).collect();
    let mut meet = |one: u32, other: u32| {
        known.entry(one).or_default().insert(other);
        known.entry(other).or_default().insert(one);
    };
    for node in 0..nodes {
        // With an odd number every second person knows one more ahead.
        let ahead = contacts.each / 2 + u32::from(contacts.each % 2 == 1 && node % 2 == 0);
        for step in 1..=ahead {
            let near = (node + step) % nodes;
            let other = if dice.chance(contacts.far) { dice.below(nodes) } else { near };
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

    fn with(who: Who) -> Workload {
        Workload { who, messages: Some(200), ..Default::default() }
    }

    fn planned(workload: Workload, contacts: &[Contact]) -> Vec<Draft> {
        plan(&[workload], 20, 3600, contacts, 5).unwrap()
    }

    #[test]
    fn the_same_seed_plans_the_same_and_another_seed_something_else() {
        let workloads = [with(Who::Uniform), with(Who::Groups(Groups::default())), with(Who::Sos)];
        let plan = |seed| plan(&workloads, 30, 3600, &[], seed).unwrap();
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn drafts_are_numbered_in_order_of_time() {
        let drafts = plan(&[with(Who::Uniform), with(Who::Sos)], 20, 3600, &[], 1).unwrap();
        assert_eq!(drafts.len(), 400);
        assert!(drafts.iter().enumerate().all(|(number, draft)| draft.number as usize == number));
        assert!(drafts.windows(2).all(|two| two[0].at <= two[1].at) && drafts[399].at < 3_600_000);
    }

    #[test]
    fn nobody_writes_to_themselves() {
        for who in [Who::Uniform, Who::Contacts(Contacts::default()), Who::Groups(Groups::default())] {
            for draft in planned(with(who), &[]) {
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
            let known = acquaintances(&Contacts { each, far: 0.2 }, 100, &mut Dice::new(1, "test"));
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
        let drafts = planned(with(Who::Broadcast(Broadcast { organisers: 2 })), &[]);
        assert!(drafts.iter().all(|draft| draft.from < 2 && draft.to == Audience::Everybody));
    }

    #[test]
    fn active_senders_write_as_their_contacts_begin() {
        let contacts = [Contact { start: 500_000, end: 600_000, a: 3, b: 9 }];
        let drafts = planned(Workload { create: Creation::Active, ..with(Who::Uniform) }, &contacts);
        assert_eq!(drafts.len(), 200);
        assert!(drafts.iter().all(|draft| draft.at == 500_000 && [3, 9].contains(&draft.from)));
        let nobody = planned(Workload { create: Creation::Active, ..with(Who::Uniform) }, &[]);
        assert!(nobody.is_empty(), "nobody is ever active");
    }

    #[test]
    fn a_rate_is_kept_within_the_window() {
        let workload =
            Workload { per_hour: Some(60.0), from_s: 600, until_s: Some(2400), ..Default::default() };
        let drafts = planned(workload, &[]);
        assert_eq!(drafts.len(), 30);
        assert!(drafts.iter().all(|draft| (600_000..2_400_000).contains(&draft.at)));
    }

    #[test]
    fn lengths_stay_between_their_bounds() {
        let drafts = planned(Workload { bytes: Size::Between(12, 15), ..with(Who::Uniform) }, &[]);
        let lengths: BTreeSet<u32> = drafts.iter().map(|draft| draft.bytes).collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [12, 13, 14, 15]);
    }

    #[test]
    fn impossible_values_are_refused_with_what_is_allowed() {
        let told = |workload: Workload| workload.check(20, 3600).unwrap_err().to_string();
        let both = Workload { messages: Some(5), per_hour: Some(1.0), ..Default::default() };
        assert_eq!(
            told(both),
            "`messages = 5` is impossible; allowed is either `messages` or `per_hour`, not both"
        );
        let short = Workload { bytes: Size::Fixed(3), ..Default::default() };
        assert_eq!(told(short), "`bytes = 3` is impossible; allowed is a whole number from 12 to 1048576");
        let late = Workload { from_s: 4000, ..Default::default() };
        assert_eq!(
            told(late),
            "`from_s = 4000` is impossible; allowed is less than the end of writing, 3600"
        );
        let long = Workload { until_s: Some(9999), ..Default::default() };
        assert_eq!(
            told(long),
            "`until_s = 9999` is impossible; allowed is at most the length of the run, 3600"
        );
        let large = with(Who::Groups(Groups { groups: 1, members: 21 }));
        assert_eq!(told(large), "`members = 21` is impossible; allowed is a whole number from 2 to 20");
    }
}
