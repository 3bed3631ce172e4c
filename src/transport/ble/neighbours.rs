//! Who is in reach, whom to dial and when. Time is an argument.

use super::overlay::{self, Candidate};
use super::radio::{Advert, Remote};
use mesh_core::LinkId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Neighbours remembered at a time; a flood of false adverts fills no more.
pub(super) const MAX_KNOWN: usize = 256;
/// Who was not heard for so long is not dialled: a connection to somebody absent blocks the radio for its time limit.
const HEARD: Duration = Duration::from_secs(10);
/// Who was not heard for so long, a pause of listening and more, was away.
const AWAY: Duration = Duration::from_secs(15);
/// Who was not heard for so long counts as gone.
const GONE: Duration = Duration::from_secs(120);
/// How long the end with the higher advert leaves the dialling to the other: adverts change, and both ends may think
/// so of one another.
const YIELD: Duration = Duration::from_secs(10);
/// The first pause after a failure; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Signals below this are not dialled while a stronger neighbour is heard, in dBm.
const WEAK: i8 = -90;
/// An unchanged advert is told to the node so often.
const TELL: Duration = Duration::from_secs(5);
/// A neighbour that is linked elsewhere is left alone for so long, unless a link ends before.
const ALONE: Duration = Duration::from_secs(300);

#[derive(Debug)]
struct Known {
    /// `None`: never heard by this radio, only connected.
    advert: Option<Advert>,
    rssi: Option<i8>,
    heard: Instant,
    /// When the node was told of it.
    told: Option<Instant>,
    due: Instant,
    failures: u32,
    /// Until when nothing is to do with it, in either direction.
    shunned: Option<Instant>,
    /// The link that was one too many, and until when this one is left alone.
    alone: Option<(LinkId, Instant)>,
}

/// A neighbour as a status shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) rssi: Option<i8>,
    pub(super) heard: Instant,
}

/// All neighbours of one radio.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    known: BTreeMap<Remote, Known>,
}

impl Neighbours {
    /// An advert was heard. `jitter` delays the first attempt. Returns whether the node is to be told.
    pub(super) fn heard(
        &mut self,
        now: Instant,
        remote: Remote,
        advert: Advert,
        rssi: Option<i8>,
        jitter: Duration,
    ) -> bool {
        let Some(known) = self.entry(now, remote, jitter) else { return false };
        if now >= known.heard + AWAY {
            // Who comes back is as new to both ends: one dials first again.
            known.due = known.due.max(now + jitter);
        }
        let changed = known.advert != Some(advert);
        // Single values jump by several dB.
        known.rssi = match (known.rssi, rssi) {
            (Some(before), Some(rssi)) => Some(((3 * i16::from(before) + i16::from(rssi)) / 4) as i8),
            (before, rssi) => rssi.or(before),
        };
        (known.advert, known.heard) = (Some(advert), now);
        let tell = changed || known.told.is_none_or(|told| now >= told + TELL);
        if tell {
            known.told = Some(now);
        }
        tell
    }

    /// Somebody to dial now. `linked` says who needs no further connection.
    pub(super) fn choose(
        &self,
        now: Instant,
        ours: &Advert,
        linked: impl Fn(Remote) -> bool,
        draw: u64,
    ) -> Option<Remote> {
        let strong = self.known.values().any(|known| known.is_near(now) && !known.is_weak());
        let ready = self.known.iter().filter(|(remote, known)| {
            known.ready_at(now, ours).is_some_and(|at| at <= now)
                && !linked(**remote)
                && !(strong && known.is_weak())
        });
        let candidates: Vec<_> =
            ready.map(|(remote, known)| Candidate { remote: *remote, rssi: known.rssi }).collect();
        overlay::choose(&candidates, draw)
    }

    /// When [`Neighbours::choose`] may find somebody that it does not find now.
    pub(super) fn next_due(&self, now: Instant, ours: &Advert) -> Option<Instant> {
        let ready = self.known.values().filter_map(|known| known.ready_at(now, ours));
        ready.filter(|at| *at > now).min()
    }

    /// An attempt failed or a connection ended: the next attempt comes after a pause.
    pub(super) fn lost(&mut self, now: Instant, remote: Remote, jitter: Duration) {
        let Some(known) = self.entry(now, remote, jitter) else { return };
        known.due = now + pause(known.failures) + jitter;
        known.failures = known.failures.saturating_add(1);
    }

    /// A link was good for long enough to forget earlier failures.
    pub(super) fn proved(&mut self, remote: Remote) {
        if let Some(known) = self.known.get_mut(&remote) {
            known.failures = 0;
        }
    }

