//! Bytes of one kind kept in pool blocks: handshake messages to repeat, user data of CONNECT.

use super::{BlockId, Pool};
use crate::state_hash::StateHash;

/// A run of bytes in open blocks. Must be released.
#[derive(Debug, Default)]
pub(crate) struct Blob {
    head: Option<BlockId>,
    len: u32,
}

impl Blob {
    /// Keeps a copy of `bytes`; `None` and no change if the pool has too few open blocks.
    pub(crate) fn store(pool: &mut Pool, bytes: &[u8]) -> Option<Self> {
        let block_size = pool.block_size();
        let blocks = bytes.len().div_ceil(block_size);
        if blocks > pool.open_available() as usize {
            return None;
        }
        let mut head = None;
        // Last piece first, so that each block can be linked to the one after it.
        for piece in bytes.chunks(block_size).rev() {
            let block = pool.take_open()?;
            pool.bytes_mut(block)[..piece.len()].copy_from_slice(piece);
            pool.set_next(block, head);
            head = Some(block);
        }
        Some(Self { head, len: bytes.len() as u32 })
    }

    /// Copies as much as fits into `out`; returns how many bytes.
    pub(crate) fn copy(&self, pool: &Pool, out: &mut [u8]) -> usize {
        let total = self.len().min(out.len());
        let mut next = self.head;
        for piece in out[..total].chunks_mut(pool.block_size()) {
            let Some(block) = next else { break };
            piece.copy_from_slice(&pool.bytes(block)[..piece.len()]);
            next = pool.next(block);
        }
        total
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Frees the blocks; the blob is empty afterwards.
    pub(crate) fn release(&mut self, pool: &mut Pool) {
        while let Some(block) = self.head {
            self.head = pool.next(block);
            pool.free_open(block);
        }
        self.len = 0;
    }

    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self { head, len } = self;
        hash.u64(u64::from(*len));
        let mut next = *head;
        while let Some(block) = next {
            hash.u64(u64::from(block.index()));
            hash.bytes(pool.bytes(block));
            next = pool.next(block);
        }
    }
}

#[cfg(test)]
mod tests;
