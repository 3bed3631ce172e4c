//! The one key derivation: labelled, and unambiguous about where each part ends.

/// 32 bytes that follow from `purpose` and `parts` (PROTOCOL.md section 1).
///
/// BLAKE3 in its key-derivation mode under the context `starling/1 <purpose>`, fed with each part
/// behind its length as u32 little endian, so that `["ab", "c"]` and `["a", "bc"]` differ. A purpose
/// is a fixed text of this program, never data.
#[must_use]
pub fn kdf(purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(&format!("starling/1 {purpose}"));
    for part in parts {
        // Parts are keys, ids and records; the codec's limit keeps them far below 4 GiB.
        hasher.update(&(part.len() as u32).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The first 16 bytes of [`kdf`]: for tags, commitments and ids.
#[must_use]
pub fn kdf16(purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
    truncated(purpose, parts)
}

/// The first 8 bytes of [`kdf`]: for names of secrets and hints, never for keys.
#[must_use]
pub fn kdf8(purpose: &str, parts: &[&[u8]]) -> [u8; 8] {
    truncated(purpose, parts)
}

fn truncated<const N: usize>(purpose: &str, parts: &[&[u8]]) -> [u8; N] {
    let whole = kdf(purpose, parts);
    core::array::from_fn(|i| whole[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn golden_derivation() {
        let key = kdf("tag", &[&[7; 32], b"ab"]);
        assert_eq!(HEXLOWER.encode(&key), "dd978c5b5023229c8cd4fc9663b3258e982faa9b985371c71d1f54b640a9942b");
    }

    #[test]
    fn parts_that_join_to_the_same_bytes_differ() {
        assert_ne!(kdf("tag", &[b"ab", b"c"]), kdf("tag", &[b"a", b"bc"]));
        assert_ne!(kdf("tag", &[b"ab"]), kdf("tag", &[b"ab", b""]));
    }

    #[test]
    fn purposes_differ() {
        assert_ne!(kdf("tag", &[b"x"]), kdf("psk", &[b"x"]));
    }

    #[test]
    fn the_short_forms_are_prefixes() {
        let whole = kdf("tag", &[b"x"]);
        assert_eq!(kdf16("tag", &[b"x"]), whole[..16]);
        assert_eq!(kdf8("tag", &[b"x"]), whole[..8]);
    }
}
