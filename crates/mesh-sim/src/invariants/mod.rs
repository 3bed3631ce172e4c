//! What must hold in every world, whatever happens in it.
//!
//! | invariant | in a sentence |
//! |---|---|
//! | [`UNSENT`] | nothing is shown that nobody wrote, nor other words than were written |
//! | [`ONCE`] | a message is shown to its reader once |
//! | [`ADDRESSEES`] | nobody else is shown it, and no sealed frame has its words in it |
//! | [`DURABLE`] | what is confirmed to a neighbour, answered to a front end or shown is on the disk by then |
//! | [`QUOTA`] | a node carries no more than it has room for |
//! | [`HONEST`] | states never go back; handed on and delivered are said only where it is so |
//! | [`KEYS`] | no one-time key (and so no tag) is used for two envelopes |
//! | [`ARRIVES`] | once everything has healed, what has a path arrives |
//! | [`AGREES`] | once everything has healed, all who are in a group have one state of it, and what was written for them |
//!
//! Each is a small state machine that looks on ([`Observer`]) and knows nothing of the others; together they
//! are [`Checks`]. That each of them catches the bug it is there for is shown by bugs planted on purpose
//! ([`Bug`](crate::faults::Bug)).

mod durable;
mod keys;
mod ledger;
mod quota;
mod shown;
mod states;

use crate::{Circle, Draft, NodeIx, Observer, Passage, Protocol, Seal, Violation, World};
use durable::Durable;
use keys::Keys;
use ledger::Ledger;
use mesh_core::view::MessageState;
use mesh_core::{Event, MessageId, StoreOp};
use quota::Quota;
use shown::{Addressees, Once, Unsent};
use states::States;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Nothing is shown that was not sent.
pub const UNSENT: &str = "nothing unsent";
/// A message is shown once.
pub const ONCE: &str = "shown once";
/// Only addressees can read.
pub const ADDRESSEES: &str = "only addressees";
/// Acknowledged means durable.
pub const DURABLE: &str = "acknowledged is durable";
/// Quotas hold.
pub const QUOTA: &str = "quotas hold";
/// States are honest.
pub const HONEST: &str = "states honest";
/// No one-time key serves twice.
pub const KEYS: &str = "no key twice";
/// After healing, everything with a path arrives.
pub const ARRIVES: &str = "everything arrives";

/// After healing, the members of a group agree.
pub const AGREES: &str = "groups agree";

/// The names of all invariants.
pub const ALL: [&str; 9] = [UNSENT, ONCE, ADDRESSEES, DURABLE, QUOTA, HONEST, KEYS, ARRIVES, AGREES];

/// Broken invariants that are told of one run; the rest is only more of the same.
const MOST_TOLD: usize = 50;

/// What broke, where and when.
type Found = Vec<(u64, NodeIx, String)>;

/// One invariant: shown everything with what all of them know, says what broke.
trait Invariant: Send {
    fn name(&self) -> &'static str;

    fn look(&mut self, at: u64, what: &Look<'_>, known: &Ledger, found: &mut Found);
}

/// Something that happened, as invariants are shown it.
enum Look<'a> {
    Told(NodeIx, &'a Event),
    Stored(NodeIx, &'a StoreOp),
    Sent(&'a Passage<'a>),
    Received(&'a Passage<'a>),
    Shown(NodeIx, u32),
    Stepped(NodeIx, &'a dyn Protocol),
}

/// All invariants of one world.
#[derive(Clone)]
pub struct Checks(Arc<Mutex<Watch>>);

impl core::fmt::Debug for Checks {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Checks(..)")
    }
}

/// A message whose sending was answered, and for whom it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub message: MessageId,
    /// Who wrote it.
    pub from: NodeIx,
    /// To whom.
    pub to: NodeIx,
}

impl Checks {
    /// Looks on in `world`, which seals like this, from now on. Nodes numbered `honest` and above may do what
    /// they like; each of the others has room for `carry` bytes.
    #[must_use]
    pub fn of(world: &mut World, seal: Seal, honest: u32, carry: u64) -> Self {
        let ledger = Ledger::of(world, honest);
        let invariants: Vec<Box<dyn Invariant>> = vec![
            Box::new(Unsent),
            Box::new(Once::default()),
            // The cheap seal hides nothing.
            Box::new(Addressees { listens: seal != Seal::Cheap }),
            Box::new(Durable::default()),
            Box::new(Quota::new(world.len(), carry)),
            Box::new(States::default()),
            Box::new(Keys::default()),
        ];
        let watch = Watch { ledger, invariants, broken: Vec::new(), found: Vec::new() };
        let shared = Arc::new(Mutex::new(watch));
        world.observe(Box::new(Arc::clone(&shared)));
        Self(shared)
    }

