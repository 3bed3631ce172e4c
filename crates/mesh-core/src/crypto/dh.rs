//! X25519 keys, and the points that are none.

use core::fmt;
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use zeroize::Zeroizing;

use crate::rng::Rng;

/// A private X25519 key with its public half.
#[derive(Clone)]
pub struct X25519Secret {
    private: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl X25519Secret {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut Rng) -> Self {
        Self::from_private(rng.bytes())
    }

    /// The key whose private bytes these are.
    ///
    /// # Panics
    /// Never: the resolver is built with X25519.
    #[must_use]
    pub fn from_private(private: [u8; 32]) -> Self {
        let private = Zeroizing::new(private);
        let mut dh =
            DefaultResolver.resolve_dh(&DHChoice::Curve25519).expect("the default resolver has X25519");
        dh.set(&*private);
        let mut public = [0; 32];
        public.copy_from_slice(dh.pubkey());
        Self { private, public }
    }

    /// The private bytes.
    #[must_use]
    pub fn private(&self) -> &[u8; 32] {
        &self.private
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.public
    }
}

impl fmt::Debug for X25519Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { private: _, public: _ } = self;
        f.write_str("X25519Secret(..)")
    }
}

/// Whether every exchange with `point` gives zero, so that a secret with it is no secret: the five
/// points of small order and their other encodings, bit 255 set or not.
#[must_use]
pub fn is_low_order(point: &[u8; 32]) -> bool {
    let mut masked = *point;
    masked[31] &= 0x7f;
    LOW_ORDER.contains(&masked)
}

/// 0, 1, two points of order 8, p - 1, p, p + 1.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    small(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

const fn small(first: u8) -> [u8; 32] {
    let mut point = [0; 32];
    point[0] = first;
    point
}

const fn near_p(first: u8) -> [u8; 32] {
    let mut point = [0xff; 32];
    point[0] = first;
    point[31] = 0x7f;
    point
}

/// All 14 encodings of the points of small order, for the tests of whoever takes keys from others.
#[cfg(test)]
pub(crate) fn low_order_points() -> Vec<[u8; 32]> {
    let high = LOW_ORDER.map(|mut point| {
        point[31] |= 0x80;
        point
    });
    LOW_ORDER.into_iter().chain(high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_the_product_with_the_base_point() {
        let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
        dh.set(&[9; 32]);
        let mut base = [0; 32];
        base[0] = 9;
        let mut product = [0; 32];
        dh.dh(&base, &mut product).unwrap();
        assert_eq!(X25519Secret::from_private([9; 32]).public(), product);
    }

    #[test]
    fn debug_shows_no_key() {
        let secret = X25519Secret::from_private([9; 32]);
        assert_eq!(format!("{secret:?}"), "X25519Secret(..)");
    }

    #[test]
    fn attack_11_every_listed_point_gives_zero_and_no_other_does() {
        let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
        dh.set(&[0x5a; 32]);
        for point in low_order_points() {
            assert!(is_low_order(&point));
            let mut shared = [1; 32];
            dh.dh(&point, &mut shared).unwrap();
            assert_eq!(shared, [0; 32], "{point:02x?}");
        }
        for seed in 0..64 {
            assert!(!is_low_order(&X25519Secret::generate(&mut Rng::new([seed; 32])).public()));
        }
    }
}
