//! After every operation on a session: its queues, its deadline and its place among the others follow what it has become.

use core::time::Duration;

use super::Endpoint;
use super::route::{name_of_hello, name_of_peer};
use super::slots::Queue;
use crate::action::{Deadline, Event};
use crate::crypto::Provider;
use crate::reason::RecvError;
use crate::session::{Phase, SessionCore};
use crate::shared::Context;

/// Bytes one session may send before the next gets its turn, at most.
const QUANTUM: u64 = 64 * 1024;
/// The same as time at its pacing rate: a slow session holds nobody up for longer than it would take a turn itself.
const TURN: Duration = Duration::from_millis(1);

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
        self.with_channel(slot, operation, |read| matches!(read, Ok(Some(_)) | Err(RecvError::Cut)))
    }

    /// The same as [`command`](Self::command) for sending.
    pub(super) fn sending<T, E>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        self.with_channel(slot, operation, Result::is_ok)
    }

    /// The same as [`with`](Self::with); where `has_changed` says no, nothing is filed anew.
    pub(super) fn with_if<T>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> T,
        has_changed: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let core = self.slots.at_mut(slot)?;
        let (before, ids, remote) = (core.phase(), core.own_ids(), core.link().remote);
        let tentative = match before {
            Phase::Tentative => core.mac1_of_hello(&self.shared.memory),
            _ => None,
        };
        let tentative = tentative.map(|mac1| (name_of_hello(&mac1), core.peer().map(name_of_peer)));
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let result = operation(core, &mut context);
        if !has_changed(&result) {
            // What was refused for want of memory is told when there is some.
            if core.starved(&self.shared.memory).is_some() {
                self.slots.push(Queue::Starved, slot);
            }
            return Some(result);
        }
        let (after, kept) = (core.phase(), core.own_ids());
        if core.link().remote != remote {
            self.directory.follow_address(slot, core);
        }
        if ids != kept {
            self.forget_retired(slot, ids);
        }
        if before == Phase::Tentative && after != Phase::Tentative {
            self.pending -= 1;
            if let Some((hello, peer)) = tentative {
                self.hellos.remove(hello, slot);
                peer.inspect(|peer| self.pending_peers.remove(*peer, slot));
            }
        }
        self.refile(slot);
        Some(result)
    }

    /// The same as [`with_if`](Self::with_if) for what moves nothing but a channel's data: neither phase nor path nor ids.
    fn with_channel<T>(
        &mut self,
        slot: u32,
        operation: impl FnOnce(&mut SessionCore, &mut Context<'_, P>) -> T,
        has_changed: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let core = self.slots.at_mut(slot)?;
        let standing = |core: &SessionCore| (core.phase(), core.own_ids(), core.link());
        let before = cfg!(debug_assertions).then(|| standing(core));
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let result = operation(core, &mut context);
        debug_assert!(before == Some(standing(core)), "data alone moves no session");
        if has_changed(&result) {
            self.queue(slot);
        } else if core.starved(&self.shared.memory).is_some() {
            // What was refused for want of memory is told when there is some.
            self.slots.push(Queue::Starved, slot);
        }
        Some(result)
    }

    /// Brings queues and deadline of a slot in line with its session.
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
        self.queue(slot);
    }

    /// Brings queues and deadline of a slot in line with its session, which stays where it is and who it is.
    fn queue(&mut self, slot: u32) {
        let Some(core) = self.slots.at(slot) else { return };
        let memory = &self.shared.memory;
        let wants = core.wants(memory);
        let is_ready = self.slots.is_queued(Queue::Ready, slot) || core.may_transmit(memory, &wants);
        let (has_events, evictable) = (core.has_events(), core.is_evictable(&self.settings, memory));
        let starved = core.starved_of(&wants).is_some();
        for (stands, queue) in [
            (has_events, Queue::Events),
            (is_ready, Queue::Ready),
            (evictable, Queue::Closed),
            (starved, Queue::Starved),
        ] {
            if stands {
                self.slots.push(queue, slot);
            }
        }
        self.file(slot);
    }

    /// Tells sessions that wait for memory that there is some, longest waiting first.
    pub(super) fn feed_starved(&mut self) {
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
            self.refile(slot);
        }
    }

    /// Lets sessions send again that had no memory for the record of a packet, longest waiting first.
    pub(super) fn feed_unrecorded(&mut self) {
        while self.shared.memory.pool.record_available() > 0
            && let Some(slot) = self.slots.first(Queue::Unrecorded)
        {
            self.slots.unlink(Queue::Unrecorded, slot);
            self.refile(slot);
        }
    }

    /// The deadline of a slot may have changed.
    pub(super) fn file(&mut self, slot: u32) {
        if !self.deadlines.note(slot) {
            self.file_noted();
            let noted = self.deadlines.note(slot);
            debug_assert!(noted, "there is room again");
        }
    }

    /// Derives the deadlines that may have changed.
    pub(super) fn file_noted(&mut self) {
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

    pub(super) fn take_event(&mut self, slot: u32) -> Option<Event> {
        let core = self.slots.at_mut(slot)?;
        let event = core.take_event(&mut self.shared.memory, &self.settings);
        if core.has_events() {
            self.slots.push(Queue::Events, slot);
        } else {
            self.slots.unlink(Queue::Events, slot);
        }
        // Nothing follows from having told most of them, and they are the many.
        if event.is_none_or(|event| !event.is_of_lasting_channel()) {
            self.refile(slot);
        }
        event
    }

    /// Deficit round-robin: a session keeps its turn until its quantum is spent, so runs of datagrams stay together.
    pub(super) fn charge(&mut self, slot: u32, bytes: usize) {
        // What has left has deadlines of its own.
        self.file(slot);
        let Some(core) = self.slots.at(slot) else { return };
        // It may have been the Hello, or the CLOSE that an event waits for.
        if core.phase() != Phase::Established {
            self.directory.follow(slot, core);
        }
        let (has_events, quantum) = (core.has_events(), core.bytes_in(TURN).min(QUANTUM));
        if has_events {
            self.slots.push(Queue::Events, slot);
        }
        let Some(deficit) = self.slots.deficit_mut(slot) else { return };
        *deficit = deficit.saturating_add(bytes as u32);
        if u64::from(*deficit) >= quantum {
            *deficit = 0;
            self.slots.unlink(Queue::Ready, slot);
            self.slots.push(Queue::Ready, slot);
        }
    }
}
