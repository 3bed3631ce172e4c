//! What shall be written during a run.

/// A message that somebody will write, as the workload plans it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its number, from 0; unique in a run.
    pub number: u32,
    /// When it is written, in milliseconds of the world.
    pub at: u64,
    /// Who writes it.
    pub from: u32,
    /// For whom it is.
    pub to: Audience,
    /// Length of its text in bytes, at least 12: the number stands in it.
    pub bytes: u32,
}

/// For whom a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One person.
    One(u32),
    /// Several people, each with a message of their own.
    Each(Vec<u32>),
    /// Everybody who can be reached: a public beacon.
    Everybody,
}

/// Digits of the number that a text begins with.
const DIGITS: usize = 10;

impl Draft {
    /// The shortest text, in bytes: the number must stand in it.
    pub const SHORTEST: usize = DIGITS + 2;

    /// The text that is written: the number, then filler up to its length.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{:0DIGITS$}. ", self.number);
        let len = (self.bytes as usize).max(Self::SHORTEST);
        text.extend("All is well here, we have water. ".chars().cycle().take(len - text.len()));
        text
    }

    /// The number in a text that [`Draft::text`] made; `None` in any other.
    #[must_use]
    pub fn number_in(text: &str) -> Option<u32> {
        let (digits, rest) = text.split_at_checked(DIGITS)?;
        let plain = rest.starts_with(". ") && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_its_length_and_tells_its_number() {
        for (number, bytes) in [(0, 12), (7, 20), (u32::MAX, 5_000)] {
            let text = Draft { number, at: 0, from: 0, to: Audience::Everybody, bytes }.text();
            assert_eq!(text.len(), bytes as usize);
            assert_eq!(Draft::number_in(&text), Some(number));
        }
        assert_eq!(Draft::number_in("hello there, how are you"), None);
        assert_eq!(Draft::number_in(""), None);
    }
}
