//! What the peer acknowledges, and what is lost (RFC 9002): packets leave the log, and their data goes or is queued again.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

use super::SessionCore;
use super::channels::CONTROL;
use super::close::Fault;
use super::events::ChannelEvent;
use super::straight;
use super::transmit::{
    FLAG_CHANNELS, FLAG_ECT, FLAG_MAX_DATA, FLAG_NEW_ID, FLAG_PING, FLAG_SEARCH, FLAG_SKIP, FLAG_WISH,
};
use crate::channel::SignalFate;
use crate::crypto::Provider;
use crate::memory::Memory;
use crate::path::{Cursor, DataRecord, PacketRecord};
use crate::reason::CloseCode;
use crate::recovery::{LossThresholds, LostPackets, PersistentCongestion};
use crate::shared::Context;
use crate::slab::SlabKey;
use crate::time::Instant;
use crate::wire::{AckFrame, AckOfOne, MAX_RANGES};

/// Nothing follows from the acknowledgement of these. What a packet has beside them is looked at.
const SETTLED_BY_ARRIVAL: u16 = FLAG_MAX_DATA | FLAG_PING | FLAG_CHANNELS | FLAG_NEW_ID | FLAG_ECT;

/// What one acknowledgement covers.
struct Acked<'a> {
    /// Its ranges (low, high), descending.
    ranges: &'a [(u64, u64)],
    /// The largest number acknowledged before.
    before: Option<u64>,
    /// Of the packets that were outstanding: number and time of the last, the largest number of a large one, and how many left marked.
    newest: Option<(u64, Instant)>,
    newest_large: Option<u64>,
    marked: u64,
}

