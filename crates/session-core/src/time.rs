//! Time as an argument: the core never reads a clock.

use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

/// A point in time: microseconds since an epoch the embedder picks.
///
/// The embedder's clock must be monotonic and must count time asleep. The core clamps every `now` it is given to the
/// largest seen, so a clock that repeats, jumps or goes back delays timers but never breaks a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Never zero, so that an optional instant is no larger.
    micros_plus_one: NonZeroU64,
}

impl Instant {
    /// The embedder's epoch.
    pub const EPOCH: Self = Self { micros_plus_one: NonZeroU64::MIN };
    /// The last representable instant, 2⁶⁴ − 2 microseconds after the epoch; deadlines saturate here.
    pub const MAX: Self = Self { micros_plus_one: NonZeroU64::MAX };

    /// The instant `micros` microseconds after the epoch, or [`Instant::MAX`] where that is not representable.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros_plus_one: NonZeroU64::MIN.saturating_add(micros) }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.micros_plus_one.get() - 1
    }

    /// This instant plus `duration`, or [`Instant::MAX`] where that is not representable.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self { micros_plus_one: self.micros_plus_one.saturating_add(micros(duration)) }
    }

    /// The same for so many microseconds.
    pub(crate) const fn saturating_add_micros(self, micros: u64) -> Self {
        Self { micros_plus_one: self.micros_plus_one.saturating_add(micros) }
    }

    /// Time since `earlier`, or zero if `earlier` is later than `self`.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.as_micros().saturating_sub(earlier.as_micros()))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::EPOCH
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Instant({})", self.as_micros())
    }
}

/// A length of time up to 71 minutes, in the room it needs; longer ones saturate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    micros: u32,
}

impl Span {
    pub(crate) const fn as_micros(self) -> u64 {
        self.micros as u64
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self { micros: u32::try_from(micros(duration)).unwrap_or(u32::MAX) }
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_micros(u64::from(span.micros))
    }
}

/// Whole microseconds of `duration`, saturating.
pub(crate) const fn micros(duration: Duration) -> u64 {
    let micros = duration.as_micros();
    if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 }
}

#[cfg(test)]
mod tests;
