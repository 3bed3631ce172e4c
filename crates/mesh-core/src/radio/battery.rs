//! How much of a battery the radios may take.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What a person chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Battery {
    /// On a charger, or for an hour in which every second counts.
    Full,
    /// A day in a pocket.
    #[default]
    Balanced,
    /// As long as it lasts.
    Saver,
}

/// What a [`Battery`] means. Figures and what they cost: docs/BENCHMARKS.md, section "Battery profiles".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// An advertisement is sent this often.
    pub advert_every: Duration,
    /// The scanner listens for this long: at least two advertisements of its own pace, one of the slowest.
    pub scan_for: Duration,
    /// ... and begins to listen this often.
    pub scan_every: Duration,
    /// An idle link beats this often ([`link::Config`](crate::link::Config)). What is new is told at once, whatever
    /// this says: a beat only notices a neighbour that went without a word, and wakes both ends.
    pub beat_every: Duration,
    /// The shortest time in which a new advert follows a change, Imin of RFC 6206: half of it to the whole.
    pub advert_least: Duration,
    /// The longest time that an advert stands while nothing changes, Imax of RFC 6206. Bluetooth's own private
    /// addresses live 15 minutes.
    pub advert_most: Duration,
    /// Links at a time ([`overlay::Config`](super::overlay::Config)).
    pub links: usize,
    /// Of these, how many are kept with neighbours that hold what this node holds: by them a call for help goes on
    /// without waiting for a scanner.
    pub calm: usize,
}

impl Battery {
    /// All of them, the hungriest first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Balanced, Self::Saver];

    /// What it means.
    #[must_use]
    pub const fn pace(self) -> Pace {
        match self {
            Self::Full => Pace {
                advert_every: Duration::from_millis(250),
                scan_for: Duration::from_millis(2_000),
                scan_every: Duration::from_secs(5),
                beat_every: Duration::from_secs(60),
                advert_least: Duration::from_secs(2),
                advert_most: Duration::from_secs(8 * 60),
                links: 6,
                calm: 6,
            },
            Self::Balanced => Pace {
                advert_every: Duration::from_millis(250),
                scan_for: Duration::from_millis(500),
                scan_every: Duration::from_secs(5),
                beat_every: Duration::from_secs(60),
                advert_least: Duration::from_secs(4),
                advert_most: Duration::from_secs(8 * 60),
                links: 6,
                calm: 4,
            },
            Self::Saver => Pace {
                advert_every: Duration::from_millis(500),
                scan_for: Duration::from_secs(1),
                scan_every: Duration::from_secs(30),
                beat_every: Duration::from_secs(5 * 60),
                advert_least: Duration::from_secs(16),
                advert_most: Duration::from_secs(15 * 60),
                links: 4,
                calm: 2,
            },
        }
    }
}

impl core::str::FromStr for Battery {
    type Err = UnknownBattery;

    /// `full`, `balanced` or `saver`.
    fn from_str(text: &str) -> Result<Self, UnknownBattery> {
        match text {
            "full" => Ok(Self::Full),
            "balanced" => Ok(Self::Balanced),
            "saver" => Ok(Self::Saver),
            _ => Err(UnknownBattery),
        }
    }
}

/// The text names no [`Battery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("full, balanced or saver")]
pub struct UnknownBattery;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scanner_hears_two_adverts_of_its_pace_in_one_window_and_one_of_the_slowest() {
        let slowest = Battery::ALL.map(|battery| battery.pace().advert_every).into_iter().max();
        for pace in Battery::ALL.map(Battery::pace) {
            assert!(pace.scan_for >= 2 * pace.advert_every && Some(pace.scan_for) >= slowest, "{pace:?}");
        }
    }

    #[test]
    fn who_saves_more_never_does_more() {
        for pair in Battery::ALL.windows(2) {
            let (more, less) = (pair[0].pace(), pair[1].pace());
            let duty = |pace: Pace| pace.scan_for.as_secs_f64() / pace.scan_every.as_secs_f64();
            assert!(duty(less) < duty(more));
            assert!(less.advert_every >= more.advert_every && less.beat_every >= more.beat_every);
            assert!(less.advert_least >= more.advert_least && less.advert_most >= more.advert_most);
            assert!(less.links <= more.links && less.calm <= more.calm && less.calm <= less.links);
        }
    }

    #[test]
    fn profiles_are_named_by_people() {
        assert_eq!("saver".parse(), Ok(Battery::Saver));
        assert_eq!("".parse::<Battery>(), Err(UnknownBattery));
    }
}
