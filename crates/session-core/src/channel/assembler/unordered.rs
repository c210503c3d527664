//! Reading messages as they become complete, whatever came before them.
//!
//! A message is found to be complete when its last fragment comes, and noted where its terminator lies, as is its block; the first of them is
//! always known. So neither asking nor taking walks over what is incomplete or read. A message that was read ahead stays where it is until
//! everything before it was read, so that repetitions are still recognised. The notes use the byte at the terminator's place, which carries
//! nothing else.

use super::{Assembler, BEGIN, END, HAS_END, RECEIVED, per_block};
use crate::channel::Fragment;
use crate::channel::block_map::{self, first_clear, first_set, last_set};
use crate::pool::{BlockId, Pool, Reservation};

/// A block marked so holds a terminator noted as complete, or has held one.
const HAS_COMPLETE: u64 = block_map::MARKS[0];
/// At the terminator's place of a message that is complete and was not read.
const COMPLETE: u8 = 1;
/// At the terminator's place of a message that was read.
pub(super) const READ: u8 = 2;

impl Assembler {
    /// Notes the message that `fragment`, just stored, has made complete.
    pub(crate) fn note_complete(&mut self, pool: &mut Pool, fragment: &Fragment) {
        let Some(to) = fragment.end_offset() else { return };
        let from = fragment.offset.max(self.read);
        if from >= to {
            return;
        }
        let per_block = per_block(pool);
        let last = self.near(pool, (to - 1) / per_block);
        let Some((terminator, holder)) = last.and_then(|last| self.end_of(pool, last, to - 1)) else { return };
        let first = if fragment.begin { self.near(pool, from / per_block) } else { self.head };
        let Some((begin, block)) = self.begin_of(pool, first, from) else { return };
        let note = &mut block_map::data_mut(pool, holder)[(terminator % per_block) as usize];
        if *note != 0 {
            return;
        }
        *note = COMPLETE;
        block_map::mark(pool, holder, HAS_COMPLETE, true);
        if self.complete.get().is_none_or(|complete| begin < complete) {
            self.complete = begin.into();
            self.complete_block = Some(block);
        }
    }

    /// The length of the first complete message.
    pub(crate) fn complete_length(&self, pool: &Pool) -> Option<u64> {
        let from = self.complete.get()?;
        self.end_of(pool, self.complete_block?, from).map(|(terminator, _)| terminator - from)
    }

    /// Copies the first complete message into `out`; `None` if there is none, or if it is longer than `out`.
    pub(crate) fn take_complete(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        out: &mut [u8],
    ) -> Option<usize> {
        let from = self.complete.get()?;
        let (terminator, holder) = self.end_of(pool, self.complete_block?, from)?;
        let length = usize::try_from(terminator - from).ok()?;
        let out = out.get_mut(..length)?;
        let per_block = per_block(pool);
        let mut block = self.complete_block;
        let mut copied = 0;
        while let Some(id) = block.filter(|_| copied < length) {
            let at = ((from + copied as u64) % per_block) as usize;
            let data = &block_map::data(pool, id)[at..];
            let piece = data.len().min(length - copied);
            out[copied..copied + piece].copy_from_slice(&data[..piece]);
            copied += piece;
            block = pool.next(id);
        }
        block_map::data_mut(pool, holder)[(terminator % per_block) as usize] = READ;
        self.find_complete(pool, holder, terminator + 1);
        self.pass_read(pool, reservation);
        Some(length)
    }

    /// Finds the first complete message from position `from` on, which `block` holds or follows; there is none before.
    fn find_complete(&mut self, pool: &mut Pool, block: BlockId, from: u64) {
        let per_block = per_block(pool);
        (self.complete, self.complete_block) = Default::default();
        let mut next = Some(block);
        while let Some(id) = next {
            if block_map::is_marked(pool, id, HAS_COMPLETE) {
                let start = block_map::index(pool, id) * per_block;
                let view = block_map::view(pool, id);
                let mut at = from.saturating_sub(start) as usize;
                while let Some(end) = first_set(view.maps[END], at, per_block as usize) {
                    if view.data[end] == COMPLETE
                        && let Some((begin, first)) = self.begin_of(pool, Some(block), start + end as u64)
                    {
                        self.complete = begin.into();
                        self.complete_block = Some(first);
                        return;
                    }
                    at = end + 1;
                }
                block_map::mark(pool, id, HAS_COMPLETE, false);
            }
            next = pool.next(id);
        }
    }

