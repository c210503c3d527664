//! How a channel's positions lie in a pool block, and the bitmaps about them.
//!
//! Block k of a channel covers positions `k * W .. (k + 1) * W`: a header word (k, a flag and two marks), W data bytes, then three
//! bitmaps of W bits whose meaning is the holder's. Bit i is bit `i % 8` of byte `i / 8`; ranges are clamped to the bitmap.

use core::ops::Range;

pub(super) use crate::pool::HEADER;
pub(crate) use crate::pool::positions_per_block;
use crate::pool::{BlockId, Pool};

const FLAG: u64 = 1 << 63;
/// What a holder may [`mark`] a block with; none of it stands when a block is labelled.
pub(super) const MARKS: [u64; 2] = [1 << 62, 1 << 61];
const INDEX: u64 = !(FLAG | MARKS[0] | MARKS[1]);
const WORD_BITS: usize = 64;
/// A word of which every bit is set.
const FULL: [u8; 8] = [u8::MAX; 8];

/// One block, taken apart.
pub(super) struct Block<'a> {
    pub(super) data: &'a [u8],
    pub(super) maps: [&'a [u8]; 3],
}

/// One block, taken apart for writing.
pub(super) struct BlockMut<'a> {
    pub(super) data: &'a mut [u8],
    pub(super) maps: [&'a mut [u8]; 3],
}

/// One block, taken apart no further than it takes to write a little of it.
pub(super) struct PartsMut<'a> {
    header: &'a mut [u8; HEADER],
    pub(super) data: &'a mut [u8],
    /// The bitmaps, one behind the other.
    maps: &'a mut [u8],
}

impl<'a> PartsMut<'a> {
    #[inline(always)]
    pub(super) fn of(pool: &'a mut Pool, block: BlockId) -> Self {
        let width = pool.positions();
        let (header, rest) = pool.bytes_mut(block).split_first_chunk_mut().expect("a block is longer than its header");
        let (data, maps) = rest.split_at_mut(width);
        Self { header, data, maps }
    }

    /// Writes the header word of a block without flag and marks: see [`label`].
    #[inline]
    pub(super) fn label(&mut self, index: u64) {
        *self.header = (index & INDEX).to_le_bytes();
    }

    /// Sets a bit of one of the three bitmaps.
    #[inline(always)]
    pub(super) fn set(&mut self, map: usize, at: usize) {
        set(self.maps, map * self.data.len() + at);
    }

    /// Sets one of the [`MARKS`].
    #[inline]
    pub(super) fn mark(&mut self, mark: u64) {
        *self.header = (u64::from_le_bytes(*self.header) | mark).to_le_bytes();
    }
}

pub(super) fn view(pool: &Pool, block: BlockId) -> Block<'_> {
    let width = pool.positions();
    let (_, rest) = pool.bytes(block).split_at(HEADER);
    let (data, rest) = rest.split_at(width);
    let (first, rest) = rest.split_at(width / 8);
    let (second, rest) = rest.split_at(width / 8);
    Block { data, maps: [first, second, &rest[..width / 8]] }
}

pub(super) fn view_mut(pool: &mut Pool, block: BlockId) -> BlockMut<'_> {
    let width = pool.positions();
    let (_, rest) = pool.bytes_mut(block).split_at_mut(HEADER);
    let (data, rest) = rest.split_at_mut(width);
    let (first, rest) = rest.split_at_mut(width / 8);
    let (second, rest) = rest.split_at_mut(width / 8);
    BlockMut { data, maps: [first, second, &mut rest[..width / 8]] }
}

/// The data of a block.
#[inline]
pub(super) fn data(pool: &Pool, block: BlockId) -> &[u8] {
    let width = pool.positions();
    &pool.bytes(block)[HEADER..HEADER + width]
}

#[inline]
pub(super) fn data_mut(pool: &mut Pool, block: BlockId) -> &mut [u8] {
    let width = pool.positions();
    &mut pool.bytes_mut(block)[HEADER..HEADER + width]
}

/// One of the three bitmaps of a block.
#[inline]
pub(super) fn map(pool: &Pool, block: BlockId, map: usize) -> &[u8] {
    &pool.bytes(block)[map_range(pool, map)]
}

#[inline]
pub(super) fn map_mut(pool: &mut Pool, block: BlockId, map: usize) -> &mut [u8] {
    let range = map_range(pool, map);
    &mut pool.bytes_mut(block)[range]
}

fn map_range(pool: &Pool, map: usize) -> Range<usize> {
    let width = pool.positions();
    let start = HEADER + width + map * (width / 8);
    start..start + width / 8
}

/// All of a block behind its header word, for a holder that keeps no positions.
pub(super) fn rest(pool: &Pool, block: BlockId) -> &[u8] {
    pool.bytes(block).split_at(HEADER).1
}

pub(super) fn rest_mut(pool: &mut Pool, block: BlockId) -> &mut [u8] {
    pool.bytes_mut(block).split_at_mut(HEADER).1
}

