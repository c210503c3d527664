//! How often the peer is asked whether it lives, and what intervals the way to it bears.

use core::time::Duration;

use super::SessionCore;
use super::deadlines::LOST_AFTER;
use crate::action::Timeouts;
use crate::config::is_keepalive;
use crate::ids::Role;
use crate::reason::ExtendError;
use crate::state_hash::StateHash;
use crate::time::Instant;

/// The keepalive interval.
#[derive(Default)]
pub(crate) struct Keepalive {
    /// What the peer counts on, in milliseconds.
    agreed: u32,
    interval: u32,
    /// The part of the interval to wait, so that sessions begun together do not ping together.
    permille: u16,
    /// This side pings.
    asks: bool,
    ladder: Ladder,
}

impl SessionCore {
    /// Asks the peer more often than agreed, or again as often.
    pub(crate) fn set_keepalive(&mut self, interval: Duration, now: Instant) -> Result<(), ExtendError> {
        if !self.phase.exchanges_data() {
            return Err(ExtendError::NotEstablished);
        }
        self.change_keepalive(now, |keepalive| keepalive.set(interval)).ok_or(ExtendError::Keepalive)
    }

    /// A shorter interval counts from now on: nobody asked for it in the quiet that has passed.
    pub(super) fn change_keepalive<T>(&mut self, now: Instant, change: impl FnOnce(&mut Keepalive) -> T) -> T {
        let lost_at = self.lost_at();
        let result = change(&mut self.clocks.keepalive);
        if self.lost_at() < lost_at {
            let patience = self.clocks.keepalive.interval().saturating_mul(LOST_AFTER);
            self.clocks.grace_until = self.clocks.grace_until.max(lost_at.min(now.saturating_add(patience)));
        }
        result
    }
}

impl Keepalive {
    /// The larger of both sides' intervals, up to what this side goes along with; a responder that does not pings too.
    pub(super) fn agree(role: Role, timeouts: &Timeouts, theirs: Duration, permille: u16) -> Self {
        let agreed = timeouts.keepalive.max(theirs);
        let interval = agreed.min(timeouts.longest_keepalive);
        let asks = role == Role::Initiator || interval < agreed;
        let (agreed, interval) = (millis(agreed), millis(interval));
        let mut keepalive = Self { agreed, interval, permille, asks, ladder: Ladder::default() };
        if asks {
            keepalive.climb(timeouts, Ladder::FOOT);
        }
        keepalive
    }

    /// Searches from the least interval on, if that is wanted: what is on the way now is not known.
    pub(super) fn begin_anew(&mut self, timeouts: &Timeouts) {
        if self.ladder.is_in_use() {
            self.climb(timeouts, Ladder::BELOW);
        }
    }

    /// A PING that came after an interval of quiet was answered. It `held` if the peer saw it come from where it knew this end to be.
    pub(super) fn on_answered(&mut self, timeouts: &Timeouts, held: bool) {
        if self.ladder.is_in_use() {
            self.climb(timeouts, self.ladder.after(held));
        }
    }

    fn climb(&mut self, timeouts: &Timeouts, ladder: Ladder) {
        let Some(least) = timeouts.least_keepalive else { return };
        self.ladder = ladder;
        let most = self.agreed.min(millis(timeouts.longest_keepalive));
        self.interval = u32::try_from(ladder.interval(least)).unwrap_or(u32::MAX).min(most);
    }

    fn set(&mut self, interval: Duration) -> Option<()> {
        if !is_keepalive(interval) || millis(interval) > self.agreed {
            return None;
        }
        self.interval = millis(interval);
        self.asks = true;
        self.ladder = Ladder::default();
        Some(())
    }

    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.interval))
    }

    pub(super) fn interval_micros(&self) -> u64 {
        u64::from(self.interval) * 1000
    }

    /// From the last packet to the question. Thousandths of a millisecond are microseconds.
    pub(super) fn wait_micros(&self) -> u64 {
        u64::from(self.interval) * u64::from(self.permille)
    }

    pub(super) fn digest_into(&self, hash: &mut StateHash) {
        let Self { agreed, interval, permille, asks, ladder } = self;
        hash.u64(u64::from(*agreed));
        hash.u64(u64::from(*interval));
        hash.u64(u64::from(*permille));
        hash.flag(*asks);
        hash.u64(u64::from(ladder.0));
    }
}

/// How far the search for the longest interval has come that a NAT on the way bears: the rung in use in the lower half, and in the upper half the
/// lowest one that is too long. All bits 0: nothing is searched.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Ladder(u8);

impl Ladder {
    /// The lowest rung, and none that is too long.
    const FOOT: Self = Self(0xF0);
    /// The same, but the answer that comes next says nothing about it: it may be to a question of before.
    const BELOW: Self = Self(0xFF);

    fn new(rung: u8, too_long: u8) -> Self {
        Self(too_long << 4 | rung)
    }

    fn rung(self) -> u8 {
        if self == Self::BELOW { 0 } else { self.0 & 0x0F }
    }

    fn too_long(self) -> u8 {
        self.0 >> 4
    }

    fn is_in_use(self) -> bool {
        self.0 != 0
    }

    /// The interval of this rung `held`, or was too long.
    fn after(self, held: bool) -> Self {
        if self == Self::BELOW {
            return Self::FOOT;
        }
        let (rung, too_long) = (self.rung(), self.too_long());
        if held {
            Self::new((rung + 1).min(too_long - 1), too_long)
        } else {
            Self::new(rung.saturating_sub(1), rung.max(1))
        }
    }

    /// Two rungs double the interval.
    fn interval(self, least: Duration) -> u64 {
        let doubled = u64::from(millis(least)) << (self.rung() / 2);
        // The root of two.
        if self.rung().is_multiple_of(2) { doubled } else { doubled * 181 / 128 }
    }
}

fn millis(interval: Duration) -> u32 {
    u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
