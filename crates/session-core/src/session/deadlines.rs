//! Every deadline of a session, derived from its state, and what is done when one passes (protocol §11).
//!
//! Nothing here is stored: a deadline follows from when something last happened, so none can be forgotten. Serving one moves
//! what it follows from, so none recurs at the instant it was served.

use core::time::Duration;

use super::close::deadline_reason;
use super::{Heard, Phase, SessionCore};
use crate::action::{Deadline, Timeouts, TimerKind};
use crate::crypto::Provider;
use crate::memory::Memory;
use crate::reason::CloseCode;
use crate::shared::{Context, Settings};
use crate::time::Instant;

/// Keepalive intervals without a packet after which the peer is lost (S0-24).
pub(super) const LOST_AFTER: u32 = 3;
/// A liveness deadline served later than this means that the machine slept: the peer gets a chance to answer.
const SLEPT: Duration = Duration::from_secs(1);
/// Probe timeouts of quiet after CLOSE, and of grace after sleep.
const QUIET_PTOS: u32 = 3;
/// Quiet after CLOSE lasts no longer.
const LONGEST_QUIET: Duration = Duration::from_secs(10);

/// Which of the configured times an attempt has.
#[derive(Clone, Copy)]
pub(super) enum AttemptLimit {
    Connect,
    Tentative,
    Pending,
}

impl AttemptLimit {
    fn of(self, timeouts: &Timeouts) -> Duration {
        match self {
            Self::Connect => timeouts.connect,
            Self::Tentative => timeouts.tentative,
            Self::Pending => timeouts.pending,
        }
    }
}

/// The timers that can run in a phase, in the order of [`TimerKind::ALL`]. Every datagram asks for the next, so the others are not asked.
const fn timers_of(phase: Phase) -> &'static [TimerKind] {
    use TimerKind as T;
    match phase {
        Phase::Connecting | Phase::SynSent => &[T::Connect, T::HelloRetry, T::Message],
        Phase::Tentative => &[T::Tentative],
        Phase::Handshaking => &[
            T::Connect,
            T::Acknowledge,
            T::LossDetection,
            T::Pacing,
            T::Keepalive,
            T::Path,
            T::Silence,
            T::PeerLost,
            T::Message,
        ],
        Phase::Established => &[
            T::Acknowledge,
            T::LossDetection,
            T::Pacing,
            T::Keepalive,
            T::Path,
            T::Silence,
            T::PeerLost,
            T::Expiring,
            T::Idle,
            T::Sliding,
            T::Lifetime,
            T::Message,
            T::Rekey,
        ],
        Phase::Flushing => &[
            T::Release,
            T::Acknowledge,
            T::LossDetection,
            T::Pacing,
            T::Keepalive,
            T::Path,
            T::Silence,
            T::PeerLost,
            T::Message,
            T::Rekey,
        ],
        Phase::Closing | Phase::Draining => &[T::Drain, T::Rekey],
        Phase::Closed => &[T::Forget],
    }
}

impl SessionCore {
    /// The next instant at which [`handle_timeout`](Self::handle_timeout) has work.
    pub(crate) fn next_deadline(&self, settings: &Settings, memory: &Memory) -> Option<Deadline> {
        let next = match self.phase {
            Phase::Established => self.next_of_established(settings, memory),
            phase => self.first_of(settings, memory, timers_of(phase)),
        };
        debug_assert_eq!(
            next,
            self.first_of(settings, memory, TimerKind::ALL),
            "a timer of {:?} is left out",
            self.phase
        );
        next
    }

    /// The same where nearly every datagram asks for it: timer by timer, each known when this is compiled.
    fn next_of_established(&self, settings: &Settings, memory: &Memory) -> Option<Deadline> {
        const TIMERS: &[TimerKind] = timers_of(Phase::Established);
        let mut next = Deadline { at: Instant::MAX, timer: TIMERS[0] };
        macro_rules! ask {
            ($($index:literal)*) => {$(
                let timer = const { TIMERS[$index] };
                if let Some(at) = self.derive(settings, memory, timer)
                    && at < next.at
                {
                    next = Deadline { at, timer };
                }
            )*};
        }
        ask!(0 1 2 3 4 5 6 7 8 9 10 11 12);
        const { assert!(TIMERS.len() == 13, "every timer is asked") };
        // One that stands at the end of time does not come before it.
        if next.at == Instant::MAX { self.first_of(settings, memory, TIMERS) } else { Some(next) }
    }

