//! Beacons, signed and verified: every relay verifies one before it keeps, passes on or shows it.
//!
//! Each event has a key made for it alone, so that two events of one person do not link, and so that
//! only who called can take the call back (PROTOCOL.md section 10).

use super::kdf::kdf8;
use super::signed::{sign, verify};
use crate::border::BeaconKind;
use crate::rng::Rng;
use crate::wire::beacon::{BeaconContent, BeaconError, RawBeacon, unsigned_bytes};
use core::cmp::Ordering;
use core::fmt;
use core::ops::Deref;
use ed25519_dalek::SigningKey;

const LABEL: &str = "starling/1 beacon";

/// The private key of one event; wiped on drop.
pub struct BeaconKey(SigningKey);

impl BeaconKey {
    /// A key for a new event.
    #[must_use]
    pub fn generate(rng: &mut Rng) -> Self {
        Self::from_seed(&rng.bytes())
    }

    /// The key from stored bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The bytes to store, for as long as the event may be updated or cancelled.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public key that every beacon of the event bears.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs what the beacon says; `hops_left` is where it starts.
    ///
    /// # Errors
    /// [`BeaconError::Field`] where a value is out of its range.
    pub fn sign(&self, content: &BeaconContent, hops_left: u8) -> Result<Beacon, BeaconError> {
        let mut bytes = unsigned_bytes(content, &self.public())?;
        let signature = sign(&self.0, LABEL, &bytes);
        bytes.extend_from_slice(&signature);
        RawBeacon::from_parts(bytes, hops_left, 0).map(Beacon)
    }
}

impl fmt::Debug for BeaconKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BeaconKey(..)")
    }
}

/// A beacon whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon(RawBeacon);

impl Beacon {
    /// Verifies a beacon with the key in it: it proves that all beacons with this key are of one
    /// writer, not who that is.
    ///
    /// # Errors
    /// [`BeaconError::Signature`].
    pub fn verify(raw: RawBeacon) -> Result<Self, BeaconError> {
        let (bytes, signature) = raw.signed();
        verify(&raw.key(), LABEL, bytes, &signature).map_err(|_| BeaconError::Signature)?;
        Ok(Self(raw))
    }

    /// Reads and verifies what came from the air.
    ///
    /// # Errors
    /// Where the layout or the signature is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BeaconError> {
        Self::verify(RawBeacon::from_bytes(bytes)?)
    }

    /// The name of the event: BLAKE3 of its key, the first 8 bytes.
    #[must_use]
    pub fn event(&self) -> [u8; 8] {
        let hash = blake3::hash(&self.0.key());
        core::array::from_fn(|i| hash.as_bytes()[i])
    }

    /// The event's name as people see it: 16 hexadecimal digits.
    #[must_use]
    pub fn event_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.event())
    }

    /// Whether the event is over.
    #[must_use]
    pub fn is_cancel(&self) -> bool {
        self.0.content().kind() == Some(BeaconKind::Cancel)
    }

    /// Whether this beacon takes the place of `known`, the newest one seen with the same key: a
    /// higher number does, and nothing but a cancellation takes the place of a cancellation. Under
    /// one number the greater id wins, so that everybody ends with the same one.
    #[must_use]
    pub fn replaces(&self, known: &Self) -> bool {
        if self.0.key() != known.0.key() {
            return false;
        }
        match (self.is_cancel(), known.is_cancel()) {
            (true, false) => return true,
            (false, true) => return false,
            _ => {}
        }
        match self.0.content().seq.cmp(&known.0.content().seq) {
            Ordering::Equal => self.0.id() > known.0.id(),
            order => order == Ordering::Greater,
        }
    }

    /// Whether the writer let the holders of `profile_key` know that it is theirs.
    #[must_use]
    pub fn is_hinted(&self, profile_key: &[u8; 32]) -> bool {
        self.0.content().hint == contact_hint(profile_key, &self.0.key())
    }

    /// Sets how far it may still travel and how old it is: the two fields that holders change.
    pub fn set_mutable(&mut self, hops_left: u8, age_s: u32) {
        (self.0.hops_left, self.0.age_s) = (hops_left, age_s);
    }
}

