//! What is queued is put into blocks behind what is queued already, and copied from there into packets.

use super::{END, HAS_END, Outbox, OutboxError, Written, per_block};
use crate::channel::block_map;
use crate::channel::{Fragment, MAX_OFFSET};
use crate::pool::{BlockId, Pool};

impl Outbox {
    /// Queues a whole message, or nothing. Returns the message's end offset.
    pub(crate) fn send(&mut self, pool: &mut Pool, message: &[u8]) -> Result<u64, OutboxError> {
        if self.streaming {
            return Err(OutboxError::Streaming);
        }
        if message.len() as u64 >= self.room(pool) {
            return Err(OutboxError::Blocked);
        }
        self.append_message(pool, message);
        Ok(self.write)
    }

    /// The same for a message that lies within one block, as most do: what [`send`](Self::send) does with it, with one look at the block. `None` and no change
    /// for any other, or where it is refused.
    #[inline]
    pub(crate) fn send_within(&mut self, pool: &mut Pool, message: &[u8]) -> Option<u64> {
        if self.streaming {
            return None;
        }
        let room = if cfg!(debug_assertions) { self.room(pool) } else { u64::MAX };
        let sent = self.append_within(pool, message);
        debug_assert!(sent.is_none() || (message.len() as u64) < room, "there was room for what was queued");
        sent
    }

    /// The same as [`send`](Self::send), in the way that every message may take.
    #[cfg(test)]
    pub(crate) fn send_in_pieces(&mut self, pool: &mut Pool, message: &[u8]) -> Result<u64, OutboxError> {
        if self.streaming {
            return Err(OutboxError::Streaming);
        }
        if message.len() as u64 >= self.room(pool) {
            return Err(OutboxError::Blocked);
        }
        self.append_in_pieces(pool, message);
        Ok(self.write)
    }

    /// Gives up what is queued and queues a whole message in its place, or changes nothing.
    pub(crate) fn replace(&mut self, pool: &mut Pool, message: &[u8]) -> Result<u64, OutboxError> {
        let blocks = self.blocks_for(per_block(pool), (message.len() as u64).saturating_add(1));
        if blocks > self.budget.min(pool.open_available_after(self.blocks)) {
            return Err(OutboxError::Blocked);
        }
        self.release(pool);
        self.append_message(pool, message);
        Ok(self.write)
    }

    /// Opens a message that [`Outbox::write`] fills and [`Outbox::finish`] ends.
    pub(crate) fn begin(&mut self) -> Result<(), OutboxError> {
        if self.streaming {
            return Err(OutboxError::Streaming);
        }
        self.streaming = true;
        Ok(())
    }

    /// Queues as many of `bytes` as fit and tells how many; 0 if blocked or if no streamed message is open.
    pub(crate) fn write(&mut self, pool: &mut Pool, bytes: &[u8]) -> usize {
        if !self.streaming {
            return 0;
        }
        self.forget_one_whole();
        let room = usize::try_from(self.room(pool)).unwrap_or(usize::MAX);
        let accepted = bytes.len().min(room);
        self.append(pool, &bytes[..accepted]);
        accepted
    }

    /// Ends the streamed message. Returns its end offset.
    pub(crate) fn finish(&mut self, pool: &mut Pool) -> Result<u64, OutboxError> {
        if !self.streaming {
            return Err(OutboxError::NotStreaming);
        }
        if self.room(pool) == 0 {
            return Err(OutboxError::Blocked);
        }
        self.append_terminator(pool);
        self.streaming = false;
        Ok(self.write)
    }

    /// Copies the fragment's data into `out` and tells how many bytes; less than `length` only if `out` is shorter or the
    /// fragment is not one of [`Outbox::next_fragment`].
    pub(crate) fn copy(&self, pool: &Pool, fragment: &Fragment, out: &mut [u8]) -> usize {
        let wanted = out.len().min(fragment.length);
        let (mut block, mut at) = self.place_of(pool, fragment);
        let mut copied = 0;
        while let Some(id) = block {
            let data = &block_map::data(pool, id)[at..];
            let length = data.len().min(wanted - copied);
            out[copied..copied + length].copy_from_slice(&data[..length]);
            copied += length;
            if copied == wanted {
                break;
            }
            at = 0;
            block = pool.next(id);
        }
        copied
    }

    /// The same of the last message of all, with one look at its block where it lies within one.
    #[inline]
    pub(crate) fn copy_last(&self, pool: &Pool, message: &Fragment, out: &mut [u8]) {
        let per_block = per_block(pool);
        let in_tail = self.write.saturating_sub(1) % per_block + 1;
        let data = self.tail.zip(in_tail.checked_sub(message.positions())).and_then(|(tail, at)| {
            let at = at as usize;
            block_map::data(pool, tail).get(at..at + message.length)
        });
        match data {
            Some(data) if data.len() == out.len() => out.copy_from_slice(data),
            _ => {
                self.copy(pool, message, out);
            }
        }
    }

    /// Blocks that `positions` more take while nothing is held.
    pub(crate) fn blocks_for(&self, per_block: u64, positions: u64) -> u32 {
        let blocks = (self.write % per_block).saturating_add(positions).div_ceil(per_block);
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }

