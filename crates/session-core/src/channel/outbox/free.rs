//! Blocks go as soon as the peer has what they hold.

use super::{ACKED, HAS_ACKED, HAS_END, Outbox, per_block};
use crate::channel::block_map::{self, first_clear};
use crate::pool::Pool;

impl Outbox {
    /// Advances `acked_to` over what is acknowledged there and frees the blocks it leaves behind.
    pub(super) fn free_acked(&mut self, pool: &mut Pool) {
        let per_block = per_block(pool);
        while let Some(head) = self.head {
            let start = block_map::index(pool, head) * per_block;
            let end = (start + per_block).min(self.write);
            if self.acked_to < end && block_map::is_marked(pool, head, HAS_ACKED) {
                let from = (self.acked_to - start) as usize;
                let unacked = first_clear(block_map::map(pool, head, ACKED), from, (end - start) as usize);
                self.acked_to = unacked.map_or(end, |at| start + at as u64);
            }
            if self.acked_to < end {
                return;
            }
            self.free_head(pool);
        }
    }

    /// Frees every block, one by one from the head.
    #[inline]
    pub(super) fn free_all(&mut self, pool: &mut Pool) {
        let Some(head) = self.head.take() else { return };
        // Mostly it is one.
        if self.blocks == 1 {
            pool.free_open(head);
        } else {
            pool.free_open_chain(head);
        }
        (self.tail, self.blocks, self.ending) = (None, 0, 0);
        (self.send_cursor, self.search_cursor, self.ack_cursor) = (None, None, None);
    }

    fn free_head(&mut self, pool: &mut Pool) {
        let Some(head) = self.head else { return };
        self.head = pool.next(head);
        if self.ending != u16::MAX && block_map::is_marked(pool, head, HAS_END) {
            self.ending -= 1;
        }
        if self.head.is_none() {
            self.tail = None;
            self.ending = 0;
        }
        for cursor in [&mut self.send_cursor, &mut self.search_cursor, &mut self.ack_cursor] {
            cursor.take_if(|cursor| *cursor == head);
        }
        self.blocks -= 1;
        pool.free_open(head);
    }
}
