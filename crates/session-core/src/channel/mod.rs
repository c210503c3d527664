//! The reliable-ordered channel: [`outbox`] is its sending half, [`assembler`] its receiving half.
//!
//! A channel is a space of *positions*. A message of L bytes takes L + 1 of them: its bytes, then one terminator.
//! Both halves keep positions, and bitmaps about them, in pool blocks at fixed places (see [`block_map`]); neither allocates.

pub(crate) mod assembler;
pub(crate) mod block_map;
pub(crate) mod outbox;

pub use assembler::Chunk;
pub(crate) use assembler::{Assembler, InsertError};
pub(crate) use block_map::positions_per_block;
pub(crate) use outbox::{Outbox, OutboxError};

/// No position is at or above this one.
pub(crate) const MAX_OFFSET: u64 = 1 << 62;

/// What one DATA frame covers: `length` data positions from `offset`, then the terminator if `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) offset: u64,
    /// Data bytes, terminator not counted.
    pub(crate) length: usize,
    /// `offset` is the first position of a message.
    pub(crate) begin: bool,
    /// The position after the data is the message's terminator.
    pub(crate) end: bool,
}

impl Fragment {
    /// The position after the last one covered; `None` if that is above [`MAX_OFFSET`].
    pub(crate) fn end_offset(&self) -> Option<u64> {
        let end = self.offset.checked_add(self.length as u64)?.checked_add(u64::from(self.end))?;
        (end <= MAX_OFFSET).then_some(end)
    }

    /// How many positions are covered.
    pub(crate) fn positions(&self) -> u64 {
        (self.length as u64).saturating_add(u64::from(self.end))
    }
}

#[cfg(test)]
mod tests;