    /// Somebody is about to write this by a command of the test's own: its words may appear from now on.
    /// [`World::submit`] says so by itself.
    pub fn attempt(&self, draft: &Draft) {
        self.open().ledger.wrote(draft);
    }

    /// Checks, at the end of a world that has healed, that promises were kept: each message is durable at its
    /// reader and its writer knows.
    pub fn arrived(&self, world: &World, promises: &[Promise]) {
        let mut watch = self.open();
        for promise in promises {
            let there = watch.ledger.has_text(promise.to, promise.message);
            let said = world
                .protocol(promise.from)
                .and_then(Protocol::as_node)
                .and_then(|node| node.info(world.clocks(promise.from), promise.message).ok()?)
                .map(|info| info.state);
            if there && said >= Some(MessageState::Delivered) && said != Some(MessageState::Expired) {
                continue;
            }
            let (number, to) = (promise.number, promise.to.number());
            let said = said.map_or("unknown", MessageState::as_str);
            let place = if there { "is at its reader" } else { "is not at its reader" };
            let detail = format!("message {number} to {to} {place}, its writer says {said}");
            watch.broken.push(violation(ARRIVES, world.now(), promise.from, detail));
        }
    }

    /// Checks, at the end of a world that has healed, that everybody in a group agrees about it.
    pub fn agreed(&self, world: &World, circle: &Circle) {
        let found = circle.disagreements(world);
        let broken = found.into_iter().map(|(node, detail)| violation(AGREES, world.now(), node, detail));
        self.open().broken.extend(broken);
    }

    /// What broke so far.
    #[must_use]
    pub fn broken(&self) -> Vec<Violation> {
        self.open().broken.iter().take(MOST_TOLD).cloned().collect()
    }

    fn open(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn violation(invariant: &str, at: u64, node: NodeIx, detail: String) -> Violation {
    Violation { invariant: invariant.to_owned(), at, node: node.number(), detail }
}

/// Shows everything to everybody.
struct Watch {
    ledger: Ledger,
    invariants: Vec<Box<dyn Invariant>>,
    broken: Vec<Violation>,
    found: Found,
}

impl Watch {
    fn look(&mut self, at: u64, what: &Look<'_>) {
        for invariant in &mut self.invariants {
            invariant.look(at, what, &self.ledger, &mut self.found);
            for (at, node, detail) in self.found.drain(..) {
                if self.broken.len() < MOST_TOLD {
                    self.broken.push(violation(invariant.name(), at, node, detail));
                }
            }
        }
    }
}

impl Observer for Watch {
    fn told(&mut self, at: u64, node: NodeIx, event: &Event) {
        if self.ledger.is_honest(node) {
            self.look(at, &Look::Told(node, event));
        }
    }

    fn stored(&mut self, at: u64, node: NodeIx, op: &StoreOp) {
        self.ledger.stored(node, op);
        self.look(at, &Look::Stored(node, op));
    }

    fn sent(&mut self, at: u64, passage: &Passage<'_>) {
        self.ledger.passes(passage);
        self.look(at, &Look::Sent(passage));
    }

    fn received(&mut self, at: u64, passage: &Passage<'_>) {
        self.look(at, &Look::Received(passage));
    }

    fn submitted(&mut self, _: u64, _: NodeIx, draft: &Draft, _: Option<MessageId>) {
        self.ledger.wrote(draft);
    }

    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {
        if self.ledger.is_honest(node) {
            self.look(at, &Look::Shown(node, number));
        }
    }

    fn stepped(&mut self, at: u64, node: NodeIx, protocol: &dyn Protocol) {
        if self.ledger.is_honest(node) {
            self.look(at, &Look::Stepped(node, protocol));
        }
    }
}
