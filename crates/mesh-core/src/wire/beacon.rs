//! The beacon: public, signed, small, and pushed unasked (PROTOCOL.md section 10).
//!
//! ```text
//! kind and version 1 | what 1 | event key 32 | seq 2 | minute 4 | lifetime 1
//! | lat 3 | lon 3 | accuracy 1 | battery 1 | people 1 | hint 8 | text length 1 | text 0-72 | signature 64
//! | hops 1 | age_s 4
//! ```
//! Integers are little endian. All but hops and age is immutable and hashed to the id; the signature
//! covers all before it. At most 200 bytes. Verification is `crypto::beacon`'s: a [`RawBeacon`] has the
//! layout of a beacon and proves nothing.

use super::envelope::{
    Lifetime, MAX_PUBLIC_HOPS, MUTABLE_LEN, Mutable, PUBLIC_BIT, split_mutable, with_mutable,
};
use crate::border::BeaconKind;
use crate::id::EnvelopeId;

/// The first byte: public, version 1.
pub const BEACON_V1: u8 = PUBLIC_BIT | 1;
/// The longest text, in bytes of UTF-8.
pub const MAX_BEACON_TEXT: usize = 72;
/// The largest beacon on the air, in bytes.
pub const MAX_BEACON: usize = FIXED + MAX_BEACON_TEXT + SIGNATURE + MUTABLE_LEN;
/// The hops that a call for help begins with. It tells the writer's neighbours that it is theirs, so that each may
/// bring few; where it was said stands in it anyway.
pub const CALL_HOPS: u8 = 63;
/// Bytes before the text.
const FIXED: usize = 59;
/// Bytes of the signature.
const SIGNATURE: usize = 64;
/// The latitude or longitude that says "unknown".
const NOWHERE: i32 = -0x80_0000;
/// Steps from the equator to a pole, and from Greenwich to the date line.
const STEPS: i64 = 0x7f_ffff;

/// Why bytes are no beacon of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeaconError {
    /// Too short, too long, or not as long as its text demands.
    #[error("a beacon does not have {got} bytes")]
    Length {
        /// The bytes received.
        got: usize,
    },
    /// Another public thing, or a version that cannot be verified here and so is not carried.
    #[error("{got:#04x} is not a beacon of version 1")]
    Version {
        /// The first byte.
        got: u8,
    },
    /// A field with a value that is not defined.
    #[error("the {field} of a beacon is out of range")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// The signature does not fit its bytes and key.
    #[error("the signature of a beacon does not fit")]
    Signature,
}

/// A place, in millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// North; -90,000,000 to 90,000,000.
    pub lat: i32,
    /// East; -180,000,000 to 180,000,000.
    pub lon: i32,
}

/// What a beacon says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeaconContent {
    /// The number of a [`BeaconKind`]; others are carried and not shown.
    pub what: u8,
    /// Counts up with every beacon about the same event: the highest is true.
    pub seq: u16,
    /// The writer's wall clock, in minutes since 1970; shown, never trusted.
    pub minute: u32,
    /// How long it is carried.
    pub lifetime: Lifetime,
    /// Where, in steps of 11 m or less.
    pub position: Option<Position>,
    /// The position is right within `2^(n - 1)` metres for n from 1 to 24; 0 is unknown.
    pub accuracy: u8,
    /// Percent of charge, 0 to 100; 255 is unknown.
    pub battery: u8,
    /// How many people are there; 0 is unknown, 255 is 255 or more.
    pub people: u8,
    /// Lets contacts know whose it is, or random.
    pub hint: [u8; 8],
    /// At most [`MAX_BEACON_TEXT`] bytes; not cleaned, made by a stranger.
    pub text: String,
}

impl BeaconContent {
    /// What it says, `None` for what only newer programs understand.
    #[must_use]
    pub fn kind(&self) -> Option<BeaconKind> {
        [BeaconKind::Sos, BeaconKind::Safe, BeaconKind::Cancel]
            .into_iter()
            .find(|kind| *kind as u8 == self.what)
    }
}

/// Bytes with the layout of a beacon; the signature was verified by nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct RawBeacon {
    immutable: Vec<u8>,
    content: BeaconContent,
    /// How many more links it may cross; 0 to [`MAX_PUBLIC_HOPS`].
    pub hops_left: u8,
    /// Accumulated time on its way, in seconds.
    pub age_s: u32,
}

impl core::fmt::Debug for RawBeacon {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { immutable, content, hops_left, age_s } = self;
        write!(f, "RawBeacon(what {}, {} B, hops {hops_left}, age {age_s} s)", content.what, immutable.len())
    }
}

