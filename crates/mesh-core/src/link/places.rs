//! Who has a place when there are more neighbours than places (PROTOCOL.md section 4.6).
//!
//! Identities are free: whoever is nearby could otherwise take every place and keep contacts away. So strangers have
//! fewer places than there are, and who has not said yet who it is waits beside them.

use super::{Link, State};
use crate::border::Role;
use crate::id::LinkId;

impl State {
    /// The link that has waited longest for its hello, where as many wait as may.
    pub(super) fn slowest(&self) -> Option<LinkId> {
        let waiting = || self.links.iter().filter(|(_, live)| live.their.is_none());
        if waiting().count() < self.config.greeting {
            return None;
        }
        waiting().min_by_key(|(link, live)| (live.since, **link)).map(|(link, _)| *link)
    }

    /// Which link goes now that `new` has greeted: the youngest stranger, first of those that came to us.
    pub(super) fn surplus(&self, new: LinkId) -> Option<LinkId> {
        let strangers = || self.links.iter().filter(|(_, live)| live.is_stranger());
        let crowded = self.links.get(&new)?.is_stranger() && strangers().count() > self.config.strangers;
        if !crowded && self.ready_count() <= self.config.links {
            return None;
        }
        let youngest = |(link, live): &(&LinkId, &Link)| (live.role == Role::Listener, live.since, **link);
        Some(strangers().max_by_key(youngest).map_or(new, |(link, _)| *link))
    }
}

impl Link {
    fn is_stranger(&self) -> bool {
        self.their.is_some() && self.contact.is_none()
    }
}
