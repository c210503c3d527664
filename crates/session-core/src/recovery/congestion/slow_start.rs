//! Slow start, and HyStart++ (RFC 9406), which ends it before the queue of the path overflows.

use core::time::Duration;

use crate::congestion_control::CongestionControl;
use crate::state_hash::StateHash;
use crate::time::{Instant, micros};

/// MIN_RTT_THRESH and MAX_RTT_THRESH of RFC 9406 §4.3, in microseconds: by how much a round must be slower than the one before.
const LEAST_RISE: u32 = 4_000;
const MOST_RISE: u32 = 16_000;
/// MIN_RTT_DIVISOR: the part of the round-trip time in between.
const RISE_DIVISOR: u32 = 8;
/// N_RTT_SAMPLE: round trips measured before a round is judged.
const SAMPLES: u8 = 8;
/// CSS_GROWTH_DIVISOR: how much slower the window grows while the rise is doubted.
const CONSERVATIVE_DIVISOR: u16 = 4;
/// CSS_ROUNDS: rounds of that before slow start ends.
const CONSERVATIVE_ROUNDS: u8 = 5;
const NONE: u32 = u32::MAX;

/// The window grows by what is acknowledged. What leaves is paced, so nothing bounds the growth of one acknowledgement (L of RFC 9406 §4.3).
#[derive(Clone, Debug)]
pub(super) struct SlowStart {
    /// The round ends when a packet sent since then is acknowledged.
    round_began: Instant,
    /// The shortest round trip of the last round and of this one, in microseconds.
    last_minimum: u32,
    minimum: u32,
    /// The shortest round trip when the rise was seen; none while slow start goes on as usual.
    baseline: u32,
    samples: u8,
    conservative_rounds: u8,
    /// The rule that takes over.
    pub(super) next: CongestionControl,
}

impl SlowStart {
    pub(super) fn new(next: CongestionControl) -> Self {
        Self {
            round_began: Instant::EPOCH,
            last_minimum: NONE,
            minimum: NONE,
            baseline: NONE,
            samples: 0,
            conservative_rounds: 0,
            next,
        }
    }

    /// By how much the window grows when a packet of `bytes` is acknowledged.
    pub(super) fn growth(&self, bytes: u16) -> u32 {
        u32::from(if self.baseline == NONE { bytes } else { bytes / CONSERVATIVE_DIVISOR })
    }

    /// A round trip took `sample`, its packet sent at `sent_at`; `true` if slow start is over.
    pub(super) fn on_round_trip(&mut self, sample: Duration, sent_at: Instant, now: Instant) -> bool {
        let sample = u32::try_from(micros(sample)).unwrap_or(NONE).min(NONE - 1);
        self.minimum = self.minimum.min(sample);
        self.samples = self.samples.saturating_add(1);
        if self.samples >= SAMPLES && self.last_minimum != NONE {
            if self.baseline != NONE {
                if self.minimum < self.baseline {
                    self.baseline = NONE;
                }
            } else if self.minimum >= self.last_minimum.saturating_add(rise(self.last_minimum)) {
                self.baseline = self.minimum;
                self.conservative_rounds = 0;
            }
        }
        if sent_at < self.round_began {
            return false;
        }
        self.round_began = now;
        self.last_minimum = self.minimum;
        self.minimum = NONE;
        self.samples = 0;
        if self.baseline != NONE {
            self.conservative_rounds += 1;
        }
        self.conservative_rounds >= CONSERVATIVE_ROUNDS && self.baseline != NONE
    }

    pub(super) fn digest_into(&self, hash: &mut StateHash) {
        let Self { round_began, last_minimum, minimum, baseline, samples, conservative_rounds, next } = self;
        hash.u64(round_began.as_micros());
        for value in [*last_minimum, *minimum, *baseline, u32::from(*samples), u32::from(*conservative_rounds)] {
            hash.u64(u64::from(value));
        }
        hash.u64(*next as u64);
    }
}

/// By how much a round must be slower than one of `minimum` to count.
fn rise(minimum: u32) -> u32 {
    (minimum / RISE_DIVISOR).clamp(LEAST_RISE, MOST_RISE)
}

#[cfg(test)]
mod tests;
