//! How long a session may live.

use core::time::Duration;

use super::events::SessionEvent;
use super::{Phase, SessionCore};
use crate::action::{Timeouts, TimerKind};
use crate::crypto::Provider;
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

    /// When the session ends if nothing happens.
    pub(crate) fn expiry(&self, timeouts: &Timeouts) -> Option<Expiry> {
        let mut expiry: Option<Expiry> = None;
        for timer in EXPIRIES {
            if let Some(at) = self.expires_at(timeouts, timer)
                && expiry.is_none_or(|expiry| at < expiry.at)
            {
                expiry = Some(Expiry { at, timer });
            }
        }
        expiry
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
        let lead = micros(warning).min(micros(span(timeouts, timer)?) / 2);
        (self.clocks.lifetime.warned_of != at).then(|| Instant::from_micros(at.as_micros().saturating_sub(lead)))
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
