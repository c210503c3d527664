//! NewReno as RFC 9002 §7 and appendix B describe it.

use super::{Acked, Avoidance};
use crate::state_hash::StateHash;
use crate::time::Instant;

/// Additive increase, multiplicative decrease.
#[derive(Clone, Debug)]
pub(super) struct NewReno {
    /// Acknowledged and not yet turned into growth.
    acked_bytes: u32,
}

impl Avoidance for NewReno {
    /// kLossReductionFactor.
    const DECREASE: (u32, u32) = (1, 2);

    fn after_congestion(_last: Option<&Self>, _before: u32, _after: u32, _max_datagram: u16) -> Self {
        Self { acked_bytes: 0 }
    }

    fn after_slow_start(_window: u32) -> Self {
        Self { acked_bytes: 0 }
    }

    fn grow(&mut self, window: u32, _threshold: u32, acked: &Acked) -> u32 {
        // One datagram per window acknowledged; counting bytes keeps the fraction that a division would drop.
        self.acked_bytes = self.acked_bytes.saturating_add(u32::from(acked.bytes));
        if self.acked_bytes < window {
            return window;
        }
        self.acked_bytes -= window;
        window.saturating_add(u32::from(acked.max_datagram))
    }

    fn pause(&mut self, _now: Instant) {}

    fn digest_into(&self, hash: &mut StateHash) {
        let Self { acked_bytes } = self;
        hash.u64(u64::from(*acked_bytes));
    }
}
