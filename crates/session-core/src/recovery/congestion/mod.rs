//! How many bytes may be in flight (RFC 9002 §7): slow start, recovery and, behind one trait, congestion avoidance.

use core::time::Duration;

use crate::congestion_control::CongestionControl;
use crate::state_hash::StateHash;
use crate::time::Instant;

mod cubic;
mod new_reno;
mod slow_start;

use cubic::Cubic;
use new_reno::NewReno;
use slow_start::SlowStart;

/// Bytes the initial window may have whatever the datagram size (RFC 9002 §7.2).
const INITIAL_WINDOW_BYTES: u32 = 14_720;
const INITIAL_WINDOW_DATAGRAMS: u32 = 10;
/// kMinimumWindow (RFC 9002 §7.2), to which persistent congestion falls.
const MINIMUM_WINDOW_DATAGRAMS: u32 = 2;
/// What a single loss leaves: of three datagrams, one that is lost is seen by what came after it, without a probe timeout (ADR 0016).
const LEAST_AFTER_LOSS_DATAGRAMS: u32 = 3;
/// The slow-start threshold before the first congestion.
const NO_THRESHOLD: u32 = u32::MAX;

/// One packet that was acknowledged, and what is known of its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acked {
    /// Bytes on the wire.
    pub(crate) bytes: u16,
    pub(crate) sent_at: Instant,
    pub(crate) now: Instant,
    /// The window was not what held the sender back.
    pub(crate) app_limited: bool,
    pub(crate) smoothed_rtt: Duration,
    pub(crate) max_datagram: u16,
}

/// Growth once the capacity of the path has been found: what the algorithms differ in.
trait Avoidance: Sized {
    /// What is left of the window after congestion: numerator and denominator.
    const DECREASE: (u32, u32);

    /// The window fell from `before` to `after`. `last` is the state before, if the window was growing by this rule.
    fn after_congestion(last: Option<&Self>, before: u32, after: u32, max_datagram: u16) -> Self;

    /// Slow start has ended with a `window`, and without congestion.
    fn after_slow_start(window: u32) -> Self;

    /// The window after a packet was acknowledged that filled it. `threshold` is what the window last fell to.
    fn grow(&mut self, window: u32, threshold: u32, acked: &Acked) -> u32;

    /// The window was not filled: what follows counts from `now` on.
    fn pause(&mut self, now: Instant);

    fn digest_into(&self, hash: &mut StateHash);
}

/// How the window grows at present.
#[derive(Clone, Debug)]
enum Phase {
    SlowStart(SlowStart),
    NewReno(NewReno),
    Cubic(Cubic),
}

/// Decides how many bytes may be in flight on one path.
///
/// Bytes are those of ack-eliciting packets as sent. The owner reports every such packet once: acknowledged or lost.
#[derive(Clone, Debug)]
pub(crate) struct Congestion {
    window: u32,
    slow_start_threshold: u32,
    /// Packets sent up to here belong to the period whose loss has already been answered.
    recovery_start: Option<Instant>,
    phase: Phase,
}

impl Congestion {
    pub(crate) fn new(control: CongestionControl, max_datagram: u16) -> Self {
        Self {
            window: initial_window(max_datagram),
            slow_start_threshold: NO_THRESHOLD,
            recovery_start: None,
            phase: Phase::SlowStart(SlowStart::new(control)),
        }
    }

    /// A packet was acknowledged.
    pub(crate) fn on_acked(&mut self, acked: &Acked) {
        if self.in_recovery(acked.sent_at) {
            return;
        }
        if acked.app_limited {
            self.pause(acked.now);
            return;
        }
        let (window, threshold) = (self.window, self.slow_start_threshold);
        match &mut self.phase {
            Phase::SlowStart(slow_start) => {
                self.window = window.saturating_add(slow_start.growth(acked.bytes));
                if self.window >= threshold {
                    self.end_slow_start();
                }
            }
            Phase::NewReno(avoidance) => self.window = avoidance.grow(window, threshold, acked),
            Phase::Cubic(avoidance) => self.window = avoidance.grow(window, threshold, acked),
        }
    }

    /// A round trip took `sample`; its packet was sent at `sent_at`.
    pub(crate) fn on_round_trip(&mut self, sample: Duration, sent_at: Instant, now: Instant) {
        // RFC 9406 §4.3: in the first slow start only; later ones know their threshold.
        if self.slow_start_threshold == NO_THRESHOLD
            && let Phase::SlowStart(slow_start) = &mut self.phase
            && slow_start.on_round_trip(sample, sent_at, now)
        {
            self.slow_start_threshold = self.window;
            self.end_slow_start();
        }
    }

