//! A token bucket that drops what exceeds it and delays nothing.

use std::num::NonZeroU64;

/// What a policer lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policer {
    /// Bytes per second in the long run.
    pub rate: NonZeroU64,
    /// Bytes at once.
    pub burst: u64,
}

/// What is in the bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Bytes taken that have not come back, times a billion.
    pub(super) missing: u128,
    pub(super) at: u128,
}

impl Bucket {
    /// Takes the bytes of a datagram, or says that they are not there.
    pub(super) fn take(&mut self, policer: Policer, length: usize, now_nanos: u128) -> bool {
        let back = now_nanos.saturating_sub(self.at).saturating_mul(u128::from(policer.rate.get()));
        self.missing = self.missing.saturating_sub(back);
        self.at = now_nanos;
        let wanted = self.missing + length as u128 * super::NANOS_PER_SECOND;
        let fits = wanted <= u128::from(policer.burst) * super::NANOS_PER_SECOND;
        if fits {
            self.missing = wanted;
        }
        fits
    }
}