    /// Moves `read` over messages that were read.
    pub(crate) fn pass_read(&mut self, pool: &mut Pool, reservation: &mut Reservation) {
        let per_block = per_block(pool);
        while let Some(end) = self.message_end.get().filter(|end| self.is_read(pool, *end)) {
            self.read = end + 1;
            while self.head.is_some_and(|head| (block_map::index(pool, head) + 1) * per_block <= self.read) {
                self.free_head(pool, reservation);
            }
            self.free_read(pool, reservation);
            self.message_end = self.find_end(pool, self.head, self.read).into();
        }
    }

    /// Whether the message that ends at `terminator` was read.
    pub(super) fn is_read(&self, pool: &Pool, terminator: u64) -> bool {
        let per_block = per_block(pool);
        let mut block = self.head;
        while let Some(id) = block {
            if block_map::index(pool, id) == terminator / per_block {
                return block_map::data(pool, id)[(terminator % per_block) as usize] == READ;
            }
            block = pool.next(id);
        }
        false
    }

    /// Where the message begins that holds `at`, and the block of that position, if everything from there to `at` was received; `block` is one
    /// not above it.
    fn begin_of(&self, pool: &Pool, mut block: Option<BlockId>, at: u64) -> Option<(u64, BlockId)> {
        let per_block = per_block(pool);
        let mut begin = None;
        let mut expected = None;
        while let Some(id) = block.filter(|id| block_map::index(pool, *id) <= at / per_block) {
            let index = block_map::index(pool, id);
            if expected.is_some_and(|expected| expected != index) {
                // Positions are missing between the blocks.
                begin = None;
            }
            expected = Some(index + 1);
            let start = index * per_block;
            let bound = (at - start + 1).min(per_block) as usize;
            let last = last_set(block_map::map(pool, id, BEGIN), 0, bound);
            begin = match self.first_missing(pool, id, last.unwrap_or(0), bound) {
                Some(_) => None,
                None => last.map(|last| (start + last as u64, id)).or(begin),
            };
            block = pool.next(id);
        }
        begin.filter(|_| expected == Some(at / per_block + 1))
    }

    /// The terminator of the message that holds `at`, which `block` holds, and the terminator's block, if everything from `at` to it was
    /// received.
    pub(super) fn end_of(&self, pool: &Pool, block: BlockId, at: u64) -> Option<(u64, BlockId)> {
        let per_block = per_block(pool);
        let width = per_block as usize;
        let mut expected = at / per_block;
        let mut block = Some(block);
        while let Some(id) = block.filter(|id| block_map::index(pool, *id) == expected) {
            let start = expected * per_block;
            let from = at.saturating_sub(start) as usize;
            let has_end = block_map::is_marked(pool, id, HAS_END);
            let end = has_end.then(|| first_set(block_map::map(pool, id, END), from, width)).flatten();
            if self.first_missing(pool, id, from, end.unwrap_or(width)).is_some() {
                return None;
            }
            if let Some(end) = end {
                return Some((start + end as u64, id));
            }
            expected += 1;
            block = pool.next(id);
        }
        None
    }

    /// The first place in `from..bound` of `block` where nothing was received.
    fn first_missing(&self, pool: &Pool, block: BlockId, from: usize, bound: usize) -> Option<usize> {
        let per_block = per_block(pool);
        let known = self.contiguous.saturating_sub(block_map::index(pool, block) * per_block).min(per_block);
        first_clear(block_map::map(pool, block, RECEIVED), from.max(known as usize), bound)
    }
}

#[cfg(test)]
mod tests;
