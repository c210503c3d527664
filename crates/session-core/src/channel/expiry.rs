//! Messages with a deadline: what a sender knows of them until they are acknowledged, or given up and told (protocol §9.3).

use super::Channel;
use crate::channel_config::ChannelMode;
use crate::limits::MAX_EXPIRING;
use crate::optional::OptionalNumber;
use crate::pool::{BlockId, Pool};
use crate::state_hash::StateHash;
use crate::time::Instant;

/// Bytes of an entry in a block.
const ENTRY: usize = 24;
/// In place of a deadline: the message has expired, and the application has not been told which.
const EXPIRED: u64 = u64::MAX;
/// The same, and it has.
const TOLD: u64 = u64::MAX - 1;

/// One message: the positions `begin..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    begin: u64,
    end: u64,
    /// Microseconds, or one of the marks above.
    deadline: u64,
}

impl Entry {
    /// The same for the next review to remove.
    fn forgotten(self) -> Self {
        Self { begin: self.end, deadline: TOLD, ..self }
    }
}

/// The messages of one channel that have a deadline, and those that missed it.
pub(crate) struct Expiry {
    head: Option<BlockId>,
    count: u32,
    earliest: Instant,
    /// There is a message that has not arrived, or one that was given up and has something before it that may arrive.
    open: bool,
    /// Messages that expired so far.
    expired: u64,
    /// All below is acknowledged or given up, and the last message is given up: SKIP says so.
    skip_to: u64,
    /// The packet that said so last, and how far.
    packet: OptionalNumber,
    said: u64,
    /// The peer knows so far.
    known: u64,
}

impl Expiry {
    pub(crate) const fn new() -> Self {
        Self {
            head: None,
            count: 0,
            earliest: Instant::MAX,
            open: false,
            expired: 0,
            skip_to: 0,
            packet: OptionalNumber::NONE,
            said: 0,
            known: 0,
        }
    }

    /// Takes a place for a message that begins at `begin`; `false` and no change if there is none.
    pub(crate) fn note(&mut self, pool: &mut Pool, begin: u64, deadline: Instant) -> bool {
        if self.count >= MAX_EXPIRING && self.oldest_told(pool).is_none() {
            return false;
        }
        let deadline = deadline.as_micros().min(TOLD - 1);
        self.push(pool, Entry { begin, end: u64::MAX, deadline })
    }

    /// The message noted last was taken up to `end`, or not at all.
    pub(crate) fn settle(&mut self, pool: &mut Pool, end: Option<u64>) {
        let Some(last) = self.count.checked_sub(1) else { return };
        match (end, self.get(pool, last)) {
            (Some(end), Some(entry)) => {
                self.set(pool, last, Entry { end, ..entry });
                self.open = true;
                self.earliest = self.earliest.min(Instant::from_micros(entry.deadline));
                if let Some((index, _)) = self.oldest_told(pool).filter(|_| self.count > MAX_EXPIRING) {
                    self.remove(pool, index);
                }
            }
            _ => self.remove(pool, last),
        }
    }

    /// When something expires next; the last instant of all: never.
    pub(crate) fn earliest(&self) -> Instant {
        self.earliest
    }

    /// Messages that expired so far.
    pub(crate) fn expired(&self) -> u64 {
        self.expired
    }

    /// The end of the first expired message the application was not told of; it is told now.
    pub(crate) fn take(&mut self, pool: &mut Pool) -> Option<u64> {
        let (index, entry) = self.first(pool, |entry| entry.deadline == EXPIRED)?;
        self.set(pool, index, Entry { deadline: TOLD, ..entry });
        self.sweep(pool, |entry| entry.deadline == TOLD && entry.begin == entry.end);
        Some(entry.end)
    }

    /// What SKIP has to say, where it may name positions up to `limit`.
    pub(crate) fn due(&self, limit: u64) -> Option<u64> {
        let to = self.skip_to.min(limit);
        (to > self.said).then_some(to)
    }

    /// SKIP left in packet `number`.
    pub(crate) fn on_said(&mut self, to: u64, number: u64) {
        self.said = to;
        self.packet = number.into();
    }

    /// A packet that carried SKIP was acknowledged, or lost.
    pub(crate) fn on_packet(&mut self, number: u64, acknowledged: bool) {
        if self.packet.get() == Some(number) {
            self.packet = OptionalNumber::NONE;
            if acknowledged { self.known = self.said } else { self.said = self.known }
        }
    }

