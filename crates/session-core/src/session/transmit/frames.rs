//! The frames of one packet, in the order in which they are written.

use super::super::channels::CONTROL;
use super::super::channels::schedule::{Schedule, Served};
use super::compose::Plan;
use super::load::Load;
use super::{
    FLAG_CHANNELS, FLAG_MAX_DATA, FLAG_PING, FLAG_SKIP, FLAG_WISH, MAX_DATA_FRAMES, MAX_OTHER_FRAMES, SessionCore,
};
use crate::channel::{Channel, Fragment, Signal, SignalFate};
use crate::memory::Memory;
use crate::pool::Pool;
use crate::session::Packets;
use crate::time::Instant;
use crate::wire::{self, ChannelFrame, DataPrefix, Frame, LimitFrame, MessagePrefix, Writer};

/// What an ACK of one range says.
#[derive(Clone, Copy)]
pub(super) struct DueAck {
    delay_micros: u64,
    range: (u64, u64),
}

impl DueAck {
    #[inline]
    pub(super) fn encode(self, writer: &mut Writer<'_>) -> Result<(), wire::WriteError> {
        wire::encode_ack_of_one(writer, self.delay_micros, self.range)
    }

    #[inline]
    pub(super) fn largest(self) -> u64 {
        self.range.1
    }
}

impl Packets {
    /// A packet that leaves tells of what came.
    #[inline]
    pub(super) fn wants_ack(&self) -> bool {
        self.acks.has_unreported() || self.ack_forced
    }
}

impl SessionCore {
    /// Writes ACK if there is something to acknowledge; returns the largest number in it.
    pub(super) fn write_ack(&mut self, writer: &mut Writer<'_>, now: Instant) -> Option<u64> {
        if !self.packets.wants_ack() {
            return None;
        }
        self.packets.ack_forced = false;
        let largest = match self.ack_of_one(now) {
            Some(ack) => {
                ack.encode(writer).ok()?;
                ack.largest()
            }
            None => {
                let (acks, marks) = (&self.packets.acks, self.path.ecn.report());
                let largest = acks.ranges().next()?.1;
                wire::encode_ack(writer, acks.ack_delay(now), marks, acks.ranges()).ok()?;
                largest
            }
        };
        self.packets.acks.on_ack_sent();
        Some(largest)
    }

    /// What there is to acknowledge, where that is one range, found without search, and no packet came marked.
    #[inline]
    pub(super) fn ack_of_one(&self, now: Instant) -> Option<DueAck> {
        let acks = &self.packets.acks;
        let range = acks.only_range().filter(|_| self.path.ecn.report().is_none())?;
        debug_assert!(acks.ranges().eq([range]), "what was found without search is all there is");
        Some(DueAck { delay_micros: acks.ack_delay_micros(now), range })
    }

    /// Writes what the plan allows beside ACK; returns what the log is to know of it, `None` if nothing wants an acknowledgement.
    pub(super) fn write_frames(
        &mut self,
        memory: &mut Memory,
        writer: &mut Writer<'_>,
        number: u64,
        plan: &Plan,
        schedule: &mut Schedule,
        load: &mut Load,
    ) -> Option<u16> {
        if !plan.ack_eliciting {
            return None;
        }
        let mut flags = plan.written;
        if plan.controls && !plan.urgent_only {
            let mut left = MAX_OTHER_FRAMES;
            flags |= self.write_control_frames(memory, writer, &mut left);
            flags |= self.write_skips(memory, writer, number, schedule, &mut left);
        }
        let before = self.counters.bytes_retransmitted;
        self.write_channels(memory, writer, load, schedule, plan.urgent_only, flags == 0);
        if self.counters.bytes_retransmitted > before {
            self.counters.packets_retransmitted = self.counters.packets_retransmitted.saturating_add(1);
        }
        let has_data = !load.runs().is_empty();
        if plan.urgent_only {
            // The rest goes along with what may exceed the window, and not without it.
            return has_data.then(|| match plan.controls {
                true => self.write_control_frames(memory, writer, &mut { MAX_OTHER_FRAMES }),
                false => 0,
            });
        }
        if flags == 0 && !has_data && Frame::Ping.encode(writer).is_ok() {
            flags |= FLAG_PING;
        }
        Some(flags)
    }