impl Deref for Beacon {
    type Target = RawBeacon;
    fn deref(&self) -> &RawBeacon {
        &self.0
    }
}

/// The hint by which contacts know whose event this is: `KDF("beacon hint", profile key, event key)`,
/// the first 8 bytes. Others see random bytes, as those see who give no hint.
#[must_use]
pub fn contact_hint(profile_key: &[u8; 32], event_key: &[u8; 32]) -> [u8; 8] {
    kdf8("beacon hint", &[profile_key, event_key])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::envelope::Lifetime;
    use proptest::prelude::*;

    fn key() -> BeaconKey {
        BeaconKey::from_seed(&[4; 32])
    }

    fn content() -> BeaconContent {
        BeaconContent {
            what: BeaconKind::Sos as u8,
            seq: 1,
            minute: 29_000_000,
            lifetime: Lifetime::HalfDay,
            position: None,
            accuracy: 0,
            battery: 255,
            people: 0,
            hint: contact_hint(&[1; 32], &key().public()),
            text: "water is rising, roof of the school, 12 people, two cannot walk. Bring a".into(),
        }
    }

    fn with(what: BeaconKind, seq: u16) -> Beacon {
        key().sign(&BeaconContent { what: what as u8, seq, ..content() }, 14).unwrap()
    }

    #[test]
    fn golden_beacon() {
        let bytes = key().sign(&content(), 14).unwrap().to_bytes();
        assert_eq!(bytes.len(), 200);
        let golden = include_str!("fixtures/beacon.hex");
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), golden.trim());
    }

    #[test]
    fn a_signed_beacon_is_verified_by_anyone() {
        let beacon = with(BeaconKind::Sos, 1);
        assert_eq!(Beacon::from_bytes(&beacon.to_bytes()), Ok(beacon));
    }

    #[test]
    fn attack_05_every_changed_byte_of_a_beacon_is_rejected() {
        let beacon = with(BeaconKind::Sos, 1);
        let bytes = beacon.to_bytes();
        for at in 0..beacon.immutable().len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(Beacon::from_bytes(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn hops_and_age_are_not_signed_and_do_not_change_the_id() {
        let beacon = with(BeaconKind::Sos, 1);
        let mut older = beacon.clone();
        older.set_mutable(3, 99);
        assert_eq!(Beacon::from_bytes(&older.to_bytes()).unwrap().id(), beacon.id());
    }

    #[test]
    fn a_higher_number_replaces_and_a_cancelled_event_stays_cancelled() {
        let (first, second) = (with(BeaconKind::Sos, 1), with(BeaconKind::Sos, 2));
        let cancel = with(BeaconKind::Cancel, 2);
        assert!(second.replaces(&first) && !first.replaces(&second) && !first.replaces(&first));
        assert!(cancel.replaces(&second) && !second.replaces(&cancel));
        assert!(!with(BeaconKind::Sos, 9).replaces(&cancel));
    }

    #[test]
    fn nobody_else_can_cancel() {
        let other = BeaconKey::from_seed(&[5; 32]);
        let forged = other.sign(&BeaconContent { what: 3, seq: 9, ..content() }, 14).unwrap();
        assert!(!forged.replaces(&with(BeaconKind::Sos, 1)));
    }

    #[test]
    fn only_holders_of_the_profile_key_recognise_the_writer() {
        let beacon = with(BeaconKind::Sos, 1);
        assert!(beacon.is_hinted(&[1; 32]) && !beacon.is_hinted(&[2; 32]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..220)) {
            prop_assert!(Beacon::from_bytes(&bytes).is_err());
        }
    }
}
