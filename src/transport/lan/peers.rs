//! Whom to dial and when: neighbours that were discovered, and addresses that a person named.

use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Neighbours remembered at a time; a flood of false announcements fills no more (security test 55).
pub(super) const MAX_PEERS: usize = 256;
/// Addresses remembered for each.
const MAX_ADDRESSES: usize = 8;
/// How long the node with the greater id leaves the dialling to the other.
const YIELD: Duration = Duration::from_secs(1);
/// The first pause after a failure; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Attempts at an address that nobody will withdraw before it is forgotten; the next announcement names it again.
const UNCERTAIN_ATTEMPTS: u32 = 6;

/// Where an address came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Announced on the network; withdrawn by [`Peers::expired`].
    Mdns,
    /// Announced once, on this machine or before discovery started anew: nobody withdraws it.
    Uncertain,
}

/// The pause after so many failures in a row, without jitter.
pub(super) fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE)
}

#[derive(Debug)]
struct Known {
    addresses: Vec<(Multiaddr, Source)>,
    failures: u32,
    /// When to dial; `None` while an attempt is under way or a link stands.
    due: Option<Instant>,
    /// Until when not even an inbound connection is taken.
    shunned: Option<Instant>,
}

/// All discovered neighbours. Time is an argument.
#[derive(Debug)]
pub(super) struct Peers {
    ours: PeerId,
    known: BTreeMap<PeerId, Known>,
}

impl Peers {
    pub(super) fn new(ours: PeerId) -> Self {
        Self { ours, known: BTreeMap::new() }
    }

    /// An address was announced. Returns whether the neighbour was unknown.
    pub(super) fn discovered(
        &mut self,
        now: Instant,
        peer: PeerId,
        address: Multiaddr,
        source: Source,
    ) -> bool {
        if peer == self.ours {
            return false;
        }
        let unknown = !self.known.contains_key(&peer);
        if unknown && !self.make_room() {
            return false;
        }
        let due = if self.ours < peer { now } else { now + YIELD };
        let known = self.known.entry(peer).or_insert_with(|| Known {
            addresses: Vec::new(),
            failures: 0,
            due: Some(due),
            shunned: None,
        });
        if let Some((_, held)) = known.addresses.iter_mut().find(|(held, _)| *held == address) {
            *held = source;
            return unknown;
        }
        if known.addresses.len() == MAX_ADDRESSES {
            known.addresses.remove(0);
        }
        known.addresses.push((address, source));
        // A new address is a new chance: no need to sit out the pause of the old one.
        if let Some(at) = &mut known.due
            && known.shunned.is_none()
        {
            *at = due.min(*at);
        }
        unknown
    }

    /// Discovery starts anew and will not withdraw what it found before. Whoever is not linked is tried at once, and
    /// patiently again.
    pub(super) fn renewed(&mut self, now: Instant) {
        for (peer, known) in &mut self.known {
            known.addresses.iter_mut().for_each(|(_, source)| *source = Source::Uncertain);
            if let Some(due) = known.due.as_mut().filter(|_| known.shunned.is_none()) {
                known.failures = 0;
                *due = (*due).min(if self.ours < *peer { now } else { now + YIELD });
            }
        }
    }

    /// An announcement was not repeated in time.
    pub(super) fn expired(&mut self, peer: &PeerId, address: &Multiaddr) {
        let Some(known) = self.known.get_mut(peer) else { return };
        known.addresses.retain(|(held, source)| held != address || *source != Source::Mdns);
        self.forget_if_useless(peer);
    }

