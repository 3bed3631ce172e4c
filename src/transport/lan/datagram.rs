//! The bytes of the loopback beacon (PROTOCOL.md section 4.7): `"starling" || 1 || u16 LE TCP port || PeerId`.

const MAGIC: &[u8; 8] = b"starling";
const VERSION: u8 = 1;
/// What stands before the PeerId.
const FIXED: usize = MAGIC.len() + 1 + 2;
/// The longest datagram that is read; an Ed25519 PeerId makes one of 49 bytes.
pub(super) const MAX_DATAGRAM: usize = 128;

/// The beacon of a PeerId that listens on `port`.
pub(super) fn encode(peer: &[u8], port: u16) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(FIXED + peer.len());
    datagram.extend_from_slice(MAGIC);
    datagram.push(VERSION);
    datagram.extend_from_slice(&port.to_le_bytes());
    datagram.extend_from_slice(peer);
    datagram
}

/// The bytes of a PeerId, which may be none, and its port; `None` for what is no beacon of this version.
pub(super) fn decode(datagram: &[u8]) -> Option<(&[u8], u16)> {
    let (fixed, peer) = datagram.split_at_checked(FIXED)?;
    let [magic @ .., version, low, high] = fixed else { return None };
    if magic != MAGIC || *version != VERSION {
        return None;
    }
    let port = u16::from_le_bytes([*low, *high]);
    (port != 0).then_some((peer, port))
}
