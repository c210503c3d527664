//! Rate and time left from a row of byte counts.

use std::time::Duration;

use session_core::Instant;

/// Shortest interval that makes a rate; over less, one burst would swing it.
const INTERVAL: Duration = Duration::from_millis(250);
/// Time over which an old rate fades: long enough for steady digits, short enough to follow a path that changes.
const MEMORY: Duration = Duration::from_secs(3);
/// Longer than this is not worth a prediction.
const MAX_REMAINING_SECONDS: f64 = 360_000.0;

/// Measures how fast a transfer is.
#[derive(Clone, Debug)]
pub struct Meter {
    total: u64,
    started: Instant,
    bytes: u64,
    last: (Instant, u64),
    bytes_per_second: Option<f64>,
}

impl Meter {
    /// A transfer of `total` bytes that starts `now`.
    #[must_use]
    pub const fn new(total: u64, now: Instant) -> Self {
        Self { total, started: now, bytes: 0, last: (now, 0), bytes_per_second: None }
    }

    /// Takes note that `bytes` have crossed.
    pub fn update(&mut self, bytes: u64, now: Instant) {
        self.bytes = bytes;
        let (then, before) = self.last;
        let interval = now.saturating_since(then);
        if interval < INTERVAL {
            return;
        }
        let current = bytes.saturating_sub(before) as f64 / interval.as_secs_f64();
        let weight = 1.0 - (-interval.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.bytes_per_second = Some(self.bytes_per_second.map_or(current, |rate| rate + (current - rate) * weight));
        self.last = (now, bytes);
    }

    /// Bytes of the whole transfer.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes per second of late; `None` until there is something to measure.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        self.bytes_per_second.map(|rate| rate as u64)
    }

    /// Bytes per second from start to `now`; `None` where no time has passed.
    #[must_use]
    pub fn average(&self, now: Instant) -> Option<u64> {
        let seconds = self.elapsed(now).as_secs_f64();
        (seconds > 0.0).then(|| (self.bytes as f64 / seconds) as u64)
    }

    /// Time from start to `now`.
    #[must_use]
    pub const fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_since(self.started)
    }

    /// Time left at the rate of late; `None` where that cannot be said, as in a transfer that stands still.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let rate = self.bytes_per_second.filter(|rate| *rate > 0.0)?;
        let seconds = self.total.saturating_sub(self.bytes) as f64 / rate;
        (seconds < MAX_REMAINING_SECONDS).then(|| Duration::from_secs_f64(seconds))
    }
}
