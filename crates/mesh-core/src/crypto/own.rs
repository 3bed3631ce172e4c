//! Who this node is: account, device, generations and invites, kept and exchanged.
//!
//! Long-lived keys lie in [`Table::Identity`]. Generations and invites lie in [`Table::Session`], under
//! keys that begin with [`RECORD_PREFIX`]: that table is kept where a deleted record is destroyed, which
//! is what rotation and revocation promise. Time is this node's uptime, added up over its runs; no wall
//! clock is asked (PROTOCOL.md section 2).

use super::account::{AccountKey, AccountSecret};
use super::card::ContactLink;
use super::cert::{Cert, DeviceList, IntroError, VerifiedIntro};
use super::device::DeviceSecret;
use super::dh::X25519Secret;
use super::generation::{Generation, KEPT, PINNED, ROTATE_AFTER};
use super::invite::{InvitePsk, Invites, InvitesFull, Record, no_invite_psk};
use super::kem::KemKey;
use super::ratchet::{Ratchet, RatchetError};
use super::signed::{Signable, SignatureError, Signed, Verified};
use crate::id::{AccountId, DeviceId};
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::view::InviteView;
use crate::wire::codec::{self, DecodeError};
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// How the keys of this module's records in [`Table::Session`] begin.
pub const RECORD_PREFIX: &[u8] = b"own/";
/// How often the uptime is written down; a crash loses at most this much of it.
pub const SAVE_EVERY: Duration = Duration::from_secs(3_600);

const LONG_LIVED: &[u8] = b"own";
const INDEX: &[u8] = b"own/index";
const INVITES: &[u8] = b"own/invites";

