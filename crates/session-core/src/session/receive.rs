//! A data packet comes in: authenticate, then apply.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

use super::channels::{CONTROL, StoreError};
use super::close::Fault;
use super::deadlines::AttemptLimit;
use super::events::ChannelEvent;
use super::rekey::OpenedBy;
use super::roaming::Over;
use super::{Phase, SessionCore, Trigger, straight};
use crate::action::{Arrival, Ecn};
use crate::channel::{Fragment, MessagePart};
use crate::crypto::Provider;
use crate::crypto::keys::PacketKeys;
use crate::crypto::rekey::Rekey;
use crate::crypto::replay::Verdict;
use crate::ids::Role;
use crate::limits::MAX_COSTLY_FRAMES;
use crate::reason::{CloseCode, CloseReason, CloseSpace, ClosedBy, DiscardReason, Text};
use crate::shared::{Context, Shared};
use crate::slab::SlabKey;
use crate::wire::{
    self, CloseFrame, DataFrame, Frame, FrameError, FrameErrorKind, FrameRule, Frames, MessageFrame, ReceiverId,
    Sender, data_header, is_ack, is_data, packet_number,
};

/// A packet that is authentic and new.
pub(crate) struct Opened<'b> {
    number: u64,
    /// Bytes of the datagram.
    pub(super) length: u64,
    pub(super) arrival: &'b Arrival,
    by: OpenedBy,
    /// Which of our ids it names.
    pub(super) receiver_id: ReceiverId,
    plaintext: &'b [u8],
}

impl SessionCore {
    /// Applies a packet that was opened.
    pub(crate) fn receive<P: Provider>(&mut self, context: &mut Context<'_, P>, opened: &Opened<'_>) {
        let newest = self.packets.replay.largest().is_none_or(|largest| opened.number > largest);
        self.packets.replay.insert(opened.number);
        self.path.ecn.on_received(opened.arrival.ecn);
        let over = self.note_arrival(&mut context.shared.memory, opened, newest);
        let ends_quiet = self.clocks.keepalive_at > self.clocks.received_at;
        self.note_heard(context.now);
        self.counters.packets_received = self.counters.packets_received.saturating_add(1);
        self.counters.bytes_received = self.counters.bytes_received.saturating_add(opened.length);
        self.note_opened(context, opened.by);
        if (self.phase != Phase::Established || self.attempt != SlabKey::NOWHERE) && !self.confirm_keys(context) {
            return;
        }
        let applied = self.apply(context, opened);
        if ends_quiet && over == Over::InUse {
            let held = !self.is_asked_for_its_path(&context.shared.memory);
            self.clocks.keepalive.on_answered(&context.settings.config.timeouts, held);
        }
        match applied {
            // No other path is looked at.
            Ok(_) if over == Over::InUse && self.others == SlabKey::NOWHERE => {}
            Ok(probing) if newest && !probing => self.follow_peer(context, opened, over),
            Ok(_) if self.phase.exchanges_data() => self.move_if_ready(context),
            Ok(_) => {}
            Err(fault) => self.end_at_once(context, fault.reason()),
        }
    }