    /// The peer knows of everything that was given up.
    pub(crate) fn is_known(&self) -> bool {
        self.known >= self.skip_to
    }

    /// Something is to expire yet, or to be said.
    pub(crate) fn is_live(&self) -> bool {
        self.open || !self.is_known()
    }

    /// Nothing was said to the peer that sending goes on with.
    pub(crate) fn begin_anew(&mut self) {
        (self.packet, self.said, self.known) = (OptionalNumber::NONE, 0, 0);
    }

    /// Nothing more is sent: what has not expired does not any more.
    pub(crate) fn end(&mut self, pool: &mut Pool) {
        self.sweep(pool, |entry| entry.deadline < TOLD);
        self.skip_to = self.known;
        self.earliest = Instant::MAX;
        self.open = false;
    }

    pub(crate) fn release(&mut self, pool: &mut Pool) {
        while self.count > 0 {
            self.remove(pool, self.count - 1);
        }
    }

    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self { head, count, earliest, open, expired, skip_to, packet, said, known } = self;
        for number in [u64::from(*count), earliest.as_micros(), *expired, *skip_to, *said, *known] {
            hash.u64(number);
        }
        hash.option(packet.get());
        hash.flag(*open);
        let mut block = *head;
        while let Some(id) = block {
            hash.bytes(pool.bytes(id));
            block = pool.next(id);
        }
    }

    /// The first message that expired and is kept for the application only. Where its place is needed, it stays counted.
    fn oldest_told(&self, pool: &Pool) -> Option<(u32, Entry)> {
        self.first(pool, |entry| entry.deadline == EXPIRED && entry.begin == entry.end)
    }

    /// It never had a message.
    pub(crate) fn is_unused(&self) -> bool {
        self.count == 0 && self.expired == 0
    }

    /// All places are taken.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= MAX_EXPIRING
    }

    /// One more place takes a block.
    pub(crate) fn needs_block(&self, pool: &Pool) -> bool {
        self.count.is_multiple_of(entries_per_block(pool))
    }

    fn first(&self, pool: &Pool, fits: impl Fn(&Entry) -> bool) -> Option<(u32, Entry)> {
        let entries = (0..self.count).filter_map(|index| Some((index, self.get(pool, index)?)));
        entries.filter(|(_, entry)| fits(entry)).min_by_key(|(_, entry)| entry.end)
    }

    /// Removes the entries that `goes` names.
    fn sweep(&mut self, pool: &mut Pool, goes: impl Fn(&Entry) -> bool) {
        for index in (0..self.count).rev() {
            if self.get(pool, index).is_some_and(|entry| goes(&entry)) {
                self.remove(pool, index);
            }
        }
    }

    fn push(&mut self, pool: &mut Pool, entry: Entry) -> bool {
        if self.needs_block(pool) {
            let Some(block) = pool.take_open() else { return false };
            match self.count.checked_sub(1).and_then(|last| self.place(pool, last)) {
                Some((tail, _)) => pool.set_next(tail, Some(block)),
                None => self.head = Some(block),
            }
        }
        self.count += 1;
        self.set(pool, self.count - 1, entry);
        true
    }

    /// The last entry takes the place of the one removed.
    fn remove(&mut self, pool: &mut Pool, index: u32) {
        let Some(last) = self.count.checked_sub(1) else { return };
        if let Some(entry) = self.get(pool, last) {
            self.set(pool, index, entry);
        }
        if last.is_multiple_of(entries_per_block(pool)) {
            if let Some((block, _)) = self.place(pool, last) {
                pool.free_open(block);
            }
            match last.checked_sub(1).and_then(|before| self.place(pool, before)) {
                Some((tail, _)) => pool.set_next(tail, None),
                None => self.head = None,
            }
        }
        self.count = last;
    }

    fn get(&self, pool: &Pool, index: u32) -> Option<Entry> {
        let (block, at) = self.place(pool, index)?;
        let bytes = pool.bytes(block).get(at..at + ENTRY)?;
        let word = |number: usize| {
            bytes.get(8 * number..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        Some(Entry { begin: word(0), end: word(1), deadline: word(2) })
    }

    fn set(&mut self, pool: &mut Pool, index: u32, entry: Entry) {
        let Some((block, at)) = self.place(pool, index) else { return };
        let Some(bytes) = pool.bytes_mut(block).get_mut(at..at + ENTRY) else { return };
        for (target, word) in bytes.chunks_exact_mut(8).zip([entry.begin, entry.end, entry.deadline]) {
            target.copy_from_slice(&word.to_le_bytes());
        }
    }

    fn place(&self, pool: &Pool, index: u32) -> Option<(BlockId, usize)> {
        let per_block = entries_per_block(pool);
        let mut block = self.head?;
        for _ in 0..index / per_block {
            block = pool.next(block)?;
        }
        Some((block, (index % per_block) as usize * ENTRY))
    }
}

impl Channel {
    /// Gives up the messages whose deadline has passed; returns whether there was one.
    pub(crate) fn expire(&mut self, pool: &mut Pool, expiry: &mut Expiry, now: Instant) -> bool {
        if expiry.earliest > now {
            return false;
        }
        let before = expiry.expired;
        for index in 0..expiry.count {
            let Some(entry) = expiry.get(pool, index) else { break };
            if entry.deadline > now.as_micros() || entry.deadline >= TOLD {
                continue;
            }
            if self.is_through(pool, &entry) {
                expiry.set(pool, index, entry.forgotten());
            } else {
                self.give_up(pool, &entry);
                expiry.expired = expiry.expired.saturating_add(1);
                expiry.set(pool, index, Entry { deadline: EXPIRED, ..entry });
            }
        }
        self.review(pool, expiry);
        expiry.expired > before
    }

    /// Forgets every message that has arrived, also behind some that have not: places are needed.
    pub(crate) fn make_places(&self, pool: &mut Pool, expiry: &mut Expiry) {
        for index in 0..expiry.count {
            if let Some(entry) =
                expiry.get(pool, index).filter(|entry| entry.deadline < TOLD && self.is_through(pool, entry))
            {
                expiry.set(pool, index, entry.forgotten());
            }
        }
        self.review(pool, expiry);
    }

    /// Sending has come further: forgets the messages that have arrived, and finds what SKIP may say. Each acknowledgement asks for it, so what
    /// has arrived behind something that has not is left for later.
    pub(crate) fn review(&self, pool: &mut Pool, expiry: &mut Expiry) {
        let acked_to = self.outbox.acked_to();
        let told = if self.mode.stands_alone() { u64::MAX } else { acked_to };
        let mut earliest = Instant::MAX;
        let mut open = false;
        for index in (0..expiry.count).rev() {
            let Some(entry) = expiry.get(pool, index) else { continue };
            if entry.deadline < TOLD {
                let is_through =
                    if self.mode.stands_alone() { self.is_through(pool, &entry) } else { entry.end <= acked_to };
                if is_through {
                    expiry.remove(pool, index);
                } else {
                    earliest = earliest.min(Instant::from_micros(entry.deadline));
                    open = true;
                }
            } else if entry.end <= told {
                if !self.mode.stands_alone() {
                    expiry.skip_to = expiry.skip_to.max(entry.end);
                }
                // From here on it is only kept for the application to ask.
                expiry.set(pool, index, Entry { begin: entry.end, ..entry });
            } else {
                open = true;
            }
        }
        expiry.sweep(pool, |entry| entry.deadline == TOLD && entry.begin == entry.end);
        (expiry.earliest, expiry.open) = (earliest, open);
    }

    /// The deadline means nothing any more: it has arrived, or, where nothing is sent twice, has left.
    fn is_through(&self, pool: &Pool, entry: &Entry) -> bool {
        match self.mode {
            ChannelMode::Unreliable => self.outbox.highest_sent() >= entry.end,
            // A newer value has taken its place.
            ChannelMode::LatestValue => self.outbox.acked_to() >= entry.end || self.outbox.write_offset() > entry.end,
            _ => self.outbox.is_acked(pool, entry.begin, entry.end),
        }
    }

    fn give_up(&mut self, pool: &mut Pool, entry: &Entry) {
        match self.mode {
            ChannelMode::LatestValue => self.outbox.release(pool),
            mode => {
                if mode == ChannelMode::Unreliable && self.outbox.highest_sent() > entry.begin {
                    // A part of it has left under its number.
                    self.pass_number();
                }
                self.outbox.give_up(pool, entry.begin, entry.end);
            }
        }
    }
}

fn entries_per_block(pool: &Pool) -> u32 {
    (pool.block_size() / ENTRY) as u32
}

#[cfg(test)]
mod tests;