/// Writes the header word: which block of its channel this is, and the holder's flag.
pub(super) fn label(pool: &mut Pool, block: BlockId, index: u64, flag: bool) {
    pool.bytes_mut(block)[..HEADER].copy_from_slice(&header_of(index, flag).to_le_bytes());
}

/// What [`label`] writes.
#[inline]
pub(super) fn header_of(index: u64, flag: bool) -> u64 {
    (index & INDEX) | if flag { FLAG } else { 0 }
}

/// Puts a message at a place of a block, its terminator behind it into the first bitmap, and there too one at `before`. The block is labelled with `word`, if
/// any, and gets `mark`; returns whether it had none. All in one look at the block.
#[inline]
pub(super) fn put_message(
    pool: &mut Pool,
    block: BlockId,
    (at, message): (usize, &[u8]),
    (word, mark): (Option<u64>, u64),
    before: Option<usize>,
) -> bool {
    #[cfg(test)]
    work::count();
    let width = pool.positions();
    let Some((header, rest)) = pool.bytes_mut(block).split_first_chunk_mut::<HEADER>() else { return false };
    let (data, maps) = rest.split_at_mut(width);
    let end = at + message.len();
    data[at..end].copy_from_slice(message);
    set(maps, end);
    if let Some(before) = before {
        set(maps, before);
    }
    let had = word.is_none() && u64::from_le_bytes(*header) & mark != 0;
    if !had {
        let word = word.unwrap_or(u64::from_le_bytes(*header));
        *header = (word | mark).to_le_bytes();
    }
    !had
}

/// Sets or clears one of the [`MARKS`].
pub(super) fn mark(pool: &mut Pool, block: BlockId, mark: u64, marked: bool) {
    let word = (header(pool, block) & !mark) | if marked { mark } else { 0 };
    pool.bytes_mut(block)[..HEADER].copy_from_slice(&word.to_le_bytes());
}

/// Whether a block has one of the [`MARKS`].
pub(super) fn is_marked(pool: &Pool, block: BlockId, mark: u64) -> bool {
    header(pool, block) & mark != 0
}

/// Which block of its channel this is.
pub(super) fn index(pool: &Pool, block: BlockId) -> u64 {
    header(pool, block) & INDEX
}

/// The holder's flag, as given to [`label`].
pub(super) fn flag(pool: &Pool, block: BlockId) -> bool {
    header(pool, block) & FLAG != 0
}

