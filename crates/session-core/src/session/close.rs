//! How sessions end: flushing, CLOSE, the quiet time after it, and what both applications learn.

use super::events::SessionEvent;
use super::{Phase, SessionCore, Trigger};
use crate::crypto::Provider;
use crate::ids::Role;
use crate::memory::Memory;
use crate::reason::{CloseCode, CloseReason, ClosedBy};
use crate::shared::{Context, Settings};
use crate::slab::SlabKey;
use crate::state_hash::StateHash;
use crate::time::Instant;

/// The end of a session, from the first reason on. The first reason holds.
#[derive(Default)]
pub(crate) struct Closing {
    /// Where the reason is kept.
    reason: SlabKey,
    /// Flushing, the quiet time, or keeping unread data began.
    pub(super) since: Instant,
    /// A CLOSE is to be sent.
    pub(super) due: bool,
    /// Packets received since CLOSE was sent, but for those that came while the answer to an earlier one was due.
    received: u64,
    /// `Event::Closed` was fetched.
    pub(super) reported: bool,
    /// The application has no more questions.
    pub(super) forgotten: bool,
    /// Nothing is left to be asked.
    pub(super) expired: bool,
}

/// A rule the peer broke: why this side ends the session.
#[derive(Clone, Copy)]
pub(super) struct Fault {
    code: CloseCode,
    frame_type: u64,
    text: &'static str,
}

impl Fault {
    pub(super) const fn new(code: CloseCode, frame_type: u64, text: &'static str) -> Self {
        Self { code, frame_type, text }
    }

    pub(super) fn reason(&self) -> CloseReason {
        CloseReason { frame_type: self.frame_type, ..CloseReason::protocol(ClosedBy::Protocol, self.code, self.text) }
    }
}

impl SessionCore {
    /// Closes after flushing. Without effect on a session that is closing already.
    pub(crate) fn close_after_flush<P: Provider>(&mut self, context: &mut Context<'_, P>, reason: CloseReason) {
        if !self.follow(Trigger::CloseCommand) {
            return;
        }
        self.closing.note(&mut context.shared.memory, reason);
        self.closing.since = context.now;
        if self.phase == Phase::Closed {
            self.conclude(context);
        } else {
            self.close_if_flushed(context);
        }
    }

    /// Ends at once and tells the peer if there is one to tell.
    pub(crate) fn end_at_once<P: Provider>(&mut self, context: &mut Context<'_, P>, reason: CloseReason) {
        if !self.follow(Trigger::EndAtOnce) {
            return;
        }
        self.closing.note(&mut context.shared.memory, reason);
        match self.phase {
            Phase::Closed => self.conclude(context),
            _ => {
                self.begin_quiet(context);
                self.tell_closed();
            }
        }
    }

