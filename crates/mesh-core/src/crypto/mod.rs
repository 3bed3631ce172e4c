//! Identities, seals, sessions.

pub mod account;
pub mod beacon;
pub mod card;
pub mod cert;
pub mod device;
pub mod dh;
pub mod generation;
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
pub use kdf::{kdf, kdf8, kdf16};
pub use own::{OwnIdentity, RestoreError};
pub use signed::{SignatureError, Signed, Verified};