    /// Neighbours to dial now, each marked as being dialled.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let due = self.known.iter_mut().filter(|(_, known)| known.due.is_some_and(|at| at <= now));
        due.take(most)
            .map(|(peer, known)| {
                known.due = None;
                known.shunned = None;
                (*peer, known.addresses.iter().map(|(address, _)| address.clone()).collect())
            })
            .collect()
    }

    /// The next moment at which somebody is to be dialled.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.known.values().filter_map(|known| known.due).min()
    }

    /// A connection stands: nobody dials until it is gone.
    pub(super) fn connected(&mut self, peer: &PeerId) {
        if let Some(known) = self.known.get_mut(peer) {
            known.due = None;
        }
    }

    /// A link was good for long enough to forget earlier failures.
    pub(super) fn proved(&mut self, peer: &PeerId) {
        if let Some(known) = self.known.get_mut(peer) {
            known.failures = 0;
        }
    }

    /// An attempt failed or a connection ended: the next attempt comes after a pause, at least `jitter` long.
    pub(super) fn lost(&mut self, now: Instant, peer: &PeerId, jitter: Duration) {
        let Some(known) = self.known.get_mut(peer) else { return };
        if known.shunned.is_some_and(|until| now < until) {
            return;
        }
        let pause = pause(known.failures);
        known.failures = known.failures.saturating_add(1);
        known.due = Some(now + jitter + if self.ours < *peer { pause } else { pause + YIELD });
        self.forget_if_useless(peer);
    }

    /// Nothing is to do with this neighbour for so long, in either direction.
    pub(super) fn shun(&mut self, now: Instant, peer: &PeerId, long: Duration) {
        if !self.known.contains_key(peer) && !self.make_room() {
            return;
        }
        let fresh = || Known { addresses: Vec::new(), failures: 0, due: None, shunned: None };
        let known = self.known.entry(*peer).or_insert_with(fresh);
        known.shunned = Some(now + long);
        known.due = known.shunned;
    }

    /// Whether a connection of this neighbour is to be refused.
    pub(super) fn shunned(&self, now: Instant, peer: &PeerId) -> bool {
        self.known.get(peer).and_then(|known| known.shunned).is_some_and(|until| now < until)
    }

    fn forget_if_useless(&mut self, peer: &PeerId) {
        let Some(known) = self.known.get_mut(peer) else { return };
        if known.failures > UNCERTAIN_ATTEMPTS {
            known.addresses.retain(|(_, source)| *source != Source::Uncertain);
        }
        if known.addresses.is_empty() && known.due.is_some() && known.shunned.is_none() {
            self.known.remove(peer);
        }
    }

    /// Drops whoever failed most often when the table is full; whether there is room.
    fn make_room(&mut self) -> bool {
        if self.known.len() < MAX_PEERS {
            return true;
        }
        let waiting = self.known.iter().filter(|(_, known)| known.due.is_some());
        let Some(worst) = waiting.max_by_key(|(_, known)| known.failures).map(|(peer, _)| *peer) else {
            return false;
        };
        self.known.remove(&worst);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered() -> (PeerId, PeerId) {
        let (a, b) = (PeerId::random(), PeerId::random());
        if a < b { (a, b) } else { (b, a) }
    }

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn the_lower_id_dials_at_once_and_the_greater_waits_a_second() {
        let now = Instant::now();
        let (low, high) = ordered();
        let mut peers = Peers::new(low);
        peers.discovered(now, high, address(1), Source::Mdns);
        assert_eq!(peers.take_due(now, 9).len(), 1);
        let mut peers = Peers::new(high);
        peers.discovered(now, low, address(1), Source::Mdns);
        assert_eq!(peers.take_due(now, 9).len(), 0);
        assert_eq!(peers.take_due(now + YIELD, 9).len(), 1);
    }

    #[test]
    fn failures_lengthen_the_pause_up_to_a_limit() {
        let (low, high) = ordered();
        let mut now = Instant::now();
        let mut peers = Peers::new(low);
        peers.discovered(now, high, address(1), Source::Mdns);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            peers.take_due(now, 9);
            peers.lost(now, &high, Duration::ZERO);
            let due = peers.next_due().unwrap();
            pauses.push(due - now);
            now = due;
        }
        assert_eq!(pauses[0], FIRST_PAUSE);
        assert!(pauses.is_sorted());
        assert_eq!(pauses[11], LONGEST_PAUSE);
    }

    #[test]
    fn a_new_address_ends_the_pause() {
        let now = Instant::now();
        let (low, high) = ordered();
        let mut peers = Peers::new(low);
        peers.discovered(now, high, address(1), Source::Mdns);
        for _ in 0..5 {
            peers.lost(now, &high, Duration::ZERO);
        }
        peers.discovered(now, high, address(2), Source::Mdns);
        assert_eq!(peers.take_due(now, 9).len(), 1);
    }

    #[test]
    fn after_a_change_of_the_network_known_neighbours_are_tried_at_once() {
        let now = Instant::now();
        let (low, high) = ordered();
        let mut peers = Peers::new(low);
        peers.discovered(now, high, address(1), Source::Mdns);
        for _ in 0..UNCERTAIN_ATTEMPTS {
            peers.take_due(now + LONGEST_PAUSE, 9);
            peers.lost(now, &high, Duration::ZERO);
        }
        assert_eq!(peers.take_due(now, 9).len(), 0);
        peers.renewed(now);
        assert_eq!(peers.take_due(now, 9).len(), 1);
        for _ in 0..=UNCERTAIN_ATTEMPTS {
            peers.lost(now, &high, Duration::ZERO);
        }
        assert_eq!(peers.next_due(), None, "nobody announced it again");
    }

    #[test]
    fn attack_55_five_thousand_false_neighbours_fill_a_bounded_table() {
        let now = Instant::now();
        let (low, high) = ordered();
        let mut peers = Peers::new(low);
        peers.discovered(now, high, address(1), Source::Mdns);
        peers.take_due(now, 1);
        for port in 0..5000 {
            peers.discovered(now, PeerId::random(), address(port), Source::Mdns);
        }
        assert_eq!(peers.known.len(), MAX_PEERS);
        assert!(peers.known.contains_key(&high), "who is being dialled or linked stays");
        for port in 0..5000 {
            peers.discovered(now, high, address(port), Source::Mdns);
        }
        assert_eq!(peers.known[&high].addresses.len(), MAX_ADDRESSES);
    }

    #[test]
    fn who_is_shunned_is_neither_dialled_nor_taken() {
        let now = Instant::now();
        let (low, high) = ordered();
        let mut peers = Peers::new(low);
        peers.discovered(now, high, address(1), Source::Uncertain);
        peers.shun(now, &high, Duration::from_secs(60));
        peers.discovered(now, high, address(2), Source::Uncertain);
        assert!(peers.take_due(now + Duration::from_secs(59), 9).is_empty());
        assert!(peers.shunned(now + Duration::from_secs(59), &high));
        assert!(!peers.shunned(now + Duration::from_secs(60), &high));
        assert_eq!(peers.take_due(now + Duration::from_secs(60), 9).len(), 1);
    }

    #[test]
    fn a_withdrawn_neighbour_is_forgotten() {
        let now = Instant::now();
        let (low, high) = ordered();
        let mut peers = Peers::new(low);
        peers.discovered(now, high, address(1), Source::Mdns);
        peers.expired(&high, &address(1));
        assert_eq!(peers.next_due(), None);
        peers.discovered(now, high, address(1), Source::Uncertain);
        for _ in 0..=UNCERTAIN_ATTEMPTS {
            peers.lost(now, &high, Duration::ZERO);
        }
        assert_eq!(peers.next_due(), None, "a beacon's address is forgotten after some failures");
    }
}
