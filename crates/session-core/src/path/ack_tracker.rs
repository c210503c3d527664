//! The receiver's side of acknowledgement: what to acknowledge, and when (RFC 9000 §13.2).
//!
//! Kept apart from the replay window: a packet whose data found no room was opened, but must not be acknowledged.

use core::time::Duration;

use crate::optional::OptionalNumber;
use crate::state_hash::StateHash;
use crate::time::Instant;

/// Longest time an acknowledgement is held back (RFC 9000 §18.2).
pub(crate) const MAX_ACK_DELAY: Duration = Duration::from_millis(25);
/// Ranges one ACK frame reports; older ones are left out.
pub(crate) const MAX_RANGES: usize = 32;
/// Ack-eliciting packets that are answered at once (RFC 9000 §13.2.2).
const ACK_ELICITING_THRESHOLD: u8 = 2;
/// Packet numbers remembered. Half the replay window: what comes that late was declared lost long ago and is sent again,
/// and an idle session should cost little (ADR 0009).
const WINDOW: u64 = 512;
const WORD_BITS: u64 = 64;
const WORDS: usize = (WINDOW / WORD_BITS) as usize;

/// Received packet numbers of one path, and whether an ACK is due.
#[derive(Clone, Debug)]
pub(crate) struct AckTracker {
    /// Bit `number % WINDOW` for the numbers from `largest - WINDOW + 1` to `largest`.
    received: [u64; WORDS],
    largest: OptionalNumber,
    largest_received_at: Instant,
    /// Lowest number received since the last ACK was sent; what the peer acknowledged before cannot cover it.
    lowest_unreported: OptionalNumber,
    deadline: Option<Instant>,
    ack_eliciting: u8,
    immediate: bool,
    /// Numbers are missing since the last ack-eliciting packet.
    gap: bool,
}

impl AckTracker {
    pub(crate) fn new() -> Self {
        Self {
            received: [0; WORDS],
            largest: OptionalNumber::NONE,
            largest_received_at: Instant::EPOCH,
            lowest_unreported: OptionalNumber::NONE,
            deadline: None,
            ack_eliciting: 0,
            immediate: false,
            gap: false,
        }
    }

    /// Notes an authenticated packet that was taken in completely.
    ///
    /// Numbers that fell out of the window are not acknowledged any more.
    pub(crate) fn on_packet(&mut self, number: u64, ack_eliciting: bool, now: Instant) {
        let newest = self.largest.get().is_none_or(|largest| number > largest);
        if newest {
            let expected = self.largest.get().map_or(0, |largest| largest.saturating_add(1));
            self.gap |= number != expected;
            self.advance(number);
            self.largest_received_at = now;
        } else if number < self.lowest_remembered() {
            return;
        }
        let (word, bit) = position(number);
        self.received[word] |= bit;
        self.lowest_unreported = self.lowest_unreported.get().map_or(number, |lowest| lowest.min(number)).into();
        if ack_eliciting {
            self.ack_eliciting = self.ack_eliciting.saturating_add(1);
            self.immediate |= self.ack_eliciting >= ACK_ELICITING_THRESHOLD || self.gap || !newest;
            self.gap = false;
            let held_back = if self.immediate { now } else { now.saturating_add(MAX_ACK_DELAY) };
            self.deadline = Some(self.deadline.map_or(held_back, |deadline| deadline.min(held_back)));
        }
    }

    /// Whether an ACK is due whatever the time.
    pub(crate) fn is_immediate(&self) -> bool {
        self.immediate
    }

    /// Whether an ACK should be sent now, alone if need be.
    pub(crate) fn ack_due(&self, now: Instant) -> bool {
        self.immediate || self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// When an ACK becomes due; `None` if no ack-eliciting packet waits for one.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether an ACK sent along with something else would tell the peer something new.
    pub(crate) fn has_unreported(&self) -> bool {
        self.lowest_unreported.get().is_some()
    }

    /// What to acknowledge: at most [`MAX_RANGES`] pairs (low, high), both inclusive, descending, never adjacent.
    pub(crate) fn ranges(&self) -> Ranges<'_> {
        Ranges { tracker: self, next: self.largest.get(), left: MAX_RANGES }
    }

