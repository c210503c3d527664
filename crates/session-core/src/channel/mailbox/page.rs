//! A block of small messages, one behind the other, each behind its length in two bytes.
//!
//! The block's header word has the flag set, and says where the first message that was not taken begins and where the last one ends.

use super::super::block_map;
use crate::pool::{BlockId, Pool};

/// Bytes before each message.
const LENGTH: usize = 2;
/// Bits of a place in a block, which has 256 or 1,024 bytes.
const PLACE_BITS: u32 = 16;

/// The longest message that shares a block with others.
pub(super) fn largest(pool: &Pool) -> usize {
    capacity(pool).saturating_sub(LENGTH)
}

/// Makes a page of a block just taken.
pub(super) fn open(pool: &mut Pool, block: BlockId) {
    set_places(pool, block, 0, 0);
}

/// Whether `block` is a page, and no part of a longer message.
pub(super) fn is_page(pool: &Pool, block: BlockId) -> bool {
    block_map::flag(pool, block)
}

/// Whether a message of `length` bytes fits behind the others.
pub(super) fn has_room(pool: &Pool, block: BlockId, length: usize) -> bool {
    let (_, end) = places(pool, block);
    end + LENGTH + length <= capacity(pool)
}

/// Puts `message` behind the others; `false` and no change if there is no [room](has_room).
pub(super) fn append(pool: &mut Pool, block: BlockId, message: &[u8]) -> bool {
    let (next, end) = places(pool, block);
    let Ok(length) = u16::try_from(message.len()) else { return false };
    let Some((head, rest)) =
        block_map::rest_mut(pool, block).get_mut(end..).and_then(<[u8]>::split_first_chunk_mut::<LENGTH>)
    else {
        return false;
    };
    let Some(place) = rest.get_mut(..message.len()) else { return false };
    *head = length.to_le_bytes();
    place.copy_from_slice(message);
    set_places(pool, block, next, end + LENGTH + message.len());
    true
}

/// The next message.
pub(super) fn first(pool: &Pool, block: BlockId) -> Option<&[u8]> {
    let (next, end) = places(pool, block);
    let (length, rest) = block_map::rest(pool, block).get(next..end)?.split_first_chunk::<LENGTH>()?;
    rest.get(..usize::from(u16::from_le_bytes(*length)))
}

/// Forgets the next message; says whether that was the last.
pub(super) fn pass(pool: &mut Pool, block: BlockId) -> bool {
    let length = first(pool, block).map_or(0, <[u8]>::len);
    let (next, end) = places(pool, block);
    let next = next + LENGTH + length;
    set_places(pool, block, next, end);
    next >= end
}

fn capacity(pool: &Pool) -> usize {
    pool.block_size().saturating_sub(block_map::HEADER)
}

fn places(pool: &Pool, block: BlockId) -> (usize, usize) {
    let word = block_map::index(pool, block);
    let mask = (1 << PLACE_BITS) - 1;
    ((word >> PLACE_BITS & mask) as usize, (word & mask) as usize)
}

fn set_places(pool: &mut Pool, block: BlockId, next: usize, end: usize) {
    block_map::label(pool, block, (next as u64) << PLACE_BITS | end as u64, true);
}
