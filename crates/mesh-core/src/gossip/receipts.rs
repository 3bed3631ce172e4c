//! When a receipt of ours is said to whom (PROTOCOL.md section 9).
//!
//! Who hears a receipt first can guess where the addressee is. So only the sender, proved, hears it at
//! once; everybody else after some seconds, and the link that brought the envelope last.

use crate::id::{AccountId, Ack, LinkId};
use crate::rng::Rng;
use crate::time::Time;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Receipts that wait; beyond that the oldest is said at once.
const MAX_WAITING: usize = 4_096;

#[derive(Debug)]
struct Waiting {
    ack: Ack,
    sender: AccountId,
    /// When everybody but the origin hears it.
    due: Time,
    /// Said to everybody but the origin.
    said: bool,
    /// The link that brought the envelope, and when it hears.
    origin: Option<(LinkId, Time)>,
    /// Who heard it at once.
    told: BTreeSet<LinkId>,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// To this link.
    To(LinkId, Ack),
    /// It is for everybody: it takes part in reconciliation from now on.
    Settled(Ack),
}

/// The receipts of our own that not everybody may hear yet.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// By number, the oldest first.
    waiting: BTreeMap<u64, Waiting>,
    /// When each of them is looked at next.
    due: BTreeSet<(Time, u64)>,
    next: u64,
}

impl Receipts {
    /// `links` are the ready links and who is there.
    pub(super) fn publish(
        &mut self,
        now: Time,
        ack: Ack,
        origin: Option<LinkId>,
        sender: AccountId,
        links: &[(LinkId, Option<AccountId>)],
        rng: &mut Rng,
    ) -> Vec<Say> {
        let proved = links.iter().filter(|(_, contact)| *contact == Some(sender));
        let told: BTreeSet<LinkId> = proved.map(|(link, _)| *link).collect();
        let said = told.iter().map(|link| Say::To(*link, ack)).collect();
        let origin = origin.filter(|link| !told.contains(link));
        let origin = origin.map(|link| (link, now + seconds(10, 60, rng)));
        let due = now + seconds(2, 10, rng);
        self.waiting.insert(self.next, Waiting { ack, sender, due, said: false, origin, told });
        self.due.insert((due, self.next));
        self.next += 1;
        if self.waiting.len() > MAX_WAITING {
            let oldest = self.waiting.iter().find(|(_, waiting)| waiting.next() > now);
            if let Some(number) = oldest.map(|(number, _)| *number) {
                self.change(number, |oldest| (oldest.due, oldest.origin) = (now, None));
            }
        }
        said
    }

    /// What has become due.
    pub(super) fn tick(&mut self, now: Time, links: &[(LinkId, Option<AccountId>)]) -> Vec<Say> {
        let mut said = Vec::new();
        while let Some((_, number)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let Some(waiting) = self.waiting.get_mut(&number) else { continue };
            if waiting.advance(now, links, &mut said) {
                self.due.insert((waiting.next(), number));
            } else {
                self.waiting.remove(&number);
            }
        }
        said
    }

    /// A new link hears what has been said to the others.
    pub(super) fn link_up(&self, link: LinkId) -> Vec<Say> {
        let said = self.waiting.values().filter(|waiting| waiting.said && !waiting.told.contains(&link));
        said.map(|waiting| Say::To(link, waiting.ack)).collect()
    }

    /// The other end of a link proved to be `contact`: it hears at once what waits for it, also as the origin.
    pub(super) fn recognised(&mut self, link: LinkId, contact: AccountId) -> Vec<Say> {
        let waits = |waiting: &Waiting| waiting.sender == contact && !waiting.told.contains(&link);
        let numbers = self.waiting.iter().filter(|(_, waiting)| waits(waiting)).map(|(number, _)| *number);
        let mut said = Vec::new();
        for number in numbers.collect::<Vec<u64>>() {
            self.change(number, |waiting| {
                waiting.told.insert(link);
                waiting.origin = waiting.origin.filter(|(origin, _)| *origin != link);
                said.push(Say::To(link, waiting.ack));
            });
        }
        said
    }

    /// The session that brought an envelope is over: nothing is held back from it any more.
    pub(super) fn link_down(&mut self, link: LinkId) {
        let from = |waiting: &Waiting| waiting.origin.is_some_and(|(origin, _)| origin == link);
        let numbers = self.waiting.iter().filter(|(_, waiting)| from(waiting)).map(|(number, _)| *number);
        for number in numbers.collect::<Vec<u64>>() {
            self.change(number, |waiting| waiting.origin = None);
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Waiting)) {
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        self.due.remove(&(waiting.next(), number));
        change(waiting);
        self.due.insert((waiting.next(), number));
    }
}

impl Waiting {
    /// When it is looked at next.
    fn next(&self) -> Time {
        match self.origin {
            Some((_, at)) if self.said => at,
            _ => self.due,
        }
    }