/// Why the own identity cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Storage could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record is not what was written.
    #[error("a record of the own identity does not decode: {0}")]
    Malformed(#[from] DecodeError),
    /// A signature of ours does not fit any more.
    #[error("a record of the own identity is damaged: {0}")]
    Signature(#[from] SignatureError),
    /// The device list of ours is not valid.
    #[error("a record of the own identity is damaged: {0}")]
    Devices(#[from] IntroError),
    /// A record that another one names is gone.
    #[error("the {what} of the own identity is missing")]
    Missing {
        /// Which record.
        what: &'static str,
    },
    /// A private key is not that of the public key that was signed.
    #[error("the {what} of the own identity does not fit its certificate or bundle")]
    Mismatch {
        /// Which key.
        what: &'static str,
    },
    /// The Olm account does not parse.
    #[error(transparent)]
    Ratchet(#[from] RatchetError),
}

/// The person and device of this node, with every private key.
pub struct OwnIdentity {
    account: AccountSecret,
    device: DeviceSecret,
    cert: Verified<Cert>,
    devices: Verified<DeviceList>,
    /// Oldest first, never empty.
    generations: Vec<Generation>,
    /// The newest generation's.
    kem_key: KemKey,
    intro: VerifiedIntro,
    invites: Invites,
    uptime: Uptime,
}

impl OwnIdentity {
    /// A new account on a new device, with its first generation and an invite without limits.
    ///
    /// # Errors
    /// Where the ratchet does not read the account that it just made.
    pub fn create(
        rng: &mut Rng,
        ratchet: &dyn Ratchet,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Self, RatchetError> {
        let (account, device) = (AccountSecret::generate(rng), DeviceSecret::generate(rng));
        let olm = ratchet.account_new(rng);
        let cert = account.certify(Cert {
            account: account.key(),
            list_seq: 1,
            device: device.key(),
            noise: device.noise().public(),
            olm: ratchet.account_keys(&olm)?.identity,
        });
        let devices = account.list(DeviceList { seq: 1, certs: vec![cert.hash()] });
        let first = Generation::new(rng, ratchet, &device, &cert, 1, olm)?;
        let mut own = Self {
            kem_key: first.kem().key(),
            intro: VerifiedIntro::own(cert.clone(), first.bundle().clone()),
            account,
            device,
            cert,
            devices,
            generations: vec![first],
            invites: Invites::default(),
            uptime: Uptime::new(now.mono),
        };
        own.ensure_default_invite(rng);
        out.put(Table::Identity, LONG_LIVED, own.long_lived().to_vec());
        own.put_generation(out, 0);
        own.put_invites(out);
        own.put_index(out);
        Ok(own)
    }

    /// The identity that storage holds, `None` where it holds none.
    ///
    /// # Errors
    /// Where a record is missing, damaged or unreadable.
    pub fn restore(ratchet: &dyn Ratchet, now: Now, read: &dyn Read) -> Result<Option<Self>, RestoreError> {
        let Some(bytes) = read.load(Table::Identity, LONG_LIVED)? else { return Ok(None) };
        let stored: LongLived = codec::decode(&Zeroizing::new(bytes))?;
        let account = AccountSecret::from_seed(&stored.account);
        let device = DeviceSecret::from_parts(&stored.device, stored.noise);
        let cert = stored.cert.open(&account.key().0)?;
        if cert.device != device.key() || cert.noise != device.noise().public() {
            return Err(RestoreError::Mismatch { what: "device key" });
        }
        let devices = DeviceList::verify(&stored.devices, account.key())?;
        let index: Index = codec::decode(&required(read, INDEX, "index")?)?;
        let invites: Invites = codec::decode(&required(read, INVITES, "list of invites")?)?;
        let mut generations = Vec::new();
        for seq in &index.generations {
            let bytes = required(read, &generation_key(*seq), "generation")?;
            let generation = Generation::from_bytes(&bytes, &device)?;
            if !generation.is_whole() {
                return Err(RestoreError::Mismatch { what: "generation" });
            }
            generations.push(generation);
        }
        let newest = generations.last().ok_or(RestoreError::Missing { what: "newest generation" })?;
        ratchet.account_keys(newest.olm())?;
        Ok(Some(Self {
            kem_key: newest.kem().key(),
            intro: VerifiedIntro::own(cert.clone(), newest.bundle().clone()),
            account,
            device,
            cert,
            devices,
            generations,
            invites,
            uptime: Uptime::continued(&index, now.mono),
        }))
    }

    /// The account's public key.
    #[must_use]
    pub fn account(&self) -> AccountKey {
        self.cert.account
    }

    /// The account's name.
    #[must_use]
    pub fn account_id(&self) -> AccountId {
        self.account().id()
    }

    /// Signs what this device says of its own.
    #[must_use]
    pub fn sign<T: Signable>(&self, value: T) -> Verified<T> {
        self.device.sign(value)
    }

    /// This device's name.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        self.cert.device.id()
    }

    /// This device's certificate.
    #[must_use]
    pub fn cert(&self) -> &Verified<Cert> {
        &self.cert
    }

    /// The devices of the account.
    #[must_use]
    pub fn devices(&self) -> &Verified<DeviceList> {
        &self.devices
    }

    /// Certificate and newest bundle: what a first contact of ours carries.
    #[must_use]
    pub fn intro(&self) -> &VerifiedIntro {
        &self.intro
    }

    /// The newest generation's KEM key, the one that [`OwnIdentity::intro`] promises.
    #[must_use]
    pub fn kem_key(&self) -> &KemKey {
        &self.kem_key
    }

    /// The static key that proves us as the sender of a first contact.
    #[must_use]
    pub fn noise(&self) -> &X25519Secret {
        self.device.noise()
    }

    /// The newest generation: the one whose Olm account begins sessions.
    ///
    /// # Panics
    /// Never: there is always one.
    #[must_use]
    pub fn generation(&self) -> &Generation {
        self.generations.last().expect("the newest generation is never removed")
    }

    /// Every generation that still opens, newest first: 1 to [`KEPT`] + [`PINNED`].
    pub fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.generations.iter().rev()
    }

    /// The generation with this number, while it is kept.
    #[must_use]
    pub fn generation_of(&self, seq: u32) -> Option<&Generation> {
        self.generations.iter().find(|generation| generation.seq() == seq)
    }

    /// The pre-shared keys to try on a first contact that was sealed to `generation`, newest invite
    /// first: of a recent one every invite's and the constant, of an older one only those of the
    /// invites that keep it. At most [`MAX_INVITES`](super::invite::MAX_INVITES) + 1.
    #[must_use]
    pub fn psks(&self, generation: &Generation) -> Vec<InvitePsk> {
        let seq = generation.seq();
        if !self.is_recent(seq) {
            return self.invites.psks(Some(seq));
        }
        let mut psks = self.invites.psks(None);
        psks.push(InvitePsk { number: None, spent: false, psk: no_invite_psk() });
        psks
    }

    /// Counts uptime; begins a generation and ends invites whose time has come; writes both down.
    /// A tick too many does no harm.
    pub fn tick(&mut self, now: Now, rng: &mut Rng, ratchet: &dyn Ratchet, out: &mut Outbox) {
        self.uptime.advance(now.mono);
        if self.invites.expire(self.uptime.total_ms) {
            self.put_invites(out);
            self.prune(out);
        }
        if self.uptime.is_rotation_due() {
            self.rotate(rng, ratchet, out);
        }
        if self.uptime.is_save_due() {
            self.put_index(out);
        }
    }

    /// When [`OwnIdentity::tick`] has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Time {
        self.uptime.next_wakeup(self.invites.next_end_ms())
    }

    /// Begins a generation now, whatever the age of the newest one.
    pub fn rotate(&mut self, rng: &mut Rng, ratchet: &dyn Ratchet, out: &mut Outbox) {
        let newest = self.generation();
        let seq = newest.seq() + 1;
        let next = ratchet
            .account_next(newest.olm(), rng)
            .and_then(|olm| Generation::new(rng, ratchet, &self.device, &self.cert, seq, olm))
            .expect("the account was parsed when it was made or restored");
        self.kem_key = next.kem().key();
        self.intro = VerifiedIntro::own(self.cert.clone(), next.bundle().clone());
        self.generations.push(next);
        self.uptime.rotated();
        self.put_generation(out, self.generations.len() - 1);
        self.prune(out);
        self.put_index(out);
    }

    /// Makes an invite: `uses` first contacts (`None` is without limit), for `lifetime` of this node's
    /// uptime (`None` is until revoked).
    ///
    /// Its link carries the newest bundle; where [`PINNED`] older generations are held already, the
    /// newest of those, so that a node never has more than six prekeys to try.
    ///
    /// # Errors
    /// [`InvitesFull`].
    pub fn invite_new(
        &mut self,
        now: Now,
        rng: &mut Rng,
        uses: Option<u32>,
        lifetime: Option<Duration>,
        out: &mut Outbox,
    ) -> Result<InviteView, InvitesFull> {
        self.uptime.advance(now.mono);
        let ends = lifetime.map(|span| self.uptime.total_ms.saturating_add(span.as_millis() as u64));
        let generation = self.generation_to_pin();
        let number = self.invites.add(rng, generation, uses.map(|n| n.max(1)), ends)?.number;
        self.put_invites(out);
        let view = self.invites().into_iter().find(|view| view.number == number);
        Ok(view.expect("a new invite is live"))
    }

    /// Ends an invite and destroys the keys that were kept for it alone; `false` where there is none
    /// with this number. Another one takes the place of a revoked default.
    pub fn invite_revoke(&mut self, number: u32, rng: &mut Rng, out: &mut Outbox) -> bool {
        if !self.invites.remove(number) {
            return false;
        }
        self.prune(out);
        self.ensure_default_invite(rng);
        self.put_invites(out);
        self.put_index(out);
        true
    }

    /// Lets an invite end after at most this much more of this node's uptime.
    pub fn invite_wind_up(&mut self, number: u32, within: Duration, out: &mut Outbox) {
        let end = self.uptime.total_ms.saturating_add(within.as_millis() as u64);
        if self.invites.end_by(number, end) {
            self.put_invites(out);
        }
    }

    /// Counts the first contact of an account through an invite; `false` where no use is left, so that
    /// an account that did not use it before is to be refused. Not to be asked again for the same account.
    pub fn invite_spend(&mut self, number: u32, out: &mut Outbox) -> bool {
        let counted = self.invites.spend(number, self.uptime.total_ms);
        if counted {
            self.put_invites(out);
        }
        counted
    }

    /// The invites that can still be given to somebody, oldest first.
    #[must_use]
    pub fn invites(&self) -> Vec<InviteView> {
        self.invites.live().filter_map(|invite| self.view(invite)).collect()
    }

    /// The link without limits: what is shown where nobody asked for a special one.
    ///
    /// # Panics
    /// Never: there is always such an invite.
    #[must_use]
    pub fn link(&self) -> String {
        let invite = self.invites.endless().expect("a revoked default is replaced at once");
        self.view(invite).expect("the generation of a live invite is kept").link
    }

    fn view(&self, invite: &Record) -> Option<InviteView> {
        let generation = self.generation_of(invite.generation)?;
        let intro = VerifiedIntro::own(self.cert.clone(), generation.bundle().clone());
        let left = |end: u64| Duration::from_millis(end.saturating_sub(self.uptime.total_ms));
        Some(InviteView {
            number: invite.number,
            link: ContactLink::new(intro, invite.secret()).to_text(),
            uses_left: invite.uses_left,
            expires_in: invite.ends_ms.map(left),
        })
    }

    fn is_recent(&self, seq: u32) -> bool {
        self.generations.iter().rev().take(KEPT).any(|generation| generation.seq() == seq)
    }

    fn generation_to_pin(&self) -> u32 {
        let (newest, pins) = (self.generation().seq(), self.invites.pins());
        if pins.len() < PINNED || pins.contains(&newest) {
            return newest;
        }
        pins.last().copied().unwrap_or(newest)
    }

    fn ensure_default_invite(&mut self, rng: &mut Rng) {
        if self.invites.endless().is_none() {
            let generation = self.generation_to_pin();
            // Full is impossible: this runs on creation, and after a removal.
            let _added = self.invites.add(rng, generation, None, None);
        }
    }

    /// Destroys the generations that are neither recent nor held by an invite.
    fn prune(&mut self, out: &mut Outbox) {
        let pins = self.invites.pins();
        let gone: Vec<u32> = self
            .generations
            .iter()
            .map(Generation::seq)
            .filter(|seq| !self.is_recent(*seq) && !pins.contains(seq))
            .collect();
        for seq in &gone {
            out.delete(Table::Session, generation_key(*seq));
        }
        self.generations.retain(|generation| !gone.contains(&generation.seq()));
        if !gone.is_empty() {
            self.put_index(out);
        }
    }

    fn long_lived(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(&LongLived {
            account: *self.account.seed(),
            device: *self.device.signing_seed(),
            noise: *self.device.noise().private(),
            cert: self.cert.signed().clone(),
            devices: self.devices.signed().clone(),
        }))
    }

    fn put_generation(&self, out: &mut Outbox, at: usize) {
        let generation = &self.generations[at];
        out.put(Table::Session, generation_key(generation.seq()), generation.to_bytes().to_vec());
    }

    fn put_invites(&self, out: &mut Outbox) {
        out.put(Table::Session, INVITES, codec::encode(&self.invites));
    }

    fn put_index(&mut self, out: &mut Outbox) {
        let generations = self.generations.iter().map(Generation::seq).collect();
        let index = self.uptime.saved(generations);
        out.put(Table::Session, INDEX, codec::encode(&index));
    }
}