    /// Says what was given up, in packet `number`, by as many frames as are `left`; returns what was written as flags.
    fn write_skips(
        &mut self,
        memory: &mut Memory,
        writer: &mut Writer<'_>,
        number: u64,
        schedule: &mut Schedule,
        left: &mut usize,
    ) -> u16 {
        let mut flags = 0;
        let mut place = if self.channels.expiring { self.channels.place_after(memory, Some(CONTROL)) } else { None };
        while let Some(index) = place.filter(|_| *left > 0) {
            place = self.channels.place_after(memory, place);
            let Some(to) = self.channels.skip_due(memory, schedule, index) else { continue };
            let Some(channel) = self.channels.get(memory, index).map(|channel| channel.id.0) else { continue };
            if (Frame::Skip { channel, to }).encode(writer).is_ok() {
                self.channels.on_skip_said(memory, schedule, index, to, number);
                *left = left.saturating_sub(1);
                flags |= FLAG_SKIP;
            }
        }
        flags
    }

    /// Writes credit and PING, and of channels as many frames as are `left`; returns what was written as flags.
    fn write_control_frames(&mut self, memory: &mut Memory, writer: &mut Writer<'_>, left: &mut usize) -> u16 {
        let mut flags = 0;
        let mut told = false;
        if self.channels.announce && Frame::MaxData(self.channels.receive_maximum()).encode(writer).is_ok() {
            self.channels.announce = false;
            flags |= FLAG_MAX_DATA;
        }
        self.channels.for_each(memory, |_, channel| {
            let frame = Frame::MaxChannelData { channel: channel.id.0, maximum: channel.receive_maximum };
            if channel.announce && *left > 0 && frame.encode(writer).is_ok() {
                *left -= 1;
                channel.announce = false;
                flags |= FLAG_CHANNELS;
            }
            let receipt = Frame::Receipt { channel: channel.id.0, offset: channel.inbox().read_offset() };
            if channel.receipt_due && *left > 0 && receipt.encode(writer).is_ok() {
                *left -= 1;
                channel.receipt_due = false;
                flags |= FLAG_CHANNELS;
                told = true;
            }
        });
        if told {
            // It may be all that a channel was kept for.
            self.channels.unsettle(memory);
        }
        let role = self.role.other();
        if let Some(ledger) = self.channels.ledger_mut(memory) {
            for mode in ledger.due() {
                let limit = LimitFrame { role, mode, count: ledger.granted[mode.place()] };
                if Frame::ChannelLimit(limit).encode(writer).is_ok() {
                    ledger.on_told(mode);
                    flags |= FLAG_CHANNELS;
                }
            }
        }
        if self.packets.wish.due {
            let wish = self.packets.wish.frame(self.path.rtt.smoothed());
            if Frame::AckFrequency(wish).encode(writer).is_ok() {
                self.packets.wish.due = false;
                flags |= FLAG_WISH;
            }
        }
        if self.packets.ping_due && Frame::Ping.encode(writer).is_ok() {
            self.packets.ping_due = false;
            flags |= FLAG_PING;
        }
        flags
    }

    /// Writes data and the ends of channels; notes in `load` what the log is to keep of them. The packet `is_empty` if nothing else in it has to arrive.
    fn write_channels(
        &mut self,
        memory: &mut Memory,
        writer: &mut Writer<'_>,
        load: &mut Load,
        schedule: &mut Schedule,
        urgent_only: bool,
        is_empty: bool,
    ) {
        if urgent_only {
            self.write_data_frames(memory, writer, load, schedule, true, true);
            return;
        }
        // Ends are short, and what they end is over; yet they leave half of the records to data.
        self.write_signals(memory, writer, load, load.most.div_ceil(2));
        let is_empty = is_empty && load.runs().is_empty();
        if self.write_data_frames(memory, writer, load, schedule, false, is_empty) {
            return;
        }
        // With the last of the data its end may leave at once.
        self.write_signals(memory, writer, load, load.most);
    }

    /// Writes CHANNEL_END, CHANNEL_RESET and CHANNEL_STOP frames that are due, until the packet brings `most` runs and ends.
    fn write_signals(&self, memory: &mut Memory, writer: &mut Writer<'_>, load: &mut Load, most: usize) {
        while load.count < most && load.frames < MAX_DATA_FRAMES {
            let Some((index, signal)) = self.channels.due_signal(memory) else { break };
            let Some(frame) = self.signal_frame(memory, index, signal) else { break };
            if Frame::Channel(frame).encode(writer).is_err() {
                break;
            }
            self.channels.on_signal(memory, index, signal, SignalFate::Sent);
            load.add_signal(index, signal);
        }
    }

    fn signal_frame(&self, memory: &Memory, index: usize, signal: Signal) -> Option<ChannelFrame> {
        let (entry, dynamic) = (self.channels.get(memory, index)?, self.channels.dynamic_at(memory, index)?);
        let (channel, end) = (entry.id.0, entry.end_of_sending());
        Some(match signal {
            Signal::End => ChannelFrame::End { channel, end },
            Signal::Reset => ChannelFrame::Reset { channel, code: dynamic.sending_code, end },
            Signal::Stop => ChannelFrame::Stop { channel, code: dynamic.receiving_code },
        })
    }

