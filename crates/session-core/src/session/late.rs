//! Losses that turn out to be none: the window comes back, and the session waits longer from then on (protocol §10).
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

use super::SessionCore;
use crate::memory::Memory;
use crate::recovery::{Congestion, LossEpisode, LostPackets};

impl SessionCore {
    /// Packets were lost, and the window fell from `before`, if it fell for them.
    pub(super) fn remember_losses(&mut self, memory: &mut Memory, before: Option<Congestion>, lost: LostPackets) {
        match before {
            Some(before) => {
                self.forget_losses(memory);
                self.path.patience.on_loss();
                self.path.episode = memory.episodes.insert(LossEpisode::new(before, lost)).unwrap_or_default();
            }
            None => {
                if let Some(episode) = memory.episodes.get_mut(self.path.episode) {
                    episode.add(&lost);
                }
            }
        }
    }

    /// Looks for lost packets among what is acknowledged, in the ranges (low, high), descending.
    pub(super) fn review_losses(&mut self, memory: &mut Memory, acked: &[(u64, u64)]) {
        let Some(episode) = memory.episodes.get_mut(self.path.episode) else { return };
        let largest = acked.first().map_or(0, |(_, high)| *high);
        while let Some(number) = episode.take_acked(acked) {
            self.path.late = self.path.late.saturating_add(1);
            self.path.patience.on_late(largest.saturating_sub(number));
        }
        if let Some(before) = episode.mistaken() {
            self.path.congestion.undo(before);
            self.forget_losses(memory);
        } else if self.packets.log.is_empty() {
            // What was sent again has arrived, so what was not lost would have too.
            self.forget_losses(memory);
        }
    }

    /// The loss answered last, if any, was one.
    pub(super) fn forget_losses(&mut self, memory: &mut Memory) {
        memory.episodes.discard(core::mem::take(&mut self.path.episode));
    }
}
