//! Two peers connect to each other at once: one session comes of it, under the handle each application already has (protocol §4.4).

use core::time::Duration;

use super::channels::CONTROL;
use super::events::SessionEvent;
use super::{Phase, SessionCore};
use crate::channel::{Channel, Fragment};
use crate::crypto::Provider;
use crate::ids::Role;
use crate::limits::CHANNELS;
use crate::memory::Memory;
use crate::shared::Context;
use crate::time::Instant;
use crate::wire::ControlMessage;

/// The greater peer insists on its own attempt for this long without an answer: three Hellos of it may be lost. Then the other's may come through instead.
const INSISTENCE: Duration = Duration::from_secs(3);

impl SessionCore {
    /// An attempt of ours at a peer whose key we knew, of which that peer has acknowledged nothing.
    pub(crate) fn is_own_attempt(&self) -> bool {
        let begun = matches!(self.phase, Phase::Connecting | Phase::SynSent | Phase::Handshaking);
        begun && self.role == Role::Initiator && !self.peer.first_contact
    }

    /// An attempt of ours that is young enough to insist on it, or has an answer: then the peer joins it as soon as CONNECT comes through.
    pub(crate) fn insists(&self, now: Instant) -> bool {
        let is_young = now < self.clocks.attempt_at.saturating_add(INSISTENCE);
        self.is_own_attempt() && (is_young || self.phase == Phase::Handshaking)
    }

    /// The peer has proved itself in an attempt of its own, and what it sends there may be acknowledged: that one is to last.
    pub(crate) fn yield_to_peer(&mut self) {
        self.control.yields = true;
    }

    /// Whether an answer to the attempt still counts.
    pub(crate) fn takes_reply(&self) -> bool {
        self.phase == Phase::SynSent && !self.control.yields
    }

    /// The peer has proved itself, and its CONNECT is not answered.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.role == Role::Responder && self.phase == Phase::Handshaking
    }

    /// The peer asks for this session, and nobody has answered.
    pub(crate) fn is_asking(&self) -> bool {
        self.role == Role::Responder && self.check_asked().is_ok() && self.events.is_raised(SessionEvent::Incoming)
    }

    /// The peer's session goes on in place of our attempt at the same peer: it is accepted, with what CONNECT was to carry, takes over
    /// what was to be sent and the name, and leaves its own name behind. `false` and no change if the
    /// attempt has come too far, if the application has given this session data of its own, or for want of memory.
    pub(crate) fn replace<P: Provider>(&mut self, context: &mut Context<'_, P>, attempt: &mut Self) -> bool {
        let mut bytes = [0; ControlMessage::MAX_LENGTH];
        if self.channels.iter(&context.shared.memory).skip(1).any(Channel::has_sending) {
            return false;
        }
        let Some(connect) = attempt.queued_connect(&context.shared.memory, &mut bytes) else { return false };
        let Ok(ControlMessage::Connect { user_data }) = ControlMessage::parse(connect) else { return false };
        if self.answer_accept(context, user_data.as_bytes()).is_err() {
            return false;
        }
        let memory = &mut context.shared.memory;
        for index in (0..CHANNELS).filter(|index| *index != CONTROL) {
            let Some(theirs) = attempt.channels.get_mut(memory, index) else { continue };
            let sending = theirs.give_up_sending();
            if let Some(ours) = self.channels.get(memory, index) {
                memory.remove_expiry(ours.expiry);
            }
            let Memory { pool, channels, expiries, dynamics, .. } = &mut *memory;
            if let Some(ours) = self.channels.get_in(dynamics, channels, index) {
                if let Some(expiry) = expiries.get_mut(sending.expiry) {
                    expiry.begin_anew();
                }
                ours.take_over_sending(pool, sending);
            }
        }
        self.channels.expiring |= attempt.channels.expiring;
        self.channels.refused |= attempt.channels.refused;
        self.path.take_over_rate_cap(&attempt.path);
        self.events.withdraw(SessionEvent::Incoming);
        core::mem::swap(&mut self.id, &mut attempt.id);
        true
    }

    /// Our CONNECT, as long as nothing is acknowledged.
    fn queued_connect<'b>(&self, memory: &Memory, bytes: &'b mut [u8]) -> Option<&'b [u8]> {
        // What was acknowledged is held by the peer under the attempt's keys, and would be missing in the session.
        if self.packets.largest_acked.get().is_some() {
            return None;
        }
        if self.channels.iter(memory).any(Channel::has_begun_for_good) {
            return None;
        }
        let outbox = &self.channels.get(memory, CONTROL)?.outbox;
        // One message, so its terminator is the last position.
        let length = usize::try_from(outbox.write_offset().checked_sub(1)?).ok()?;
        let bytes = bytes.get_mut(..length)?;
        let whole = Fragment { offset: 0, length, begin: true, end: true };
        (outbox.copy(&memory.pool, &whole, bytes) == length).then_some(bytes)
    }
}
