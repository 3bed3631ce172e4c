//! People: who knows whom, and what they write.

use super::slot::NodeIx;
use super::{World, node_ix};
use crate::draft::{Audience, Draft};
use crate::pipe::Pipe;
use core::time::Duration;
use mesh_core::node::FORECAST_KEY;
use mesh_core::store::Table;
use mesh_core::view::ContactState;
use mesh_core::{BeaconKind, Command, MessageId, Profile, Reply, StoreOp};
use std::collections::{BTreeMap, BTreeSet};

/// How long two people stand together to get to know each other: a receipt waits up to a minute before it goes
/// back over the link that brought what it is for.
const TOGETHER: Duration = Duration::from_secs(75);
/// Then everything is off for longer than any envelope lives, as often as it takes: a node believes in one
/// fortnight at a time.
const ASLEEP_S: u64 = 15 * 86_400;
const NIGHTS: usize = 6;
/// ... and on for long enough to notice, and to save its clock.
const AWAKE: Duration = Duration::from_secs(605);
/// A beacon's text has at most so many bytes.
const BEACON_BYTES: u32 = 72;

impl World {
    /// The account of a real node's person, whether it runs or not; `None` for another protocol.
    #[must_use]
    pub fn account(&self, ix: NodeIx) -> Option<mesh_core::AccountId> {
        self.nodes[ix.0].account
    }

    /// Somebody writes, now: the draft's own time is not looked at. A node that does not run writes nothing.
    pub fn submit(&mut self, draft: &Draft) {
        let ix = node_ix(draft.from);
        if self.nodes[ix.0].account.is_none() {
            let now = self.time_of(ix.0);
            if let Some(body) = &mut self.nodes[ix.0].body {
                body.submit(now, draft);
                self.drain(ix.0);
            }
            return self.tell_submitted(ix, draft, None);
        }
        match &draft.to {
            Audience::One(to) => self.write_to(ix, draft, *to),
            Audience::Each(several) => {
                for to in several {
                    self.write_to(ix, draft, *to);
                }
            }
            Audience::Everybody => {
                let text = Draft { bytes: draft.bytes.min(BEACON_BYTES), ..draft.clone() }.text();
                let beacon = Command::Beacon { kind: BeaconKind::Sos, text, position: None };
                self.try_command(ix, beacon);
                self.tell_submitted(ix, draft, None);
            }
        }
    }

    fn write_to(&mut self, ix: NodeIx, draft: &Draft, to: u32) {
        let account = self.nodes[to as usize].account;
        let answer = account.and_then(|to| {
            let send = Command::Send { to: to.into(), text: draft.text(), message: None };
            match self.try_command(ix, send) {
                Some(Ok(Reply::Sent(id))) => Some(id),
                _ => None,
            }
        });
        self.tell_submitted(ix, draft, answer);
    }

    pub(crate) fn tell_submitted(&mut self, ix: NodeIx, draft: &Draft, answer: Option<MessageId>) {
        let at = self.now;
        self.look(|observer| observer.submitted(at, ix, draft, answer));
    }

    /// Lets people get to know each other before the world begins: each pair exchanges first contacts, both
    /// ways, over a pipe without faults. Then everything is switched off until all envelopes and receipts of
    /// that have expired, so that a run starts with empty bags. The world's time, its counters, its observers
    /// and what it keeps take no notice; only the wall clocks are some weeks later.
    ///
    /// Only pairs that will write each other need it. Returns the pairs that still do not know each other: none,
    /// unless one of them does not run or is of another protocol.
    ///
    /// # Panics
    /// Where links stand or somebody travels already: this comes first.
    pub fn introduce(&mut self, pairs: &[(NodeIx, NodeIx)]) -> Vec<(NodeIx, NodeIx)> {
        assert!(
            self.lines.is_empty() && self.journeys.is_empty(),
            "introductions come before everything else"
        );
        let (start, counters, keeping) = (self.now, self.counters, self.keeping);
        let observers = core::mem::take(&mut self.observers);
        self.keeping = false;
        let mut missing = self.strangers(pairs);
        for _ in 0..2 {
            for round in rounds(&missing) {
                self.stand_together(&round);
            }
            missing = self.strangers(&missing);
        }
        let met: BTreeSet<NodeIx> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        self.sleep_it_off(&met);
        self.begin_at(start);
        (self.counters, self.keeping, self.observers) = (counters, keeping, observers);
        missing
    }

