//! The course of a reconciliation with one neighbour (PROTOCOL.md section 9).

use super::asking::calls_frames;
use super::neighbour::{CHECK, MAX_GIFTS};
use super::sketch::{
    Found, GIFTS, MAX_MORE, MOST, Offer, Reading, STRIKES, Step, first, first_len, has_sums, is_small,
};
use super::sync::{Difference, Run, sketched};
use super::wants::Urgency;
use super::{Action, Bag, Standing, State, may_go, root};
use crate::border::Role;
use crate::id::{Ack, LinkId, ShortId};
use crate::time::Now;
use crate::wire::frame::{Brief, Frame, MAX_NAMES, Root, Set};
use crate::wire::sketch::{Cell, Content, Name, Part, Sketch};
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The longest pause between two runs that were of no use.
const MAX_WAIT: Duration = Duration::from_secs(900);
/// Between two messages of a run, while names are guessed with success.
const BESIDE_GUESSES: Duration = Duration::from_secs(4);

impl State {
    /// The dialer's question, or the listener's word that the sets differ and it has said enough for now.
    pub(super) fn send_digest(&mut self, link: LinkId, bag: &dyn Bag) {
        if let Some(live) = self.links.get_mut(&link) {
            live.sync.expected = [live.role == Role::Dialer; 3];
        }
        self.send(link, Frame::Digest(Set::ALL.map(|set| brief(bag, set))));
    }

    /// The dialer asks for the digests when the roots differ; the listener waits for that.
    pub(super) fn on_beat(&mut self, now: Now, link: LinkId, theirs: Root, bag: &dyn Bag) {
        let Some(live) = self.links.get(&link) else { return };
        let due = live.sync.due(self.config.sync_every) <= now.mono;
        if live.role == Role::Dialer && due && theirs != root(bag) {
            self.send_digest(link, bag);
        }
    }

    /// The listener shows of each set that differs what it looks like, most urgent first.
    pub(super) fn on_digest(&mut self, now: Now, link: LinkId, theirs: [Brief; 3], bag: &dyn Bag) {
        if self.links.get(&link).is_none_or(|live| live.role == Role::Dialer) {
            return;
        }
        let differing = Set::ALL.into_iter().zip(theirs).filter(|(set, theirs)| brief(bag, *set) != *theirs);
        let differing: Vec<Set> = differing.map(|(set, _)| set).collect();
        if differing.is_empty() {
            return self.send(link, Frame::Agreed);
        }
        let shown = differing.into_iter().filter(|set| self.show(now, link, *set, bag)).count();
        if shown == 0 {
            self.send_digest(link, bag);
        }
    }

    fn show(&mut self, now: Now, link: LinkId, set: Set, bag: &dyn Bag) -> bool {
        let alone = self.links.len() == 1;
        let (Some(sketch), Some(live)) = (bag.sketch(set), self.links.get_mut(&link)) else { return false };
        let sync = &mut live.sync;
        let bytes = first_len(set) as u64;
        if !sync.sketches[set as usize].take(5, now.mono) || !sync.answers.take(bytes, now.mono) {
            return false;
        }
        sync.number = sync.number.wrapping_add(1);
        let mut part = sketch.part(set, sync.number, alone, 0..first(set));
        part.sums = has_sums(set).then_some(*sketch.sums());
        sync.offers[set as usize] = Some(Offer { number: sync.number, sketch, more: 0 });
        if alone && set == Set::Sealed {
            live.gifts = (live.gifts + GIFTS).min(MAX_GIFTS);
        }
        if is_small(set, part.count) {
            part.content = Content::Names(self.snapshots.of(set, bag).sketched(set));
            part.sums = None;
        }
        self.send(link, Frame::Sketch(part));
        true
    }

