//! Two links to one neighbour over different media: the faster one stays (PROTOCOL.md section 4.9).
//!
//! The slower one may be in the middle of something, and what is cut crosses twice. So both ends first stop handing
//! envelopes to it, in an order that tells each of them that nothing is on its way any more. And since an instance is
//! told to every neighbour, it only makes both ends ask: what ends a link is a proof that its other end is also that of
//! the faster one.

use super::{Event, Link, State};
use crate::border::{CloseReason, Lane};
use crate::id::LinkId;
use crate::outbox::Outbox;
use crate::time::{Now, Time};
use crate::wire::frame::{Frame, Root};
use core::time::Duration;

/// What is announced together with what came last leaves within this time, before the end is confirmed.
const LINGER: Duration = Duration::from_millis(100);
/// A link whose other end does not go on with it for this long serves again.
const MOST: Duration = Duration::from_secs(20);

/// How far a link is with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// The faster link.
    to: LinkId,
    /// What was said last.
    step: u8,
    since: Time,
    /// When the last step is said.
    confirms: Option<Time>,
}

/// That both ends of the slower link are those of the faster one: only these know both bindings.
fn proof(faster: &Link, slower: &Link) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("starling/1 moved");
    hasher.update(&faster.binding).update(&slower.binding);
    let mut proof = [0; 16];
    proof.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    proof
}

impl State {
    /// What stands for the neighbour of this link: the first of its links, also when that is gone. What it confirms over
    /// two links, or over one after the other, it confirms once. Who shows another's instance makes less of itself.
    #[must_use]
    pub fn neighbour(&self, link: LinkId) -> LinkId {
        self.links.get(&link).map_or(link, |live| live.first)
    }

    /// A link has just greeted: the oldest that shows the same instance says what both stand for.
    pub(super) fn meet(&mut self, new: LinkId) {
        let instance = |live: &Link| live.their.as_ref().map(|their| their.instance);
        let Some(shown) = self.links.get(&new).and_then(instance) else { return };
        let same = self.links.iter().filter(|(id, live)| **id != new && instance(live) == Some(shown));
        let oldest = same.min_by_key(|(id, live)| (live.since, **id));
        let Some(first) = oldest.map(|(_, live)| live.first) else { return };
        if let Some(live) = self.links.get_mut(&new) {
            live.first = first;
        }
    }

    /// A link that has just greeted shows the instance of another one over another medium: the faster of both is asked
    /// whether it works.
    pub(super) fn ask_faster(&mut self, now: Now, new: LinkId, root: Root, out: &mut Outbox) {
        let Some(live) = self.links.get(&new) else { return };
        let twins = self.links.iter().filter(|(id, other)| **id != new && live.is_abroad(other));
        let Some(faster) = twins.map(|(id, other)| (other.profile.typical_rate, *id)).max() else { return };
        let faster = if faster.0 > live.profile.typical_rate { faster.1 } else { new };
        if let Some(live) = self.links.get_mut(&faster) {
            live.asked = Some(now.mono);
            live.next_beat = live.beat_after(now.mono, &self.config);
            live.transmit(now.mono, faster, &Frame::Beat { ask: true, root }, out);
        }
    }

    /// A link answered: the other end of each slower one that shows the same instance is told, by way of a question.
    pub(super) fn hand_over(&mut self, now: Now, faster: LinkId, out: &mut Outbox) {
        let Some(live) = self.links.get(&faster) else { return };
        let slower = |(id, other): (&LinkId, &Link)| {
            let begins = live.is_abroad(other) && other.is_slower_than(live) && other.leaving.is_none();
            begins.then(|| (*id, proof(live, other)))
        };
        let slower: Vec<_> = self.links.iter().filter_map(slower).collect();
        for (id, proof) in slower {
            if let Some(live) = self.links.get_mut(&id) {
                let leaving = Leaving { to: faster, step: 0, since: now.mono, confirms: None };
                live.leaving = Some(leaving);
                live.say_moved(id, proof, 0, out);
            }
        }
    }

