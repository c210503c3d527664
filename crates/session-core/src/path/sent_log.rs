//! The log of ack-eliciting packets on their way, and of the data each one carried.
//!
//! It lives in pool blocks, chained from oldest to newest. Two packets without data find room in the log itself, so that
//! control packets can be sent while the pool has nothing. Packets are visited by pulling: one per call, then what it carried, and
//! between two calls the caller may do with the pool what it likes. Work of a walk: blocks passed + packets met.

use crate::optional::OptionalNumber;
use crate::pool::{BlockId, Pool};
use crate::recovery::loss::LossThresholds;
use crate::state_hash::StateHash;
use crate::time::Instant;

mod entry;
mod only;
mod walk;

pub(crate) use entry::{DataRecord, PacketFlags, PacketRecord};
use entry::{FIRST_SLOT, HEAD_SIZE, HEAD_SLOTS, Head, Header, SLOT_SIZE};
pub(crate) use walk::Cursor;
use walk::{Place, Stage, Verdict};

/// Packets without data that need no block.
///
/// Two, for as many probes leave at a time; when both are taken, a probe takes the place of the older.
const RESERVE: usize = 2;
/// Slots used of a block, however large it is: slot arithmetic stays far inside `u16`.
const MAX_SLOTS: u16 = 4096;

/// Why a packet was not logged and must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogError {
    /// No room until packets are acknowledged or lost: back-pressure.
    Full,
    /// Packet numbers must ascend.
    NotAscending,
    /// More data records than a block holds: see [`SentLog::max_data_records`].
    TooManyRecords,
}

impl core::fmt::Display for LogError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Full => "no room to remember another packet",
            Self::NotAscending => "packet numbers must ascend",
            Self::TooManyRecords => "the packet carries more pieces of data than can be remembered",
        })
    }
}

impl core::error::Error for LogError {}

/// Where a packet would go.
pub(crate) enum Room {
    Tail(BlockId, Header),
    NewBlock,
    Reserve(usize),
}

/// The outstanding packets of one path, oldest first.
pub(crate) struct SentLog {
    reserve: [[u8; HEAD_SIZE]; RESERVE],
    head: Option<BlockId>,
    tail: Option<BlockId>,
    /// The block the last acknowledgement ended in; the next one mostly starts there.
    hint: Option<BlockId>,
    newest: OptionalNumber,
    last_sent_at: Instant,
    /// Fewer than 2³²: a window is far from it.
    bytes_in_flight: u32,
    /// Packets of lower numbers went over another path: they neither count as in flight nor say anything about this one.
    path_from: u64,
    packets: u32,
    /// Blocks freed so far, wrapping: tells cursors that their block may be gone.
    frees: u32,
    blocks: u16,
    dead_blocks: u16,
    max_blocks: u16,
    #[cfg(test)]
    steps: core::cell::Cell<u64>,
}

impl SentLog {
    /// An empty log that will never hold more than `max_blocks` blocks.
    pub(crate) fn new(max_blocks: u16) -> Self {
        Self {
            reserve: [[0; HEAD_SIZE]; RESERVE],
            head: None,
            tail: None,
            hint: None,
            newest: OptionalNumber::NONE,
            last_sent_at: Instant::EPOCH,
            bytes_in_flight: 0,
            path_from: 0,
            packets: 0,
            frees: 0,
            blocks: 0,
            dead_blocks: 0,
            max_blocks,
            #[cfg(test)]
            steps: core::cell::Cell::new(0),
        }
    }

    /// Data records one packet may have, given the blocks of `pool`.
    pub(crate) fn max_data_records(pool: &Pool) -> usize {
        usize::from(slots_per_block(pool).saturating_sub(FIRST_SLOT + HEAD_SLOTS).min(u16::from(u8::MAX)))
    }

    /// Whether [`SentLog::begin`] would find room for a packet with `data_records` pieces of data.
    pub(crate) fn room_for(&self, pool: &Pool, data_records: usize) -> bool {
        self.room(pool, data_records).is_some()
    }

    /// A packet with data needs a block, and the pool has none.
    pub(crate) fn wants_block(&self, pool: &Pool) -> bool {
        pool.record_available() == 0 && self.blocks < self.max_blocks && !self.room_for(pool, 1)
    }

    /// Remembers a packet about to be sent. On an error nothing has changed.
    pub(crate) fn begin(&mut self, pool: &mut Pool, head: &PacketRecord, data: &[DataRecord]) -> Result<(), LogError> {
        if self.newest.get().is_some_and(|newest| head.number <= newest) {
            return Err(LogError::NotAscending);
        }
        let Some(room) = self.room(pool, data.len()) else {
            let fits = data.len() <= Self::max_data_records(pool);
            return Err(if fits { LogError::Full } else { LogError::TooManyRecords });
        };
        self.begin_in(room, pool, head, data);
        Ok(())
    }

