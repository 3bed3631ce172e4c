//! The Noise patterns of this protocol, and snow bound to a seeded generator.
//!
//! snow asks a resolver for its generator and its Diffie-Hellman. Ours hands out a seeded generator, so
//! that a seal follows from its seed, and refuses exchanges that give zero, which snow lets pass.

use crate::rng::Rng;
use core::cell::RefCell;
use core::fmt;
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use std::sync::LazyLock;

/// Which Noise protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// K1, a first contact: one message to a known prekey, the sender's static key inside, an
    /// invite's secret mixed in (PROTOCOL.md section 5).
    FirstContact,
    /// K2, everything after: one message under a one-time key (PROTOCOL.md section 6).
    Session,
    /// A link whose transport has no encryption of its own (PROTOCOL.md section 4).
    Link,
}

impl Pattern {
    /// The protocol's name as Noise spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstContact => "Noise_Xpsk1_25519_ChaChaPoly_SHA256",
            Self::Session => "Noise_NNpsk0_25519_ChaChaPoly_SHA256",
            Self::Link => "Noise_XX_25519_ChaChaPoly_SHA256",
        }
    }

    fn params(self) -> NoiseParams {
        static FIRST_CONTACT: LazyLock<NoiseParams> = LazyLock::new(|| parsed(Pattern::FirstContact));
        static SESSION: LazyLock<NoiseParams> = LazyLock::new(|| parsed(Pattern::Session));
        static LINK: LazyLock<NoiseParams> = LazyLock::new(|| parsed(Pattern::Link));
        match self {
            Self::FirstContact => FIRST_CONTACT.clone(),
            Self::Session => SESSION.clone(),
            Self::Link => LINK.clone(),
        }
    }
}

fn parsed(pattern: Pattern) -> NoiseParams {
    pattern.name().parse().expect("the three names are valid Noise protocol names")
}

/// A builder for `pattern` whose chance is `rng` alone.
#[must_use]
pub fn builder<'a>(pattern: Pattern, rng: Rng) -> snow::Builder<'a> {
    snow::Builder::with_resolver(pattern.params(), Box::new(SeededResolver::new(rng)))
}

/// snow's default primitives with a seeded generator and a strict Diffie-Hellman.
struct SeededResolver {
    rng: RefCell<Rng>,
}

impl SeededResolver {
    fn new(rng: Rng) -> Self {
        Self { rng: RefCell::new(rng) }
    }
}

impl fmt::Debug for SeededResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededResolver(..)")
    }
}

impl CryptoResolver for SeededResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Seeded(self.rng.borrow_mut().fork())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice).map(|dh| Box::new(StrictDh(dh)) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct Seeded(Rng);

impl Random for Seeded {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

/// X25519 that refuses a result of zero: the other point was of low order and the "secret" is known
/// to everybody.
struct StrictDh(Box<dyn Dh>);

impl Dh for StrictDh {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn pub_len(&self) -> usize {
        self.0.pub_len()
    }

    fn priv_len(&self) -> usize {
        self.0.priv_len()
    }

    fn set(&mut self, privkey: &[u8]) {
        self.0.set(privkey);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        self.0.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        self.0.pubkey()
    }

    fn privkey(&self) -> &[u8] {
        self.0.privkey()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        self.0.dh(pubkey, out)?;
        let len = self.0.dh_len().min(out.len());
        let any = out[..len].iter().fold(0, |any, byte| any | byte);
        if any == 0 { Err(snow::Error::Dh) } else { Ok(()) }
    }
}

#[cfg(test)]
#[path = "noise_tests.rs"]
mod tests;
