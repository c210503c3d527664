//! Handshake packets: cheap checks first, Diffie-Hellman last, state only for what verified.
//!
//! Each has buffers of a packet's size. None is inlined, lest every datagram take the stack of all of them together.

use super::route::{name_of_hello, name_of_peer};
use super::vacancy::Vacancy;
use super::{Endpoint, name_of};
use crate::action::{CarrierConfig, Link};
use crate::crypto::{Provider, PublicKey, marks};
use crate::handshake::{
    AnsweredHello, HELLO_LENGTH, MAX_HANDSHAKE_PACKET, VerifiedReply, psk_name, verify_finish, verify_hello,
    verify_reply, write_reply,
};
use crate::limits::MAX_TENTATIVE_PER_PEER;
use crate::reason::{CloseReason, ClosedBy, DiscardReason};
use crate::session::{Phase, SessionCore};
use crate::shared::Context;
use crate::wire::{Finish, HeaderError, Hello, ReceiverId, Reply};

impl<P: Provider> Endpoint<P> {
    /// Order of checks: length, type and version, mac1, size, repetition, caps, and only then the keys (threats H and D).
    #[inline(never)]
    pub(super) fn handle_hello(
        &mut self,
        datagram: &[u8],
        link: &Link,
        carrier: &CarrierConfig,
    ) -> Result<(), DiscardReason> {
        let hello = Hello::parse(within_limit(datagram)?)?;
        let first_contact = hello.pattern.is_first_contact();
        if first_contact && !self.is_pairing() {
            return Err(DiscardReason::Pairing);
        }
        let mac1_key = if first_contact { marks::mac1_key(None) } else { self.settings.mac1_key };
        if !marks::verify_mac1(&mac1_key, hello.authenticated_by_mac1, &hello.mac1) {
            return Err(DiscardReason::Mark);
        }
        if carrier.padding && datagram.len() < HELLO_LENGTH {
            return Err(DiscardReason::Undersized);
        }
        if let Some(slot) = self.slot_of_hello(&hello.mac1) {
            return self.repeat_reply(slot, link);
        }
        if self.pending >= self.settings.limits.pending {
            return Err(DiscardReason::PendingFull);
        }
        if !self.has_vacancy() {
            return Err(DiscardReason::SessionsFull);
        }
        let context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let verified = verify_hello(&context, &hello)?;
        if verified.peer().is_some_and(|peer| self.settings.is_own(peer)) {
            return Err(DiscardReason::Handshake);
        }
        if verified.peer().is_some_and(|peer| self.has_all_tentative_slots(peer)) {
            return Err(DiscardReason::PeerPending);
        }
        let psk_place = self.settings.config.psk_place(psk_name(&hello).as_ref());
        if verified.peer().is_some_and(|peer| self.insists(peer, psk_place)) {
            return Err(DiscardReason::PeerPending);
        }

        // The Hello is genuine, or first contact, which the cap on such slots bounds. What follows can only fail for want of memory, and then leaves no trace either.
        let vacancy = self.vacancy().ok_or(DiscardReason::SessionsFull)?;
        let checkpoint = self.shared.checkpoint();
        let local_id = self.routes.new_id(&self.shared.ids, &mut self.shared.generator);
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        match write_reply(&mut context, &hello, datagram.len(), verified, local_id, carrier) {
            Ok(answered) => {
                self.take_in(&vacancy, local_id, *link, answered);
                Ok(())
            }
            Err(reason) => {
                self.shared.restore(checkpoint);
                Err(reason)
            }
        }
    }

    #[inline(never)]
    fn take_in(&mut self, vacancy: &Vacancy, local_id: ReceiverId, link: Link, answered: AnsweredHello) {
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let core = SessionCore::responder(&mut context, vacancy.id, local_id, link, answered);
        self.install(vacancy, core);
    }

    /// The tentative slot that answers this very Hello. Its mac1 is over all of its bytes.
    pub(super) fn slot_of_hello(&self, mac1: &[u8; 16]) -> Option<u32> {
        let answers = |core: &SessionCore| core.mac1_of_hello(&self.shared.memory) == Some(*mac1);
        self.hellos.find_all(name_of_hello(mac1)).find(|slot| self.slots.at(*slot).is_some_and(answers))
    }

    /// A Hello that was answered before gets the same Reply again (P-4.2-5), and nothing over another link: it may be a replay (P-4.2-8).
    fn repeat_reply(&mut self, slot: u32, link: &Link) -> Result<(), DiscardReason> {
        if self.slots.at(slot).is_none_or(|core| core.link() != *link) {
            return Err(DiscardReason::PeerPending);
        }
        self.with(slot, |core, context| core.queue_reply(&mut context.shared.memory));
        Ok(())
    }

