//! The receiving half of a reliable-ordered channel.

mod append;
mod skip;
mod unordered;

pub(crate) use skip::Skips;

use core::fmt;

use super::Fragment;
use super::block_map::{self, first_clear, first_set};
use crate::optional::OptionalNumber;
use crate::pool::{BlockId, Pool, Reservation};
use crate::state_hash::StateHash;

// Meaning of a block's bitmaps. Of two neighbouring received positions the second begins a message exactly if the first
// is a terminator: every insertion is checked for it.
/// From `contiguous` on. Below it everything was received, and nobody asks.
const RECEIVED: usize = 0;
/// Terminators.
const END: usize = 1;
/// First positions of messages.
const BEGIN: usize = 2;

/// A block marked so has, or has had, a terminator. Others are not searched for one. The other mark is that of messages that are complete
/// (`unordered`).
const HAS_END: u64 = block_map::MARKS[1];

/// What no honest peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A fragment disagrees with an earlier one about where messages begin or end.
    Contradiction,
    /// A fragment reaches beyond the offset space.
    OffsetOverflow,
}

/// Why a fragment was not stored; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsertError {
    /// The peer broke the protocol.
    Violation(Violation),
    /// The reservation has too few blocks left.
    NoMemory,
}

impl From<Violation> for InsertError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Contradiction => "fragments disagree about message boundaries",
            Self::OffsetOverflow => "a fragment reaches beyond the offset space",
        })
    }
}

impl core::error::Error for Violation {}

impl fmt::Display for InsertError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(formatter),
            Self::NoMemory => formatter.write_str("no block left for the fragment"),
        }
    }
}

impl core::error::Error for InsertError {}

/// What an insertion changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inserted {
    /// Positions not received before.
    pub(crate) new_positions: u64,
    /// The largest end position seen so far.
    pub(crate) highest: u64,
}

/// A part of one message, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// Bytes copied.
    pub length: usize,
    /// The message begins with this chunk.
    pub begin: bool,
    /// The message ends with this chunk.
    pub end: bool,
}

impl Chunk {
    /// A message of `length` bytes that came as one.
    #[must_use]
    pub const fn whole(length: usize) -> Self {
        Self { length, begin: true, end: true }
    }
}

/// Fragments from arrival until they are read.
///
/// The chain holds, in ascending order, just the blocks with something received and not read. Invariants: no block lies wholly
/// below `read`; `read..contiguous` is received and `contiguous` is not; `message_end` is the first terminator in it.
pub(crate) struct Assembler {
    head: Option<BlockId>,
    tail: Option<BlockId>,
    blocks: u32,
    read: u64,
    contiguous: u64,
    highest: u64,
    message_end: OptionalNumber,
    /// Where the first complete message begins that was not read, and the block that holds that position. Kept for unordered channels only.
    complete: OptionalNumber,
    complete_block: Option<BlockId>,
    /// Position `read` begins a message.
    between_messages: bool,
    /// Hint: the block the last insertion ended in.
    cursor: Option<BlockId>,
}

/// A fragment, cut to what has not been read.
struct Claim {
    fragment: Fragment,
    from: u64,
    data_end: u64,
    to: u64,
}

impl Claim {
    fn terminator(&self) -> Option<u64> {
        self.fragment.end.then_some(self.data_end)
    }

    /// The message's first position, unless it was read.
    fn first(&self) -> Option<u64> {
        (self.fragment.begin && self.fragment.offset == self.from).then_some(self.from)
    }
}

impl Assembler {
    pub(crate) const fn new() -> Self {
        Self {
            head: None,
            tail: None,
            blocks: 0,
            read: 0,
            contiguous: 0,
            highest: 0,
            message_end: OptionalNumber::NONE,
            complete: OptionalNumber::NONE,
            complete_block: None,
            between_messages: true,
            cursor: None,
        }
    }

