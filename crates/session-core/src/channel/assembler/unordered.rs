//! Reading messages as they become complete, whatever came before them.
//!
//! A message that was read ahead stays where it is until everything before it was read, so that repetitions are still recognised. The byte at
//! its terminator's place, which carries nothing else, tells that it was read.

use super::{Assembler, BEGIN, END, RECEIVED, per_block};
use crate::channel::block_map::{self, first_clear, first_set};
use crate::pool::{BlockId, Pool, Reservation};

/// At the terminator's place of a message that was read.
const READ: u8 = 1;

/// A complete message that was not read: its first position and its terminator's.
#[derive(Clone, Copy)]
struct Complete {
    from: u64,
    terminator: u64,
    /// The block that holds `from`, or the terminator of an empty message.
    block: BlockId,
}

impl Assembler {
    /// The length of the first complete message.
    pub(crate) fn complete_length(&self, pool: &Pool) -> Option<u64> {
        self.first_complete(pool).map(|message| message.terminator - message.from)
    }

    /// Copies the first complete message into `out`; `None` if there is none, or if it is longer than `out`.
    pub(crate) fn take_complete(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        out: &mut [u8],
    ) -> Option<usize> {
        let Complete { from, terminator, block } = self.first_complete(pool)?;
        let length = usize::try_from(terminator - from).ok()?;
        let out = out.get_mut(..length)?;
        let per_block = per_block(pool);
        let mut block = Some(block);
        let mut copied = 0;
        while let Some(id) = block {
            let start = block_map::index(pool, id) * per_block;
            let at = (from + copied as u64 - start) as usize;
            let data = &block_map::view(pool, id).data[at..];
            let piece = data.len().min(length - copied);
            out[copied..copied + piece].copy_from_slice(&data[..piece]);
            copied += piece;
            if terminator < start + per_block {
                block_map::view_mut(pool, id).data[(terminator - start) as usize] = READ;
                break;
            }
            block = pool.next(id);
        }
        self.pass_read(pool, reservation);
        Some(length)
    }

    /// Moves `read` over messages that were read.
    fn pass_read(&mut self, pool: &mut Pool, reservation: &mut Reservation) {
        let per_block = per_block(pool);
        while let Some(end) = self.message_end.filter(|end| self.is_read(pool, *end)) {
            self.read = end + 1;
            while self.head.is_some_and(|head| (block_map::index(pool, head) + 1) * per_block <= self.read) {
                self.free_head(pool, reservation);
            }
            self.free_read(pool, reservation);
            self.message_end = self.find_end(pool, self.head, self.read);
        }
    }

    /// Whether the message that ends at `terminator` was read.
    fn is_read(&self, pool: &Pool, terminator: u64) -> bool {
        let per_block = per_block(pool);
        let mut block = self.head;
        while let Some(id) = block {
            if block_map::index(pool, id) == terminator / per_block {
                return block_map::view(pool, id).data[(terminator % per_block) as usize] == READ;
            }
            block = pool.next(id);
        }
        false
    }

    fn first_complete(&self, pool: &Pool) -> Option<Complete> {
        let per_block = per_block(pool);
        let mut found: Option<Complete> = None;
        let mut expected = self.read / per_block;
        let mut block = self.head;
        while let Some(id) = block {
            let index = block_map::index(pool, id);
            let start = index * per_block;
            if index != expected {
                // Positions are missing between the blocks.
                found = None;
            }
            expected = index + 1;
            let view = block_map::view(pool, id);
            let mut at = self.read.saturating_sub(start) as usize;
            let width = per_block as usize;
            while at < width {
                if found.is_none() {
                    let Some(begin) = first_set(view.maps[BEGIN], at, width) else { break };
                    found = Some(Complete { from: start + begin as u64, terminator: 0, block: id });
                    at = begin;
                }
                let end = first_set(view.maps[END], at, width);
                let gap = first_clear(view.maps[RECEIVED], at, width);
                match (end, gap) {
                    (Some(end), gap) if gap.is_none_or(|gap| gap > end) => {
                        if view.data[end] != READ {
                            return found.map(|message| Complete { terminator: start + end as u64, ..message });
                        }
                        found = None;
                        at = end + 1;
                    }
                    (_, Some(gap)) => {
                        found = None;
                        at = gap + 1;
                    }
                    (_, None) => break,
                }
            }
            block = pool.next(id);
        }
        None
    }
}

#[cfg(test)]
mod tests;