#[inline]
fn header(pool: &Pool, block: BlockId) -> u64 {
    #[cfg(test)]
    work::count();
    pool.bytes(block).first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

pub(super) fn get(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

pub(super) fn set(bits: &mut [u8], at: usize) {
    if let Some(byte) = bits.get_mut(at / 8) {
        *byte |= 1 << (at % 8);
    }
}

pub(super) fn set_range(bits: &mut [u8], from: usize, to: usize) {
    let to = to.min(bits.len() * 8);
    if from >= to {
        return;
    }
    #[cfg(test)]
    words(bits, from, to).for_each(|_| work::count());
    let (first, last) = (from / 8, (to - 1) / 8);
    let (low, high) = (u8::MAX << (from % 8), u8::MAX >> (7 - (to - 1) % 8));
    if first == last {
        bits[first] |= low & high;
    } else {
        bits[first] |= low;
        bits[first + 1..last].fill(u8::MAX);
        bits[last] |= high;
    }
}

/// Clears `from..to` and tells how many bits of it were set.
pub(super) fn clear_range(bits: &mut [u8], from: usize, to: usize) -> u64 {
    let to = to.min(bits.len() * 8);
    if from >= to {
        return 0;
    }
    // The words that lie wholly within, and what is left at either end.
    let (whole, end) = (from.div_ceil(WORD_BITS), to / WORD_BITS);
    if whole >= end {
        return words(bits, from, to).map(|at| clear(bits, at, mask(at, from, to))).sum();
    }
    let edges = [whole.checked_sub(1), Some(end)];
    let at_edges: u64 = edges.into_iter().flatten().map(|at| clear(bits, at, mask(at, from, to))).sum();
    let (words, _) = bits[whole * 8..end * 8].as_chunks_mut::<8>();
    let cleared = words.iter_mut().map(|bytes| {
        #[cfg(test)]
        work::count();
        match core::mem::take(bytes) {
            // Most often, and counting is slow where the processor is not told to.
            FULL => WORD_BITS as u64,
            bytes => u64::from(u64::from_le_bytes(bytes).count_ones()),
        }
    });
    cleared.sum::<u64>() + at_edges
}

/// Clears the bits of `range` in word `at` and tells how many of them were set.
fn clear(bits: &mut [u8], at: usize, range: u64) -> u64 {
    if range == 0 {
        return 0;
    }
    let before = word(bits, at);
    store(bits, at, before & !range);
    u64::from((before & range).count_ones())
}

/// Sets the bits of `from..to` that are clear in `except` and tells how many of them were not set before.
pub(super) fn set_range_except(bits: &mut [u8], except: &[u8], from: usize, to: usize) -> u64 {
    let mut added = 0;
    let to = to.min(bits.len() * 8);
    for at in words(bits, from, to) {
        let before = word(bits, at);
        let fresh = mask(at, from, to) & !word(except, at) & !before;
        added += u64::from(fresh.count_ones());
        store(bits, at, before | fresh);
    }
    added
}

/// How many bits of `from..to` are clear.
pub(super) fn count_clear(bits: &[u8], from: usize, to: usize) -> u64 {
    let to = to.min(bits.len() * 8);
    words(bits, from, to).map(|at| u64::from((mask(at, from, to) & !word(bits, at)).count_ones())).sum()
}

/// The first set bit in `from..limit`.
pub(super) fn first_set(bits: &[u8], from: usize, limit: usize) -> Option<usize> {
    first(bits, from, limit, 0)
}

/// The first clear bit in `from..limit`.
pub(super) fn first_clear(bits: &[u8], from: usize, limit: usize) -> Option<usize> {
    first(bits, from, limit, u64::MAX)
}

fn first(bits: &[u8], from: usize, limit: usize, invert: u64) -> Option<usize> {
    let limit = limit.min(bits.len() * 8);
    if from >= limit {
        return None;
    }
    let found = |at: usize, hits: u64| {
        let found = at * WORD_BITS + hits.trailing_zeros() as usize;
        (found < limit).then_some(found)
    };
    let begin = from / WORD_BITS;
    let hits = (word(bits, begin) ^ invert) & !low_bits(from % WORD_BITS);
    if hits != 0 {
        return found(begin, hits);
    }
    // Whole words without bounds to check, in a tight loop: runs are long.
    let (begin, end) = (begin + 1, limit.div_ceil(WORD_BITS));
    let (whole, _) = bits.get(begin * 8..).unwrap_or_default().as_chunks::<8>();
    let whole = &whole[..whole.len().min(end.saturating_sub(begin))];
    // Four words at a time while there is nothing in them.
    let nothing = if invert == 0 { [0; 32] } else { [u8::MAX; 32] };
    let passed = 4 * whole.as_flattened().as_chunks::<32>().0.iter().take_while(|four| **four == nothing).count();
    #[cfg(test)]
    (0..passed).for_each(|_| work::count());
    for (at, bytes) in (begin + passed..).zip(&whole[passed..]) {
        #[cfg(test)]
        work::count();
        let hits = u64::from_le_bytes(*bytes) ^ invert;
        if hits != 0 {
            return found(at, hits);
        }
    }
    // What is left of the bitmap is no whole word.
    let last = begin + whole.len();
    if last < end { found(last, word(bits, last) ^ invert) } else { None }
}

/// The last set bit in `from..limit`.
pub(super) fn last_set(bits: &[u8], from: usize, limit: usize) -> Option<usize> {
    let limit = limit.min(bits.len() * 8);
    words(bits, from, limit).rev().find_map(|at| {
        let hits = word(bits, at) & mask(at, from, limit);
        (hits != 0).then(|| at * WORD_BITS + (WORD_BITS - 1 - hits.leading_zeros() as usize))
    })
}

/// The words that bits `from..to` touch.
fn words(bits: &[u8], from: usize, to: usize) -> Range<usize> {
    let to = to.min(bits.len() * 8);
    if from < to { from / WORD_BITS..to.div_ceil(WORD_BITS) } else { 0..0 }
}

/// Bits of word `at` that lie in `from..to`.
fn mask(at: usize, from: usize, to: usize) -> u64 {
    let start = at * WORD_BITS;
    low_bits(to.saturating_sub(start)) & !low_bits(from.saturating_sub(start))
}

fn low_bits(count: usize) -> u64 {
    if count >= WORD_BITS { u64::MAX } else { (1 << count) - 1 }
}

/// Word `at` of a bitmap; a bitmap that ends within it reads as if padded with zeros.
fn word(bits: &[u8], at: usize) -> u64 {
    #[cfg(test)]
    work::count();
    let rest = bits.get(at * 8..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return u64::from_le_bytes(*whole);
    }
    let mut padded = [0; 8];
    padded[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(padded)
}

fn store(bits: &mut [u8], at: usize, word: u64) {
    let rest = bits.get_mut(at * 8..).unwrap_or_default();
    let length = rest.len().min(8);
    rest[..length].copy_from_slice(&word.to_le_bytes()[..length]);
}

/// How many words this thread has looked at, so that tests can tell linear work from quadratic.
#[cfg(test)]
pub(crate) mod work {
    use core::cell::Cell;

    std::thread_local! {
        static WORDS: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        WORDS.set(WORDS.get() + 1);
    }

    pub(crate) fn words() -> u64 {
        WORDS.get()
    }
}

#[cfg(test)]
mod tests;
