//! Walking the sent log: one packet per call, or one piece of what it carried; nothing borrowed between calls.

use super::entry::{self, FIRST_SLOT, HEAD_SLOTS, Head};
use super::{DataRecord, PacketRecord, SentLog, offset_of};
use crate::pool::{BlockId, Pool};
use crate::time::Instant;

/// Where a walk stands. Start with a new one; blocks freed by somebody else's walk or sweep end it.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    pub(super) stage: Stage,
    /// Next slot to look at in the block; 0 on entering it.
    slot: u16,
    data_left: u8,
    /// The block looked at last, also after the walk has left the blocks.
    pub(super) last_block: Option<BlockId>,
    pub(super) frees: u32,
    pub(super) earliest_outstanding: Option<Instant>,
}

impl Cursor {
    /// After a walk of [`SentLog::next_lost`]: when the oldest packet that may still be lost was sent, for the loss timer.
    pub(crate) fn earliest_outstanding(&self) -> Option<Instant> {
        self.earliest_outstanding
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Stage {
    #[default]
    Start,
    Block(BlockId),
    Reserve(usize),
    Done,
}

/// What a walk does with an outstanding packet.
pub(super) enum Verdict {
    Take,
    Skip,
    /// Nothing further on in the blocks is wanted.
    Stop,
}

/// Where a packet lies.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Block(BlockId, u16),
    Reserve(usize),
}

impl SentLog {
    /// The block to start looking for packet `low` in.
    pub(super) fn start_for(&self, pool: &Pool, low: u64) -> Option<BlockId> {
        let starts_at_or_before = |block: &BlockId| {
            let first = entry::read_head(pool.bytes(*block), offset_of(FIRST_SLOT));
            first.is_some_and(|first| first.packet.number <= low)
        };
        self.hint.filter(starts_at_or_before).or(self.head)
    }

    pub(super) fn enter(&self, cursor: &mut Cursor, block: Option<BlockId>) {
        cursor.stage = block.map_or(Stage::Reserve(0), Stage::Block);
        cursor.slot = 0;
        cursor.frees = self.frees;
    }

    #[cfg(test)]
    pub(super) fn cursor_at(&self, block: Option<BlockId>) -> Cursor {
        let mut cursor = Cursor::default();
        self.enter(&mut cursor, block);
        cursor
    }

    /// The next piece of data that the packet carried which the walk met last.
    #[inline]
    pub(crate) fn next_data(&self, pool: &Pool, cursor: &mut Cursor) -> Option<DataRecord> {
        if cursor.data_left == 0 || cursor.frees != self.frees {
            return None;
        }
        let Stage::Block(block) = cursor.stage else { return None };
        self.step();
        let data = entry::read_data(pool.bytes(block), offset_of(cursor.slot));
        cursor.slot += 1;
        cursor.data_left -= 1;
        Some(data)
    }

    /// The next outstanding packet the verdict takes; blocks that end below `low` are passed unread.
    pub(super) fn find(
        &self,
        pool: &Pool,
        cursor: &mut Cursor,
        low: u64,
        mut verdict: impl FnMut(&PacketRecord) -> Verdict,
    ) -> Option<(Place, Head)> {
        self.check(cursor);
        while let Stage::Block(block) = cursor.stage {
            match self.find_in_block(pool, block, cursor, low, &mut verdict) {
                Ok(found) => return Some(found),
                Err(Verdict::Stop) => self.enter(cursor, None),
                Err(_) => self.enter(cursor, pool.next(block)),
            }
        }
        self.find_in_reserve(cursor, verdict)
    }

    /// Like [`SentLog::find`], but frees the dead blocks it would pass, so that each is passed once and not by every walk.
    pub(super) fn find_and_prune(
        &mut self,
        pool: &mut Pool,
        cursor: &mut Cursor,
        low: u64,
        mut verdict: impl FnMut(&PacketRecord) -> Verdict,
    ) -> Option<(Place, Head)> {
        self.check(cursor);
        while let Stage::Block(block) = cursor.stage {
            match self.find_in_block(pool, block, cursor, low, &mut verdict) {
                Ok(found) => return Some(found),
                Err(Verdict::Stop) => self.enter(cursor, None),
                Err(_) => {
                    let next = self.prune_after(pool, block);
                    self.enter(cursor, next);
                }
            }
        }
        self.find_in_reserve(cursor, verdict)
    }

    /// Brings a new cursor to the start and one that may point at a freed block to the end.
    fn check(&self, cursor: &mut Cursor) {
        if matches!(cursor.stage, Stage::Start) {
            self.enter(cursor, self.head);
        } else if cursor.frees != self.frees {
            cursor.stage = Stage::Done;
        }
        // Data that nobody asked for is passed over.
        cursor.slot += u16::from(core::mem::take(&mut cursor.data_left));
    }

    fn find_in_reserve(
        &self,
        cursor: &mut Cursor,
        mut verdict: impl FnMut(&PacketRecord) -> Verdict,
    ) -> Option<(Place, Head)> {
        while let Stage::Reserve(index) = cursor.stage {
            self.step();
            let Some(bytes) = self.reserve.get(index) else {
                cursor.stage = Stage::Done;
                break;
            };
            cursor.stage = Stage::Reserve(index + 1);
            if let Some(head) = entry::read_head(bytes, 0)
                && matches!(verdict(&head.packet), Verdict::Take)
            {
                return Some((Place::Reserve(index), head));
            }
        }
        None
    }

    /// Goes on in one block: a packet, or `Skip` at its end, or `Stop`.
    fn find_in_block(
        &self,
        pool: &Pool,
        block: BlockId,
        cursor: &mut Cursor,
        low: u64,
        verdict: &mut impl FnMut(&PacketRecord) -> Verdict,
    ) -> Result<(Place, Head), Verdict> {
        self.step();
        cursor.last_block = Some(block);
        let bytes = pool.bytes(block);
        let header = entry::read_header(bytes);
        if header.live == 0 || header.last_number < low {
            return Err(Verdict::Skip);
        }
        cursor.slot = cursor.slot.max(header.first_live);
        while cursor.slot < header.used
            && let Some(head) = entry::read_head(bytes, offset_of(cursor.slot))
        {
            self.step();
            let slot = cursor.slot;
            cursor.slot += head.slots();
            if !head.live {
                continue;
            }
            match verdict(&head.packet) {
                Verdict::Take => {
                    cursor.slot = slot + HEAD_SLOTS;
                    cursor.data_left = head.data_records;
                    return Ok((Place::Block(block, slot), head));
                }
                Verdict::Skip => {}
                Verdict::Stop => return Err(Verdict::Stop),
            }
        }
        Err(Verdict::Skip)
    }

    /// Takes the blocks without outstanding packets that follow `block` out of the chain; the next that has some.
    pub(super) fn prune_after(&mut self, pool: &mut Pool, block: BlockId) -> Option<BlockId> {
        while let Some(next) = pool.next(block) {
            let header = self.header(pool, next);
            if header.live > 0 {
                return Some(next);
            }
            let after = pool.next(next);
            pool.set_next(block, after);
            self.free(pool, next, header, Some(block));
        }
        None
    }
}
