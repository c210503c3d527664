//! The block pool: all variable state of all sessions of one endpoint, allocated once.
//!
//! Two kinds of holder share it. A *reserved* holder took its blocks in advance ([`Pool::reserve`]) and can always
//! get them, so whoever has been given credit can complete its window. An *open* holder takes what is neither used nor promised,
//! and never more than [`Pool::open_limit`], so that senders waiting for each other cannot starve every receiver. Of that, payload leaves a share
//! to the records of sent packets: what fills the memory could not leave otherwise.
//! Invariant: blocks used + blocks promised ≤ capacity (ADR 0001).

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::memory_need::MemoryNeed;
use crate::state_hash::StateHash;

mod blob;

pub(crate) use blob::Blob;

const NONE: u32 = u32::MAX;

/// Bytes of the header word of a block that holds a channel's data.
pub(crate) const HEADER: usize = 8;

/// W: positions of a channel that one block of `block_size` bytes covers (`channel::block_map`). Blocks are at least 256 bytes.
pub(crate) const fn positions_per_block(block_size: usize) -> u64 {
    // W data bytes and three bitmaps of W / 8 are 11 W / 8 bytes; W is a multiple of 8.
    let positions = (block_size.saturating_sub(HEADER) / 11) * 8;
    if positions < 8 { 8 } else { positions as u64 }
}

/// The name of one block. Obtained from a pool and valid in it until freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockId {
    /// Never zero, so that an optional name is no larger.
    index_plus_one: NonZeroU32,
}

impl BlockId {
    fn new(index: u32) -> Self {
        Self { index_plus_one: NonZeroU32::MIN.saturating_add(index) }
    }

    pub(crate) fn index(self) -> u32 {
        self.index_plus_one.get() - 1
    }

    fn position(self) -> usize {
        self.index() as usize
    }
}

/// Blocks one session is entitled to and does not hold yet.
///
/// Not `Clone`: a promise is kept once. It must go back through [`Pool::unreserve`].
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    promised: u32,
}

impl Reservation {
    /// Blocks still to be taken.
    pub(crate) fn remaining(&self) -> u32 {
        self.promised
    }
}

pub(crate) struct Pool {
    bytes: Vec<u8>,
    next: Vec<u32>,
    free_head: u32,
    free: u32,
    promised: u32,
    open_used: u32,
    open_limit: u32,
    /// Blocks that payload leaves to records.
    record_share: u32,
    block_size: usize,
    /// [`positions_per_block`], which whoever looks at a block asks for.
    positions: usize,
}

/// Of so many open blocks payload leaves one to records: about what the records of that much payload take, if it leaves in full datagrams.
const PAYLOAD_PER_RECORD: u32 = 32;

impl Pool {
    /// What [`new`](Self::new) allocates.
    pub(crate) fn need(blocks: u32, block_size: usize) -> MemoryNeed {
        let blocks = blocks.min(NONE - 1) as usize;
        MemoryNeed::of::<u8>(blocks.saturating_mul(block_size)).and(MemoryNeed::of::<u32>(blocks))
    }

    /// Allocates `blocks` blocks of `block_size` bytes; at most `open_limit` of them are ever held without reservation.
    pub(crate) fn new(blocks: u32, block_size: usize, open_limit: u32) -> Self {
        let blocks = blocks.min(NONE - 1);
        let mut next: Vec<u32> = (1..=blocks).collect();
        if let Some(last) = next.last_mut() {
            *last = NONE;
        }
        Self {
            bytes: vec![0; blocks as usize * block_size],
            next,
            free_head: if blocks == 0 { NONE } else { 0 },
            free: blocks,
            promised: 0,
            open_used: 0,
            open_limit: open_limit.min(blocks),
            record_share: 0,
            block_size,
            positions: positions_per_block(block_size) as usize,
        }
    }

    /// The same, of which payload leaves a share to records.
    pub(crate) fn shared_with_records(self) -> Self {
        Self { record_share: self.open_limit - Self::payload_of(self.open_limit), ..self }
    }

    /// Of `open` blocks, those that payload may hold.
    pub(crate) fn payload_of(open: u32) -> u32 {
        open.saturating_sub((open / PAYLOAD_PER_RECORD).max(1))
    }

    /// Moves `blocks` from the common stock into `reservation`; `false` and no change if they are not there.
    #[must_use]
    pub(crate) fn reserve(&mut self, reservation: &mut Reservation, blocks: u32) -> bool {
        if blocks > self.unpromised() {
            return false;
        }
        self.promised += blocks;
        reservation.promised += blocks;
        true
    }

    /// Gives the whole remaining promise back.
    pub(crate) fn unreserve(&mut self, reservation: &mut Reservation) {
        self.promised -= reservation.promised;
        reservation.promised = 0;
    }

    /// A zeroed block out of `reservation`; `None` only if the promise is used up.
    #[inline]
    pub(crate) fn take_reserved(&mut self, reservation: &mut Reservation) -> Option<BlockId> {
        if reservation.promised == 0 {
            return None;
        }
        let block = self.take()?;
        reservation.promised -= 1;
        self.promised -= 1;
        Some(block)
    }

