//! Means and how far they can be trusted.

use serde::{Deserialize, Serialize};

/// Quantiles of Student's t at 97.5 %, for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// The same for very many degrees of freedom.
const T_MANY: f64 = 1.960;

/// The mean of some runs and half the width of its 95 % confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean; 0 without values.
    pub mean: f64,
    /// The true mean lies within `mean ± half` with 95 % confidence; 0 for a single value.
    pub half: f64,
    /// Of how many values.
    pub count: usize,
}

impl Spread {
    /// Of `values`; what is not finite is left out.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let count = values.len();
        if count == 0 {
            return Self::default();
        }
        let n = count_as_f64(count);
        let mean = values.iter().sum::<f64>() / n;
        if count == 1 {
            return Self { mean, half: 0.0, count };
        }
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let quantile = T.get(count - 2).copied().unwrap_or(T_MANY);
        Self { mean, half: quantile * (variance / n).sqrt(), count }
    }
}

/// Counts of what fits into memory are exact as `f64`.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub(crate) fn count_as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_value_is_its_own_mean_without_a_width() {
        assert_eq!(Spread::of([3.0]), Spread { mean: 3.0, half: 0.0, count: 1 });
        assert_eq!(Spread::of([f64::NAN]), Spread::default());
    }

    #[test]
    fn the_width_is_students() {
        let spread = Spread::of([1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((spread.mean - 3.0).abs() < 1e-12);
        // 2.776 · sqrt(2.5 / 5), from the table for four degrees of freedom.
        assert!((spread.half - 1.963).abs() < 1e-3, "{spread:?}");
    }
}
