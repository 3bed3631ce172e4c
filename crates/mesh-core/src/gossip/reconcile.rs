//! The course of a reconciliation with one neighbour (PROTOCOL.md section 9).

use super::sync::{Difference, Run};
use super::{Bag, State, may_go, root};
use crate::border::Role;
use crate::id::{Ack, LinkId, ShortId};
use crate::time::Now;
use crate::wire::frame::{Frame, MAX_NAMES, Root, Set};
use core::time::Duration;

/// The longest pause between two runs that were of no use.
const MAX_WAIT: Duration = Duration::from_secs(900);

impl State {
    pub(super) fn send_digest(&mut self, link: LinkId, bag: &dyn Bag) {
        self.send(link, Frame::Digest(Set::ALL.map(|set| bag.root(set))));
    }

    /// The dialer asks for the digests when the roots differ; the listener waits for that.
    pub(super) fn on_beat(&mut self, now: Now, link: LinkId, theirs: Root, bag: &dyn Bag) {
        let Some(live) = self.links.get(&link) else { return };
        let due = live.sync.due(self.config.sync_every) <= now.mono;
        if live.role == Role::Dialer && due && theirs != root(bag) {
            self.send_digest(link, bag);
        }
    }

    pub(super) fn on_digest(&mut self, now: Now, link: LinkId, theirs: [Root; 3], bag: &dyn Bag) {
        let Some(live) = self.links.get(&link) else { return };
        if live.role == Role::Listener {
            return self.send_digest(link, bag);
        }
        if live.sync.due(self.config.sync_every) > now.mono {
            return;
        }
        let differing = Set::ALL.into_iter().zip(theirs).filter(|(set, theirs)| bag.root(*set) != *theirs);
        let differing: Vec<Set> = differing.map(|(set, _)| set).collect();
        if !differing.is_empty() {
            self.pace(now, link);
        }
        for set in differing {
            self.begin(link, set, bag);
        }
    }

    /// Runs begin later and later as long as they are of no use.
    pub(super) fn pace(&mut self, now: Now, link: LinkId) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let sync = &mut live.sync;
        sync.wait = if sync.progress { self.config.sync_every } else { (sync.wait * 2).min(MAX_WAIT) };
        sync.progress = false;
        sync.began = Some(now.mono);
    }

    pub(super) fn begin(&mut self, link: LinkId, set: Set, bag: &dyn Bag) {
        let names = self.snapshots.of(set, bag);
        let Some(live) = self.links.get_mut(&link) else { return };
        live.sync.number = live.sync.number.wrapping_add(1);
        let run = Run::new(live.sync.number, names, live.message_limit);
        let Ok(message) = run.begin() else { return };
        let frame = Frame::Reconcile { set, run: run.number, from_dialer: true, message };
        live.sync.runs[set as usize] = Some(run);
        self.send(link, frame);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one frame")]
    pub(super) fn on_reconcile(
        &mut self,
        now: Now,
        link: LinkId,
        set: Set,
        run: u8,
        from_dialer: bool,
        message: &[u8],
        bag: &dyn Bag,
    ) {
        self.look_at_size(link, set, message.len());
        match (self.links.get(&link).map(|live| live.role), from_dialer) {
            (Some(Role::Listener), true) => self.answer(now, link, set, run, message, bag),
            (Some(Role::Dialer), false) => self.advance(now, link, set, run, message, bag),
            _ => self.fault(link, "a reconciliation from the wrong end", 3),
        }
        self.offer(now, link, bag);
    }

    pub(super) fn answer(
        &mut self,
        now: Now,
        link: LinkId,
        set: Set,
        number: u8,
        message: &[u8],
        bag: &dyn Bag,
    ) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let sync = &mut live.sync;
        if sync.runs[set as usize].as_ref().is_none_or(|run| run.number != number) {
            if !sync.begins[set as usize].take(5, now.mono) {
                return;
            }
            let names = self.snapshots.of(set, bag);
            sync.runs[set as usize] = Some(Run::new(number, names, live.message_limit));
        }
        let Some(run) = &mut sync.runs[set as usize] else { return };
        let Ok(message) = run.answer(message) else {
            return self.fault(link, "a reconciliation that makes no sense", 3);
        };
        if sync.answers.take(message.len() as u64, now.mono) {
            self.send(link, Frame::Reconcile { set, run: number, from_dialer: false, message });
        }
    }

    pub(super) fn advance(
        &mut self,
        now: Now,
        link: LinkId,
        set: Set,
        number: u8,
        message: &[u8],
        bag: &dyn Bag,
    ) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let runs = &mut live.sync.runs;
        let Some(run) = runs[set as usize].as_mut().filter(|run| run.number == number) else { return };
        let Ok(Difference { have, need, next }) = run.advance(message) else {
            runs[set as usize] = None;
            return self.fault(link, "a reconciliation that makes no sense", 3);
        };
        match next {
            Some(message) => {
                self.send(link, Frame::Reconcile { set, run: number, from_dialer: true, message })
            }
            None => runs[set as usize] = None,
        }
        match set {
            Set::Receipts => self.exchange_receipts(now, link, &have, &need),
            Set::Public | Set::Sealed => self.exchange_names(now, link, set, &have, &need, bag),
        }
    }

    pub(super) fn exchange_names(
        &mut self,
        now: Now,
        link: LinkId,
        set: Set,
        have: &[[u8; 32]],
        need: &[[u8; 32]],
        bag: &dyn Bag,
    ) {
        let offered = have.iter().map(short).filter(|id| may_go(bag.standing(*id)));
        let offered: Vec<ShortId> = offered.collect();
        match self.links.get_mut(&link).filter(|live| live.slow && set == Set::Sealed) {
            Some(live) => live.offers.lacks(offered),
            None => {
                for ids in offered.chunks(MAX_NAMES) {
                    self.send(link, Frame::Have(ids.to_vec()));
                }
            }
        }
        self.want(now, link, need.iter().map(short), false, bag);
    }

    /// A receipt's name is commitment and secret, so the difference is all that is needed.
    pub(super) fn exchange_receipts(&mut self, now: Now, link: LinkId, have: &[[u8; 32]], need: &[[u8; 32]]) {
        let have: Vec<Ack> = have.iter().map(ack).collect();
        for acks in have.chunks(MAX_NAMES) {
            self.send(link, Frame::Receipts(acks.to_vec()));
        }
        for acks in need.chunks(MAX_NAMES) {
            self.on_receipts(now, link, acks.iter().map(ack).collect());
        }
    }
}

fn short(name: &[u8; 32]) -> ShortId {
    crate::id::EnvelopeId(*name).short()
}

fn ack(name: &[u8; 32]) -> Ack {
    let (_, ack) = name.split_at(16);
    Ack::from_slice(ack).unwrap_or(Ack([0; 16]))
}
