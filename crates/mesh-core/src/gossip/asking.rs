//! Announcing, asking and serving names (PROTOCOL.md section 9).

use super::bucket::Bucket;
use super::calls::CALL;
use super::neighbour::{CHECK, LEAST_HOPS, Link};
use super::wants::Urgency;
use super::{Action, Bag, PUSHED_LINKS, Standing, State, offers};
use crate::id::{LinkId, ShortId};
use crate::time::Now;
use crate::wire::frame::{Frame, MAX_NAMES};

/// Names in one question on a slow link: more would stand before everything else for too long.
const MAX_SLOW_NAMES: usize = 128;
/// In the least hops of a want: only a copy without the mark of what is beyond a share is wanted. Who does not know the
/// bit has no copy with so many hops.
pub(super) const UNMARKED: u8 = 0x80;

impl State {
    pub(super) fn on_have(&mut self, now: Now, link: LinkId, ids: Vec<ShortId>, bag: &dyn Bag) {
        // More at once are what a comparison of sets found.
        let urgency = if ids.len() <= offers::AT_A_TIME { Urgency::Fresh } else { Urgency::Held };
        self.note_copies(now, link, &ids, bag);
        self.want(now, link, ids.into_iter(), urgency, bag);
    }

    pub(super) fn on_calls(&mut self, now: Now, link: LinkId, hops: u8, ids: Vec<ShortId>, bag: &dyn Bag) {
        self.note_copies(now, link, &ids, bag);
        self.want_calls(now, link, hops, ids.into_iter(), bag);
    }

    /// Calls that the neighbour says have so many hops left when they come.
    pub(super) fn want_calls(
        &mut self,
        now: Now,
        link: LinkId,
        hops: u8,
        ids: impl Iterator<Item = ShortId>,
        bag: &dyn Bag,
    ) {
        for id in ids.filter(|id| bag.standing(*id) == Standing::Unknown) {
            self.name_call(now, link, id, hops);
        }
        self.pump(now, link, bag);
    }

    /// A neighbour has a call that is not known here. What others name too counts as such over all links that named it.
    pub(super) fn name_call(&mut self, now: Now, link: LinkId, id: ShortId, hops: u8) {
        let mut shared = false;
        for (other, live) in &mut self.links {
            if *other != link && live.calls_in.has(id) {
                live.calls_in.share(id, now.mono);
                shared = true;
            }
        }
        if let Some(live) = self.links.get_mut(&link) {
            live.calls_in.announce(id, hops, shared, now.mono);
        }
    }

    /// Whether another link named a call too.
    pub(super) fn is_shared(&self, link: LinkId, id: ShortId) -> bool {
        self.links.iter().any(|(other, live)| *other != link && live.calls_in.has(id))
    }

    /// The neighbour holds these; of what has few hops left here its copy may be the better one.
    fn note_copies(&mut self, now: Now, link: LinkId, ids: &[ShortId], bag: &dyn Bag) {
        let (mut few, mut marked) = (Vec::new(), Vec::new());
        for id in ids {
            if let Standing::Held { own, few_hops, .. } = bag.standing(*id) {
                if let Some(live) = self.links.get_mut(&link) {
                    live.offers.has(*id, now.mono);
                    self.actions.push_back(Action::Copy(link, *id, live.copied(*id)));
                }
                if few_hops && !own {
                    few.push(*id);
                }
                if self.is_spoilt(*id, bag) {
                    marked.push(*id);
                }
            }
        }
        self.ask_for_hops(link, few);
        self.ask_for_unmarked(now, link, &marked);
    }

