//! New keys while the session goes on (protocol §8.1): offers and answers, and which generation is in use for what.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

use core::time::Duration;

use super::channels::CONTROL;
use super::close::Fault;
use super::{Phase, SessionCore};
use crate::crypto::keys::Ephemeral;
use crate::crypto::rekey::{Progress, Rekey, Stage};
use crate::crypto::{Provider, PublicKey};
use crate::ids::Role;
use crate::memory::Memory;
use crate::reason::{CloseCode, CloseReason, ClosedBy, ExtendError};
use crate::shared::{Context, Settings, Shared};
use crate::slab::SlabKey;
use crate::time::Instant;
use crate::wire::{ControlMessage, RekeyKey};

/// Between two exchanges, unless the peer has sent much (P-8.1-7).
const LEAST_AGE: Duration = Duration::from_secs(10);
/// So long this end waits where there was no memory for its message.
const RETRY: Duration = Duration::from_secs(1);
/// Probe timeouts for which packets under old keys may be on their way (P-8.1-6).
const LATE_PTOS: u32 = 3;

/// Which keys a packet was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenedBy {
    /// Those that this end seals with.
    Current,
    /// The older ones, or newer ones.
    Other,
}

impl SessionCore {
    /// New keys are to be agreed on.
    pub(crate) fn rotate_key<P: Provider>(&mut self, context: &mut Context<'_, P>) -> Result<(), ExtendError> {
        if self.phase != Phase::Established {
            return Err(ExtendError::NotEstablished);
        }
        match context.shared.memory.rekeys.get_mut(self.keys.rekey) {
            None => {
                let at = self.next_exchange_at(context.now);
                self.begin_rekey(context, at, None);
            }
            // One that is under way will do.
            Some(rekey) => rekey.asked |= matches!(rekey.progress(), Some(Progress::Late { .. })),
        }
        Ok(())
    }

