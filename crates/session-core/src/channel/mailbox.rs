//! The receiving half of unreliable and latest-value channels: messages from fragments that may never come.
//!
//! A fragment names its message by number and its place in it by offset. At most two messages are incomplete at a time; the
//! lower-numbered one goes when a third begins, or for want of room. Complete messages stand in one chain of blocks until they are read: unreliable
//! ones that came in one part share blocks where they fit (see [`page`]), and the others have theirs to themselves.

mod page;

use super::block_map::{self, first_clear, first_set};
use crate::optional::OptionalNumber;
use crate::pool::{BlockId, Pool};
use crate::state_hash::StateHash;

/// Bitmap of received bytes in a block of an incomplete message.
const RECEIVED: usize = 0;
/// Messages that may be incomplete at a time (P-9.1-5).
const PARTIAL: usize = 2;

/// One MESSAGE frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessagePart<'a> {
    pub(crate) number: u64,
    pub(crate) offset: u64,
    /// The message ends with these bytes.
    pub(crate) last: bool,
    pub(crate) data: &'a [u8],
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// Its message is complete and can be read.
    Complete,
    /// It was kept, or was known or outdated.
    Kept,
    /// There was no room for it, but for so many blocks that others hold. A latest value has to come again, and nothing has changed; an unreliable
    /// message is given up.
    NoRoom(u32),
    /// It disagrees with what came before about where its message ends. Nothing has changed.
    Contradiction,
}

/// A message with parts missing.
#[derive(Clone, Copy)]
struct Partial {
    number: u64,
    head: Option<BlockId>,
    /// Bytes received.
    received: u64,
    /// The end of what was received.
    highest: u64,
    /// The length, once the last part is here.
    length: Option<u64>,
}

/// See the module's documentation.
pub(crate) struct Mailbox {
    partial: [Option<Partial>; PARTIAL],
    /// Complete messages: pages, and between them messages each of which begins a block whose header word is its length.
    first: Option<BlockId>,
    last: Option<BlockId>,
    blocks: u32,
    /// Blocks it may hold.
    budget: u32,
    /// Only the newest message counts.
    latest_only: bool,
    /// Latest-value: numbers below are outdated.
    next_number: u64,
    /// Messages given up for want of room, or because newer ones came.
    dropped: u64,
    /// The last of them of which parts may still come: they belong to nothing and are not counted again.
    given_up: OptionalNumber,
}

impl Mailbox {
    pub(crate) const fn new(latest_only: bool, budget: u32) -> Self {
        Self {
            partial: [None; PARTIAL],
            first: None,
            last: None,
            blocks: 0,
            budget,
            latest_only,
            next_number: 0,
            dropped: 0,
            given_up: OptionalNumber::NONE,
        }
    }

    /// Takes one fragment in, for up to `room` blocks more than before.
    pub(crate) fn post(&mut self, pool: &mut Pool, room: u32, part: &MessagePart<'_>) -> Posted {
        if (self.latest_only && part.number < self.next_number) || self.given_up.get() == Some(part.number) {
            return Posted::Kept;
        }
        let end = part.offset.saturating_add(part.data.len() as u64);
        if end > u64::from(self.budget).saturating_mul(per_block(pool) as u64) {
            self.give_up(pool, part.number);
            return Posted::Kept;
        }
        let known = self.place_of(part.number);
        if known.is_none() && self.shares_blocks(pool, part) {
            return self.post_whole(pool, room, part);
        }
        let before = known.and_then(|index| self.partial[index]);
        let mut partial =
            before.unwrap_or(Partial { number: part.number, head: None, received: 0, highest: 0, length: None });
        if partial.length.is_some_and(|length| end > length || (part.last && end != length))
            || (part.last && partial.highest > end)
        {
            return Posted::Contradiction;
        }
        let Some(index) = known.or_else(|| self.place_for(part.number)) else {
            self.give_up(pool, part.number);
            return Posted::Kept;
        };
        let missing = missing(pool, partial.head, part.offset, end);
        if let Err(lacking) = self.make_room(pool, room, missing, part.number, index, known.is_none()) {
            if !self.latest_only {
                self.give_up(pool, part.number);
            }
            return Posted::NoRoom(lacking);
        }
        self.blocks = self.blocks.saturating_add(missing);
        store(pool, &mut partial, part);
        partial.highest = partial.highest.max(end);
        if part.last {
            partial.length = Some(end);
        }
        if partial.length == Some(partial.received) {
            self.partial[index] = None;
            self.complete(pool, &partial);
            return Posted::Complete;
        }
        self.partial[index] = Some(partial);
        Posted::Kept
    }

