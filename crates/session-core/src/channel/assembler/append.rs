//! The common way in: what follows all that was received, without a hole.

use super::{Assembler, BEGIN, END, HAS_END, per_block};
use crate::channel::Fragment;
use crate::channel::block_map::PartsMut;
use crate::pool::{BlockId, Pool, Reservation};

impl Assembler {
    /// Stores a fragment that follows all that was received: only what precedes it can contradict, and no bitmap has to be searched. `None`, and nothing has changed,
    /// where it does not follow, or must not: that is for [`insert_between`](Self::insert_between), which can do the same.
    #[inline(never)]
    pub(crate) fn insert_next(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        (fragment, to): (&Fragment, u64),
        data: &[u8],
    ) -> Option<()> {
        let is_next = fragment.offset == self.contiguous && self.contiguous == self.highest;
        let agrees = fragment.offset < to && data.len() == fragment.length;
        if !is_next || !agrees || self.ends_with_a_message(pool) != fragment.begin {
            return None;
        }
        let (per_block, positions) = (per_block(pool), to - fragment.offset);
        let (index, at) = (fragment.offset / per_block, fragment.offset % per_block);
        // The last block held is where it begins, unless that is full, or was read and is gone.
        let tail = self.tail.filter(|_| at > 0);
        if at + positions <= per_block {
            let mut parts = self.tail_parts(pool, reservation, tail, index)?;
            write(&mut parts, at as usize, fragment, data);
        } else {
            self.append_from(pool, reservation, (tail, index, at as usize), fragment, data)?;
        }
        (self.contiguous, self.highest) = (to, to);
        if fragment.end && self.message_end.get().is_none() {
            self.message_end = (to - 1).into();
        }
        Some(())
    }

    /// Writes what takes more than one block, from a place in the block of this index; `tail` if that is there. `None`, and no change, if there are too few.
    #[inline(never)]
    fn append_from(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        (mut tail, mut index, mut at): (Option<BlockId>, u64, usize),
        fragment: &Fragment,
        data: &[u8],
    ) -> Option<()> {
        let per_block = per_block(pool);
        let blocks = (at as u64).saturating_add(fragment.positions()).div_ceil(per_block) - u64::from(tail.is_some());
        if blocks > u64::from(reservation.remaining()) {
            return None;
        }
        let (mut rest, mut begins) = (data, fragment.begin);
        while let Some(mut parts) = self.tail_parts(pool, reservation, tail, index) {
            let room = per_block as usize - at;
            let (now, later) = rest.split_at(rest.len().min(room));
            parts.data[at..at + now.len()].copy_from_slice(now);
            if begins {
                parts.set(BEGIN, at);
            }
            if now.len() < room {
                if fragment.end {
                    parts.set(END, at + now.len());
                    parts.mark(HAS_END);
                }
                break;
            }
            if later.is_empty() && !fragment.end {
                break;
            }
            (tail, rest, begins) = (None, later, false);
            (index, at) = (index + 1, 0);
        }
        Some(())
    }

    /// The last block, or a new one of this index behind it.
    #[inline(always)]
    fn tail_parts<'a>(
        &mut self,
        pool: &'a mut Pool,
        reservation: &mut Reservation,
        tail: Option<BlockId>,
        index: u64,
    ) -> Option<PartsMut<'a>> {
        if let Some(tail) = tail {
            return Some(PartsMut::of(pool, tail));
        }
        let block = pool.take_reserved(reservation)?;
        match self.tail {
            Some(tail) => pool.set_next(tail, Some(block)),
            None => self.head = Some(block),
        }
        self.tail = Some(block);
        self.blocks += 1;
        let mut parts = PartsMut::of(pool, block);
        parts.label(index);
        Some(parts)
    }
}

/// Writes a fragment that lies in one block, from `at` on.
#[inline(always)]
fn write(parts: &mut PartsMut<'_>, at: usize, fragment: &Fragment, data: &[u8]) {
    let end = at + data.len();
    parts.data[at..end].copy_from_slice(data);
    if fragment.begin {
        parts.set(BEGIN, at);
    }
    if fragment.end {
        parts.set(END, end);
        parts.mark(HAS_END);
    }
}
