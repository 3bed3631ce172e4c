//! How eagerly neighbours are looked for: briskly when something moved, calmly when nothing does.
//!
//! Every question and every answer wakes every node of a network (PROTOCOL.md section 4.7).

use std::time::{Duration, Instant};

/// After the last change discovery stays brisk for so long where a link stands.
const BRISK_LINKED: Duration = Duration::from_secs(60);
/// The same without any link.
const BRISK_ALONE: Duration = Duration::from_secs(600);
/// A network that changes does so in several steps.
const SETTLE: Duration = Duration::from_millis(100);
/// Discovery does not start anew more often than this: interfaces may flap.
const LEAST: Duration = Duration::from_secs(2);
/// After so many announcements discovery starts anew: libp2p never bounds what it remembers.
const MAX_ANNOUNCED: usize = 2048;

/// How eagerly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeal {
    /// A question every few seconds.
    Brisk,
    /// A question now and then, for what nobody announced.
    Calm,
}

impl Zeal {
    /// How long an announcement holds without being repeated.
    pub(super) fn ttl(self) -> Duration {
        match self {
            Self::Brisk => Duration::from_secs(20),
            Self::Calm => Duration::from_secs(600),
        }
    }

    /// How often neighbours are asked for.
    pub(super) fn query(self) -> Duration {
        match self {
            Self::Brisk => Duration::from_secs(8),
            Self::Calm => Duration::from_secs(240),
        }
    }
}

/// Decides the zeal. Time is an argument.
#[derive(Debug)]
pub(super) struct Pace {
    zeal: Zeal,
    /// When something moved last.
    moved: Instant,
    /// When discovery started anew last.
    renewed: Instant,
    /// When it is to start anew because something moved.
    renew: Option<Instant>,
    /// Announcements heard since discovery started anew.
    announced: usize,
}

impl Pace {
    /// Begins briskly.
    pub(super) fn new(now: Instant) -> Self {
        Self { zeal: Zeal::Brisk, moved: now, renewed: now, renew: None, announced: 0 }
    }

    /// The network changed, or the last neighbour is gone.
    pub(super) fn moved(&mut self, now: Instant) {
        self.renew.get_or_insert_with(|| (now + SETTLE).max(self.renewed + LEAST));
    }

    /// So many addresses were announced.
    pub(super) fn announced(&mut self, count: usize) {
        self.announced = self.announced.saturating_add(count);
    }

    /// How to start discovery anew now; `None` while nothing is due.
    pub(super) fn take_due(&mut self, now: Instant, linked: bool) -> Option<Zeal> {
        if self.due(linked).is_none_or(|at| now < at) {
            return None;
        }
        if self.renew.is_some_and(|at| at <= now) {
            (self.zeal, self.moved, self.renew) = (Zeal::Brisk, now, None);
        } else if self.announced <= MAX_ANNOUNCED {
            self.zeal = Zeal::Calm;
        }
        (self.renewed, self.announced) = (now, 0);
        Some(self.zeal)
    }

    /// When [`Pace::take_due`] has something to say.
    pub(super) fn due(&self, linked: bool) -> Option<Instant> {
        let brisk = if linked { BRISK_LINKED } else { BRISK_ALONE };
        let calm = (self.zeal == Zeal::Brisk).then(|| self.moved + brisk);
        let full = (self.announced > MAX_ANNOUNCED).then(|| self.renewed + LEAST);
        self.renew.into_iter().chain(calm).chain(full).min()
    }

    /// The zeal at work.
    pub(super) fn zeal(&self) -> Zeal {
        self.zeal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_stays_with_its_neighbours_becomes_calm() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.take_due(now + BRISK_LINKED - SETTLE, true), None);
        assert_eq!(pace.take_due(now + BRISK_LINKED, false), None, "alone it looks longer");
        assert_eq!(pace.take_due(now + BRISK_LINKED, true), Some(Zeal::Calm));
        assert_eq!(pace.due(true), None, "nothing wakes a calm node");
        assert_eq!(pace.due(false), None);
    }

    #[test]
    fn a_change_of_the_network_makes_it_brisk_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.take_due(now + BRISK_ALONE, false), Some(Zeal::Calm));
        let later = now + BRISK_ALONE * 2;
        pace.moved(later);
        assert_eq!(pace.take_due(later, true), None, "it waits for the other steps of the change");
        assert_eq!(pace.take_due(later + SETTLE, true), Some(Zeal::Brisk));
        assert_eq!(pace.due(true), Some(later + SETTLE + BRISK_LINKED));
    }

    #[test]
    fn an_interface_that_flaps_does_not_start_discovery_all_the_time() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let renewals = (0..1_000_u32).filter(|n| {
            let at = now + Duration::from_millis(10) * *n;
            pace.moved(at);
            pace.take_due(at, false).is_some()
        });
        assert!(renewals.count() <= 5, "in 10 s");
    }

    #[test]
    fn false_announcements_without_end_make_discovery_forget_them() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.announced(MAX_ANNOUNCED);
        assert_eq!(pace.take_due(now + LEAST, true), None);
        pace.announced(1);
        assert_eq!(pace.take_due(now, true), None, "not all the time");
        assert_eq!(pace.take_due(now + LEAST, true), Some(Zeal::Brisk));
        assert_eq!(pace.take_due(now + LEAST * 2, true), None);
    }

    #[test]
    fn an_announcement_outlives_two_questions_that_are_lost() {
        for zeal in [Zeal::Brisk, Zeal::Calm] {
            assert!(zeal.ttl() > zeal.query() * 2);
        }
    }
}
