//! Messages that were too late: given up here, passed over there (protocol §9.3).

use super::channels::CONTROL;
use super::events::ChannelEvent;
use super::{Phase, SessionCore};
use crate::channel::Expiry;
use crate::crypto::Provider;
use crate::ids::{ChannelId, MessageId};
use crate::memory::Memory;
use crate::shared::Context;
use crate::time::Instant;

impl SessionCore {
    /// When the next message expires.
    pub(super) fn message_expires_at(&self, memory: &Memory) -> Option<Instant> {
        if !self.channels.expiring || !(self.phase.takes_data() || self.phase == Phase::Flushing) {
            return None;
        }
        let expiries = self.channels.iter(memory).filter_map(|channel| memory.expiries.get(channel.expiry));
        expiries.map(Expiry::earliest).min().filter(|at| *at < Instant::MAX)
    }

    /// Gives up the messages whose deadline has passed.
    pub(super) fn expire_messages<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let memory = &mut context.shared.memory;
        if self.message_expires_at(memory).is_none_or(|at| at > context.now) {
            return;
        }
        let mut place = self.channels.place_after(memory, Some(CONTROL));
        while let Some(index) = place {
            place = self.channels.place_after(memory, place);
            let Memory { pool, channels, expiries, dynamics, .. } = &mut *memory;
            let Some(channel) = self.channels.get_in(dynamics, channels, index) else { continue };
            let Some(expiry) = expiries.get_mut(channel.expiry) else { continue };
            let before = channel.outbox.acked_to();
            if channel.expire(pool, expiry, context.now) {
                self.events.raise_on(dynamics, index, ChannelEvent::Expired);
                if channel.outbox.acked_to() > before {
                    self.events.raise_on(dynamics, index, ChannelEvent::Acknowledged);
                }
                if core::mem::take(&mut channel.blocked) {
                    self.events.raise_on(dynamics, index, ChannelEvent::Writable);
                }
            }
        }
        self.channels.settle_expiring(memory);
        self.channels.unsettle(memory);
        self.settle_channels(memory);
        self.close_if_flushed(context);
    }

    /// Takes a place for the deadline of the message that is to be sent next; `false` if there is none.
    pub(super) fn note_deadline(&self, memory: &mut Memory, index: usize, deadline: Instant) -> bool {
        let Memory { pool, channels, expiries, dynamics, .. } = memory;
        let Some(channel) = self.channels.get_in(dynamics, channels, index) else { return false };
        if expiries.get(channel.expiry).is_none() {
            channel.expiry = expiries.insert(Expiry::new()).unwrap_or_default();
        }
        let Some(expiry) = expiries.get_mut(channel.expiry) else { return false };
        if expiry.is_full() {
            channel.make_places(pool, expiry);
        }
        expiry.note(pool, channel.outbox.write_offset(), deadline)
    }

    /// There was no room for a message: its deadline is to find some too.
    pub(super) fn want_deadline(&self, memory: &mut Memory, index: usize) {
        let Memory { pool, channels, expiries, dynamics, .. } = memory;
        let Some(channel) = self.channels.get_in(dynamics, channels, index) else { return };
        let needs_block = expiries.get(channel.expiry).is_none_or(|expiry| expiry.needs_block(pool));
        channel.wanted = channel.wanted.saturating_add(u32::from(needs_block));
    }

    /// The message was taken up to `end`, or not at all.
    pub(super) fn settle_deadline(&mut self, memory: &mut Memory, index: usize, end: Option<u64>) {
        self.channels.expiring |= end.is_some();
        let Memory { pool, channels, expiries, dynamics, .. } = memory;
        let Some(channel) = self.channels.get_in(dynamics, channels, index) else { return };
        let Some(expiry) = expiries.get_mut(channel.expiry) else { return };
        expiry.settle(pool, end);
        if expiry.is_unused() {
            expiries.remove(core::mem::take(&mut channel.expiry));
        }
    }

    /// The first message that expired and was not asked for.
    pub(crate) fn take_expired(&mut self, memory: &mut Memory, id: ChannelId) -> Option<MessageId> {
        let index = self.channels.find(memory, id).filter(|index| *index != CONTROL)?;
        let Memory { pool, channels, expiries, dynamics, .. } = memory;
        let expiry = expiries.get_mut(self.channels.get_in(dynamics, channels, index)?.expiry)?;
        expiry.take(pool).map(|end_offset| MessageId { channel: id, end_offset })
    }
}
