//! Datagrams that named a session and were discarded.

use crate::reason::{DiscardReason, Discards};

/// What can be wrong with a datagram once it has found its session. The endpoint counts these too, among others.
const REASONS: [DiscardReason; 7] = [
    DiscardReason::Malformed,
    DiscardReason::Mark,
    DiscardReason::Handshake,
    DiscardReason::Authentication,
    DiscardReason::Replayed,
    DiscardReason::KeyPhase,
    DiscardReason::State,
];

/// A counter for each; a counter stays at 2³² − 1, but that of forged packets begins anew.
#[derive(Debug, Default)]
pub(crate) struct OwnDiscards([u32; REASONS.len()]);

impl OwnDiscards {
    /// Returns how many there were for this reason.
    pub(crate) fn count(&mut self, reason: DiscardReason) -> u32 {
        let place = REASONS.iter().position(|counted| *counted == reason);
        debug_assert!(place.is_some(), "a session has no counter for {reason:?}");
        let Some(counter) = place.and_then(|place| self.0.get_mut(place)) else { return 0 };
        let more = counter.wrapping_add(1);
        if more > 0 || reason == DiscardReason::Authentication {
            *counter = more;
        }
        more
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0 != [0; REASONS.len()]
    }

    /// The same among all reasons.
    pub(crate) fn all(&self) -> Discards {
        let mut discards = Discards::default();
        for (reason, count) in REASONS.into_iter().zip(self.0) {
            discards.add(reason, count);
        }
        discards
    }
}

#[cfg(test)]
mod tests;