impl fmt::Debug for OwnIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account: _, device: _, cert, devices, generations, kem_key: _, intro: _, invites, uptime } =
            self;
        f.debug_struct("OwnIdentity")
            .field("account", &cert.account)
            .field("devices", &devices.certs.len())
            .field("generations", &generations.len())
            .field("invites", invites)
            .field("uptime", uptime)
            .finish()
    }
}

fn generation_key(seq: u32) -> Vec<u8> {
    [b"own/generation/", &seq.to_be_bytes()[..]].concat()
}

fn required(read: &dyn Read, key: &[u8], what: &'static str) -> Result<Zeroizing<Vec<u8>>, RestoreError> {
    read.load(Table::Session, key)?.map(Zeroizing::new).ok_or(RestoreError::Missing { what })
}

/// The keys that last as long as the device.
#[derive(Serialize, Deserialize)]
struct LongLived {
    account: [u8; 32],
    device: [u8; 32],
    noise: [u8; 32],
    cert: Signed<Cert>,
    devices: Signed<DeviceList>,
}

impl Drop for LongLived {
    fn drop(&mut self) {
        self.account.zeroize();
        self.device.zeroize();
        self.noise.zeroize();
    }
}

/// Which generations there are, and the uptime when that was written.
#[derive(Serialize, Deserialize)]
struct Index {
    generations: Vec<u32>,
    uptime_ms: u64,
    rotated_ms: u64,
}