impl RawBeacon {
    /// Reads a beacon from the air. Hops above [`MAX_PUBLIC_HOPS`] are lowered to it.
    ///
    /// # Errors
    /// Where the bytes have not the layout of version 1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BeaconError> {
        let length = BeaconError::Length { got: bytes.len() };
        if bytes.len() > MAX_BEACON {
            return Err(length);
        }
        let Mutable { immutable, hops, age_s, .. } = split_mutable(bytes).ok_or(length)?;
        Self::from_parts(immutable.to_vec(), hops, age_s)
    }

    /// A beacon from the immutable bytes that [`RawBeacon::immutable`] returned.
    ///
    /// # Errors
    /// As [`RawBeacon::from_bytes`].
    pub fn from_parts(immutable: Vec<u8>, hops_left: u8, age_s: u32) -> Result<Self, BeaconError> {
        let content = parse(&immutable)?;
        Ok(Self { immutable, content, hops_left: hops_left.min(MAX_PUBLIC_HOPS), age_s })
    }

    /// The bytes for the air.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        with_mutable(&self.immutable, self.hops_left, self.age_s, false)
    }

    /// The name under which it is carried, as of an envelope.
    #[must_use]
    pub fn id(&self) -> EnvelopeId {
        EnvelopeId(*blake3::hash(&self.immutable).as_bytes())
    }

    /// The bytes that id covers.
    #[must_use]
    pub fn immutable(&self) -> &[u8] {
        &self.immutable
    }

    /// What it claims.
    #[must_use]
    pub fn content(&self) -> &BeaconContent {
        &self.content
    }

    /// The key of the event, made for it alone.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        core::array::from_fn(|i| self.immutable[2 + i])
    }

    /// The bytes that the signature covers, and the signature.
    #[must_use]
    pub fn signed(&self) -> (&[u8], [u8; 64]) {
        let (bytes, signature) = self.immutable.split_at(self.immutable.len() - SIGNATURE);
        (bytes, core::array::from_fn(|i| signature[i]))
    }
}

/// The bytes of a beacon up to its signature.
///
/// # Errors
/// Where a field is out of its range or the text too long.
pub fn unsigned_bytes(content: &BeaconContent, key: &[u8; 32]) -> Result<Vec<u8>, BeaconError> {
    if content.text.len() > MAX_BEACON_TEXT {
        return Err(BeaconError::Field { field: "text" });
    }
    let mut bytes = Vec::with_capacity(MAX_BEACON);
    bytes.extend_from_slice(&[BEACON_V1, content.what]);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&content.seq.to_le_bytes());
    bytes.extend_from_slice(&content.minute.to_le_bytes());
    bytes.push(content.lifetime as u8);
    let (lat, lon) = match content.position {
        Some(position) => (steps(position.lat, 90)?, steps(position.lon, 180)?),
        None => (NOWHERE, NOWHERE),
    };
    bytes.extend_from_slice(&lat.to_le_bytes()[..3]);
    bytes.extend_from_slice(&lon.to_le_bytes()[..3]);
    bytes.extend_from_slice(&[content.accuracy, content.battery, content.people]);
    bytes.extend_from_slice(&content.hint);
    // At most 72, checked above.
    bytes.push(content.text.len() as u8);
    bytes.extend_from_slice(content.text.as_bytes());
    check_ranges(content)?;
    Ok(bytes)
}

fn steps(micro: i32, degrees: i64) -> Result<i32, BeaconError> {
    let full = degrees * 1_000_000;
    if i64::from(micro).abs() > full {
        return Err(BeaconError::Field { field: "position" });
    }
    let scaled = i64::from(micro) * STEPS;
    let rounded = (scaled + scaled.signum() * full / 2) / full;
    i32::try_from(rounded).map_err(|_| BeaconError::Field { field: "position" })
}

fn micro(steps: i32, degrees: i64) -> Result<i32, BeaconError> {
    let scaled = i64::from(steps) * degrees * 1_000_000;
    let rounded = (scaled + scaled.signum() * STEPS / 2) / STEPS;
    i32::try_from(rounded).map_err(|_| BeaconError::Field { field: "position" })
}

fn check_ranges(content: &BeaconContent) -> Result<(), BeaconError> {
    let field = |field| Err(BeaconError::Field { field });
    match content {
        BeaconContent { accuracy: 25.., .. } => field("accuracy"),
        BeaconContent { battery: 101..=254, .. } => field("battery"),
        _ => Ok(()),
    }
}

fn parse(bytes: &[u8]) -> Result<BeaconContent, BeaconError> {
    let length = BeaconError::Length { got: bytes.len() };
    let first = *bytes.first().ok_or(length)?;
    if first != BEACON_V1 {
        return Err(BeaconError::Version { got: first });
    }
    if bytes.len() < FIXED + SIGNATURE || bytes.len() != FIXED + SIGNATURE + usize::from(bytes[FIXED - 1]) {
        return Err(length);
    }
    let text = &bytes[FIXED..bytes.len() - SIGNATURE];
    if text.len() > MAX_BEACON_TEXT {
        return Err(length);
    }
    let text = core::str::from_utf8(text).map_err(|_| BeaconError::Field { field: "text" })?;
    let lifetime =
        Lifetime::ALL.get(usize::from(bytes[40])).ok_or(BeaconError::Field { field: "lifetime" })?;
    let content = BeaconContent {
        what: bytes[1],
        seq: u16::from_le_bytes([bytes[34], bytes[35]]),
        minute: u32::from_le_bytes([bytes[36], bytes[37], bytes[38], bytes[39]]),
        lifetime: *lifetime,
        position: position(signed24(&bytes[41..44]), signed24(&bytes[44..47]))?,
        accuracy: bytes[47],
        battery: bytes[48],
        people: bytes[49],
        hint: core::array::from_fn(|i| bytes[50 + i]),
        text: text.to_owned(),
    };
    check_ranges(&content)?;
    Ok(content)
}

