//! The receiver's side of acknowledgement: what to acknowledge, and when (RFC 9000 §13.2).
//!
//! Kept apart from the replay window: a packet whose data found no room was opened, but must not be acknowledged.

use core::num::NonZeroU8;
use core::time::Duration;

use crate::optional::OptionalNumber;
use crate::state_hash::StateHash;
use crate::time::{Instant, micros};

/// Longest time an acknowledgement is held back (RFC 9000 §18.2).
pub(crate) const MAX_ACK_DELAY: Duration = Duration::from_millis(25);
/// Ranges one ACK frame reports; older ones are left out.
pub(crate) const MAX_RANGES: usize = 32;
/// Ack-eliciting packets of which the last is answered at once (RFC 9000 §13.2.2), unless their sender wants it otherwise.
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
    /// Numbers are missing since the last ack-eliciting packet, or it came marked as congested.
    gap: bool,
    /// What the peer asked for last.
    asked: Asked,
}

/// A wish of the peer; later ones have larger numbers. Written so that it takes five bytes.
#[derive(Clone, Copy, Debug)]
struct Asked {
    packets: u8,
    sequence: [u8; 2],
    /// In units of 8 µs: at most 25 ms.
    delay: [u8; 2],
}

/// See [`Asked::delay`].
const DELAY_UNIT_MICROS: u64 = 8;

impl Asked {
    const NOTHING: Self = Self { packets: ACK_ELICITING_THRESHOLD, sequence: [0; 2], delay: in_units(MAX_ACK_DELAY) };

    fn delay(self) -> Duration {
        Duration::from_micros(u64::from(u16::from_le_bytes(self.delay)) * DELAY_UNIT_MICROS)
    }
}

/// No longer than [`MAX_ACK_DELAY`], which the peer's probe timeout counts on.
const fn in_units(delay: Duration) -> [u8; 2] {
    let (wanted, most) = (micros(delay), micros(MAX_ACK_DELAY));
    let units = (if wanted < most { wanted } else { most }) / DELAY_UNIT_MICROS;
    (units as u16).to_le_bytes()
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
            asked: Asked::NOTHING,
        }
    }

    /// The peer wants every `packets`th of its packets acknowledged, and none later than after `delay`.
    pub(crate) fn on_asked(&mut self, sequence: u16, packets: NonZeroU8, delay: Duration) {
        if sequence >= u16::from_le_bytes(self.asked.sequence) {
            let sequence = sequence.to_le_bytes();
            self.asked = Asked { packets: packets.get(), sequence, delay: in_units(delay) };
        }
    }

    /// The packet that is noted next came marked as congested: its sender must know soon (RFC 9000 §13.2.1).
    pub(crate) fn hurry(&mut self) {
        self.gap = true;
    }

    /// Notes an authenticated packet that was taken in completely.
    ///
    /// Numbers that fell out of the window are not acknowledged any more.
    #[inline]
    pub(crate) fn on_packet(&mut self, number: u64, ack_eliciting: bool, now: Instant) {
        let newest = self.largest.get().is_none_or(|largest| number > largest);
        if newest {
            let expected = self.largest.get().map_or(0, |largest| largest.saturating_add(1));
            self.gap |= number != expected;
            if number != expected {
                // Numbers it pushes out of the window; its own bit is set in any case.
                self.forget(expected, number.saturating_sub(expected));
            }
            self.largest = number.into();
            self.largest_received_at = now;
        } else if number < self.lowest_remembered() {
            return;
        }
        let (word, bit) = position(number);
        self.received[word] |= bit;
        self.lowest_unreported = self.lowest_unreported.get().map_or(number, |lowest| lowest.min(number)).into();
        if ack_eliciting {
            self.ack_eliciting = self.ack_eliciting.saturating_add(1);
            self.immediate |= self.ack_eliciting >= self.asked.packets || self.gap || !newest;
            self.gap = false;
            let held_back = if self.immediate { now } else { now.saturating_add(self.asked.delay()) };
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

    /// The range that is all of [`ranges`](Self::ranges), found without search; may be `None` though there is one.
    #[inline]
    pub(crate) fn only_range(&self) -> Option<(u64, u64)> {
        let largest = self.largest.get()?;
        let (word, _) = position(largest);
        let above = WORD_BITS - 1 - largest % WORD_BITS;
        let others = u64::from((self.received[word] << above).leading_ones()).checked_sub(1)?;
        let run = u64::MAX << (WORD_BITS - 1 - others) >> above;
        let mut rest = self.received;
        rest[word] ^= run;
        let others_received = rest.into_iter().fold(0, |all, word| all | word);
        (others_received == 0).then(|| (largest - others, largest))
    }

    /// How long ago the largest received packet arrived: the delay an ACK reports.
    pub(crate) fn ack_delay(&self, now: Instant) -> Duration {
        now.saturating_since(self.largest_received_at)
    }

    /// The same in microseconds.
    #[inline]
    pub(crate) fn ack_delay_micros(&self, now: Instant) -> u64 {
        now.as_micros().saturating_sub(self.largest_received_at.as_micros())
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
    #[inline]
    pub(crate) fn on_ack_acked(&mut self, largest: u64) {
        let floor = largest.saturating_add(1).min(self.lowest_unreported.get().unwrap_or(u64::MAX));
        let newest = self.largest.get().unwrap_or(0);
        if floor > newest {
            self.received = [0; WORDS];
        } else if newest - floor < WORD_BITS {
            // Mostly few stay: what is kept lies in two words at most.
            let ((first, _), (last, _)) = (position(floor), position(newest));
            let from_floor = self.received[first] & u64::MAX << (floor % WORD_BITS);
            let to_newest = self.received[last] & u64::MAX >> (WORD_BITS - 1 - newest % WORD_BITS);
            self.received = [0; WORDS];
            self.received[first] = from_floor;
            self.received[last] = if first == last { from_floor & to_newest } else { to_newest };
        } else {
            let low = self.lowest_remembered();
            self.forget(low, floor.saturating_sub(low));
        }
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            received,
            largest,
            largest_received_at,
            lowest_unreported,
            deadline,
            ack_eliciting,
            immediate,
            gap,
            asked,
        } = self;
        received.iter().for_each(|&word| hash.u64(word));
        hash.option(largest.get());
        hash.u64(largest_received_at.as_micros());
        hash.option(lowest_unreported.get());
        hash.option(deadline.map(Instant::as_micros));
        hash.u64(u64::from(*ack_eliciting));
        hash.flag(*immediate);
        hash.flag(*gap);
        let Asked { packets, sequence, delay } = *asked;
        hash.bytes(&[packets, sequence[0], sequence[1], delay[0], delay[1]]);
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
        let word = |number: u64| self.received[(number / WORD_BITS) as usize % WORDS] ^ invert;
        let mut number = from;
        let mut below = word(number) << (WORD_BITS - 1 - number % WORD_BITS);
        while below == 0 && number >= lowest {
            // The last number of the word below.
            number = (number - number % WORD_BITS).checked_sub(1)?;
            below = word(number);
        }
        number.checked_sub(u64::from(below.leading_zeros())).filter(|&found| found >= lowest)
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