    /// Opens one datagram that names this session. On a discard nothing has changed.
    pub(crate) fn open<'b, P: Provider>(
        &mut self,
        shared: &mut Shared<P>,
        datagram: &'b mut [u8],
        (receiver_id, number_offset): (ReceiverId, usize),
        arrival: &'b Arrival,
    ) -> Result<Opened<'b>, DiscardReason> {
        let length = datagram.len() as u64;
        let secrets = self.keys.secrets.as_ref().ok_or(DiscardReason::State)?;
        let Shared { provider, keys: cache, memory, .. } = shared;
        let role = self.role;
        let make = || PacketKeys::new(provider, secrets, role);
        let keys = cache.get_or_expand(self.keys.owner, &mut self.keys.hint, make).ok_or(DiscardReason::State)?;
        let sample = data_header::sample(datagram, number_offset).ok_or(DiscardReason::Malformed)?;
        let mask = keys.open_mask(provider, &sample).ok_or(DiscardReason::State)?;
        let header = data_header::unmask(datagram, number_offset, mask).map_err(|_| DiscardReason::Malformed)?;
        let (by, keys) = if header.key_phase == self.keys.key_phase() {
            (OpenedBy::Current, keys)
        } else {
            // Under keys that there are not, nobody has sealed: that costs no key (P-5-5).
            let rekey = memory.rekeys.get_mut(self.keys.rekey).ok_or(DiscardReason::KeyPhase)?;
            let Rekey { stage, owner, hint, .. } = rekey;
            let opening = stage.opening(role).ok_or(DiscardReason::KeyPhase)?;
            let make = || PacketKeys::to_open(provider, secrets, opening);
            (OpenedBy::Other, cache.get_or_expand(*owner, hint, make).ok_or(DiscardReason::State)?)
        };
        let number =
            packet_number::decode(header.truncated_number, header.number_length, self.packets.replay.largest());
        let (clear, sealed) = datagram.split_at_mut_checked(header.header_length).ok_or(DiscardReason::Malformed)?;
        let (plaintext, tag) = sealed.split_last_chunk_mut::<16>().ok_or(DiscardReason::Malformed)?;
        keys.open(provider, number, clear, plaintext, tag).map_err(|_| DiscardReason::Authentication)?;
        match self.packets.replay.check(number) {
            Verdict::Fresh => Ok(Opened { number, length, arrival, by, receiver_id, plaintext }),
            Verdict::Seen | Verdict::TooOld => Err(DiscardReason::Replayed),
        }
    }

    /// The initiator has proved that it holds the keys; the responder, that Finish has come. With the first such packet the tentative slot is a session. `false`
    /// where that ends it.
    #[inline(never)]
    fn confirm_keys<P: Provider>(&mut self, context: &mut Context<'_, P>) -> bool {
        self.end_attempt(&mut context.shared.memory);
        if !self.follow(Trigger::KeyConfirmed) {
            return true;
        }
        self.clocks.attempt_at = context.now;
        self.clocks.attempt_limit = AttemptLimit::Connect;
        if self.control.unfit {
            let text = "the two ends speak different application protocols";
            self.end_at_once(context, Fault::new(CloseCode::APPLICATION_PROTOCOL, 0, text).reason());
        }
        !self.control.unfit
    }

    /// Says whether the packet was a mere probe of a path.
    fn apply<P: Provider>(&mut self, context: &mut Context<'_, P>, opened: &Opened<'_>) -> Result<bool, Fault> {
        if opened.plaintext.is_empty() {
            return Err(Fault::new(CloseCode::PROTOCOL, 0, "a packet without a frame"));
        }
        if !self.phase.exchanges_data() {
            return self.apply_after_close(context, opened.plaintext).map(|()| true);
        }
        let mut progress =
            Progress { ack_eliciting: false, probing: true, stored: true, complete: true, costly_frames: 0 };
        let mut frames = Frames::new(opened.plaintext);
        while let Some(frame_type) = frames.next_type() {
            // Most packets hold nothing but these two, which either side may send at any time.
            if is_ack(&frame_type)
                && let Some(ack) = &frames.take_ack()
            {
                debug_assert!(wire::rule(frame_type).is_some_and(|rule| self.allows(rule) && !rule.ack_eliciting));
                progress.probing = false;
                progress.count_costly(frame_type)?;
                self.on_ack_of_one(context, ack)?;
            } else if is_data(&frame_type)
                && let Some(data) = &frames.take_data()
            {
                debug_assert!(wire::rule(frame_type).is_some_and(|rule| self.allows(rule) && rule.ack_eliciting));
                progress.probing = false;
                progress.ack_eliciting = true;
                progress.count_costly(frame_type)?;
                let kept = match self.store_next(context, data, progress.stored) {
                    true => true,
                    false => self.on_data(context, data, u64::from(frame_type), progress.stored)?,
                };
                progress.stored &= kept;
                progress.complete &= kept;
            } else if let Some(frame) = frames.next()
                && self.apply_rare(context, opened, &frame, &mut progress)?
            {
                return Ok(true);
            }
        }
        if opened.arrival.ecn == Some(Ecn::Ce) {
            self.packets.acks.hurry();
        }
        if progress.complete {
            self.packets.acks.on_packet(opened.number, progress.ack_eliciting, context.now);
        } else {
            self.counters.no_memory = self.counters.no_memory.saturating_add(1);
            // The packet stays unacknowledged, but its sender must not take this side for lost while it waits for memory.
            self.packets.ack_forced = true;
        }
        self.channels.unsecure_if_empty(&mut context.shared.memory);
        self.channels.settle_expiring(&context.shared.memory);
        self.settle_channels(&mut context.shared.memory);
        self.serve_control(context)?;
        self.close_if_flushed(context);
        Ok(progress.probing)
    }

    /// Applies a frame of any type. Says whether it ends the session: nothing behind it counts.
    #[inline(never)]
    fn apply_rare<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        opened: &Opened<'_>,
        frame: &Result<Frame<'_>, FrameError>,
        progress: &mut Progress,
    ) -> Result<bool, Fault> {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Err((*error).into()),
        };
        let frame_type = frame.frame_type();
        let Some(rule) = wire::rule(frame_type).filter(|rule| self.allows(rule)) else {
            let text = "a frame that must not come now or from this side";
            return Err(Fault::new(CloseCode::FRAME_NOT_ALLOWED, u64::from(frame_type), text));
        };
        progress.count(frame, rule)?;
        if let Frame::Close(close) = frame {
            self.on_close(context, close_reason(close));
            return Ok(true);
        }
        // A latest value without room is for its own channel to wait for, not for what stands behind it.
        let stands_alone = matches!(frame, Frame::Message(_));
        let kept = self.apply_frame(context, opened, (frame, u64::from(frame_type)), progress.stored)?;
        progress.stored &= kept || stands_alone;
        progress.complete &= kept;
        Ok(false)
    }

    /// Applies one frame; `false` if there is no memory for what it brings. Where that is so of one before it, it brings nothing either.
    fn apply_frame<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        opened: &Opened<'_>,
        (frame, frame_type): (&Frame<'_>, u64),
        stored: bool,
    ) -> Result<bool, Fault> {
        match *frame {
            Frame::Padding(_) | Frame::Ping | Frame::Extension { .. } | Frame::Close(_) => {}
            Frame::Ack(ack) => self.on_ack(context, &ack)?,
            Frame::AckFrequency(wish) => self.packets.acks.on_asked(wish.sequence, wish.packets, wish.delay()),
            Frame::Data(data) => return self.on_data(context, &data, frame_type, stored),
            Frame::Message(message) => return self.on_message(context, &message, frame_type, stored),
            Frame::Skip { channel, to } => {
                if let Some(index) = self.locate(context, channel, frame_type)? {
                    return self.on_skip(context, index, to, stored);
                }
            }
            Frame::Receipt { channel, offset } => {
                if let Some(index) = self.locate(context, channel, frame_type)? {
                    let memory = &mut context.shared.memory;
                    let fault = Fault::new(CloseCode::PROTOCOL, frame_type, "a receipt for what was never sent");
                    if self.channels.on_receipt(memory, index, offset).map_err(|_| fault)? {
                        self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Delivered);
                    }
                }
            }
            Frame::MaxData(maximum) => self.channels.on_max_data(maximum),
            Frame::MaxChannelData { channel, maximum } => {
                if let Some(index) = self.locate(context, channel, frame_type)? {
                    self.channels.on_max_channel_data(&mut context.shared.memory, index, maximum);
                }
            }
            Frame::Channel(frame) => self.on_channel_frame(context, frame)?,
            Frame::ChannelLimit(frame) => self.on_channel_limit(context, frame)?,
            Frame::NewId(frame) => self.on_new_id(context, &frame)?,
            Frame::RetireId(sequence) => self.on_retire_id(context.shared, &opened.receiver_id, sequence)?,
            Frame::PathChallenge(challenge) => self.on_challenge(context, opened, challenge),
            Frame::PathResponse(response) => self.on_response(&mut context.shared.memory, response),
        }
        Ok(true)
    }

    /// Default deny: the table says who may send a frame, and when (protocol §6).
    fn allows(&self, rule: &FrameRule) -> bool {
        let sender = match self.role {
            Role::Initiator => Sender::Responder,
            Role::Responder => Sender::Initiator,
        };
        rule.allows(sender, self.phase != Phase::Handshaking)
    }

    /// Once CLOSE has passed, only the peer's CLOSE means anything.
    fn apply_after_close<P: Provider>(&mut self, context: &mut Context<'_, P>, plaintext: &[u8]) -> Result<(), Fault> {
        let close = Frames::new(plaintext).find_map(|frame| match frame {
            Ok(Frame::Close(close)) => Some(close_reason(&close)),
            _ => None,
        });
        match close {
            Some(reason) if self.phase == Phase::Closing => self.on_close(context, reason),
            _ => self.answer_straggler(),
        }
        Ok(())
    }

    /// Stores the data of one frame where it follows all that came before it on its channel; `false`, and nothing has changed that
    /// `on_data` would not change, where it does not, or cannot be stored.
    #[inline]
    fn store_next<P: Provider>(&mut self, context: &mut Context<'_, P>, frame: &DataFrame<'_>, stored: bool) -> bool {
        if !stored || !straight::is_open() {
            return false;
        }
        let (memory, limits) = (&mut context.shared.memory, &context.settings.limits);
        let Some(index) = self.channels.store_next(memory, limits, frame) else { return false };
        self.on_stored(context, index, true);
        #[cfg(test)]
        straight::went(straight::Way::Stored);
        true
    }

    /// Stores the data of one frame; `false` if there is no memory behind it. Nothing is stored after a frame that was not.
    fn on_data<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        frame: &DataFrame<'_>,
        frame_type: u64,
        stored: bool,
    ) -> Result<bool, Fault> {
        // What comes for a channel that is gone was sent twice.
        let Some(index) = self.locate(context, frame.channel, frame_type)? else { return Ok(true) };
        if !stored {
            return Ok(false);
        }
        let (memory, limits) = (&mut context.shared.memory, &context.settings.limits);
        let fragment = Fragment { offset: frame.offset, length: frame.data.len(), begin: frame.begin, end: frame.end };
        match self.channels.store(memory, limits, index, &fragment, frame.data) {
            Ok(stored) => {
                self.on_stored(context, index, stored.advanced);
                Ok(true)
            }
            Err(StoreError::NoMemory) => Ok(false),
            Err(error) => Err(fault_of_data(error, frame_type)),
        }
    }

    /// Keeps the part of a message that stands alone; `false` if it has to come again.
    fn on_message<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        frame: &MessageFrame<'_>,
        frame_type: u64,
        stored: bool,
    ) -> Result<bool, Fault> {
        let MessageFrame { channel, number, offset, last, data } = *frame;
        let Some(index) = self.locate(context, channel, frame_type)? else { return Ok(true) };
        if !stored {
            return Ok(false);
        }
        let part = MessagePart { number, offset, last, data };
        match self.channels.post(&mut context.shared.memory, &context.settings.limits, index, &part) {
            Ok(Some(stored)) => {
                self.on_stored(context, index, stored.advanced);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(StoreError::Contradiction) => {
                Err(Fault::new(CloseCode::PROTOCOL, frame_type, "parts of a message contradict each other"))
            }
            Err(StoreError::Mode) => {
                Err(Fault::new(CloseCode::PROTOCOL, frame_type, "a message for a channel of another mode"))
            }
            Err(StoreError::FinalSize) => {
                Err(Fault::new(CloseCode::FINAL_SIZE, frame_type, "a message beyond the channel's end"))
            }
            Err(_) => {
                Err(Fault::new(CloseCode::CHANNEL_UNKNOWN, frame_type, "a message for a channel that is not open"))
            }
        }
    }

    /// Passes over what the peer has given up; `false` if it has to say so again.
    fn on_skip<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        index: usize,
        to: u64,
        stored: bool,
    ) -> Result<bool, Fault> {
        const FRAME_TYPE: u64 = 0x12;
        if !stored {
            return Ok(false);
        }
        let memory = &mut context.shared.memory;
        let (code, text) = match self.channels.skip(memory, &context.settings.limits, index, to) {
            Ok(false) => {
                self.on_read(memory, index);
                return Ok(true);
            }
            Ok(true) => {
                self.channels.renew_credit(memory, &context.settings.limits, index);
                if matches!(self.phase, Phase::Established | Phase::Flushing) {
                    self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Skipped);
                    if self.channels.is_readable(memory, index) {
                        self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Readable);
                    }
                }
                self.on_read(memory, index);
                return Ok(true);
            }
            Err(StoreError::NoMemory) => return Ok(false),
            Err(StoreError::FinalSize) => (CloseCode::FINAL_SIZE, "a skip beyond the channel's end"),
            Err(StoreError::Mode) => (CloseCode::PROTOCOL, "a skip on a channel of another mode"),
            Err(StoreError::FlowControl) => (CloseCode::FLOW_CONTROL, "a skip beyond credit"),
            Err(_) => (CloseCode::PROTOCOL, "a skip into a message that goes on"),
        };
        Err(Fault::new(code, FRAME_TYPE, text))
    }

    fn on_stored<P: Provider>(&mut self, context: &mut Context<'_, P>, index: usize, advanced: bool) {
        if index == CONTROL {
            return;
        }
        self.clocks.user_data_at = context.now;
        if advanced && matches!(self.phase, Phase::Established | Phase::Flushing) {
            self.events.raise_on(&mut context.shared.memory.dynamics, index, ChannelEvent::Readable);
        }
    }
}

