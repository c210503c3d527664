//! What holds between any two calls. For tests and fuzzing only.

use super::Endpoint;
use super::route::name_of;
use super::slots::Queue;
use crate::crypto::Provider;
use crate::ids::SessionId;
use crate::limits::MAX_TENTATIVE_PER_PEER;
use crate::memory::Memory;
use crate::session::{Phase, SessionCore};

impl<P: Provider> Endpoint<P> {
    /// The session's phase, which applications see as one of six states.
    pub(crate) fn phase_of(&self, id: SessionId) -> Option<Phase> {
        self.slots.get(id).map(SessionCore::phase)
    }

    /// # Panics
    /// If promises exceed the pool, or a cap is exceeded.
    pub(crate) fn assert_invariants(&self) {
        let pool = &self.shared.memory.pool;
        assert!(pool.promised() <= pool.free(), "more blocks are promised than are free");
        assert!(pool.free() <= pool.capacity(), "more blocks are free than there are");
        assert!(self.slots.used() <= self.settings.limits.sessions, "more sessions than slots");
        let tentative = self.slots.iter().filter(|(_, core)| core.phase() == Phase::Tentative).count();
        assert_eq!(tentative, self.pending as usize, "tentative slots are counted wrong");
        assert!(self.pending <= self.settings.limits.pending, "more tentative slots than allowed");
        let names: usize = self.slots.iter().map(|(_, core)| core.own_ids().active().count()).sum();
        assert_eq!(self.routes.used(), names, "a name for each id in use");
        let found = |slot, core: &SessionCore| self.names(core).all(|name| self.routes.find(name) == Some(slot));
        assert!(self.slots.iter().all(|(slot, core)| found(slot, core)), "an id in use finds its session");
        let telling = self.slots.iter().filter(|(_, core)| core.has_events()).count();
        assert!(telling <= self.queued(Queue::Events), "a session has news that nobody will fetch");
        self.assert_tentative_slots_are_found();
        let told = self.next_deadline();
        let deadlines = self.slots.iter().filter_map(|(slot, _)| self.deadline_of(slot));
        assert!(
            deadlines
                .min_by_key(|true_one| true_one.at)
                .is_none_or(|least| told.is_some_and(|told| told.at <= least.at)),
            "a deadline is told late"
        );
        if self.session_count() == 0 {
            assert_eq!((pool.free(), pool.promised()), (pool.capacity(), 0), "blocks are held by nobody");
            let Memory {
                pool: _,
                channels,
                mailboxes,
                expiries,
                skips,
                dynamics,
                ledgers,
                episodes,
                peer_ids,
                others,
                attempts,
                reasons,
                rekeys,
            } = &self.shared.memory;
            let records = [channels.used(), mailboxes.used(), expiries.used(), skips.used(), dynamics.used()];
            let used = records.into_iter().chain([
                ledgers.used(),
                episodes.used(),
                peer_ids.used(),
                others.used(),
                attempts.used(),
                reasons.used(),
            ]);
            let used = used.chain([rekeys.used()]);
            assert_eq!(used.sum::<u32>(), 0, "records are held by nobody");
        }
    }

    /// The names under which packets of a session come.
    fn names(&self, core: &SessionCore) -> impl Iterator<Item = u64> {
        let first = core.local_id();
        core.own_ids().active().map(move |sequence| name_of(&self.shared.ids.further(&first, sequence)))
    }

    fn assert_tentative_slots_are_found(&self) {
        let mut of_peers = 0;
        for (slot, core) in self.slots.iter().filter(|(_, core)| core.phase() == Phase::Tentative) {
            let mac1 = core.mac1_of_hello(&self.shared.memory);
            assert!(mac1.is_some_and(|mac1| self.slot_of_hello(&mac1) == Some(slot)), "one slot for each Hello");
            if let Some(peer) = core.peer() {
                of_peers += 1;
                let slots = self.tentative_slots(peer);
                assert_eq!(slots.filter(|of_peer| *of_peer == slot).count(), 1, "a slot is not found by its peer");
                assert!(self.tentative_slots(peer).count() <= MAX_TENTATIVE_PER_PEER, "one peer has too many");
            }
        }
        let found = [self.hellos.used(), self.pending_peers.used()];
        assert_eq!(found, [self.pending as usize, of_peers], "slots that are gone are found");
    }
}