    /// Nothing is to do with this neighbour for so long, in either direction.
    pub(super) fn shun(&mut self, now: Instant, remote: Remote, long: Duration) {
        if let Some(known) = self.entry(now, remote, Duration::ZERO) {
            known.shunned = Some(known.shunned.map_or(now + long, |until| until.max(now + long)));
        }
    }

    /// Whether a connection of this neighbour is to be refused.
    pub(super) fn is_shunned(&self, now: Instant, remote: Remote) -> bool {
        self.known.get(&remote).is_some_and(|known| known.is_shunned(now))
    }

    /// `link` was one too many: this neighbour is linked otherwise.
    pub(super) fn leave_alone(&mut self, now: Instant, remote: Remote, link: LinkId) {
        if let Some(known) = self.entry(now, remote, Duration::ZERO) {
            known.alone = Some((link, now + ALONE));
        }
    }

    /// A link ended: whoever was left alone for another one may be needed. `jitter` is drawn for each.
    pub(super) fn link_ended(&mut self, now: Instant, link: LinkId, mut jitter: impl FnMut() -> Duration) {
        for known in self.known.values_mut() {
            if known.alone.is_some_and(|(own, _)| own != link) {
                known.alone = None;
                known.due = known.due.max(now + jitter());
            }
        }
    }

    /// The radio went away and hears nobody: who is heard again is new, whom this node shuns it still shuns.
    pub(super) fn forget(&mut self, now: Instant) {
        self.known.retain(|_, known| known.is_shunned(now));
        self.known.values_mut().for_each(|known| known.advert = None);
    }

    /// Who is in reach.
    pub(super) fn in_reach(&self, now: Instant) -> Vec<Seen> {
        let near = self.known.values().filter(|known| known.advert.is_some() && now < known.heard + GONE);
        near.map(|known| Seen { rssi: known.rssi, heard: known.heard }).collect()
    }

    /// The strength of one neighbour's adverts.
    pub(super) fn rssi(&self, remote: Remote) -> Option<i8> {
        self.known.get(&remote).and_then(|known| known.rssi)
    }

    fn entry(&mut self, now: Instant, remote: Remote, jitter: Duration) -> Option<&mut Known> {
        if !self.known.contains_key(&remote) && !self.make_room(now) {
            return None;
        }
        let fresh = || Known {
            advert: None,
            rssi: None,
            heard: now,
            told: None,
            due: now + jitter,
            failures: 0,
            shunned: None,
            alone: None,
        };
        Some(self.known.entry(remote).or_insert_with(fresh))
    }

    /// Drops whoever was silent longest when the table is full, but nobody that is shunned; whether there is room.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.known.len() < MAX_KNOWN {
            return true;
        }
        let droppable = self.known.iter().filter(|(_, known)| !known.is_shunned(now));
        let Some(oldest) = droppable.min_by_key(|(_, known)| known.heard).map(|(remote, _)| *remote) else {
            return false;
        };
        self.known.remove(&oldest);
        true
    }
}

impl Known {
    fn is_near(&self, now: Instant) -> bool {
        self.advert.is_some() && now < self.heard + HEARD
    }

    fn is_weak(&self) -> bool {
        self.rssi.is_some_and(|rssi| rssi < WEAK)
    }

    fn is_shunned(&self, now: Instant) -> bool {
        self.shunned.is_some_and(|until| now < until)
    }

    /// When it may be dialled, as things stand; `None` while it is not heard.
    fn ready_at(&self, now: Instant, ours: &Advert) -> Option<Instant> {
        let theirs = self.advert.filter(|_| self.is_near(now))?;
        let turn = if overlay::dials(ours, &theirs) { self.due } else { self.due + YIELD };
        let alone = self.alone.map(|(_, until)| until);
        Some(self.shunned.into_iter().chain(alone).fold(turn, Instant::max))
    }
}

