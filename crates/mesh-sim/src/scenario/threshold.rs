//! What a run must come to: `delivery_of_oracle >= 0.9`.

use crate::Outcome;
use core::fmt;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// A figure of the outcome, a comparison and a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Which figure.
    pub figure: Figure,
    /// How it compares.
    pub compare: Compare,
    /// With what.
    pub bound: f64,
}

/// How a figure compares with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `=`
    Exactly,
}

/// A figure that can have a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Deliveries by messages.
    DeliveryRatio,
    /// Deliveries by what any protocol could have delivered.
    DeliveryOfOracle,
    /// What any protocol could have delivered, by messages.
    OracleRatio,
    /// Median delay in seconds.
    P50,
    /// Ninth decile of the delay in seconds.
    P90,
    /// Median of delay by the oracle's delay.
    Stretch,
    /// Median delay by the oracle's median, over what both delivered.
    StretchOfP50s,
    /// The same of the ninth deciles.
    StretchOfP90s,
    /// Envelope transfers by deliveries.
    Copies,
    /// Bytes on the air by deliveries.
    BytesPerDelivery,
    /// Everything transmitted.
    BytesOnAir,
    /// Deliveries.
    Delivered,
    /// Broken invariants.
    Violations,
}

impl Figure {
    /// Every figure with its name.
    pub const ALL: [(&str, Self); 13] = [
        ("delivery_ratio", Self::DeliveryRatio),
        ("delivery_of_oracle", Self::DeliveryOfOracle),
        ("oracle_ratio", Self::OracleRatio),
        ("p50_s", Self::P50),
        ("p90_s", Self::P90),
        ("stretch_p50", Self::Stretch),
        ("stretch_of_p50s", Self::StretchOfP50s),
        ("stretch_of_p90s", Self::StretchOfP90s),
        ("copies_per_delivery", Self::Copies),
        ("bytes_per_delivery", Self::BytesPerDelivery),
        ("bytes_on_air", Self::BytesOnAir),
        ("delivered", Self::Delivered),
        ("violations", Self::Violations),
    ];

    /// Its name in a scenario.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, figure)| *figure == self).map_or("", |(name, _)| name)
    }

    /// Its value; `None` where nothing was delivered of which there could be one.
    #[must_use]
    pub fn of(self, outcome: &Outcome) -> Option<f64> {
        let per_delivery =
            |total: u64| (outcome.delivered > 0).then(|| total as f64 / outcome.delivered as f64);
        match self {
            Self::DeliveryRatio => Some(outcome.delivery_ratio),
            Self::DeliveryOfOracle if outcome.oracle_ratio > 0.0 => {
                Some(outcome.delivery_ratio / outcome.oracle_ratio)
            }
            // Nothing could be delivered, and nothing was.
            Self::DeliveryOfOracle => Some(1.0),
            Self::OracleRatio => Some(outcome.oracle_ratio),
            Self::P50 => outcome.delay_p50_s,
            Self::P90 => outcome.delay_p90_s,
            Self::Stretch => outcome.stretch_p50,
            Self::StretchOfP50s => outcome.stretch_of_p50s,
            Self::StretchOfP90s => outcome.stretch_of_p90s,
            Self::Copies => (outcome.delivered > 0).then_some(outcome.copies_per_delivery),
            Self::BytesPerDelivery => per_delivery(outcome.bytes_on_air),
            Self::BytesOnAir => Some(outcome.bytes_on_air as f64),
            Self::Delivered => Some(outcome.delivered as f64),
            Self::Violations => Some(outcome.violations.len() as f64),
        }
    }
}

impl Threshold {
    /// Reads `figure >= bound`.
    ///
    /// # Errors
    /// What is allowed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let signs = [(">=", Compare::AtLeast), ("<=", Compare::AtMost), ("=", Compare::Exactly)];
        let found = signs.iter().find_map(|(sign, compare)| Some((text.split_once(sign)?, *compare)));
        let Some(((name, bound), compare)) = found else {
            return Err("a figure, one of >=, <=, =, and a number".to_owned());
        };
        let figure = Figure::ALL.iter().find(|(figure, _)| *figure == name.trim());
        let Some((_, figure)) = figure else {
            let names: Vec<_> = Figure::ALL.iter().map(|(name, _)| *name).collect();
            return Err(format!("one of the figures {}", names.join(", ")));
        };
        let bound: f64 = bound.trim().parse().map_err(|_| "a number after the comparison".to_owned())?;
        if !bound.is_finite() {
            return Err("a finite number after the comparison".to_owned());
        }
        Ok(Self { figure: *figure, compare, bound })
    }

    /// What was asked and what came, where it was missed.
    #[must_use]
    pub fn missed(&self, outcome: &Outcome) -> Option<String> {
        let Some(value) = self.figure.of(outcome) else {
            return Some(format!("{self}: nothing was delivered"));
        };
        let met = match self.compare {
            Compare::AtLeast => value >= self.bound,
            Compare::AtMost => value <= self.bound,
            Compare::Exactly => (value - self.bound).abs() < 1e-9,
        };
        (!met).then(|| format!("{self}: it is {value:.4}"))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.compare {
            Compare::AtLeast => ">=",
            Compare::AtMost => "<=",
            Compare::Exactly => "=",
        };
        write!(f, "{} {sign} {}", self.figure.name(), self.bound)
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = |wanted: String| D::Error::invalid_value(Unexpected::Str(&text), &wanted.as_str());
        Self::parse(&text).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_reads_as_it_is_written() {
        for text in ["delivery_of_oracle >= 0.9", "p90_s <= 60", "violations = 0"] {
            assert_eq!(Threshold::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_threshold_is_told_what_is_allowed() {
        assert!(Threshold::parse("delivery >= 0.9").unwrap_err().contains("delivery_ratio"));
        assert!(Threshold::parse("delivery_ratio > 0.9").unwrap_err().contains(">="));
        for text in ["", "p90_s", "p90_s <= soon", "p90_s <= inf"] {
            assert!(Threshold::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_missed_threshold_says_what_came() {
        let outcome = Outcome { delivery_ratio: 0.5, oracle_ratio: 0.8, ..Outcome::default() };
        let asked = Threshold::parse("delivery_of_oracle >= 0.9").unwrap();
        assert_eq!(asked.missed(&outcome).unwrap(), "delivery_of_oracle >= 0.9: it is 0.6250");
        assert_eq!(Threshold::parse("delivery_of_oracle >= 0.6").unwrap().missed(&outcome), None);
        assert!(Threshold::parse("p50_s <= 10").unwrap().missed(&outcome).is_some());
    }
}
