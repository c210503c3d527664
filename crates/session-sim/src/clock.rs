//! What the clock of a node shows: it may run ahead, drift, stand and jump.

use session_core::Instant;

/// A clock beside the world's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Microseconds by which it is ahead, drift since `since` left aside.
    ahead: i64,
    /// Millionths by which it goes too fast, or too slowly.
    drift_ppm: i32,
    /// From when on it drifts so, by the world's clock.
    since: u64,
    /// It stands at this instant.
    stands_at: Option<Instant>,
}

impl Clock {
    /// Microseconds by which it is ahead of the world's, from now on, and without drift.
    pub fn set_ahead(&mut self, micros: i64) {
        (self.ahead, self.drift_ppm) = (micros, 0);
    }

    /// Jumps by so many microseconds, forwards or backwards.
    pub fn jump(&mut self, micros: i64) {
        self.ahead = self.ahead.saturating_add(micros);
    }

    /// Goes too fast by so many millionths from `world` on, or too slowly: less than a million either way.
    pub fn set_drift(&mut self, drift_ppm: i32, world: Instant) {
        self.ahead = self.ahead.saturating_add(self.drifted(world));
        self.drift_ppm = drift_ppm.clamp(-999_999, 999_999);
        self.since = world.as_micros();
    }

    /// Stands from `world` on, or goes on as if it had never stood.
    pub fn stop(&mut self, stops: bool, world: Instant) {
        self.stands_at = stops.then(|| self.at(world));
    }

    /// What it shows when the world's clock shows `world`.
    #[must_use]
    pub fn at(&self, world: Instant) -> Instant {
        let shown = i128::from(world.as_micros()) + i128::from(self.ahead) + i128::from(self.drifted(world));
        let shown = u64::try_from(shown.max(0)).unwrap_or(u64::MAX);
        self.stands_at.unwrap_or(Instant::from_micros(shown))
    }

    /// The first instant of the world's clock at which it shows `shown` or more; `None` while it stands.
    #[must_use]
    pub fn when(&self, shown: Instant) -> Option<Instant> {
        if self.stands_at.is_some() {
            return None;
        }
        let since = i128::from(self.since);
        let elapsed = i128::from(shown.as_micros()) - i128::from(self.ahead) - since;
        // Rounded here and corrected below: `at` rounds too.
        let world = since + elapsed * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm));
        let mut world = u64::try_from((world - 2).max(0)).unwrap_or(u64::MAX);
        while self.at(Instant::from_micros(world)) < shown && world < u64::MAX {
            world += 1;
        }
        Some(Instant::from_micros(world))
    }

    /// Microseconds gained since the drift was set.
    fn drifted(&self, world: Instant) -> i64 {
        let elapsed = i128::from(world.as_micros()) - i128::from(self.since);
        i64::try_from((elapsed * i128::from(self.drift_ppm)).div_euclid(1_000_000)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests;