    /// Stores a fragment, or changes nothing. Of positions received before, the first bytes stay.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        fragment: &Fragment,
        data: &[u8],
    ) -> Result<Inserted, InsertError> {
        let to = fragment.end_offset().ok_or(Violation::OffsetOverflow)?;
        match self.insert_next(pool, reservation, (fragment, to), data) {
            Some(()) => Ok(Inserted { new_positions: fragment.positions(), highest: to }),
            None => self.insert_between(pool, reservation, fragment, data),
        }
    }

    /// Stores what stands anywhere: before something that was received, or behind a hole.
    #[inline(never)]
    fn insert_between(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        fragment: &Fragment,
        data: &[u8],
    ) -> Result<Inserted, InsertError> {
        let claim = &self.claim(fragment, data.len())?;
        let origin = self.origin(pool, claim);
        self.examine(pool, origin, claim)?;
        if self.missing(pool, origin, claim) > reservation.remaining() {
            return Err(InsertError::NoMemory);
        }
        let new_positions = self.store(pool, reservation, origin, claim, data);
        if fragment.positions() > 0 {
            self.highest = self.highest.max(claim.to);
        }
        if claim.from <= self.contiguous && self.contiguous < claim.to {
            self.advance(pool, origin.or(self.head));
        }
        Ok(Inserted { new_positions, highest: self.highest })
    }

    /// Consumes the next bytes of the current message, its terminator too if it follows at once; `None` if there are none.
    #[inline]
    pub(crate) fn read(&mut self, pool: &mut Pool, reservation: &mut Reservation, out: &mut [u8]) -> Option<Chunk> {
        match self.read_last(pool, reservation, out) {
            Some(chunk) => Some(chunk),
            None => self.read_next(pool, reservation, out),
        }
    }

    #[inline(never)]
    fn read_next(&mut self, pool: &mut Pool, reservation: &mut Reservation, out: &mut [u8]) -> Option<Chunk> {
        let per_block = per_block(pool);
        let begin = self.between_messages;
        let stop = self.read.saturating_add(out.len() as u64).min(self.message_end.get().unwrap_or(self.contiguous));
        let mut length = 0;
        while let Some(head) = self.head.filter(|_| self.read < stop) {
            let start = self.read - self.read % per_block;
            let (low, high) = ((self.read - start) as usize, (stop - start).min(per_block) as usize);
            let data = &block_map::data(pool, head)[low..high];
            out[length..length + data.len()].copy_from_slice(data);
            length += data.len();
            self.read = start + high as u64;
            if high as u64 == per_block {
                self.free_head(pool, reservation);
            } else {
                self.free_read(pool, reservation);
            }
        }
        let end = self.message_end.get() == Some(self.read);
        if end {
            self.read += 1;
            self.free_read(pool, reservation);
            self.message_end = self.find_end(pool, self.head, self.read).into();
        } else if length == 0 {
            return None;
        }
        self.between_messages = end;
        Some(Chunk { length, begin, end })
    }

    /// The rest of a message with its terminator, if nothing else is there and `out` is long enough: the same with less to look at.
    #[inline(never)]
    pub(crate) fn read_last(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        out: &mut [u8],
    ) -> Option<Chunk> {
        let head = self.head.filter(|_| self.contiguous == self.highest)?;
        let end = self.message_end.get().filter(|end| *end + 1 == self.highest)?;
        let (length, at) = ((end - self.read) as usize, (self.read % per_block(pool)) as usize);
        let out = out.get_mut(..length)?;
        match block_map::data(pool, head).get(at..at + length) {
            Some(data) => out.copy_from_slice(data),
            None => copy_chain(pool, head, at, out),
        }
        self.read = self.highest;
        self.message_end = OptionalNumber::NONE;
        while self.head.is_some() {
            self.free_head(pool, reservation);
        }
        Some(Chunk { length, begin: core::mem::replace(&mut self.between_messages, true), end: true })
    }

    /// The bytes left of the current message, if it is there up to its terminator.
    pub(crate) fn message_length(&self) -> Option<u64> {
        self.message_end.get().map(|end| end - self.read)
    }

    /// Something is there to be read.
    pub(crate) fn readable(&self) -> bool {
        self.read < self.contiguous
    }

    /// Every position below this one was received.
    pub(crate) fn contiguous_to(&self) -> u64 {
        self.contiguous
    }

    /// Every position below this one was read.
    pub(crate) fn read_offset(&self) -> u64 {
        self.read
    }

    /// The largest end position seen.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    pub(crate) fn blocks_held(&self) -> u32 {
        self.blocks
    }

    /// Frees every block; what was received and not read is as if never received.
    pub(crate) fn release(&mut self, pool: &mut Pool, reservation: &mut Reservation) {
        while self.head.is_some() {
            self.free_head(pool, reservation);
        }
        self.contiguous = self.read;
        (self.message_end, self.complete, self.complete_block) = Default::default();
    }

    /// Nothing is of interest any more: frees every block, and every position below `end` counts as received and read.
    pub(crate) fn abandon(&mut self, pool: &mut Pool, reservation: &mut Reservation, end: u64) {
        self.release(pool, reservation);
        self.highest = self.highest.max(end);
        (self.read, self.contiguous) = (self.highest, self.highest);
        self.between_messages = true;
    }

    /// Whether the highest position received, if any, is the terminator of a message.
    #[inline]
    pub(crate) fn ends_with_a_message(&self, pool: &Pool) -> bool {
        let Some(tail) = self.tail else { return self.between_messages };
        if !block_map::is_marked(pool, tail, HAS_END) {
            return false;
        }
        let per_block = per_block(pool);
        let last = self.highest.saturating_sub(1);
        block_map::index(pool, tail) == last / per_block
            && block_map::get(block_map::map(pool, tail, END), (last % per_block) as usize)
    }

    /// Feeds the state and the blocks held; hints are no state.
    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self {
            head,
            tail: _,
            blocks,
            read,
            contiguous,
            highest,
            message_end,
            complete,
            complete_block: _,
            between_messages,
            cursor: _,
        } = self;
        hash.u64(u64::from(*blocks));
        for value in [read, contiguous, highest] {
            hash.u64(*value);
        }
        hash.option(message_end.get());
        hash.option(complete.get());
        hash.flag(*between_messages);
        let mut block = *head;
        while let Some(id) = block {
            hash.bytes(pool.bytes(id));
            block = pool.next(id);
        }
    }

    fn claim(&self, fragment: &Fragment, data_len: usize) -> Result<Claim, Violation> {
        let to = fragment.end_offset().ok_or(Violation::OffsetOverflow)?;
        if data_len != fragment.length {
            return Err(Violation::Contradiction);
        }
        let data_end = to - u64::from(fragment.end);
        Ok(Claim { fragment: *fragment, from: fragment.offset.max(self.read), data_end, to })
    }

    /// Where walks for `claim` start: the last block not above the position before it. `None`: the head, if any, is above.
    fn origin(&self, pool: &Pool, claim: &Claim) -> Option<BlockId> {
        self.near(pool, claim.from.saturating_sub(1) / per_block(pool))
    }

    /// The last block not above `index`.
    fn near(&self, pool: &Pool, index: u64) -> Option<BlockId> {
        let mut nearest = None;
        for hint in [self.head, self.cursor, self.tail].into_iter().flatten() {
            let hinted = block_map::index(pool, hint);
            if hinted <= index && nearest.is_none_or(|(highest, _)| hinted > highest) {
                nearest = Some((hinted, hint));
            }
        }
        let (_, mut block) = nearest?;
        while let Some(next) = pool.next(block).filter(|next| block_map::index(pool, *next) <= index) {
            block = next;
        }
        Some(block)
    }

    /// Looks for contradictions, walking from `origin`.
    fn examine(&self, pool: &Pool, origin: Option<BlockId>, claim: &Claim) -> Result<(), Violation> {
        if claim.fragment.positions() == 0 || claim.to < self.read {
            return Ok(());
        }
        // What precedes `read` may be gone, but whether it was a terminator is known.
        let agrees = if claim.to == self.read {
            claim.fragment.end == self.between_messages
        } else if claim.fragment.offset <= self.read {
            (claim.fragment.begin && claim.fragment.offset == self.read) == self.between_messages
        } else {
            true
        };
        if !agrees {
            return Err(Violation::Contradiction);
        }
        let per_block = per_block(pool);
        let mut block = origin.or(self.head);
        while let Some(id) = block {
            let start = block_map::index(pool, id) * per_block;
            if start > claim.to {
                break;
            }
            if self.contradicts(&block_map::view(pool, id).maps, start, claim) {
                return Err(Violation::Contradiction);
            }
            block = pool.next(id);
        }
        Ok(())
    }

    /// Whether the block at `start` disagrees with `claim`.
    fn contradicts(&self, maps: &[&[u8]; 3], start: u64, claim: &Claim) -> bool {
        let width = maps[RECEIVED].len() * 8;
        let fragment = &claim.fragment;
        let place = |position: u64| position.checked_sub(start).filter(|at| *at < width as u64).map(|at| at as usize);
        let known = |position: u64, map: usize| {
            let at = place(position).filter(|_| position >= self.read)?;
            let received = position < self.contiguous || block_map::get(maps[RECEIVED], at);
            received.then(|| block_map::get(maps[map], at))
        };
        let before = fragment.offset.checked_sub(1).and_then(|position| known(position, END));
        let first = known(fragment.offset, BEGIN);
        let terminator = claim.terminator().and_then(|position| known(position, END));
        let after = known(claim.to, BEGIN);
        if before.is_some_and(|end| end != fragment.begin)
            || first.is_some_and(|begin| begin != fragment.begin)
            || terminator == Some(false)
            || after.is_some_and(|begin| begin != fragment.end)
        {
            return true;
        }
        let bound = |position: u64| position.saturating_sub(start).min(width as u64) as usize;
        let inner = claim.from.max(fragment.offset + 1);
        first_set(maps[END], bound(claim.from), bound(claim.data_end)).is_some()
            || first_set(maps[BEGIN], bound(inner), bound(claim.to)).is_some()
    }

    /// Blocks that `claim` touches and the chain lacks.
    fn missing(&self, pool: &Pool, origin: Option<BlockId>, claim: &Claim) -> u32 {
        if claim.from >= claim.to {
            return 0;
        }
        let per_block = per_block(pool);
        let (first, last) = (claim.from / per_block, (claim.to - 1) / per_block);
        let mut missing = last - first + 1;
        let mut block = origin.or(self.head);
        while let Some(id) = block {
            let index = block_map::index(pool, id);
            if index > last {
                break;
            }
            missing -= u64::from(index >= first);
            block = pool.next(id);
        }
        u32::try_from(missing).unwrap_or(u32::MAX)
    }

    /// Writes `claim` into its blocks, taking those that are missing; returns how many positions are new.
    fn store(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        origin: Option<BlockId>,
        claim: &Claim,
        data: &[u8],
    ) -> u64 {
        let per_block = per_block(pool);
        let mut previous = origin;
        let mut new_positions = 0;
        let mut at = claim.from;
        while at < claim.to {
            let index = at / per_block;
            let Some(block) = self.block_at(pool, reservation, previous, index) else { break };
            let start = index * per_block;
            new_positions += fill(block_map::view_mut(pool, block), start, claim, data, self.contiguous);
            if claim.terminator().is_some_and(|terminator| terminator / per_block == index) {
                block_map::mark(pool, block, HAS_END, true);
            }
            at = start + per_block;
            previous = Some(block);
            self.cursor = previous;
        }
        new_positions
    }

    /// The block with this index, taken and linked if missing; `previous` is a block not above it, `None` if there is none.
    fn block_at(
        &mut self,
        pool: &mut Pool,
        reservation: &mut Reservation,
        mut previous: Option<BlockId>,
        index: u64,
    ) -> Option<BlockId> {
        let following = loop {
            let following = previous.map_or(self.head, |previous| pool.next(previous));
            match following.filter(|block| block_map::index(pool, *block) <= index) {
                Some(block) => previous = Some(block),
                None => break following,
            }
        };
        if let Some(block) = previous.filter(|block| block_map::index(pool, *block) == index) {
            return Some(block);
        }
        let block = pool.take_reserved(reservation)?;
        block_map::label(pool, block, index, false);
        pool.set_next(block, following);
        match previous {
            Some(previous) => pool.set_next(previous, Some(block)),
            None => self.head = Some(block),
        }
        if following.is_none() {
            self.tail = Some(block);
        }
        self.blocks += 1;
        Some(block)
    }

    /// Moves `contiguous` up after the gap at it was filled; `near` is a block not above it.
    fn advance(&mut self, pool: &Pool, near: Option<BlockId>) {
        let per_block = per_block(pool);
        let gap = self.contiguous;
        let mut block = near;
        while let Some(id) = block.filter(|id| block_map::index(pool, *id) < gap / per_block) {
            block = pool.next(id);
        }
        let frontier = block;
        while let Some(id) = block {
            let start = block_map::index(pool, id) * per_block;
            let Some(from) = self.contiguous.checked_sub(start) else { break };
            let received = block_map::map(pool, id, RECEIVED);
            let missing = first_clear(received, from as usize, per_block as usize);
            self.contiguous = start + missing.map_or(per_block, |at| at as u64);
            if missing.is_some() {
                break;
            }
            block = pool.next(id);
        }
        if self.message_end.get().is_none() {
            self.message_end = self.find_end(pool, frontier, gap).into();
        }
    }

    /// The first terminator in `from..contiguous`; `block` holds `from`.
    fn find_end(&self, pool: &Pool, mut block: Option<BlockId>, from: u64) -> Option<u64> {
        let per_block = per_block(pool);
        while let Some(id) = block {
            let start = block_map::index(pool, id) * per_block;
            if start >= self.contiguous {
                break;
            }
            if block_map::is_marked(pool, id, HAS_END) {
                let bound = (self.contiguous - start).min(per_block) as usize;
                let low = from.saturating_sub(start) as usize;
                if let Some(at) = first_set(block_map::map(pool, id, END), low, bound) {
                    return Some(start + at as u64);
                }
            }
            block = pool.next(id);
        }
        None
    }

    /// Frees the head if nothing received in it is unread.
    fn free_read(&mut self, pool: &mut Pool, reservation: &mut Reservation) {
        let Some(head) = self.head else { return };
        let width = per_block(pool);
        let from = self.read.saturating_sub(block_map::index(pool, head) * width);
        let unread = from < width
            && (self.read < self.contiguous
                || (self.contiguous != self.highest
                    && first_set(block_map::map(pool, head, RECEIVED), from as usize, width as usize).is_some()));
        if !unread {
            self.free_head(pool, reservation);
        }
    }

    #[inline]
    fn free_head(&mut self, pool: &mut Pool, reservation: &mut Reservation) {
        let Some(head) = self.head else { return };
        self.head = pool.next(head);
        if self.head.is_none() {
            self.tail = None;
        }
        self.cursor.take_if(|cursor| *cursor == head);
        self.blocks -= 1;
        pool.free_reserved(head, reservation);
    }
}

