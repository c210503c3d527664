//! How long a session may live, and how often its peer is asked whether it does.

use core::time::Duration;

use super::deadlines::LOST_AFTER;
use super::events::SessionEvent;
use super::{Phase, SessionCore};
use crate::action::{Timeouts, TimerKind};
use crate::config::is_keepalive;
use crate::crypto::Provider;
use crate::ids::Role;
use crate::reason::ExtendError;
use crate::shared::{Context, Settings};
use crate::state_hash::StateHash;
use crate::time::{Instant, micros};

/// The deadlines that end a session though its peer is well.
const EXPIRIES: [TimerKind; 3] = [TimerKind::Idle, TimerKind::Sliding, TimerKind::Lifetime];

/// When a session ends if nothing happens, and by which deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiry {
    /// When.
    pub at: Instant,
    /// [`Idle`](TimerKind::Idle), [`Sliding`](TimerKind::Sliding) or [`Lifetime`](TimerKind::Lifetime).
    pub timer: TimerKind,
}

/// What lifetimes are counted from, idleness excepted.
#[derive(Default)]
pub(crate) struct Lifetime {
    /// Established, or extended.
    begun_at: Instant,
    /// The application sent or fetched user data last.
    used_at: Instant,
    /// The application was warned of the end at this instant.
    warned_of: Instant,
}

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

/// How far the search for the longest interval has come that a NAT on the way bears: the rung in use in the lower half, and in the upper half the
/// lowest one that is too long. All bits 0: nothing is searched.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Ladder(u8);

impl Ladder {
    /// The lowest rung, and none that is too long.
    const FOOT: Self = Self(0xF0);

    fn new(rung: u8, too_long: u8) -> Self {
        Self(too_long << 4 | rung)
    }

    fn rung(self) -> u8 {
        self.0 & 0x0F
    }

    fn too_long(self) -> u8 {
        self.0 >> 4
    }

    fn is_in_use(self) -> bool {
        self.0 != 0
    }

    /// The interval of this rung `held`, or was too long.
    fn after(self, held: bool) -> Self {
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

impl SessionCore {
    /// Gives the session its lifetimes anew, idleness included. The peer has lifetimes of its own.
    pub(crate) fn extend<P: Provider>(&mut self, context: &Context<'_, P>) -> Result<(), ExtendError> {
        if self.phase != Phase::Established {
            return Err(ExtendError::NotEstablished);
        }
        self.clocks.lifetime.begin(context.now);
        self.clocks.user_data_at = context.now;
        Ok(())
    }

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

    /// When the session ends if nothing happens.
    pub(crate) fn expiry(&self, timeouts: &Timeouts) -> Option<Expiry> {
        let expiries = EXPIRIES.into_iter();
        let expiries = expiries.filter_map(|timer| Some(Expiry { at: self.expires_at(timeouts, timer)?, timer }));
        expiries.min_by_key(|expiry| expiry.at)
    }

    pub(super) fn expires_at(&self, timeouts: &Timeouts, timer: TimerKind) -> Option<Instant> {
        let from = match timer {
            TimerKind::Idle => self.clocks.user_data_at,
            TimerKind::Sliding => self.clocks.lifetime.used_at,
            _ => self.clocks.lifetime.begun_at,
        };
        let span = span(timeouts, timer)?;
        (self.phase == Phase::Established).then(|| from.saturating_add(span))
    }

    /// When the application is to be warned; `None` if it has been, or wants no warning.
    pub(super) fn warning_at(&self, settings: &Settings) -> Option<Instant> {
        let timeouts = &settings.config.timeouts;
        let warning = timeouts.warning?;
        let Expiry { at, timer } = self.expiry(timeouts)?;
        let lead = warning.min(span(timeouts, timer)? / 2);
        (self.clocks.lifetime.warned_of != at)
            .then(|| Instant::from_micros(at.as_micros().saturating_sub(micros(lead))))
    }

    pub(super) fn warn_of_expiry(&mut self, settings: &Settings) {
        if let Some(expiry) = self.expiry(&settings.config.timeouts) {
            self.clocks.lifetime.warned_of = expiry.at;
            self.events.raise(SessionEvent::Expiring);
        }
    }
}

fn span(timeouts: &Timeouts, timer: TimerKind) -> Option<Duration> {
    match timer {
        TimerKind::Idle => timeouts.idle,
        TimerKind::Sliding => timeouts.sliding,
        _ => timeouts.lifetime,
    }
}

impl Lifetime {
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun_at = now;
        self.used_at = now;
    }

    pub(super) fn use_at(&mut self, now: Instant) {
        self.used_at = now;
    }

    pub(super) fn digest_into(&self, hash: &mut StateHash) {
        let Self { begun_at, used_at, warned_of } = self;
        for at in [begun_at, used_at, warned_of] {
            hash.u64(at.as_micros());
        }
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
        keepalive.ladder = if asks { Ladder::FOOT } else { Ladder::default() };
        keepalive.begin_anew(timeouts);
        keepalive
    }

    /// Searches from the least interval on, if that is wanted: what is on the way now is not known.
    pub(super) fn begin_anew(&mut self, timeouts: &Timeouts) {
        if self.ladder.is_in_use() {
            self.climb(timeouts, Ladder::FOOT);
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

    pub(super) fn wait(&self) -> Duration {
        self.interval().saturating_mul(u32::from(self.permille)) / 1000
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

fn millis(interval: Duration) -> u32 {
    u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