/// The pause after so many failures in a row, without jitter.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Advert = [5; 6];
    const SECOND: Duration = Duration::from_secs(1);

    fn nobody(_: Remote) -> bool {
        false
    }

    fn heard(neighbours: &mut Neighbours, now: Instant, remote: u64, advert: u8, rssi: i8) -> bool {
        neighbours.heard(now, Remote(remote), [advert; 6], Some(rssi), Duration::ZERO)
    }

    #[test]
    fn the_lower_advert_dials_and_the_higher_one_only_when_nothing_comes() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        heard(&mut neighbours, now, 1, 9, -60);
        assert_eq!(neighbours.choose(now, &OURS, nobody, 0), Some(Remote(1)));
        let mut neighbours = Neighbours::default();
        heard(&mut neighbours, now, 1, 2, -60);
        assert_eq!(neighbours.choose(now, &OURS, nobody, 0), None);
        assert_eq!(neighbours.next_due(now, &OURS), Some(now + YIELD));
        let later = now + YIELD;
        heard(&mut neighbours, later, 1, 2, -60);
        assert_eq!(neighbours.choose(later, &OURS, nobody, 0), Some(Remote(1)));
        assert_eq!(neighbours.choose(later, &OURS, |_| true, 0), None, "it is linked");
    }

    #[test]
    fn only_who_was_heard_in_the_last_seconds_is_dialled() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        heard(&mut neighbours, now, 1, 9, -60);
        assert_eq!(neighbours.choose(now + HEARD, &OURS, nobody, 0), None);
        assert_eq!(neighbours.next_due(now + HEARD, &OURS), None, "and nobody wakes for it");
    }

    #[test]
    fn who_comes_back_is_left_to_the_one_that_dials_again() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        heard(&mut neighbours, now, 1, 2, -60);
        let later = now + HEARD * 10;
        heard(&mut neighbours, later, 1, 2, -60);
        assert_eq!(neighbours.choose(later, &OURS, nobody, 0), None);
        assert_eq!(neighbours.next_due(later, &OURS), Some(later + YIELD));
    }

    #[test]
    fn failures_lengthen_the_pause_from_one_second_to_a_minute() {
        let mut now = Instant::now();
        let mut neighbours = Neighbours::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            neighbours.lost(now, Remote(1), Duration::ZERO);
            heard(&mut neighbours, now, 1, 9, -60);
            let due = neighbours.next_due(now, &OURS).unwrap();
            pauses.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        neighbours.proved(Remote(1));
        neighbours.lost(now, Remote(1), Duration::ZERO);
        heard(&mut neighbours, now, 1, 9, -60);
        assert_eq!(neighbours.next_due(now, &OURS), Some(now + SECOND), "a good link makes them forgotten");
    }

    #[test]
    fn a_weak_neighbour_is_dialled_where_no_stronger_one_is_heard() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        heard(&mut neighbours, now, 1, 9, -95);
        assert_eq!(neighbours.choose(now, &OURS, nobody, 0), Some(Remote(1)));
        heard(&mut neighbours, now, 2, 1, -70);
        assert_eq!(neighbours.choose(now, &OURS, nobody, 0), None);
        assert_eq!(neighbours.choose(now, &OURS, |remote| remote == Remote(2), 0), None, "linked or not");
    }

    #[test]
    fn a_neighbour_that_is_linked_elsewhere_is_left_alone_until_another_link_ends() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        heard(&mut neighbours, now, 1, 9, -60);
        neighbours.leave_alone(now, Remote(1), LinkId(7));
        neighbours.link_ended(now, LinkId(7), || Duration::ZERO);
        assert_eq!(neighbours.choose(now, &OURS, nobody, 0), None, "its own end is no reason");
        assert_eq!(neighbours.next_due(now, &OURS), Some(now + ALONE));
        neighbours.link_ended(now, LinkId(8), || SECOND);
        assert_eq!(neighbours.choose(now, &OURS, nobody, 0), None);
        assert_eq!(neighbours.choose(now + SECOND, &OURS, nobody, 0), Some(Remote(1)));
    }

    #[test]
    fn the_node_hears_of_changes_at_once_and_of_the_rest_now_and_then() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        assert!(heard(&mut neighbours, now, 1, 9, -60));
        assert!(!heard(&mut neighbours, now + SECOND, 1, 9, -60));
        assert!(heard(&mut neighbours, now + SECOND, 1, 8, -60));
        assert!(heard(&mut neighbours, now + SECOND + TELL, 1, 8, -60));
    }

    #[test]
    fn who_is_shunned_stays_so_when_the_radio_comes_back() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        neighbours.shun(now, Remote(1), SECOND * 600);
        neighbours.forget(now);
        heard(&mut neighbours, now, 1, 9, -60);
        assert!(neighbours.is_shunned(now, Remote(1)));
        assert_eq!(neighbours.choose(now, &OURS, nobody, 0), None);
        assert!(!neighbours.is_shunned(now + SECOND * 600, Remote(1)));
    }

    #[test]
    fn attack_55_false_adverts_without_end_fill_a_bounded_table() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        neighbours.shun(now, Remote(0), SECOND * 600);
        for remote in 1..=5_000 {
            heard(&mut neighbours, now + Duration::from_millis(remote), remote, 9, -60);
        }
        assert_eq!(neighbours.known.len(), MAX_KNOWN);
        assert!(neighbours.is_shunned(now, Remote(0)), "a flood frees nobody");
    }
}
