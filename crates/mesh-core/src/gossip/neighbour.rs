//! What is remembered of one neighbour.

use super::bucket::{Bucket, Rate};
use super::calls::Calls;
use super::offers::Offers;
use super::sketch::{GIFTS, MOST, MOST_SLOW};
use super::sync::Sync;
use super::wants::LinkWants;
use super::{Config, PUBLIC_COST};
use crate::border::{Profile, Role};
use crate::id::{AccountId, Ack, ShortId};
use crate::time::Time;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// A pipe slower than this is slow, in bytes per second.
const SLOW: u32 = 200_000;
/// The largest message of a reconciliation on a slow and on a fast link, in bytes.
const SMALL_MESSAGE: u64 = 4 * 1024;
const LARGE_MESSAGE: u64 = 60_000;
/// A copy that is asked for because the own one has few hops left must bring more than those.
pub(super) const LEAST_HOPS: u8 = crate::wire::envelope::MAX_HOPS / 4;
/// Names asked for in that way per link.
pub(super) const MAX_RAISES: usize = 256;
/// Copies without the mark of what is beyond a share that are asked for per link: they are few unless everything is
/// marked, and then most that is asked for is marked there too.
const UNMARKS: Rate = Rate { burst: 16, per_second: 1 };
/// Not while less than this is left of the share of the link: the copy would get the mark again.
const UNMARK_ROOM: u64 = 1_024;
/// They may come for this long.
const UNMARK_PATIENCE: Duration = Duration::from_secs(60);
/// Copies at one neighbour that count in the order of handing on: once each, and no more than these.
const MAX_COPIES: usize = 4_096;
/// How often unanswered questions are looked at.
pub(super) const CHECK: Duration = Duration::from_secs(1);
/// What was sent unasked and not kept is announced like everything else after this long.
const PUSH_PATIENCE: Duration = Duration::from_secs(5);
/// What was found lacking and sent unasked is not sent or announced again for this long: it may be under way, on a slow
/// link or a long one, while the sets are compared again.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// Gifts that are remembered, and that a listener waits for, where the sets are compared again before they came.
pub(super) const MAX_GIFTS: usize = 4 * GIFTS;
/// So many that wait make a batch, which leaves at once: a frame for each costs both ends more than waiting does.
pub(super) const FULL_BATCH: usize = 32;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) role: Role,
    pub(super) contact: Option<AccountId>,
    pub(super) slow: bool,
    pub(super) message_limit: u64,
    /// The most cells that are asked for.
    pub(super) most_cells: usize,
    /// Envelopes that are taken unasked.
    pub(super) gifts: usize,
    /// What was sent unasked because it was found lacking, since when.
    given: BTreeMap<ShortId, Time>,
    pub(super) sync: Sync,
    pub(super) wants: LinkWants,
    pub(super) offers: Offers,
    /// Held things of which it said that it holds a copy.
    copies: BTreeSet<ShortId>,
    /// Copies with more hops that were asked for, and whether they may still come.
    pub(super) raises: BTreeMap<ShortId, bool>,
    /// Copies without the mark that were asked for and may still come, since when.
    unmarked: BTreeMap<ShortId, Time>,
    unmarks: Bucket,
    /// What was sent unasked, since when, until the neighbour keeps it.
    pub(super) pushed: Option<(ShortId, Time)>,
    pub(super) intake: Option<Bucket>,
    /// What a stranger brings within it goes on first.
    pub(super) share: Option<Bucket>,
    pub(super) receipts_in: Option<Bucket>,
    pub(super) public_in: Bucket,
    /// What a stranger is asked for of public things.
    pub(super) call_asks: Option<Bucket>,
    /// What public things it may bring in a crowd.
    pub(super) calls_in: Calls,
    /// Calls to be named, with the hops that they have left there.
    pub(super) calls: Vec<(ShortId, u8)>,
    pub(super) have: Vec<ShortId>,
    pub(super) kept: Vec<ShortId>,
    pub(super) receipts: Vec<Ack>,
    pub(super) flushed: Option<Time>,
    /// The neighbour said something since the last announcement.
    pub(super) answered: bool,
    pub(super) check: Option<Time>,
}

