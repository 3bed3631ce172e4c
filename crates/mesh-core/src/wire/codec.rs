//! The one door to bincode: limited, strict about what follows the value.
//!
//! bincode 2.0.1 is the last release of an ended project; no other module names it, so that another
//! encoder can write the same bytes one day (golden vectors hold them; PROTOCOL.md section 1).

use bincode::config;
use serde::{Serialize, de::DeserializeOwned};

/// The largest encoded value that is ever decoded, in bytes: a 64 KiB text and its envelope of fields.
pub const LIMIT: usize = 128 * 1024;

/// The bytes are not one whole value of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Cut short, over the limit, or not of the type.
    #[error("{len} bytes do not hold a whole {expected}")]
    Malformed {
        /// What was to be read.
        expected: &'static str,
        /// How many bytes there were.
        len: usize,
    },
    /// A whole value, and then more.
    #[error("{extra} bytes follow a {expected}")]
    Trailing {
        /// What was read.
        expected: &'static str,
        /// How many bytes follow it.
        extra: usize,
    },
}

/// Encodes `value` (varint integers, little endian).
///
/// # Panics
/// Never for the types of this crate: none of them fails to serialize.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config::standard())
        .expect("a type of this crate serializes without error")
}

/// Decodes the whole of `bytes`.
///
/// # Errors
/// Where `bytes` is longer than [`LIMIT`], is no `T`, claims lengths beyond the limit (nothing is
/// allocated for them), or goes on after the value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) = decode_prefix(bytes)?;
    if rest.is_empty() {
        return Ok(value);
    }
    Err(DecodeError::Trailing { expected: short_name::<T>(), extra: rest.len() })
}

/// Decodes a value from the start of `bytes` and returns what follows it: for formats that a newer
/// version may lengthen.
///
/// # Errors
/// As [`decode`], but for what follows.
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let malformed = DecodeError::Malformed { expected: short_name::<T>(), len: bytes.len() };
    if bytes.len() > LIMIT {
        return Err(malformed);
    }
    let limited = config::standard().with_limit::<LIMIT>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, limited).map_err(|_| malformed)?;
    Ok((value, &bytes[used..]))
}

fn short_name<T>() -> &'static str {
    let name = core::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back() {
        let value = (7u8, vec![1u32, 300, 70_000], "zwölf".to_owned());
        assert_eq!(decode(&encode(&value)), Ok(value));
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        let mut bytes = encode(&5u32);
        bytes.push(0);
        assert_eq!(decode::<u32>(&bytes), Err(DecodeError::Trailing { expected: "u32", extra: 1 }));
    }

    #[test]
    fn a_length_bomb_is_refused_without_allocation() {
        let bytes = [253, 0, 0, 0, 0, 0, 0, 0, 0x10];
        assert!(matches!(decode::<Vec<u8>>(&bytes), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn golden_integers_are_little_endian_varints() {
        assert_eq!(encode(&(250u32, 251u32, 70_000u64)), [250, 251, 251, 0, 252, 112, 17, 1, 0]);
    }
}
