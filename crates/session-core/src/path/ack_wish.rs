//! How often a sender wants its packets acknowledged: less often the wider its window, so that both ends work less (protocol §10).

use core::num::NonZeroU8;
use core::time::Duration;

use crate::path::ack_tracker::MAX_ACK_DELAY;
use crate::state_hash::StateHash;
use crate::wire::AckFrequencyFrame;

/// An acknowledgement for each eighth of the window at least: a loss is seen soon, and the window moves smoothly.
const PARTS_OF_WINDOW: u64 = 8;
/// Acknowledgements are held back for a quarter of a round trip at most, and for this time where that is less.
const PARTS_OF_ROUND_TRIP: u32 = 4;
const LEAST_DELAY: Duration = Duration::from_millis(1);
/// Below so many datagrams each packet is to be acknowledged at once: the odd one at the end of a flight would hold back what follows.
const SMALL_WINDOW: u64 = 8;
/// And until it has so many: heavy loss keeps a window about the bound, and each change would cost a frame.
const AMPLE_WINDOW: u64 = 12;
/// 2⁵ = 32 packets.
const MOST_DOUBLINGS: u8 = 5;
/// Two packets, which nobody has to ask for.
const DEFAULT_DOUBLINGS: u8 = 1;

/// The last wish that was told, and whether it is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AckWish {
    sequence: u16,
    /// Packets as a power of two: few changes are worth a frame.
    doublings: u8,
    pub(crate) due: bool,
}

impl AckWish {
    pub(crate) const fn new() -> Self {
        Self { sequence: 0, doublings: DEFAULT_DOUBLINGS, due: false }
    }

    /// The window is now so wide.
    pub(crate) fn on_window(&mut self, window: u64, max_datagram: u16) {
        let datagrams = window / u64::from(max_datagram.max(1));
        let is_small = datagrams < if self.doublings == 0 { AMPLE_WINDOW } else { SMALL_WINDOW };
        let doublings = (datagrams / PARTS_OF_WINDOW).checked_ilog2().unwrap_or(0).min(u32::from(MOST_DOUBLINGS)) as u8;
        let doublings = if is_small { 0 } else { doublings.max(DEFAULT_DOUBLINGS) };
        // Numbers end some day; what was told last holds from then on.
        if doublings != self.doublings && self.sequence < u16::MAX {
            self.sequence += 1;
            // The last word holds for good, so it is what suits every window.
            self.doublings = if self.sequence == u16::MAX { DEFAULT_DOUBLINGS } else { doublings };
            self.due = true;
        }
    }

    /// The frame to send.
    pub(crate) fn frame(&self, smoothed_rtt: Duration) -> AckFrequencyFrame {
        let packets = NonZeroU8::MIN.saturating_add((1 << self.doublings) - 1);
        let delay = (smoothed_rtt / PARTS_OF_ROUND_TRIP).clamp(LEAST_DELAY, MAX_ACK_DELAY);
        AckFrequencyFrame::new(self.sequence, packets, delay)
    }

    pub(crate) fn digest_into(self, hash: &mut StateHash) {
        let Self { sequence, doublings, due } = self;
        hash.u64(u64::from(sequence));
        hash.u64(u64::from(doublings));
        hash.flag(due);
    }
}

#[cfg(test)]
mod tests;