/// What is known of a packet while its frames are applied.
struct Progress {
    ack_eliciting: bool,
    /// It holds nothing but probes of a path.
    probing: bool,
    /// There was memory for all of the reliable modes that it brought so far.
    stored: bool,
    /// Nothing of it has to come again.
    complete: bool,
    /// Frames about channels, and acknowledgements, each of which may cost a search or a walk.
    costly_frames: usize,
}

impl Progress {
    fn count(&mut self, frame: &Frame<'_>, rule: &FrameRule) -> Result<(), Fault> {
        self.ack_eliciting |= rule.ack_eliciting;
        self.probing &= frame.is_probing();
        let is_costly = match frame {
            Frame::Ack(_)
            | Frame::Data(_)
            | Frame::Message(_)
            | Frame::Skip { .. }
            | Frame::Receipt { .. }
            | Frame::MaxChannelData { .. }
            | Frame::Channel(_) => true,
            Frame::Padding(_)
            | Frame::Ping
            | Frame::AckFrequency(_)
            | Frame::Close(_)
            | Frame::MaxData(_)
            | Frame::ChannelLimit(_)
            | Frame::NewId(_)
            | Frame::RetireId(_)
            | Frame::PathChallenge(_)
            | Frame::PathResponse(_)
            | Frame::Extension { .. } => false,
        };
        if is_costly { self.count_costly(frame.frame_type()) } else { Ok(()) }
    }