    /// Ends without another packet, because the keys may be in other hands too.
    pub(crate) fn end_unheard<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let text = "this process may have been copied; its keys are gone";
        self.expire(context, Some(CloseReason::protocol(ClosedBy::Local, CloseCode::INTERNAL, text)));
    }

    /// Sends CLOSE once everything sent before is acknowledged.
    pub(super) fn close_if_flushed<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        if self.phase == Phase::Flushing && self.channels.is_all_acked(&context.shared.memory) {
            self.stop_flushing(context);
        }
    }

    /// Sends CLOSE whatever is still unacknowledged.
    pub(super) fn stop_flushing<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        if self.follow(Trigger::Flushed) {
            self.begin_quiet(context);
        }
    }

    /// The peer's CLOSE.
    pub(super) fn on_close<P: Provider>(&mut self, context: &mut Context<'_, P>, reason: CloseReason) {
        if !self.follow(Trigger::CloseReceived) {
            return;
        }
        match self.phase {
            // Its answer to ours: both know.
            Phase::Closed => self.conclude(context),
            _ => {
                self.closing.note(&mut context.shared.memory, reason);
                self.begin_quiet(context);
                self.tell_closed();
            }
        }
    }

    /// The attempt, the peer or the quiet time is over.
    pub(crate) fn expire<P: Provider>(&mut self, context: &mut Context<'_, P>, reason: Option<CloseReason>) {
        if self.follow(Trigger::Expired) {
            if let Some(reason) = reason {
                self.closing.note(&mut context.shared.memory, reason);
            }
            self.conclude(context);
        }
    }

    /// CLOSE was never fetched, and the peer has not found out by itself yet.
    pub(super) fn must_tell(&self, now: Instant) -> bool {
        self.closing.due && self.closing.received == 0 && now < self.lost_at()
    }

    /// Nothing but CLOSE leaves from here on; received data stays readable.
    fn begin_quiet<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        self.closing.since = context.now;
        self.closing.due = true;
        let memory = &mut context.shared.memory;
        self.release_channels(memory);
        self.packets.log.release(&mut memory.pool);
        self.path.loss_at = None;
        self.path.paced_until = None;
        self.path.probes_due = 0;
        self.packets.ping_due = false;
        self.release_others(memory);
    }

    /// The protocol is over. What the application has not read is kept a while.
    fn conclude<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        self.tell_closed();
        self.closing.since = context.now;
        self.closing.due = false;
        let memory = &mut context.shared.memory;
        self.release_channels(memory);
        self.packets.log.release(&mut memory.pool);
        self.release_others(memory);
        self.end_attempt(memory);
        self.forget_keys(context.shared);
    }

    /// Nothing is sent any more. Data of a session that was never accepted cannot be read, so no memory is kept for it; and none
    /// is promised any more to credit that nobody draws on.
    fn release_channels(&mut self, memory: &mut Memory) {
        if self.control.established {
            self.channels.release_outboxes(memory);
            self.channels.unsecure_if_empty(memory);
        } else {
            self.channels.release_data(memory);
        }
    }

    /// Tells the application once, if it has ever heard of the session.
    fn tell_closed(&mut self) {
        if self.is_unheard() {
            self.closing.reported = true;
            self.closing.forgotten = true;
        } else if !self.closing.reported {
            self.events.raise(SessionEvent::Closed);
        }
    }

    /// After CLOSE: answer the 1st, 2nd, 4th, 8th … packet with another.
    pub(super) fn answer_straggler(&mut self) {
        if self.closing.due {
            return;
        }
        self.closing.received = self.closing.received.saturating_add(1);
        if self.closing.received.is_power_of_two() {
            self.closing.due = true;
        }
    }

    /// The slot may be used again: the protocol is over, and the application has been told and has no more questions.
    pub(crate) fn is_gone(&self) -> bool {
        self.phase == Phase::Closed && self.closing.reported && (self.closing.forgotten || self.closing.expired)
    }

    /// The slot may be used again if one is needed badly: as `is_gone`, but the application may still have asked.
    pub(crate) fn is_evictable(&self, settings: &Settings, memory: &Memory) -> bool {
        match self.phase {
            Phase::Closed => self.closing.reported && (settings.ended_make_room || !self.channels.has_unread(memory)),
            _ => settings.ended_make_room && self.is_told(),
        }
    }

    /// The application knows that it ended. Its CLOSE has been sent by then; what may be left is the quiet time, and data to read.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Draining | Phase::Closed) && self.closing.reported
    }

    /// The application has never heard of it: its peer's CONNECT has not come, or was refused unseen.
    pub(crate) fn is_unheard(&self) -> bool {
        self.role == Role::Responder && !self.control.is_shown()
    }

    /// It is being begun, or lives.
    pub(crate) fn is_alive(&self) -> bool {
        self.phase.takes_data()
    }

    /// The peer has it, or has asked for it. An attempt of ours the peer may not even know.
    pub(crate) fn is_claimed(&self) -> bool {
        match self.phase {
            Phase::Established => true,
            Phase::Handshaking => self.role == Role::Responder && !self.is_unheard(),
            _ => false,
        }
    }

    /// Ends without a word, because its slot is needed.
    pub(crate) fn give_way<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        self.expire(context, None);
    }

    pub(crate) fn forget(&mut self) {
        if self.closing.reported {
            self.closing.forgotten = true;
        }
    }
}

impl Closing {
    /// Keeps the first reason.
    fn note(&mut self, memory: &mut Memory, reason: CloseReason) {
        if self.reason == SlabKey::NOWHERE {
            let kept = memory.reasons.insert(reason);
            debug_assert!(kept.is_ok(), "there is room for the reason of every session");
            self.reason = kept.unwrap_or_default();
        }
    }

    pub(super) fn reason<'m>(&self, memory: &'m Memory) -> Option<&'m CloseReason> {
        memory.reasons.get(self.reason)
    }

    pub(super) fn release(&mut self, memory: &mut Memory) {
        memory.reasons.remove(core::mem::take(&mut self.reason));
    }

    pub(super) fn digest_into(&self, memory: &Memory, hash: &mut StateHash) {
        let Self { reason: _, since, due, received, reported, forgotten, expired } = self;
        let reason = self.reason(memory);
        hash.flag(reason.is_some());
        if let Some(CloseReason { by, space, code, frame_type, retry_after, text }) = reason {
            hash.u64(*by as u64);
            hash.u64(*space as u64);
            hash.u64(code.0);
            hash.u64(*frame_type);
            hash.option(retry_after.map(crate::time::micros));
            hash.bytes(text.as_str().as_bytes());
        }
        hash.u64(since.as_micros());
        hash.flag(*due);
        hash.u64(*received);
        hash.flag(*reported);
        hash.flag(*forgotten);
        hash.flag(*expired);
    }
}

/// The reason of a deadline.
pub(super) fn deadline_reason(code: CloseCode, text: &str) -> CloseReason {
    CloseReason::protocol(ClosedBy::Deadline, code, text)
}
