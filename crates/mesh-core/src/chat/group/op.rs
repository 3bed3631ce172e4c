//! What a group's operations say, and what form they must have whatever the group has become
//! (PROTOCOL.md section 15.1).

use crate::crypto::AccountKey;
use crate::crypto::Signed;
use crate::crypto::signed::Signable;
use crate::id::{AccountId, DeviceId, GroupId, OpHash};
use serde::{Deserialize, Serialize};

/// The most members of a group.
pub const MAX_MEMBERS: usize = 1_024;
/// The most operations that one group holds; the deepest has the depth [`MAX_OPS`] - 1.
pub const MAX_OPS: usize = 4_096;
/// The most people that one operation adds: it stays within an envelope of 4 KiB.
pub const MAX_ADDED: usize = 64;
/// The most parents of an operation.
pub const MAX_PARENTS: usize = 8;
/// The longest name of a group, in bytes.
pub const MAX_GROUP_NAME: usize = 64;
/// The longest description of a group, in bytes.
pub const MAX_GROUP_ABOUT: usize = 256;
/// Up to which depth a property may be set, and up to which people may be added and promoted. What lies
/// beyond is kept for removals: a group whose log is full of words can still put somebody out.
const ROOM: (u32, u32) = (2_048, 3_584);

/// An operation as it travels: signed by the device of its author.
pub type SignedOp = Signed<Op>;

/// One change of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Which group; `None` for [`What::Create`], whose hash names the group.
    pub group: Option<GroupId>,
    /// Whose word it is.
    pub author: AccountId,
    /// The author's device that signed.
    pub device: DeviceId,
    /// The newest operations that the author knew, 1 to [`MAX_PARENTS`] in rising order; none for `Create`.
    pub parents: Vec<OpHash>,
    /// One more than the greatest depth of a parent; 0 for `Create`.
    pub depth: u32,
    /// The change.
    pub what: What,
}

impl Signable for Op {
    const LABEL: &'static str = "starling/1 group op";
}

/// What an operation changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A group begins.
    Create {
        /// 1 to [`MAX_GROUP_NAME`] bytes.
        name: String,
        /// Random: two groups of the same people are two.
        nonce: [u8; 16],
        /// The author's key, the first admin.
        creator: AccountKey,
        /// The other first members: at most [`MAX_ADDED`], different and in rising order.
        members: Vec<AccountKey>,
    },
    /// People come in, as members.
    Add {
        /// 1 to [`MAX_ADDED`], different and in rising order.
        members: Vec<AccountKey>,
    },
    /// Somebody else is put out.
    Remove {
        /// Whom.
        member: AccountKey,
    },
    /// The author goes.
    Leave,
    /// A member becomes an admin.
    Promote {
        /// Who.
        member: AccountKey,
    },
    /// An admin becomes a member; the author may mean themselves.
    Demote {
        /// Who.
        member: AccountKey,
    },
    /// One property is set.
    Meta(Meta),
}

/// One property of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meta {
    /// 1 to [`MAX_GROUP_NAME`] bytes.
    Name(String),
    /// At most [`MAX_GROUP_ABOUT`] bytes.
    About(String),
    /// Whether only admins write; at first everybody does.
    OnlyAdminsPost(bool),
    /// Whether only admins set name, description and timer; at first they do.
    OnlyAdminsEdit(bool),
    /// After how many seconds messages disappear, at least 1; `None` where they stay, as at first.
    Timer(Option<u32>),
}

/// Why an operation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpRefusal {
    /// Not one whole operation in its canonical encoding, or not signed by the device that it names.
    #[error("the operation is malformed or its signature does not fit")]
    Signature,
    /// It belongs to another group, or begins one.
    #[error("the operation belongs to another group")]
    OtherGroup,
    /// Too many parents, none, or not in rising order.
    #[error("an operation names 1 to {MAX_PARENTS} parents in rising order, not {got}")]
    Parents {
        /// How many it names.
        got: usize,
    },
    /// Not one more than its deepest parent.
    #[error("the operation claims depth {got} instead of {expected}")]
    Depth {
        /// What follows from its parents.
        expected: u32,
        /// What it claims.
        got: u32,
    },
    /// A list of people that is empty, too long, or not in rising order.
    #[error("a list names at most {MAX_ADDED} different people in rising order, not {got}")]
    List {
        /// How many it names.
        got: usize,
    },
    /// A text or a number outside its range.
    #[error("{what} takes {min} to {max}, not {got}")]
    Range {
        /// Of what.
        what: &'static str,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
        /// What was given.
        got: usize,
    },
    /// The author had no right to it.
    #[error("only {who} of the group may do that")]
    Right {
        /// Who may.
        who: &'static str,
    },
    /// It would change nothing: who is added is there, who is removed is not.
    #[error("nothing would change: {why}")]
    Idle {
        /// What stands already.
        why: &'static str,
    },
    /// [`What::Remove`] of the author, who has [`What::Leave`] for that.
    #[error("who goes leaves")]
    Oneself,
    /// More members than a group may have.
    #[error("a group has at most {MAX_MEMBERS} members, not {got}")]
    Members {
        /// How many there would be.
        got: usize,
    },
    /// No room for further operations of this kind.
    #[error("the group holds no more operations of this kind than {limit}")]
    Full {
        /// The most.
        limit: usize,
    },
    /// The last admin must promote somebody before going.
    #[error("the last admin promotes somebody before going")]
    LastAdmin,
}

