//! Which packet numbers have been seen: against replays.

use crate::optional::OptionalNumber;
use crate::state_hash::StateHash;

/// Packet numbers remembered below and including the largest one.
pub(crate) const WINDOW: u64 = 1024;

const WORDS: usize = 16;

/// A set of packet numbers that forgets those [`WINDOW`] or more below its largest.
#[derive(Clone, Debug, Default)]
pub(crate) struct PacketWindow {
    largest: OptionalNumber,
    /// A ring: the bit of a number is at the number modulo [`WINDOW`].
    words: [u64; WORDS],
}

impl PacketWindow {
    /// Adds a number; `false` and no change if it was there already or is too old.
    #[inline]
    pub(crate) fn insert(&mut self, packet_number: u64) -> bool {
        if self.is_new_largest(packet_number) {
            self.forget_up_to(packet_number);
            self.largest = packet_number.into();
        } else if packet_number < self.floor() || self.contains(packet_number) {
            return false;
        }
        if let Some(word) = self.words.get_mut(word_index(packet_number)) {
            *word |= bit(packet_number);
        }
        true
    }

    pub(crate) fn contains(&self, packet_number: u64) -> bool {
        let inside = self.largest().is_some_and(|largest| packet_number <= largest && packet_number >= self.floor());
        inside && self.word(packet_number) & bit(packet_number) != 0
    }

    #[inline]
    pub(crate) fn largest(&self) -> Option<u64> {
        self.largest.get()
    }

    /// The smallest number that is still remembered or could still be added.
    #[inline]
    pub(crate) fn floor(&self) -> u64 {
        self.largest().map_or(0, |largest| largest.saturating_sub(WINDOW.saturating_sub(1)))
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { largest, words } = self;
        hash.option(largest.get());
        words.iter().for_each(|word| hash.u64(*word));
    }

    #[inline]
    fn is_new_largest(&self, packet_number: u64) -> bool {
        self.largest().is_none_or(|largest| packet_number > largest)
    }

    /// Clears the bits between the largest number so far and a new one, which now stand for newer numbers. The bit of the new one is set in any case.
    #[inline]
    fn forget_up_to(&mut self, packet_number: u64) {
        let Some(largest) = self.largest() else { return };
        if packet_number.checked_sub(1) != Some(largest) {
            self.forget_between(largest, packet_number);
        }
    }

    #[inline(never)]
    fn forget_between(&mut self, largest: u64, packet_number: u64) {
        if packet_number.saturating_sub(largest) >= WINDOW {
            self.words = [0; WORDS];
            return;
        }
        let (mut next, last) = (largest.saturating_add(1), packet_number.saturating_sub(1));
        while next <= last {
            let end = (next | 63).min(last);
            let span = bits_up_to(end) & !bits_up_to(next).wrapping_shr(1);
            if let Some(word) = self.words.get_mut(word_index(next)) {
                *word &= !span;
            }
            let Some(following) = end.checked_add(1) else { return };
            next = following;
        }
    }

    fn word(&self, packet_number: u64) -> u64 {
        self.words.get(word_index(packet_number)).copied().unwrap_or(0)
    }
}

fn word_index(packet_number: u64) -> usize {
    (packet_number >> 6) as usize & (WORDS.saturating_sub(1))
}

fn bit(packet_number: u64) -> u64 {
    1u64.wrapping_shl((packet_number & 63) as u32)
}

/// The bits of the word of `packet_number` up to and including its own.
fn bits_up_to(packet_number: u64) -> u64 {
    u64::MAX.wrapping_shr(63u32.saturating_sub((packet_number & 63) as u32))
}

/// What to do with a packet of a given number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Never seen.
    Fresh,
    /// Accepted before.
    Seen,
    /// Below the window: nobody knows any more.
    TooOld,
}

/// Refuses packets that were accepted before.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindow(PacketWindow);

impl ReplayWindow {
    /// Notes an accepted packet. Called only after its authentication.
    #[inline]
    pub(crate) fn insert(&mut self, packet_number: u64) {
        self.0.insert(packet_number);
    }

    #[inline]
    #[must_use]
    pub(crate) fn check(&self, packet_number: u64) -> Verdict {
        if self.0.is_new_largest(packet_number) {
            Verdict::Fresh
        } else if packet_number < self.0.floor() {
            Verdict::TooOld
        } else if self.0.contains(packet_number) {
            Verdict::Seen
        } else {
            Verdict::Fresh
        }
    }

    #[inline]
    pub(crate) fn largest(&self) -> Option<u64> {
        self.0.largest()
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self(window) = self;
        window.digest_into(hash);
    }
}

#[cfg(test)]
mod tests;
