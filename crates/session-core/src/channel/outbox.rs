//! The sending half of a channel, whatever its mode.

mod append;
mod free;
mod search;

use core::fmt;

use super::Fragment;
use super::block_map::{self, first_clear, first_set};
use crate::pool::{BlockId, Pool};
use crate::state_hash::StateHash;

// Meaning of a block's bitmaps.
/// Terminators.
const END: usize = 0;
/// Positions from `acked_to` on that the peer acknowledged, or that were given up.
const ACKED: usize = 1;
/// Positions sent, lost, and not acknowledged since.
const LOST: usize = 2;

// What a block is marked with. Where a mark is missing, the bitmap is empty and is not touched: data that waited long enough to be sent
// or acknowledged is not in the processor's caches.
const HAS_END: u64 = block_map::MARKS[0];
const HAS_ACKED: u64 = block_map::MARKS[1];

/// Why nothing was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutboxError {
    /// No room now; acknowledgements make room.
    Blocked,
    /// A streamed message is open.
    Streaming,
    /// No streamed message is open.
    NotStreaming,
}

impl fmt::Display for OutboxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Blocked => "no room to queue the message",
            Self::Streaming => "a streamed message is open",
            Self::NotStreaming => "no streamed message is open",
        })
    }
}

impl core::error::Error for OutboxError {}

/// What lies before position `write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// The end of a message, or nothing.
    Whole,
    /// The end of a message, which is all that is pending: what leaves next need not be looked for.
    OneWhole,
    /// Part of a message.
    Part,
}

/// Messages from `send` until they are acknowledged.
///
/// Invariants: blocks are held exactly while `acked_to < write`, cover `acked_to..write` without holes, and the head holds
/// `acked_to`. Pending is what waits to be sent: every position from `highest_sent` on but those given up, and those lost below.
pub(crate) struct Outbox {
    head: Option<BlockId>,
    tail: Option<BlockId>,
    blocks: u32,
    acked_to: u64,
    write: u64,
    highest_sent: u64,
    pending: u64,
    /// Positions above `highest_sent` that were given up.
    given_up: u64,
    /// Blocks it may hold.
    budget: u32,
    streaming: bool,
    written: Written,
    /// Blocks held that hold a terminator; once they are too many to count, the greatest number until none is held.
    ending: u16,
    /// Hint: nothing below is pending.
    pending_from: u64,
    /// The block of the last position ever sent, while it is held and known.
    send_cursor: Option<BlockId>,
    /// Hints: blocks where the last search for what is pending ended, and the last acknowledgement or loss.
    search_cursor: Option<BlockId>,
    ack_cursor: Option<BlockId>,
}

impl Outbox {
    /// An empty one that holds up to `budget` blocks.
    pub(crate) const fn new(budget: u32) -> Self {
        Self {
            head: None,
            tail: None,
            blocks: 0,
            acked_to: 0,
            write: 0,
            highest_sent: 0,
            pending: 0,
            given_up: 0,
            budget,
            streaming: false,
            written: Written::Whole,
            ending: 0,
            pending_from: 0,
            send_cursor: None,
            search_cursor: None,
            ack_cursor: None,
        }
    }

    /// The fragment left in a packet.
    pub(crate) fn on_sent(&mut self, pool: &mut Pool, fragment: &Fragment) {
        let to = fragment.offset.saturating_add(fragment.positions()).min(self.write);
        let from = fragment.offset.max(self.acked_to);
        if from >= to {
            return;
        }
        self.forget_one_whole();
        if from == self.highest_sent && self.given_up == 0 {
            self.send_cursor = if to == self.write { self.tail } else { self.last_block_of_new(pool, from, to) };
            self.pending -= to - from;
            self.highest_sent = to;
            return;
        }
        // The part that was lost, and the part that leaves for the first time.
        let first_new = self.highest_sent.clamp(from, to);
        let mut sent = to - first_new;
        if from < first_new && self.lost() > 0 {
            let first = self.locate(pool, from / per_block(pool));
            self.for_range(pool, first, from, first_new, |pool, block, low, high| {
                sent += block_map::clear_range(block_map::view_mut(pool, block).maps[LOST], low, high);
            });
        }
        if first_new < to && self.given_up > 0 {
            let first = self.locate(pool, first_new / per_block(pool));
            sent -= to - first_new;
            self.for_range(pool, first, first_new, to, |pool, block, low, high| {
                sent += block_map::count_clear(block_map::map(pool, block, ACKED), low, high);
            });
        }
        self.pending -= sent;
        if first_new < to {
            self.send_cursor = self.locate(pool, (to - 1) / per_block(pool));
        }
        // What lies between was not pending any more.
        self.given_up = self.given_up.saturating_sub(fragment.offset.saturating_sub(self.highest_sent));
        self.highest_sent = self.highest_sent.max(to);
    }

