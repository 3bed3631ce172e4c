//! How two neighbours who know each other see it, and nobody else does (PROTOCOL.md section 4).
//!
//! Each end sends 64 tokens, one for each recent pair and random ones beside them. A token is bound to the
//! link, to the end that sent it and to its nonce, so a recorded one says nothing anywhere else.

use crate::border::Role;
use crate::id::AccountId;
use crate::rng::Rng;
use crate::wire::frame::{TOKENS, Token};

/// The secret of a pair, from the session between the two accounts.
pub type Secret = [u8; 32];

/// The token of a pair in one direction on one link.
fn token(secret: &Secret, sender: Role, binding: &[u8; 32], nonce: &[u8; 16]) -> Token {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(b"starling/1 recognise");
    hasher.update(&[matches!(sender, Role::Listener).into()]);
    hasher.update(binding);
    hasher.update(nonce);
    let mut token = [0; 8];
    token.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    token
}

/// What this end sends: the first 64 secrets' tokens, filled up with random ones and sorted.
pub(super) fn tokens(
    secrets: &[(AccountId, Secret)],
    role: Role,
    binding: &[u8; 32],
    nonce: &[u8; 16],
    rng: &mut Rng,
) -> Vec<Token> {
    let known = secrets.iter().take(TOKENS).map(|(_, secret)| token(secret, role, binding, nonce));
    let mut tokens: Vec<Token> = known.collect();
    tokens.resize_with(TOKENS, || rng.bytes());
    tokens.sort_unstable();
    tokens
}

/// Whose token is among those that the other end sent.
pub(super) fn recognise(
    secrets: &[(AccountId, Secret)],
    tokens: &[Token],
    sender: Role,
    binding: &[u8; 32],
    nonce: &[u8; 16],
) -> Option<AccountId> {
    let known = |(_, secret): &&(AccountId, Secret)| tokens.contains(&token(secret, sender, binding, nonce));
    secrets.iter().take(TOKENS).find(known).map(|(account, _)| *account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Vec<(AccountId, Secret)> {
        vec![(AccountId([1; 20]), [10; 32]), (AccountId([2; 20]), [20; 32])]
    }

    fn sent(count: usize) -> Vec<Token> {
        tokens(&secrets()[..count], Role::Dialer, &[7; 32], &[8; 16], &mut Rng::new([0; 32]))
    }

    #[test]
    fn the_other_end_of_a_pair_is_recognised() {
        let theirs = [(AccountId([9; 20]), [20; 32])];
        let seen = recognise(&theirs, &sent(2), Role::Dialer, &[7; 32], &[8; 16]);
        assert_eq!(seen, Some(AccountId([9; 20])));
    }

    #[test]
    fn a_stranger_recognises_nobody() {
        let theirs = [(AccountId([9; 20]), [21; 32])];
        assert_eq!(recognise(&theirs, &sent(2), Role::Dialer, &[7; 32], &[8; 16]), None);
    }

    #[test]
    fn the_number_of_contacts_does_not_show() {
        assert_eq!((sent(0).len(), sent(2).len()), (TOKENS, TOKENS));
    }

    #[test]
    fn attack_32_tokens_replayed_on_another_link_are_noise() {
        let theirs = [(AccountId([9; 20]), [20; 32])];
        assert_eq!(recognise(&theirs, &sent(2), Role::Dialer, &[6; 32], &[8; 16]), None);
        assert_eq!(recognise(&theirs, &sent(2), Role::Dialer, &[7; 32], &[9; 16]), None);
    }

    #[test]
    fn attack_32_tokens_mirrored_back_are_noise() {
        assert_eq!(recognise(&secrets(), &sent(2), Role::Listener, &[7; 32], &[8; 16]), None);
    }

    #[test]
    fn golden_token() {
        let token = token(&[1; 32], Role::Dialer, &[2; 32], &[3; 16]);
        assert_eq!(data_encoding::HEXLOWER.encode(&token), "8e9d1345ba143694");
    }
}