/// The time that this node has run, over all its runs.
#[derive(Debug)]
struct Uptime {
    total_ms: u64,
    /// The monotonic time that `total_ms` belongs to.
    at: Time,
    saved_ms: u64,
    rotated_ms: u64,
}

impl Uptime {
    fn new(at: Time) -> Self {
        Self { total_ms: 0, at, saved_ms: 0, rotated_ms: 0 }
    }

    fn continued(index: &Index, at: Time) -> Self {
        let Index { generations: _, uptime_ms, rotated_ms } = *index;
        Self { total_ms: uptime_ms, at, saved_ms: uptime_ms, rotated_ms }
    }

    fn advance(&mut self, now: Time) {
        let passed = now.since(self.at).as_millis() as u64;
        self.total_ms = self.total_ms.saturating_add(passed);
        self.at = self.at.max(now);
    }

    fn rotation_ms(&self) -> u64 {
        self.rotated_ms.saturating_add(ROTATE_AFTER.as_millis() as u64)
    }

    fn save_ms(&self) -> u64 {
        self.saved_ms.saturating_add(SAVE_EVERY.as_millis() as u64)
    }

    fn is_rotation_due(&self) -> bool {
        self.total_ms >= self.rotation_ms()
    }

    fn is_save_due(&self) -> bool {
        self.total_ms >= self.save_ms()
    }

    fn rotated(&mut self) {
        self.rotated_ms = self.total_ms;
    }

    fn saved(&mut self, generations: Vec<u32>) -> Index {
        self.saved_ms = self.total_ms;
        Index { generations, uptime_ms: self.total_ms, rotated_ms: self.rotated_ms }
    }

    fn next_wakeup(&self, invite_end_ms: Option<u64>) -> Time {
        let due = self.rotation_ms().min(self.save_ms()).min(invite_end_ms.unwrap_or(u64::MAX));
        self.at + Duration::from_millis(due.saturating_sub(self.total_ms))
    }
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
