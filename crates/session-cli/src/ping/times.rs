//! What ping(8) says about a row of times.

use std::time::Duration;

/// Least, mean, most and mean deviation of times, without keeping them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    count: u64,
    least: f64,
    most: f64,
    sum: f64,
    sum_of_squares: f64,
}

impl Times {
    /// Takes note of a time.
    pub fn add(&mut self, time: Duration) {
        let millis = time.as_secs_f64() * 1_000.0;
        self.least = if self.count == 0 { millis } else { self.least.min(millis) };
        self.most = self.most.max(millis);
        self.count += 1;
        self.sum += millis;
        self.sum_of_squares += millis * millis;
    }

    /// How many there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Least, mean, most and mean deviation, milliseconds; `None` where there was none.
    #[must_use]
    pub fn summary(&self) -> Option<[f64; 4]> {
        let count = self.count as f64;
        let mean = self.sum / count;
        // Rounding may take the variance of equal times below zero.
        let variance = (self.sum_of_squares / count - mean * mean).max(0.0);
        (self.count > 0).then(|| [self.least, mean, self.most, variance.sqrt()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(millis: &[u64]) -> Times {
        let mut times = Times::default();
        millis.iter().for_each(|millis| times.add(Duration::from_millis(*millis)));
        times
    }

    #[test]
    fn summary_is_that_of_ping() {
        assert_eq!(times(&[]).summary(), None);
        assert_eq!(times(&[7]).summary(), Some([7.0, 7.0, 7.0, 0.0]));
        // As iputils computes it: the root of the mean of squares less the square of the mean.
        let [least, mean, most, deviation] = times(&[9, 2, 4, 5, 4, 4, 5, 7]).summary().unwrap();
        assert!(((least, most), (mean - 5.0).abs() < 1e-9, (deviation - 2.0).abs() < 1e-9) == ((2.0, 9.0), true, true));
        assert_eq!(times(&[3; 1_000]).summary().map(|[.., deviation]| deviation < 1e-3), Some(true));
    }
}
