//! Identities, seals, sessions (PROTOCOL.md sections 2, 3, 5, 6 and 10).
//!
//! Three questions, and where each is answered:
//!
//! * **Who is that?** [`account`] and [`device`] hold the long-lived keys, [`cert`] what they sign,
//!   [`generation`] the prekeys that are made and destroyed together, [`own`] all of one's own. [`card`] is
//!   the link that people give one another, [`invite`] the secret in it. [`safety`] and [`name`] are for
//!   eyes.
//! * **How does a thing become unreadable?** [`seal`] wraps it in one Noise message (patterns in [`noise`],
//!   over the curve in [`dh`]), bound to every byte of the envelope's header. [`kem`] is the half that
//!   withstands a quantum computer. [`beacon`] signs what everybody shall read.
//! * **Which key?** [`session`] decides: sender sessions, the shares by which readers get them, and first
//!   contacts. [`ratchet`] is the door to vodozemac.
//! * **Who listens on the way?** Nobody: [`channel`] encrypts links whose transport does not.
//!
//! Rules that hold everywhere:
//!
//! * What was not verified has another type: [`Signed`] opens to [`Verified`] and to nothing else, and no
//!   verification returns a `bool`.
//! * Keys that are derived come from [`kdf`] with a purpose of their own; parts cannot run into one another.
//! * Secrets are wiped when they go, and `Debug` shows none.
//! * Randomness is an argument, in sealing too: a seal follows from its seed.

pub mod account;
pub mod beacon;
pub mod card;
pub mod cert;
pub mod channel;
pub mod cheap;
pub mod device;
pub mod dh;
pub mod generation;
pub mod group_link;
pub mod invite;
mod kdf;
pub mod kem;
pub mod name;
pub mod noise;
pub mod own;
pub mod ratchet;
pub mod safety;
pub mod seal;
pub mod session;
pub mod signed;

pub use account::AccountKey;
pub use beacon::{Beacon, BeaconKey};
pub use card::{ContactLink, LinkError};
pub use cert::{Bundle, Cert, DeviceList, Intro, IntroError, VerifiedIntro};
pub use device::DeviceKey;
pub use generation::Generation;
pub use group_link::GroupLink;
pub use kdf::{kdf, kdf8, kdf16};
pub use own::{OwnIdentity, RestoreError};
pub use signed::{SignatureError, Signed, Verified};