    /// The message that is all that was pending left in a packet.
    #[inline]
    pub(crate) fn on_whole_sent(&mut self) {
        debug_assert!(self.written == Written::OneWhole && self.given_up == 0, "it is all that is pending");
        self.written = Written::Whole;
        self.send_cursor = self.tail;
        self.pending = 0;
        self.highest_sent = self.write;
    }

    /// Positions `from..to` are not sent any more, as if they were acknowledged.
    pub(crate) fn give_up(&mut self, pool: &mut Pool, from: u64, to: u64) {
        let (from, to) = (from.max(self.acked_to), to.min(self.write));
        if from >= to {
            return;
        }
        self.forget_one_whole();
        let per_block = per_block(pool);
        let first = self.locate(pool, from / per_block);
        let mut cleared = 0;
        self.for_range(pool, first, from, to, |pool, block, low, high| {
            let start = block_map::index(pool, block) * per_block;
            let first_new = (self.highest_sent.saturating_sub(start).min(per_block) as usize).clamp(low, high);
            block_map::mark(pool, block, HAS_ACKED, true);
            let [_, acked, lost] = block_map::view_mut(pool, block).maps;
            cleared += block_map::clear_range(lost, low, first_new);
            cleared += block_map::count_clear(acked, first_new, high);
            block_map::set_range(acked, low, high);
        });
        self.pending -= cleared;
        self.given_up += to.saturating_sub(self.highest_sent.max(from));
        if from == self.acked_to {
            self.free_acked(pool);
        }
    }

    /// The peer was told that what is missing below `to` was given up: it counts as sent.
    pub(crate) fn pass(&mut self, to: u64) {
        if to <= self.highest_sent {
            return;
        }
        self.given_up = self.given_up.saturating_sub(to - self.highest_sent);
        self.highest_sent = to;
        self.send_cursor = None;
        self.forget_one_whole();
    }

    /// Whether `from..to` is acknowledged, or given up.
    pub(crate) fn is_acked(&self, pool: &Pool, from: u64, to: u64) -> bool {
        let per_block = per_block(pool);
        let from = from.max(self.acked_to);
        let mut block = self.locate(pool, from / per_block);
        let mut at = from;
        while let Some(id) = block.filter(|_| at < to) {
            let start = block_map::index(pool, id) * per_block;
            let bound = (to - start).min(per_block) as usize;
            if first_clear(block_map::map(pool, id, ACKED), (at - start) as usize, bound).is_some() {
                return false;
            }
            at = start + bound as u64;
            block = pool.next(id);
        }
        at >= to
    }

    /// The peer has `positions` positions from `offset`: they are not sent again, and what it has from the start is freed.
    ///
    /// Cheapest in ascending order; so is [`Outbox::on_lost`].
    #[inline]
    pub(crate) fn on_acked(&mut self, pool: &mut Pool, offset: u64, positions: u64) {
        let Some((from, to)) = self.outstanding(offset, positions) else { return };
        let (in_order, any_lost) = (from == self.acked_to, self.lost() > 0);
        if in_order && to == self.write && !any_lost {
            self.acked_to = to;
            self.free_all(pool);
            return;
        }
        if any_lost || !in_order {
            self.mark_acked(pool, (from, to), (in_order, any_lost));
        }
        if in_order {
            self.acked_to = to;
            self.free_acked(pool);
        }
    }

    /// Notes in the bitmaps what the peer has, where it is not all that was outstanding before it, or where something was lost.
    #[inline(never)]
    fn mark_acked(&mut self, pool: &mut Pool, (from, to): (u64, u64), (in_order, any_lost): (bool, bool)) {
        let first = self.locate(pool, from / per_block(pool));
        let mut cleared = 0;
        self.ack_cursor = self.for_range(pool, first, from, to, |pool, block, low, high| {
            // Below `acked_to` nobody asks.
            if !in_order {
                block_map::mark(pool, block, HAS_ACKED, true);
                block_map::set_range(block_map::view_mut(pool, block).maps[ACKED], low, high);
            }
            if any_lost {
                cleared += block_map::clear_range(block_map::view_mut(pool, block).maps[LOST], low, high);
            }
        });
        self.pending -= cleared;
    }

    /// A packet with `positions` positions from `offset` was lost: those not acknowledged since are pending again.
    pub(crate) fn on_lost(&mut self, pool: &mut Pool, offset: u64, positions: u64) {
        let Some((from, to)) = self.outstanding(offset, positions) else { return };
        let first = self.locate(pool, from / per_block(pool));
        let mut added = 0;
        self.ack_cursor = self.for_range(pool, first, from, to, |pool, block, low, high| {
            let [_, acked, lost] = block_map::view_mut(pool, block).maps;
            added += block_map::set_range_except(lost, acked, low, high);
        });
        self.pending += added;
        if added > 0 {
            self.pending_from = self.pending_from.min(from);
            self.forget_one_whole();
        }
    }