fn position(lat: i32, lon: i32) -> Result<Option<Position>, BeaconError> {
    match (lat, lon) {
        (NOWHERE, NOWHERE) => Ok(None),
        (NOWHERE, _) | (_, NOWHERE) => Err(BeaconError::Field { field: "position" }),
        (lat, lon) => Ok(Some(Position { lat: micro(lat, 90)?, lon: micro(lon, 180)? })),
    }
}

fn signed24(bytes: &[u8]) -> i32 {
    i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]]) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content() -> BeaconContent {
        BeaconContent {
            what: 1,
            seq: 0x0102,
            minute: 0x0a0b_0c0d,
            lifetime: Lifetime::HalfDay,
            position: Some(Position { lat: 52_520_008, lon: -13_404_954 }),
            accuracy: 5,
            battery: 61,
            people: 3,
            hint: [7; 8],
            text: "trapped, second floor".into(),
        }
    }

    fn raw(content: &BeaconContent) -> RawBeacon {
        let mut bytes = unsigned_bytes(content, &[9; 32]).unwrap();
        bytes.extend_from_slice(&[0x51; 64]);
        RawBeacon::from_parts(bytes, 14, 0).unwrap()
    }

    #[test]
    fn a_beacon_with_the_longest_text_has_200_bytes() {
        let longest = BeaconContent { text: "x".repeat(72), ..content() };
        assert_eq!(raw(&longest).to_bytes().len(), 200);
        assert_eq!(MAX_BEACON, 200);
    }

    #[test]
    fn golden_layout() {
        let bytes = raw(&content()).to_bytes();
        assert_eq!(bytes[..2], [0x81, 1]);
        assert_eq!(bytes[2..34], [9; 32]);
        assert_eq!(bytes[34..41], [2, 1, 0x0d, 0x0c, 0x0b, 0x0a, 1]);
        // 52.520008 / 90 and -13.404954 / 180 of 2^23 - 1, little endian.
        assert_eq!(bytes[41..47], [0xf3, 0xb1, 0x4a, 0xb4, 0x77, 0xf6]);
        assert_eq!(bytes[47..50], [5, 61, 3]);
        assert_eq!(bytes[50..58], [7; 8]);
        assert_eq!(bytes[58], 21);
        assert_eq!(&bytes[59..80], b"trapped, second floor");
        assert_eq!(bytes[80..144], [0x51; 64]);
        assert_eq!(bytes[144..], [14, 0, 0, 0, 0]);
    }

    #[test]
    fn a_position_comes_back_within_eleven_metres() {
        let read = raw(&content()).content().position.unwrap();
        assert!((read.lat - 52_520_008).abs() <= 6 && (read.lon + 13_404_954).abs() <= 11, "{read:?}");
    }

    #[test]
    fn no_position_stays_none() {
        let nowhere = BeaconContent { position: None, ..content() };
        assert_eq!(raw(&nowhere).content().position, None);
    }

    #[test]
    fn the_ends_of_the_earth_fit() {
        for (lat, lon) in [(90_000_000, 180_000_000), (-90_000_000, -180_000_000), (0, 0)] {
            let there = BeaconContent { position: Some(Position { lat, lon }), ..content() };
            assert_eq!(raw(&there).content().position, Some(Position { lat, lon }));
        }
    }

    #[test]
    fn values_out_of_range_are_not_written() {
        let beyond = BeaconContent { position: Some(Position { lat: 90_000_001, lon: 0 }), ..content() };
        let long = BeaconContent { text: "x".repeat(73), ..content() };
        let battery = BeaconContent { battery: 101, ..content() };
        for wrong in [beyond, long, battery] {
            assert!(matches!(unsigned_bytes(&wrong, &[9; 32]), Err(BeaconError::Field { .. })));
        }
    }

    #[test]
    fn an_envelope_or_a_newer_version_is_no_beacon() {
        let mut bytes = raw(&content()).to_bytes();
        bytes[0] = 0x82;
        assert_eq!(RawBeacon::from_bytes(&bytes), Err(BeaconError::Version { got: 0x82 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_beacon_that_comes_back_or_an_error(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..220), ours: bool, len in 0u8..80,
        ) {
            if ours && bytes.len() > 58 {
                bytes[0] = BEACON_V1;
                bytes[58] = len;
                bytes[40] &= 3;
                bytes.resize(59 + usize::from(len) + 64 + 5, b'x');
                bytes[59..59 + usize::from(len)].fill(b'x');
            }
            if let Ok(beacon) = RawBeacon::from_bytes(&bytes) {
                prop_assert_eq!(beacon.immutable(), &bytes[..bytes.len() - 5]);
                let written = unsigned_bytes(beacon.content(), &beacon.key()).unwrap();
                prop_assert_eq!(&written[..], beacon.signed().0);
            }
        }
    }
}