    /// The same where it is known that there is this `room`, and that the packet is the newest.
    #[inline]
    pub(crate) fn begin_in(&mut self, room: Room, pool: &mut Pool, head: &PacketRecord, data: &[DataRecord]) {
        debug_assert!(self.newest.get().is_none_or(|newest| head.number > newest), "packet numbers ascend");
        match room {
            Room::Tail(block, header) => {
                self.dead_blocks = self.dead_blocks.saturating_sub(u16::from(header.live == 0));
                append(pool.bytes_mut(block), header, head, data);
            }
            Room::NewBlock => {
                let grown = self.grow(pool);
                debug_assert!(grown.is_some(), "there is room for another block");
                let Some(block) = grown else { return };
                append(pool.bytes_mut(block), Header::NEW, head, data);
            }
            Room::Reserve(index) => entry::write_head(&mut self.reserve[index], 0, head, 0),
        }
        self.newest = head.number.into();
        self.last_sent_at = head.sent_at;
        self.packets = self.packets.saturating_add(1);
        self.bytes_in_flight = self.bytes_in_flight.saturating_add(u32::from(head.size));
    }

    /// Takes the next of the packets `low..=high`, which are acknowledged, out of the log; what it carried is [`SentLog::next_data`].
    ///
    /// The packets of a range come in no particular order. Give the ranges of one frame in ascending order:
    /// a walk starts where the last one ended, if it can.
    #[inline]
    pub(crate) fn next_acked(
        &mut self,
        pool: &mut Pool,
        low: u64,
        high: u64,
        cursor: &mut Cursor,
    ) -> Option<PacketRecord> {
        if self.packets == 0 && self.head == self.tail {
            // Nothing is outstanding any more, and no block waits to be passed.
            return None;
        }
        self.walk_acked(pool, low, high, cursor)
    }

    #[inline]
    fn walk_acked(&mut self, pool: &mut Pool, low: u64, high: u64, cursor: &mut Cursor) -> Option<PacketRecord> {
        if matches!(cursor.stage, Stage::Start) {
            self.enter(cursor, self.start_for(pool, low));
        }
        let found = self.find_and_prune(pool, cursor, low, |packet| match packet.number {
            number if number > high => Verdict::Stop,
            number if number < low => Verdict::Skip,
            _ => Verdict::Take,
        });
        if cursor.frees == self.frees {
            self.hint = cursor.last_block.or(self.hint);
        }
        self.take(pool, found)
    }

    /// Takes the next of the packets that are lost out of the log; what it carried is [`SentLog::next_data`]. A later acknowledgement of it is ignored.
    ///
    /// After the walk the cursor knows what the loss timer waits for.
    pub(crate) fn next_lost(
        &mut self,
        pool: &mut Pool,
        thresholds: &LossThresholds,
        cursor: &mut Cursor,
    ) -> Option<PacketRecord> {
        let mut earliest = cursor.earliest_outstanding;
        let found = self.find_and_prune(pool, cursor, 0, |packet| {
            if !thresholds.may_be_lost(packet.number) {
                return Verdict::Stop;
            }
            if thresholds.is_lost(packet.number, packet.sent_at) {
                return Verdict::Take;
            }
            earliest = Some(earliest.map_or(packet.sent_at, |earliest| earliest.min(packet.sent_at)));
            Verdict::Skip
        });
        cursor.earliest_outstanding = earliest;
        self.take(pool, found)
    }

    /// The next of what is outstanding, oldest data first, and changes nothing: what a probe may repeat.
    pub(crate) fn next_oldest(&self, pool: &Pool, cursor: &mut Cursor) -> Option<PacketRecord> {
        self.find(pool, cursor, 0, |_| Verdict::Take).map(|(_, head)| head.packet)
    }

    /// Forgets the oldest packet that found room only in the log itself, as if it were lost.
    ///
    /// During an outage probes fill that room; without this no further probe could ever be sent.
    pub(crate) fn evict_reserved(&mut self) -> Option<PacketRecord> {
        let oldest = (0..RESERVE)
            .filter_map(|index| Some((index, entry::read_head(&self.reserve[index], 0)?)))
            .min_by_key(|(_, head)| head.packet.number);
        let (index, head) = oldest?;
        self.reserve[index] = [0; HEAD_SIZE];
        self.uncount(&head.packet);
        Some(head.packet)
    }