impl What {
    /// Adds these people, in the order that the form wants.
    #[must_use]
    pub fn add(members: impl IntoIterator<Item = AccountKey>) -> Self {
        Self::Add { members: sorted(members) }
    }

    /// Whether only an admin may ever do it.
    pub(super) const fn is_admins(&self) -> bool {
        match self {
            Self::Create { .. }
            | Self::Add { .. }
            | Self::Remove { .. }
            | Self::Promote { .. }
            | Self::Demote { .. } => true,
            Self::Leave => false,
            Self::Meta(meta) => matches!(meta, Meta::OnlyAdminsPost(_) | Meta::OnlyAdminsEdit(_)),
        }
    }

    /// The greatest depth at which it may stand.
    const fn deepest(&self) -> u32 {
        match self {
            Self::Meta(_) => ROOM.0,
            Self::Create { .. } | Self::Add { .. } | Self::Promote { .. } => ROOM.1,
            Self::Remove { .. } | Self::Demote { .. } | Self::Leave => MAX_OPS as u32 - 1,
        }
    }
}

impl Op {
    /// Whether it has the form of an operation of this group, which does not depend on what the group has become.
    /// `id` is the name of the group that it begins, should it begin one.
    pub(super) fn check(&self, group: GroupId, id: GroupId) -> Result<(), OpRefusal> {
        let begins = matches!(self.what, What::Create { .. });
        let belongs = if begins { self.group.is_none() && id == group } else { self.group == Some(group) };
        if !belongs {
            return Err(OpRefusal::OtherGroup);
        }
        let rising = self.parents.windows(2).all(|pair| pair[0] < pair[1]);
        if self.parents.is_empty() != begins || self.parents.len() > MAX_PARENTS || !rising {
            return Err(OpRefusal::Parents { got: self.parents.len() });
        }
        if begins == (self.depth != 0) {
            return Err(OpRefusal::Depth { expected: u32::from(!begins), got: self.depth });
        }
        self.check_what()
    }

    /// The part of [`Op::check`] that an author can get wrong.
    pub(super) fn check_what(&self) -> Result<(), OpRefusal> {
        if self.depth > self.what.deepest() {
            return Err(OpRefusal::Full { limit: self.what.deepest() as usize });
        }
        match &self.what {
            What::Create { name, creator, members, .. } => {
                within("a name", 1, MAX_GROUP_NAME, name.len())?;
                let other = creator.id() != self.author || members.contains(creator);
                if other || !is_list(members) {
                    return Err(OpRefusal::List { got: members.len() });
                }
                Ok(())
            }
            What::Add { members } if members.is_empty() || !is_list(members) => {
                Err(OpRefusal::List { got: members.len() })
            }
            What::Remove { member } if member.id() == self.author => Err(OpRefusal::Oneself),
            What::Meta(Meta::Name(name)) => within("a name", 1, MAX_GROUP_NAME, name.len()),
            What::Meta(Meta::About(about)) => within("a description", 0, MAX_GROUP_ABOUT, about.len()),
            What::Meta(Meta::Timer(Some(0))) => within("a timer", 1, u32::MAX as usize, 0),
            _ => Ok(()),
        }
    }
}

/// BLAKE3 of the signed bytes of the operation that begins a group, the first 20 (PROTOCOL.md section 15.1).
pub(super) fn group_id(create: &SignedOp) -> GroupId {
    let hash = blake3::hash(create.bytes());
    GroupId(core::array::from_fn(|i| hash.as_bytes()[i]))
}

/// Different people in rising order.
pub(super) fn sorted(members: impl IntoIterator<Item = AccountKey>) -> Vec<AccountKey> {
    let mut members: Vec<AccountKey> = members.into_iter().collect();
    members.sort_unstable();
    members.dedup();
    members
}

fn is_list(members: &[AccountKey]) -> bool {
    members.len() <= MAX_ADDED && members.windows(2).all(|pair| pair[0] < pair[1])
}

fn within(what: &'static str, min: usize, max: usize, got: usize) -> Result<(), OpRefusal> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(OpRefusal::Range { what, min, max, got }) }
}
