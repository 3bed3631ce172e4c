//! Announcing, asking and serving names (PROTOCOL.md section 9).

use super::neighbour::{CHECK, LEAST_HOPS, MAX_RAISES};
use super::{Action, Bag, Standing, State, offers};
use crate::id::{LinkId, ShortId};
use crate::time::Now;
use crate::wire::frame::{Frame, MAX_NAMES};

impl State {
    pub(super) fn on_have(&mut self, now: Now, link: LinkId, ids: Vec<ShortId>, bag: &dyn Bag) {
        let mut few = Vec::new();
        for id in &ids {
            if let Standing::Held { own, few_hops, .. } = bag.standing(*id) {
                self.actions.push_back(Action::Copy(link, *id));
                if let Some(live) = self.links.get_mut(&link) {
                    live.offers.has(*id);
                }
                if few_hops && !own {
                    few.push(*id);
                }
            }
        }
        self.ask_for_hops(now, link, few);
        // More at once are what a comparison of sets found.
        let fresh = ids.len() <= offers::AT_A_TIME;
        self.want(now, link, ids.into_iter(), fresh, bag);
    }

    pub(super) fn on_want(&mut self, link: LinkId, least: u8, ids: Vec<ShortId>, bag: &dyn Bag) {
        let held = |id: &ShortId| matches!(bag.standing(*id), Standing::Held { hops, .. } if hops > least);
        let served: Vec<ShortId> = ids.into_iter().filter(held).collect();
        if let Some(live) = self.links.get_mut(&link) {
            live.sync.progress = true;
            live.offers.wanted(served.len());
        }
        self.actions.extend(served.into_iter().map(|id| Action::Serve(link, id)));
    }

    pub(super) fn want(
        &mut self,
        now: Now,
        link: LinkId,
        ids: impl Iterator<Item = ShortId>,
        fresh: bool,
        bag: &dyn Bag,
    ) {
        let Some(live) = self.links.get_mut(&link) else { return };
        for id in ids.filter(|id| bag.standing(*id) == Standing::Unknown) {
            live.wants.announce(id, fresh);
        }
        self.pump(now, link, bag);
    }

    /// Asks once per link for copies that came a shorter way.
    pub(super) fn ask_for_hops(&mut self, now: Now, link: LinkId, ids: Vec<ShortId>) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let new: Vec<ShortId> =
            ids.into_iter().filter(|id| live.raises.len() < MAX_RAISES && live.raises.insert(*id)).collect();
        for id in &new {
            live.wants.ask(*id, now.mono);
        }
        if !new.is_empty() {
            live.check.get_or_insert(now.mono + CHECK);
            self.send(link, Frame::Want { least: LEAST_HOPS, ids: new });
        }
    }

    /// Asks for what the window has room for and nobody else was asked for.
    pub(super) fn pump(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        if !live.wants.is_idle() {
            live.check.get_or_insert(now.mono + CHECK);
        }
        let paused = live.intake.as_mut().is_some_and(|intake| intake.is_empty(now.mono));
        if paused || !(live.wants.has_room() || live.wants.is_free()) {
            return;
        }
        let mut ids = Vec::new();
        while ids.len() < MAX_NAMES
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

    pub(super) fn pump_all(&mut self, now: Now, bag: &dyn Bag) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.pump(now, link, bag);
        }
    }

    /// `link` does not bring `id`: the next link that announced it is asked.
    pub(super) fn ask_elsewhere(&mut self, id: ShortId, link: LinkId) {
        for other in self.wanted.give_up(id, link).unwrap_or_default() {
            if let Some(live) = self.links.get_mut(&other) {
                live.wants.announce(id, false);
            }
        }
    }

    /// Looks at unanswered questions.
    pub(super) fn check(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let overdue = live.wants.overdue(now.mono);
        live.give_up_push(now.mono);
        let waits = live.pushed.is_some() || !live.wants.is_idle();
        live.check = waits.then_some(now.mono + CHECK);
        for id in &overdue {
            self.ask_elsewhere(*id, link);
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
            live.answered &= have.is_empty();
            let kept = kept.chunks(MAX_NAMES).map(|ids| Frame::Kept(ids.to_vec()));
            let receipts = receipts.chunks(MAX_NAMES).map(|acks| Frame::Receipts(acks.to_vec()));
            let have = have.chunks(MAX_NAMES).map(|ids| Frame::Have(ids.to_vec()));
            self.actions.extend(receipts.chain(kept).chain(have).map(|frame| Action::Send(*link, frame)));
        }
    }
}
