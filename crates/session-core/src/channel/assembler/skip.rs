//! Passing over what the sender has given up (protocol §9.3).
//!
//! Behind messages that are still to be read, positions that never come are filled in as if they were a message that was read, so that whatever
//! walks over the blocks needs to know nothing of them.

use super::unordered::READ;
use super::{Assembler, BEGIN, END, HAS_END, InsertError, RECEIVED, Violation, per_block};
use crate::channel::block_map::{self, first_set};
use crate::pool::{BlockId, Pool, Reservation};

/// What a receiver knows of what its peer has given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips {
    /// Below, what did not come does not come any more.
    pub(crate) floor: u64,
    /// Positions passed over so far.
    pub(crate) positions: u64,
    /// A message that was being read has no end, and its reader was not told.
    pub(crate) cut: bool,
}

impl Assembler {
    /// Gives up what is incomplete below `to`, and passes over it once everything before it was read. All or nothing.
    pub(crate) fn skip(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        skips: &mut Skips,
        to: u64,
    ) -> Result<(), InsertError> {
        let from = skips.floor.max(self.read);
        if to <= from {
            return Ok(());
        }
        let per_block = per_block(pool);
        if self.is_inside_message(pool, to) {
            return Err(Violation::Contradiction.into());
        }
        // Where nothing before it is to be read, what never comes needs no place.
        let kept = if self.message_end.get().is_none() { self.first_whole(pool, to) } else { from };
        if kept < to {
            let (first, last) = (kept / per_block, (to - 1) / per_block);
            let missing = (last - first + 1).saturating_sub(self.held(pool, first, last));
            if missing > u64::from(reservation.remaining()) {
                return Err(InsertError::NoMemory);
            }
        }
        if kept > from {
            skips.positions = skips.positions.saturating_add(kept - self.read);
            skips.cut |= !self.between_messages;
            self.drop_below(pool, reservation, kept);
        }
        if kept < to {
            let (first, last) = (kept / per_block, (to - 1) / per_block);
            let mut previous = self.near(pool, first);
            for index in first..=last {
                let Some(block) = self.block_at(pool, reservation, previous, index) else { break };
                previous = Some(block);
            }
            skips.positions = skips.positions.saturating_add(self.fill_gaps(pool, kept, to));
        }
        skips.floor = to;
        self.highest = self.highest.max(to);
        if self.contiguous < to {
            self.advance(pool, self.head);
        }
        self.pass_read(pool, reservation);
        Ok(())
    }

    /// Where the first message begins that is whole, below `to`; or `to`. The one at `read` is not.
    fn first_whole(&self, pool: &Pool, to: u64) -> u64 {
        let per_block = per_block(pool);
        let mut block = self.head;
        while let Some(id) = block {
            let start = block_map::index(pool, id) * per_block;
            let bound = to.saturating_sub(start).min(per_block) as usize;
            let mut at = self.read.saturating_sub(start) as usize;
            while let Some(begin) = first_set(block_map::map(pool, id, BEGIN), at, bound) {
                let position = start + begin as u64;
                if self.end_of(pool, id, position).is_some() {
                    return position;
                }
                at = begin + 1;
            }
            block = pool.next(id).filter(|_| start + per_block < to);
        }
        to
    }

    /// Goes on reading at `to`, where nothing below is whole.
    fn drop_below(&mut self, pool: &mut Pool, reservation: &mut Reservation, to: u64) {
        let per_block = per_block(pool);
        (self.read, self.contiguous, self.between_messages) = (to, to, true);
        while self.head.is_some_and(|head| (block_map::index(pool, head) + 1) * per_block <= to) {
            self.free_head(pool, reservation);
        }
        self.free_read(pool, reservation);
        self.advance(pool, self.head);
    }

    /// Whether a message is known to go on at position `to`.
    fn is_inside_message(&self, pool: &Pool, to: u64) -> bool {
        let per_block = per_block(pool);
        let Some(block) = self.near(pool, to / per_block).filter(|id| block_map::index(pool, *id) == to / per_block)
        else {
            return false;
        };
        let at = (to % per_block) as usize;
        let is_received = to < self.contiguous || block_map::get(block_map::map(pool, block, RECEIVED), at);
        is_received && !block_map::get(block_map::map(pool, block, BEGIN), at)
    }

    /// Blocks held of those from `first` to `last`.
    fn held(&self, pool: &Pool, first: u64, last: u64) -> u64 {
        let mut block = self.near(pool, first).or(self.head);
        let mut held = 0;
        while let Some(id) = block.filter(|id| block_map::index(pool, *id) <= last) {
            held += u64::from(block_map::index(pool, id) >= first);
            block = pool.next(id);
        }
        held
    }

    /// Makes everything in `from..to` that is no complete message one that was read; returns how many positions that are. All blocks are there.
    fn fill_gaps(&self, pool: &mut Pool, from: u64, to: u64) -> u64 {
        let per_block = per_block(pool);
        let mut block = self.near(pool, from / per_block);
        let mut gap: Option<(u64, BlockId)> = None;
        let mut filled = 0;
        let mut at = from;
        while at < to {
            while let Some(id) = block.filter(|id| block_map::index(pool, *id) < at / per_block) {
                block = pool.next(id);
            }
            let Some(id) = block else { break };
            let (start, begins) = (at - at % per_block, block_map::map(pool, id, BEGIN));
            let begun = at == self.read || block_map::get(begins, (at % per_block) as usize);
            if let Some((terminator, holder)) = begun.then(|| self.end_of(pool, id, at)).flatten() {
                if let Some((low, first)) = gap.take() {
                    filled += fill_gap(pool, first, low, at);
                }
                (at, block) = (terminator + 1, Some(holder));
            } else {
                gap.get_or_insert((at, id));
                let next = first_set(begins, (at - start) as usize + 1, per_block as usize);
                at = next.map_or(start + per_block, |next| start + next as u64);
            }
        }
        gap.map_or(filled, |(low, first)| filled + fill_gap(pool, first, low, to))
    }
}

/// Makes `from..to` a message that was read; `block` holds `from`. Returns its positions.
fn fill_gap(pool: &mut Pool, block: BlockId, from: u64, to: u64) -> u64 {
    let per_block = per_block(pool);
    let mut next = Some(block);
    while let Some(id) = next {
        let start = block_map::index(pool, id) * per_block;
        if start >= to {
            break;
        }
        let block_map::BlockMut { data, maps } = block_map::view_mut(pool, id);
        let (low, high) = (from.saturating_sub(start) as usize, (to - start).min(per_block) as usize);
        block_map::set_range(maps[RECEIVED], low, high);
        block_map::clear_range(maps[BEGIN], low, high);
        block_map::clear_range(maps[END], low, high);
        if from >= start {
            block_map::set(maps[BEGIN], low);
        }
        if to <= start + per_block {
            block_map::set(maps[END], high - 1);
            data[high - 1] = READ;
            block_map::mark(pool, id, HAS_END, true);
        }
        next = pool.next(id);
    }
    to - from
}

#[cfg(test)]
mod tests;
