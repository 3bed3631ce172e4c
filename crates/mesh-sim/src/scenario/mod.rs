//! Scenarios: what shall be simulated, in a file that an event planner can read.
//!
//! A scenario is a TOML file. Everything in it has a name that says what it means, quantities carry their
//! units (`"10 min"`, `"20 kB/s"`), and whatever cannot be is refused with file, line and what is allowed.
//!
//! ```
//! use mesh_sim::scenario::Scenario;
//!
//! let text = r#"
//!     title = "Forty people in a park"
//!     about = "Does a word get round in ten minutes?"
//!     nodes = 40
//!     length = "15 min"
//!     expect = ["delivery_of_oracle >= 0.9", "violations = 0"]
//!
//!     [movement.waypoint]
//!     neighbours = 4
//!
//!     [radio]
//!     kind = "ble"
//!
//!     [[workload]]
//!     messages = 100
//!     until = "5 min"
//! "#;
//! let scenario = Scenario::from_toml("park.toml", text)?;
//! assert_eq!(scenario.nodes, 40);
//!
//! let wrong = Scenario::from_toml("park.toml", &text.replace("nodes = 40", "nodes = -1"));
//! assert_eq!(
//!     wrong.unwrap_err().to_string(),
//!     "park.toml:4: invalid value: integer `-1`, expected a whole number from 2 to 100000"
//! );
//! # Ok::<(), mesh_sim::scenario::ScenarioError>(())
//! ```
//!
//! [`Scenario::small`] is the same in small, as its `[ci]` section says: for a quick look, and for every
//! change of the program. [`Scenario::vary`] changes one value, for sweeps.

mod builtin;
mod check;
mod parts;
mod threshold;

pub use builtin::{BUILT_IN, built_in, built_in_file};
pub use parts::{Attack, AttackKind, Battery, Ci, Faults, ProtocolName, RadioKind, RadioSpec};
pub use threshold::{Compare, Figure, Part, Threshold};

use crate::units::{Bytes, within};
use crate::{GroupSpec, Movement, Seal, Span, Workload};
use core::ops::Range;
use serde::Deserialize;

/// What shall be simulated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name: the file's, without its ending.
    #[serde(skip)]
    pub name: String,
    /// In a few words.
    pub title: String,
    /// What is asked, and why.
    pub about: String,
    /// How many nodes, attackers included: 2 to 100,000.
    #[serde(deserialize_with = "within::<_, 2, 100_000>")]
    pub nodes: u32,
    /// How long it lasts in virtual time.
    pub length: Span,
    /// What counts as delivered: shown this long after it was written. Without it: by the end.
    #[serde(default)]
    pub deliver_within: Option<Span>,
    /// How contents are sealed. Default `cheap`, which takes the same bytes on the air and little work.
    #[serde(default = "cheap")]
    pub seal: Seal,
    /// Who is simulated. Default `starling`.
    #[serde(default)]
    pub protocol: ProtocolName,
    /// The room for what each node carries. Default 256 MB.
    #[serde(default)]
    pub carry: Option<Bytes>,
    /// How people move.
    pub movement: Movement,
    /// What they can reach one another with.
    pub radio: RadioSpec,
    /// What they write. It may be nothing where there are groups.
    #[serde(default)]
    pub workload: Vec<Workload>,
    /// Groups of the product, and what people do in them.
    #[serde(default)]
    pub group: Vec<GroupSpec>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// Batteries that run down. Without this section they never do.
    #[serde(default)]
    pub battery: Option<Battery>,
    /// Who attacks. The attackers are the last nodes, in the order of their sections.
    #[serde(default)]
    pub attack: Vec<Attack>,
    /// What the run must come to.
    #[serde(default)]
    pub expect: Vec<Threshold>,
    /// The same in small.
    #[serde(default)]
    pub ci: Option<Ci>,
    /// The text that it was read from, for [`Scenario::vary`].
    #[serde(skip)]
    source: String,
    /// Whether it is the small one.
    #[serde(skip)]
    is_small: bool,
}

/// A scenario that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct ScenarioError {
    /// The file, as it was named by the caller.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with which value, and what is allowed.
    pub what: String,
}

