//! When a packet counts as lost (RFC 9002 §6.1).

use core::time::Duration;

use super::late::Patience;
use super::rtt::{GRANULARITY, RttEstimator};
use crate::time::{Instant, micros};

/// Packets sent later and acknowledged before a packet is lost: kPacketThreshold, RFC 9002 §6.1.1.
pub(crate) const PACKET_THRESHOLD: u8 = 3;
/// The same on a path that is known to change the order of packets. RFC 9002 leaves it open; what is lost for good is found by time at the latest.
pub(crate) const MAX_PACKET_THRESHOLD: u8 = 64;
/// A round trip in the units of [`Patience::lag_eighths`]: kTimeThreshold = 9/8, RFC 9002 §6.1.2.
const ROUND_TRIP_EIGHTHS: u64 = 8;

/// The verdict on outstanding packets after one acknowledgement or one loss timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LossThresholds {
    largest_acked: u64,
    now: Instant,
    packets: u64,
    delay: Duration,
}

impl LossThresholds {
    pub(crate) fn new(largest_acked: u64, now: Instant, rtt: &RttEstimator, patience: Patience) -> Self {
        Self { largest_acked, now, packets: patience.packets(), delay: loss_delay(rtt, patience) }
    }

    /// Whether the outstanding packet `number`, sent at `sent_at`, is lost. Packets above the largest acknowledged never are.
    pub(crate) fn is_lost(&self, number: u64, sent_at: Instant) -> bool {
        self.may_be_lost(number) && (self.largest_acked - number >= self.packets || self.now >= self.deadline(sent_at))
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
pub(crate) fn loss_delay(rtt: &RttEstimator, patience: Patience) -> Duration {
    let eighths = ROUND_TRIP_EIGHTHS + patience.lag_eighths();
    let round_trip = micros(rtt.smoothed().max(rtt.latest()));
    Duration::from_micros(round_trip.saturating_mul(eighths) / ROUND_TRIP_EIGHTHS).max(GRANULARITY)
}

#[cfg(test)]
mod tests;
