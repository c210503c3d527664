//! The control channel: CONNECT, ACCEPT, PENDING and REFUSE (protocol §7).

use core::time::Duration;

use super::channels::CONTROL;
use super::close::Fault;
use super::deadlines::AttemptLimit;
use super::events::{ChannelEvent, SessionEvent};
use super::{Phase, SessionCore, Trigger};
use crate::crypto::Provider;
use crate::ids::Role;
use crate::limits::CONTROL_WINDOW;
use crate::memory::Memory;
use crate::pool::{Blob, Pool};
use crate::reason::{AnswerError, CloseCode, CloseReason, CloseSpace, ClosedBy, Text};
use crate::shared::Context;
use crate::state_hash::StateHash;
use crate::wire::{ControlError, ControlErrorKind, ControlMessage, UserData, WireText, Writer, varint};

/// How far the two applications have come with each other.
#[derive(Default)]
pub(crate) struct Control {
    /// User data of the peer's CONNECT or ACCEPT.
    pub(super) user_data: Blob,
    /// Responder: the initiator speaks another application protocol.
    pub(super) unfit: bool,
    /// Responder: CONNECT came and is not answered.
    asked: bool,
    /// CONNECT, ACCEPT or REFUSE has come; it comes once.
    settled: bool,
    /// PENDING has come, or was sent; only the first gives more time.
    pending: bool,
    /// Initiator: the peer has proved itself in an attempt of its own, so no answer to this one counts any more.
    pub(super) yields: bool,
    /// The session was Established once; data may be read.
    pub(super) established: bool,
    /// Responder: CONNECT was refused without asking the application.
    withheld: bool,
}

impl SessionCore {
    /// Queues a control message. `false` if there is no memory for it now.
    pub(crate) fn queue_control(&mut self, memory: &mut Memory, message: &ControlMessage<'_>) -> bool {
        let mut bytes = [0; ControlMessage::MAX_LENGTH];
        let mut writer = Writer::new(&mut bytes);
        if message.encode(&mut writer).is_err() {
            return false;
        }
        let Memory { pool, channels, dynamics, .. } = memory;
        let Some(channel) = self.channels.get_in(dynamics, channels, CONTROL) else { return false };
        channel.outbox.send(pool, writer.written()).is_ok()
    }

