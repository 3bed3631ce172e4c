//! Quantities as people write them in a scenario file: `"10 min"`, `"20 kB/s"`, `0.25`.

use core::fmt;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// A span of time: a number and one of `ms`, `s`, `min`, `h`, `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// In milliseconds; at most ten years.
    pub ms: u64,
}

/// A number of bytes: a number and one of `B`, `kB`, `MB`, `GB` (thousands).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Bytes per second: a number and one of `B/s`, `kB/s`, `MB/s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Share(pub f64);

const TEN_YEARS_MS: f64 = 3_653.0 * 86_400_000.0;
const SPAN_UNITS: [(&str, f64); 5] = [("ms", 1.0), ("s", 1e3), ("min", 6e4), ("h", 3.6e6), ("d", 8.64e7)];
const BYTE_UNITS: [(&str, f64); 4] = [("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)];
const RATE_UNITS: [(&str, f64); 3] = [("B/s", 1.0), ("kB/s", 1e3), ("MB/s", 1e6)];

impl Span {
    /// A whole number of seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self { ms: seconds * 1000 }
    }

    /// A whole number of minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// In seconds, begun ones left out; `u32::MAX` where there are more.
    #[must_use]
    pub fn whole_seconds(self) -> u32 {
        u32::try_from(self.ms / 1000).unwrap_or(u32::MAX)
    }

    /// `scale` times as long.
    pub(crate) fn times(self, scale: f64) -> Self {
        Self { ms: (self.ms as f64 * scale) as u64 }
    }

    /// In seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.ms as f64 / 1000.0
    }

    /// Reads what people write: `10 min`, `1.5h`.
    ///
    /// # Errors
    /// What is allowed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ms = quantity(text, &SPAN_UNITS, TEN_YEARS_MS)?;
        Ok(Self { ms: ms.round() as u64 })
    }
}

impl Bytes {
    /// Reads what people write: `500 B`, `20 kB`.
    ///
    /// # Errors
    /// What is allowed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        quantity(text, &BYTE_UNITS, 1e13).map(|bytes| Self(bytes.round() as u64))
    }
}

impl Rate {
    /// Reads what people write: `20 kB/s`.
    ///
    /// # Errors
    /// What is allowed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rate = quantity(text, &RATE_UNITS, 1e11)?;
        if rate < 1.0 { Err("a rate is at least 1 B/s".to_owned()) } else { Ok(Self(rate.round() as u64)) }
    }
}

/// A number with a unit, in the smallest unit.
fn quantity(text: &str, units: &[(&str, f64)], most: f64) -> Result<f64, String> {
    let text = text.trim();
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let wanted =
        || format!("a number and one of {}, as in \"{} {}\"", names.join(", "), 10, names[names.len() / 2]);
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let number: f64 = number.replace('_', "").parse().map_err(|_| wanted())?;
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit.trim()) else { return Err(wanted()) };
    let value = number * factor;
    if value > most { Err(format!("at most {most:e} {}", names[0])) } else { Ok(value) }
}

fn write_quantity(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, f64)]) -> fmt::Result {
    let fits = |factor: f64| value >= factor as u64 && value.is_multiple_of(factor as u64);
    let best = units.iter().rev().find(|(_, factor)| fits(*factor)).unwrap_or(&units[0]);
    write!(f, "{} {}", value / best.1 as u64, best.0)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quantity(f, self.ms, &SPAN_UNITS)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quantity(f, self.0, &BYTE_UNITS)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quantity(f, self.0, &RATE_UNITS)
    }
}

/// Reads a text with `parse`, and says what was written where it does not fit.
fn read<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map_err(|wanted| D::Error::invalid_value(Unexpected::Str(&text), &wanted.as_str()))
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, Self::parse)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, Self::parse)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, Self::parse)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let share = number(from)?;
        if (0.0..=1.0).contains(&share) {
            return Ok(Self(share));
        }
        Err(D::Error::invalid_value(Unexpected::Float(share), &"a share from 0 to 1"))
    }
}

/// A number, written with or without a point.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    f64::deserialize(from)
}

/// A whole number from `LEAST` to `MOST`.
pub(crate) fn within<'de, D: Deserializer<'de>, const LEAST: u32, const MOST: u32>(
    from: D,
) -> Result<u32, D::Error> {
    let got = i64::deserialize(from)?;
    let wanted = || format!("a whole number from {LEAST} to {MOST}");
    let fits = u32::try_from(got).ok().filter(|n| (LEAST..=MOST).contains(n));
    fits.ok_or_else(|| D::Error::invalid_value(Unexpected::Signed(got), &wanted().as_str()))
}

/// [`within`], where nothing need be written.
pub(crate) fn maybe_within<'de, D: Deserializer<'de>, const LEAST: u32, const MOST: u32>(
    from: D,
) -> Result<Option<u32>, D::Error> {
    within::<D, LEAST, MOST>(from).map(Some)
}

/// A number above zero and at most `MOST`.
pub(crate) fn positive<'de, D: Deserializer<'de>, const MOST: u32>(from: D) -> Result<f64, D::Error> {
    let got = number(from)?;
    if got > 0.0 && got <= f64::from(MOST) {
        return Ok(got);
    }
    let wanted = format!("a number above 0 and at most {MOST}");
    Err(D::Error::invalid_value(Unexpected::Float(got), &wanted.as_str()))
}

/// [`positive`], where nothing need be written.
pub(crate) fn maybe_positive<'de, D: Deserializer<'de>, const MOST: u32>(
    from: D,
) -> Result<Option<f64>, D::Error> {
    positive::<D, MOST>(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!(Span::parse("10 min").unwrap().ms, 600_000);
        assert_eq!(Span::parse("1.5h").unwrap().ms, 5_400_000);
        assert_eq!(Span::parse("30 d").unwrap().ms, 30 * 86_400_000);
        assert_eq!(Bytes::parse("20 kB").unwrap().0, 20_000);
        assert_eq!(Rate::parse("20 kB/s").unwrap().0, 20_000);
    }

    #[test]
    fn what_cannot_be_a_quantity_is_told_what_is_allowed() {
        for text in ["", "10", "min", "ten min", "10 weeks", "-3 s", "1e9 d", "99999999 d"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
        assert!(Span::parse("10 weeks").unwrap_err().contains("ms, s, min, h, d"));
        assert!(Rate::parse("0 B/s").is_err());
    }

    #[test]
    fn quantities_are_written_in_their_largest_whole_unit() {
        assert_eq!(Span::minutes(120).to_string(), "2 h");
        assert_eq!(Span { ms: 1_500 }.to_string(), "1500 ms");
        assert_eq!(Bytes(20_000).to_string(), "20 kB");
    }
}
