//! Sessions with other people's devices: what turns contents into envelopes and back.
//!
//! Three kinds of things carry a conversation (PROTOCOL.md sections 5 and 6):
//!
//! * a *sender session* per conversation and direction: one Megolm session and one forward-only chain
//!   of one-time items (tag, key, receipt). Its owner writes; whoever was given a *share* of it reads,
//!   in any order;
//! * Olm sessions between two devices, through which the shares travel;
//! * *first contacts* (K1) and *control chains*, which carry a share to a device that does not know
//!   the session yet.
//!
//! The rules that the rest of the crate must know:
//!
//! * [`Sessions::seal`] chooses by itself how an envelope reaches the other side. An envelope with a
//!   share rides on a first contact, a control chain or the previous session, whichever the peer knows.
//! * A receipt of any envelope of a session proves that its share arrived: call [`Sessions::receipted`].
//! * Where [`Sessions::owes`] names an account, keys are due to it: call `seal` with no contents, if
//!   that person may learn that this device is there.
//! * All state is in [`Table::Session`](crate::Table::Session), in records small enough that a message
//!   costs one or two of them; [`Sessions::restore`] rebuilds everything.

// API: see `Sessions` below.
pub struct Sessions;

impl Sessions {
    pub fn new(ratchet: Box<dyn Ratchet>, rng: Rng) -> Self;
    pub fn restore(ratchet: Box<dyn Ratchet>, rng: Rng, read: &dyn Read) -> Result<Self, ReadError>;

    /// A peer's device, from a link, a first contact or a device list. Refuses a bundle older than the known one.
    pub fn learn(&mut self, now: Now, read: &dyn Read, intro: &VerifiedIntro, invite: Option<Invite>, out: &mut Outbox) -> Result<DeviceId, LearnError>;
    /// The devices of an account that still count (its signed list shrank): forgets the others; the next seal begins a new session.
    pub fn retain_devices(&mut self, now: Now, account: AccountId, keep: &[DeviceId], out: &mut Outbox);

    /// Whether the next envelope to this account is a first contact (put the profile among its contents).
    pub fn is_first_contact(&self, now: Now, to: AccountId) -> bool;
    /// The longest content that one envelope to this account takes now; longer ones go in segments.
    pub fn room(&self, now: Now, to: AccountId) -> usize;
    /// `contents`: none (keys only), one, or several that share the room.
    pub fn seal(&mut self, now: Now, own: &dyn Own, read: &dyn Read, to: AccountId, lifetime: Lifetime, contents: &[Vec<u8>], out: &mut Outbox) -> Result<SealedEnvelope, SealError>;

    pub fn open(&mut self, now: Now, own: &dyn Own, read: &dyn Read, envelope: &Envelope, out: &mut Outbox) -> Opened;

    /// An envelope of ours was receipted.
    pub fn receipted(&mut self, now: Now, commit: AckCommit, out: &mut Outbox);

    /// Accounts to which keys are owed (a first contact that opened outside only, devices without the session).
    pub fn owes(&self) -> Vec<AccountId>;
    /// Recognition secrets, most recent first, at most 64.
    pub fn recognition(&self) -> Vec<(AccountId, [u8; 32])>;
    pub fn forget(&mut self, read: &dyn Read, account: AccountId, out: &mut Outbox);
    pub fn tick(&mut self, now: Now, read: &dyn Read, out: &mut Outbox);
    pub fn next_wakeup(&self) -> Option<Time>;
}

pub struct SealedEnvelope { pub envelope: Envelope, pub commit: AckCommit, pub single_device: bool /* a receipt can come */, pub first_contact: bool }

pub enum SealError { UnknownPeer, TooLong { got: usize, limit: usize }, Storage(ReadError), Ratchet(RatchetError) }

pub enum Opened {
    /// Not for this device, or opened before (its keys are gone).
    Foreign,
    /// The trial budget of first contacts is used up: bring the envelope again at this time.
    Later(Time),
    Duplicate,
    Rejected(&'static str),
    Delivery(Box<Delivery>),
}

pub struct Delivery {
    pub account: AccountId,
    pub device: DeviceId,
    pub contents: Vec<Vec<u8>>,
    pub ack: Option<Ack>,
    pub first_contact: Option<FirstContact>, // {intro: VerifiedIntro, invite: Option<u32>, inner_failed: bool}
    pub new_tags: Vec<Tag>,
    pub resend: Vec<EnvelopeId>,
}

/// What sessions ask of this device's identity (implemented for OwnIdentity with its generations).
pub trait Own {
    fn cert(&self) -> &Cert;                 // ak, ds, ns, olm
    fn noise_private(&self) -> &[u8; 32];
    fn intro(&self) -> &Intro;               // signed cert + bundle of the newest generation
    fn bundle_seq(&self) -> u32;
    fn encapsulation_key(&self) -> &[u8];    // newest generation's, 1184 B
    fn account_state(&self) -> &AccountState; // newest generation's Olm account
    /// Live prekeys, newest first; each with the psks it may be tried with (newest invite first; a pinned one only its own).
    fn prekeys(&self) -> Vec<Prekey<'_>>;    // Prekey { seq, private: &[u8;32], olm: &AccountState, psks: Vec<(Option<u32> /*invite number*/, [u8;32])> }
    fn decapsulate(&self, ciphertext: &[u8]) -> Vec<[u8; 32]>; // one candidate per live generation, newest first
}