    /// The listener goes on with a sketch. Where it cannot, it says so by a part without cells.
    pub(super) fn on_more(
        &mut self,
        now: Now,
        link: LinkId,
        set: Set,
        run: u8,
        cells: (u16, u16),
        bag: &dyn Bag,
    ) {
        let (first, end) = (usize::from(cells.0), usize::from(cells.1));
        let Some(live) = self.links.get_mut(&link) else { return };
        let offer = live.sync.offers[set as usize].as_mut().filter(|offer| offer.number == run);
        let Some(offer) = offer else { return };
        offer.more += 1;
        let sensible = first < end && end <= MOST && offer.more <= MAX_MORE;
        if sensible && set == Set::Sealed && live.slow {
            live.offers.asked_for(end);
        }
        let (mut sketch, mut first) = (offer.sketch.clone(), first);
        if sensible && (first == 0 || end > sketch.cells().len()) {
            let Some(longer) = self.sketch_of(now, set, sketch.epoch(), end, bag) else {
                return self.send_parts(now, link, set, run, &sketch, (0, 0), bag);
            };
            (sketch, first) = (longer, 0);
        }
        if let Some(offer) =
            self.links.get_mut(&link).and_then(|live| live.sync.offers[set as usize].as_mut())
        {
            offer.sketch = sketch.clone();
        }
        self.send_parts(now, link, set, run, &sketch, if sensible { (first, end) } else { (0, 0) }, bag);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one frame")]
    fn send_parts(
        &mut self,
        now: Now,
        link: LinkId,
        set: Set,
        run: u8,
        sketch: &Sketch,
        (first, end): (usize, usize),
        bag: &dyn Bag,
    ) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let allowed = live.sync.answers.take(Part::len(set, end - first) as u64, now.mono);
        let step = Part::cells_in(set, usize::try_from(live.message_limit).unwrap_or(usize::MAX));
        let end = if allowed { end } else { first };
        let alone = live.gifts > 0;
        for at in (first..end.max(first + 1)).step_by(step) {
            let mut part = sketch.part(set, run, alone, at..end.min(at + step));
            part.sums = (at == 0 && end > 0 && has_sums(set)).then_some(*sketch.sums());
            self.send(link, Frame::Sketch(part));
            self.look_at_size(link, set, Part::len(set, end.min(at + step) - at));
        }
        self.offer(now, link, bag);
    }

    /// The set as it is now, in at least so many cells; `None` where too much was computed lately.
    fn sketch_of(
        &mut self,
        now: Now,
        set: Set,
        epoch: u16,
        cells: usize,
        bag: &dyn Bag,
    ) -> Option<Arc<Sketch>> {
        let ready = bag.sketch(set)?;
        if ready.epoch() == epoch && ready.cells().len() >= cells {
            return Some(ready);
        }
        if self.work.is_empty(now.mono) {
            return None;
        }
        let names = self.snapshots.of(set, bag);
        self.work.charge(names.len() as u64, now.mono);
        Some(Arc::new(ready.anew(epoch, (cells * 2).min(MOST), names.sketched(set))))
    }