impl Link {
    pub(super) fn new(
        config: &Config,
        now: Time,
        role: Role,
        contact: Option<AccountId>,
        profile: Profile,
    ) -> Self {
        let slow = profile.metered || profile.typical_rate < SLOW;
        let (window, message_limit) =
            if slow { (config.slow_window, SMALL_MESSAGE) } else { (config.fast_window, LARGE_MESSAGE) };
        // Five tokens begin a run, and one comes back per second.
        let begins = Rate { burst: 5 * config.begins_per_5_s, per_second: config.begins_per_5_s };
        let mut link = Self {
            role,
            contact,
            slow,
            message_limit,
            most_cells: if slow { MOST_SLOW } else { MOST },
            gifts: 0,
            given: BTreeMap::new(),
            sync: Sync::new(now, begins, config.answers, config.sync_every),
            wants: LinkWants::new(window, now),
            offers: Offers::default(),
            copies: BTreeSet::new(),
            raises: BTreeMap::new(),
            unmarked: BTreeMap::new(),
            unmarks: Bucket::new(UNMARKS, now),
            pushed: None,
            intake: None,
            share: None,
            receipts_in: None,
            public_in: Bucket::new(config.public, now),
            call_asks: None,
            calls_in: Calls::new(slow, now),
            calls: Vec::new(),
            have: Vec::new(),
            kept: Vec::new(),
            receipts: Vec::new(),
            flushed: None,
            answered: true,
            check: None,
        };
        link.recognised(config, now, contact);
        link
    }

    /// Who is at the other end: a contact has no budgets, and who is none any more has a stranger's.
    pub(super) fn recognised(&mut self, config: &Config, now: Time, contact: Option<AccountId>) {
        let intake = if self.slow { config.slow_intake } else { config.fast_intake };
        self.contact = contact;
        let share = if self.slow { config.slow_share } else { config.fast_share };
        self.share = contact.is_none().then(|| Bucket::new(share, now));
        self.intake = contact.is_none().then(|| Bucket::new(intake, now));
        let calls = Rate { burst: intake.burst / PUBLIC_COST, per_second: intake.per_second / PUBLIC_COST };
        self.call_asks = contact.is_none().then(|| Bucket::new(calls, now));
        self.receipts_in = contact.is_none().then(|| Bucket::new(config.receipts, now));
    }

    /// A new link begins with half of what `pool` has left for new ones, so that there is something for the next, and
    /// whoever comes back under ever new names has no more than the pool.
    pub(super) fn begin_share(&mut self, pool: &mut Bucket, now: Time) {
        let Some(share) = &mut self.share else { return };
        let (full, left) = (share.level(now), pool.level(now) / 2);
        share.charge(full.saturating_sub(left), now);
        pool.charge(full.min(left), now);
    }

    /// Whether one more call may be asked for.
    pub(super) fn may_ask_for_call(&mut self, now: Time) -> bool {
        self.call_asks.as_mut().is_none_or(|asks| asks.level(now) > 0)
    }

    /// One more call is asked for.
    pub(super) fn charge_call(&mut self, now: Time) {
        if let Some(asks) = &mut self.call_asks {
            asks.charge(1, now);
        }
    }

    /// Whether a copy of `id` with more hops is to be asked for: once, and of so many names at most.
    pub(super) fn raise(&mut self, id: ShortId) -> bool {
        self.raises.len() < MAX_RAISES && !self.raises.contains_key(&id) && {
            self.raises.insert(id, true);
            true
        }
    }

    /// Whether a copy of `id` without the mark is to be asked for now. It may be again: the copy there may have lost its
    /// mark meanwhile.
    pub(super) fn unmark(&mut self, id: ShortId, now: Time) -> bool {
        let has_room = self.share.as_mut().is_none_or(|share| share.level(now) >= UNMARK_ROOM);
        let asks = has_room && self.unmarks.take(1, now);
        if asks {
            self.unmarked.retain(|_, since| now.since(*since) < UNMARK_PATIENCE);
            self.unmarked.insert(id, now);
        }
        asks
    }

    /// The neighbour says that it holds a copy: whether for the first time, and within the most that are counted.
    pub(super) fn copied(&mut self, id: ShortId) -> bool {
        self.copies.len() < MAX_COPIES && self.copies.insert(id)
    }

    /// Something came: whether it is the first answer to a question for a better copy.
    pub(super) fn raised(&mut self, id: ShortId) -> bool {
        let unmarked = self.unmarked.remove(&id).is_some();
        self.raises.get_mut(&id).is_some_and(core::mem::take) || unmarked
    }

