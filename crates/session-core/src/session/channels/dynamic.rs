//! Channels that come and go while the session lives: opened, found, brought to their end and removed (protocol §9.4).

use super::super::events::ChannelEvent;
use super::{Channels, StoreError};
use crate::channel::{
    Channel, Dynamic, Ledger, Mailbox, ReceiveState, ReceivingTrigger, SendState, SendingTrigger, Signal, SignalFate,
};
use crate::channel_config::{ChannelConfig, ChannelLimits, ChannelMode, ChannelOptions};
use crate::ids::{ChannelId, Role};
use crate::limits::{CHANNELS, Limits};
use crate::memory::Memory;
use crate::reason::{EndChannelError, OpenChannelError, RecvError, SendError};
use crate::shared::Settings;
use crate::slab::{Slab, SlabKey};

/// What a frame of the peer's is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// The channel at this place.
    At(usize),
    /// The same, and it, or one before it, was opened by the frame.
    Opened(usize),
    /// A channel that was, and is gone: the frame means nothing any more.
    Gone,
}

/// Why a frame of the peer's must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocateError {
    /// Nobody has opened the channel.
    Unknown,
    /// It is one more than the peer may open.
    Limit,
}

/// The place of the dynamic channel under `key`.
pub(crate) fn place_of(key: SlabKey) -> usize {
    CHANNELS + key.number() as usize
}

/// The other way round; `None` of channels that are no dynamic ones.
#[inline]
pub(crate) fn key_at(index: usize) -> Option<SlabKey> {
    let number = index.checked_sub(CHANNELS)?;
    u32::try_from(number).ok().map(SlabKey::of_number)
}