    /// Packets were lost, the newest of them sent at `sent_at`, or came through marked as congested; `persistent` as RFC 9002 §7.6 says.
    ///
    /// Returns what [`undo`](Self::undo) takes if the window fell.
    pub(crate) fn on_congestion(
        &mut self,
        sent_at: Instant,
        now: Instant,
        persistent: bool,
        max_datagram: u16,
    ) -> Option<Self> {
        let mut undo = None;
        let minimum = minimum_window(max_datagram);
        if !self.in_recovery(sent_at) {
            self.pause(now);
            undo = Some(self.clone());
            self.recovery_start = Some(now);
            let before = self.window;
            let (window, phase) = match &self.phase {
                Phase::SlowStart(slow_start) if slow_start.next == CongestionControl::NewReno => {
                    fall::<NewReno>(None, before, max_datagram, Phase::NewReno)
                }
                Phase::SlowStart(_) => fall::<Cubic>(None, before, max_datagram, Phase::Cubic),
                Phase::NewReno(last) => fall(Some(last), before, max_datagram, Phase::NewReno),
                Phase::Cubic(last) => fall(Some(last), before, max_datagram, Phase::Cubic),
            };
            (self.window, self.slow_start_threshold, self.phase) = (window, window, phase);
        }
        if persistent {
            self.window = minimum;
            self.phase = Phase::SlowStart(SlowStart::new(self.control()));
            self.recovery_start = None;
        }
        undo
    }

    /// Nothing was lost after all: goes on from where it was `before` (RFC 9438 §4.9), but gives up nothing gained since.
    pub(crate) fn undo(&mut self, before: &Self) {
        *self = Self { window: before.window.max(self.window), ..before.clone() };
    }

    /// Datagrams of `before` bytes may now have `bytes`.
    pub(crate) fn set_max_datagram(&mut self, before: u16, bytes: u16) {
        let untouched = self.window == initial_window(before) && self.slow_start_threshold == NO_THRESHOLD;
        self.window = if untouched { initial_window(bytes) } else { self.window.max(minimum_window(bytes)) };
    }

    /// Bytes that may be in flight.
    pub(crate) fn window(&self) -> u64 {
        u64::from(self.window)
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { window, slow_start_threshold, recovery_start, phase } = self;
        hash.u64(u64::from(*window));
        hash.u64(u64::from(*slow_start_threshold));
        hash.option(recovery_start.map(Instant::as_micros));
        match phase {
            Phase::SlowStart(slow_start) => {
                hash.u64(0);
                slow_start.digest_into(hash);
            }
            Phase::NewReno(avoidance) => {
                hash.u64(1);
                avoidance.digest_into(hash);
            }
            Phase::Cubic(avoidance) => {
                hash.u64(2);
                avoidance.digest_into(hash);
            }
        }
    }

    fn control(&self) -> CongestionControl {
        match &self.phase {
            Phase::SlowStart(slow_start) => slow_start.next,
            Phase::NewReno(_) => CongestionControl::NewReno,
            Phase::Cubic(_) => CongestionControl::Cubic,
        }
    }

    fn end_slow_start(&mut self) {
        self.phase = match self.control() {
            CongestionControl::NewReno => Phase::NewReno(NewReno::after_slow_start(self.window)),
            CongestionControl::Cubic => Phase::Cubic(Cubic::after_slow_start(self.window)),
        };
    }

    fn pause(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::SlowStart(_) => {}
            Phase::NewReno(avoidance) => avoidance.pause(now),
            Phase::Cubic(avoidance) => avoidance.pause(now),
        }
    }

    fn in_recovery(&self, sent_at: Instant) -> bool {
        self.recovery_start.is_some_and(|start| sent_at <= start)
    }
}

/// The window and the phase after congestion at a window of `before`.
fn fall<A: Avoidance>(last: Option<&A>, before: u32, max_datagram: u16, phase: fn(A) -> Phase) -> (u32, Phase) {
    let (numerator, denominator) = A::DECREASE;
    let part = u64::from(before) * u64::from(numerator) / u64::from(denominator);
    let least = datagrams(LEAST_AFTER_LOSS_DATAGRAMS, max_datagram);
    // Persistent congestion may have left less, which a loss does not raise.
    let after = u32::try_from(part).unwrap_or(u32::MAX).max(least).min(before).max(minimum_window(max_datagram));
    (after, phase(A::after_congestion(last, before, after, max_datagram)))
}

fn minimum_window(max_datagram: u16) -> u32 {
    datagrams(MINIMUM_WINDOW_DATAGRAMS, max_datagram)
}

fn initial_window(max_datagram: u16) -> u32 {
    let floor = INITIAL_WINDOW_BYTES.max(minimum_window(max_datagram));
    floor.min(datagrams(INITIAL_WINDOW_DATAGRAMS, max_datagram))
}

/// The bytes of so many datagrams.
fn datagrams(count: u32, max_datagram: u16) -> u32 {
    count * u32::from(max_datagram.max(1))
}

#[cfg(test)]
mod tests;
