//! The one place that reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use session_core::Instant;

/// What tells the core the time, and runtimes' timers when to fire.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: u64 },
    Manual { base: std::time::Instant, elapsed: Arc<AtomicU64> },
}

impl Clock {
    /// The system's clock; its epoch is now.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { started: boot_micros() })
    }

    /// A clock that stands at `elapsed` microseconds: for tests and simulations.
    #[must_use]
    pub fn manual(elapsed: Arc<AtomicU64>) -> Self {
        Self(Source::Manual { base: monotonic(), elapsed })
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System { started } => Instant::from_micros(boot_micros().saturating_sub(*started)),
            Source::Manual { elapsed, .. } => Instant::from_micros(elapsed.load(Ordering::Relaxed)),
        }
    }

    /// The instant of the core that a program's `deadline` is; one that has passed is now.
    pub(crate) fn instant(&self, deadline: std::time::Instant) -> Instant {
        let base = match &self.0 {
            Source::System { .. } => monotonic(),
            Source::Manual { base, elapsed } => {
                *base + std::time::Duration::from_micros(elapsed.load(Ordering::Relaxed))
            }
        };
        self.now().saturating_add(deadline.saturating_duration_since(base))
    }

    /// When a runtime's timer must fire for `deadline`.
    ///
    /// Runtimes count time awake only; this clock counts sleep too. A timer armed before the machine slept therefore fires late, never early.
    #[must_use]
    pub fn timer(&self, deadline: Instant) -> std::time::Instant {
        match &self.0 {
            Source::System { .. } => {
                // A day is as far as a timer looks; the driver asks again when it fires.
                let wait = deadline.saturating_since(self.now()).min(std::time::Duration::from_secs(86_400));
                monotonic() + wait
            }
            Source::Manual { base, .. } => *base + deadline.saturating_since(Instant::EPOCH),
        }
    }

    /// How far a manual clock must go for a timer set to `at`; for fake timers.
    #[must_use]
    pub fn reached(&self, at: std::time::Instant) -> bool {
        match &self.0 {
            Source::System { .. } => monotonic() >= at,
            Source::Manual { base, .. } => *base + self.now().saturating_since(Instant::EPOCH) >= at,
        }
    }
}

/// Microseconds since boot, time asleep included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_micros() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

/// Microseconds since the first call. `std` counts sleep on Windows; on macOS it does not, and sessions find a sleep out from silence instead.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn boot_micros() -> u64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let first = *FIRST.get_or_init(monotonic);
    u64::try_from(monotonic().saturating_duration_since(first).as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this file is the adapters' clock")]
fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}
