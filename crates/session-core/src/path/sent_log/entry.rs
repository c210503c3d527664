//! How the sent log lies in a block: 16-byte slots, little-endian.
//!
//! Slot 0 is the block's header: `last number u64 | live packets u16 | used slots u16 | first live slot u16 | 0 u16`.
//! A packet takes two slots (its head) and one more per data record, all in the same block:
//! head `number u64 | sent_at u64 | largest_acked u64 | size u16 | flags u16 | data records u8 | state u8 | 0 u16`,
//! data record `offset u64 | positions u32 | channel index u32`.

use crate::time::Instant;

pub(super) const SLOT_SIZE: usize = 16;
/// Slots of a packet without data records.
pub(super) const HEAD_SLOTS: u16 = 2;
/// Where the first packet of a block lies.
pub(super) const FIRST_SLOT: u16 = 1;

pub(super) const HEAD_SIZE: usize = SLOT_SIZE * HEAD_SLOTS as usize;

/// The entry is a packet, outstanding or not.
const PRESENT: u8 = 1;
/// The packet is outstanding: neither acknowledged nor lost.
const LIVE: u8 = 2;
const PROBE: u8 = 4;
const ACKS: u8 = 8;

/// Bits the owner of the log defines, such as which regenerable control frames a packet carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PacketFlags(u16);

impl PacketFlags {
    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }
}

/// One ack-eliciting packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketRecord {
    pub(crate) number: u64,
    pub(crate) sent_at: Instant,
    /// Bytes on the wire.
    pub(crate) size: u16,
    pub(crate) flags: PacketFlags,
    /// Largest packet number acknowledged by an ACK frame in the packet: what the peer need not be told again.
    pub(crate) largest_acked: Option<u64>,
    /// Sent to elicit an acknowledgement after a probe timeout.
    pub(crate) probe: bool,
}

/// A run of channel positions a packet carried. Without positions, something else about the channel, which `offset` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DataRecord {
    pub(crate) channel_index: u32,
    pub(crate) offset: u64,
    pub(crate) positions: u32,
}

/// A packet as stored.
pub(super) struct Head {
    pub(super) packet: PacketRecord,
    pub(super) data_records: u8,
    pub(super) live: bool,
}

impl Head {
    /// Slots of the packet and its data records.
    pub(super) fn slots(&self) -> u16 {
        HEAD_SLOTS + u16::from(self.data_records)
    }
}

/// The header of a block.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(super) last_number: u64,
    /// Outstanding packets in the block.
    pub(super) live: u16,
    /// Slots in use, this header included: where the next packet goes.
    pub(super) used: u16,
    /// Slot of the oldest outstanding packet; `used` if there is none.
    pub(super) first_live: u16,
}

impl Header {
    /// Of a block without packets.
    pub(super) const NEW: Self = Self { last_number: 0, live: 0, used: FIRST_SLOT, first_live: FIRST_SLOT };
}

#[inline]
pub(super) fn read_header(block: &[u8]) -> Header {
    let slot: [u8; SLOT_SIZE] = array(block, 0);
    Header {
        last_number: u64::from_le_bytes(array(&slot, 0)),
        live: u16::from_le_bytes(array(&slot, 8)),
        used: u16::from_le_bytes(array(&slot, 10)),
        first_live: u16::from_le_bytes(array(&slot, 12)),
    }
}

#[inline]
pub(super) fn write_header(block: &mut [u8], header: Header) {
    let Some(block) = block.first_chunk_mut::<SLOT_SIZE>() else { return };
    put(block, 0, header.last_number.to_le_bytes());
    put(block, 8, header.live.to_le_bytes());
    put(block, 10, header.used.to_le_bytes());
    put(block, 12, header.first_live.to_le_bytes());
}

/// The packet whose head starts at `at` bytes; `None` where no packet was written.
#[inline]
pub(super) fn read_head(bytes: &[u8], at: usize) -> Option<Head> {
    // Looked for once, its fields lie at places that the compiler knows.
    let head: &[u8; HEAD_SIZE] = bytes.get(at..)?.first_chunk()?;
    let [data_records, state] = array(head, 28);
    if state & PRESENT == 0 {
        return None;
    }
    let packet = PacketRecord {
        number: u64::from_le_bytes(array(head, 0)),
        sent_at: Instant::from_micros(u64::from_le_bytes(array(head, 8))),
        size: u16::from_le_bytes(array(head, 24)),
        flags: PacketFlags::from_bits(u16::from_le_bytes(array(head, 26))),
        largest_acked: (state & ACKS != 0).then(|| u64::from_le_bytes(array(head, 16))),
        probe: state & PROBE != 0,
    };
    Some(Head { packet, data_records, live: state & LIVE != 0 })
}

/// Writes an outstanding packet's head at `at` bytes.
#[inline]
pub(super) fn write_head(bytes: &mut [u8], at: usize, packet: &PacketRecord, data_records: u8) {
    let probe = if packet.probe { PROBE } else { 0 };
    let acks = if packet.largest_acked.is_some() { ACKS } else { 0 };
    let Some(head) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<HEAD_SIZE>) else { return };
    put(head, 0, packet.number.to_le_bytes());
    put(head, 8, packet.sent_at.as_micros().to_le_bytes());
    put(head, 16, packet.largest_acked.unwrap_or(0).to_le_bytes());
    put(head, 24, packet.size.to_le_bytes());
    put(head, 26, packet.flags.bits().to_le_bytes());
    put(head, 28, [data_records, PRESENT | LIVE | probe | acks]);
}

/// Marks the packet at `at` bytes as no longer outstanding.
pub(super) fn settle_head(bytes: &mut [u8], at: usize) {
    let [state] = array(bytes, at + 29);
    put(bytes, at + 29, [state & !LIVE]);
}

#[inline]
pub(super) fn read_data(bytes: &[u8], at: usize) -> DataRecord {
    let slot: [u8; SLOT_SIZE] = array(bytes, at);
    DataRecord {
        channel_index: u32::from_le_bytes(array(&slot, 12)),
        offset: u64::from_le_bytes(array(&slot, 0)),
        positions: u32::from_le_bytes(array(&slot, 8)),
    }
}

#[inline]
pub(super) fn write_data(bytes: &mut [u8], at: usize, data: &DataRecord) {
    let Some(slot) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<SLOT_SIZE>) else { return };
    put(slot, 0, data.offset.to_le_bytes());
    put(slot, 8, data.positions.to_le_bytes());
    put(slot, 12, data.channel_index.to_le_bytes());
}

/// Bytes outside `bytes` read as zero: no packet.
#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

#[inline]
fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = value;
    }
}