    /// When something is looked at next.
    pub(super) fn wakeup(&self) -> Option<Time> {
        self.check.into_iter().chain(self.offers.next()).min()
    }

    /// Whether a thing for `to` is sent without asking: this neighbour alone wants it, and the link is at rest, so
    /// that an announcement would cost a round trip and spare nothing.
    pub(super) fn may_push(&self, to: Option<AccountId>) -> bool {
        let is_theirs = to.is_some() && to == self.contact;
        let at_rest = self.pushed.is_none() && self.have.is_empty() && self.answered && self.wants.is_idle();
        is_theirs && at_rest && !self.slow
    }

    /// `id` is sent unasked.
    pub(super) fn push(&mut self, id: ShortId, now: Time) {
        self.pushed = Some((id, now));
        self.check.get_or_insert(now + CHECK);
    }

    /// Whether all of this, which the neighbour lacks and may get unasked, is sent so. From then on it is under way.
    pub(super) fn give(&mut self, ids: &[ShortId], now: Time) -> bool {
        let few = ids.len() <= GIFTS && self.given.len() + ids.len() <= MAX_GIFTS;
        if few {
            self.given.extend(ids.iter().map(|id| (*id, now)));
        }
        few
    }

    /// Whether `id` was sent unasked lately and may still be under way.
    pub(super) fn is_given(&mut self, id: ShortId, now: Time) -> bool {
        self.given.retain(|_, since| now.since(*since) < UNDER_WAY);
        self.given.contains_key(&id)
    }

    /// The neighbour has it.
    pub(super) fn got(&mut self, id: ShortId) {
        self.given.remove(&id);
    }

    /// Announces what was sent unasked and was not kept in time.
    pub(super) fn give_up_push(&mut self, now: Time) {
        let stuck = self.pushed.take_if(|(_, since)| now.since(*since) >= PUSH_PATIENCE);
        self.have.extend(stuck.map(|(id, _)| id));
    }

    /// When the next batch leaves; `None` where nothing waits. At once, unless the neighbour still owes
    /// an answer to the last announcement or is sending what was asked for: then more is about to come
    /// that can go along.
    pub(super) fn flush_at(&self, batch: Duration) -> Option<Time> {
        let waiting = self.have.len() + self.kept.len() + self.receipts.len();
        let at_rest = self.wants.is_idle() && (self.have.is_empty() || self.answered);
        match self.flushed {
            _ if !self.calls.is_empty() => Some(Time(0)),
            _ if waiting == 0 => None,
            Some(flushed) if waiting < FULL_BATCH && !at_rest => Some(flushed + batch),
            _ => Some(Time(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::border::Medium;

    fn link(contact: Option<AccountId>, now: Time) -> Link {
        let profile = Profile { medium: Medium::Ble, mtu: 244, metered: false, typical_rate: 20_000 };
        Link::new(&Config::default(), now, Role::Dialer, contact, profile)
    }

    fn taken(link: &mut Link, now: Time) -> usize {
        let share = link.share.as_mut().unwrap();
        core::iter::from_fn(|| share.take(300, now).then_some(())).count()
    }

    #[test]
    fn attack_45_a_stranger_s_share_is_bounded_and_comes_back_slowly() {
        let mut stranger = link(None, Time(0));
        assert_eq!(taken(&mut stranger, Time(0)), 8 * 1024 / 300);
        assert!(taken(&mut stranger, Time(10_000)) <= 9);
        assert!(link(Some(AccountId([1; 20])), Time(0)).share.is_none(), "contacts share as they like");
    }

    #[test]
    fn attack_46_new_names_have_no_more_than_the_pool_and_leave_something_for_the_next() {
        let config = Config::default();
        let mut pool = Bucket::new(config.new_shares, Time(0));
        let mut all = 0;
        for n in 0..1_000 {
            let mut stranger = link(None, Time(n));
            stranger.begin_share(&mut pool, Time(n));
            all += taken(&mut stranger, Time(n)) * 300;
        }
        assert!(all as u64 <= config.new_shares.burst + config.new_shares.per_second, "{all}");
        let mut first = Bucket::new(config.new_shares, Time(0));
        link(None, Time(0)).begin_share(&mut first, Time(0));
        let mut second = link(None, Time(0));
        second.begin_share(&mut first, Time(0));
        assert!(taken(&mut second, Time(0)) > 3);
    }
}
