//! What a run must come to: `delivery_of_oracle >= 0.9`, `delivery_of_oracle of sos within 3 hops in 10 s >= 0.99`.

use crate::stats::quantile;
use crate::{Delivery, Outcome, Span};
use core::fmt;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// A figure of the outcome, a comparison and a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Which figure.
    pub figure: Figure,
    /// Over which deliveries; the default is over all of them.
    pub part: Part,
    /// How it compares.
    pub compare: Compare,
    /// With what.
    pub bound: f64,
}

/// A part of the deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Those of one class: `of sos`.
    pub class: Option<String>,
    /// Those that a message could have reached in the time of so many hops, without being carried: `within 3 hops`.
    pub hops: Option<u32>,
    /// Only what came so soon counts as delivered: `in 10 s`.
    pub within: Option<Span>,
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
    /// Nineteen in twenty of those that could be reached were, in so many seconds; endless where fewer were.
    P95,
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
    pub const ALL: [(&str, Self); 14] = [
        ("delivery_ratio", Self::DeliveryRatio),
        ("delivery_of_oracle", Self::DeliveryOfOracle),
        ("oracle_ratio", Self::OracleRatio),
        ("p50_s", Self::P50),
        ("p90_s", Self::P90),
        ("p95_s", Self::P95),
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

    /// Its value; `None` where nothing was delivered of which there could be one, and of [`Figure::P95`], which only
    /// the deliveries tell.
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
            Self::P95 => None,
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

    /// Whether it can be told of a part of the deliveries.
    fn has_parts(self) -> bool {
        matches!(
            self,
            Self::DeliveryRatio
                | Self::DeliveryOfOracle
                | Self::OracleRatio
                | Self::P50
                | Self::P90
                | Self::P95
                | Self::Delivered
        )
    }
}

impl Part {
    /// Reads `of sos within 3 hops in 10 s`, each at most once, in any order.
    fn parse(words: &str) -> Result<Self, String> {
        let allowed = || "after a figure: of CLASS, within N hops, in N s".to_owned();
        let (mut part, mut words) = (Self::default(), words.split_whitespace());
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(allowed)?;
            let again = match word {
                "of" => part.class.replace(value.to_owned()).is_some(),
                "within" => {
                    let hops = value.parse().map_err(|_| allowed())?;
                    words.next().filter(|unit| *unit == "hops").ok_or_else(allowed)?;
                    part.hops.replace(hops).is_some()
                }
                "in" => {
                    let unit = words.next().ok_or_else(allowed)?;
                    let span = Span::parse(&format!("{value} {unit}"))?;
                    part.within.replace(span).is_some()
                }
                _ => return Err(allowed()),
            };
            if again {
                return Err(allowed());
            }
        }
        Ok(part)
    }

    /// The figures of these deliveries alone.
    fn outcome(&self, deliveries: &[&Delivery]) -> Outcome {
        let soon = |one: &Delivery| {
            let delay = one.shown_s? - one.written_s;
            self.within.is_none_or(|within| delay <= within.ms as f64 / 1_000.0).then_some(delay)
        };
        let mut delays: Vec<f64> = deliveries.iter().filter_map(|one| soon(one)).collect();
        delays.sort_by(f64::total_cmp);
        let possible = deliveries.iter().filter(|one| one.oracle_s.is_some()).count();
        let ratio = |part: usize| part as f64 / deliveries.len().max(1) as f64;
        Outcome {
            messages: deliveries.len() as u64,
            delivered: delays.len() as u64,
            delivery_ratio: ratio(delays.len()),
            oracle_ratio: ratio(possible),
            delay_p50_s: quantile(&delays, 0.5),
            delay_p90_s: quantile(&delays, 0.9),
            ..Outcome::default()
        }
    }

    fn holds(&self, one: &Delivery, hop_s: &dyn Fn(&str) -> f64) -> bool {
        let near = |hops: u32| {
            let most = f64::from(hops) * hop_s(&one.class);
            // Milliseconds as seconds are not exact.
            one.oracle_s.is_some_and(|at| at - one.written_s <= most + 1e-6)
        };
        self.class.as_ref().is_none_or(|class| *class == one.class) && self.hops.is_none_or(near)
    }
}

