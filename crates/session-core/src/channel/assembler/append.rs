//! The common way in: what follows all that was received, without a hole.

use super::{Assembler, BEGIN, END, HAS_END, InsertError, Inserted, Violation, per_block};
use crate::channel::Fragment;
use crate::channel::block_map::PartsMut;
use crate::pool::{BlockId, Pool, Reservation};

impl Assembler {
    /// Stores a fragment that follows all that was received. `None`, and nothing has changed, where it does not, or must not: see [`insert`](Self::insert).
    #[inline]
    pub(crate) fn insert_next(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        (fragment, to): (&Fragment, u64),
        data: &[u8],
    ) -> Option<()> {
        if self.is_next(fragment) && fragment.offset < to && data.len() == fragment.length {
            self.append(pool, reservation, (fragment, to), data).ok().map(|_| ())
        } else {
            None
        }
    }

    /// Whether a fragment begins where all that was received ends.
    #[inline]
    pub(super) fn is_next(&self, fragment: &Fragment) -> bool {
        fragment.offset == self.contiguous && self.contiguous == self.highest
    }

    /// Stores what continues all that was received: only what precedes it can contradict, and no bitmap has to be searched.
    #[inline(always)]
    pub(super) fn append(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        (fragment, to): (&Fragment, u64),
        data: &[u8],
    ) -> Result<Inserted, InsertError> {
        if self.ends_with_a_message(pool) != fragment.begin {
            return Err(Violation::Contradiction.into());
        }
        let (per_block, positions) = (per_block(pool), to - fragment.offset);
        let (index, at) = (fragment.offset / per_block, fragment.offset % per_block);
        // The last block held is where it begins, unless that is full, or was read and is gone.
        let tail = self.tail.filter(|_| at > 0);
        if at + positions <= per_block {
            let mut parts = self.tail_parts(pool, reservation, tail, index).ok_or(InsertError::NoMemory)?;
            write(&mut parts, at as usize, fragment, data);
        } else {
            self.append_from(pool, reservation, (tail, index, at as usize), fragment, data)?;
        }
        (self.contiguous, self.highest) = (to, to);
        if fragment.end && self.message_end.get().is_none() {
            self.message_end = (to - 1).into();
        }
        Ok(Inserted { new_positions: positions, highest: to })
    }

    /// Writes what takes more than one block, from a place in the block of this index; `tail` if that is there.
    #[inline(never)]
    fn append_from(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        (mut tail, mut index, mut at): (Option<BlockId>, u64, usize),
        fragment: &Fragment,
        data: &[u8],
    ) -> Result<(), InsertError> {
        let per_block = per_block(pool);
        let blocks = (at as u64).saturating_add(fragment.positions()).div_ceil(per_block) - u64::from(tail.is_some());
        if blocks > u64::from(reservation.remaining()) {
            return Err(InsertError::NoMemory);
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
        Ok(())
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
