//! After operations on a session its queues, deadline and place follow what it has become, at the latest when somebody asks.

use super::Endpoint;
use super::route::{name_of_hello, name_of_peer};
use super::slots::Queue;
use crate::action::{Address, Deadline, Link};
use crate::crypto::Provider;
use crate::memory::Memory;
use crate::path::OwnIds;
use crate::reason::RecvError;
use crate::session::{Phase, SessionCore};
use crate::shared::Context;

/// What a session is known by, and under.
struct Standing {
    phase: Phase,
    ids: OwnIds,
    remote: Address,
    /// The names of its Hello and of its peer, while it is tentative.
    tentative: Option<(u64, Option<u64>)>,
}

impl Standing {
    fn of(core: &SessionCore, memory: &Memory) -> Self {
        let phase = core.phase();
        let mac1 = if phase == Phase::Tentative { core.mac1_of_hello(memory) } else { None };
        let tentative = mac1.map(|mac1| (name_of_hello(&mac1), core.peer().map(name_of_peer)));
        Self { phase, ids: core.own_ids(), remote: *core.remote(), tentative }
    }

    /// It was Established and is, by the same names and at the same address, as after nearly every operation.
    fn is_kept(&self, core: &SessionCore) -> bool {
        self.phase == Phase::Established
            && core.phase() == Phase::Established
            && self.ids == core.own_ids()
            && self.remote == *core.remote()
    }
}

/// The queues that a session joins by what has become of it. `Unrecorded` it joins when it was asked for a datagram.
struct Joins {
    events: bool,
    ready: bool,
    closed: bool,
    starved: bool,
}