/// Fills `out` with what lies from `at` on in a chain of blocks.
#[inline(never)]
fn copy_chain(pool: &Pool, head: BlockId, at: usize, mut out: &mut [u8]) {
    let (mut block, mut at) = (Some(head), at);
    while let Some(id) = block.filter(|_| !out.is_empty()) {
        let data = &block_map::data(pool, id)[at..];
        let (now, later) = out.split_at_mut(data.len().min(out.len()));
        now.copy_from_slice(&data[..now.len()]);
        (block, at, out) = (pool.next(id), 0, later);
    }
}

/// Writes the part of `claim` that lies in the block at `start`, given up to where all was received; returns how many positions are new.
fn fill(block: block_map::BlockMut<'_>, start: u64, claim: &Claim, data: &[u8], contiguous: u64) -> u64 {
    let block_map::BlockMut { data: stored, mut maps } = block;
    let width = stored.len() as u64;
    let bound = |position: u64| position.saturating_sub(start).min(width) as usize;
    let (low, high, data_high) = (bound(claim.from.max(contiguous)), bound(claim.to), bound(claim.data_end));
    let mut new_positions = 0;
    let mut at = low;
    while let Some(gap) = first_clear(maps[RECEIVED], at, high) {
        let end = first_set(maps[RECEIVED], gap, high).unwrap_or(high);
        new_positions += (end - gap) as u64;
        let data_end = end.min(data_high);
        if gap < data_end {
            let source = (start + gap as u64 - claim.fragment.offset) as usize;
            stored[gap..data_end].copy_from_slice(&data[source..source + (data_end - gap)]);
        }
        at = end;
    }
    block_map::set_range(maps[RECEIVED], low, high);
    let mut mark = |map: usize, position: Option<u64>| {
        if let Some(at) = position.filter(|at| (start..start + width).contains(at)) {
            block_map::set(maps[map], (at - start) as usize);
        }
    };
    mark(END, claim.terminator());
    mark(BEGIN, claim.first());
    new_positions
}

#[inline]
fn per_block(pool: &Pool) -> u64 {
    pool.positions() as u64
}

#[cfg(test)]
mod tests;