    /// How long ago the largest received packet arrived: the delay an ACK reports.
    pub(crate) fn ack_delay(&self, now: Instant) -> Duration {
        now.saturating_since(self.largest_received_at)
    }

    /// An ACK with all [`AckTracker::ranges`] was sent.
    pub(crate) fn on_ack_sent(&mut self) {
        self.lowest_unreported = OptionalNumber::NONE;
        self.deadline = None;
        self.ack_eliciting = 0;
        self.immediate = false;
    }

    /// A packet whose ACK frame reported up to `largest` was acknowledged: numbers up to it need no further report,
    /// except those that came after the last ACK.
    pub(crate) fn on_ack_acked(&mut self, largest: u64) {
        let low = self.lowest_remembered();
        let Some(above_low) = largest.checked_sub(low) else { return };
        let unreported = self.lowest_unreported.get().map_or(u64::MAX, |lowest| lowest.saturating_sub(low));
        self.forget(low, above_low.saturating_add(1).min(unreported));
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { received, largest, largest_received_at, lowest_unreported, deadline, ack_eliciting, immediate, gap } =
            self;
        received.iter().for_each(|&word| hash.u64(word));
        hash.option(largest.get());
        hash.u64(largest_received_at.as_micros());
        hash.option(lowest_unreported.get());
        hash.option(deadline.map(Instant::as_micros));
        hash.u64(u64::from(*ack_eliciting));
        hash.flag(*immediate);
        hash.flag(*gap);
    }

    /// Makes `number` the largest; the numbers it pushes out of the window are forgotten.
    fn advance(&mut self, number: u64) {
        if let Some(largest) = self.largest.get() {
            self.forget(largest.saturating_add(1), number.saturating_sub(largest));
        }
        self.largest = number.into();
    }

    /// Clears the bits of `count` numbers from `first` on, a word at a time.
    fn forget(&mut self, first: u64, count: u64) {
        let mut left = count.min(WINDOW);
        let mut index = first % WINDOW;
        while left > 0 {
            let offset = index % WORD_BITS;
            let bits = left.min(WORD_BITS - offset);
            let mask = u64::MAX >> (WORD_BITS - bits) << offset;
            self.received[(index / WORD_BITS) as usize] &= !mask;
            index = (index + bits) % WINDOW;
            left -= bits;
        }
    }

    /// The highest number ≤ `from` in the window that was received; with `invert` all ones, that was not.
    fn highest(&self, from: u64, invert: u64) -> Option<u64> {
        let lowest = self.lowest_remembered();
        let mut number = from;
        while number >= lowest {
            let offset = number % WORD_BITS;
            let word = self.received[(number % WINDOW / WORD_BITS) as usize] ^ invert;
            let below = word << (WORD_BITS - 1 - offset);
            if below != 0 {
                return number.checked_sub(u64::from(below.leading_zeros())).filter(|&found| found >= lowest);
            }
            number = number.checked_sub(offset + 1)?;
        }
        None
    }

    fn lowest_remembered(&self) -> u64 {
        self.largest.get().unwrap_or(0).saturating_sub(WINDOW - 1)
    }
}

/// The descending ranges of an [`AckTracker`].
pub(crate) struct Ranges<'a> {
    tracker: &'a AckTracker,
    /// The highest number not looked at.
    next: Option<u64>,
    left: usize,
}

impl Iterator for Ranges<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        self.left = self.left.checked_sub(1)?;
        let high = self.tracker.highest(self.next.take()?, 0)?;
        let below = self.tracker.highest(high, u64::MAX);
        let low = below.map_or(self.tracker.lowest_remembered(), |below| below + 1);
        self.next = below;
        Some((low, high))
    }
}

fn position(number: u64) -> (usize, u64) {
    let index = number % WINDOW;
    ((index / WORD_BITS) as usize, 1 << (index % WORD_BITS))
}

#[cfg(test)]
mod tests;
