//! What a radio says of its node to everybody: six bytes (PROTOCOL.md section 4.8).

/// Bytes of an advert: what a legacy advertisement of Bluetooth has left beside flags and service.
pub const ADVERT_LEN: usize = 6;

/// The layout that is written.
const LAYOUT: u8 = 1;
/// Where the layout stands in the first byte.
const LAYOUT_BITS: u8 = 0x0f;
/// The bit of the first byte that says that no place is free.
const FULL: u8 = 0x10;

/// Six bytes that tell whether a link to this node would be of use, and nothing else.
///
/// Of two nodes that hear one another the one with the lower bytes dials. The order of this type is that of its
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Advert {
    /// Whether it has no free place: then it is dialled last.
    pub full: bool,
    /// Random, new in every advert: what it stands beside tells nothing to who does not know the bag.
    pub nonce: [u8; 2],
    /// [`Advert::digest_of`] the bag's root and the nonce.
    pub digest: [u8; 2],
    /// How many others the node hears, up to 255.
    pub density: u8,
}

impl Advert {
    /// What a node says whose bag looks like `root`.
    #[must_use]
    pub fn new(root: [u8; 8], nonce: [u8; 2], full: bool, density: u8) -> Self {
        Self { full, nonce, digest: Self::digest_of(root, nonce), density }
    }

    /// Two bytes by which nodes with equal bags know one another: `KDF mode BLAKE3("starling/1 advert"; root || nonce)[..2]`.
    /// Of 65,536 pairs with other bags one looks equal, until its next advert.
    #[must_use]
    pub fn digest_of(root: [u8; 8], nonce: [u8; 2]) -> [u8; 2] {
        let mut hasher = blake3::Hasher::new_derive_key("starling/1 advert");
        hasher.update(&root).update(&nonce);
        let hash = hasher.finalize();
        let [first, second, ..] = *hash.as_bytes();
        [first, second]
    }

    /// Reads remote bytes; `None` where they are not six, or of no layout. Later layouts keep these fields.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [what, n0, n1, d0, d1, density] = *bytes else { return None };
        if what & LAYOUT_BITS == 0 {
            return None;
        }
        Some(Self { full: what & FULL != 0, nonce: [n0, n1], digest: [d0, d1], density })
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; ADVERT_LEN] {
        let Self { full, nonce: [n0, n1], digest: [d0, d1], density } = self;
        let what = LAYOUT | if full { FULL } else { 0 };
        [what, n0, n1, d0, d1, density]
    }

    /// Whether it shows a bag that looks like `root`.
    #[must_use]
    pub fn shows(&self, root: [u8; 8]) -> bool {
        self.digest == Self::digest_of(root, self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_bytes_of_an_advert() {
        let advert = Advert::new([7; 8], [0x12, 0x34], false, 33);
        assert_eq!(advert.to_bytes(), [0x01, 0x12, 0x34, 157, 14, 33]);
        let full = Advert::new([7; 8], [0x12, 0x34], true, 33);
        assert_eq!(full.to_bytes(), [0x11, 0x12, 0x34, 157, 14, 33]);
        let empty = Advert::new([0; 8], [0, 0], false, 0);
        assert_eq!(empty.to_bytes(), [0x01, 0x00, 0x00, 243, 203, 0]);
    }

    #[test]
    fn what_is_no_advert_is_refused() {
        for bytes in [&[][..], &[1; 5], &[1; 7], &[0x00, 1, 2, 3, 4, 5], &[0xf0, 1, 2, 3, 4, 5]] {
            assert_eq!(Advert::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_later_layout_keeps_its_fields() {
        let read = Advert::from_bytes(&[0xf2, 1, 2, 3, 4, 5]);
        assert_eq!(read, Some(Advert { full: true, nonce: [1, 2], digest: [3, 4], density: 5 }));
    }

    #[test]
    fn equal_bags_know_one_another_by_any_nonce_and_adverts_have_nothing_in_common() {
        let root = [9; 8];
        let [one, other] = [[1, 1], [2, 2]].map(|nonce| Advert::new(root, nonce, false, 0));
        assert!(one.shows(root) && other.shows(root));
        assert!(!one.shows([8; 8]));
        assert_ne!(one.digest, other.digest);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(root: [u8; 8], nonce: [u8; 2], full: bool, density: u8) {
            let advert = Advert::new(root, nonce, full, density);
            prop_assert_eq!(Advert::from_bytes(&advert.to_bytes()), Some(advert));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..10)) {
            let read = Advert::from_bytes(&bytes);
            prop_assert_eq!(read.is_some(), bytes.len() == ADVERT_LEN && bytes[0] & 0x0f != 0);
        }

        #[test]
        fn adverts_stand_in_the_order_of_their_bytes(a: [u8; 5], b: [u8; 5]) {
            let read = |rest: [u8; 5]| Advert::from_bytes(&[1, rest[0], rest[1], rest[2], rest[3], rest[4]]);
            let (a, b) = (read(a).unwrap(), read(b).unwrap());
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }
    }
}
