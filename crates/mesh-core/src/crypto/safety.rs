//! What two people compare: the safety number; and what one person reads at a glance: the tag.

use super::account::AccountKey;
use super::kdf::kdf;
use crate::id::AccountId;
use bip39::Language;

/// Rounds of hashing per half: they make a search for a look-alike number five thousand times dearer.
const ROUNDS: usize = 5_200;
/// Digits of one half.
const HALF: usize = 30;

/// One account's half of every safety number that it is part of: 30 digits. Costs about a
/// millisecond; worth keeping beside the account.
#[must_use]
pub fn safety_half(account: AccountKey) -> String {
    let id = account.id();
    let mut state = kdf("safety number", &[&[1], &account.0, &id.0]);
    for _ in 0..ROUNDS {
        state = *blake3::keyed_hash(&state, &account.0).as_bytes();
    }
    let mut digits = String::with_capacity(HALF);
    let mut stream = [0; HALF];
    blake3::Hasher::new_keyed(&state).update(b"digits").finalize_xof().fill(&mut stream);
    for group in stream.chunks_exact(5) {
        let number = group.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        digits.push_str(&format!("{:05}", number % 100_000));
    }
    digits
}

/// The safety number of two people: both halves, the smaller first, in 12 groups of 5 digits. Both
/// see the same; it changes if and only if one of the account keys does (PROTOCOL.md section 2).
#[must_use]
pub fn safety_number(half: &str, other: &str) -> String {
    let (first, second) = if half <= other { (half, other) } else { (other, half) };
    let digits = [first, second].concat();
    let groups: Vec<&str> = (0..digits.len()).step_by(5).filter_map(|at| digits.get(at..at + 5)).collect();
    groups.join(" ")
}

/// Three English words of 2,048 (BIP-39) from the first 33 bits of the account id: to tell two
/// people of one name apart. For eyes, not for security: 33 bits can be searched in hours.
#[must_use]
pub fn tag(account: AccountId) -> String {
    let [a, b, c, d, e, ..] = account.0;
    let bits = [a, b, c, d, e].iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte)) >> 7;
    let words = Language::English.word_list();
    let word = |shift: u32| words[(bits >> shift & 0x7ff) as usize];
    [word(22), word(11), word(0)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> AccountKey {
        super::super::account::AccountSecret::from_seed(&[seed; 32]).key()
    }

    #[test]
    fn both_people_see_the_same_60_digits() {
        let (a, b) = (safety_half(key(1)), safety_half(key(2)));
        let number = safety_number(&a, &b);
        assert_eq!(number, safety_number(&b, &a));
        assert_eq!(number.chars().filter(char::is_ascii_digit).count(), 60);
        assert_eq!(number.split(' ').count(), 12);
    }

    #[test]
    fn attack_01_a_substituted_key_gives_different_numbers_on_both_screens() {
        let (alice, bob, mallory) = (safety_half(key(1)), safety_half(key(2)), safety_half(key(3)));
        assert_ne!(safety_number(&alice, &mallory), safety_number(&mallory, &bob));
        assert_ne!(safety_number(&alice, &mallory), safety_number(&alice, &bob));
    }

    #[test]
    fn golden_half_and_tag() {
        assert_eq!(safety_half(key(1)), "727937444042283087468818066915");
        assert_eq!(tag(key(1).id()), "local-radio-replace");
    }

    #[test]
    fn the_tag_is_made_of_the_first_33_bits() {
        assert_eq!(tag(AccountId([0; 20])), "abandon-abandon-abandon");
        assert_eq!(tag(AccountId([0xff; 20])), "zoo-zoo-zoo");
        let mut id = [0; 20];
        id[4] = 0x7f;
        assert_eq!(tag(AccountId(id)), "abandon-abandon-abandon");
        id[4] = 0x80;
        assert_eq!(tag(AccountId(id)), "abandon-abandon-ability");
    }
}
