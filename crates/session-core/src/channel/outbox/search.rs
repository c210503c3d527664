//! What of an outbox is sent next, and where that lies.

use super::{ACKED, END, HAS_END, LOST, Outbox, Written, per_block};
use crate::channel::Fragment;
use crate::channel::block_map::{self, first_clear, first_set};
use crate::pool::{BlockId, Pool};

impl Outbox {
    /// The lowest pending run below `limit`: within one message, at most `max_length` data bytes.
    ///
    /// Changes hints only; the fragment stays pending until [`Outbox::on_sent`].
    pub(crate) fn next_fragment(&mut self, pool: &Pool, limit: u64, max_length: usize) -> Option<Fragment> {
        let limit = limit.min(self.write);
        if let Some(fragment) = self.whole_message(limit, max_length) {
            debug_assert_eq!(self.next_new(pool, limit, max_length), Some(fragment), "what is pending is one message");
            return Some(fragment);
        }
        if self.given_up == 0 && self.lost() == 0 {
            return self.next_new(pool, limit, max_length);
        }
        self.next_of_any(pool, limit, max_length)
    }

    /// All that is pending, where it is known to be one message and may leave as one: no block need be looked at.
    #[inline]
    pub(crate) fn whole_message(&self, limit: u64, max_length: usize) -> Option<Fragment> {
        if self.written != Written::OneWhole || limit < self.write {
            return None;
        }
        let offset = self.highest_sent;
        let length = usize::try_from(self.write - offset - 1).ok().filter(|length| *length <= max_length)?;
        Some(Fragment { offset, length, begin: true, end: true })
    }

    /// The same where what was never sent is all that is pending, and nothing of it was given up.
    fn next_new(&self, pool: &Pool, limit: u64, max_length: usize) -> Option<Fragment> {
        let offset = self.highest_sent;
        debug_assert!(self.acked_to <= offset, "what was never sent was given up");
        let data = limit.checked_sub(offset).filter(|positions| *positions > 0)?;
        if self.ending == 0 {
            return self.next_of_one_message(pool, data, max_length);
        }
        // Positions looked at: the data, and a terminator behind it.
        let most = data.min((max_length as u64).saturating_add(1)) as usize;
        let per_block = per_block(pool) as usize;
        let mut block = self.block_of_new(pool)?;
        let mut at = (offset % per_block as u64) as usize;
        let begin = begins_message(pool, block, at);
        let mut seen = 0;
        loop {
            let bound = per_block.min(at.saturating_add(most - seen));
            if block_map::is_marked(pool, block, HAS_END)
                && let Some(end) = first_set(block_map::map(pool, block, END), at, bound)
            {
                return Some(Fragment { offset, length: seen + (end - at), begin, end: true });
            }
            seen += bound - at;
            if seen >= most {
                break;
            }
            let Some(next) = pool.next(block) else { break };
            (block, at) = (next, 0);
        }
        let length = seen.min(max_length);
        (length > 0).then_some(Fragment { offset, length, begin, end: false })
    }

    /// The same whatever is pending.
    fn next_of_any(&mut self, pool: &Pool, limit: u64, max_length: usize) -> Option<Fragment> {
        let (mut block, mut at) = self.lowest_pending(pool, limit)?;
        let per_block = per_block(pool);
        let start = block_map::index(pool, block) * per_block;
        let mut fragment =
            Fragment { offset: start + at as u64, length: 0, begin: begins_message(pool, block, at), end: false };
        loop {
            let start = block_map::index(pool, block) * per_block;
            let bound = limit.saturating_sub(start).min(per_block) as usize;
            let run_end = self.run_end(pool, block, at, bound);
            let data_left = max_length.saturating_sub(fragment.length);
            let reach = run_end.min(at.saturating_add(data_left).saturating_add(1));
            let has_end = block_map::is_marked(pool, block, HAS_END);
            let terminator = has_end.then(|| first_set(block_map::map(pool, block, END), at, reach)).flatten();
            if let Some(terminator) = terminator {
                fragment.length += terminator - at;
                fragment.end = true;
                break;
            }
            let taken = run_end.saturating_sub(at).min(data_left);
            fragment.length += taken;
            if at + taken < per_block as usize {
                break;
            }
            let Some(next) = pool.next(block) else { break };
            (block, at) = (next, 0);
        }
        (fragment.positions() > 0).then_some(fragment)
    }

    /// The same where all that is held belongs to one message that is still written: no block need be looked at.
    fn next_of_one_message(&self, pool: &Pool, data: u64, max_length: usize) -> Option<Fragment> {
        let offset = self.highest_sent;
        let length = usize::try_from(data).unwrap_or(usize::MAX).min(max_length);
        if length == 0 {
            return None;
        }
        // Within a block it would follow a terminator.
        let first = if offset.is_multiple_of(per_block(pool)) { self.block_of_new(pool) } else { None };
        Some(Fragment { offset, length, begin: first.is_some_and(|block| block_map::flag(pool, block)), end: false })
    }

