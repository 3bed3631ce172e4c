//! The contact link: what a QR code shows and people send each other, enough for a first contact
//! without any network (PROTOCOL.md section 2).
//!
//! ```text
//! STARLING:1/ base32( check 1 | certificate, signature | bundle, signature | invite 16 )
//! ```
//! 373 bytes, 608 characters: QR version 16 in alphanumeric mode.

use super::cert::{Intro, IntroError, VerifiedIntro};
use super::kdf::kdf;
use crate::id::Invite;
use crate::wire::codec;
use core::fmt;
use data_encoding::BASE32_NOPAD;

/// How every link of this version begins; written in capitals for the QR code, read in any case.
pub const LINK_PREFIX: &str = "STARLING:1/";
/// The longest text that is looked at, in bytes; a link of version 1 has at most 621 characters.
pub const MAX_LINK_TEXT: usize = 1024;

/// Why a text is no link that can be used. The message is shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Longer than any link.
    #[error("it has {got} characters; a link has about 608")]
    TooLong {
        /// The bytes of the text.
        got: usize,
    },
    /// Another kind of text or address.
    #[error("it does not begin with {LINK_PREFIX}")]
    Foreign,
    /// A link of another version.
    #[error("it was made by a newer version of this program")]
    Version,
    /// Something within it that is no letter or digit: a space, a line break, a control character.
    #[error("character {at} is not one of A-Z and 2-7")]
    Character {
        /// Its place, counted from 1.
        at: usize,
    },
    /// Cut short, lengthened or changed on its way.
    #[error("it is damaged or not complete: copy the whole link again")]
    Damaged,
    /// Complete, and signed wrongly: forged, or damaged by chance.
    #[error("it does not hold together: {0}")]
    Identity(#[from] IntroError),
}

/// A link whose signatures hold: whom it leads to and the secret that proves that one had it.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactLink {
    intro: VerifiedIntro,
    invite: Invite,
}

impl ContactLink {
    /// A link to the device of `intro`.
    #[must_use]
    pub fn new(intro: VerifiedIntro, invite: Invite) -> Self {
        Self { intro, invite }
    }

    /// The device that receives the first contact.
    #[must_use]
    pub fn intro(&self) -> &VerifiedIntro {
        &self.intro
    }

    /// The secret of the invite.
    #[must_use]
    pub fn invite(&self) -> Invite {
        self.invite
    }

    /// The text, in capitals.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{LINK_PREFIX}{}", BASE32_NOPAD.encode(&self.to_bytes()))
    }

    /// Reads a link as it is pasted or scanned: in any case, with space around it.
    ///
    /// # Errors
    /// Where the text is no link, is damaged, or its signatures do not hold.
    pub fn from_text(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_LINK_TEXT {
            return Err(LinkError::TooLong { got: text.len() });
        }
        let text = text.trim();
        let encoded = strip_prefix(text)?;
        let upper = encoded.to_ascii_uppercase();
        let alien = upper.chars().position(|c| !matches!(c, 'A'..='Z' | '2'..='7'));
        if let Some(at) = alien {
            return Err(LinkError::Character { at: LINK_PREFIX.len() + at + 1 });
        }
        let bytes = BASE32_NOPAD.decode(upper.as_bytes()).map_err(|_| LinkError::Damaged)?;
        Self::from_bytes(&bytes)
    }

    /// The bytes within the text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut rest = codec::encode(&self.intro.to_intro());
        rest.extend_from_slice(&self.invite.0);
        let mut bytes = vec![check(&rest)];
        bytes.append(&mut rest);
        bytes
    }

    /// Reads [`ContactLink::to_bytes`].
    ///
    /// # Errors
    /// As [`ContactLink::from_text`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LinkError> {
        let [first, rest @ ..] = bytes else { return Err(LinkError::Damaged) };
        if check(rest) != *first {
            return Err(LinkError::Damaged);
        }
        let (intro, invite) = codec::decode_prefix::<Intro>(rest).map_err(|_| LinkError::Damaged)?;
        let invite = Invite::from_slice(invite).ok_or(LinkError::Damaged)?;
        Ok(Self { intro: intro.verify()?, invite })
    }
}

impl fmt::Debug for ContactLink {
    /// Shows whose it is, never the invite.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { intro, invite: _ } = self;
        write!(f, "ContactLink to {:?}", intro.account())
    }
}

/// Covers the invite, which no signature covers: a slip of the pen there would otherwise make a link
/// that works for nobody and says so to nobody.
fn check(rest: &[u8]) -> u8 {
    kdf("link check", &[rest])[0]
}

fn strip_prefix(text: &str) -> Result<&str, LinkError> {
    let (head, tail) = text.split_at_checked(LINK_PREFIX.len()).ok_or(LinkError::Foreign)?;
    if head.eq_ignore_ascii_case(LINK_PREFIX) {
        return Ok(tail);
    }
    let scheme = &LINK_PREFIX[..LINK_PREFIX.len() - 2];
    let ours = head.get(..scheme.len()).is_some_and(|found| found.eq_ignore_ascii_case(scheme));
    let version = head.as_bytes().get(scheme.len()).is_some_and(u8::is_ascii_digit);
    Err(if ours && version { LinkError::Version } else { LinkError::Foreign })
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
