//! Invites: secrets that a link carries, so that whoever calls proves to have had the link.

use super::kdf::kdf;
use crate::id::Invite;
use crate::rng::Rng;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// The most invites at a time, spent ones included: each costs a trial on every first contact.
pub const MAX_INVITES: usize = 16;
/// How long a spent invite still opens repetitions of the contacts that it was spent on: 14 days of
/// uptime, the longest lifetime of an envelope.
pub const SPENT_FOR: Duration = Duration::from_secs(14 * 86_400);

/// The pre-shared key of a first contact through an invite (PROTOCOL.md section 5).
#[must_use]
pub fn invite_psk(invite: &Invite) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(kdf("invite psk", &[&invite.0]))
}

/// The pre-shared key, known to everybody, of a first contact without an invite.
#[must_use]
pub fn no_invite_psk() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(kdf("no invite", &[]))
}

/// One of the pre-shared keys to try on a first contact.
#[derive(Clone)]
pub struct InvitePsk {
    /// Which invite; `None` is the constant of those who have none.
    pub number: Option<u32>,
    /// Whether all uses are gone: only accounts that used it before may come again.
    pub spent: bool,
    /// The key.
    pub psk: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for InvitePsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, spent, psk: _ } = self;
        write!(f, "InvitePsk({number:?}, spent {spent})")
    }
}

/// As many invites as there may be; nothing was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {limit} invites at a time, spent ones of the last 14 days included")]
pub struct InvitesFull {
    /// [`MAX_INVITES`].
    pub limit: usize,
}

/// One invite.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) number: u32,
    secret: [u8; 16],
    /// The generation whose bundle the link carries.
    pub(super) generation: u32,
    pub(super) uses_left: Option<u32>,
    /// Uptime of the node at which it ends, in milliseconds.
    pub(super) ends_ms: Option<u64>,
}

impl Record {
    pub(super) fn secret(&self) -> Invite {
        Invite(self.secret)
    }

    pub(super) fn is_spent(&self) -> bool {
        self.uses_left == Some(0)
    }

    fn is_endless(&self) -> bool {
        self.uses_left.is_none() && self.ends_ms.is_none()
    }

    fn psk(&self) -> InvitePsk {
        InvitePsk { number: Some(self.number), spent: self.is_spent(), psk: invite_psk(&self.secret()) }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invite #{} of generation {}", self.number, self.generation)
    }
}

/// The invites of this device, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Invites {
    next: u32,
    list: Vec<Record>,
}

impl Invites {
    pub(super) fn add(
        &mut self,
        rng: &mut Rng,
        generation: u32,
        uses_left: Option<u32>,
        ends_ms: Option<u64>,
    ) -> Result<&Record, InvitesFull> {
        if self.list.len() >= MAX_INVITES {
            return Err(InvitesFull { limit: MAX_INVITES });
        }
        self.next += 1;
        let number = self.next;
        self.list.push(Record { number, secret: rng.bytes(), generation, uses_left, ends_ms });
        Ok(self.list.last().expect("an invite was just added"))
    }

    pub(super) fn remove(&mut self, number: u32) -> bool {
        let before = self.list.len();
        self.list.retain(|invite| invite.number != number);
        self.list.len() < before
    }

    /// Lets one end at `end` where it would live longer; `false` where there is none.
    pub(super) fn end_by(&mut self, number: u32, end: u64) -> bool {
        let Some(invite) = self.list.iter_mut().find(|invite| invite.number == number) else { return false };
        invite.ends_ms = Some(invite.ends_ms.map_or(end, |given| given.min(end)));
        true
    }

    /// Ends what has reached its uptime; returns whether something ended.
    pub(super) fn expire(&mut self, uptime_ms: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|invite| invite.ends_ms.is_none_or(|end| uptime_ms < end));
        self.list.len() < before
    }

    /// Takes one use; `false` where there is no such invite or no use is left.
    pub(super) fn spend(&mut self, number: u32, uptime_ms: u64) -> bool {
        let Some(invite) = self.list.iter_mut().find(|invite| invite.number == number) else { return false };
        match invite.uses_left {
            None => true,
            Some(0) => false,
            Some(left) => {
                invite.uses_left = Some(left - 1);
                if left == 1 {
                    let end = uptime_ms.saturating_add(SPENT_FOR.as_millis() as u64);
                    invite.ends_ms = Some(invite.ends_ms.map_or(end, |given| given.min(end)));
                }
                true
            }
        }
    }

    /// Those that can still be given to somebody, oldest first.
    pub(super) fn live(&self) -> impl Iterator<Item = &Record> {
        self.list.iter().filter(|invite| !invite.is_spent())
    }

    /// The oldest without any limit: the one that is shown where nobody asked for a special one.
    pub(super) fn endless(&self) -> Option<&Record> {
        self.list.iter().find(|invite| invite.is_endless())
    }

    pub(super) fn next_end_ms(&self) -> Option<u64> {
        self.list.iter().filter_map(|invite| invite.ends_ms).min()
    }

    /// The generations that invites hold on to, ascending, each once.
    pub(super) fn pins(&self) -> Vec<u32> {
        let mut pins: Vec<u32> = self.list.iter().map(|invite| invite.generation).collect();
        pins.sort_unstable();
        pins.dedup();
        pins
    }

    /// The keys to try, newest invite first; `only` restricts them to the invites of one generation.
    pub(super) fn psks(&self, only: Option<u32>) -> Vec<InvitePsk> {
        let fits = |invite: &&Record| only.is_none_or(|generation| invite.generation == generation);
        self.list.iter().rev().filter(fits).map(Record::psk).collect()
    }
}