    /// Block and place of the lowest pending position below `limit`.
    fn lowest_pending(&mut self, pool: &Pool, limit: u64) -> Option<(BlockId, usize)> {
        let per_block = per_block(pool);
        let lost = self.lost() > 0;
        self.pending_from = self.pending_from.max(self.least_pending(lost));
        let mut block = self.locate(pool, self.pending_from / per_block);
        while let Some(id) = block.filter(|_| self.pending_from < limit) {
            self.search_cursor = Some(id);
            let start = block_map::index(pool, id) * per_block;
            let from = self.pending_from.saturating_sub(start) as usize;
            let bound = (limit - start).min(per_block) as usize;
            if let Some(at) = self.first_pending(pool, id, from, bound) {
                self.pending_from = start + at as u64;
                return Some((id, at));
            }
            self.pending_from = start + bound as u64;
            block = pool.next(id);
        }
        None
    }

    /// The first pending position in `from..bound` of `block`.
    fn first_pending(&self, pool: &Pool, block: BlockId, from: usize, bound: usize) -> Option<usize> {
        let [acked, lost] = [ACKED, LOST].map(|map| block_map::map(pool, block, map));
        let first_new = self.first_new(pool, block);
        let found = first_set(lost, from, bound.min(first_new));
        let from = from.max(first_new);
        found.or_else(
            || if self.given_up > 0 { first_clear(acked, from, bound) } else { (from < bound).then_some(from) },
        )
    }

    /// Where the pending positions end that begin at `at` in `block`; `bound` if not before.
    fn run_end(&self, pool: &Pool, block: BlockId, at: usize, bound: usize) -> usize {
        let [acked, lost] = [ACKED, LOST].map(|map| block_map::map(pool, block, map));
        let first_new = self.first_new(pool, block);
        let found = first_clear(lost, at, bound.min(first_new));
        let at = at.max(first_new);
        found.or_else(|| if self.given_up > 0 { first_set(acked, at, bound) } else { None }).unwrap_or(bound)
    }

    /// The place in `block` from which on nothing was ever sent.
    fn first_new(&self, pool: &Pool, block: BlockId) -> usize {
        let per_block = per_block(pool);
        self.highest_sent.saturating_sub(block_map::index(pool, block) * per_block).min(per_block) as usize
    }

    /// Nothing below is pending, given whether something was lost.
    pub(super) fn least_pending(&self, lost: bool) -> u64 {
        if lost { self.acked_to } else { self.highest_sent.max(self.acked_to) }
    }

    /// The block of the next position that is sent for the first time.
    pub(super) fn block_of_new(&self, pool: &Pool) -> Option<BlockId> {
        match self.send_cursor {
            Some(block) if self.highest_sent.is_multiple_of(per_block(pool)) => pool.next(block),
            Some(block) => Some(block),
            None => self.locate(pool, self.highest_sent / per_block(pool)),
        }
    }

    /// The block of the last position of `from..to`, which is sent for the first time.
    pub(super) fn last_block_of_new(&self, pool: &Pool, from: u64, to: u64) -> Option<BlockId> {
        let per_block = per_block(pool);
        let blocks = (to - 1) / per_block - from / per_block;
        (0..blocks).fold(self.block_of_new(pool), |block, _| block.and_then(|block| pool.next(block)))
    }

    /// Block and place of the fragment's first position.
    pub(super) fn place_of(&self, pool: &Pool, fragment: &Fragment) -> (Option<BlockId>, usize) {
        let per_block = per_block(pool);
        if fragment.offset.saturating_add(fragment.positions()) == self.write {
            // It ends where the last block does, and is no longer than what lies there: so it begins there too.
            let in_tail = self.write.saturating_sub(1) % per_block;
            if let Some(at) = in_tail.saturating_add(1).checked_sub(fragment.positions()) {
                return (self.tail, at as usize);
            }
        }
        let is_new = fragment.offset == self.highest_sent;
        let block = if is_new { self.block_of_new(pool) } else { self.locate(pool, fragment.offset / per_block) };
        (block, (fragment.offset % per_block) as usize)
    }

    /// The block with this index, found from the nearest hint below it.
    pub(super) fn locate(&self, pool: &Pool, index: u64) -> Option<BlockId> {
        let head = self.head?;
        let first = self.acked_to / per_block(pool);
        let last = first + u64::from(self.blocks.saturating_sub(1));
        if index < first || index > last {
            return None;
        }
        if index == last {
            return self.tail;
        }
        if index == first {
            return self.head;
        }
        let (mut nearest, mut block) = (first, head);
        for hint in [self.send_cursor, self.search_cursor, self.ack_cursor].into_iter().flatten() {
            let hinted = block_map::index(pool, hint);
            if hinted <= index && hinted > nearest {
                (nearest, block) = (hinted, hint);
            }
        }
        for _ in nearest..index {
            block = pool.next(block)?;
        }
        Some(block)
    }
}

/// Whether the position at `at` in `block` is the first of its message.
fn begins_message(pool: &Pool, block: BlockId, at: usize) -> bool {
    match at.checked_sub(1) {
        Some(previous) => {
            block_map::is_marked(pool, block, HAS_END) && block_map::get(block_map::map(pool, block, END), previous)
        }
        None => block_map::flag(pool, block),
    }
}
