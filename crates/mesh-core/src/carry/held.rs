//! What is remembered of one item.

use super::Origin;
use super::lines::{self, latest_first};
use super::parcel::Kind;
use super::record::Record;
use super::shares::{Age, DEPARTED, Rank, Source};
use crate::id::{AckCommit, EnvelopeId, LinkId, Tag};

/// What is remembered of an item.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) id: EnvelopeId,
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) via: Option<LinkId>,
    pub(super) hops: u8,
    pub(super) copies: u8,
    pub(super) len: u32,
    pub(super) span: Age,
    pub(super) came: Age,
    pub(super) ends: Age,
    pub(super) tag: Tag,
    pub(super) commit: AckCommit,
}

impl Held {
    /// The item that storage has under `id`.
    pub(super) fn restored(id: EnvelopeId, record: &Record) -> Self {
        Self {
            id,
            kind: if record.kind == 1 { Kind::Public } else { Kind::Sealed },
            source: Source { rank: Rank::from_byte(record.rank), link: DEPARTED },
            via: None,
            hops: record.hops,
            copies: 0,
            len: record.len,
            span: record.span,
            came: record.came,
            ends: record.ends,
            tag: record.tag,
            commit: record.commit,
        }
    }

    /// Where it stands in line until it goes on.
    pub(super) fn place(&self) -> lines::Place {
        let line = lines::number(self.source.rank == Rank::Own, self.via);
        lines::Place { surplus: self.is_surplus(), line, order: latest_first(self.came) }
    }

    /// Whether it has the mark of what came beyond the share of whoever brought it.
    pub(super) fn is_surplus(&self) -> bool {
        matches!(self.source.rank, Rank::Surplus | Rank::ContactSurplus)
    }
}

/// Whose it is, of what came from `origin`, marked or not.
pub(super) fn source(origin: Origin, surplus: bool) -> Source {
    match origin {
        Origin::Own { .. } => Source { rank: Rank::Own, link: DEPARTED },
        // All of it is one share.
        Origin::Air => Source { rank: Rank::Other, link: DEPARTED },
        Origin::Link { link, contact } => {
            let rank = match (contact, surplus) {
                (true, false) => Rank::Contact,
                (true, true) => Rank::ContactSurplus,
                (false, false) => Rank::Other,
                (false, true) => Rank::Surplus,
            };
            Source { rank, link: link.0 }
        }
    }
}
