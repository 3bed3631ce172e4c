//! How much of a neighbour's time each source of envelopes gets (PROTOCOL.md section 9).
//!
//! Relays see links and not senders. So what is handed on goes by turns between the links that brought it, and
//! the time for which a link stood is the measure of its turns: whoever floods has the turns of one neighbour,
//! and whoever comes back under ten names has what one of them would have had in all that time.

use crate::id::LinkId;
use crate::time::Time;
use std::collections::BTreeMap;

/// Links whose time is remembered; beyond that what the oldest brought counts as older than this run.
const MAX_SESSIONS: usize = 4_096;
/// Seconds that every link is given beyond its own: a meeting has only just begun when it brings the most.
const HEAD_START: u32 = 15;
/// Seconds that count at most.
const MOST: u32 = 3_600;
/// What stands for a link where it is not known: in seconds, like a short meeting.
const UNKNOWN: u32 = 60;
/// What contacts brought has turns so many times as large.
const CONTACT: u32 = 4;
/// Own mail has the turns of a contact that stood for five minutes.
const OWN_WEIGHT: u32 = 4 * 300;

/// Which turns something has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its source.
    pub source: u64,
    /// How large the source's turns are.
    pub weight: u32,
}

/// The source of what was written here. Transports count links up from small numbers.
const OWN: u64 = u64::MAX;
/// The source of what is older than this run.
const OLD: u64 = u64::MAX - 1;

#[derive(Debug)]
struct Session {
    since: Time,
    until: Option<Time>,
    contact: bool,
}

/// How long links stood.
#[derive(Debug, Default)]
pub(super) struct Turns {
    sessions: BTreeMap<LinkId, Session>,
}

impl Turns {
    pub(super) fn up(&mut self, link: LinkId, now: Time, contact: bool) {
        self.sessions.insert(link, Session { since: now, until: None, contact });
        if self.sessions.len() > MAX_SESSIONS {
            let over = self.sessions.iter().find(|(_, session)| session.until.is_some());
            if let Some(link) = over.map(|(link, _)| *link) {
                self.sessions.remove(&link);
            }
        }
    }

    pub(super) fn down(&mut self, link: LinkId, now: Time) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.until = Some(now);
        }
    }

    pub(super) fn recognised(&mut self, link: LinkId) {
        if let Some(session) = self.sessions.get_mut(&link) {
            session.contact = true;
        }
    }

    /// The turns of what a link brought; of what was written here where `own`.
    pub(super) fn of(&self, via: Option<LinkId>, own: bool, now: Time) -> Turn {
        if own {
            return Turn { source: OWN, weight: OWN_WEIGHT };
        }
        let known = via.and_then(|link| Some((link, self.sessions.get(&link)?)));
        let Some((link, session)) = known else { return Turn { source: OLD, weight: UNKNOWN } };
        let stood = session.until.unwrap_or(now).since(session.since).as_secs();
        let seconds = u32::try_from(stood).unwrap_or(MOST).min(MOST) + HEAD_START;
        Turn { source: link.0, weight: if session.contact { CONTACT * seconds } else { seconds } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_46_ten_names_have_the_turns_of_one_that_stood_as_long() {
        let mut turns = Turns::default();
        turns.up(LinkId(1), Time(0), false);
        for n in 2..12 {
            turns.up(LinkId(n), Time(n * 60_000), false);
            turns.down(LinkId(n), Time((n + 1) * 60_000));
        }
        let now = Time(600_000);
        let one = turns.of(Some(LinkId(1)), false, now).weight;
        let ten: u32 = (2..12).map(|n| turns.of(Some(LinkId(n)), false, now).weight).sum();
        assert!(f64::from(ten) < 1.3 * f64::from(one), "{ten} and {one}");
    }

    #[test]
    fn contacts_and_own_mail_have_larger_turns() {
        let mut turns = Turns::default();
        turns.up(LinkId(1), Time(0), false);
        turns.up(LinkId(2), Time(0), true);
        let of = |via: Option<u64>, own| turns.of(via.map(LinkId), own, Time(60_000)).weight;
        assert_eq!(of(Some(2), false), CONTACT * of(Some(1), false));
        assert!(of(None, true) > of(Some(2), false));
        assert_eq!(of(None, false), UNKNOWN);
    }

    #[test]
    fn links_are_remembered_up_to_the_most_those_that_stand_before_others() {
        let mut turns = Turns::default();
        for n in 0..MAX_SESSIONS as u64 + 100 {
            turns.up(LinkId(n), Time(n), false);
            if n > 0 {
                turns.down(LinkId(n), Time(n + 1));
            }
        }
        assert_eq!(turns.sessions.len(), MAX_SESSIONS);
        assert!(turns.sessions.contains_key(&LinkId(0)));
    }
}
