//! The section `[[group]]` of a scenario.

use super::{Deed, Script, Step};
use crate::Span;
use crate::mobility::{Dice, Impossible, count};
use crate::units::within;
use crate::workload::Size;
use serde::Deserialize;

/// A group of people, and what they do in it. What is counted happens at random times between `from` and `until`; what
/// nobody can do when its time comes is left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Its name in the report: 1 to 32 bytes. Default `group`.
    #[serde(default = "class")]
    pub class: String,
    /// How many are in it at first, drawn from all nodes by the seed: 2 to 1,024, and at most everybody.
    #[serde(deserialize_with = "within::<_, 2, 1024>")]
    pub members: u32,
    /// How many more may be added: 0 to 1,000. Default none.
    #[serde(default, deserialize_with = "within::<_, 0, 1000>")]
    pub outside: u32,
    /// How many of the members are admins: 1 to 60. Default 1. They know everybody else before the world begins.
    #[serde(default = "one", deserialize_with = "within::<_, 1, 60>")]
    pub admins: u32,
    /// When it begins. Default at once.
    #[serde(default)]
    pub begins: Span,
    /// Nothing is done in it before this.
    #[serde(default)]
    pub from: Span,
    /// Nothing is done in it after this. Without it: the end of the run.
    #[serde(default)]
    pub until: Option<Span>,
    /// How many messages: 0 to 100,000.
    #[serde(deserialize_with = "within::<_, 0, 100_000>")]
    pub messages: u32,
    /// Length of their texts: 12 B to 64 kB. Default 100 B.
    #[serde(default)]
    pub size: Size,
    /// How often somebody feels something about a message: 0 to 100,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 100_000>")]
    pub reactions: u32,
    /// How often somebody changes words of their own: 0 to 100,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 100_000>")]
    pub edits: u32,
    /// How often somebody takes words of their own back: 0 to 100,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 100_000>")]
    pub deletes: u32,
    /// How often an admin brings somebody in: 0 to 1,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 1000>")]
    pub adds: u32,
    /// How often an admin puts somebody out: 0 to 1,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 1000>")]
    pub removes: u32,
    /// How often an admin makes somebody an admin: 0 to 1,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 1000>")]
    pub promotes: u32,
    /// How often an admin makes another an ordinary member: 0 to 1,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 1000>")]
    pub demotes: u32,
    /// How often an admin gives it another name: 0 to 1,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 1000>")]
    pub renames: u32,
    /// How often a member goes: 0 to 1,000. Default never.
    #[serde(default, deserialize_with = "within::<_, 0, 1000>")]
    pub leaves: u32,
    /// Whether all who are in it at the end of the run must agree about it. Default no.
    #[serde(default)]
    pub agree: bool,
}

impl GroupSpec {
    /// Whether all values make sense for `nodes` nodes and a run of this length.
    ///
    /// # Errors
    /// The first value that does not, and what is allowed.
    pub fn check(&self, nodes: u32, length: Span) -> Result<(), Impossible> {
        count("members", self.members + self.outside, 2, nodes)?;
        count("admins", self.admins, 1, self.members)?;
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
        if self.begins > until {
            return Err(Impossible::new("begins", self.begins, format!("at most {until}")));
        }
        Ok(())
    }

    /// What happens in the group of this place among those of a scenario, of `nodes` nodes.
    #[must_use]
    pub fn script(&self, place: usize, nodes: u32, length: Span, seed: u64) -> Script {
        let mut dice = Dice::new(seed, &format!("group {place}"));
        let wanted = (self.members + self.outside).min(nodes) as usize;
        let mut people: Vec<u32> = (0..nodes).collect();
        for n in 0..wanted {
            let other = n + dice.below(nodes - n as u32) as usize;
            people.swap(n, other);
        }
        people.truncate(wanted);
        let window = (self.from.max(self.begins).ms, self.until.unwrap_or(length).ms);
        let mut steps = self.steps(window, wanted as u32, &mut dice);
        steps.sort_by_key(|step| step.at);
        let members = self.members.min(nodes);
        Script { people, admins: self.admins.min(members), members, begins: self.begins.ms, steps }
    }

    fn steps(&self, (from, until): (u64, u64), people: u32, dice: &mut Dice) -> Vec<Step> {
        let counts: [(u32, Kind); 9] = [
            (self.reactions, Deed::React),
            (self.edits, Deed::Edit),
            (self.deletes, Deed::Delete),
            (self.adds, Deed::Add),
            (self.removes, Deed::Remove),
            (self.promotes, Deed::Promote),
            (self.demotes, Deed::Demote),
            (self.renames, |_| Deed::Rename),
            (self.leaves, |_| Deed::Leave),
        ];
        let mut steps = Vec::new();
        let mut step = |dice: &mut Dice, deed: Deed| {
            let at = from + dice.below_long(until.saturating_sub(from).max(1));
            steps.push(Step { at, by: dice.below(people), deed });
        };
        for _ in 0..self.messages {
            let (least, most) = (self.size.least.0, self.size.most.0);
            let bytes = least + dice.below_long(most - least + 1);
            step(dice, Deed::Write(u32::try_from(bytes).unwrap_or(u32::MAX)));
        }
        for (count, deed) in counts {
            for _ in 0..count {
                let place = dice.below(1 << 16);
                step(dice, deed(place));
            }
        }
        steps
    }
}

/// What is done, with the place from which on it is looked for whom or what it concerns.
type Kind = fn(u32) -> Deed;

fn class() -> String {
    "group".to_owned()
}

fn one() -> u32 {
    1
}