    /// The part is all of a small message, which stands behind others.
    fn shares_blocks(&self, pool: &Pool, part: &MessagePart<'_>) -> bool {
        !self.latest_only && part.offset == 0 && part.last && part.data.len() <= page::largest(pool)
    }

    /// The last page, if the message of `part` fits there.
    fn open_page(&self, pool: &Pool, part: &MessagePart<'_>) -> Option<BlockId> {
        self.last.filter(|last| page::is_page(pool, *last) && page::has_room(pool, *last, part.data.len()))
    }

    /// Takes the whole message of `part` in: on the last page, or on a new one. Where room for that is missing, an older message with parts missing
    /// goes for it, as for any other.
    fn post_whole(&mut self, pool: &mut Pool, room: u32, part: &MessagePart<'_>) -> Posted {
        if let Some(page) = self.open_page(pool, part)
            && page::append(pool, page, part.data)
        {
            return Posted::Complete;
        }
        if room.min(self.budget.saturating_sub(self.blocks)).min(pool.open_available()) == 0 {
            let is_older = |place: &usize| self.partial[*place].is_some_and(|it| it.number < part.number);
            let older = (0..PARTIAL).filter(is_older).find(|place| self.replaced_by(pool, *place) > 0);
            let Some(older) = older else {
                self.note_given_up(part.number);
                return Posted::NoRoom(1);
            };
            self.clear_place(pool, older);
        }
        let Some(page) = pool.take_open() else {
            self.note_given_up(part.number);
            return Posted::NoRoom(1);
        };
        self.blocks = self.blocks.saturating_add(1);
        page::open(pool, page);
        let is_there = page::append(pool, page, part.data);
        debug_assert!(is_there, "it is no longer than a page holds");
        self.append(pool, page);
        Posted::Complete
    }

    /// Whether a fragment may need blocks that are not there; `false` if it is known or outdated.
    pub(crate) fn wants_room(&self, pool: &Pool, part: &MessagePart<'_>) -> bool {
        if (self.latest_only && part.number < self.next_number) || self.given_up.get() == Some(part.number) {
            return false;
        }
        let known = self.partial.iter().flatten().find(|partial| partial.number == part.number);
        if known.is_none() && self.shares_blocks(pool, part) {
            return self.open_page(pool, part).is_none();
        }
        let end = part.offset.saturating_add(part.data.len() as u64);
        missing(pool, known.and_then(|partial| partial.head), part.offset, end) > 0
    }

    /// Drops the oldest message: of those with parts missing, which may never be whole, else of those that nobody has read. `false` if there is none.
    pub(crate) fn drop_oldest(&mut self, pool: &mut Pool) -> bool {
        let number = |index: &usize| self.partial[*index].map(|partial| partial.number);
        if let Some(oldest) = (0..PARTIAL).filter(|index| number(index).is_some()).min_by_key(number) {
            self.clear_place(pool, oldest);
            return true;
        }
        let Some(length) = self.message_length(pool) else { return false };
        if self.pass_on_page(pool) {
            self.dropped = self.dropped.saturating_add(1);
            return true;
        }
        for _ in 0..length.div_ceil(per_block(pool) as u64).max(1) {
            self.free_first(pool);
        }
        self.dropped = self.dropped.saturating_add(1);
        true
    }

    /// Makes room for `missing` blocks of the message with this number, which stands at `index` or, where it is new, is to take that place. All or
    /// nothing: the error says how many blocks others would have to free.
    fn make_room(
        &mut self,
        pool: &mut Pool,
        room: u32,
        missing: u32,
        number: u64,
        index: usize,
        is_new: bool,
    ) -> Result<(), u32> {
        let available = pool.open_available().min(room);
        let lacking = |freed: u32| {
            let held = self.blocks.saturating_sub(freed);
            if held.saturating_add(missing) > self.budget {
                return u32::MAX;
            }
            missing.saturating_sub(available.saturating_add(freed))
        };
        let lacks_room = |freed: u32| lacking(freed) > 0;
        let replaced = if is_new { self.replaced_by(pool, index) } else { 0 };
        // Where the memory is missing, an older message with parts missing goes for it: it may never become complete, and would be in the
        // way of all that come.
        let older = self.older_than(number, index).filter(|_| lacks_room(replaced));
        let given_up = older.map_or(0, |older| self.replaced_by(pool, older));
        // So does, for a newer value, the one that nobody has read: whoever reads too late finds nothing until the newer one is whole.
        let freed = replaced.saturating_add(given_up);
        let outdated = self.latest_only && self.first.is_some() && lacks_room(freed);
        let unread = if outdated { chain_length(pool, self.first) } else { 0 };
        let lacking = lacking(freed.saturating_add(unread));
        if lacking > 0 {
            return Err(lacking);
        }
        if outdated {
            self.dropped = self.dropped.saturating_add(1);
            self.clear_complete(pool);
        }
        if is_new {
            self.clear_place(pool, index);
        }
        if let Some(older) = older {
            self.clear_place(pool, older);
        }
        Ok(())
    }

