//! Slots are taken by sessions and left again.

use super::Endpoint;
use super::route::{name_of, name_of_hello, name_of_peer};
use super::slots::Queue;
use crate::crypto::Provider;
use crate::ids::SessionId;
use crate::session::SessionCore;

/// A slot for a new session, and the session that goes for it.
pub(super) struct Vacancy {
    pub(super) id: SessionId,
    evicts: Option<u32>,
}

impl Vacancy {
    pub(super) fn in_place_of(SessionId { slot, generation }: SessionId) -> Self {
        Self { id: SessionId { slot, generation: generation.wrapping_add(1) }, evicts: Some(slot) }
    }
}

impl<P: Provider> Endpoint<P> {
    /// Whether [`vacancy`](Self::vacancy) would find a slot.
    pub(super) fn has_vacancy(&self) -> bool {
        self.slots.used() < self.settings.limits.sessions || self.first_of(Queue::Closed).is_some()
    }

    /// Where the next session goes; nothing has changed yet.
    pub(super) fn vacancy(&mut self) -> Option<Vacancy> {
        if let Some(id) = self.slots.next_id() {
            return Some(Vacancy { id, evicts: None });
        }
        let oldest = self.first_of(Queue::Closed)?;
        Some(Vacancy::in_place_of(self.slots.at(oldest)?.id()))
    }

    pub(super) fn install(&mut self, vacancy: &Vacancy, core: SessionCore) {
        if let Some(slot) = vacancy.evicts {
            // Counts and tables let go of an attempt as it ends.
            self.with(slot, |core, context| core.give_way(context));
            self.remove(slot);
        }
        let id = vacancy.id;
        self.routes.insert(name_of(&core.local_id()), id.slot);
        if let Some(mac1) = core.mac1_of_hello(&self.shared.memory) {
            self.pending += 1;
            self.hellos.insert(name_of_hello(&mac1), id.slot);
            // On first contact Finish tells whose it is.
            if let Some(peer) = core.peer() {
                self.pending_peers.insert(name_of_peer(peer), id.slot);
            }
        }
        self.slots.insert(id, core);
        self.refile(id.slot);
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.file_touched();
        self.deadlines.remove(&mut self.slots, slot);
        let Some(core) = self.slots.at_mut(slot) else { return };
        core.release(&mut self.shared);
        self.forget_names(slot);
        self.slots.remove(slot);
        self.directory.leave(slot);
    }
}
