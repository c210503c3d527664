//! The only place that reads a clock.

use session_core::Instant;

/// The chip's clock, which has to run while the chip sleeps.
pub(crate) fn now() -> Instant {
    Instant::from_micros(embassy_time::Instant::now().as_micros())
}
