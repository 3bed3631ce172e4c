//! Who is in reach, and with whom nothing is to be done. Whom to dial is the overlay's to say. Time is an argument.

use super::radio::{Advert, Remote};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Neighbours remembered at a time; a flood of false adverts fills no more.
pub(super) const MAX_KNOWN: usize = 256;
/// Who was not heard for so long counts as gone.
const GONE: Duration = Duration::from_secs(120);
/// An unchanged advert is told to the node so often.
const TELL: Duration = Duration::from_secs(5);
/// How long a neighbour is left alone whose handshake began and was not done in time; doubled each time. Bad air does
/// that to honest neighbours too.
const FIRST_STUMBLE: Duration = Duration::from_secs(2);
/// The longest of these.
const LONGEST_STUMBLE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Known {
    /// `None`: never heard by this radio, only connected.
    advert: Option<Advert>,
    rssi: Option<i8>,
    heard: Instant,
    /// When the node was told of it.
    told: Option<Instant>,
    /// Until when nothing is to do with it, in either direction.
    shunned: Option<Instant>,
    /// Handshakes in a row that began and were not done in time.
    stumbles: u32,
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
    /// An advert was heard. Returns whether the node is to be told.
    pub(super) fn heard(&mut self, now: Instant, remote: Remote, advert: Advert, rssi: Option<i8>) -> bool {
        let Some(known) = self.entry(now, remote) else { return false };
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

    /// Nothing is to do with this neighbour for so long, in either direction.
    pub(super) fn shun(&mut self, now: Instant, remote: Remote, long: Duration) {
        if let Some(known) = self.entry(now, remote) {
            known.shunned = Some(known.shunned.map_or(now + long, |until| until.max(now + long)));
        }
    }

    /// A handshake of this neighbour's began and was not done in time: nothing is to do with it for a while, longer each
    /// time. Who was dropped from a full table begins from the start.
    pub(super) fn stumbled(&mut self, now: Instant, remote: Remote) {
        let Some(known) = self.entry(now, remote) else { return };
        let long = FIRST_STUMBLE.saturating_mul(1 << known.stumbles.min(5)).min(LONGEST_STUMBLE);
        known.stumbles = known.stumbles.saturating_add(1);
        self.shun(now, remote, long);
    }

    /// This neighbour shook hands.
    pub(super) fn shook_hands(&mut self, remote: Remote) {
        if let Some(known) = self.known.get_mut(&remote) {
            known.stumbles = 0;
        }
    }

    /// Whether nothing is to do with this neighbour, in either direction.
    pub(super) fn is_shunned(&self, now: Instant, remote: Remote) -> bool {
        self.known.get(&remote).is_some_and(|known| known.is_shunned(now))
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

    fn entry(&mut self, now: Instant, remote: Remote) -> Option<&mut Known> {
        if !self.known.contains_key(&remote) && !self.make_room(now) {
            return None;
        }
        let fresh = || Known { advert: None, rssi: None, heard: now, told: None, shunned: None, stumbles: 0 };
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
    fn is_shunned(&self, now: Instant) -> bool {
        self.shunned.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn heard(neighbours: &mut Neighbours, now: Instant, remote: u64, advert: u8, rssi: i8) -> bool {
        neighbours.heard(now, Remote(remote), [advert; 6], Some(rssi))
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
    fn single_values_of_strength_move_what_is_shown_by_a_quarter() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        heard(&mut neighbours, now, 1, 9, -60);
        heard(&mut neighbours, now, 1, 9, -80);
        assert_eq!(neighbours.rssi(Remote(1)), Some(-65));
    }

    #[test]
    fn who_is_shunned_stays_so_when_the_radio_comes_back() {
        let now = Instant::now();
        let mut neighbours = Neighbours::default();
        neighbours.shun(now, Remote(1), SECOND * 600);
        neighbours.forget(now);
        heard(&mut neighbours, now, 1, 9, -60);
        assert!(neighbours.is_shunned(now, Remote(1)));
        assert!(!neighbours.is_shunned(now + SECOND * 600, Remote(1)));
    }

    #[test]
    fn who_stumbles_is_left_alone_twice_as_long_each_time_up_to_a_minute_and_from_the_start_after_a_handshake()
     {
        let mut now = Instant::now();
        let mut neighbours = Neighbours::default();
        let mut stumble = |neighbours: &mut Neighbours| {
            neighbours.stumbled(now, Remote(1));
            let shunned = |second: &u32| neighbours.is_shunned(now + SECOND * *second, Remote(1));
            let seconds = (0..1_000).take_while(shunned).count();
            now += SECOND * 100;
            seconds
        };
        let long: Vec<_> = (0..7).map(|_| stumble(&mut neighbours)).collect();
        assert_eq!(long, [2, 4, 8, 16, 32, 60, 60]);
        neighbours.shook_hands(Remote(1));
        assert_eq!(stumble(&mut neighbours), 2);
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