    /// The peer offers new keys.
    pub(super) fn on_rekey_offer<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        offer: &RekeyKey,
        wrong: Fault,
    ) -> Result<(), Fault> {
        let peer = self.check_rekey(offer, wrong)?;
        let at = self.peers_exchange_at(context.now);
        let Some(rekey) = context.shared.memory.rekeys.get_mut(self.keys.rekey) else {
            self.begin_rekey(context, at, Some(peer));
            return Ok(());
        };
        if rekey.offered.is_some() {
            return Err(wrong);
        }
        match rekey.stage {
            // P-8.1-4: this end's own offer is the answer.
            Stage::Offered { .. } => self.conclude_exchange(context, &peer, false)?,
            Stage::Waiting(ours_at) => {
                rekey.offered = Some(peer);
                self.wait_until(context, at.min(ours_at));
            }
            Stage::Two { progress: Progress::Late { until: Some(_) }, .. } => rekey.offered = Some(peer),
            Stage::Two { .. } => return Err(wrong),
        }
        Ok(())
    }

    /// The peer answers an offer.
    pub(super) fn on_rekey_answer<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        answer: &RekeyKey,
        wrong: Fault,
    ) -> Result<(), Fault> {
        let peer = self.check_rekey(answer, wrong)?;
        let stage = context.shared.memory.rekeys.get(self.keys.rekey).map(|rekey| &rekey.stage);
        if !matches!(stage, Some(Stage::Offered { .. })) {
            return Err(wrong);
        }
        self.conclude_exchange(context, &peer, true)
    }

    /// A packet was opened: whoever sealed it has the keys it was sealed with.
    pub(super) fn note_opened<P: Provider>(&mut self, context: &mut Context<'_, P>, by: OpenedBy) {
        let before = self.packets.opened;
        self.packets.opened = before.saturating_add(1);
        if self.keys.rekey == SlabKey::NOWHERE {
            return;
        }
        if before < u16::MAX && self.packets.opened == u16::MAX {
            self.let_offer_through(context);
        }
        let late = self.path.base_pto().saturating_mul(LATE_PTOS);
        let ends = Some(context.now.saturating_add(late));
        let rekey = context.shared.memory.rekeys.get_mut(self.keys.rekey);
        let Some(Stage::Two { progress, .. }) = rekey.map(|rekey| &mut rekey.stage) else { return };
        match (&progress, by) {
            (Progress::Late { until: None }, OpenedBy::Current) => *progress = Progress::Late { until: ends },
            (Progress::Ready { .. }, OpenedBy::Other) => self.switch_keys(context, ends),
            (Progress::Late { .. }, _) | (Progress::Ready { .. }, OpenedBy::Current) => {}
        }
    }

    // P-8.1-7
    /// The peer has sent so much under the keys in use that an offer of its own waits no longer.
    fn let_offer_through<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let rekey = context.shared.memory.rekeys.get(self.keys.rekey);
        let waits = rekey.is_some_and(|rekey| matches!(rekey.stage, Stage::Waiting(_)) && rekey.offered.is_some());
        if waits && matches!(self.phase, Phase::Established | Phase::Flushing) {
            self.wait_until(context, context.now);
        }
    }

    /// Channel 0 was acknowledged: the peer may have the new keys by now.
    pub(super) fn review_rekey<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        if self.keys.rekey == SlabKey::NOWHERE {
            return;
        }
        let memory = &context.shared.memory;
        let Some(Progress::Ready { told_to }) = memory.rekeys.get(self.keys.rekey).and_then(Rekey::progress) else {
            return;
        };
        if self.channels.get(memory, CONTROL).is_some_and(|channel| channel.outbox.acked_to() >= told_to) {
            self.switch_keys(context, None);
        }
    }

    /// When [`serve_rekey`](Self::serve_rekey) has work.
    pub(super) fn rekey_deadline(&self, settings: &Settings, memory: &Memory) -> Option<Instant> {
        let answers = matches!(self.phase, Phase::Established | Phase::Flushing);
        if answers && self.keys.forged.are_too_many() {
            return Some(self.clocks.attempt_at);
        }
        // Mostly; it needs no look at the slab.
        if self.keys.rekey == SlabKey::NOWHERE {
            return self.keys_are_old_since(settings);
        }
        let Some(rekey) = memory.rekeys.get(self.keys.rekey) else { return self.keys_are_old_since(settings) };
        match &rekey.stage {
            // What is flushed needs no new keys, but a peer that asks for them is answered.
            Stage::Waiting(at) => {
                Some(*at).filter(|_| answers && (self.phase == Phase::Established || rekey.offered.is_some()))
            }
            Stage::Offered { .. } | Stage::Two { progress: Progress::Ready { .. }, .. } => None,
            // In every phase: old keys do not outlive their time because the session ends.
            Stage::Two { progress: Progress::Late { until }, .. } => *until,
        }
    }

    /// Offers, answers, or wipes the old keys.
    pub(super) fn serve_rekey<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let now = context.now;
        let answers = matches!(self.phase, Phase::Established | Phase::Flushing);
        if answers && self.keys.forged.are_too_many() {
            let text = "the key has met as many forged packets as it may";
            return self.end_at_once(context, CloseReason::protocol(ClosedBy::Protocol, CloseCode::KEY_LIMIT, text));
        }
        let Some(rekey) = context.shared.memory.rekeys.get_mut(self.keys.rekey) else {
            return self.begin_rekey(context, now, None);
        };
        match rekey.stage {
            Stage::Waiting(_) => self.exchange(context),
            Stage::Offered { .. } | Stage::Two { progress: Progress::Ready { .. }, .. } => {}
            Stage::Two { .. } => {
                let (offered, asked) = (rekey.offered, rekey.asked && self.phase == Phase::Established);
                self.end_rekey(context.shared);
                let at = if offered.is_some() { self.peers_exchange_at(now) } else { self.next_exchange_at(now) };
                if (answers && offered.is_some()) || asked {
                    self.begin_rekey(context, at, offered);
                }
            }
        }
    }

    /// Drops what is kept of an exchange, secrets and expanded keys.
    pub(super) fn end_rekey<P: Provider>(&mut self, shared: &mut Shared<P>) {
        let key = core::mem::take(&mut self.keys.rekey);
        if let Some(rekey) = shared.memory.rekeys.get(key) {
            shared.keys.forget(rekey.owner, rekey.hint);
            shared.memory.rekeys.discard(key);
        }
    }

    /// When the keys are due to be replaced, or since when.
    fn keys_are_old_since(&self, settings: &Settings) -> Option<Instant> {
        if self.phase != Phase::Established {
            return None;
        }
        if self.packets.sealed >= settings.limits.key_packets {
            return Some(self.clocks.attempt_at);
        }
        if self.keys.forged.are_many() {
            return Some(self.next_exchange_at(self.clocks.attempt_at));
        }
        let age = settings.config.timeouts.new_keys?;
        let is_older_than = |age| self.clocks.user_data_at >= self.clocks.attempt_at.saturating_add(age);
        // P-8.1-8: where both move data one offer is enough, even if clocks differ by a tenth.
        let later = |age: Duration| age.saturating_mul(9).checked_div(8).unwrap_or(age);
        let is_old = is_older_than(age) && (self.role == Role::Initiator || is_older_than(later(age)));
        is_old.then_some(self.clocks.user_data_at)
    }

    /// When this end may begin another exchange of its own accord.
    fn next_exchange_at(&self, now: Instant) -> Instant {
        match self.keys.generation {
            0 => now,
            _ => now.max(self.clocks.attempt_at.saturating_add(LEAST_AGE)),
        }
    }

    // P-8.1-7
    /// When this end serves an offer of the peer's.
    fn peers_exchange_at(&self, now: Instant) -> Instant {
        if self.packets.opened == u16::MAX { now } else { self.next_exchange_at(now) }
    }

    /// Offers, or answers what is `offered`, at `at`.
    fn begin_rekey<P: Provider>(&mut self, context: &mut Context<'_, P>, at: Instant, offered: Option<PublicKey>) {
        let owner = context.shared.next_key_owner();
        let rekey = Rekey { offered, ..Rekey::new(Stage::Waiting(at), owner) };
        let kept = context.shared.memory.rekeys.insert(rekey);
        debug_assert!(kept.is_ok(), "there is room for one of every session");
        self.keys.rekey = kept.unwrap_or_default();
        self.wait_until(context, at);
    }

    fn wait_until<P: Provider>(&mut self, context: &mut Context<'_, P>, at: Instant) {
        if let Some(rekey) = context.shared.memory.rekeys.get_mut(self.keys.rekey) {
            rekey.stage = Stage::Waiting(at);
        }
        if at <= context.now {
            self.exchange(context);
        }
    }

    /// Answers the peer's offer, or else offers.
    fn exchange<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let offered = context.shared.memory.rekeys.get(self.keys.rekey).and_then(|rekey| rekey.offered);
        let Some(generation) = self.keys.generation.checked_add(1) else {
            let text = "no more keys";
            return self.end_at_once(context, CloseReason::protocol(ClosedBy::Protocol, CloseCode::KEY_LIMIT, text));
        };
        let Some(own) = self.ephemeral(context, generation, offered.as_ref()) else { return };
        let key = RekeyKey { generation: u64::from(generation), ephemeral: own.public };
        let message =
            if offered.is_some() { ControlMessage::RekeyAnswer(key) } else { ControlMessage::RekeyOffer(key) };
        let told = self.queue_control(&mut context.shared.memory, &message);
        let channel = self.channels.get(&context.shared.memory, CONTROL);
        let told_to = channel.map_or(0, |channel| channel.outbox.write_offset());
        let Some(rekey) = context.shared.memory.rekeys.get_mut(self.keys.rekey) else { return };
        if !told {
            rekey.stage = Stage::Waiting(context.now.saturating_add(RETRY));
            return;
        }
        rekey.offered = None;
        rekey.stage = Stage::Offered { own, told_to };
        if let Some(peer) = offered
            && let Err(fault) = self.conclude_exchange(context, &peer, false)
        {
            self.end_at_once(context, fault.reason());
        }
    }

    /// Both ephemeral keys are here: derives the next keys, and uses them as soon as the peer has them too.
    fn conclude_exchange<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        peer: &PublicKey,
        peer_has_them: bool,
    ) -> Result<(), Fault> {
        let Shared { provider, memory, .. } = &mut *context.shared;
        let Some(rekey) = memory.rekeys.get_mut(self.keys.rekey) else { return Ok(()) };
        let (Stage::Offered { own, told_to }, Some(secrets)) = (&rekey.stage, self.keys.secrets.as_mut()) else {
            return Ok(());
        };
        let generation = self.keys.generation.saturating_add(1);
        let next = secrets.derive(provider, self.role, generation, own, peer).map_err(|_| unusable())?;
        let progress = Progress::Ready { told_to: *told_to };
        rekey.stage = Stage::Two { other: secrets.advance(next), progress };
        if peer_has_them {
            self.switch_keys(context, None);
        } else {
            self.review_rekey(context);
        }
        Ok(())
    }

    /// Seals with the next keys from here on, and opens with the old ones too for a while.
    fn switch_keys<P: Provider>(&mut self, context: &mut Context<'_, P>, late_until: Option<Instant>) {
        let next_owners = [context.shared.next_key_owner(), context.shared.next_key_owner()];
        let Shared { memory, keys, .. } = &mut *context.shared;
        let Some(rekey) = memory.rekeys.get_mut(self.keys.rekey) else { return };
        let Some(secrets) = self.keys.secrets.as_mut() else { return };
        let Stage::Two { other, progress } = &mut rekey.stage else { return };
        secrets.switch(other, self.role);
        *progress = Progress::Late { until: late_until };
        // Expanded keys go with their secrets, and a name is never given to two sets.
        keys.forget(self.keys.owner, self.keys.hint);
        keys.forget(rekey.owner, rekey.hint);
        [self.keys.owner, rekey.owner] = next_owners;
        self.keys.generation = self.keys.generation.saturating_add(1);
        self.packets.sealed = 0;
        self.packets.opened = 0;
        self.keys.forged.begin_anew();
        self.clocks.attempt_at = context.now;
        // Both ends wipe old keys once they have seen the new ones: the answer to this is sealed with them, at the latest.
        self.packets.ping_due |= late_until.is_none();
    }

    fn ephemeral<P: Provider>(
        &self,
        context: &mut Context<'_, P>,
        generation: u32,
        offered: Option<&PublicKey>,
    ) -> Option<Ephemeral> {
        let received = offered.map_or(&[][..], |key| key.as_bytes());
        let Shared { provider, generator, .. } = &mut *context.shared;
        let static_key = &context.settings.config.static_key;
        Some(self.keys.secrets.as_ref()?.ephemeral(provider, generator, static_key, generation, received))
    }

    /// What every part of an exchange must fulfil; the peer's ephemeral key.
    fn check_rekey(&self, key: &RekeyKey, wrong: Fault) -> Result<PublicKey, Fault> {
        // ACCEPT may come where this end closes already; then the peer may offer.
        let accepted = self.control.established || (self.role == Role::Initiator && self.control.is_settled());
        if !accepted || Some(key.generation) != u64::from(self.keys.generation).checked_add(1) {
            return Err(wrong);
        }
        PublicKey::from_bytes(key.ephemeral).map_err(|_| unusable())
    }
}

/// P-8.1-3
const fn unusable() -> Fault {
    Fault::new(CloseCode::PROTOCOL, 0, "an ephemeral key that cannot be used")
}
