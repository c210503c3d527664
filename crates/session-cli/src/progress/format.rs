//! Numbers for people.

use std::fmt;
use std::time::Duration;

/// A number of bytes: `812 B`, `1.5 KiB`, `64.0 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// A share in percent: `0.51 %`; never `0.00 %` for something that did happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent {
    /// How many.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

/// A time to wait: `0:07`, `12:34`, `1:02:03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock(pub Duration);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        // What would be rounded to 1024.0 belongs to the next unit.
        const ROUNDS_UP: f64 = 1_023.95;
        if self.0 < 1_024 {
            return write!(formatter, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1_024.0;
        let mut units = UNITS.iter();
        let mut unit = units.next();
        while value >= ROUNDS_UP {
            value /= 1_024.0;
            unit = units.next();
        }
        write!(formatter, "{value:.1} {}", unit.unwrap_or(&"EiB"))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, whole } = *self;
        let percent = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
        if part > 0 && percent < 0.01 { formatter.write_str("< 0.01 %") } else { write!(formatter, "{percent:.2} %") }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero is for what is done.
        let seconds = self.0.saturating_add(Duration::from_millis(500)).as_secs().max(u64::from(!self.0.is_zero()));
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if hours > 0 {
            write!(formatter, "{hours}:{minutes:02}:{seconds:02}")
        } else {
            write!(formatter, "{minutes}:{seconds:02}")
        }
    }
}