impl<P: Provider> Endpoint<P> {
    /// Runs `operation` on a session and files afterwards what it changed.
    pub(super) fn with<T>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> T,
    ) -> Option<T> {
        self.with_if(slot, operation, |_| true)
    }

    /// The same for a command: where it is refused it has changed nothing, and nothing is filed anew.
    pub(super) fn command<T, E>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        self.with_if(slot, operation, Result::is_ok)
    }

    /// The same for reading: where there is nothing to read, nothing has changed. That a message was cut is told once, and may have been the last there was.
    pub(super) fn reading<T>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> Result<Option<T>, RecvError>,
    ) -> Option<Result<Option<T>, RecvError>> {
        let read = self.with_channel(slot, operation)?;
        if matches!(read, Ok(Some(_)) | Err(RecvError::Cut)) {
            self.touch(slot);
        }
        Some(read)
    }

    /// The same as [`command`](Self::command) for sending.
    pub(super) fn sending<T, E>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let sent = self.with_channel(slot, operation)?;
        if sent.is_ok() {
            self.touch(slot);
        } else {
            self.await_memory(slot);
        }
        Some(sent)
    }

    /// The same as [`with`](Self::with); where `has_changed` says no, nothing is filed anew.
    pub(super) fn with_if<T>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> T,
        has_changed: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        // It may take away what there was to do.
        self.file_touched();
        let core = self.slots.at_mut(slot)?;
        let before = Standing::of(core, &self.shared.memory);
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let result = operation(core, &mut context);
        if has_changed(&result) {
            self.settle(slot, &before);
        } else {
            self.await_memory(slot);
        }
        Some(result)
    }

    /// Runs what moves nothing but a channel's data: neither phase nor path nor ids. Nor does it take away anything that there is to send or to tell, so that the
    /// queues may follow later. They are left to the caller.
    #[inline]
    fn with_channel<T>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> T,
    ) -> Option<T> {
        let core = self.slots.at_mut(slot)?;
        let before = cfg!(debug_assertions).then(|| outlook(core, &self.shared.memory));
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let result = operation(core, &mut context);
        if let Some((stood, had)) = before {
            let (stands, has) = outlook(core, &self.shared.memory);
            debug_assert!(stood == stands, "data alone moves no session");
            debug_assert!(had.iter().zip(&has).all(|(had, has)| had <= has), "data alone takes nothing back");
        }
        Some(result)
    }

    /// What was refused for want of memory is told when there is some.
    fn await_memory(&mut self, slot: u32) {
        if self.slots.at(slot).is_some_and(|core| core.starved(&self.shared.memory).is_some()) {
            self.file_touched();
            self.slots.push(Queue::Starved, slot);
        }
    }

    /// Brings all that knows of a session in line with it, which was `before` what it may not be any more.
    fn settle(&mut self, slot: u32, before: &Standing) {
        let Some(core) = self.slots.at(slot) else { return };
        if before.is_kept(core) {
            debug_assert!(self.directory.is_in_line(slot, core), "who was established is known");
            debug_assert!(core.wanted_id().is_none(), "who was established has its ids");
            self.touch(slot);
        } else {
            self.settle_moved(slot, before);
        }
    }

    #[inline(never)]
    fn settle_moved(&mut self, slot: u32, before: &Standing) {
        let Some(core) = self.slots.at(slot) else { return };
        let (after, kept) = (core.phase(), core.own_ids());
        if *core.remote() != before.remote {
            self.directory.follow_address(slot, core);
        }
        if before.ids != kept {
            self.forget_retired(slot, before.ids);
        }
        if before.phase == Phase::Tentative && after != Phase::Tentative {
            self.pending -= 1;
            if let Some((hello, peer)) = before.tentative {
                self.hellos.remove(hello, slot);
                peer.inspect(|peer| self.pending_peers.remove(*peer, slot));
            }
        }
        self.refile(slot);
    }

    /// Brings names, queues and deadline of a slot in line with its session.
    pub(super) fn refile(&mut self, slot: u32) {
        let Some(core) = self.slots.at(slot) else { return };
        if core.is_gone() {
            self.remove(slot);
            return;
        }
        let is_new = self.directory.is_new(slot, core);
        if is_new && self.refuse_second(slot) {
            return;
        }
        let Some(core) = self.slots.at(slot) else { return };
        self.directory.follow(slot, core);
        let wants_id = core.wanted_id().is_some();
        if wants_id {
            self.give_ids(slot);
        }
        self.touch(slot);
    }

    /// The same at once, for who goes on with the queues.
    pub(super) fn refile_now(&mut self, slot: u32) {
        self.refile(slot);
        self.file_touched();
    }

    /// Queues and deadline of a slot are to follow its session, as soon as another is touched or somebody asks. What comes in a row for one session, a datagram and
    /// what the application does about it, is so looked at once.
    #[inline]
    fn touch(&mut self, slot: u32) {
        if let Some(before) = self.slots.touch(slot) {
            self.queue(before);
        }
    }

    /// Brings the slot in line that was touched last. Before queues are used, and before anything that may take away what there was to do.
    #[inline]
    pub(super) fn file_touched(&mut self) {
        if let Some(slot) = self.slots.take_touched() {
            self.queue(slot);
        }
    }

    /// The queues that a session is to join, unless it stands in them already.
    #[inline(always)]
    fn joins(&self, slot: u32, core: &SessionCore) -> Joins {
        let memory = &self.shared.memory;
        let wants = core.wants(memory);
        Joins {
            events: core.has_events(),
            ready: self.slots.is_queued(Queue::Ready, slot) || core.may_transmit(memory, &wants),
            closed: core.is_evictable(&self.settings, memory),
            starved: core.starved_of(&wants).is_some(),
        }
    }

    /// The first of a queue, as it is when the slot that was touched last has been brought in line.
    pub(super) fn first_of(&self, queue: Queue) -> Option<u32> {
        self.slots.first(queue).or_else(|| self.to_join(queue))
    }

    /// How many slots stand in a queue, by the same reckoning. Looks at each of them.
    pub(super) fn queued(&self, queue: Queue) -> usize {
        self.slots.queued(queue) + usize::from(self.to_join(queue).is_some())
    }

    /// The slot that was touched last, if it is to join a queue.
    fn to_join(&self, queue: Queue) -> Option<u32> {
        let slot = self.slots.touched().filter(|slot| !self.slots.is_queued(queue, *slot))?;
        let joins = self.joins(slot, self.slots.at(slot)?);
        let stands = match queue {
            Queue::Events => joins.events,
            Queue::Ready => joins.ready,
            Queue::Closed => joins.closed,
            Queue::Starved => joins.starved,
            Queue::Unrecorded => false,
        };
        stands.then_some(slot)
    }

    /// Brings queues and deadline of a slot in line with its session, which stays where it is and who it is.
    #[inline(never)]
    fn queue(&mut self, slot: u32) {
        let Some(core) = self.slots.at_mut(slot) else { return };
        core.review_refusals(&self.shared.memory);
        let Some(core) = self.slots.at(slot) else { return };
        let Joins { events, ready, closed, starved } = self.joins(slot, core);
        if events {
            self.slots.push(Queue::Events, slot);
        }
        if ready {
            self.slots.push(Queue::Ready, slot);
        }
        if closed {
            self.slots.push(Queue::Closed, slot);
        }
        if starved {
            self.slots.push(Queue::Starved, slot);
        }
        self.file(slot);
    }

    /// Goes on with sessions that wait for memory, if there is some.
    #[inline]
    pub(super) fn feed_waiting(&mut self) {
        if self.slots.first(Queue::Starved).is_some() {
            self.feed_starved();
        }
        if self.slots.first(Queue::Unrecorded).is_some() {
            self.feed_unrecorded();
        }
    }

    /// Tells sessions that wait for memory that there is some, longest waiting first.
    #[cold]
    fn feed_starved(&mut self) {
        while let Some(slot) = self.slots.first(Queue::Starved) {
            let memory = &mut self.shared.memory;
            let available = memory.pool.open_available();
            let starved = self.slots.at_mut(slot).and_then(|core| core.starved(memory).map(|wanted| (core, wanted)));
            if let Some((core, wanted)) = starved {
                if wanted > available {
                    return;
                }
                core.feed(memory);
            }
            self.slots.unlink(Queue::Starved, slot);
            self.refile_now(slot);
        }
    }

    /// Lets sessions send again that had no memory for the record of a packet, longest waiting first.
    #[cold]
    fn feed_unrecorded(&mut self) {
        while self.shared.memory.pool.record_available() > 0
            && let Some(slot) = self.slots.first(Queue::Unrecorded)
        {
            self.slots.unlink(Queue::Unrecorded, slot);
            self.refile_now(slot);
        }
    }

    /// The deadline of a slot may have changed.
    pub(super) fn file(&mut self, slot: u32) {
        if !self.deadlines.note(slot) {
            self.derive_noted();
            let noted = self.deadlines.note(slot);
            debug_assert!(noted, "there is room again");
        }
    }

    /// Derives the deadlines that may have changed.
    pub(super) fn file_noted(&mut self) {
        self.file_touched();
        self.derive_noted();
    }

    fn derive_noted(&mut self) {
        while let Some(slot) = self.deadlines.take_noted() {
            match self.deadline_of(slot) {
                Some(deadline) => self.deadlines.file(&mut self.slots, slot, deadline),
                None => self.deadlines.remove(&mut self.slots, slot),
            }
        }
    }

    /// The true deadline of a slot.
    pub(super) fn deadline_of(&self, slot: u32) -> Option<Deadline> {
        self.slots.at(slot)?.next_deadline(&self.settings, &self.shared.memory)
    }
}

/// What data alone cannot change of a session, and what it can only add to: that there is something to send, and something to tell.
fn outlook(core: &SessionCore, memory: &Memory) -> ((Phase, OwnIds, Link), [bool; 2]) {
    let has = [core.may_transmit(memory, &core.wants(memory)), core.has_events()];
    ((core.phase(), core.own_ids(), core.link()), has)
}