    /// The other end of a slower link says that it is that of a faster one too.
    pub(super) fn on_moved(&mut self, now: Now, link: LinkId, theirs: [u8; 16], step: u8, out: &mut Outbox) {
        let Some(slower) = self.links.get(&link) else { return };
        let proved = |(_, other): &(&LinkId, &Link)| {
            other.their.is_some() && slower.is_slower_than(other) && proof(other, slower) == theirs
        };
        // Not proved: somebody else shows the neighbour's instance here, or the faster link is gone already.
        let Some(to) = self.links.iter().find(proved).map(|(id, _)| *id) else { return };
        if step == 2 {
            return self.close(link, CloseReason::Duplicate, out);
        }
        let Some(live) = self.links.get_mut(&link) else { return };
        let before = live.leaving.filter(|leaving| leaving.to == to && leaving.step > 0);
        let mut leaving = before.unwrap_or(Leaving { to, step: 0, since: now.mono, confirms: None });
        if leaving.step == 0 {
            leaving.step = 1;
            live.say_moved(link, theirs, 1, out);
        }
        if step == 1 {
            leaving.confirms.get_or_insert(now.mono + LINGER);
        }
        live.leaving = Some(leaving);
    }

    /// Says the last step where it is time for it, and gives up what the other end does not go on with.
    pub(super) fn tick_leaving(&mut self, now: Now, link: LinkId, out: &mut Outbox) {
        let Some(leaving) = self.links.get(&link).and_then(|live| live.leaving) else { return };
        let Some((faster, slower)) = self.links.get(&leaving.to).zip(self.links.get(&link)) else { return };
        let proof = proof(faster, slower);
        let Some(live) = self.links.get_mut(&link) else { return };
        if leaving.confirms.is_some_and(|at| at <= now.mono) {
            live.say_moved(link, proof, 2, out);
            live.leaving = Some(Leaving { step: 2, confirms: None, ..leaving });
        } else if leaving.is_over(now.mono) {
            // It is not asked again beside this faster link.
            live.leaving = Some(Leaving { step: 0, since: Time::MAX, confirms: None, ..leaving });
        }
    }

    /// A link is gone: what was to go because of it stays.
    pub(super) fn forget_faster(&mut self, gone: LinkId) {
        for live in self.links.values_mut() {
            live.leaving.take_if(|leaving| leaving.to == gone);
        }
    }

    /// Closes `link` here.
    pub(super) fn close(&mut self, link: LinkId, why: CloseReason, out: &mut Outbox) {
        self.links.remove(&link);
        self.forget_faster(link);
        self.events.push_back(Event::Closed(link));
        out.close(link, why);
    }
}

impl Link {
    /// Whether another link shows the same instance over another medium.
    fn is_abroad(&self, other: &Self) -> bool {
        let same = self.their.as_ref().zip(other.their.as_ref());
        same.is_some_and(|(one, other)| one.instance == other.instance)
            && self.profile.medium != other.profile.medium
    }

    fn is_slower_than(&self, other: &Self) -> bool {
        self.profile.typical_rate < other.profile.typical_rate
    }

    /// Whether envelopes are not handed to it any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some_and(|leaving| leaving.step > 0)
    }

    /// When [`State::tick_leaving`] has something to do.
    pub(super) fn leaving_wakeup(&self) -> Option<Time> {
        let leaving = self.leaving?;
        Some(leaving.confirms.unwrap_or(leaving.since + MOST))
    }

    /// Behind everything that was said on the link before, whatever credit there is.
    fn say_moved(&mut self, link: LinkId, proof: [u8; 16], step: u8, out: &mut Outbox) {
        let waiting = core::iter::from_fn(|| if step > 0 { self.paced.pop(false) } else { None });
        let frames: Vec<Frame> = waiting.chain([Frame::Moved { proof, step }]).collect();
        for bytes in frames.iter().map(Frame::to_bytes) {
            self.credit -= i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            out.send(link, Lane::Bulk, bytes);
        }
    }
}

impl Leaving {
    fn is_over(&self, now: Time) -> bool {
        now.since(self.since) >= MOST
    }
}