impl SessionCore {
    /// Applies an ACK of one range. Mostly it acknowledges the one packet that is outstanding, which carried one piece of data: then nothing is left that could be
    /// lost, and there is nothing to walk through.
    #[inline]
    pub(super) fn on_ack_of_one<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        ack: &AckOfOne,
    ) -> Result<(), Fault> {
        let is_plain = self.keys.rekey == SlabKey::NOWHERE && !self.packets.never_sent(ack.low, ack.largest);
        if is_plain && straight::is_open() && self.on_only_acked(&mut context.shared.memory, context.now, ack) {
            return Ok(());
        }
        self.on_acked_ranges(context, &ack.into(), &[(ack.low, ack.largest)])
    }

    /// Where the only packet of the log is acknowledged, what [`on_acked_ranges`](Self::on_acked_ranges) does, without what is empty; else `false`, and nothing has
    /// changed.
    #[inline(never)]
    fn on_only_acked(&mut self, memory: &mut Memory, now: Instant, ack: &AckOfOne) -> bool {
        let Some(only) = self.packets.log.only(&memory.pool, ack.low, ack.largest) else { return false };
        let (packet, data) = (only.packet, only.data);
        let is_about_data = data.is_none_or(|data| data.signal().is_none());
        if packet.flags.bits() & !SETTLED_BY_ARRIVAL != 0 || !is_about_data {
            return false;
        }
        let before = self.packets.largest_acked.get();
        let is_news = before.is_none_or(|before| ack.largest > before);
        if is_news {
            self.packets.largest_acked = ack.largest.into();
        }
        let is_of_path = self.packets.log.is_of_path(&packet);
        if is_of_path {
            self.path.on_acked(packet.size, packet.sent_at, now);
        }
        if let Some(largest) = packet.largest_acked {
            self.packets.acks.on_ack_acked(largest);
        }
        if let Some(data) = data {
            self.on_data_acked(memory, &data);
        }
        self.packets.log.forget_only(&mut memory.pool, &only);
        self.path.probe_anew();
        if packet.number == ack.largest && is_of_path {
            self.path.measure(packet.sent_at, ack.delay_micros(), now);
        }
        if is_news {
            let marked = u64::from(packet.flags.bits() & FLAG_ECT != 0);
            if self.path.ecn.on_ack(marked, ack.ecn) && is_of_path {
                self.path.on_congestion(packet.sent_at, now, false);
                self.forget_losses(memory);
            }
        }
        if self.path.is_large(packet.size) {
            self.path.on_large_acked();
        }
        if self.path.episode != SlabKey::NOWHERE {
            self.review_losses(memory, &[(ack.low, ack.largest)]);
        }
        self.path.loss_at = None;
        if !self.path.app_limited {
            self.packets.wish.on_window(self.path.congestion.window(), self.path.mtu.size());
        }
        #[cfg(test)]
        straight::went(straight::Way::Acknowledged);
        true
    }

    /// Applies an ACK frame of any kind.
    pub(super) fn on_ack<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        ack: &AckFrame<'_>,
    ) -> Result<(), Fault> {
        if ack.has_further() {
            return self.on_ack_of_many(context, ack);
        }
        self.on_acked_ranges(context, ack, &[ack.first()])
    }

    /// The same of one with more than one range. Not inlined: there is room for them on its stack.
    #[inline(never)]
    fn on_ack_of_many<P: Provider>(&mut self, context: &mut Context<'_, P>, ack: &AckFrame<'_>) -> Result<(), Fault> {
        let mut ranges = [(0, 0); MAX_RANGES];
        let mut count: usize = 0;
        for (slot, range) in ranges.iter_mut().zip(ack.ranges()) {
            *slot = range;
            count = count.saturating_add(1);
        }
        self.on_acked_ranges(context, ack, ranges.get(..count).unwrap_or_default())
    }

    /// The same, given its ranges (low, high), descending.
    #[inline]
    fn on_acked_ranges<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        ack: &AckFrame<'_>,
        ranges: &[(u64, u64)],
    ) -> Result<(), Fault> {
        for (low, high) in ranges {
            if self.packets.never_sent(*low, *high) {
                return Err(Fault::new(
                    CloseCode::ACK_OF_UNSENT,
                    0x02,
                    "acknowledgement of a packet that was never sent",
                ));
            }
        }
        let before = self.packets.largest_acked.get();
        self.packets.largest_acked = before.max(Some(ack.largest())).into();
        let memory = &mut context.shared.memory;
        let mut acked = Acked { ranges, before, newest: None, newest_large: None, marked: 0 };
        for range in ranges.iter().rev() {
            self.take_acked(memory, context.now, *range, &mut acked);
        }
        self.packets.log.sweep(&mut memory.pool);
        self.review_rekey(context);
        self.learn(&mut context.shared.memory, context.now, ack, &acked);
        Ok(())
    }

    /// Takes the packets of one range that were still outstanding out of the log.
    fn take_acked(&mut self, memory: &mut Memory, now: Instant, (low, high): (u64, u64), acked: &mut Acked<'_>) {
        let mut cursor = Cursor::default();
        while let Some(record) = self.packets.log.next_acked(&mut memory.pool, low, high, &mut cursor) {
            self.on_packet_acked(now, &record);
            if self.path.is_large(record.size) {
                acked.newest_large = acked.newest_large.max(Some(record.number));
            }
            if record.flags.bits() & FLAG_SKIP != 0 {
                self.channels.on_skip_packet(memory, record.number, true);
            }
            self.on_ids_packet(memory, &record, true);
            acked.marked = acked.marked.saturating_add(u64::from(record.flags.bits() & FLAG_ECT != 0));
            if acked.newest.is_none_or(|(newest, _)| record.number > newest) {
                acked.newest = Some((record.number, record.sent_at));
            }
            while let Some(data) = self.packets.log.next_data(&memory.pool, &mut cursor) {
                self.on_data_acked(memory, &data);
            }
        }
    }

    /// What an acknowledgement tells of the path, and of packets that are lost.
    fn learn(&mut self, memory: &mut Memory, now: Instant, ack: &AckFrame<'_>, acked: &Acked<'_>) {
        if let Some((newest, sent_at)) = acked.newest {
            let is_of_path = self.packets.log.has_on_path(newest);
            self.path.probe_anew();
            if newest == ack.largest() && is_of_path {
                self.path.measure(sent_at, ack.delay_micros(), now);
            }
            // Acknowledgements that overtook each other tell of fewer than are known.
            if Some(ack.largest()) > acked.before && self.path.ecn.on_ack(acked.marked, ack.ecn()) && is_of_path {
                self.path.on_congestion(sent_at, now, false);
                // Whatever became of its packets, the path is congested.
                self.forget_losses(memory);
            }
        }
        if acked.newest_large.is_some() {
            self.path.on_large_acked();
        }
        self.review_losses(memory, acked.ranges);
        if self.packets.log.is_empty() {
            // Nothing is left that could be lost.
            self.path.loss_at = None;
        } else {
            let timeout = self.path.base_pto();
            let mut persistent = PersistentCongestion::new(acked.ranges, acked.before, self.path.sampled_at, timeout);
            self.detect_lost(memory, now, Some(&mut persistent), acked.newest_large);
        }
        // Who sends little learns nothing of the window, and asks for nothing.
        if !self.path.app_limited {
            self.packets.wish.on_window(self.path.congestion.window(), self.path.mtu.size());
        }
    }

    /// What a packet said of a channel has arrived.
    fn on_data_acked(&mut self, memory: &mut Memory, data: &DataRecord) {
        let index = data.index();
        if let Some(signal) = data.signal() {
            self.channels.on_signal(memory, index, signal, SignalFate::Acked);
        } else {
            let Memory { pool, channels, dynamics, expiries, .. } = &mut *memory;
            let Some(channel) = self.channels.get_in(dynamics, channels, index) else { return };
            let before = channel.outbox.acked_to();
            channel.on_acked(pool, data.offset, u64::from(data.positions));
            if index != CONTROL && channel.outbox.acked_to() != before {
                if let Some(expiry) = expiries.get_mut(channel.expiry) {
                    channel.review(pool, expiry);
                }
                let was_blocked = core::mem::take(&mut channel.blocked);
                self.events.raise_on(dynamics, index, ChannelEvent::Acknowledged);
                if was_blocked {
                    self.events.raise_on(dynamics, index, ChannelEvent::Writable);
                }
            }
        }
        self.channels.on_named_no_more(memory, index);
    }

    fn on_packet_acked(&mut self, now: Instant, record: &PacketRecord) {
        if self.packets.log.is_of_path(record) {
            if record.flags.bits() & FLAG_SEARCH != 0 {
                self.path.on_search_acked(record.size, now);
            }
            self.path.on_acked(record.size, record.sent_at, now);
        }
        if let Some(largest) = record.largest_acked {
            self.packets.acks.on_ack_acked(largest);
        }
        if record.flags.bits() & FLAG_WISH != 0 {
            // Also where it was an earlier wish: all ask for the same part of a round trip.
            self.path.expect_acks_within(self.packets.wish.frame(self.path.rtt.smoothed()).delay());
        }
    }

    /// Declares packets lost (RFC 9002 §6.1) and queues what they carried again. `newest_large` is the newest large one just acknowledged.
    pub(super) fn detect_lost(
        &mut self,
        memory: &mut Memory,
        now: Instant,
        mut persistent: Option<&mut PersistentCongestion<'_>>,
        newest_large: Option<u64>,
    ) {
        let Some(largest_acked) = self.packets.largest_acked.get() else { return };
        let thresholds = LossThresholds::new(largest_acked, now, &self.path.rtt, self.path.patience);
        let mut cursor = Cursor::default();
        let (mut newest_lost, mut is_large_lost, mut any_lost) = (None, false, false);
        let mut lost = LostPackets::new();
        while let Some(record) = self.packets.log.next_lost(&mut memory.pool, &thresholds, &mut cursor) {
            any_lost = true;
            let is_of_path = self.packets.log.is_of_path(&record);
            if record.flags.bits() & FLAG_SEARCH != 0 {
                // Most likely it was too long, so it tells nothing of congestion.
                if is_of_path {
                    self.path.mtu.on_probe_lost(record.size, now);
                }
            } else {
                self.on_packet_lost(memory, &record);
                if is_of_path {
                    is_large_lost |=
                        self.path.is_large(record.size) && newest_large.is_none_or(|newest| record.number > newest);
                    newest_lost = newest_lost.max(Some(record.sent_at));
                    lost.add(record.number);
                }
                if let Some(persistent) = persistent.as_deref_mut() {
                    persistent.on_lost(record.number, record.sent_at);
                }
            }
            while let Some(data) = self.packets.log.next_data(&memory.pool, &mut cursor) {
                self.on_data_lost(memory, &data);
            }
        }
        self.path.loss_at = cursor.earliest_outstanding().map(|sent_at| thresholds.deadline(sent_at));
        if any_lost {
            self.packets.log.sweep(&mut memory.pool);
            self.settle_channels(memory);
        }
        if let Some(sent_at) = newest_lost {
            let persistent = persistent.is_some_and(|persistent| persistent.is_established());
            let before = self.path.on_congestion(sent_at, now, persistent);
            // What is lost within one recovery period was lost together, however many acknowledgements it takes to show that.
            if is_large_lost && before.is_some() {
                self.path.on_large_lost(now);
            }
            self.remember_losses(memory, before, lost);
        }
    }

    /// What a packet said of a channel is lost, and queued again if it is owed.
    fn on_data_lost(&mut self, memory: &mut Memory, data: &DataRecord) {
        let index = data.index();
        if let Some(signal) = data.signal() {
            self.channels.on_signal(memory, index, signal, SignalFate::Lost);
        } else {
            let Memory { pool, channels, dynamics, .. } = &mut *memory;
            let Some(channel) = self.channels.get_in(dynamics, channels, index) else { return };
            if channel.on_lost(pool, data.offset, u64::from(data.positions)) {
                let was_blocked = core::mem::take(&mut channel.blocked);
                self.events.raise_on(dynamics, index, ChannelEvent::Lost);
                if was_blocked {
                    self.events.raise_on(dynamics, index, ChannelEvent::Writable);
                }
            }
        }
        self.channels.on_named_no_more(memory, index);
    }

    /// Regenerates what a lost packet announced.
    pub(super) fn on_packet_lost(&mut self, memory: &mut Memory, record: &PacketRecord) {
        self.counters.packets_lost = self.counters.packets_lost.saturating_add(1);
        let flags = record.flags.bits();
        self.channels.announce |= flags & FLAG_MAX_DATA != 0;
        self.packets.ping_due |= flags & FLAG_PING != 0;
        self.packets.wish.due |= flags & FLAG_WISH != 0;
        if flags & FLAG_ECT != 0 && self.packets.log.is_of_path(record) {
            self.path.ecn.on_marked_lost();
        }
        if flags & FLAG_CHANNELS != 0 {
            self.channels.announce_all(memory);
        }
        if flags & FLAG_SKIP != 0 {
            self.channels.on_skip_packet(memory, record.number, false);
        }
        self.on_ids_packet(memory, record, false);
    }
}