    /// Tentative slots of `peer`.
    pub(super) fn tentative_slots(&self, peer: &PublicKey) -> impl Iterator<Item = u32> {
        self.pending_peers.find_all(name_of_peer(peer))
    }

    fn has_all_tentative_slots(&self, peer: &PublicKey) -> bool {
        self.tentative_slots(peer).count() >= MAX_TENTATIVE_PER_PEER
    }

    fn is_pairing(&self) -> bool {
        self.pairing_until.is_some_and(|until| self.now < until)
    }

    #[inline(never)]
    pub(super) fn handle_reply(
        &mut self,
        datagram: &[u8],
        link: &Link,
        carrier: &CarrierConfig,
    ) -> Result<(), DiscardReason> {
        let reply = Reply::parse(within_limit(datagram)?)?;
        let slot = self.routes.find(name_of(&reply.destination)).ok_or(DiscardReason::UnknownSession)?;
        self.apply_reply(slot, &reply, link, carrier).inspect_err(|reason| {
            // An attempt that fails says whether anything came back.
            if let Some(core) = self.slots.at_mut(slot) {
                let _ = core.count_discard(*reason, &self.settings.limits);
            }
        })
    }

    fn apply_reply(
        &mut self,
        slot: u32,
        reply: &Reply<'_>,
        link: &Link,
        carrier: &CarrierConfig,
    ) -> Result<(), DiscardReason> {
        let core = self.slots.at(slot).ok_or(DiscardReason::UnknownSession)?;
        let expected = core.link();
        // The local end may have been a wildcard when the Hello left: the Reply says which address it is.
        if !core.takes_reply() || (expected.carrier, expected.remote) != (link.carrier, link.remote) {
            return Err(DiscardReason::State);
        }
        let attempt = core.attempt(&self.shared.memory).ok_or(DiscardReason::State)?;
        if !marks::verify_mac1(&marks::mac1_key(core.peer()), reply.authenticated_by_mac1, &reply.mac1) {
            return Err(DiscardReason::Mark);
        }
        let verified = verify_reply(&self.shared, &self.settings, attempt, reply, carrier.max_datagram)?;
        let ours = self.slots.at(slot).and_then(|core| Some((*core.peer()?, core.psk_place())));
        if let (VerifiedReply::Agreed(_), Some((peer, psk_place))) = (&verified, ours) {
            self.drop_crossing(&peer, psk_place);
        }
        self.with(slot, |core, context| match verified {
            VerifiedReply::Agreed(reply) => core.on_reply(context, reply),
            VerifiedReply::Unacceptable(code) => {
                core.end_at_once(
                    context,
                    CloseReason::protocol(ClosedBy::Protocol, code, "the peer's offer does not fit ours"),
                );
            }
        });
        Ok(())
    }

    /// The third packet of first contact. The slot stays tentative until a data packet verifies, as any other.
    #[inline(never)]
    pub(super) fn handle_finish(&mut self, datagram: &[u8], link: &Link) -> Result<(), DiscardReason> {
        let finish = Finish::parse(within_limit(datagram)?)?;
        if !self.is_pairing() {
            return Err(DiscardReason::Pairing);
        }
        let slot = self.routes.find(name_of(&finish.destination)).ok_or(DiscardReason::UnknownSession)?;
        let core = self.slots.at(slot).ok_or(DiscardReason::UnknownSession)?;
        let expected = core.link();
        if core.phase() != Phase::Tentative || (expected.carrier, expected.remote) != (link.carrier, link.remote) {
            return Err(DiscardReason::State);
        }
        let attempt = core.attempt(&self.shared.memory).ok_or(DiscardReason::State)?;
        if !marks::verify_mac1(&marks::mac1_key(None), finish.authenticated_by_mac1, &finish.mac1) {
            return Err(DiscardReason::Mark);
        }
        let verified = verify_finish(&self.shared, &self.settings, attempt, &finish)?;
        if self.has_all_tentative_slots(&verified.peer) {
            return Err(DiscardReason::PeerPending);
        }
        let peer = name_of_peer(&verified.peer);
        self.with(slot, |core, context| core.on_finish(context, verified));
        self.pending_peers.insert(peer, slot);
        Ok(())
    }
}

fn within_limit(datagram: &[u8]) -> Result<&[u8], DiscardReason> {
    if datagram.len() > MAX_HANDSHAKE_PACKET { Err(DiscardReason::Malformed) } else { Ok(datagram) }
}

impl From<HeaderError> for DiscardReason {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Version => Self::Version,
            HeaderError::UnservedType | HeaderError::UnservedPattern | HeaderError::Mac2 => Self::Unserved,
            _ => Self::Malformed,
        }
    }
}
