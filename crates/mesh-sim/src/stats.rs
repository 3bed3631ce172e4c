//! Means over seeds and how sure they are.

use serde::{Deserialize, Serialize};

/// The two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// A mean over independent runs with its 95 % confidence interval (Student's t).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Half the width of the interval; 0 for a single run, which tells nothing about the spread.
    pub half: f64,
    /// How many runs.
    pub runs: usize,
}

impl Interval {
    /// Over these values; values that are no numbers are left out. `None` where none is left.
    #[must_use]
    pub fn over(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let runs = values.len();
        if runs == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / runs as f64;
        if runs == 1 {
            return Some(Self { mean, half: 0.0, runs });
        }
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (runs - 1) as f64;
        let t = T_95.get(runs - 2).copied().unwrap_or(1.960);
        Some(Self { mean, half: t * (variance / runs as f64).sqrt(), runs })
    }
}

impl core::fmt::Display for Interval {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:.4} ± {:.4}", self.mean, self.half)
    }
}

/// The value that a `share` of `sorted` does not exceed: the nearest rank of `share * (len - 1)`.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_known_values_is_as_in_a_table() {
        // Mean 5, standard deviation 1.5811, standard error 0.7071, t(4) = 2.776.
        let interval = Interval::over([3.0, 4.0, 5.0, 6.0, 7.0]).unwrap();
        assert!((interval.mean - 5.0).abs() < 1e-12);
        assert!((interval.half - 1.963).abs() < 1e-3, "{interval}");
    }

    #[test]
    fn one_run_has_a_mean_and_no_width_and_none_has_nothing() {
        assert_eq!(Interval::over([2.0]), Some(Interval { mean: 2.0, half: 0.0, runs: 1 }));
        assert_eq!(Interval::over([f64::NAN]), None);
    }

    #[test]
    fn quantiles_take_the_nearest_rank() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(quantile(&values, 0.5), Some(3.0));
        assert_eq!(quantile(&values, 0.9), Some(5.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