    /// The dialer reads what the listener's set looks like.
    pub(super) fn on_sketch(&mut self, now: Now, link: LinkId, part: Part, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link) else { return };
        if live.role == Role::Listener {
            return self.fault(link, "a sketch from the wrong end", 3);
        }
        let set = part.set as usize;
        let reading = live.sync.readings[set].as_ref().filter(|reading| reading.number == part.run);
        let (goes_on, begins) = (reading.is_some(), reading.is_none_or(Reading::begins_anew));
        if !goes_on {
            let first_of_all = live.sync.expected == [true; 3];
            if !core::mem::take(&mut live.sync.expected[set]) {
                return;
            }
            live.sync.readings[set] = None;
            let given_up = live.sync.strikes >= STRIKES;
            if first_of_all {
                self.pace(now, link);
            }
            if given_up {
                return self.begin(link, part.set, bag);
            }
        }
        match &part.content {
            Content::Names(names) => {
                if let Some(live) = self.links.get_mut(&link) {
                    live.sync.readings[set] = None;
                }
                self.compare(now, link, &part, names, bag);
            }
            // The first cells come once, and again where they were asked for: each time they cost work.
            Content::Cells(cells) if part.first == 0 && !cells.is_empty() && !begins => {}
            Content::Cells(cells) => {
                self.look_at_size(link, part.set, Part::len(part.set, cells.len()));
                self.read(now, link, &part, cells, bag);
                self.offer(now, link, bag);
            }
        }
    }

    fn compare(&mut self, now: Now, link: LinkId, part: &Part, names: &[Name], bag: &dyn Bag) {
        let theirs: BTreeSet<Name> = names.iter().copied().collect();
        let ours = self.snapshots.of(part.set, bag).sketched(part.set);
        let ours: BTreeSet<Name> = ours.into_iter().collect();
        let have = ours.difference(&theirs).copied().collect();
        let need = theirs.difference(&ours).copied().collect();
        self.exchange(now, link, part.set, part.alone, &Found { have, need, all: true }, bag);
    }

    fn read(&mut self, now: Now, link: LinkId, part: &Part, cells: &[Cell], bag: &dyn Bag) {
        let set = part.set as usize;
        let held = |name: Name| matches!(bag.standing(name.id()), Standing::Held { .. });
        if let (0, Some(theirs), Some(own)) = (part.first, &part.sums, bag.sketch(part.set))
            && has_sums(part.set)
            && let Some(found) = Found::small(theirs, part.count, &own, &held)
        {
            self.strike(link, false);
            if let Some(live) = self.links.get_mut(&link) {
                live.sync.readings[set] = None;
            }
            return self.exchange(now, link, part.set, part.alone, &found, bag);
        }
        let Some(live) = self.links.get_mut(&link) else { return };
        let (before, most) = (live.sync.readings[set].take(), live.most_cells);
        let reading = match before {
            Some(reading) if part.first > 0 || cells.is_empty() => Some(reading),
            before => {
                let length = before.as_ref().map_or(cells.len(), |before| before.end().max(cells.len()));
                let own = self.sketch_of(now, part.set, part.epoch, length.min(MOST), bag);
                own.map(|own| Reading::begin(part, own, before.as_ref()))
            }
        };
        let Some(mut reading) = reading else { return self.begin(link, part.set, bag) };
        let (step, alone) = (reading.take(usize::from(part.first), cells, most, &held), reading.alone);
        if let Some(live) = self.links.get_mut(&link)
            && matches!(step, Step::Wait | Step::More { .. })
        {
            live.sync.readings[set] = Some(reading);
        }
        match step {
            Step::Wait => {}
            Step::More { first, end } => self.ask_more(link, part, first, end),
            Step::Done(found) => {
                self.strike(link, false);
                self.exchange(now, link, part.set, alone, &found, bag);
            }
            Step::Stuck(found) => {
                // A neighbour that would not go on is not counted.
                self.strike(link, !cells.is_empty());
                // What is not confirmed by the whole may be no receipt at all, and would spread as one.
                if part.set != Set::Receipts {
                    self.exchange(now, link, part.set, alone, &found, bag);
                }
                self.begin(link, part.set, bag);
            }
        }
    }

    fn ask_more(&mut self, link: LinkId, part: &Part, first: usize, end: usize) {
        let cell = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        let (set, run) = (part.set, part.run);
        if let Some(live) = self.links.get_mut(&link).filter(|live| set == Set::Sealed && live.slow) {
            live.offers.asked_for(end);
        }
        self.send(link, Frame::More { set, run, first: cell(first), end: cell(end) });
    }

    /// What is known of a neighbour's sketches. It is no fault of its own: somebody else may have made envelopes
    /// whose names stand in each other's way.
    fn strike(&mut self, link: LinkId, stuck: bool) {
        if let Some(live) = self.links.get_mut(&link) {
            live.sync.strikes = if stuck { live.sync.strikes.saturating_add(1) } else { 0 };
        }
    }

    /// Acts on what was found.
    fn exchange(&mut self, now: Now, link: LinkId, set: Set, alone: bool, found: &Found, bag: &dyn Bag) {
        if set == Set::Receipts {
            let acks = |names: &[Name]| names.iter().map(|name| name.ack()).collect::<Vec<Ack>>();
            for names in found.have.chunks(MAX_NAMES) {
                self.send(link, Frame::Receipts(acks(names)));
            }
            for names in found.need.chunks(MAX_NAMES) {
                self.on_receipts(now, link, acks(names));
            }
            return;
        }
        let offered = found.have.iter().map(|name| name.id()).filter(|id| may_go(bag.standing(*id)));
        let mut offered: Vec<ShortId> = offered.collect();
        let Some(live) = self.links.get_mut(&link) else { return };
        offered.retain(|id| !live.is_given(*id, now.mono));
        if alone && live.give(&offered, now.mono) {
            self.actions.extend(offered.iter().map(|id| Action::Serve(link, *id)));
        } else {
            self.announce(link, set, offered, found.all, bag);
        }
        let need = found.need.iter().map(|name| name.id());
        if set == Set::Public {
            // How far they came is not told.
            self.want_calls(now, link, 0, need, bag);
        } else {
            self.want(now, link, need, Urgency::Held, bag);
        }
        self.offer(now, link, bag);
    }

    /// Names what the other end lacks; over a slow link the most important first, and some at a time.
    fn announce(&mut self, link: LinkId, set: Set, offered: Vec<ShortId>, all: bool, bag: &dyn Bag) {
        if set == Set::Public {
            let there = |id: ShortId| match bag.standing(id) {
                Standing::Held { hops, .. } => Some((id, hops.checked_sub(1)?)),
                _ => None,
            };
            let calls = calls_frames(offered.into_iter().filter_map(there).collect());
            return self.actions.extend(calls.into_iter().map(|frame| Action::Send(link, frame)));
        }
        match self.links.get_mut(&link).filter(|live| live.slow) {
            Some(live) => live.offers.lacks(offered, all),
            None => {
                for ids in offered.chunks(MAX_NAMES) {
                    self.send(link, Frame::Have(ids.to_vec()));
                }
            }
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
        live.sync.next_message.take_if(|_| set == Set::Sealed);
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
        let named = |names: Vec<[u8; 32]>| names.iter().map(|name| sketched(set, name)).collect();
        let found = Found { have: named(have), need: named(need), all: next.is_none() };
        match next {
            Some(message) => self.go_on(now, link, set, number, message),
            None => runs[set as usize] = None,
        }
        self.exchange(now, link, set, false, &found, bag);
    }
}

impl State {
    /// The next message of a run: at once, but later where names are guessed with success meanwhile. A run over some
    /// ten thousand differences would take the air from what they are.
    fn go_on(&mut self, now: Now, link: LinkId, set: Set, run: u8, message: Vec<u8>) {
        let frame = Frame::Reconcile { set, run, from_dialer: true, message };
        let Some(live) = self.links.get_mut(&link) else { return };
        if set != Set::Sealed || !live.offers.guesses() {
            return self.send(link, frame);
        }
        live.sync.next_message = Some((now.mono + BESIDE_GUESSES, frame));
        live.check.get_or_insert(now.mono + CHECK);
    }

    /// Sends what waited for guesses, when its time has come or there are none any more.
    pub(super) fn go_on_later(&mut self, now: Now, link: LinkId) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let guesses = live.offers.guesses();
        let due = live.sync.next_message.take_if(|(at, _)| *at <= now.mono || !guesses);
        if let Some((_, frame)) = due {
            self.send(link, frame);
        }
    }
}

/// What digests show of a set.
pub(super) fn brief(bag: &dyn Bag, set: Set) -> Brief {
    let [a, b, c, d, ..] = bag.root(set);
    [a, b, c, d]
}