    fn count_costly(&mut self, frame_type: u8) -> Result<(), Fault> {
        self.costly_frames = self.costly_frames.saturating_add(1);
        if self.costly_frames > MAX_COSTLY_FRAMES {
            let text = "more than 64 frames about channels, and acknowledgements, in a packet";
            return Err(Fault::new(CloseCode::PROTOCOL, u64::from(frame_type), text));
        }
        Ok(())
    }
}

/// Why DATA that was not stored, but not for want of memory, ends the session.
#[cold]
fn fault_of_data(error: StoreError, frame_type: u64) -> Fault {
    let (code, text) = match error {
        StoreError::UnknownChannel | StoreError::NoMemory => {
            (CloseCode::CHANNEL_UNKNOWN, "data for a channel that is not open")
        }
        StoreError::FlowControl => (CloseCode::FLOW_CONTROL, "more data than credit"),
        StoreError::Mode => (CloseCode::PROTOCOL, "data for a channel of another mode"),
        StoreError::Contradiction => (CloseCode::PROTOCOL, "fragments contradict each other"),
        StoreError::FinalSize => (CloseCode::FINAL_SIZE, "data that does not agree with the channel's end"),
        StoreError::OffsetOverflow => (CloseCode::FRAME_ENCODING, "an offset beyond the channel"),
    };
    Fault::new(code, frame_type, text)
}

fn close_reason(close: &CloseFrame<'_>) -> CloseReason {
    CloseReason {
        by: ClosedBy::Peer,
        space: match close.space {
            wire::CloseSpace::Protocol => CloseSpace::Protocol,
            wire::CloseSpace::Application => CloseSpace::Application,
        },
        code: CloseCode(close.code),
        frame_type: close.frame_type,
        retry_after: None,
        text: Text::cut(close.text.as_str()),
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        let (code, text) = match error.kind {
            FrameErrorKind::Encoding => (CloseCode::FRAME_ENCODING, "a frame that cannot be read"),
            FrameErrorKind::NotAllowed => (CloseCode::FRAME_NOT_ALLOWED, "a frame that must not come here"),
            FrameErrorKind::UnknownCritical => (CloseCode::UNKNOWN_CRITICAL, "a critical extension frame"),
        };
        Self::new(code, error.frame_type, text)
    }
}
