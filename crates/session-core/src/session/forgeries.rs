//! Packets that somebody forged: how many of them the keys in use may meet (protocol P-8-4).

use super::SessionCore;
use crate::limits::Limits;
use crate::reason::{DiscardReason, Discards};

/// The counter of discards has passed its end, and begun anew.
const AGAIN: u16 = 1 << 15;

/// How often the keys in use have met as many forged packets as bring new ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forgeries(u16);

impl Forgeries {
    /// So many steps end the session: of 2²¹ forged packets each they come to 2³⁶, far from the 2⁵² of AES-256-GCM (RFC 9001 §6.6).
    pub(crate) const MOST: u16 = AGAIN - 1;

    fn step(&mut self) {
        self.0 += u16::from(self.steps() < Self::MOST);
    }

    fn steps(self) -> u16 {
        self.0 & !AGAIN
    }

    /// New keys have met none.
    pub(crate) fn begin_anew(&mut self) {
        self.0 &= AGAIN;
    }

    /// New keys are due.
    pub(crate) fn are_many(self) -> bool {
        self.steps() > 0
    }

    /// These keys must not meet more.
    pub(crate) fn are_too_many(self) -> bool {
        self.steps() == Self::MOST
    }
}

impl SessionCore {
    /// Counts a datagram that named the session and was discarded. `true` where a deadline may follow from that: it was one forged packet too many.
    pub(crate) fn count_discard(&mut self, reason: DiscardReason, limits: &Limits) -> bool {
        let count = self.discards.count(reason);
        if reason != DiscardReason::Authentication || !self.phase.exchanges_data() {
            return false;
        }
        if count == 0 {
            self.keys.forged.0 |= AGAIN;
        }
        let is_step = count.checked_rem(limits.forged_packets) == Some(0);
        if is_step {
            self.keys.forged.step();
        }
        is_step
    }

    /// What was discarded of datagrams that named the session.
    pub(crate) fn discards(&self) -> Discards {
        let mut discards = self.discards.all();
        if self.keys.forged.0 & AGAIN != 0 {
            discards.add(DiscardReason::Authentication, u32::MAX);
        }
        discards
    }
}