    /// The length of the next message to be read.
    pub(crate) fn message_length(&self, pool: &Pool) -> Option<u64> {
        let first = self.first?;
        if page::is_page(pool, first) {
            return page::first(pool, first).map(|message| message.len() as u64);
        }
        Some(block_map::index(pool, first))
    }

    /// Copies the next message into `out` and forgets it; `None` if there is none or it is longer than `out`.
    pub(crate) fn take(&mut self, pool: &mut Pool, out: &mut [u8]) -> Option<usize> {
        let length = usize::try_from(self.message_length(pool)?).ok()?;
        let out = out.get_mut(..length)?;
        if let Some(first) = self.first.filter(|first| page::is_page(pool, *first)) {
            out.copy_from_slice(page::first(pool, first)?);
            self.pass_on_page(pool);
            return Some(length);
        }
        for piece in out.chunks_mut(per_block(pool)) {
            let Some(first) = self.first else { break };
            piece.copy_from_slice(&block_map::view(pool, first).data[..piece.len()]);
            self.free_first(pool);
        }
        if length == 0 {
            self.free_first(pool);
        }
        Some(length)
    }

    /// Messages given up so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn blocks_held(&self) -> u32 {
        self.blocks
    }

    /// Frees every block; what was not read is gone.
    pub(crate) fn release(&mut self, pool: &mut Pool) {
        for index in 0..PARTIAL {
            self.clear_place(pool, index);
        }
        self.clear_complete(pool);
    }

    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self { partial, first, last: _, blocks, budget, latest_only, next_number, dropped, given_up } = self;
        let feed = |head: &Option<BlockId>, hash: &mut StateHash| {
            let mut block = *head;
            while let Some(id) = block {
                hash.bytes(pool.bytes(id));
                block = pool.next(id);
            }
        };
        for partial in partial.iter().flatten() {
            let Partial { number, head, received, highest, length } = partial;
            for value in [number, received, highest] {
                hash.u64(*value);
            }
            hash.option(*length);
            feed(head, hash);
        }
        feed(first, hash);
        hash.u64(u64::from(*blocks));
        hash.u64(u64::from(*budget));
        hash.flag(*latest_only);
        hash.u64(*next_number);
        hash.u64(*dropped);
        hash.option(given_up.get());
    }

    fn place_of(&self, number: u64) -> Option<usize> {
        self.partial.iter().position(|partial| partial.is_some_and(|it| it.number == number))
    }

    /// Where a message that begins now may stand: an empty place, or that of the oldest if it is older.
    fn place_for(&self, number: u64) -> Option<usize> {
        if let Some(empty) = self.partial.iter().position(Option::is_none) {
            return Some(empty);
        }
        let age = |index: &usize| self.partial[*index].map_or(0, |partial| partial.number);
        (0..PARTIAL).min_by_key(age).filter(|index| age(index) < number)
    }

    /// The place, other than `index`, of an incomplete message before `number`.
    fn older_than(&self, number: u64, index: usize) -> Option<usize> {
        (0..PARTIAL).find(|other| *other != index && self.partial[*other].is_some_and(|it| it.number < number))
    }

    /// Blocks that go when a new message takes the place at `index`.
    fn replaced_by(&self, pool: &Pool, index: usize) -> u32 {
        self.partial[index].map_or(0, |partial| chain_length(pool, partial.head))
    }

    /// Counts a message that will never be whole, and frees what there is of it.
    fn give_up(&mut self, pool: &mut Pool, number: u64) {
        match self.place_of(number) {
            Some(index) => self.clear_place(pool, index),
            None => self.note_given_up(number),
        }
    }

    fn note_given_up(&mut self, number: u64) {
        self.dropped = self.dropped.saturating_add(1);
        self.given_up = number.into();
    }

    fn clear_place(&mut self, pool: &mut Pool, index: usize) {
        let Some(partial) = self.partial[index].take() else { return };
        self.note_given_up(partial.number);
        let mut block = partial.head;
        while let Some(id) = block {
            block = pool.next(id);
            pool.free_open(id);
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    /// Moves a message whose parts are all here to those that can be read.
    fn complete(&mut self, pool: &mut Pool, partial: &Partial) {
        let Some(head) = partial.head else { return };
        if self.latest_only {
            self.next_number = partial.number.saturating_add(1);
            self.clear_complete(pool);
            for index in 0..PARTIAL {
                if self.partial[index].is_some_and(|other| other.number < self.next_number) {
                    self.clear_place(pool, index);
                }
            }
        }
        block_map::label(pool, head, partial.received, false);
        self.append(pool, head);
    }

    /// Puts a chain of blocks behind the complete messages.
    fn append(&mut self, pool: &mut Pool, head: BlockId) {
        match self.last {
            Some(last) => pool.set_next(last, Some(head)),
            None => self.first = Some(head),
        }
        let mut tail = head;
        while let Some(next) = pool.next(tail) {
            tail = next;
        }
        self.last = Some(tail);
    }

    /// Forgets the next message if it stands on a page; `false` if it does not.
    fn pass_on_page(&mut self, pool: &mut Pool) -> bool {
        let Some(first) = self.first.filter(|first| page::is_page(pool, *first)) else { return false };
        if page::pass(pool, first) {
            self.free_first(pool);
        }
        true
    }

    fn clear_complete(&mut self, pool: &mut Pool) {
        while self.first.is_some() {
            self.free_first(pool);
        }
    }

    fn free_first(&mut self, pool: &mut Pool) {
        let Some(first) = self.first else { return };
        self.first = pool.next(first);
        if self.first.is_none() {
            self.last = None;
        }
        self.blocks = self.blocks.saturating_sub(1);
        pool.free_open(first);
    }
}

/// The blocks that bytes `offset..end` of a message touch. An empty message takes one too.
fn touched(pool: &Pool, offset: u64, end: u64) -> core::ops::Range<u64> {
    let width = per_block(pool) as u64;
    let to = if end == 0 { 1 } else { end.div_ceil(width) };
    if offset == end && end > 0 { to..to } else { offset / width..to }
}

/// Blocks that bytes `offset..end` touch and the chain from `head` lacks.
fn missing(pool: &Pool, head: Option<BlockId>, offset: u64, end: u64) -> u32 {
    let touched = touched(pool, offset, end);
    let mut missing = touched.end.saturating_sub(touched.start);
    let mut block = head;
    while let Some(id) = block {
        missing -= u64::from(touched.contains(&block_map::index(pool, id)));
        block = pool.next(id);
    }
    u32::try_from(missing).unwrap_or(u32::MAX)
}

fn chain_length(pool: &Pool, head: Option<BlockId>) -> u32 {
    let mut length = 0;
    let mut block = head;
    while let Some(id) = block {
        length += 1;
        block = pool.next(id);
    }
    length
}

/// Writes the bytes of `part` that are not there yet; the blocks they need are available.
fn store(pool: &mut Pool, partial: &mut Partial, part: &MessagePart<'_>) {
    let width = per_block(pool) as u64;
    let end = part.offset.saturating_add(part.data.len() as u64);
    let mut previous = None;
    for index in touched(pool, part.offset, end) {
        let Some(block) = block_at(pool, partial, previous, index) else { return };
        let start = index * width;
        let low = part.offset.saturating_sub(start).min(width) as usize;
        let high = end.saturating_sub(start).min(width) as usize;
        let block_map::BlockMut { data, maps } = block_map::view_mut(pool, block);
        let mut at = low;
        while let Some(gap) = first_clear(maps[RECEIVED], at, high) {
            at = first_set(maps[RECEIVED], gap, high).unwrap_or(high);
            let source = (start + gap as u64 - part.offset) as usize;
            data[gap..at].copy_from_slice(&part.data[source..source + (at - gap)]);
            partial.received += (at - gap) as u64;
        }
        block_map::set_range(maps[RECEIVED], low, high);
        previous = Some(block);
    }
}

/// The block with this index, taken and linked if missing; `previous` is a block below it, if one is known.
fn block_at(pool: &mut Pool, partial: &mut Partial, mut previous: Option<BlockId>, index: u64) -> Option<BlockId> {
    let following = loop {
        let following = previous.map_or(partial.head, |previous| pool.next(previous));
        match following.filter(|block| block_map::index(pool, *block) <= index) {
            Some(block) => previous = Some(block),
            None => break following,
        }
    };
    if let Some(block) = previous.filter(|block| block_map::index(pool, *block) == index) {
        return Some(block);
    }
    let block = pool.take_open()?;
    block_map::label(pool, block, index, false);
    pool.set_next(block, following);
    match previous {
        Some(previous) => pool.set_next(previous, Some(block)),
        None => partial.head = Some(block),
    }
    Some(block)
}

fn per_block(pool: &Pool) -> usize {
    pool.positions()
}

#[cfg(test)]
mod tests;
