//! The packet that most are: one whole message, of the only channel that has any, and what is to be acknowledged.

use super::compose::Draft;
use super::frames::DueAck;
use super::{ALMOST_FULL, FLAG_ECT, SessionCore, TAG, sealed_length};
use crate::channel::Fragment;
use crate::memory::Memory;
use crate::path::{DataRecord, PacketFlags, PacketRecord};
use crate::session::channels::schedule::Wants;
use crate::session::{Phase, straight};
use crate::slab::SlabKey;
use crate::time::Instant;
use crate::wire::{DataPrefix, Writer};

/// Bytes of the header with a number of four bytes, of ACK of one range and of the head of DATA, at most.
const HEADER: usize = 13;
const ACK: usize = 26;
const HEAD_OF_DATA: usize = 25;
/// What such a packet has beside the bytes of the message, at most. With so much to spare it is not full either.
const MOST_BESIDE: u16 = (HEADER + ACK + HEAD_OF_DATA + TAG + ALMOST_FULL) as u16;

impl SessionCore {
    /// Makes such a packet, if it is the next: the one that [`compose`](Self::compose) would make, each thing that it depends on being looked at once. `None` where
    /// the next is any other, or there is none: then nothing has changed but what `compose` finds out anew.
    pub(super) fn compose_plain(&mut self, memory: &mut Memory, now: Instant, out: &mut [u8]) -> Option<Draft> {
        // Who sends much would look for it in vain each time.
        if !core::mem::take(&mut self.packets.plain) || !straight::is_open() {
            return None;
        }
        let size = self.path.mtu.size();
        let out = out.get_mut(..usize::from(size))?;
        if !self.sends_data_alone(memory) {
            return None;
        }
        let most = usize::from(size.checked_sub(MOST_BESIDE)?);
        let sole = self.channels.sole_sender(memory, most)?;
        let ack = if self.packets.wants_ack() { Some(self.ack_of_one(now)?) } else { None };
        let Memory { pool, channels, .. } = memory;
        let room = self.packets.log.room(pool, 1).filter(|_| self.lets_go(size, now))?;
        let channel = channels.get_mut(sole.key)?;
        let (number, header_length) = self.write_header(out, self.remote_id?)?;
        let mut writer = Writer::new(out.get_mut(header_length..usize::from(size).checked_sub(TAG)?)?);
        if let Some(ack) = ack {
            ack.encode(&mut writer).ok()?;
        }
        let Fragment { offset, length, begin, end } = sole.message;
        let prefix = DataPrefix { channel: channel.id.0, offset, begin, end, length: length as u64 };
        prefix.encode(&mut writer).ok()?;
        writer.fill(length, |bytes| channel.outbox.copy_last(pool, &sole.message, bytes)).ok()?;
        // It is written, and now it is noted.
        if ack.is_some() {
            self.packets.ack_forced = false;
            self.packets.acks.on_ack_sent();
        }
        channel.on_whole_sent(&sole.message, sole.latest);
        let end = header_length + writer.position();
        let ecn = self.path.ecn.mark(self.path.probe_count);
        if ecn.is_some() {
            self.path.ecn.on_marked_sent();
        }
        let record = PacketRecord {
            number,
            sent_at: now,
            size: sealed_length(header_length, end) as u16,
            flags: PacketFlags::from_bits(if ecn.is_some() { FLAG_ECT } else { 0 }),
            largest_acked: ack.map(DueAck::largest),
            probe: false,
        };
        // No packet holds as many.
        let positions = sole.message.positions() as u32;
        let run = DataRecord { channel_index: sole.index as u32, offset, positions };
        debug_assert!(usize::from(size - record.size) >= ALMOST_FULL, "it is not full");
        self.packets.log.begin_in(room, pool, &record, &[run]);
        self.clocks.user_data_at = now;
        self.path.on_sent(now, u64::from(record.size));
        self.path.app_limited = false;
        self.counters.ack_eliciting_sent = self.counters.ack_eliciting_sent.saturating_add(1);
        #[cfg(test)]
        straight::went(straight::Way::Plain);
        // What there was has left, and there was no more.
        let rests = !self.packets.acks.is_immediate();
        Some(Draft { number, header_length, end, room: size, ecn, search: false, rests })
    }

    /// The next packet holds nothing but data and ACK, if it holds data: nothing else is due, nor does anything go ahead of it.
    fn sends_data_alone(&self, memory: &Memory) -> bool {
        self.phase == Phase::Established
            && self.attempt == SlabKey::NOWHERE
            && self.others == SlabKey::NOWHERE
            && self.path.probes_due == 0
            // What channels want, their look-up says.
            && !self.has_control_frames(memory, &Wants::default())
            && !self.channels.expiring
            && self.has_numbers()
            && self.path.search_size().is_none()
    }

    /// Window and pacer let a packet of `size` go now.
    fn lets_go(&mut self, size: u16, now: Instant) -> bool {
        let in_flight = self.packets.log.bytes_in_flight();
        self.path.has_window(in_flight, size) && !self.path.is_paced(now)
    }
}