impl Scenario {
    /// Reads a scenario; `file` names it in errors, and without folder and ending it is the scenario's name.
    ///
    /// # Errors
    /// Where the text is no TOML, a key is unknown or missing, or a value is out of its range.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let at = |span: Option<Range<usize>>, what: String| ScenarioError {
            file: file.to_owned(),
            line: 1 + text[..span.map_or(0, |span| span.start.min(text.len()))].matches('\n').count(),
            what,
        };
        let mut scenario: Self =
            toml::from_str(text).map_err(|error| at(error.span(), error.message().to_owned()))?;
        let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
        scenario.name = base.strip_suffix(".toml").unwrap_or(base).to_owned();
        text.clone_into(&mut scenario.source);
        check::check(&scenario).map_err(|wrong| at(wrong.find(text), wrong.what))?;
        Ok(scenario)
    }

    /// The same in small, as its `[ci]` section says; without one, the scenario itself.
    #[must_use]
    pub fn small(&self) -> Self {
        let mut small = self.clone();
        let Some(ci) = self.ci.clone() else { return small };
        small.nodes = ci.nodes.unwrap_or(self.nodes);
        small.length = ci.length.unwrap_or(self.length);
        small.deliver_within = ci.deliver_within.or(self.deliver_within);
        small.expect = ci.expect.unwrap_or_else(|| self.expect.clone());
        // What is planned for moments keeps its place in the whole.
        let scale = small.length.ms as f64 / self.length.ms.max(1) as f64;
        let scaled = |span: Span| span.times(scale);
        for load in &mut small.workload {
            load.messages = ((f64::from(load.messages) * ci.messages.0).ceil() as u32).max(1);
            (load.from, load.until) = (scaled(load.from), load.until.map(scaled));
        }
        for group in &mut small.group {
            group.members = group.members.min(small.nodes.saturating_sub(group.outside));
            group.admins = group.admins.min(group.members);
            let fewer = |count: u32| (f64::from(count) * ci.messages.0).ceil() as u32;
            (group.messages, group.reactions) = (fewer(group.messages), fewer(group.reactions));
            (group.edits, group.deletes) = (fewer(group.edits), fewer(group.deletes));
            (group.begins, group.from) = (scaled(group.begins), scaled(group.from));
            group.until = group.until.map(scaled);
        }
        for attack in &mut small.attack {
            (attack.from, attack.until) = (scaled(attack.from), attack.until.map(scaled));
            let share = f64::from(small.nodes) / f64::from(self.nodes);
            attack.nodes = ((f64::from(attack.nodes) * share).round() as u32).max(1);
        }
        small.movement.rescale(scale);
        (small.ci, small.is_small) = (None, true);
        small
    }

    /// With one value changed: `path` is its place (`radio.range_m`), `value` as it would stand in the file. What is
    /// small stays so, but for the changed value.
    ///
    /// # Errors
    /// As [`Scenario::from_toml`]; where there is no such place.
    pub fn vary(&self, path: &str, value: &str) -> Result<Self, ScenarioError> {
        let file = format!("{} with {path} = {value}", self.name);
        let wrong = |what: String| ScenarioError { file: file.clone(), line: 1, what };
        let mut root: toml::Table =
            self.source.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        let value = format!("value = {value}").parse().map_or_else(
            |_| toml::Value::String(value.to_owned()),
            |mut parsed: toml::Table| parsed.remove("value").expect("the text sets this key"),
        );
        put(&mut root, path, value).ok_or_else(|| wrong(format!("there is no place `{path}`")))?;
        if let Some(toml::Value::Table(ci)) =
            root.get_mut("ci").filter(|_| self.is_small && path != "messages")
        {
            ci.remove(path);
        }
        let text = toml::to_string(&root).map_err(|error| wrong(error.to_string()))?;
        let mut varied = Self::from_toml(&file, &text)?;
        varied.name.clone_from(&self.name);
        if self.is_small {
            varied = varied.small();
        }
        Ok(varied)
    }

    /// Checks that its values fit each other, after some were changed.
    ///
    /// # Errors
    /// The first that does not fit, and what is allowed.
    pub fn check(&self) -> Result<(), ScenarioError> {
        check::check(self).map_err(|wrong| ScenarioError {
            file: self.name.clone(),
            line: 1,
            what: wrong.what,
        })
    }

    /// How many nodes attack.
    #[must_use]
    pub fn attackers(&self) -> u32 {
        self.attack.iter().map(|attack| attack.nodes).sum()
    }

    /// How many nodes are honest; they have the first numbers.
    #[must_use]
    pub fn honest(&self) -> u32 {
        self.nodes.saturating_sub(self.attackers())
    }

    /// The trace of contacts that it needs, as the scenario names it.
    #[must_use]
    pub fn trace_file(&self) -> Option<&str> {
        match &self.movement {
            Movement::Trace(trace) => Some(&trace.file),
            _ => None,
        }
    }
}

fn cheap() -> Seal {
    Seal::Cheap
}

/// Sets the value at `path`; a number in it counts the sections of one name.
fn put(root: &mut toml::Table, path: &str, value: toml::Value) -> Option<()> {
    let mut names = path.split('.').peekable();
    let mut table = root;
    loop {
        let name = names.next()?;
        if names.peek().is_none() {
            table.insert(name.to_owned(), value);
            return Some(());
        }
        table = match table.get_mut(name)? {
            toml::Value::Table(inner) => inner,
            toml::Value::Array(list) => {
                let index: usize = names.next()?.parse().ok()?;
                list.get_mut(index)?.as_table_mut()?
            }
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests;
