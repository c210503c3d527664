//! Where sessions live: slots in pages of 64, used again, never freed one by one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::ids::SessionId;
use crate::memory_need::{MemoryNeed, PAGE};
use crate::session::SessionCore;

const NONE: u32 = u32::MAX;
/// No slot has this number either.
const UNQUEUED: u32 = NONE - 1;

/// The queues a slot may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Has something to send.
    Ready = 0,
    /// Has events to tell.
    Events = 1,
    /// Is closed, and told: the first to go when a slot is needed.
    Closed = 2,
    /// Waits for memory to send, and no acknowledgement of its own will bring it.
    Starved = 3,
    /// Sessions with data to send and no memory for the record of a packet.
    Unrecorded = 4,
}

impl Queue {
    pub(super) const ALL: [Self; 5] = [Self::Ready, Self::Events, Self::Closed, Self::Starved, Self::Unrecorded];

    /// What a slot in it is, for people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Events => "with events",
            Self::Closed => "ended",
            Self::Starved => "out of memory",
            Self::Unrecorded => "without a record",
        }
    }
}

const QUEUES: usize = Queue::ALL.len();

#[derive(Clone, Copy)]
struct Links {
    /// `UNQUEUED` in no queue, `NONE` at the front of one.
    previous: u32,
    next: u32,
}

impl Links {
    const UNQUEUED: Self = Self { previous: UNQUEUED, next: NONE };

    fn is_queued(self) -> bool {
        self.previous != UNQUEUED
    }
}

struct Slot {
    generation: u32,
    core: Option<SessionCore>,
    links: [Links; QUEUES],
    next_free: u32,
    /// Position in the deadline heap.
    pub(super) heap: u32,
    /// Bytes it may still send before others get their turn.
    pub(super) deficit: u32,
}

/// All slots, and the queues threaded through them.
pub(super) struct Slots {
    pages: Vec<Box<[Slot]>>,
    capacity: u32,
    used: u32,
    high: u32,
    free: u32,
    ends: [(u32, u32); QUEUES],
    /// The slot that something was done to last, whose queues do not follow yet; `NONE` for none.
    touched: u32,
}

impl Slots {
    /// What [`new`](Self::new) allocates, and what it comes to.
    pub(super) fn need(capacity: u32) -> MemoryNeed {
        MemoryNeed::of_pages::<Slot>(1, capacity)
    }

    pub(super) fn new(capacity: u32) -> Self {
        let mut slots = Self {
            pages: Vec::with_capacity(capacity.div_ceil(PAGE) as usize),
            capacity: capacity.min(UNQUEUED),
            used: 0,
            high: 0,
            free: NONE,
            ends: [(NONE, NONE); QUEUES],
            touched: NONE,
        };
        slots.grow();
        slots
    }

    /// The id that the next [`insert`](Self::insert) will use; `None` if all slots are taken.
    pub(super) fn next_id(&mut self) -> Option<SessionId> {
        if self.used >= self.capacity {
            return None;
        }
        if self.free != NONE {
            let slot = self.free;
            return Some(SessionId { slot, generation: self.slot(slot)?.generation });
        }
        if self.high >= self.pages.len() as u32 * PAGE {
            self.grow();
        }
        let slot = self.high;
        Some(SessionId { slot, generation: self.slot(slot)?.generation })
    }

    /// Puts a session into the slot that [`next_id`](Self::next_id) named.
    pub(super) fn insert(&mut self, id: SessionId, core: SessionCore) {
        if id.slot == self.free {
            self.free = self.slot(id.slot).map_or(NONE, |slot| slot.next_free);
        } else {
            self.high = self.high.max(id.slot + 1);
        }
        if let Some(slot) = self.slot_mut(id.slot) {
            slot.core = Some(core);
            slot.deficit = 0;
            self.used += 1;
        }
    }

    /// Lifts a session out for a moment; its slot stays taken, and its place in queues too.
    pub(super) fn lift(&mut self, index: u32) -> Option<SessionCore> {
        self.slot_mut(index)?.core.take()
    }

    /// Puts a lifted session into a slot that one was lifted out of.
    pub(super) fn put(&mut self, index: u32, core: SessionCore) {
        if let Some(slot) = self.slot_mut(index) {
            slot.core = Some(core);
        }
    }