    /// The position after the terminator of the message that holds `offset`, which is not acknowledged yet.
    pub(crate) fn end_of_message(&self, pool: &Pool, offset: u64) -> Option<u64> {
        let per_block = per_block(pool);
        let mut block = self.locate(pool, offset / per_block);
        while let Some(id) = block {
            let start = block_map::index(pool, id) * per_block;
            let from = offset.saturating_sub(start) as usize;
            if let Some(at) = first_set(block_map::map(pool, id, END), from, per_block as usize) {
                return Some(start + at as u64 + 1);
            }
            block = pool.next(id);
        }
        None
    }

    /// The peer has every position below this one.
    pub(crate) fn acked_to(&self) -> u64 {
        self.acked_to
    }

    /// The next position to be written: the end offset of the last message unless one is being streamed.
    pub(crate) fn write_offset(&self) -> u64 {
        self.write
    }

    /// The position after the highest one ever sent.
    pub(crate) fn highest_sent(&self) -> u64 {
        self.highest_sent
    }

    /// Something below `limit` waits to be sent. May be wrong once about a `limit` below [`Outbox::highest_sent`]: after
    /// [`Outbox::next_fragment`] found nothing, this says `false`.
    pub(crate) fn has_pending(&self, limit: u64) -> bool {
        let limit = limit.min(self.write);
        if self.given_up == 0 {
            return self.highest_sent < limit || (self.lost() > 0 && self.pending_from < limit);
        }
        self.pending > 0 && self.pending_from.max(self.least_pending(self.lost() > 0)) < limit
    }

    /// Something waits to be sent, if nothing but credit keeps it.
    pub(crate) fn has_any_pending(&self) -> bool {
        debug_assert_eq!(self.pending > 0, self.has_pending(u64::MAX), "what waits is counted");
        self.pending > 0
    }

    pub(crate) fn is_all_acked(&self) -> bool {
        self.acked_to == self.write
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.streaming
    }

    #[cfg(test)]
    pub(crate) fn blocks_held(&self) -> u32 {
        self.blocks
    }

    /// Frees every block; what was not acknowledged is given up.
    pub(crate) fn release(&mut self, pool: &mut Pool) {
        self.free_all(pool);
        self.acked_to = self.write;
        self.highest_sent = self.write;
        (self.pending, self.given_up) = (0, 0);
        self.forget_one_whole();
    }

    /// Frees every block. What has never been sent is as if never written, and nothing else is sent again.
    pub(crate) fn cut(&mut self, pool: &mut Pool) {
        let sent = self.highest_sent;
        self.release(pool);
        (self.write, self.acked_to, self.highest_sent, self.pending_from) = (sent, sent, sent, sent);
        self.streaming = false;
        self.written = Written::Whole;
    }

    /// Feeds the state and the blocks held; hints are no state.
    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self {
            head,
            tail: _,
            blocks,
            acked_to,
            write,
            highest_sent,
            pending,
            given_up,
            budget,
            streaming,
            written,
            ending: _,
            pending_from: _,
            send_cursor: _,
            search_cursor: _,
            ack_cursor: _,
        } = self;
        hash.u64(u64::from(*blocks));
        hash.u64(u64::from(*budget));
        for value in [acked_to, write, highest_sent, pending, given_up] {
            hash.u64(*value);
        }
        hash.flag(*streaming);
        hash.flag(*written != Written::Part);
        let mut block = *head;
        while let Some(id) = block {
            hash.bytes(pool.bytes(id));
            block = pool.next(id);
        }
    }

    /// Blocks it may hold.
    pub(crate) fn budget(&self) -> u32 {
        self.budget
    }

    /// Something else may be pending.
    fn forget_one_whole(&mut self) {
        if self.written == Written::OneWhole {
            self.written = Written::Whole;
        }
    }

    /// Pending positions that were sent before.
    #[inline]
    fn lost(&self) -> u64 {
        (self.pending + self.given_up).saturating_sub(self.write - self.highest_sent)
    }

    /// The part of a range that was sent and lies above `acked_to`.
    #[inline]
    fn outstanding(&self, offset: u64, positions: u64) -> Option<(u64, u64)> {
        let from = offset.max(self.acked_to);
        let to = offset.saturating_add(positions).min(self.highest_sent);
        (from < to).then_some((from, to))
    }

    /// Calls `apply` with each block of `from..to`, starting at `block`, and the range within it; returns the last block.
    fn for_range(
        &self,
        pool: &mut Pool,
        mut block: Option<BlockId>,
        from: u64,
        to: u64,
        mut apply: impl FnMut(&mut Pool, BlockId, usize, usize),
    ) -> Option<BlockId> {
        let per_block = per_block(pool);
        let mut last = None;
        let mut at = from;
        while let Some(id) = block.filter(|_| at < to) {
            let start = block_map::index(pool, id) * per_block;
            let high = (to - start).min(per_block);
            apply(pool, id, (at - start) as usize, high as usize);
            at = start + high;
            last = Some(id);
            block = pool.next(id);
        }
        last
    }
}

#[inline]
fn per_block(pool: &Pool) -> u64 {
    pool.positions() as u64
}

#[cfg(test)]
mod tests;