impl Threshold {
    /// Reads `figure >= bound`, with a part of the deliveries after the figure.
    ///
    /// # Errors
    /// What is allowed instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let signs = [(">=", Compare::AtLeast), ("<=", Compare::AtMost), ("=", Compare::Exactly)];
        let found = signs.iter().find_map(|(sign, compare)| Some((text.split_once(sign)?, *compare)));
        let Some(((left, bound), compare)) = found else {
            return Err("a figure, one of >=, <=, =, and a number".to_owned());
        };
        let (name, words) = left.trim().split_once(' ').unwrap_or_else(|| (left.trim(), ""));
        let figure = Figure::ALL.iter().find(|(figure, _)| *figure == name);
        let Some((_, figure)) = figure else {
            let names: Vec<_> = Figure::ALL.iter().map(|(name, _)| *name).collect();
            return Err(format!("one of the figures {}", names.join(", ")));
        };
        let part = Part::parse(words)?;
        if part != Part::default() && !figure.has_parts() {
            return Err(format!("{name} of the whole run"));
        }
        let bound: f64 = bound.trim().parse().map_err(|_| "a number after the comparison".to_owned())?;
        if !bound.is_finite() {
            return Err("a finite number after the comparison".to_owned());
        }
        Ok(Self { figure: *figure, part, compare, bound })
    }

    /// What was asked and what came, where it was missed; `hop_s` is how many seconds a hop takes a message of a class.
    #[must_use]
    pub fn missed(
        &self,
        outcome: &Outcome,
        deliveries: &[Delivery],
        hop_s: &dyn Fn(&str) -> f64,
    ) -> Option<String> {
        let chosen: Vec<&Delivery> = deliveries.iter().filter(|one| self.part.holds(one, hop_s)).collect();
        if self.part != Part::default() && chosen.is_empty() {
            return Some(format!("{self}: there are no such deliveries"));
        }
        let part = (self.part != Part::default()).then(|| self.part.outcome(&chosen));
        let delay = |one: &&Delivery| {
            one.oracle_s.map(|_| one.shown_s.map_or(f64::INFINITY, |at| at - one.written_s))
        };
        let mut possible: Vec<f64> = chosen.iter().filter_map(delay).collect();
        possible.sort_by(f64::total_cmp);
        let value = match self.figure {
            Figure::P95 => quantile(&possible, 0.95),
            figure => figure.of(part.as_ref().unwrap_or(outcome)),
        };
        let Some(value) = value else {
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
        write!(f, "{}{} {sign} {}", self.figure.name(), self.part, self.bound)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = &self.class {
            write!(f, " of {class}")?;
        }
        if let Some(hops) = self.hops {
            write!(f, " within {hops} hops")?;
        }
        if let Some(within) = self.within {
            write!(f, " in {within}")?;
        }
        Ok(())
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
        let part = "delivery_of_oracle of sos within 3 hops in 10 s >= 0.99";
        for text in
            ["delivery_of_oracle >= 0.9", "p90_s <= 60", "violations = 0", part, "p95_s of text <= 60"]
        {
            assert_eq!(Threshold::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_threshold_is_told_what_is_allowed() {
        assert!(Threshold::parse("delivery >= 0.9").unwrap_err().contains("delivery_ratio"));
        assert!(Threshold::parse("delivery_ratio > 0.9").unwrap_err().contains(">="));
        assert!(Threshold::parse("violations of text = 0").unwrap_err().contains("whole run"));
        let parts = ["p90_s of <= 1", "p90_s of a of b <= 1", "p90_s within 3 <= 1", "p90_s in 3 hops <= 1"];
        for text in ["", "p90_s", "p90_s <= soon", "p90_s <= inf", "p90_s for text <= 1"].iter().chain(&parts)
        {
            assert!(Threshold::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_missed_threshold_says_what_came() {
        let outcome = Outcome { delivery_ratio: 0.5, oracle_ratio: 0.8, ..Outcome::default() };
        let missed = |text: &str| Threshold::parse(text).unwrap().missed(&outcome, &[], &|_| 1.0);
        assert_eq!(missed("delivery_of_oracle >= 0.9").unwrap(), "delivery_of_oracle >= 0.9: it is 0.6250");
        assert_eq!(missed("delivery_of_oracle >= 0.6"), None);
        assert!(missed("p50_s <= 10").is_some());
    }

    #[test]
    fn a_part_of_the_deliveries_is_judged_by_itself() {
        let one = |class: &str, shown_s, oracle_s| {
            let class = class.to_owned();
            Delivery { number: 0, class, from: 0, to: 1, written_s: 10.0, shown_s, oracle_s }
        };
        let deliveries = [
            one("sos", Some(12.0), Some(10.5)),
            one("sos", Some(25.0), Some(10.5)),
            one("sos", None, Some(14.0)),
            one("text", None, Some(10.5)),
        ];
        let missed =
            |text: &str| Threshold::parse(text).unwrap().missed(&Outcome::default(), &deliveries, &|_| 0.5);
        assert_eq!(missed("delivery_ratio of text <= 0"), None);
        assert_eq!(missed("delivered of sos = 2"), None);
        assert_eq!(missed("delivery_of_oracle of sos within 1 hops = 1"), None);
        assert_eq!(missed("delivery_of_oracle of sos within 1 hops in 10 s = 0.5"), None);
        assert_eq!(missed("p95_s of sos within 1 hops <= 15"), None);
        assert!(missed("delivery_of_oracle of sos within 0 hops >= 0.9").unwrap().contains("no such"));
        assert!(missed("delivery_ratio of sauce <= 0").unwrap().contains("no such"));
        assert!(missed("p95_s of sos <= 1000").unwrap().contains("inf"), "one of three never came");
    }
}
