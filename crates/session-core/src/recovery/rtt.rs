//! Round-trip time estimation and the probe timeout (RFC 9002 §5 and §6.2).

use core::time::Duration;

use crate::state_hash::StateHash;
use crate::time::micros;

/// Round-trip time assumed before the first sample (RFC 9002 §6.2.2).
pub(crate) const INITIAL_RTT: Duration = Duration::from_millis(333);
/// Smallest timer the protocol arms (RFC 9002 §6.1.2).
pub(crate) const GRANULARITY: Duration = Duration::from_millis(1);
/// Longest probe timeout, however often it has been doubled.
pub(crate) const MAX_PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// Smoothed round-trip time of one path.
///
/// Kept in microseconds as `u32` (71 minutes), so that no product below can leave `u64`; longer samples saturate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RttEstimator {
    latest: u32,
    smoothed: u32,
    variance: u32,
    minimum: u32,
    sampled: bool,
}

impl RttEstimator {
    pub(crate) fn new() -> Self {
        let initial = saturating_u32(micros(INITIAL_RTT));
        Self { latest: initial, smoothed: initial, variance: initial / 2, minimum: initial, sampled: false }
    }

    /// The same of durations.
    #[cfg(test)]
    pub(crate) fn update(&mut self, sample: Duration, ack_delay: Duration, max_ack_delay: Duration) {
        self.update_micros(micros(sample), micros(ack_delay), micros(max_ack_delay));
    }

    /// Takes one sample: the time from sending the newly acknowledged largest packet to its acknowledgement.
    ///
    /// `ack_delay` is what the peer reported; it counts up to `max_ack_delay` and never pushes a sample below the minimum.
    #[inline]
    pub(crate) fn update_micros(&mut self, sample: u64, ack_delay: u64, max_ack_delay: u64) {
        let latest = saturating_u32(sample);
        self.latest = latest;
        if !self.sampled {
            *self = Self { latest, smoothed: latest, variance: latest / 2, minimum: latest, sampled: true };
            return;
        }
        // The minimum ignores the peer's word, so a lying peer cannot lower it.
        self.minimum = self.minimum.min(latest);
        let ack_delay = saturating_u32(ack_delay.min(max_ack_delay));
        let adjusted = if latest >= self.minimum.saturating_add(ack_delay) { latest - ack_delay } else { latest };
        self.variance = weighted(self.variance, self.smoothed.abs_diff(adjusted), 4);
        self.smoothed = weighted(self.smoothed, adjusted, 8);
    }

    /// The path is taken for a new one: its minimum is what was measured last (RFC 9002 §5.2).
    pub(crate) fn forget_minimum(&mut self) {
        self.minimum = self.latest;
    }

    /// Time until a probe is sent after the last ack-eliciting packet, doubled `count` times.
    ///
    /// Never below [`GRANULARITY`], never above [`MAX_PROBE_TIMEOUT`], never falling as `count` grows.
    pub(crate) fn pto(&self, max_ack_delay: Duration, count: u32) -> Duration {
        Duration::from_micros(self.pto_micros(micros(max_ack_delay), count))
    }

    /// The same in microseconds: smoothed + max(4 · variance, granularity) + `max_ack_delay`, backed off and capped.
    pub(crate) fn pto_micros(&self, max_ack_delay: u64, count: u32) -> u64 {
        const LEAST: u64 = micros(GRANULARITY);
        const MOST: u64 = micros(MAX_PROBE_TIMEOUT);
        let spread = (4 * u64::from(self.variance)).max(LEAST);
        let base = u64::from(self.smoothed).saturating_add(spread).saturating_add(max_ack_delay);
        let factor = 1u64.checked_shl(count).unwrap_or(u64::MAX);
        base.saturating_mul(factor).min(MOST)
    }

    pub(crate) fn latest(&self) -> Duration {
        Duration::from_micros(u64::from(self.latest))
    }

    pub(crate) fn smoothed(&self) -> Duration {
        Duration::from_micros(u64::from(self.smoothed))
    }

    pub(crate) fn variance(&self) -> Duration {
        Duration::from_micros(u64::from(self.variance))
    }

    pub(crate) fn minimum(&self) -> Duration {
        Duration::from_micros(u64::from(self.minimum))
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { latest, smoothed, variance, minimum, sampled } = self;
        hash.u64(u64::from(*latest));
        hash.u64(u64::from(*smoothed));
        hash.u64(u64::from(*variance));
        hash.u64(u64::from(*minimum));
        hash.flag(*sampled);
    }
}

/// `old` moved by 1/`weight` towards `new`; lies between both, so it stays in `u32`.
fn weighted(old: u32, new: u32, weight: u64) -> u32 {
    saturating_u32((u64::from(old) * (weight - 1) + u64::from(new)) / weight)
}

fn saturating_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