    /// Writes DATA and MESSAGE frames. Returns whether the packet holds one that goes alone: that
    /// needs one that `is_empty`.
    fn write_data_frames(
        &mut self,
        memory: &mut Memory,
        writer: &mut Writer<'_>,
        load: &mut Load,
        schedule: &mut Schedule,
        urgent_only: bool,
        is_empty: bool,
    ) -> bool {
        let mut is_first = true;
        while writer.remaining() >= SHORTEST_HEAD {
            let Some((index, limit)) = self.channels.next_with_data(memory, schedule, urgent_only) else {
                return false;
            };
            let Memory { pool, channels, dynamics, .. } = &mut *memory;
            let Some(channel) = self.channels.get_in(dynamics, channels, index) else { return false };
            let alone = channel.goes_alone();
            if alone && !(is_first && is_empty) {
                return false;
            }
            let Some(fragment) = channel.outbox.next_fragment(pool, limit, writer.remaining()) else { return false };
            // The head of the frame, then as many bytes as fit beside it.
            let Some(room) = writer.remaining().checked_sub(head_length(channel, &fragment)) else { return false };
            let fragment = fragment.cut(room);
            if !is_first && is_cut_in_vain(channel, pool, &fragment, writer.capacity()) {
                load.holds_back = true;
                return false;
            }
            if fragment.positions() == 0 || !load.takes(index, &fragment) {
                return false;
            }
            let outbox = &channel.outbox;
            let written = writer.all_or_nothing(|writer| {
                write_head(channel, &fragment, writer)?;
                writer.fill(fragment.length, |bytes| outbox.copy(pool, &fragment, bytes))
            });
            if written.is_err() {
                return false;
            }
            let sent_to = channel.outbox.highest_sent();
            let again = sent_to.saturating_sub(fragment.offset).min(fragment.positions());
            self.counters.bytes_retransmitted = self.counters.bytes_retransmitted.saturating_add(again);
            channel.on_sent(pool, &fragment);
            let advance = channel.outbox.highest_sent().saturating_sub(sent_to);
            load.add(index, &fragment);
            load.is_new |= advance > 0 && index != CONTROL;
            is_first = false;
            let served = Served { positions: fragment.positions(), advance };
            schedule.on_served(index, channel, served);
            debug_assert!(schedule.is_still(&self.channels.schedule(memory)), "what was derived once stays true");
            if alone {
                return true;
            }
        }
        false
    }
}

/// Whether `fragment` begins a message that stands alone, ends before it, and need not: a packet of its own, with `room` for frames, holds it whole (P-9.1-8).
fn is_cut_in_vain(channel: &Channel, pool: &Pool, fragment: &Fragment, room: usize) -> bool {
    if !channel.mode.stands_alone() || fragment.end || !fragment.begin {
        return false;
    }
    let Some(end) = channel.outbox.end_of_message(pool, fragment.offset) else { return false };
    let Ok(length) = usize::try_from(end.saturating_sub(fragment.offset).saturating_sub(1)) else { return false };
    let whole = Fragment { length, end: true, ..*fragment };
    head_length(channel, &whole).saturating_add(length) <= room
}

/// Bytes of the shortest head of a frame with data: its type, and a byte each for channel, length and place.
const SHORTEST_HEAD: usize = 4;

/// Bytes of the frame's head before as many bytes as `fragment` has, or fewer.
fn head_length(channel: &Channel, fragment: &Fragment) -> usize {
    let id = wire::varint::length(channel.id.0) + wire::varint::length(fragment.length as u64);
    if channel.mode.stands_alone() {
        let (number, offset) = channel.place_in_message(fragment);
        2 + id + wire::varint::length(number) + wire::varint::length(offset)
    } else {
        1 + id + wire::varint::length(fragment.offset)
    }
}

/// Writes what stands before the bytes of `fragment`.
fn write_head(channel: &Channel, fragment: &Fragment, writer: &mut Writer<'_>) -> Result<(), wire::WriteError> {
    let (id, length) = (channel.id.0, fragment.length as u64);
    if channel.mode.stands_alone() {
        let (number, offset) = channel.place_in_message(fragment);
        MessagePrefix { channel: id, number, offset, last: fragment.end, length }.encode(writer)
    } else {
        let Fragment { offset, begin, end, .. } = *fragment;
        DataPrefix { channel: id, offset, begin, end, length }.encode(writer)
    }
}