impl Channels {
    pub(crate) fn ledger<'m>(&self, memory: &'m Memory) -> Option<&'m Ledger> {
        memory.ledgers.get(self.ledger)
    }

    pub(crate) fn ledger_mut<'m>(&self, memory: &'m mut Memory) -> Option<&'m mut Ledger> {
        memory.ledgers.get_mut(self.ledger)
    }

    pub(crate) fn dynamic_at<'m>(&self, memory: &'m Memory, index: usize) -> Option<&'m Dynamic> {
        memory.dynamics.get(key_at(index)?)
    }

    fn dynamic_mut<'m>(&self, dynamics: &'m mut Slab<Dynamic>, index: usize) -> Option<&'m mut Dynamic> {
        dynamics.get_mut(key_at(index)?)
    }

    /// The dynamic channels and their places, as they were opened.
    pub(crate) fn dynamics<'m>(&self, memory: &'m Memory) -> impl Iterator<Item = (usize, &'m Dynamic, &'m Channel)> {
        let first = self.ledger(memory).map_or(SlabKey::NOWHERE, |ledger| ledger.first);
        let found = |key: SlabKey| memory.dynamics.get(key).map(|dynamic| (key, dynamic));
        core::iter::successors(found(first), move |(_, dynamic)| found(dynamic.next)).filter_map(|(key, dynamic)| {
            memory.channels.get(dynamic.channel).map(|channel| (place_of(key), dynamic, channel))
        })
    }

    /// The place of the dynamic channel after the one at `before`, or of the first.
    pub(crate) fn dynamic_after(&self, memory: &Memory, before: Option<usize>) -> Option<usize> {
        let next = match before {
            Some(index) => self.dynamic_at(memory, index)?.next,
            None => self.ledger(memory)?.first,
        };
        (next != SlabKey::NOWHERE).then(|| place_of(next))
    }

    // --- opening ---

    /// Opens a channel of our own.
    pub(crate) fn open_own(
        &self,
        memory: &mut Memory,
        limits: &Limits,
        role: Role,
        mode: ChannelMode,
        options: ChannelOptions,
    ) -> Result<ChannelId, OpenChannelError> {
        let ledger = self.ledger_mut(memory).ok_or(OpenChannelError::Full)?;
        let number = ledger.opened[mode.place()];
        let error = if ledger.ours >= limits.opened_channels {
            Some(OpenChannelError::Full)
        } else {
            (number >= ledger.may_open[mode.place()]).then_some(OpenChannelError::Limit)
        };
        if let Some(error) = error {
            ledger.wait_for(mode);
            return Err(error);
        }
        let id = ChannelId::dynamic(number, mode, role);
        self.insert(memory, limits, &ChannelConfig::new(id, mode).with_options(options), 0)
            .ok_or(OpenChannelError::Full)?;
        if let Some(ledger) = self.ledger_mut(memory) {
            ledger.opened[mode.place()] = number + 1;
            ledger.ours += 1;
        }
        Ok(id)
    }

    /// Finds what a frame of the peer's is about. The first about a channel of the peer's opens it, and all before it of its mode.
    pub(crate) fn locate(
        &self,
        memory: &mut Memory,
        settings: &Settings,
        role: Role,
        id: ChannelId,
    ) -> Result<Located, LocateError> {
        if let Some(index) = self.find(memory, id) {
            return Ok(Located::At(index));
        }
        let (number, mode, opener) = id.parts().ok_or(LocateError::Unknown)?;
        let Some(ledger) = self.ledger(memory) else {
            return Err(if opener == role { LocateError::Unknown } else { LocateError::Limit });
        };
        if opener == role {
            return if number < ledger.opened[mode.place()] { Ok(Located::Gone) } else { Err(LocateError::Unknown) };
        }
        let accepted = ledger.accepted[mode.place()];
        if number < accepted {
            return Ok(Located::Gone);
        }
        if number >= ledger.granted[mode.place()] {
            return Err(LocateError::Limit);
        }
        let mut last = None;
        for number in accepted..=number {
            let id = ChannelId::dynamic(number, mode, opener);
            let options = settings.config.accepted_channels.suited_to(mode);
            let config = ChannelConfig::new(id, mode).with_options(options);
            last = self.insert(memory, &settings.limits, &config, ChannelEvent::Opened as u16);
            if let Some(ledger) = self.ledger_mut(memory) {
                ledger.accepted[mode.place()] = number + 1;
            }
        }
        last.map(Located::Opened).ok_or(LocateError::Limit)
    }

    /// Makes the records of a channel and appends it to the others.
    fn insert(&self, memory: &mut Memory, limits: &Limits, config: &ChannelConfig, events: u16) -> Option<usize> {
        let mut channel = Channel::new(config, limits.channel_window, limits.send_blocks);
        let ledger = self.ledger(memory)?;
        channel.send_maximum = if config.mode.stands_alone() { ledger.largest_alone } else { ledger.first_credit };
        if config.mode.stands_alone() {
            let mailbox = Mailbox::new(config.mode == ChannelMode::LatestValue, limits.mailbox_blocks);
            channel.mailbox = memory.mailboxes.insert(mailbox).ok()?;
        }
        let mailbox = channel.mailbox;
        let inserted = memory.channels.insert(channel).ok().and_then(|channel| {
            let inserted = memory.dynamics.insert(Dynamic { events, ..Dynamic::new(channel) }).ok();
            if inserted.is_none() {
                memory.channels.remove(channel);
            }
            inserted
        });
        debug_assert!(inserted.is_some(), "there is room for as many channels as both sides may open");
        let Some(key) = inserted else {
            memory.mailboxes.remove(mailbox);
            return None;
        };
        let ledger = memory.ledgers.get_mut(self.ledger)?;
        let before = core::mem::replace(&mut ledger.last, key);
        match memory.dynamics.get_mut(before) {
            Some(before) => before.next = key,
            None => ledger.first = key,
        }
        Some(place_of(key))
    }

    // --- what the application does ---

    /// Nothing more is given to be sent.
    pub(crate) fn finish(&self, memory: &mut Memory, index: usize) -> Result<(), EndChannelError> {
        if self.get(memory, index).is_some_and(|channel| channel.outbox.is_streaming()) {
            return Err(EndChannelError::Streaming);
        }
        let dynamic = self.dynamic_mut(&mut memory.dynamics, index).ok_or(EndChannelError::Agreed)?;
        if dynamic.directions.send(SendingTrigger::Finish) { Ok(()) } else { Err(EndChannelError::Ended) }
    }

    /// What is sent is given up: by the application, or because the peer reads no more. `false` where that is over already.
    pub(crate) fn give_up(&self, memory: &mut Memory, index: usize, code: u64, stopped: bool) -> bool {
        let Memory { pool, channels, dynamics, expiries, .. } = &mut *memory;
        let Some(dynamic) = self.dynamic_mut(dynamics, index) else { return false };
        let Some(channel) = channels.get_mut(dynamic.channel) else { return false };
        let expiry = expiries.get_mut(channel.expiry);
        if dynamic.is_sent(channel, expiry.as_deref()) || !dynamic.directions.send(SendingTrigger::GiveUp) {
            return false;
        }
        dynamic.sending_code = code;
        dynamic.stopped = stopped;
        channel.reset_sending(pool);
        if let Some(expiry) = expiry {
            expiry.end(pool);
        }
        true
    }

    /// The application reads no more.
    pub(crate) fn stop(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        index: usize,
        code: u64,
    ) -> Result<(), EndChannelError> {
        let dynamic = self.dynamic_mut(&mut memory.dynamics, index).ok_or(EndChannelError::Agreed)?;
        if !dynamic.directions.receive(ReceivingTrigger::Stop) {
            return Err(EndChannelError::Ended);
        }
        dynamic.receiving_code = code;
        dynamic.events &= !(ChannelEvent::Readable as u16);
        let end = dynamic.end.get().unwrap_or(0);
        self.discard(memory, limits, index, end);
        Ok(())
    }

    /// Why nothing is sent on the channel at `index` any more.
    pub(crate) fn refuses_to_send(&self, memory: &Memory, index: usize) -> Option<SendError> {
        let dynamic = self.dynamic_at(memory, index)?;
        match dynamic.directions.sending {
            SendState::Open => None,
            sending if sending.is_given_up() && dynamic.stopped => Some(SendError::Stopped),
            _ => Some(SendError::Finished),
        }
    }

    /// Why nothing is read from the channel at `index` any more.
    pub(crate) fn refuses_to_read(&self, memory: &Memory, index: usize) -> Option<RecvError> {
        match self.dynamic_at(memory, index)?.directions.receiving {
            ReceiveState::Open | ReceiveState::Ending => None,
            ReceiveState::Finished => Some(RecvError::Finished),
            ReceiveState::Reset => Some(RecvError::Reset),
            _ => Some(RecvError::Stopped),
        }
    }

    /// Everything the peer has sent, and finished, was read. `true` once.
    pub(crate) fn has_finished_reading(&self, memory: &mut Memory, index: usize) -> bool {
        let Some(dynamic) = self.dynamic_at(memory, index) else { return false };
        let Some(end) = dynamic.end.get() else { return false };
        let read = match self.get(memory, index) {
            Some(channel) if channel.mode.stands_alone() => self.message_length(memory, index).is_none(),
            // Whose message was given up while it was read is told that first.
            Some(channel) => {
                let is_cut = memory.skips.get(channel.skips).is_some_and(|skips| skips.cut);
                channel.inbox().read_offset() == end && !is_cut
            }
            None => false,
        };
        let dynamic = self.dynamic_mut(&mut memory.dynamics, index).filter(|_| read);
        dynamic.is_some_and(|dynamic| dynamic.directions.receive(ReceivingTrigger::AllRead))
    }

    // --- what the peer does ---

    /// CHANNEL_END: what the peer sends ends at `end`.
    pub(crate) fn on_end(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        index: usize,
        end: u64,
    ) -> Result<(), StoreError> {
        self.note_end(memory, index, end)?;
        let Memory { pool, channels, dynamics, .. } = &mut *memory;
        let dynamic = self.dynamic_mut(dynamics, index).ok_or(StoreError::UnknownChannel)?;
        let channel = channels.get_mut(dynamic.channel).ok_or(StoreError::UnknownChannel)?;
        if !channel.mode.stands_alone()
            && dynamic.directions.receiving.takes_data()
            && channel.inbox().contiguous_to() == end
            && !channel.inbox().ends_with_a_message(pool)
        {
            return Err(StoreError::FinalSize);
        }
        dynamic.directions.receive(ReceivingTrigger::End);
        if dynamic.directions.receiving == ReceiveState::Discarded {
            self.discard(memory, limits, index, end);
        }
        Ok(())
    }

    /// CHANNEL_RESET: the peer gives up what lies below `end`. Returns whether that is news to the application.
    pub(crate) fn on_reset(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        index: usize,
        code: u64,
        end: u64,
    ) -> Result<bool, StoreError> {
        self.note_end(memory, index, end)?;
        let dynamic = self.dynamic_mut(&mut memory.dynamics, index).ok_or(StoreError::UnknownChannel)?;
        if !dynamic.directions.receive(ReceivingTrigger::Reset) {
            return Ok(false);
        }
        let news = dynamic.directions.receiving == ReceiveState::Reset;
        if news {
            dynamic.receiving_code = code;
            dynamic.events &= !(ChannelEvent::Readable as u16);
        }
        self.discard(memory, limits, index, end);
        Ok(news)
    }

    /// Holds what the peer says of the end against what came, and against its credit; keeps it.
    fn note_end(&self, memory: &mut Memory, index: usize, end: u64) -> Result<(), StoreError> {
        let received = self.taken(memory).received;
        let channel = self.get(memory, index).ok_or(StoreError::UnknownChannel)?;
        let dynamic = self.dynamic_at(memory, index).ok_or(StoreError::UnknownChannel)?;
        let alone = channel.mode.stands_alone();
        let highest = if alone { dynamic.numbers } else { channel.inbox().highest() };
        if end < highest || dynamic.end.get().is_some_and(|before| before != end) {
            return Err(StoreError::FinalSize);
        }
        let over_session = received.saturating_add(end.saturating_sub(highest)) > self.receive_maximum;
        if !alone && (end > channel.receive_maximum || over_session) {
            return Err(StoreError::FlowControl);
        }
        if let Some(dynamic) = self.dynamic_mut(&mut memory.dynamics, index) {
            dynamic.end = end.into();
        }
        Ok(())
    }

    /// Nobody wants what came on a channel, nor what lies below `end`: it counts as read.
    pub(super) fn discard(&mut self, memory: &mut Memory, limits: &Limits, index: usize, end: u64) {
        let Memory { pool, channels, mailboxes, skips, dynamics, .. } = &mut *memory;
        let Some(channel) = self.get_in(dynamics, channels, index) else { return };
        if let Some(mailbox) = mailboxes.get_mut(channel.mailbox) {
            mailbox.release(pool);
            return;
        }
        if let Some(skips) = skips.get_mut(channel.skips) {
            // Who reads no more is not told that a message was cut.
            skips.cut = false;
        }
        if let Some(inbox) = channel.inbox_mut() {
            inbox.abandon(pool, &mut self.data.reservation, end);
        }
        self.renew_credit(memory, limits, index);
        self.unsecure_if_empty(memory);
    }

    // --- what left in packets ---

    /// The first signal that is due, and the index of its channel.
    #[inline]
    pub(crate) fn due_signal(&self, memory: &Memory) -> Option<(usize, Signal)> {
        if self.has_ledger() { self.first_due_signal(memory) } else { None }
    }

    fn first_due_signal(&self, memory: &Memory) -> Option<(usize, Signal)> {
        self.dynamics(memory).find_map(|(index, dynamic, channel)| Some((index, dynamic.due(channel)?)))
    }

    /// A packet that names the channel at `index` is on its way.
    pub(crate) fn on_named(&self, dynamics: &mut Slab<Dynamic>, index: usize) {
        if let Some(dynamic) = self.dynamic_mut(dynamics, index) {
            dynamic.outstanding = dynamic.outstanding.saturating_add(1);
        }
    }

    /// A packet that names it was acknowledged or lost.
    pub(crate) fn on_named_no_more(&self, memory: &mut Memory, index: usize) {
        let Some(dynamic) = self.dynamic_mut(&mut memory.dynamics, index) else { return };
        dynamic.outstanding = dynamic.outstanding.saturating_sub(1);
        self.unsettle(memory);
    }

    pub(crate) fn on_signal(&self, memory: &mut Memory, index: usize, signal: Signal, fate: SignalFate) {
        if let Some(dynamic) = self.dynamic_mut(&mut memory.dynamics, index) {
            dynamic.on_signal(signal, fate);
        }
    }

    /// No end of a channel is on its way any more.
    pub(crate) fn owes_no_signal(&self, memory: &Memory) -> bool {
        self.dynamics(memory).all(|(_, dynamic, _)| !dynamic.directions.sending.owes_signal())
    }

    // --- going ---

    /// Something may have come to its end.
    pub(crate) fn unsettle(&self, memory: &mut Memory) {
        if let Some(ledger) = self.ledger_mut(memory) {
            ledger.unsettled = true;
        }
    }

    /// Raises `Closed` on channels that have come to their end. Returns whether there are any.
    pub(crate) fn settle(&self, memory: &mut Memory) -> bool {
        let unsettled = self.ledger_mut(memory).is_some_and(|ledger| core::mem::take(&mut ledger.unsettled));
        let mut any = false;
        let mut place = if unsettled { self.dynamic_after(memory, None) } else { None };
        while let Some(index) = place {
            place = self.dynamic_after(memory, Some(index));
            let Memory { channels, dynamics, expiries, .. } = &mut *memory;
            let Some(dynamic) = self.dynamic_mut(dynamics, index) else { continue };
            let Some(channel) = channels.get(dynamic.channel) else { continue };
            if !dynamic.closed && dynamic.is_over(channel, expiries.get(channel.expiry)) {
                dynamic.closed = true;
                dynamic.events |= ChannelEvent::Closed as u16;
                any = true;
            }
        }
        any
    }

    /// Removes a channel. Returns whether the application waits for one of its own.
    pub(crate) fn remove(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        accepted: &ChannelLimits,
        role: Role,
        index: usize,
    ) -> bool {
        let Some(key) = key_at(index) else { return false };
        let previous = self.dynamics(memory).find(|(_, dynamic, _)| dynamic.next == key).map(|(place, ..)| place);
        let Some(gone) = memory.dynamics.remove(key) else { return false };
        let Some(channel) = memory.remove_channel(gone.channel, &mut self.data.reservation) else { return false };
        let previous_key = previous.and_then(key_at).unwrap_or(SlabKey::NOWHERE);
        let previous = memory.dynamics.get_mut(previous_key);
        let Some(ledger) = memory.ledgers.get_mut(self.ledger) else { return false };
        match previous {
            Some(previous) => previous.next = gone.next,
            None => ledger.first = gone.next,
        }
        if ledger.last == key {
            ledger.last = previous_key;
        }
        if !channel.mode.stands_alone() {
            ledger.gone_sent = ledger.gone_sent.saturating_add(channel.outbox.highest_sent());
            ledger.gone_received = ledger.gone_received.saturating_add(channel.inbox().highest());
        }
        if channel.id.opener() == Some(role) {
            return ledger.on_own_gone() && limits.opened_channels > ledger.ours;
        }
        ledger.on_peer_gone(channel.mode, u64::from(accepted.of(channel.mode)));
        false
    }

    /// Removes all of them, and what was kept about them.
    pub(super) fn release_dynamics(&mut self, memory: &mut Memory) {
        let Some(ledger) = memory.ledgers.remove(core::mem::take(&mut self.ledger)) else { return };
        let mut key = ledger.first;
        while let Some(dynamic) = memory.dynamics.remove(key) {
            key = dynamic.next;
            memory.remove_channel(dynamic.channel, &mut self.data.reservation);
        }
    }
}
