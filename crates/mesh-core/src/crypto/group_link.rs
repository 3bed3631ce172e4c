//! The link into a group: whom to ask, and the proof that one had it (PROTOCOL.md section 15.6).
//!
//! ```text
//! STARLING-GROUP:1/ base32( check 1 | intro 356 | invite 16 | group 20 | length 1, name )
//! ```

use super::card::{ContactLink, LinkError};
use super::cert::Intro;
use super::kdf::{kdf, kdf16};
use crate::id::{GroupId, Invite};
use crate::wire::codec;
use core::fmt;
use data_encoding::BASE32_NOPAD;

/// How every link of this version begins; written in capitals for the QR code, read in any case.
pub const GROUP_LINK_PREFIX: &str = "STARLING-GROUP:1/";
/// The longest text that is looked at, in bytes; a link of version 1 has at most 750 characters.
pub const MAX_GROUP_LINK_TEXT: usize = 1_024;
/// The longest name that a link carries, in bytes of UTF-8: that of a group.
pub const MAX_LINK_NAME: usize = 64;

/// A link whose signatures hold: whose device lets people in, into what, and the secret that proves that one had it.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupLink {
    contact: ContactLink,
    group: GroupId,
    name: String,
}

impl GroupLink {
    /// A link into `group`, which was called `name` when the link was made; what is longer than [`MAX_LINK_NAME`] is cut.
    #[must_use]
    pub fn new(contact: ContactLink, group: GroupId, name: &str) -> Self {
        let end = (0..=MAX_LINK_NAME.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
        let name = name[..end.unwrap_or(0)].to_owned();
        Self { contact, group, name }
    }

    /// The device that lets people in, and the secret under which it is asked.
    #[must_use]
    pub fn contact(&self) -> &ContactLink {
        &self.contact
    }

    /// Which group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// What the group was called when the link was made; nobody signed that.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the asker shows instead of the secret: it opens nothing, and belongs to this group alone.
    #[must_use]
    pub fn token(&self) -> [u8; 16] {
        kdf16("group join", &[&self.contact.invite().0, &self.group.0])
    }

    /// The text, in capitals.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{GROUP_LINK_PREFIX}{}", BASE32_NOPAD.encode(&self.to_bytes()))
    }

    /// Reads a link as it is pasted or scanned: in any case, with space around it.
    ///
    /// # Errors
    /// Where the text is no such link, is damaged, or its signatures do not hold.
    pub fn from_text(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_GROUP_LINK_TEXT {
            return Err(LinkError::TooLong { got: text.len() });
        }
        let (head, tail) = text.trim().split_at_checked(GROUP_LINK_PREFIX.len()).ok_or(LinkError::Foreign)?;
        if !head.eq_ignore_ascii_case(GROUP_LINK_PREFIX) {
            return Err(LinkError::Foreign);
        }
        let upper = tail.to_ascii_uppercase();
        if let Some(at) = upper.chars().position(|c| !matches!(c, 'A'..='Z' | '2'..='7')) {
            return Err(LinkError::Character { at: GROUP_LINK_PREFIX.len() + at + 1 });
        }
        let bytes = BASE32_NOPAD.decode(upper.as_bytes()).map_err(|_| LinkError::Damaged)?;
        Self::from_bytes(&bytes)
    }

    /// The bytes within the text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut rest = codec::encode(&self.contact.intro().to_intro());
        rest.extend_from_slice(&self.contact.invite().0);
        rest.extend_from_slice(&self.group.0);
        // At most MAX_LINK_NAME bytes.
        rest.push(self.name.len() as u8);
        rest.extend_from_slice(self.name.as_bytes());
        let mut bytes = vec![check(&rest)];
        bytes.append(&mut rest);
        bytes
    }

    /// Reads [`GroupLink::to_bytes`].
    ///
    /// # Errors
    /// As [`GroupLink::from_text`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LinkError> {
        let [first, rest @ ..] = bytes else { return Err(LinkError::Damaged) };
        if check(rest) != *first {
            return Err(LinkError::Damaged);
        }
        let (intro, rest) = codec::decode_prefix::<Intro>(rest).map_err(|_| LinkError::Damaged)?;
        let (invite, rest) = rest.split_at_checked(Invite::LEN).ok_or(LinkError::Damaged)?;
        let (group, rest) = rest.split_at_checked(GroupId::LEN).ok_or(LinkError::Damaged)?;
        let (len, name) = rest.split_first().ok_or(LinkError::Damaged)?;
        let name = core::str::from_utf8(name).map_err(|_| LinkError::Damaged)?;
        if name.len() != usize::from(*len) || name.len() > MAX_LINK_NAME {
            return Err(LinkError::Damaged);
        }
        let invite = Invite::from_slice(invite).ok_or(LinkError::Damaged)?;
        let group = GroupId::from_slice(group).ok_or(LinkError::Damaged)?;
        Ok(Self { contact: ContactLink::new(intro.verify()?, invite), group, name: name.to_owned() })
    }
}

impl fmt::Debug for GroupLink {
    /// Shows where it leads, never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupLink into {:?} by {:?}", self.group, self.contact)
    }
}

fn check(rest: &[u8]) -> u8 {
    kdf("group link check", &[rest])[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OwnIdentity;
    use crate::crypto::ratchet::Fake;
    use crate::outbox::Outbox;
    use crate::rng::Rng;
    use crate::time::{Now, Time, Wall};

    fn link(name: &str) -> GroupLink {
        let (mut rng, mut out) = (Rng::new([7; 32]), Outbox::default());
        let now = Now { mono: Time(5_000), wall: Wall(1_800_000_000) };
        let own = OwnIdentity::create(&mut rng, &Fake, now, &mut out).unwrap();
        let contact = ContactLink::from_text(&own.link()).unwrap();
        GroupLink::new(contact, GroupId([9; 20]), name)
    }

    #[test]
    fn a_link_into_a_group_comes_back_whole_from_what_people_paste() {
        let link = link("Street 12 ♥");
        let text = format!("  {}\n", link.to_text().to_lowercase());
        assert!(text.len() <= MAX_GROUP_LINK_TEXT);
        assert_eq!(GroupLink::from_text(&text), Ok(link));
    }

    #[test]
    fn a_link_into_a_group_that_was_changed_anywhere_is_refused() {
        let link = link("Street");
        let bytes = link.to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(GroupLink::from_bytes(&changed).is_err(), "byte {at}");
        }
        assert!(GroupLink::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(GroupLink::from_text(&link.contact().to_text()), Err(LinkError::Foreign));
        assert_eq!(ContactLink::from_text(&link.to_text()), Err(LinkError::Foreign));
    }

    #[test]
    fn golden_token_and_place_of_the_fields() {
        let link = link(&"ö".repeat(40));
        assert_eq!(link.name().len(), 64, "a longer name is cut between letters");
        let bytes = link.to_bytes();
        assert_eq!(bytes.len(), 1 + 356 + 16 + 20 + 1 + 64);
        assert_eq!(bytes[373..393], [9; 20]);
        assert_eq!(link.token(), kdf16("group join", &[&bytes[357..373], &bytes[373..393]]));
    }
}
