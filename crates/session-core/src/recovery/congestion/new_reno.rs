//! NewReno as RFC 9002 §7 and appendix B describe it.

use super::CongestionController;
use crate::state_hash::StateHash;
use crate::time::Instant;

/// Bytes the initial window may have whatever the datagram size (RFC 9002 §7.2).
const INITIAL_WINDOW_BYTES: u64 = 14_720;
const INITIAL_WINDOW_DATAGRAMS: u64 = 10;
const MINIMUM_WINDOW_DATAGRAMS: u64 = 2;
/// kLossReductionFactor = 1/2.
const LOSS_REDUCTION_DIVISOR: u64 = 2;

/// Additive increase, multiplicative decrease; one decrease per round trip.
#[derive(Clone, Debug)]
pub(crate) struct NewReno {
    window: u64,
    slow_start_threshold: u64,
    /// Acknowledged in congestion avoidance and not yet turned into growth.
    acked_bytes: u64,
    /// Packets sent up to here belong to the period whose loss has already been answered.
    recovery_start: Option<Instant>,
    max_datagram: u16,
}

impl NewReno {
    pub(crate) fn new(max_datagram: u16) -> Self {
        let max_datagram = max_datagram.max(1);
        Self {
            window: initial_window(max_datagram),
            slow_start_threshold: u64::MAX,
            acked_bytes: 0,
            recovery_start: None,
            max_datagram,
        }
    }

    fn minimum_window(&self) -> u64 {
        MINIMUM_WINDOW_DATAGRAMS * u64::from(self.max_datagram)
    }

    fn in_recovery(&self, sent_at: Instant) -> bool {
        self.recovery_start.is_some_and(|start| sent_at <= start)
    }
}

impl CongestionController for NewReno {
    fn on_acked(&mut self, bytes: u64, sent_at: Instant, _now: Instant, app_limited: bool) {
        if app_limited || self.in_recovery(sent_at) {
            return;
        }
        if self.window < self.slow_start_threshold {
            self.window = self.window.saturating_add(bytes);
            return;
        }
        // One datagram per window acknowledged; counting bytes keeps the fraction that a division would drop.
        self.acked_bytes = self.acked_bytes.saturating_add(bytes);
        if self.acked_bytes >= self.window {
            self.acked_bytes -= self.window;
            self.window = self.window.saturating_add(u64::from(self.max_datagram));
        }
    }

    fn on_congestion(&mut self, sent_at: Instant, now: Instant, persistent: bool) {
        if !self.in_recovery(sent_at) {
            self.recovery_start = Some(now);
            self.slow_start_threshold = (self.window / LOSS_REDUCTION_DIVISOR).max(self.minimum_window());
            self.window = self.slow_start_threshold;
            self.acked_bytes = 0;
        }
        if persistent {
            self.window = self.minimum_window();
            self.acked_bytes = 0;
            self.recovery_start = None;
        }
    }

    fn set_max_datagram(&mut self, bytes: u16) {
        let untouched = self.window == initial_window(self.max_datagram) && self.slow_start_threshold == u64::MAX;
        self.max_datagram = bytes.max(1);
        self.window =
            if untouched { initial_window(self.max_datagram) } else { self.window.max(self.minimum_window()) };
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn digest_into(&self, hash: &mut StateHash) {
        let Self { window, slow_start_threshold, acked_bytes, recovery_start, max_datagram } = self;
        hash.u64(*window);
        hash.u64(*slow_start_threshold);
        hash.u64(*acked_bytes);
        hash.option(recovery_start.map(Instant::as_micros));
        hash.u64(u64::from(*max_datagram));
    }
}

fn initial_window(max_datagram: u16) -> u64 {
    let datagram = u64::from(max_datagram);
    let floor = INITIAL_WINDOW_BYTES.max(MINIMUM_WINDOW_DATAGRAMS * datagram);
    floor.min(INITIAL_WINDOW_DATAGRAMS * datagram)
}

#[cfg(test)]
mod tests;