    pub(super) fn on_want(&mut self, now: Now, link: LinkId, least: u8, ids: Vec<ShortId>, bag: &dyn Bag) {
        let (unmarked, least) = (least & UNMARKED != 0, least & !UNMARKED);
        let held = |id: &ShortId| matches!(bag.standing(*id), Standing::Held { hops, surplus, .. } if hops > least && !(unmarked && surplus));
        let served: Vec<ShortId> = ids.into_iter().filter(held).collect();
        if let Some(live) = self.links.get_mut(&link) {
            live.sync.progress |= !served.is_empty();
            live.offers.wanted(&served, now.mono);
        }
        self.actions.extend(served.into_iter().map(|id| Action::Serve(link, id)));
    }

    pub(super) fn want(
        &mut self,
        now: Now,
        link: LinkId,
        ids: impl Iterator<Item = ShortId>,
        urgency: Urgency,
        bag: &dyn Bag,
    ) {
        let Some(live) = self.links.get_mut(&link) else { return };
        for id in ids.filter(|id| bag.standing(*id) == Standing::Unknown) {
            live.wants.announce(id, urgency);
        }
        self.pump(now, link, bag);
    }

    /// Asks once per link for copies that came a shorter way. Who has none does not answer: nothing waits for these.
    pub(super) fn ask_for_hops(&mut self, link: LinkId, ids: Vec<ShortId>) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let new: Vec<ShortId> = ids.into_iter().filter(|id| live.raise(*id)).collect();
        if !new.is_empty() {
            self.send(link, Frame::Want { least: LEAST_HOPS, ids: new });
        }
    }

    /// Asks for what the window has room for and nobody else was asked for.
    pub(super) fn pump(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        if !live.wants.is_idle() {
            live.check.get_or_insert(now.mono + CHECK);
        }
        if live.calls_in.wait() {
            self.ask_for_calls(now, link, bag);
            self.check_calls(now, link);
        }
        let Some(live) = self.links.get_mut(&link) else { return };
        let paused = live.intake.as_mut().is_some_and(|intake| intake.is_empty(now.mono));
        if paused || !(live.wants.has_room() || live.wants.is_free()) {
            return;
        }
        let most = if live.slow { MAX_SLOW_NAMES } else { MAX_NAMES };
        let mut ids = Vec::new();
        while ids.len() < most
            && let Some(id) = live.wants.next()
        {
            if bag.standing(id) != Standing::Unknown {
                continue;
            }
            if self.wanted.claim(id, link, now.mono) {
                live.wants.ask(id, now.mono);
                ids.push(id);
            } else {
                live.wants.put_by(id);
            }
        }
        if live.wants.is_free() {
            ids.extend(live.wants.take_over(&mut self.wanted, link, now.mono));
        }
        if !ids.is_empty() {
            self.send(link, Frame::Want { least: 0, ids });
        }
    }

    /// Asks for calls, within budgets of their own, whatever else is under way.
    fn ask_for_calls(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let bound = self.is_bound(now, link);
        let Some(live) = self.links.get_mut(&link) else { return };
        // What fast links bring is no burden, and counts for nobody else.
        let left = |all: &mut Bucket, live: &Link| if live.slow { all.level(now.mono) } else { u64::MAX };
        let mut ids = Vec::new();
        for id in live.calls_in.next(bound, left(&mut self.calls, live), now.mono) {
            if bag.standing(id) != Standing::Unknown {
                live.calls_in.forget(id);
                continue;
            }
            if !live.calls_in.may_ask(id, bound, left(&mut self.calls, live), now.mono) {
                continue;
            }
            if !live.may_ask_for_call(now.mono) {
                break;
            }
            // What another does not bring is soon asked for here.
            let claimed = self.wanted.claim(id, link, now.mono)
                || self.wanted.take_over(id, link, now.mono) == Some(true);
            if !claimed {
                continue;
            }
            live.calls_in.ask(id, now.mono);
            live.charge_call(now.mono);
            live.wants.ask(id, now.mono);
            ids.push(id);
            if bound && live.slow {
                self.calls.charge(CALL, now.mono);
            }
        }
        for ids in ids.chunks(MAX_NAMES) {
            self.actions.push_back(Action::First(link, Frame::Want { least: 0, ids: ids.to_vec() }));
        }
    }

    /// Calls that still wait are looked at again once their budget has room.
    pub(super) fn check_calls(&mut self, now: Now, link: LinkId) {
        let bound = self.is_bound(now, link);
        let Some(live) = self.links.get_mut(&link) else { return };
        let due = live.calls_in.due(bound, now.mono);
        live.check = [live.check, due].into_iter().flatten().min();
    }

    /// Whether calls over a link have budgets: in crowds, those of strangers.
    pub(super) fn is_bound(&self, now: Now, link: LinkId) -> bool {
        let stranger = self.links.get(&link).is_none_or(|live| live.contact.is_none());
        stranger && (self.links.len() > PUSHED_LINKS || now.mono < self.crowded_until)
    }

    pub(super) fn pump_all(&mut self, now: Now, bag: &dyn Bag) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.pump(now, link, bag);
        }
    }

    /// `link` does not bring `id`: the next link that announced it is asked; for a call with so many hops left like for
    /// any call.
    pub(super) fn ask_elsewhere(&mut self, now: Now, id: ShortId, call: Option<u8>, link: LinkId) {
        for other in self.wanted.give_up(id, link).unwrap_or_default() {
            match (call, self.links.get_mut(&other)) {
                (Some(hops), Some(_)) => self.name_call(now, other, id, hops),
                (None, Some(live)) => live.wants.announce(id, Urgency::Held),
                (_, None) => {}
            }
        }
    }

    /// Looks at unanswered questions.
    pub(super) fn check(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let overdue = live.wants.overdue(now.mono);
        live.give_up_push(now.mono);
        let overdue: Vec<_> = overdue.into_iter().map(|id| (id, live.calls_in.gave_up(id))).collect();
        let waits = live.pushed.is_some() || !live.wants.is_idle() || live.sync.next_message.is_some();
        live.check = waits.then_some(now.mono + CHECK);
        self.go_on_later(now, link);
        for (id, call) in &overdue {
            self.ask_elsewhere(now, *id, *call, link);
        }
        if overdue.is_empty() {
            self.pump(now, link, bag);
        } else {
            self.pump_all(now, bag);
        }
    }

    /// Sends the announcements that have waited long enough.
    pub(super) fn flush(&mut self, now: Now) {
        for (link, live) in &mut self.links {
            if live.flush_at(self.config.batch).is_none_or(|at| at > now.mono) {
                continue;
            }
            live.flushed = Some(now.mono);
            let kept = core::mem::take(&mut live.kept);
            let receipts = core::mem::take(&mut live.receipts);
            let have = core::mem::take(&mut live.have);
            let calls = core::mem::take(&mut live.calls);
            live.answered &= have.is_empty();
            let kept = kept.chunks(MAX_NAMES).map(|ids| Frame::Kept(ids.to_vec()));
            let receipts = receipts.chunks(MAX_NAMES).map(|acks| Frame::Receipts(acks.to_vec()));
            let have = have.chunks(MAX_NAMES).map(|ids| Frame::Have(ids.to_vec()));
            let calls = calls_frames(calls).into_iter();
            self.actions.extend(
                calls.chain(receipts).chain(kept).chain(have).map(|frame| Action::Send(*link, frame)),
            );
        }
    }
}

/// Names calls, each with the hops that its copy has left when it comes.
pub(super) fn calls_frames(mut calls: Vec<(ShortId, u8)>) -> Vec<Frame> {
    calls.sort_unstable_by_key(|(id, hops)| (core::cmp::Reverse(*hops), *id));
    let alike = calls.chunk_by(|a, b| a.1 == b.1).flat_map(|alike| alike.chunks(MAX_NAMES));
    alike
        .map(|calls| Frame::Calls { hops: calls[0].1, ids: calls.iter().map(|(id, _)| *id).collect() })
        .collect()
}
