//! Attempts that cross: both peers connect at once (protocol §4.4).

use super::Endpoint;
use crate::crypto::{Provider, PublicKey};
use crate::limits::MAX_TENTATIVE_PER_PEER;
use crate::session::{Phase, SessionCore};

impl<P: Provider> Endpoint<P> {
    /// The slot of our attempt at a peer, under the same pre-shared key: who asked for one must not be given a session without.
    fn own_attempt(&self, peer: &PublicKey, psk_place: u16) -> Option<u32> {
        let is_it =
            |core: &SessionCore| core.is_own_attempt() && core.peer() == Some(peer) && core.psk_place() == psk_place;
        self.attempts_at(peer).find(|(_, core)| is_it(core)).map(|(slot, _)| slot)
    }

    /// Our name is the greater: our attempt comes before the peer's.
    fn is_greater_than(&self, peer: &PublicKey) -> bool {
        self.settings.config.static_key.public().peer_id() > peer.peer_id()
    }

    /// Whether a Hello of the peer is to be left without an answer, because ours is to be answered.
    pub(super) fn insists(&self, peer: &PublicKey, psk_place: u16) -> bool {
        let attempt = self.own_attempt(peer, psk_place).and_then(|slot| self.slots.at(slot));
        self.is_greater_than(peer) && attempt.is_some_and(|core| core.insists(self.now))
    }

    /// The peer has answered our attempt, so what came of its own is nothing. Only the greater may say so.
    pub(super) fn drop_crossing(&mut self, peer: &PublicKey, psk_place: u16) {
        if !self.is_greater_than(peer) {
            return;
        }
        // Which of its attempts the peer gives up is not known here; each that ends leaves the table.
        let crosses = |core: &SessionCore| core.peer() == Some(peer) && core.psk_place() == psk_place;
        for _ in 0..MAX_TENTATIVE_PER_PEER {
            let slot = self.tentative_slots(peer).find(|slot| self.slots.at(*slot).is_some_and(crosses));
            let Some(slot) = slot else { return };
            self.with(slot, |core, context| core.expire(context, None));
        }
    }

    /// Where we are trying to connect to the peer that has proved itself in `slot`, one session comes of both as soon as it asks.
    pub(super) fn join_crossing(&mut self, slot: u32) {
        let Some(core) = self.slots.at(slot).filter(|core| core.is_unanswered()) else { return };
        let (asks, Some(peer)) = (core.is_asking(), core.peer().copied()) else { return };
        let Some(own) = self.own_attempt(&peer, core.psk_place()) else { return };
        // The peer has answered the greater's attempt, and drops its own when it hears CONNECT.
        let answered = self.slots.at(own).is_some_and(|core| core.phase() == Phase::Handshaking);
        if answered && self.is_greater_than(&peer) {
            return;
        }
        if !asks {
            if self.is_greater_than(&peer)
                && let Some(core) = self.slots.at_mut(own)
            {
                core.yield_to_peer();
            }
            return;
        }
        self.exchange(own, slot);
    }

    /// The session in `slot` takes the place of our attempt. Not inlined: two sessions lie on the stack meanwhile.
    #[inline(never)]
    fn exchange(&mut self, own: u32, slot: u32) {
        self.file_touched();
        let Some(mut attempt) = self.slots.lift(own) else { return };
        let joined = self.with(slot, |core, context| core.replace(context, &mut attempt)) == Some(true);
        let session = if joined { self.slots.lift(slot) } else { None };
        let Some(session) = session else {
            self.slots.put(own, attempt);
            return;
        };
        self.directory.leave(own);
        self.slots.put(own, attempt);
        self.slots.put(slot, session);
        self.forget_names(own);
        self.forget_names(slot);
        if let (Some(attempt), Some(session)) = (self.slots.lift(own), self.slots.lift(slot)) {
            self.slots.put(own, session);
            self.slots.put(slot, attempt);
        }
        self.enter_names(own);
        self.enter_names(slot);
        self.remove(slot);
        self.refile(own);
        self.supersede(own);
    }
}
