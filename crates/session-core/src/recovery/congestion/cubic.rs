//! CUBIC (RFC 9438), in integers: bytes, milliseconds, and the remainders of divisions.

use super::{Acked, Avoidance};
use crate::state_hash::StateHash;
use crate::time::{Instant, micros};

/// 1/C = 2.5 s³ per datagram, in cubic milliseconds (RFC 9438 §5.1: C = 0.4).
const CUBIC_MILLIS_PER_DATAGRAM: u64 = 2_500_000_000;
/// β = 0.7 (RFC 9438 §4.6).
const BETA: (u32, u32) = (7, 10);
/// (1 + β) / 2, how much of the old maximum stays where it was not reached again (RFC 9438 §4.7).
const FAST_CONVERGENCE: (u64, u64) = (17, 20);
/// α = 3 (1 − β) / (1 + β), with which a window that falls to β is as fast as NewReno on average (RFC 9438 §4.3).
const FRIENDLY_INCREASE: (u64, u64) = (9, 17);
/// The window grows at most by half in a round trip (RFC 9438 §4.2).
const MOST_GROWTH: (u64, u64) = (3, 2);
/// Three minutes from its plateau the cubic function is above any window, and its terms still fit.
const LONGEST_MILLIS: u64 = 180_000;

/// The window as a cubic function of the time since it last fell.
#[derive(Clone, Debug)]
pub(super) struct Cubic {
    /// Microseconds. While the clock runs: when it showed 0; else: what it shows.
    clock: u64,
    /// W_max: the window of the plateau.
    maximum: u32,
    /// K: when the plateau is reached, in milliseconds on the clock.
    plateau_at: u32,
    /// W_est: the window that NewReno would have, and its fraction of a byte in units of 1 / window.
    friendly: u32,
    friendly_remainder: u32,
    /// The fraction of a byte by which the window has grown, in the same units.
    remainder: u32,
    /// Only while the window is filled: time in which the application sends less does not count (RFC 9438 §5.8).
    is_running: bool,
}

impl Cubic {
    /// Milliseconds in which the window was allowed to grow.
    fn elapsed(&mut self, now: Instant, ahead: u64) -> u64 {
        if !self.is_running {
            self.clock = now.as_micros().saturating_sub(self.clock);
            self.is_running = true;
        }
        now.as_micros().saturating_sub(self.clock).saturating_add(ahead) / 1_000
    }

    /// W_cubic at `millis` on the clock.
    fn window_at(&self, millis: u64, max_datagram: u16) -> u64 {
        let plateau_at = u64::from(self.plateau_at);
        let distance = millis.abs_diff(plateau_at).min(LONGEST_MILLIS);
        let bytes = distance.pow(3).saturating_mul(u64::from(max_datagram)) / CUBIC_MILLIS_PER_DATAGRAM;
        let maximum = u64::from(self.maximum);
        if millis < plateau_at { maximum.saturating_sub(bytes) } else { maximum.saturating_add(bytes) }
    }

    /// W_est after a packet was acknowledged.
    fn grow_friendly(&mut self, window: u64, threshold: u32, acked: &Acked) -> u64 {
        // The window from which it fell; without a fall, the one it began with.
        let before = match self.plateau_at {
            0 => u64::from(self.maximum),
            _ => u64::from(threshold) * u64::from(BETA.1) / u64::from(BETA.0),
        };
        let (numerator, denominator) = if u64::from(self.friendly) < before { FRIENDLY_INCREASE } else { (1, 1) };
        let product = u64::from(acked.bytes) * u64::from(acked.max_datagram) * numerator / denominator;
        let scaled = product + u64::from(self.friendly_remainder);
        self.friendly = saturating_u32(u64::from(self.friendly) + scaled / window);
        self.friendly_remainder = saturating_u32(scaled % window);
        u64::from(self.friendly)
    }
}

impl Avoidance for Cubic {
    const DECREASE: (u32, u32) = BETA;

    fn after_congestion(last: Option<&Self>, before: u32, after: u32, max_datagram: u16) -> Self {
        let maximum = match last {
            // Fast convergence: who does not get back to where he was leaves room to newcomers.
            Some(last) if before < last.maximum => {
                saturating_u32(u64::from(before) * FAST_CONVERGENCE.0 / FAST_CONVERGENCE.1)
            }
            _ => before,
        };
        let climb = u64::from(maximum.saturating_sub(after));
        let cube = climb.saturating_mul(CUBIC_MILLIS_PER_DATAGRAM) / u64::from(max_datagram.max(1));
        Self { maximum, plateau_at: cube_root(cube), ..Self::after_slow_start(after) }
    }

    fn after_slow_start(window: u32) -> Self {
        Self {
            clock: 0,
            maximum: window,
            plateau_at: 0,
            friendly: window,
            friendly_remainder: 0,
            remainder: 0,
            is_running: false,
        }
    }

    fn grow(&mut self, window: u32, threshold: u32, acked: &Acked) -> u32 {
        let millis = self.elapsed(acked.now, 0);
        let window = u64::from(window.max(1));
        let friendly = self.grow_friendly(window, threshold, acked);
        if self.window_at(millis, acked.max_datagram) < friendly {
            return saturating_u32(window.max(friendly));
        }
        let next_round = self.elapsed(acked.now, micros(acked.smoothed_rtt));
        let most = window * MOST_GROWTH.0 / MOST_GROWTH.1;
        let target = self.window_at(next_round, acked.max_datagram).clamp(window, most);
        let scaled = (target - window) * u64::from(acked.bytes) + u64::from(self.remainder);
        self.remainder = saturating_u32(scaled % window);
        saturating_u32(window + scaled / window)
    }

    fn pause(&mut self, now: Instant) {
        if self.is_running {
            self.clock = now.as_micros().saturating_sub(self.clock);
            self.is_running = false;
        }
    }

    fn digest_into(&self, hash: &mut StateHash) {
        let Self { clock, maximum, plateau_at, friendly, friendly_remainder, remainder, is_running } = self;
        hash.u64(*clock);
        for value in [maximum, plateau_at, friendly, friendly_remainder, remainder] {
            hash.u64(u64::from(*value));
        }
        hash.flag(*is_running);
    }
}

/// The largest number whose cube is not above `value`.
fn cube_root(value: u64) -> u32 {
    // The root of a 64-bit number has 22 bits: each is tried in turn.
    let mut root: u64 = 0;
    for bit in (0..22).rev() {
        let tried = root | 1 << bit;
        if tried.checked_pow(3).is_some_and(|cube| cube <= value) {
            root = tried;
        }
    }
    saturating_u32(root)
}

fn saturating_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
