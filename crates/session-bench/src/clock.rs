//! The one place that reads clocks.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Time since some instant in the past.
pub(crate) fn now() -> Duration {
    duration(clock_gettime(ClockId::Monotonic))
}

/// Processor time of all threads of this process so far, user and system.
pub(crate) fn processor_time() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// Seconds since 1970.
pub(crate) fn date() -> u64 {
    duration(clock_gettime(ClockId::Realtime)).as_secs()
}

/// An instant for peers that take no others, as the zero of a clock of the harness.
#[cfg(feature = "peers")]
#[expect(
    clippy::disallowed_methods,
    reason = "their times cannot be made otherwise; only differences to this one matter"
)]
pub(crate) fn zero() -> std::time::Instant {
    std::time::Instant::now()
}

fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
