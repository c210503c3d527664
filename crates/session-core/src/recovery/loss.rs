//! When a packet counts as lost (RFC 9002 §6.1).

use core::time::Duration;

use super::rtt::{GRANULARITY, RttEstimator};
use crate::time::{Instant, micros};

/// Packets sent later and acknowledged before a packet is lost: kPacketThreshold, RFC 9002 §6.1.1.
pub(crate) const PACKET_THRESHOLD: u64 = 3;
/// Part of a round trip a packet may lag behind: kTimeThreshold = 9/8, RFC 9002 §6.1.2.
const TIME_THRESHOLD: (u64, u64) = (9, 8);

/// The verdict on outstanding packets after one acknowledgement or one loss timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LossThresholds {
    largest_acked: u64,
    now: Instant,
    delay: Duration,
}

impl LossThresholds {
    pub(crate) fn new(largest_acked: u64, now: Instant, rtt: &RttEstimator) -> Self {
        Self { largest_acked, now, delay: loss_delay(rtt) }
    }

    /// Whether the outstanding packet `number`, sent at `sent_at`, is lost. Packets above the largest acknowledged never are.
    pub(crate) fn is_lost(&self, number: u64, sent_at: Instant) -> bool {
        self.may_be_lost(number)
            && (self.largest_acked - number >= PACKET_THRESHOLD || self.now >= self.deadline(sent_at))
    }

    /// Whether loss detection looks at packet `number` at all.
    pub(crate) fn may_be_lost(&self, number: u64) -> bool {
        number <= self.largest_acked
    }

    /// When a packet sent at `sent_at` is lost by time alone: the loss timer.
    pub(crate) fn deadline(&self, sent_at: Instant) -> Instant {
        sent_at.saturating_add(self.delay)
    }
}

/// How long a packet may stay behind a later, acknowledged one.
pub(crate) fn loss_delay(rtt: &RttEstimator) -> Duration {
    let (numerator, denominator) = TIME_THRESHOLD;
    let round_trip = micros(rtt.smoothed().max(rtt.latest()));
    Duration::from_micros(round_trip.saturating_mul(numerator) / denominator).max(GRANULARITY)
}

#[cfg(test)]
mod tests;