    /// Drops a session where it lies; its id finds nothing from now on.
    pub(super) fn remove(&mut self, index: u32) {
        for queue in Queue::ALL {
            self.unlink(queue, index);
        }
        let free = self.free;
        let Some(slot) = self.slot_mut(index).filter(|slot| slot.core.is_some()) else { return };
        slot.core = None;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = free;
        self.free = index;
        self.used -= 1;
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&SessionCore> {
        self.slot(id.slot).filter(|slot| slot.generation == id.generation)?.core.as_ref()
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.get(id).is_some()
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> Option<&SessionCore> {
        self.slot(index)?.core.as_ref()
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut SessionCore> {
        self.slot_mut(index)?.core.as_mut()
    }

    /// All slots in use are below.
    pub(super) fn high(&self) -> u32 {
        self.high
    }

    pub(super) fn used(&self) -> u32 {
        self.used
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &SessionCore)> {
        (0..self.high).filter_map(|index| Some((index, self.at(index)?)))
    }

    pub(super) fn heap_position(&self, index: u32) -> u32 {
        self.slot(index).map_or(NONE, |slot| slot.heap)
    }

    pub(super) fn set_heap_position(&mut self, index: u32, position: u32) {
        if let Some(slot) = self.slot_mut(index) {
            slot.heap = position;
        }
    }

    #[inline]
    pub(super) fn deficit_mut(&mut self, index: u32) -> Option<&mut u32> {
        self.slot_mut(index).map(|slot| &mut slot.deficit)
    }

    // --- queues ---

    /// Something was done to the session in a slot. Returns the slot that something was done to before, whose queues are to follow now.
    #[inline]
    pub(super) fn touch(&mut self, index: u32) -> Option<u32> {
        if self.touched == index {
            return None;
        }
        let before = self.take_touched();
        self.touched = index;
        before
    }

    /// The slot whose queues do not follow yet.
    #[inline]
    pub(super) fn touched(&self) -> Option<u32> {
        (self.touched != NONE).then_some(self.touched)
    }

    /// The same, and they are to follow now.
    #[inline]
    pub(super) fn take_touched(&mut self) -> Option<u32> {
        let touched = self.touched();
        self.touched = NONE;
        touched
    }

    /// Appends a slot to a queue, unless it stands in it.
    #[inline]
    pub(super) fn push(&mut self, queue: Queue, index: u32) {
        if !self.is_queued(queue, index) {
            self.append(queue, index);
        }
    }

    fn append(&mut self, queue: Queue, index: u32) {
        let (first, last) = self.ends[queue as usize];
        let Some(slot) = self.slot_mut(index) else { return };
        slot.links[queue as usize] = Links { previous: last, next: NONE };
        if last != NONE
            && let Some(before) = self.slot_mut(last)
        {
            before.links[queue as usize].next = index;
        }
        self.ends[queue as usize] = (if first == NONE { index } else { first }, index);
    }

    #[inline]
    pub(super) fn is_queued(&self, queue: Queue, index: u32) -> bool {
        self.slot(index).is_some_and(|slot| slot.links[queue as usize].is_queued())
    }

    /// Takes a slot out of a queue, if it stands in it.
    #[inline]
    pub(super) fn unlink(&mut self, queue: Queue, index: u32) {
        if self.is_queued(queue, index) {
            self.take_out(queue, index);
        }
    }

    /// Puts a slot that stands in a queue behind all others.
    pub(super) fn rotate(&mut self, queue: Queue, index: u32) {
        if self.ends[queue as usize].1 != index {
            self.unlink(queue, index);
            self.push(queue, index);
        }
    }

    fn take_out(&mut self, queue: Queue, index: u32) {
        let ends = &mut self.ends[queue as usize];
        // Alone in it, as most of the time.
        let is_only = *ends == (index, index);
        if is_only {
            *ends = (NONE, NONE);
        }
        let Some(slot) = self.slot_mut(index) else { return };
        let Links { previous, next } = core::mem::replace(&mut slot.links[queue as usize], Links::UNQUEUED);
        if is_only {
            return;
        }
        let (mut first, mut last) = self.ends[queue as usize];
        match self.slot_mut(previous) {
            Some(before) => before.links[queue as usize].next = next,
            None => first = next,
        }
        match self.slot_mut(next) {
            Some(after) => after.links[queue as usize].previous = previous,
            None => last = previous,
        }
        self.ends[queue as usize] = (first, last);
    }

    /// No slot stands in any queue.
    #[inline]
    pub(super) fn are_queues_empty(&self) -> bool {
        self.ends.iter().all(|(first, _)| *first == NONE)
    }

    #[inline]
    pub(super) fn first(&self, queue: Queue) -> Option<u32> {
        let first = self.ends[queue as usize].0;
        (first != NONE).then_some(first)
    }

    /// How many slots stand in a queue. Looks at each of them.
    pub(super) fn queued(&self, queue: Queue) -> usize {
        let next = |index: &u32| self.slot(*index).map(|slot| slot.links[queue as usize].next);
        core::iter::successors(self.first(queue), next).take_while(|index| *index != NONE).count()
    }

    fn grow(&mut self) {
        let first = self.pages.len() as u32 * PAGE;
        let count = PAGE.min(self.capacity.saturating_sub(first));
        let empty = || Slot {
            generation: 0,
            core: None,
            links: [Links::UNQUEUED; QUEUES],
            next_free: NONE,
            heap: NONE,
            deficit: 0,
        };
        self.pages.push((0..count).map(|_| empty()).collect());
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot> {
        self.pages.get((index / PAGE) as usize)?.get((index % PAGE) as usize)
    }

    #[inline]
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.pages.get_mut((index / PAGE) as usize)?.get_mut((index % PAGE) as usize)
    }
}

#[cfg(test)]
mod tests;