    pub(crate) fn answer_accept<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        user_data: &[u8],
    ) -> Result<(), AnswerError> {
        let user_data = UserData::new(user_data).ok_or(AnswerError::UserData)?;
        self.check_asked()?;
        if !self.queue_control(&mut context.shared.memory, &ControlMessage::Accept { user_data }) {
            return Err(AnswerError::Blocked);
        }
        self.control.asked = false;
        self.establish(context);
        Ok(())
    }

    /// Tells an asking peer that the answer takes longer.
    pub(crate) fn answer_pending<P: Provider>(&mut self, context: &mut Context<'_, P>) -> Result<(), AnswerError> {
        self.check_asked()?;
        if !self.queue_control(&mut context.shared.memory, &ControlMessage::Pending) {
            return Err(AnswerError::Blocked);
        }
        if !core::mem::replace(&mut self.control.pending, true) {
            self.clocks.attempt_at = context.now;
            self.clocks.attempt_limit = AttemptLimit::Pending;
        }
        Ok(())
    }

    pub(crate) fn answer_refuse<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        code: CloseCode,
        text: &str,
        retry_after: Option<Duration>,
    ) -> Result<(), AnswerError> {
        self.check_asked()?;
        let text_on_wire = WireText::truncated(text);
        let refusal = ControlMessage::Refuse { reason: code.0.min(varint::MAX), text: text_on_wire, retry_after };
        if !self.queue_control(&mut context.shared.memory, &refusal) {
            return Err(AnswerError::Blocked);
        }
        self.control.asked = false;
        self.close_after_flush(
            context,
            CloseReason { retry_after, ..CloseReason::protocol(ClosedBy::Local, code, text) },
        );
        Ok(())
    }

    /// Refuses CONNECT before the application has heard of it; it never will.
    pub(crate) fn refuse_unheard<P: Provider>(&mut self, context: &mut Context<'_, P>, code: CloseCode, text: &str) {
        self.events.withdraw(SessionEvent::Incoming);
        self.control.withheld = true;
        if self.answer_refuse(context, code, text, None).is_err() {
            self.end_at_once(context, CloseReason::protocol(ClosedBy::Local, code, text));
        }
    }

    pub(super) fn check_asked(&self) -> Result<(), AnswerError> {
        if self.phase == Phase::Handshaking && self.control.asked { Ok(()) } else { Err(AnswerError::NotAsked) }
    }

    /// Reads and applies every control message that is complete.
    pub(super) fn serve_control<P: Provider>(&mut self, context: &mut Context<'_, P>) -> Result<(), Fault> {
        while self.phase.exchanges_data() && self.channels.holds_control() {
            let Some(channel) = self.channels.get(&context.shared.memory, CONTROL) else { return Ok(()) };
            let Some(length) = channel.inbox().message_length() else {
                let inbox = channel.inbox();
                if inbox.contiguous_to().saturating_sub(inbox.read_offset()) >= CONTROL_WINDOW {
                    return Err(Fault::new(CloseCode::FRAME_ENCODING, 0, "a control message of more than 1023 bytes"));
                }
                return Ok(());
            };
            let mut bytes = [0; CONTROL_WINDOW as usize];
            let mut read = 0;
            while let Some(chunk) = self.channels.read(
                &mut context.shared.memory,
                &context.settings.limits,
                CONTROL,
                bytes.get_mut(read..).unwrap_or_default(),
            ) {
                read = read.saturating_add(chunk.length);
                if chunk.end {
                    break;
                }
            }
            debug_assert_eq!(read as u64, length, "a complete message is read whole");
            let message = ControlMessage::parse(bytes.get(..read).unwrap_or_default())?;
            self.apply_control(context, &message)?;
        }
        Ok(())
    }

    fn apply_control<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        message: &ControlMessage<'_>,
    ) -> Result<(), Fault> {
        let message_type = u64::from(message.message_type());
        let wrong = Fault::new(CloseCode::FRAME_NOT_ALLOWED, message_type, "a control message out of its order");
        let answer = matches!(self.role, Role::Initiator);
        match *message {
            ControlMessage::RekeyOffer(offer) => return self.on_rekey_offer(context, &offer, wrong),
            ControlMessage::RekeyAnswer(answer) => return self.on_rekey_answer(context, &answer, wrong),
            ControlMessage::Connect { user_data } if !answer && !self.control.settled => {
                self.keep_user_data(context, user_data)?;
                self.control.asked = true;
                self.events.raise(SessionEvent::Incoming);
            }
            ControlMessage::Accept { user_data } if answer && !self.control.settled => {
                self.keep_user_data(context, user_data)?;
                self.establish(context);
            }
            ControlMessage::Pending if answer && !self.control.settled => {
                if !core::mem::replace(&mut self.control.pending, true) {
                    self.clocks.attempt_at = context.now;
                    self.clocks.attempt_limit = AttemptLimit::Pending;
                }
                return Ok(());
            }
            ControlMessage::Refuse { reason, text, retry_after } if answer && !self.control.settled => {
                let reason = CloseReason {
                    by: ClosedBy::Peer,
                    space: CloseSpace::Protocol,
                    code: CloseCode(reason),
                    frame_type: 0,
                    retry_after,
                    text: Text::cut(text.as_str()),
                };
                self.control.settled = true;
                self.end_at_once(context, reason);
                return Ok(());
            }
            _ => return Err(wrong),
        }
        self.control.settled = true;
        Ok(())
    }

    fn keep_user_data<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        user_data: UserData<'_>,
    ) -> Result<(), Fault> {
        let full = Fault::new(CloseCode::BUSY, 0, "no memory for the user data");
        self.control.user_data = Blob::store(&mut context.shared.memory.pool, user_data.as_bytes()).ok_or(full)?;
        Ok(())
    }

    fn establish<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        if !self.follow(Trigger::Accepted) {
            return;
        }
        self.control.established = true;
        self.clocks.attempt_at = context.now;
        self.clocks.user_data_at = context.now;
        self.clocks.lifetime.begin(context.now);
        self.events.raise(SessionEvent::Established);
        let memory = &mut context.shared.memory;
        let mut place = self.channels.place_after(memory, Some(CONTROL));
        while let Some(index) = place {
            if self.channels.has_skipped(memory, index) {
                self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Skipped);
            }
            if self.channels.is_readable(memory, index) {
                self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Readable);
            }
            place = self.channels.place_after(memory, place);
        }
        // Those that the peer has opened meanwhile have kept their events.
        self.tell_opened(memory);
    }
}

impl From<ControlError> for Fault {
    fn from(error: ControlError) -> Self {
        let (code, text) = match error.kind {
            ControlErrorKind::Encoding => (CloseCode::FRAME_ENCODING, "a control message that cannot be read"),
            ControlErrorKind::NotAllowed => (CloseCode::FRAME_NOT_ALLOWED, "a control message of an unserved type"),
        };
        Self::new(code, u64::from(error.message_type), text)
    }
}

impl Control {
    /// The peer has asked, or answered.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// The application has heard of the session: CONNECT has come and was shown.
    pub(super) fn is_shown(&self) -> bool {
        self.settled && !self.withheld
    }

    pub(super) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self { user_data, unfit, asked, settled, pending, yields, established, withheld } = self;
        user_data.digest_into(pool, hash);
        hash.flag(*unfit);
        hash.flag(*asked);
        hash.flag(*settled);
        hash.flag(*pending);
        hash.flag(*yields);
        hash.flag(*established);
        hash.flag(*withheld);
    }
}