    /// The first deadline of `timers`.
    #[inline(never)]
    fn first_of(&self, settings: &Settings, memory: &Memory, timers: &[TimerKind]) -> Option<Deadline> {
        let deadlines = timers.iter().filter_map(|&timer| {
            let at = self.deadline(settings, memory, timer)?;
            Some(Deadline { at, timer })
        });
        deadlines.min_by_key(|deadline| deadline.at)
    }

    /// Every deadline there is.
    pub(crate) fn deadlines(&self, settings: &Settings, memory: &Memory) -> impl Iterator<Item = Deadline> {
        let timers = timers_of(self.phase).iter().copied();
        timers.filter_map(|timer| Some(Deadline { at: self.deadline(settings, memory, timer)?, timer }))
    }

    /// Serves every deadline that has passed.
    pub(crate) fn handle_timeout<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        for timer in TimerKind::ALL.iter().copied() {
            if let Some(at) = self.deadline(context.settings, &context.shared.memory, timer)
                && at <= context.now
            {
                self.serve(context, timer, at);
            }
        }
    }

    /// When `timer` fires.
    #[inline(never)]
    fn deadline(&self, settings: &Settings, memory: &Memory, timer: TimerKind) -> Option<Instant> {
        self.derive(settings, memory, timer)
    }

    /// The same, to be folded where the timer is known.
    #[inline(always)]
    fn derive(&self, settings: &Settings, memory: &Memory, timer: TimerKind) -> Option<Instant> {
        let timeouts = &settings.config.timeouts;
        let exchanges = self.phase.exchanges_data();
        match timer {
            TimerKind::Connect => matches!(self.phase, Phase::Connecting | Phase::SynSent | Phase::Handshaking)
                .then(|| self.clocks.attempt_at.saturating_add(self.clocks.attempt_limit.of(timeouts))),
            TimerKind::HelloRetry => self.attempt(memory).filter(|_| self.phase == Phase::SynSent)?.retry_at(),
            TimerKind::Tentative => (self.phase == Phase::Tentative)
                .then(|| self.clocks.attempt_at.saturating_add(self.clocks.attempt_limit.of(timeouts))),
            TimerKind::Release => {
                (self.phase == Phase::Flushing).then(|| self.closing.since.saturating_add(timeouts.release))
            }
            // The peer has a say in the round-trip time, but must not hold a slot by it.
            TimerKind::Drain => matches!(self.phase, Phase::Closing | Phase::Draining)
                .then(|| self.closing.since.saturating_add(self.quiet_time().min(LONGEST_QUIET))),
            TimerKind::Forget => (self.phase == Phase::Closed && !self.closing.expired)
                .then(|| self.closing.since.saturating_add(timeouts.forget)),
            TimerKind::Acknowledge => self.packets.acks.deadline().filter(|_| exchanges && !self.packets.ack_forced),
            TimerKind::LossDetection => self.loss_deadline().filter(|_| exchanges),
            TimerKind::Pacing => self.path.paced_until.filter(|_| exchanges),
            TimerKind::Keepalive => (exchanges && self.clocks.keepalive.asks() && !self.packets.ping_due).then(|| {
                self.clocks
                    .received_at
                    .max(self.clocks.keepalive_at)
                    .saturating_add_micros(self.clocks.keepalive.wait_micros())
            }),
            TimerKind::Path => self.path_deadline(memory).filter(|_| exchanges),
            TimerKind::Silence => {
                self.silence_ends_at(settings).filter(|_| exchanges).map(|ends_at| ends_at.max(self.clocks.grace_until))
            }
            TimerKind::PeerLost => exchanges.then(|| self.lost_at().max(self.clocks.grace_until)),
            TimerKind::Expiring => self.warning_at(settings),
            TimerKind::Idle | TimerKind::Sliding | TimerKind::Lifetime => self.expires_at(timeouts, timer),
            TimerKind::Message => self.message_expires_at(memory),
            TimerKind::Rekey => self.rekey_deadline(settings, memory),
        }
    }

    fn serve<P: Provider>(&mut self, context: &mut Context<'_, P>, timer: TimerKind, at: Instant) {
        let now = context.now;
        match timer {
            TimerKind::Connect if self.phase == Phase::Handshaking => {
                self.end_at_once(
                    context,
                    deadline_reason(
                        CloseCode::NO_ANSWER,
                        "the peer is there, but its application did not answer in time",
                    ),
                );
            }
            TimerKind::Connect | TimerKind::Tentative => {
                let text = match self.heard() {
                    Heard::Nothing => "no packet came back: is the address right, and no firewall in between?",
                    Heard::Unverified => "packets came back, but none from the peer: is its key right?",
                    Heard::Peer => "no answer came",
                };
                self.expire(context, Some(deadline_reason(CloseCode::NO_ANSWER, text)));
            }
            TimerKind::HelloRetry => {
                if let Some(attempt) = context.shared.memory.attempts.get_mut(self.attempt) {
                    attempt.queue();
                }
            }
            TimerKind::Release => self.stop_flushing(context),
            // Nobody polled since, and three keepalive intervals are long for the peer to find out.
            TimerKind::Drain if self.must_tell(now) => self.closing.since = now,
            TimerKind::Drain => self.expire(context, None),
            TimerKind::Forget => self.closing.expired = true,
            TimerKind::Acknowledge => self.packets.ack_forced = true,
            TimerKind::LossDetection if self.path.loss_at.is_some() => {
                self.detect_lost(&mut context.shared.memory, context.now, None, None);
                // What is lost by now is declared; a remainder at the same instant would recur.
                self.path.loss_at = self.path.loss_at.filter(|at| *at > now);
            }
            TimerKind::LossDetection => {
                self.probe(context);
                // Who slept through it has not waited for an answer.
                if now.saturating_since(at) <= SLEPT {
                    self.note_unanswered(now);
                }
            }
            TimerKind::Pacing => self.path.paced_until = None,
            TimerKind::Keepalive => {
                // A peer that answers though it has no memory to acknowledge anything is asked as often as one that is heard of.
                if self.clocks.received_at >= self.clocks.keepalive_at {
                    self.path.probe_anew();
                }
                self.clocks.keepalive_at = now;
                self.packets.ping_due = true;
                // A peer that is out of memory acknowledges nothing; a full window must not keep the question back.
                self.path.probes_due = self.path.probes_due.max(1);
            }
            TimerKind::Path => self.serve_path(context),
            TimerKind::Silence => {
                let due_at = self.silence_ends_at(context.settings).unwrap_or(at);
                self.lose_peer(context, due_at, "the peer did not answer what was sent");
            }
            TimerKind::PeerLost => {
                self.lose_peer(context, self.lost_at(), "nothing came from the peer for too long");
            }
            TimerKind::Expiring => self.warn_of_expiry(context.settings),
            TimerKind::Idle => self.end_at_once(context, deadline_reason(CloseCode::IDLE, "no user data for too long")),
            TimerKind::Sliding => {
                self.close_after_flush(context, deadline_reason(CloseCode::EXPIRED, "unused for too long"));
            }
            TimerKind::Lifetime => {
                self.close_after_flush(context, deadline_reason(CloseCode::EXPIRED, "the session has lived its time"));
            }
            TimerKind::Message => self.expire_messages(context),
            TimerKind::Rekey => self.serve_rekey(context),
        }
    }

    /// The peer is lost since `due_at`, unless this side only slept through that: then it gets one chance to answer.
    fn lose_peer<P: Provider>(&mut self, context: &mut Context<'_, P>, due_at: Instant, text: &'static str) {
        let had_grace = self.clocks.grace_until > due_at;
        if !had_grace && context.now.saturating_since(due_at) > SLEPT {
            self.packets.ping_due = true;
            let grace = self.quiet_time().max(Duration::from_micros(1));
            self.clocks.grace_until = context.now.saturating_add(grace);
        } else {
            self.expire(context, Some(deadline_reason(CloseCode::PEER_LOST, text)));
        }
    }

    /// When a side that hears nothing from now on takes the other for lost, at the latest.
    pub(super) fn lost_at(&self) -> Instant {
        self.clocks.received_at.saturating_add_micros(self.clocks.keepalive.interval_micros() * u64::from(LOST_AFTER))
    }

    /// The loss timer, or else the probe timeout (RFC 9002 §6.2).
    fn loss_deadline(&self) -> Option<Instant> {
        if self.path.loss_at.is_some() {
            return self.path.loss_at;
        }
        let sent_at = self.packets.log.last_ack_eliciting_sent_at().filter(|_| self.path.probes_due == 0)?;
        let from = self.path.probed_at.map_or(sent_at, |probed_at| probed_at.max(sent_at));
        Some(from.saturating_add_micros(self.path.pto_micros()))
    }

    fn quiet_time(&self) -> Duration {
        self.path.base_pto().saturating_mul(QUIET_PTOS)
    }
}