    /// Frees a block taken by [`Pool::take_reserved`]; the promise it came from is restored.
    #[inline]
    pub(crate) fn free_reserved(&mut self, block: BlockId, reservation: &mut Reservation) {
        self.give(block, self.block_size);
        reservation.promised += 1;
        self.promised += 1;
    }

    /// A zeroed block out of the common stock, if [`Pool::open_available`] is not 0.
    pub(crate) fn take_open(&mut self) -> Option<BlockId> {
        // Where payload may take one, so may records.
        if self.open_available() == 0 { None } else { self.take_unreserved() }
    }

    /// Frees a block taken by [`Pool::take_open`].
    pub(crate) fn free_open(&mut self, block: BlockId) {
        self.free_open_written(block, self.block_size);
    }

    /// The same of a whole chain, from its first on.
    #[inline(never)]
    pub(crate) fn free_open_chain(&mut self, head: BlockId) {
        let mut block = Some(head);
        while let Some(id) = block {
            block = self.next(id);
            self.free_open(id);
        }
    }

    /// The same of a block of which only the first so many bytes were ever written.
    #[inline]
    pub(crate) fn free_open_written(&mut self, block: BlockId, written: usize) {
        self.give(block, written);
        self.open_used -= 1;
    }

    /// Blocks that [`Pool::take_open`] would still give out.
    #[inline]
    pub(crate) fn open_available(&self) -> u32 {
        self.open_available_after(0)
    }

    /// How many it would give out if so many more were freed: where records have taken of what payload may hold, not as many more.
    pub(crate) fn open_available_after(&self, freed: u32) -> u32 {
        self.record_available().saturating_add(freed).saturating_sub(self.record_share)
    }

    /// The same for a record of sent packets. Freed by [`Pool::free_open`].
    pub(crate) fn take_for_record(&mut self) -> Option<BlockId> {
        if self.record_available() == 0 { None } else { self.take_unreserved() }
    }

    #[inline]
    fn take_unreserved(&mut self) -> Option<BlockId> {
        let block = self.take()?;
        self.open_used += 1;
        Some(block)
    }

    /// Blocks that [`Pool::take_for_record`] would still give out.
    pub(crate) fn record_available(&self) -> u32 {
        self.unpromised().min(self.open_limit.saturating_sub(self.open_used))
    }

    /// Links `block` to its successor in a chain.
    pub(crate) fn set_next(&mut self, block: BlockId, next: Option<BlockId>) {
        self.next[block.position()] = next.map_or(NONE, BlockId::index);
    }

    /// The successor of `block` in its chain.
    pub(crate) fn next(&self, block: BlockId) -> Option<BlockId> {
        match self.next[block.position()] {
            NONE => None,
            next => Some(BlockId::new(next)),
        }
    }

    pub(crate) fn bytes(&self, block: BlockId) -> &[u8] {
        let start = block.position() * self.block_size;
        &self.bytes[start..start + self.block_size]
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self, block: BlockId) -> &mut [u8] {
        let start = block.position() * self.block_size;
        &mut self.bytes[start..start + self.block_size]
    }

    #[inline]
    pub(crate) fn block_size(&self) -> usize {
        self.block_size
    }

    /// Positions of a channel that a block covers.
    #[inline]
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn capacity(&self) -> u32 {
        self.next.len() as u32
    }

    /// Blocks in nobody's hands, promised or not.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Blocks promised to reservations and not taken yet.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn promised(&self) -> u32 {
        self.promised
    }

    /// Feeds everything but the contents of blocks, which their holders feed.
    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            bytes: _,
            next: _,
            free_head,
            free,
            promised,
            open_used,
            open_limit,
            record_share,
            block_size,
            positions: _,
        } = self;
        hash.u64(u64::from(*free_head));
        hash.u64(u64::from(*free));
        hash.u64(u64::from(*promised));
        hash.u64(u64::from(*open_used));
        hash.u64(u64::from(*open_limit));
        hash.u64(u64::from(*record_share));
        hash.u64(*block_size as u64);
    }

    fn unpromised(&self) -> u32 {
        self.free - self.promised
    }

    fn take(&mut self) -> Option<BlockId> {
        if self.free_head == NONE {
            return None;
        }
        let block = BlockId::new(self.free_head);
        let next = *self.next.get(block.position())?;
        self.free_head = next;
        self.free -= 1;
        self.next[block.position()] = NONE;
        Some(block)
    }

    /// Blocks may have held application data of another session: they go back zeroed, of which only the first so many bytes were written.
    fn give(&mut self, block: BlockId, written: usize) {
        self.bytes_mut(block)[..written].fill(0);
        debug_assert!(self.bytes(block).iter().all(|byte| *byte == 0), "what was written is what is zeroed");
        self.next[block.position()] = self.free_head;
        self.free_head = block.index();
        self.free += 1;
    }
}

#[cfg(test)]
mod tests;