    /// Turns the world's time back to `start` as if nothing had been; the clocks of the nodes go on.
    fn begin_at(&mut self, start: u64) {
        self.agenda.keep_changes();
        for index in 0..self.nodes.len() {
            let lived = self.time_of(index).mono.0;
            let slot = &mut self.nodes[index];
            (slot.born, slot.lived, slot.wake) = (start, lived, None);
        }
        self.before_s += (self.now - start) / 1_000;
        self.now = start;
        for index in 0..self.nodes.len() {
            self.plan_tick(index);
        }
    }

    /// The pairs among `pairs` that do not know each other, and could.
    fn strangers(&self, pairs: &[(NodeIx, NodeIx)]) -> Vec<(NodeIx, NodeIx)> {
        let ordered: BTreeSet<_> = pairs.iter().map(|(a, b)| (*a.min(b), *a.max(b))).collect();
        let unknown = |(a, b): &(NodeIx, NodeIx)| a != b && !(self.knows(*a, *b) && self.knows(*b, *a));
        ordered.into_iter().filter(unknown).collect()
    }

    fn knows(&self, a: NodeIx, b: NodeIx) -> bool {
        let (Some(node), Some(account)) =
            (self.protocol(a).and_then(crate::Protocol::as_node), self.nodes[b.0].account)
        else {
            return false;
        };
        let known = |contact: mesh_core::view::ContactView| {
            contact.account == account && contact.state >= ContactState::Introduced
        };
        node.contacts().into_iter().any(known)
    }

    fn stand_together(&mut self, pairs: &[(NodeIx, NodeIx)]) {
        let profile = Profile::LAN;
        let pipe = Pipe {
            profile,
            latency: Duration::from_millis(1),
            rate: 1 << 30,
            loss_per_mille: 0,
            window: 1 << 24,
        };
        for (a, b) in pairs {
            for (from, to) in [(*a, *b), (*b, *a)] {
                let Some(node) = self.protocol(to).and_then(crate::Protocol::as_node) else { continue };
                let link = node.identity().link;
                // Who knows the other already refuses nothing; who does not run does not answer.
                let _ = self.try_command(from, Command::Add { link, petname: None });
            }
            self.connect_with(*a, *b, pipe);
        }
        self.run_for(TOGETHER);
        for (a, b) in pairs {
            self.disconnect(*a, *b);
        }
    }

    fn sleep_it_off(&mut self, met: &BTreeSet<NodeIx>) {
        for _ in 0..NIGHTS {
            let clean = |ix: &NodeIx| {
                let node = self.protocol(*ix).and_then(crate::Protocol::as_node);
                node.is_none_or(|node| node.load() == mesh_core::carry::Load::default())
            };
            if met.iter().all(clean) {
                return;
            }
            let awake: Vec<NodeIx> = met.iter().copied().filter(|ix| self.is_running(*ix)).collect();
            for ix in &awake {
                self.crash(*ix);
                // How soon those had it who stood beside says nothing of the world to come.
                if let Some(store) = self.nodes[ix.0].store() {
                    store.apply([StoreOp::delete(Table::Meta, FORECAST_KEY)]);
                }
            }
            self.now += ASLEEP_S * 1_000;
            for ix in &awake {
                self.restart(*ix);
            }
            self.run_for(AWAKE);
        }
    }
}

/// Splits pairs into rounds in which nobody is in two places.
fn rounds(pairs: &[(NodeIx, NodeIx)]) -> Vec<Vec<(NodeIx, NodeIx)>> {
    let mut rounds: Vec<Vec<(NodeIx, NodeIx)>> = Vec::new();
    let mut busy: BTreeMap<NodeIx, BTreeSet<usize>> = BTreeMap::new();
    for (a, b) in pairs {
        let taken = |ix: &NodeIx, round: &usize| busy.get(ix).is_some_and(|rounds| rounds.contains(round));
        let free = (0..=rounds.len()).find(|round| !taken(a, round) && !taken(b, round));
        let round = free.unwrap_or(rounds.len());
        if round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[round].push((*a, *b));
        busy.entry(*a).or_default().insert(round);
        busy.entry(*b).or_default().insert(round);
    }
    rounds
}
