//! What applications ask of a session. All or nothing, in any order.

use super::channels::CONTROL;
use super::{Phase, SessionCore};
use crate::channel::{Chunk, OutboxError, positions_per_block};
use crate::crypto::Provider;
use crate::ids::{ChannelId, MessageId, Uid};
use crate::pool::Pool;
use crate::reason::{CloseReason, Discards, RecvError, SendError};
use crate::recovery::CongestionController;
use crate::session::{State, Stats};
use crate::shared::{Context, Settings};

impl SessionCore {
    /// Queues a whole message.
    pub(crate) fn send<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        message: &[u8],
        id: ChannelId,
    ) -> Result<MessageId, SendError> {
        let index = self.channel_to_send(id)?;
        if message.len() as u64 >= self.largest_whole(context.settings) {
            return Err(SendError::TooLarge);
        }
        self.with_outbox(context.settings, index, message.len(), |channel| {
            channel.outbox.send(&mut context.shared.pool, message, context.settings.limits.send_blocks)
        })
        .map(|end_offset| MessageId { channel: id, end_offset })
    }

    /// Opens a message to be written piece by piece.
    pub(crate) fn begin(&mut self, id: ChannelId) -> Result<(), SendError> {
        let index = self.channel_to_send(id)?;
        let channel = self.channels.get_mut(index).ok_or(SendError::UnknownChannel)?;
        channel.outbox.begin().map_err(|_| SendError::Streaming)
    }

    /// Appends to the open message; returns how many bytes were taken, at least one unless `bytes` is empty.
    pub(crate) fn write<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        bytes: &[u8],
        id: ChannelId,
    ) -> Result<usize, SendError> {
        let index = self.channel_to_send(id)?;
        self.with_outbox(context.settings, index, 0, |channel| {
            if !channel.outbox.is_streaming() {
                return Err(OutboxError::NotStreaming);
            }
            match channel.outbox.write(&mut context.shared.pool, bytes, context.settings.limits.send_blocks) {
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
        let index = self.channel_to_send(id)?;
        self.with_outbox(context.settings, index, 0, |channel| {
            channel.outbox.finish(&mut context.shared.pool, context.settings.limits.send_blocks)
        })
        .map(|end_offset| MessageId { channel: id, end_offset })
    }

    /// The next bytes of the current message.
    pub(crate) fn read<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        out: &mut [u8],
        id: ChannelId,
    ) -> Result<Option<Chunk>, RecvError> {
        let index = self.channel_to_read(id)?;
        if !self.control.established {
            return self.nothing_to_read();
        }
        let Some(chunk) = self.channels.read(&mut context.shared.pool, &context.settings.limits, index, out) else {
            return self.nothing_to_read();
        };
        if self.phase == Phase::Closed {
            // What is left stays readable for its full time again.
            self.closing.since = context.now;
        }
        Ok(Some(chunk))
    }

    /// A whole message, if one is complete.
    pub(crate) fn recv<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        out: &mut [u8],
        id: ChannelId,
    ) -> Result<Option<usize>, RecvError> {
        self.channel_to_read(id)?;
        let Some(length) = self.message_length(id) else {
            return self.nothing_to_read();
        };
        if length > out.len() as u64 {
            return Err(RecvError::TooSmall);
        }
        let mut read = 0;
        while let Some(chunk) = self.read(context, &mut out[read..], id)? {
            read += chunk.length;
            if chunk.end {
                break;
            }
        }
        Ok(Some(read))
    }

    fn nothing_to_read<T>(&self) -> Result<Option<T>, RecvError> {
        let over = matches!(self.phase, Phase::Closing | Phase::Draining | Phase::Closed);
        if over { Err(RecvError::Closed) } else { Ok(None) }
    }

    fn channel_to_read(&self, id: ChannelId) -> Result<usize, RecvError> {
        self.channels.find(id).filter(|index| *index != CONTROL).ok_or(RecvError::UnknownChannel)
    }

    fn channel_to_send(&self, id: ChannelId) -> Result<usize, SendError> {
        let index = self.channels.find(id).filter(|index| *index != CONTROL).ok_or(SendError::UnknownChannel)?;
        if self.phase.takes_data() { Ok(index) } else { Err(SendError::Closed) }
    }

    /// Runs `operation`, and remembers to tell `Writable` where room for `length` bytes and a terminator was missing.
    fn with_outbox<T>(
        &mut self,
        settings: &Settings,
        index: usize,
        length: usize,
        operation: impl FnOnce(&mut super::channels::Channel) -> Result<T, OutboxError>,
    ) -> Result<T, SendError> {
        let channel = self.channels.get_mut(index).ok_or(SendError::UnknownChannel)?;
        operation(channel).map_err(|error| match error {
            OutboxError::Blocked => {
                let per_block = positions_per_block(settings.limits.block_size as usize);
                channel.blocked = true;
                channel.wanted = channel.outbox.blocks_for(per_block, length as u64 + 1);
                SendError::Blocked
            }
            OutboxError::Streaming | OutboxError::NotStreaming => SendError::Streaming,
        })
    }

    /// Positions that a message sent whole may take: what fits our blocks and, once known, the peer's window.
    fn largest_whole(&self, settings: &Settings) -> u64 {
        let per_block = positions_per_block(settings.limits.block_size as usize);
        let ours = per_block.saturating_mul(u64::from(settings.limits.send_blocks.saturating_sub(1)));
        if self.keys.secrets.is_some() { ours.min(self.channels.peer_window()) } else { ours }
    }

    pub(crate) fn state(&self) -> State {
        self.phase.public()
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.closing.reason
    }

    pub(crate) fn discards(&self) -> &Discards {
        &self.discards
    }

    pub(crate) fn uid(&self) -> Option<Uid> {
        self.keys.uid
    }

    pub(crate) fn user_data(&self, pool: &Pool, out: &mut [u8]) -> usize {
        self.control.user_data.copy(pool, out)
    }

    pub(crate) fn acked_offset(&self, id: ChannelId) -> u64 {
        self.channels.find(id).and_then(|index| self.channels.get(index)).map_or(0, |channel| channel.acked_to())
    }

    pub(crate) fn is_all_acked(&self, id: ChannelId) -> bool {
        self.channels.find(id).and_then(|index| self.channels.get(index)).is_none_or(|channel| channel.is_all_acked())
    }

    pub(crate) fn message_length(&self, id: ChannelId) -> Option<u64> {
        let index = self.channel_to_read(id).ok().filter(|_| self.control.established)?;
        self.channels.get(index)?.inbox.message_length()
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
            packets_lost: self.counters.packets_lost,
            ack_eliciting_sent: self.counters.ack_eliciting_sent,
            congestion_window: self.path.congestion.window(),
            bytes_in_flight: self.packets.log.bytes_in_flight(),
            no_memory: self.counters.no_memory,
            max_datagram: self.path.max_datagram,
        }
    }
}
