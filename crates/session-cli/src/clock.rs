//! The one place of the command that reads a clock or lets a thread sleep.

use std::sync::OnceLock;
use std::time::Duration;

use session_core::Instant;

/// The present, counted from the first call.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file is the program's clock")]
pub fn now() -> Instant {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let elapsed = START.get_or_init(std::time::Instant::now).elapsed();
    Instant::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

/// When `time` will have passed, as a deadline for the system's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file is the program's clock")]
pub fn after(time: Duration) -> std::time::Instant {
    std::time::Instant::now() + time
}

/// How long `work` takes, to the nanosecond.
#[expect(clippy::disallowed_methods, reason = "this file is the program's clock")]
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let result = work();
    (result, start.elapsed())
}
