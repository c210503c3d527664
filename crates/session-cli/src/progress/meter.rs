//! Rate and time left from a row of byte counts.

use std::time::Duration;

use session_core::Instant;

/// Shortest interval that makes a rate; over less, one burst would swing it.
const INTERVAL: Duration = Duration::from_millis(250);
/// Time over which an old rate fades: long enough for steady digits, short enough to follow a path that changes.
const MEMORY: Duration = Duration::from_secs(3);
/// Standing still for so long is worth a word of its own; a lossy path may pause for less.
const STANDSTILL: Duration = Duration::from_secs(3);
/// Longer than this is not worth a prediction.
const MAX_REMAINING_SECONDS: f64 = 360_000.0;

/// Measures how fast a transfer is.
#[derive(Clone, Debug)]
pub struct Meter {
    total: u64,
    started: Instant,
    bytes: u64,
    moved: Instant,
    seen: Instant,
    last: (Instant, u64),
    bytes_per_second: Option<f64>,
}

impl Meter {
    /// A transfer of `total` bytes that starts `now`.
    #[must_use]
    pub const fn new(total: u64, now: Instant) -> Self {
        Self { total, started: now, bytes: 0, moved: now, seen: now, last: (now, 0), bytes_per_second: None }
    }

    /// Takes note that `bytes` have crossed.
    pub fn update(&mut self, bytes: u64, now: Instant) {
        if self.bytes != bytes {
            self.moved = now;
        }
        self.bytes = bytes;
        self.seen = now;
        let (then, before) = self.last;
        let interval = now.saturating_since(then);
        if interval < INTERVAL {
            return;
        }
        let current = bytes.saturating_sub(before) as f64 / interval.as_secs_f64();
        // What an interval weighs among all so far: a burst at the start, into empty buffers, must not count for long.
        let share = |time: Duration| 1.0 - (-time.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        let weight = share(interval) / share(self.elapsed(now));
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

    /// For how long nothing has crossed, where that is long enough to worry about.
    #[must_use]
    pub fn standstill(&self) -> Option<Duration> {
        Some(self.seen.saturating_since(self.moved)).filter(|time| *time >= STANDSTILL)
    }

    /// Time left at the rate of late; `None` where that cannot be said, as in a transfer that stands still.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        if self.standstill().is_some() {
            return None;
        }
        let rate = self.bytes_per_second.filter(|rate| *rate > 0.0)?;
        let seconds = self.total.saturating_sub(self.bytes) as f64 / rate;
        (seconds < MAX_REMAINING_SECONDS).then(|| Duration::from_secs_f64(seconds))
    }
}