    /// Positions that can be appended now.
    fn room(&self, pool: &Pool) -> u64 {
        let per_block = per_block(pool);
        let in_tail = if self.tail.is_some() { (per_block - self.write % per_block) % per_block } else { 0 };
        let blocks = self.budget.saturating_sub(self.blocks).min(pool.open_available());
        let reach = if self.tail.is_some() { 0 } else { self.write % per_block };
        (in_tail + (u64::from(blocks) * per_block).saturating_sub(reach)).min(MAX_OFFSET - self.write)
    }

    /// A whole message, for which there is room.
    fn append_message(&mut self, pool: &mut Pool, message: &[u8]) {
        if self.append_within(pool, message).is_none() {
            self.append_in_pieces(pool, message);
        }
    }

    /// The same wherever it lies.
    fn append_in_pieces(&mut self, pool: &mut Pool, message: &[u8]) {
        let is_first = self.is_nothing_pending();
        let end = self.write + message.len() as u64 + 1;
        self.append(pool, message);
        self.append_terminator(pool);
        debug_assert_eq!(self.write, end, "there was room for all of it");
        self.forget_one_whole();
        if is_first && self.write == end {
            self.written = Written::OneWhole;
        }
    }

    /// The same where it lies within one block: the tail, or one that is taken. `None` and no change where it does not, or where there is no room.
    #[inline]
    fn append_within(&mut self, pool: &mut Pool, message: &[u8]) -> Option<u64> {
        let (per_block, length) = (per_block(pool), message.len() as u64);
        let (index, at) = (self.write / per_block, self.write % per_block);
        let end = self.write.checked_add(length)?.checked_add(1).filter(|end| *end <= MAX_OFFSET)?;
        if at + length >= per_block || self.written == Written::Part {
            return None;
        }
        let at = at as usize;
        let (block, word) = match self.tail.filter(|_| at != 0) {
            Some(tail) => (tail, None),
            None => (self.take_tail(pool)?, Some(block_map::header_of(index, true) | HAS_END)),
        };
        // The terminator before it may have gone with its block; whoever asks where this message begins looks for it.
        let before = at.checked_sub(1).filter(|_| word.is_some());
        if block_map::put_message(pool, block, (at, message), (word, HAS_END), before) {
            self.ending = self.ending.saturating_add(1);
        }
        self.written = if self.is_nothing_pending() { Written::OneWhole } else { Written::Whole };
        self.pending += end - self.write;
        self.write = end;
        Some(end)
    }

    /// Nothing is pending, nor a message begun: what comes now is all that is.
    #[inline]
    fn is_nothing_pending(&self) -> bool {
        self.pending == 0 && self.highest_sent == self.write && self.written != Written::Part
    }

    fn append(&mut self, pool: &mut Pool, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some((block, at)) = self.block_at_write(pool) else { return };
            let room = &mut block_map::data_mut(pool, block)[at..];
            let length = bytes.len().min(room.len());
            let (now, later) = bytes.split_at(length);
            room[..length].copy_from_slice(now);
            self.write += length as u64;
            self.pending += length as u64;
            self.written = Written::Part;
            bytes = later;
        }
    }

    fn append_terminator(&mut self, pool: &mut Pool) {
        let Some((block, at)) = self.block_at_write(pool) else { return };
        self.set_end(pool, block, at);
        self.write += 1;
        self.pending += 1;
        self.written = Written::Whole;
    }

    /// The block holding position `write`, taken if need be, and the place in it. `None` only without room.
    fn block_at_write(&mut self, pool: &mut Pool) -> Option<(BlockId, usize)> {
        let at = (self.write % per_block(pool)) as usize;
        let block = match self.tail.filter(|_| at != 0) {
            None => self.grow(pool, at),
            tail => tail,
        };
        block.map(|block| (block, at))
    }

    /// Takes the block holding position `write`, whose place in it is `at`.
    fn grow(&mut self, pool: &mut Pool, at: usize) -> Option<BlockId> {
        let block = self.take_tail(pool)?;
        let begins = self.written != Written::Part;
        block_map::label(pool, block, self.write / per_block(pool), begins);
        if at != 0 && begins {
            // The previous terminator's block was freed; whoever asks where this message begins looks for it.
            self.set_end(pool, block, at - 1);
        }
        Some(block)
    }

    /// Another block behind those held, if it may hold one more and there is one.
    #[inline]
    fn take_tail(&mut self, pool: &mut Pool) -> Option<BlockId> {
        if self.blocks >= self.budget {
            return None;
        }
        let block = pool.take_open()?;
        match self.tail {
            Some(tail) => pool.set_next(tail, Some(block)),
            None => self.head = Some(block),
        }
        self.tail = Some(block);
        self.blocks += 1;
        Some(block)
    }

    /// The position at `at` in `block` is a terminator.
    fn set_end(&mut self, pool: &mut Pool, block: BlockId, at: usize) {
        if !block_map::is_marked(pool, block, HAS_END) {
            block_map::mark(pool, block, HAS_END, true);
            self.ending = self.ending.saturating_add(1);
        }
        block_map::set(block_map::map_mut(pool, block, END), at);
    }
}
