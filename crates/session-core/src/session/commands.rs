//! What applications ask of a session. All or nothing, in any order.

use core::num::NonZeroU64;

use super::channels::CONTROL;
use super::{Phase, SessionCore, straight};
use crate::channel::{Channel, Chunk, Expiry, OutboxError, positions_per_block};
use crate::channel_config::ChannelMode;
use crate::crypto::Provider;
use crate::ids::{ChannelId, MessageId, Uid};
use crate::memory::Memory;
use crate::pool::Pool;
use crate::reason::{CloseReason, RecvError, SendError};
use crate::send_options::SendOptions;
use crate::session::{ChannelStats, CloseReport, Heard, State, Stats};
use crate::shared::Context;
use crate::slab::SlabKey;
use crate::time::Instant;

impl SessionCore {
    /// Queues a whole message.
    pub(crate) fn send<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        message: &[u8],
        id: ChannelId,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        if straight::is_open()
            && options.deadline.is_none()
            && let Some(end_offset) = self.send_within(context, message, id)
        {
            #[cfg(test)]
            straight::went(straight::Way::Queued);
            return Ok(MessageId { channel: id, end_offset });
        }
        self.send_any(context, message, id, options)
    }

    /// The same of nearly all messages: without a deadline, on a reliable channel agreed beforehand, and so short that one block holds it. `None` and no change
    /// for any other, or where it is refused.
    #[inline]
    fn send_within<P: Provider>(&mut self, context: &mut Context<'_, P>, message: &[u8], id: ChannelId) -> Option<u64> {
        let Memory { pool, channels, .. } = &mut context.shared.memory;
        let channel = self.channels.agreed_mut(channels, id)?;
        let is_plain = self.phase.takes_data() && !channel.mode.stands_alone();
        if !is_plain || message.len() as u64 >= self.largest_whole(channel, pool.positions() as u64) {
            return None;
        }
        let end_offset = channel.outbox.send_within(pool, message)?;
        self.packets.plain = true;
        self.clocks.lifetime.use_at(context.now);
        Some(end_offset)
    }

    #[inline(never)]
    fn send_any<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        message: &[u8],
        id: ChannelId,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        let index = self.channel_to_send(&context.shared.memory, id)?;
        let per_block = positions_per_block(context.settings.limits.block_size as usize);
        let channel = self.channels.get(&context.shared.memory, index).ok_or(SendError::UnknownChannel)?;
        if message.len() as u64 >= self.largest_whole(channel, per_block) {
            return Err(SendError::TooLarge);
        }
        if channel.outbox.is_streaming() {
            return Err(SendError::Streaming);
        }
        let deadline = options.deadline.filter(|deadline| *deadline < Instant::MAX);
        let noted = deadline.is_none_or(|deadline| self.note_deadline(&mut context.shared.memory, index, deadline));
        let sent = self.with_outbox(context, index, message.len(), |channel, pool| {
            if noted { channel.send(pool, message) } else { Err(OutboxError::Blocked) }
        });
        self.packets.plain |= message.len() <= usize::from(self.path.mtu.size());
        if deadline.is_some() && noted {
            self.settle_deadline(&mut context.shared.memory, index, sent.ok());
        }
        if deadline.is_some() && sent == Err(SendError::Blocked) {
            self.want_deadline(&mut context.shared.memory, index);
        }
        sent.map(|end_offset| MessageId { channel: id, end_offset })
    }

    /// Opens a message to be written piece by piece.
    pub(crate) fn begin<P: Provider>(&mut self, context: &mut Context<'_, P>, id: ChannelId) -> Result<(), SendError> {
        let memory = &mut context.shared.memory;
        let index = self.channel_to_send(memory, id)?;
        if !self.mode_at(memory, index).is_streamed() {
            return Err(SendError::WholeOnly);
        }
        let channel = self.channels.get_mut(memory, index).ok_or(SendError::UnknownChannel)?;
        channel.outbox.begin().map_err(|_| SendError::Streaming)
    }

    /// Appends to the open message; returns how many bytes were taken, at least one unless `bytes` is empty.
    pub(crate) fn write<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        bytes: &[u8],
        id: ChannelId,
    ) -> Result<usize, SendError> {
        let index = self.channel_to_send(&context.shared.memory, id)?;
        self.with_outbox(context, index, 0, |channel, pool| {
            if !channel.outbox.is_streaming() {
                return Err(OutboxError::NotStreaming);
            }
            match channel.outbox.write(pool, bytes) {
                0 if !bytes.is_empty() => Err(OutboxError::Blocked),
                written => Ok(written),
            }
        })
    }

    /// Ends the open message.
    pub(crate) fn finish<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        id: ChannelId,
    ) -> Result<MessageId, SendError> {
        let index = self.channel_to_send(&context.shared.memory, id)?;
        self.with_outbox(context, index, 0, |channel, pool| channel.outbox.finish(pool))
            .map(|end_offset| MessageId { channel: id, end_offset })
    }

    /// The next bytes of the current message.
    pub(crate) fn read<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        out: &mut [u8],
        id: ChannelId,
    ) -> Result<Option<Chunk>, RecvError> {
        let index = self.channel_to_read(&context.shared.memory, id)?;
        if !self.mode_at(&context.shared.memory, index).is_streamed() {
            return Err(RecvError::WholeOnly);
        }
        if self.channels.take_cut(&mut context.shared.memory, index) {
            self.on_read(&mut context.shared.memory, index);
            return Err(RecvError::Cut);
        }
        self.read_on(context, out, index)
    }

    fn read_on<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        out: &mut [u8],
        index: usize,
    ) -> Result<Option<Chunk>, RecvError> {
        if !self.control.established {
            return self.nothing_to_read();
        }
        let Some(chunk) = self.channels.read(&mut context.shared.memory, &context.settings.limits, index, out) else {
            return self.nothing_to_read();
        };
        self.on_read(&mut context.shared.memory, index);
        self.note_taken(context.now);
        Ok(Some(chunk))
    }

    /// The application has taken something.
    #[inline]
    fn note_taken(&mut self, now: Instant) {
        self.clocks.lifetime.use_at(now);
        if self.phase == Phase::Closed {
            // What is left stays readable for its full time again.
            self.closing.since = now;
        }
    }

    /// A whole message, if one is complete.
    pub(crate) fn recv<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        out: &mut [u8],
        id: ChannelId,
    ) -> Result<Option<usize>, RecvError> {
        if self.control.established
            && straight::is_open()
            && let Some(length) = self.channels.take_next(&mut context.shared.memory, &context.settings.limits, id, out)
        {
            self.note_taken(context.now);
            #[cfg(test)]
            straight::went(straight::Way::Taken);
            return Ok(Some(length));
        }
        self.recv_any(context, out, id)
    }

    /// The same of a channel of any kind, whatever there is to read.
    #[inline(never)]
    fn recv_any<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        out: &mut [u8],
        id: ChannelId,
    ) -> Result<Option<usize>, RecvError> {
        let index = self.channel_to_read(&context.shared.memory, id)?;
        let memory = &mut context.shared.memory;
        let Some(channel) = self.channels.get(memory, index) else { return self.nothing_to_read() };
        let (mode, skips, in_order) = (channel.mode, channel.skips, channel.inbox().message_length());
        if skips != SlabKey::NOWHERE && self.channels.take_cut(memory, index) {
            self.on_read(memory, index);
            return Err(RecvError::Cut);
        }
        let length = match mode {
            ChannelMode::ReliableOrdered => in_order,
            _ => self.channels.message_length(memory, index),
        };
        debug_assert_eq!(length, self.channels.message_length(memory, index));
        let Some(length) = length.filter(|_| self.control.established) else {
            return self.nothing_to_read();
        };
        if length > out.len() as u64 {
            return Err(RecvError::TooSmall);
        }
        if !mode.is_streamed() {
            if self.phase == Phase::Closed {
                self.closing.since = context.now;
            }
            let taken = self.channels.take(&mut context.shared.memory, &context.settings.limits, index, out);
            self.on_read(&mut context.shared.memory, index);
            return Ok(taken);
        }
        let mut read = 0;
        while let Some(chunk) = self.read_on(context, &mut out[read..], index)? {
            read += chunk.length;
            if chunk.end {
                break;
            }
        }
        Ok(Some(read))
    }

    fn mode_at(&self, memory: &Memory, index: usize) -> ChannelMode {
        self.channels.get(memory, index).map_or(ChannelMode::ReliableOrdered, |channel| channel.mode)
    }

    fn nothing_to_read<T>(&self) -> Result<Option<T>, RecvError> {
        let over = matches!(self.phase, Phase::Closing | Phase::Draining | Phase::Closed);
        if over { Err(RecvError::Closed) } else { Ok(None) }
    }

    fn channel_to_read(&self, memory: &Memory, id: ChannelId) -> Result<usize, RecvError> {
        let index =
            self.channels.find(memory, id).filter(|index| *index != CONTROL).ok_or(RecvError::UnknownChannel)?;
        self.channels.refuses_to_read(memory, index).map_or(Ok(index), Err)
    }

    fn channel_to_send(&self, memory: &Memory, id: ChannelId) -> Result<usize, SendError> {
        let index =
            self.channels.find(memory, id).filter(|index| *index != CONTROL).ok_or(SendError::UnknownChannel)?;
        if !self.phase.takes_data() {
            return Err(SendError::Closed);
        }
        self.channels.refuses_to_send(memory, index).map_or(Ok(index), Err)
    }

    /// Runs `operation`, and remembers to tell `Writable` where room for `length` bytes and a terminator was missing.
    fn with_outbox<P: Provider, T>(
        &mut self,
        context: &mut Context<'_, P>,
        index: usize,
        length: usize,
        operation: impl FnOnce(&mut Channel, &mut Pool) -> Result<T, OutboxError>,
    ) -> Result<T, SendError> {
        let limits = &context.settings.limits;
        let Memory { pool, channels, dynamics, .. } = &mut context.shared.memory;
        let channel = self.channels.get_in(dynamics, channels, index).ok_or(SendError::UnknownChannel)?;
        let done = operation(channel, pool);
        if done.is_ok() {
            self.clocks.lifetime.use_at(context.now);
        }
        done.map_err(|error| match error {
            OutboxError::Blocked => {
                let per_block = positions_per_block(limits.block_size as usize);
                channel.blocked = true;
                self.channels.refused = true;
                channel.wanted = channel.outbox.blocks_for(per_block, length as u64 + 1);
                SendError::Blocked
            }
            OutboxError::Streaming | OutboxError::NotStreaming => SendError::Streaming,
        })
    }

    /// Positions that a message sent whole may take: what fits our blocks and, once known, the peer's window or mailbox.
    #[inline]
    fn largest_whole(&self, channel: &Channel, per_block: u64) -> u64 {
        let ours = per_block.saturating_mul(u64::from(channel.outbox.budget().saturating_sub(1)));
        if self.keys.secrets.is_none() {
            return ours;
        }
        let peers = match channel.mode.stands_alone() {
            true => channel.send_maximum.saturating_add(1),
            false => self.channels.peer_window(),
        };
        ours.min(peers)
    }

    pub(crate) fn set_rate_cap(&mut self, bytes_per_second: Option<NonZeroU64>) {
        self.path.set_rate_cap(bytes_per_second);
    }

    pub(crate) fn state(&self) -> State {
        self.phase.public()
    }

    pub(crate) fn close_reason(&self, memory: &Memory) -> Option<CloseReason> {
        self.closing.reason(memory).copied()
    }

    pub(crate) fn heard(&self) -> Heard {
        match self.keys.uid {
            Some(_) => Heard::Peer,
            None if self.discards.is_any() => Heard::Unverified,
            None => Heard::Nothing,
        }
    }

    /// The channels the application has.
    pub(crate) fn application_channels<'m>(&'m self, memory: &'m Memory) -> impl Iterator<Item = ChannelId> {
        self.channels.iter(memory).map(|channel| channel.id).filter(|id| *id != ChannelId::CONTROL)
    }

    pub(crate) fn channel_stats(&self, memory: &Memory, id: ChannelId) -> Option<ChannelStats> {
        let channel = self.channels.iter(memory).find(|channel| channel.id == id)?;
        Some(ChannelStats {
            queued: channel.outbox.write_offset(),
            sent: channel.sent_to(),
            acked: channel.acked_to(),
            delivered: channel.delivered_to,
            received: channel.inbox().contiguous_to(),
            read: channel.inbox().read_offset(),
            lost_messages: channel.lost_messages(),
            dropped_messages: self.channels.dropped_messages(memory, channel),
            expired_messages: memory.expiries.get(channel.expiry).map_or(0, Expiry::expired),
            skipped_positions: memory.skips.get(channel.skips).map_or(0, |skips| skips.positions),
        })
    }

    /// What became of the data; `None` while the session lives.
    pub(crate) fn close_report(&self, memory: &Memory, id: ChannelId) -> Option<CloseReport> {
        let over = matches!(self.phase, Phase::Closing | Phase::Draining | Phase::Closed);
        self.channel_stats(memory, id).filter(|_| over).map(CloseReport::from)
    }

    pub(crate) fn uid(&self) -> Option<Uid> {
        self.keys.uid
    }

    pub(crate) fn user_data(&self, pool: &Pool, out: &mut [u8]) -> usize {
        self.control.user_data.copy(pool, out)
    }

    pub(crate) fn message_length(&self, memory: &Memory, id: ChannelId) -> Option<u64> {
        let index = self.channel_to_read(memory, id).ok().filter(|_| self.control.established)?;
        self.channels.message_length(memory, index)
    }

    pub(crate) fn role(&self) -> crate::ids::Role {
        self.role
    }

    pub(crate) fn stats(&self) -> Stats {
        let rtt = &self.path.rtt;
        Stats {
            latest_rtt: rtt.latest(),
            smoothed_rtt: rtt.smoothed(),
            rtt_variance: rtt.variance(),
            minimum_rtt: rtt.minimum(),
            packets_sent: self.counters.packets_sent,
            packets_received: self.counters.packets_received,
            bytes_sent: self.counters.bytes_sent,
            bytes_received: self.counters.bytes_received,
            packets_lost: u64::from(self.counters.packets_lost),
            spurious_losses: self.path.late,
            ack_eliciting_sent: self.counters.ack_eliciting_sent,
            congestion_window: self.path.congestion.window(),
            bytes_in_flight: self.packets.log.bytes_in_flight(),
            packets_retransmitted: self.counters.packets_retransmitted,
            bytes_retransmitted: self.counters.bytes_retransmitted,
            no_memory: u64::from(self.counters.no_memory),
            max_datagram: self.path.mtu.size(),
            keepalive: self.clocks.keepalive.interval(),
            packets_elsewhere: self.path.elsewhere,
            key_rotations: self.keys.generation,
            path_changes: self.path_changes,
        }
    }
}