    /// Says what is due; `false` when all has been said.
    fn advance(&mut self, now: Time, links: &[(LinkId, Option<AccountId>)], said: &mut Vec<Say>) -> bool {
        if now < self.due {
            return true;
        }
        let origin = self.origin.map(|(link, _)| link);
        if !self.said {
            self.said = true;
            let others = links.iter().map(|(link, _)| *link);
            let others = others.filter(|link| Some(*link) != origin && !self.told.contains(link));
            said.extend(others.map(|link| Say::To(link, self.ack)));
        }
        if let Some((link, at)) = self.origin {
            if now < at {
                return true;
            }
            said.push(Say::To(link, self.ack));
        }
        said.push(Say::Settled(self.ack));
        false
    }
}

fn seconds(from: u64, to: u64, rng: &mut Rng) -> Duration {
    Duration::from_millis(from * 1000 + rng.below((to - from) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: AccountId = AccountId([1; 20]);
    const ACK: Ack = Ack([7; 16]);
    const SECOND: u64 = 1000;

    fn links() -> Vec<(LinkId, Option<AccountId>)> {
        vec![(LinkId(1), None), (LinkId(2), Some(SENDER)), (LinkId(3), Some(AccountId([3; 20])))]
    }

    /// When each link hears it.
    fn timeline(origin: u64) -> Vec<(u64, Say)> {
        let mut receipts = Receipts::default();
        let mut rng = Rng::new([4; 32]);
        let at_once = receipts.publish(Time(0), ACK, Some(LinkId(origin)), SENDER, &links(), &mut rng);
        let mut timeline: Vec<_> = at_once.into_iter().map(|say| (0, say)).collect();
        while let Some(at) = receipts.next_wakeup() {
            timeline.extend(receipts.tick(at, &links()).into_iter().map(|say| (at.0, say)));
        }
        timeline
    }

    #[test]
    fn the_proved_sender_hears_at_once() {
        assert_eq!(timeline(1)[0], (0, Say::To(LinkId(2), ACK)));
        assert_eq!(timeline(2)[0], (0, Say::To(LinkId(2), ACK)));
    }

    #[test]
    fn a_sender_that_proves_itself_later_hears_then_and_nobody_else_does() {
        for link in [1, 4] {
            let mut receipts = Receipts::default();
            let mut rng = Rng::new([4; 32]);
            let nobody = [(LinkId(1), None), (LinkId(2), None)];
            assert_eq!(receipts.publish(Time(0), ACK, Some(LinkId(1)), SENDER, &nobody, &mut rng), []);
            assert_eq!(receipts.recognised(LinkId(2), AccountId([3; 20])), []);
            assert_eq!(receipts.recognised(LinkId(link), SENDER), [Say::To(LinkId(link), ACK)]);
            assert_eq!(receipts.recognised(LinkId(link), SENDER), [], "once");
            let mut rest = Vec::new();
            while let Some(at) = receipts.next_wakeup() {
                rest.extend(receipts.tick(at, &nobody));
            }
            assert!(!rest.contains(&Say::To(LinkId(link), ACK)) && rest.last() == Some(&Say::Settled(ACK)));
        }
    }

    #[test]
    fn others_and_contacts_too_hear_after_2_to_10_seconds() {
        let (at, say) = &timeline(1)[1];
        assert_eq!(*say, Say::To(LinkId(3), ACK));
        assert!((2 * SECOND..10 * SECOND).contains(at));
    }

    #[test]
    fn the_link_that_brought_it_hears_after_10_to_60_seconds_and_last() {
        let timeline = timeline(1);
        let (at, say) = &timeline[timeline.len() - 2];
        assert_eq!(*say, Say::To(LinkId(1), ACK));
        assert!((10 * SECOND..60 * SECOND).contains(at));
        assert_eq!(timeline.last().unwrap().1, Say::Settled(ACK));
    }

    #[test]
    fn a_new_link_hears_what_the_others_have_heard() {
        let mut receipts = Receipts::default();
        receipts.publish(Time(0), ACK, Some(LinkId(1)), SENDER, &links(), &mut Rng::new([4; 32]));
        assert!(receipts.link_up(LinkId(9)).is_empty());
        receipts.tick(Time(10 * SECOND), &links());
        assert_eq!(receipts.link_up(LinkId(9)), [Say::To(LinkId(9), ACK)]);
    }

    #[test]
    fn nothing_is_held_back_for_a_bringer_that_is_gone() {
        let mut receipts = Receipts::default();
        receipts.publish(Time(0), ACK, Some(LinkId(1)), SENDER, &links(), &mut Rng::new([4; 32]));
        receipts.tick(Time(10 * SECOND), &links());
        receipts.link_down(LinkId(1));
        assert!(receipts.next_wakeup().is_some_and(|at| at <= Time(10 * SECOND)));
        assert_eq!(receipts.tick(Time(10 * SECOND), &links()), [Say::Settled(ACK)]);
        assert_eq!(receipts.next_wakeup(), None);
    }

    #[test]
    fn a_full_queue_says_the_oldest_at_once() {
        let mut receipts = Receipts::default();
        let mut rng = Rng::new([4; 32]);
        for n in 0..=MAX_WAITING {
            let ack = Ack([n as u8; 16]);
            receipts.publish(Time(0), ack, Some(LinkId(1)), SENDER, &[], &mut rng);
        }
        assert_eq!(receipts.tick(Time(0), &[]), [Say::Settled(Ack([0; 16]))]);
    }
}
