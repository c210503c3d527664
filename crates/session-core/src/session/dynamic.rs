//! Dynamic channels as the application and the peer's frames see them (protocol §9.4).

use super::SessionCore;
use super::channels::dynamic::{LocateError, Located};
use super::channels::{Channels, StoreError};
use super::close::Fault;
use super::events::{ChannelEvent, SessionEvent};
use crate::action::Event;
use crate::channel_config::{ChannelMode, ChannelOptions};
use crate::crypto::Provider;
use crate::ids::ChannelId;
use crate::limits::Limits;
use crate::memory::Memory;
use crate::reason::{CloseCode, EndChannelError, OpenChannelError};
use crate::session::Phase;
use crate::shared::{Context, Settings};
use crate::wire::varint::MAX as MAX_VARINT;
use crate::wire::{ChannelFrame, Frame, LimitFrame};

impl SessionCore {
    // --- the application ---

    /// Opens a channel. The peer hears of it with the first that is sent there.
    pub(crate) fn open_channel<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        mode: ChannelMode,
        options: ChannelOptions,
    ) -> Result<ChannelId, OpenChannelError> {
        if !options.is_valid(mode) {
            return Err(OpenChannelError::Options);
        }
        if context.settings.limits.opened_channels == 0 {
            return Err(OpenChannelError::NoneAllowed);
        }
        if self.phase != Phase::Established {
            return Err(OpenChannelError::NotEstablished);
        }
        self.channels.open_own(&mut context.shared.memory, &context.settings.limits, self.role, mode, options)
    }

    /// Nothing more is sent on the channel: the peer is told once everything has been.
    pub(crate) fn finish_channel<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        id: ChannelId,
    ) -> Result<(), EndChannelError> {
        self.end_channel(context, id, |channels, memory, _, index| channels.finish(memory, index))
    }

    /// What was sent on the channel is given up: what has not arrived may never.
    pub(crate) fn reset_channel<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        code: u64,
        id: ChannelId,
    ) -> Result<(), EndChannelError> {
        self.end_channel(context, id, |channels, memory, _, index| {
            let given_up = channels.give_up(memory, index, code.min(MAX_VARINT), false);
            if given_up { Ok(()) } else { Err(EndChannelError::Ended) }
        })
    }

    /// Nothing more is read on the channel: what has come and was not read is dropped, and the peer is asked to send no more.
    pub(crate) fn stop_channel<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        code: u64,
        id: ChannelId,
    ) -> Result<(), EndChannelError> {
        self.end_channel(context, id, |channels, memory, limits, index| {
            channels.stop(memory, limits, index, code.min(MAX_VARINT))
        })
    }

    /// Runs `operation` on a channel that may be ended, and looks whether that was all.
    fn end_channel<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        id: ChannelId,
        operation: impl FnOnce(&mut Channels, &mut Memory, &Limits, usize) -> Result<(), EndChannelError>,
    ) -> Result<(), EndChannelError> {
        let memory = &mut context.shared.memory;
        let index = self.channels.find(memory, id).ok_or(EndChannelError::UnknownChannel)?;
        if !id.is_dynamic() {
            return Err(EndChannelError::Agreed);
        }
        if !self.phase.takes_data() {
            return Err(EndChannelError::Closed);
        }
        operation(&mut self.channels, memory, &context.settings.limits, index)?;
        self.settle_channels_later(memory);
        Ok(())
    }

    /// The application has read: maybe to the end.
    pub(super) fn on_read(&mut self, memory: &mut Memory, index: usize) {
        if self.channels.has_finished_reading(memory, index) {
            self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Finished);
            self.settle_channels_later(memory);
        }
    }

    // --- the peer ---

    /// Finds the channel that a frame of the peer's names, opening it if it may; `None` if it is gone.
    pub(super) fn locate<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        id: u64,
        frame_type: u64,
    ) -> Result<Option<usize>, Fault> {
        match self.channels.find(&context.shared.memory, ChannelId(id)) {
            Some(index) => Ok(Some(index)),
            None => self.open_or_miss(&mut context.shared.memory, context.settings, id, frame_type),
        }
    }

    #[cold]
    #[inline(never)]
    fn open_or_miss(
        &mut self,
        memory: &mut Memory,
        settings: &Settings,
        id: u64,
        frame_type: u64,
    ) -> Result<Option<usize>, Fault> {
        match self.channels.locate(memory, settings, self.role, ChannelId(id)) {
            Ok(Located::At(index)) => Ok(Some(index)),
            Ok(Located::Opened(index)) => {
                if matches!(self.phase, Phase::Established | Phase::Flushing) {
                    self.events.look_at_dynamic();
                }
                Ok(Some(index))
            }
            Ok(Located::Gone) => Ok(None),
            Err(LocateError::Unknown) => {
                Err(Fault::new(CloseCode::CHANNEL_UNKNOWN, frame_type, "a frame for a channel that is not open"))
            }
            Err(LocateError::Limit) => {
                Err(Fault::new(CloseCode::CHANNEL_LIMIT, frame_type, "more channels than may be opened"))
            }
        }
    }

    /// CHANNEL_END, CHANNEL_RESET or CHANNEL_STOP has come.
    pub(super) fn on_channel_frame<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        frame: ChannelFrame,
    ) -> Result<(), Fault> {
        let frame_type = u64::from(Frame::Channel(frame).frame_type());
        if !ChannelId(frame.channel()).is_dynamic() {
            let text = "a channel agreed beforehand has no end of its own";
            return Err(Fault::new(CloseCode::PROTOCOL, frame_type, text));
        }
        let Some(index) = self.locate(context, frame.channel(), frame_type)? else { return Ok(()) };
        let (memory, limits) = (&mut context.shared.memory, &context.settings.limits);
        let applied = match frame {
            ChannelFrame::End { end, .. } => {
                let applied = self.channels.on_end(memory, limits, index, end);
                if applied.is_ok() {
                    self.on_read(memory, index);
                }
                applied
            }
            ChannelFrame::Reset { code, end, .. } => {
                self.channels.on_reset(memory, limits, index, code, end).map(|news| {
                    if news {
                        self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Reset);
                    }
                })
            }
            ChannelFrame::Stop { code, .. } => {
                if self.channels.give_up(memory, index, code, true) {
                    self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Stopped);
                }
                Ok(())
            }
        };
        self.channels.unsettle(memory);
        applied.map_err(|error| match error {
            StoreError::FlowControl => Fault::new(CloseCode::FLOW_CONTROL, frame_type, "an end beyond the credit"),
            _ => Fault::new(CloseCode::FINAL_SIZE, frame_type, "an end that does not agree with what came before"),
        })
    }

    /// CHANNEL_LIMIT has come.
    pub(super) fn on_channel_limit<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        frame: LimitFrame,
    ) -> Result<(), Fault> {
        let frame_type = u64::from(Frame::ChannelLimit(frame).frame_type());
        if frame.role != self.role {
            let text = "a limit of channels that its sender would open";
            return Err(Fault::new(CloseCode::FRAME_ENCODING, frame_type, text));
        }
        let most = context.settings.limits.opened_channels;
        let ledger = self.channels.ledger_mut(&mut context.shared.memory);
        if ledger.is_some_and(|ledger| ledger.on_limit(frame.mode, frame.count, ledger.ours < most)) {
            self.events.raise(SessionEvent::ChannelsAvailable);
        }
        Ok(())
    }

    /// What the peer has opened before the session was accepted can be told of now.
    pub(super) fn tell_opened(&mut self, memory: &Memory) {
        if self.channels.dynamics(memory).next().is_some() {
            self.events.look_at_dynamic();
        }
    }

    // --- the end ---

    /// Something may have come to its end: what has is told of before the next datagram.
    fn settle_channels_later(&mut self, memory: &mut Memory) {
        self.channels.unsettle(memory);
        self.settle_channels(memory);
    }

    /// Tells of channels that have come to their end.
    #[inline]
    pub(super) fn settle_channels(&mut self, memory: &mut Memory) {
        if self.channels.has_ledger() && self.channels.settle(memory) {
            self.events.look_at_dynamic();
        }
    }

    /// The next event of a dynamic channel. With its last a channel is gone.
    pub(super) fn take_channel_event(&mut self, memory: &mut Memory, settings: &Settings) -> Option<Event> {
        if !self.control.established {
            // Nothing is told before the session has begun; then `tell_opened` looks again.
            self.events.found_no_dynamic();
            return None;
        }
        let waits = |events: u16| events != 0;
        let found = self.channels.dynamics(memory).find(|(_, dynamic, _)| waits(dynamic.events));
        let Some((index, id, codes)) =
            found.map(|(index, dynamic, channel)| (index, channel.id, (dynamic.sending_code, dynamic.receiving_code)))
        else {
            self.events.found_no_dynamic();
            return None;
        };
        let key = super::channels::dynamic::key_at(index)?;
        let event = ChannelEvent::take_first(&mut memory.dynamics.get_mut(key)?.events)?;
        if event == ChannelEvent::Closed {
            let Settings { limits, config, .. } = settings;
            if self.channels.remove(memory, limits, &config.channel_limits, self.role, index) {
                self.events.raise(SessionEvent::ChannelsAvailable);
            }
        }
        if !self.channels.dynamics(memory).any(|(_, dynamic, _)| waits(dynamic.events)) {
            self.events.found_no_dynamic();
        }
        Some(event.about(self.id, id, codes))
    }

    /// Channels of `mode` that may be opened now.
    pub(crate) fn channels_available(&self, memory: &Memory, settings: &Settings, mode: ChannelMode) -> u64 {
        let Some(ledger) = self.channels.ledger(memory).filter(|_| self.phase == Phase::Established) else { return 0 };
        let granted = ledger.may_open[mode.place()].saturating_sub(ledger.opened[mode.place()]);
        granted.min(u64::from(settings.limits.opened_channels.saturating_sub(ledger.ours)))
    }
}
