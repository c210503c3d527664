//! Spreads a window over a round trip (RFC 9002 §7.7): a token bucket in integers.

use core::num::NonZeroU64;
use core::time::Duration;

use crate::state_hash::StateHash;
use crate::time::{Instant, micros};

/// Bytes that may leave at once, in datagrams, whatever the rate (RFC 9002 §7.7: the initial window).
const BURST_DATAGRAMS: u64 = 10;
/// Fast senders may send what belongs to this time at once, so that coarse timers do not throttle them.
const BURST_TIME_MICROS: u64 = 2_000;
/// N = 1.25: a little faster than one window per round trip, so that pacing is not what limits.
const RATE_FACTOR: (u64, u64) = (5, 4);
const MICROS_PER_SECOND: u64 = 1_000_000;

/// The token bucket of one path.
///
/// Window and round-trip time come with each call; the pacer keeps only what it has earned and when it last counted.
/// The remainder of the division is kept, so that neither frequent nor rare calls change the rate.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    tokens: u32,
    /// Earned fraction of a byte, in units of the denominator of the last rate.
    remainder: u64,
    counted_at: Instant,
    rate_cap: Option<NonZeroU64>,
    max_datagram: u16,
}

/// Bytes per microsecond as a fraction; both parts are at least 1.
#[derive(Clone, Copy)]
struct Rate {
    bytes: u64,
    micros: u64,
}

impl Rate {
    /// What it earns in so many microseconds, and beside `remainder`: bytes, and what remains of one.
    #[inline]
    fn earn(self, micros: u64, remainder: u64) -> (u64, u64) {
        match micros.checked_mul(self.bytes).and_then(|scaled| scaled.checked_add(remainder)) {
            Some(scaled) => (scaled / self.micros, scaled % self.micros),
            None => self.earn_much(micros, remainder),
        }
    }

    /// The same where the product is longer: the division is slow.
    #[cold]
    fn earn_much(self, micros: u64, remainder: u64) -> (u64, u64) {
        let scaled = u128::from(micros) * u128::from(self.bytes) + u128::from(remainder);
        let (earned, rest) = (scaled / u128::from(self.micros), scaled % u128::from(self.micros));
        (u64::try_from(earned).unwrap_or(u64::MAX), u64::try_from(rest).unwrap_or(u64::MAX))
    }
}

impl Pacer {
    /// A full bucket. `rate_cap` in bytes per second bounds the rate whatever the window says.
    pub(crate) fn new(now: Instant, max_datagram: u16, rate_cap: Option<NonZeroU64>) -> Self {
        let mut pacer = Self { tokens: 0, remainder: 0, counted_at: now, rate_cap, max_datagram: max_datagram.max(1) };
        pacer.tokens = saturating_u32(pacer.least_burst());
        pacer
    }

    /// When a datagram of `bytes` may leave; `None` if it may leave at `now`.
    ///
    /// At the returned instant the answer is `None`, if window and round-trip time have not shrunk the rate meanwhile.
    /// A clock that went back is followed, or the sender would wait for the time it once showed.
    pub(crate) fn delay(&mut self, now: Instant, bytes: u64, window: u64, smoothed_rtt: Duration) -> Option<Instant> {
        self.counted_at = self.counted_at.min(now);
        if u64::from(self.tokens) >= bytes {
            return None;
        }
        let rate = self.rate(window, smoothed_rtt);
        let missing = bytes.min(self.burst(rate)).min(u64::from(u32::MAX)).saturating_sub(u64::from(self.tokens));
        if missing == 0 {
            return None;
        }
        let remainder = u128::from(self.remainder.min(rate.micros - 1));
        let scaled = (u128::from(missing) * u128::from(rate.micros)).saturating_sub(remainder);
        let wait = u64::try_from(scaled.div_ceil(u128::from(rate.bytes))).unwrap_or(u64::MAX);
        let earliest = self.counted_at.saturating_add(Duration::from_micros(wait));
        (earliest > now).then_some(earliest)
    }

    /// `bytes` left at `now`. Sending more than was due empties the bucket and leaves no debt.
    pub(crate) fn on_sent(&mut self, now: Instant, bytes: u64, window: u64, smoothed_rtt: Duration) {
        let rate = self.rate(window, smoothed_rtt);
        self.earn(now, rate);
        self.tokens = self.tokens.saturating_sub(saturating_u32(bytes));
    }

    /// Bytes that are earned in `time`.
    pub(crate) fn bytes_in(&self, time: Duration, window: u64, smoothed_rtt: Duration) -> u64 {
        self.rate(window, smoothed_rtt).earn(micros(time), 0).0
    }

    /// Bytes per second that are not exceeded, whatever the window says.
    pub(crate) fn set_rate_cap(&mut self, rate_cap: Option<NonZeroU64>) {
        self.rate_cap = rate_cap;
    }

    pub(crate) fn rate_cap(&self) -> Option<NonZeroU64> {
        self.rate_cap
    }

    /// Datagrams may now have `bytes`.
    pub(crate) fn set_max_datagram(&mut self, bytes: u16) {
        self.max_datagram = bytes.max(1);
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { tokens, remainder, counted_at, rate_cap, max_datagram } = self;
        hash.u64(u64::from(*tokens));
        hash.u64(*remainder);
        hash.u64(counted_at.as_micros());
        hash.option(rate_cap.map(NonZeroU64::get));
        hash.u64(u64::from(*max_datagram));
    }

    fn earn(&mut self, now: Instant, rate: Rate) {
        let elapsed = now.as_micros().saturating_sub(self.counted_at.as_micros());
        self.counted_at = now;
        self.remainder = self.remainder.min(rate.micros - 1);
        if elapsed != 0 {
            let (earned, remainder) = rate.earn(elapsed, self.remainder);
            self.tokens = self.tokens.saturating_add(saturating_u32(earned));
            self.remainder = remainder;
        }
        let burst = saturating_u32(self.burst(rate));
        if self.tokens >= burst {
            self.tokens = burst;
            self.remainder = 0;
        }
    }

    fn rate(&self, window: u64, smoothed_rtt: Duration) -> Rate {
        let rate = Rate {
            bytes: window.max(1).saturating_mul(RATE_FACTOR.0),
            micros: micros(smoothed_rtt).max(1).saturating_mul(RATE_FACTOR.1),
        };
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        match self.rate_cap {
            Some(cap) if product(cap.get(), rate.micros) < product(rate.bytes, MICROS_PER_SECOND) => {
                Rate { bytes: cap.get(), micros: MICROS_PER_SECOND }
            }
            _ => rate,
        }
    }

    fn burst(&self, rate: Rate) -> u64 {
        let (paced, _) = rate.earn(BURST_TIME_MICROS, 0);
        paced.max(self.least_burst())
    }

    fn least_burst(&self) -> u64 {
        BURST_DATAGRAMS * u64::from(self.max_datagram)
    }
}

fn saturating_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