    /// Frees blocks without outstanding packets. Call it after a walk that changed something.
    ///
    /// The front goes at once; blocks behind outstanding packets go when a walk passes them or when they are most of the
    /// log, so each block is passed a bounded number of times.
    #[inline]
    pub(crate) fn sweep(&mut self, pool: &mut Pool) {
        while let Some(head) = self.head {
            let header = self.header(pool, head);
            if header.live > 0 {
                break;
            }
            self.head = pool.next(head);
            self.free(pool, head, header, None);
        }
        if u32::from(self.dead_blocks) * 2 <= u32::from(self.blocks) {
            return;
        }
        let mut kept = self.head;
        while let Some(block) = kept {
            kept = self.prune_after(pool, block);
        }
    }

    /// Forgets all packets and gives all blocks back.
    pub(crate) fn release(&mut self, pool: &mut Pool) {
        while let Some(head) = self.head {
            self.head = pool.next(head);
            pool.free_open(head);
            self.frees = self.frees.wrapping_add(1);
        }
        self.tail = None;
        self.hint = None;
        self.reserve = [[0; HEAD_SIZE]; RESERVE];
        self.bytes_in_flight = 0;
        self.packets = 0;
        self.blocks = 0;
        self.dead_blocks = 0;
    }

    /// Packets from `number` on go over another path.
    pub(crate) fn begin_path(&mut self, number: u64) {
        self.path_from = number;
        self.bytes_in_flight = 0;
    }

    /// Whether a packet went over the path in use.
    #[inline]
    pub(crate) fn is_of_path(&self, packet: &PacketRecord) -> bool {
        self.has_on_path(packet.number)
    }

    /// The same of a packet's number.
    pub(crate) fn has_on_path(&self, number: u64) -> bool {
        number >= self.path_from
    }

    /// Bytes of the outstanding packets on the path in use.
    pub(crate) fn bytes_in_flight(&self) -> u64 {
        u64::from(self.bytes_in_flight)
    }

    /// When the oldest outstanding packet was sent.
    #[cfg(test)]
    pub(crate) fn oldest_sent_at(&self, pool: &Pool) -> Option<Instant> {
        let logged = self.find(pool, &mut self.cursor_at(self.head), 0, |_| Verdict::Take);
        let reserved = self.reserve.iter().filter_map(|bytes| entry::read_head(bytes, 0));
        logged.into_iter().map(|(_, head)| head).chain(reserved).map(|head| head.packet.sent_at).min()
    }

    /// When the last packet was sent, if any packet is outstanding: the base of the probe timeout.
    pub(crate) fn last_ack_eliciting_sent_at(&self) -> Option<Instant> {
        (!self.is_empty()).then_some(self.last_sent_at)
    }

