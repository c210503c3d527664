//! How long a session may live, and how often its peer is asked whether it does.

use core::time::Duration;

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
    pub(crate) fn set_keepalive(&mut self, interval: Duration) -> Result<(), ExtendError> {
        if !self.phase.exchanges_data() {
            return Err(ExtendError::NotEstablished);
        }
        self.clocks.keepalive.set(interval).ok_or(ExtendError::Keepalive)
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
        Self { agreed: millis(agreed), interval: millis(interval), permille, asks }
    }

    fn set(&mut self, interval: Duration) -> Option<()> {
        if !is_keepalive(interval) || millis(interval) > self.agreed {
            return None;
        }
        self.interval = millis(interval);
        self.asks = true;
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
        let Self { agreed, interval, permille, asks } = self;
        hash.u64(u64::from(*agreed));
        hash.u64(u64::from(*interval));
        hash.u64(u64::from(*permille));
        hash.flag(*asks);
    }
}

fn millis(interval: Duration) -> u32 {
    u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)
}
