//! The deadlines of all sessions: a binary heap over slots, with lazy re-arm (ADR 0003).
//!
//! A slot stands in the heap once. When it is filed, an earlier deadline moves it up; a later one is found out when the old one fires, so
//! that the timers that every packet pushes back cost nothing per packet. What kind a deadline is, stands beside it.
//!
//! A datagram in, what the application does about it and a datagram out change a session's deadline three times, and nobody asks in between. So a
//! slot that changed is only noted, and its deadline derived and filed when somebody wants to know.

use alloc::vec::Vec;

use super::slots::Slots;
use crate::action::{Deadline, TimerKind};
use crate::memory_need::MemoryNeed;
use crate::time::Instant;

const NONE: u32 = u32::MAX;
/// Slots that can be noted: those of a batch of datagrams, of which most are for few sessions.
const NOTED: usize = 16;

#[derive(Clone, Copy)]
struct Entry {
    at: Instant,
    slot: u32,
    timer: TimerKind,
}

pub(super) struct Deadlines {
    heap: Vec<Entry>,
    /// Slots whose deadline may be another than the one they are filed under; the first `noted_count` of them, each once.
    noted: [u32; NOTED],
    noted_count: usize,
}

impl Deadlines {
    /// What [`new`](Self::new) allocates.
    pub(super) fn need(capacity: u32) -> MemoryNeed {
        MemoryNeed::of::<Entry>(capacity as usize)
    }

    pub(super) fn new(capacity: u32) -> Self {
        Self { heap: Vec::with_capacity(capacity as usize), noted: [NONE; NOTED], noted_count: 0 }
    }

    /// Notes that `slot` is to be filed anew; `false` if too many are noted already.
    #[must_use]
    #[inline]
    pub(super) fn note(&mut self, slot: u32) -> bool {
        if self.noted[0] == slot && self.noted_count > 0 {
            // The only one most of the time.
            return true;
        }
        self.note_beside(slot)
    }

    #[inline(never)]
    fn note_beside(&mut self, slot: u32) -> bool {
        if self.noted().any(|noted| noted == slot) {
            return true;
        }
        let Some(free) = self.noted.get_mut(self.noted_count) else { return false };
        *free = slot;
        self.noted_count += 1;
        true
    }

    /// The slots that are noted. Some may be free by now.
    pub(super) fn noted(&self) -> impl Iterator<Item = u32> {
        self.noted[..self.noted_count].iter().copied()
    }

    /// Takes one of them out of the note.
    #[inline]
    pub(super) fn take_noted(&mut self) -> Option<u32> {
        self.noted_count = self.noted_count.checked_sub(1)?;
        Some(self.noted[self.noted_count])
    }

    /// Files `slot` under `deadline`, or lets it stand where it is filed earlier.
    pub(super) fn file(&mut self, slots: &mut Slots, slot: u32, deadline: Deadline) {
        let Deadline { at, timer } = deadline;
        let position = slots.heap_position(slot) as usize;
        match self.heap.get_mut(position) {
            Some(entry) if entry.at <= at => {}
            Some(entry) => {
                (entry.at, entry.timer) = (at, timer);
                self.sift_up(slots, position);
            }
            None => {
                self.heap.push(Entry { at, slot, timer });
                self.sift_up(slots, self.heap.len() - 1);
            }
        }
    }

    /// Takes `slot` out, or re-files it: `deadline` is the true one.
    pub(super) fn settle(&mut self, slots: &mut Slots, slot: u32, deadline: Option<Deadline>) {
        let position = slots.heap_position(slot) as usize;
        let Some(entry) = self.heap.get_mut(position) else {
            if let Some(deadline) = deadline {
                self.file(slots, slot, deadline);
            }
            return;
        };
        match deadline {
            Some(Deadline { at, timer }) => {
                (entry.at, entry.timer) = (at, timer);
                self.sift_up(slots, position);
                self.sift_down(slots, slots.heap_position(slot) as usize);
            }
            None => self.remove(slots, slot),
        }
    }

    pub(super) fn remove(&mut self, slots: &mut Slots, slot: u32) {
        let position = slots.heap_position(slot) as usize;
        if position >= self.heap.len() {
            return;
        }
        self.heap.swap_remove(position);
        slots.set_heap_position(slot, NONE);
        if let Some(moved) = self.heap.get(position) {
            let moved = moved.slot;
            slots.set_heap_position(moved, position as u32);
            self.sift_up(slots, position);
            self.sift_down(slots, slots.heap_position(moved) as usize);
        }
    }

    /// The slot filed earliest. Its true deadline is not before.
    #[inline]
    pub(super) fn first(&self) -> Option<(Deadline, u32)> {
        self.heap.first().map(|entry| (Deadline { at: entry.at, timer: entry.timer }, entry.slot))
    }

    fn sift_up(&mut self, slots: &mut Slots, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].at <= self.heap[position].at {
                break;
            }
            self.swap(slots, parent, position);
            position = parent;
        }
        slots.set_heap_position(self.heap[position].slot, position as u32);
    }

    fn sift_down(&mut self, slots: &mut Slots, mut position: usize) {
        loop {
            let left = 2 * position + 1;
            let children = [left, left + 1];
            let smallest =
                children.into_iter().filter(|&child| child < self.heap.len()).min_by_key(|&child| self.heap[child].at);
            let Some(child) = smallest.filter(|&child| self.heap[child].at < self.heap[position].at) else { break };
            self.swap(slots, position, child);
            position = child;
        }
        if let Some(entry) = self.heap.get(position) {
            slots.set_heap_position(entry.slot, position as u32);
        }
    }

    fn swap(&mut self, slots: &mut Slots, one: usize, other: usize) {
        self.heap.swap(one, other);
        slots.set_heap_position(self.heap[one].slot, one as u32);
        slots.set_heap_position(self.heap[other].slot, other as u32);
    }
}

#[cfg(test)]
mod tests;