    /// Whether nothing is outstanding.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.packets == 0
    }

    /// Outstanding packets.
    #[cfg(test)]
    pub(crate) fn len_packets(&self) -> u32 {
        self.packets
    }

    /// Pool blocks in use.
    #[cfg(test)]
    pub(crate) fn blocks_held(&self) -> u16 {
        self.blocks
    }

    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self {
            reserve,
            head,
            tail,
            hint,
            newest,
            last_sent_at,
            bytes_in_flight,
            path_from,
            packets,
            frees,
            blocks,
            dead_blocks,
            max_blocks,
            #[cfg(test)]
                steps: _,
        } = self;
        reserve.iter().for_each(|bytes| hash.bytes(bytes));
        for block in [tail, hint] {
            hash.option(block.map(|block| u64::from(block.index())));
        }
        hash.option(newest.get());
        hash.u64(last_sent_at.as_micros());
        hash.u64(u64::from(*bytes_in_flight));
        hash.u64(*path_from);
        for count in [*packets, *frees, u32::from(*blocks), u32::from(*dead_blocks), u32::from(*max_blocks)] {
            hash.u64(u64::from(count));
        }
        let mut next = *head;
        while let Some(block) = next {
            hash.u64(u64::from(block.index()));
            hash.bytes(pool.bytes(block));
            next = pool.next(block);
        }
    }

    /// Where a packet with `data_records` pieces of data would go.
    #[inline]
    pub(crate) fn room(&self, pool: &Pool, data_records: usize) -> Option<Room> {
        if data_records > Self::max_data_records(pool) {
            return None;
        }
        let needed = HEAD_SLOTS.saturating_add(u16::try_from(data_records).unwrap_or(u16::MAX));
        if let Some(tail) = self.tail {
            let header = self.header(pool, tail);
            if slots_per_block(pool).saturating_sub(header.used) >= needed {
                return Some(Room::Tail(tail, header));
            }
        }
        let fits = slots_per_block(pool) >= FIRST_SLOT + HEAD_SLOTS;
        if fits && self.blocks < self.max_blocks && pool.record_available() > 0 {
            return Some(Room::NewBlock);
        }
        if data_records > 0 {
            return None;
        }
        (0..RESERVE).find(|&index| entry::read_head(&self.reserve[index], 0).is_none()).map(Room::Reserve)
    }

    /// A new block at the end of the chain, for a packet that is written into it at once.
    fn grow(&mut self, pool: &mut Pool) -> Option<BlockId> {
        let block = pool.take_for_record()?;
        match self.tail {
            Some(tail) => pool.set_next(tail, Some(block)),
            None => self.head = Some(block),
        }
        self.tail = Some(block);
        self.blocks = self.blocks.saturating_add(1);
        Some(block)
    }

    /// Takes what a walk found out of the log. Inlined: what was found is large to be handed on.
    #[inline(always)]
    fn take(&mut self, pool: &mut Pool, found: Option<(Place, Head)>) -> Option<PacketRecord> {
        let (place, head) = found?;
        match place {
            Place::Reserve(index) => self.reserve[index] = [0; HEAD_SIZE],
            Place::Block(block, slot) => self.settle(pool, block, slot, head.slots()),
        }
        self.uncount(&head.packet);
        Some(head.packet)
    }

    #[inline]
    fn uncount(&mut self, packet: &PacketRecord) {
        self.packets = self.packets.saturating_sub(1);
        if self.is_of_path(packet) {
            self.bytes_in_flight = self.bytes_in_flight.saturating_sub(u32::from(packet.size));
        }
    }

    /// Marks the packet at `slot`, which takes so many `slots`, as no longer outstanding.
    #[inline]
    fn settle(&mut self, pool: &mut Pool, block: BlockId, slot: u16, slots: u16) {
        let bytes = pool.bytes_mut(block);
        entry::settle_head(bytes, offset_of(slot));
        let mut header = entry::read_header(bytes);
        header.live = header.live.saturating_sub(1);
        if header.first_live == slot {
            // Its state is not read again: the processor would first have to finish everything written before.
            header.first_live += slots;
        }
        while header.first_live < header.used
            && let Some(head) = entry::read_head(bytes, offset_of(header.first_live))
            && !head.live
        {
            header.first_live += head.slots();
        }
        entry::write_header(bytes, header);
        if header.live == 0 {
            self.dead_blocks = self.dead_blocks.saturating_add(1);
        }
    }

    /// Gives back a block without outstanding packets, already out of the chain; `previous` came before it.
    #[inline(never)]
    fn free(&mut self, pool: &mut Pool, block: BlockId, header: Header, previous: Option<BlockId>) {
        if self.tail == Some(block) {
            self.tail = previous;
        }
        if self.hint == Some(block) {
            self.hint = None;
        }
        // Nothing was ever written behind the slots in use.
        pool.free_open_written(block, offset_of(header.used));
        self.frees = self.frees.wrapping_add(1);
        self.blocks = self.blocks.saturating_sub(1);
        self.dead_blocks = self.dead_blocks.saturating_sub(1);
    }

    fn header(&self, pool: &Pool, block: BlockId) -> Header {
        self.step();
        entry::read_header(pool.bytes(block))
    }

    /// Counts a unit of work, in tests only.
    fn step(&self) {
        #[cfg(test)]
        self.steps.set(self.steps.get() + 1);
    }
}

/// Writes a packet behind those that a block with this `header` holds.
#[inline]
fn append(bytes: &mut [u8], mut header: Header, packet: &PacketRecord, data: &[DataRecord]) {
    let data_records = u8::try_from(data.len()).unwrap_or(u8::MAX);
    entry::write_head(bytes, offset_of(header.used), packet, data_records);
    let first_data = header.used + HEAD_SLOTS;
    for (slot, data) in (first_data..).zip(data) {
        entry::write_data(bytes, offset_of(slot), data);
    }
    header.live += 1;
    header.last_number = packet.number;
    header.used = first_data + u16::from(data_records);
    entry::write_header(bytes, header);
}

/// Slots of one block, its header included.
fn slots_per_block(pool: &Pool) -> u16 {
    u16::try_from(pool.block_size() / SLOT_SIZE).unwrap_or(MAX_SLOTS).min(MAX_SLOTS)
}

fn offset_of(slot: u16) -> usize {
    usize::from(slot) * SLOT_SIZE
}

#[cfg(test)]
mod tests;
