//! The deadlines of all sessions: a binary heap over slots, with lazy re-arm (ADR 0003).
//!
//! A slot stands in the heap once. An earlier deadline moves it up at once; a later one is noted when the old one fires, so
//! that the timers that every packet pushes back cost nothing per packet.

use alloc::vec::Vec;

use super::slots::Slots;
use crate::time::Instant;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Entry {
    at: Instant,
    slot: u32,
}

pub(super) struct Deadlines {
    heap: Vec<Entry>,
}

impl Deadlines {
    pub(super) fn new(capacity: u32) -> Self {
        Self { heap: Vec::with_capacity(capacity as usize) }
    }

    /// Files `slot` under `at`, or lets it stand where it is filed earlier.
    pub(super) fn file(&mut self, slots: &mut Slots, slot: u32, at: Instant) {
        let position = slots.heap_position(slot) as usize;
        match self.heap.get_mut(position) {
            Some(entry) if entry.at <= at => {}
            Some(entry) => {
                entry.at = at;
                self.sift_up(slots, position);
            }
            None => {
                self.heap.push(Entry { at, slot });
                self.sift_up(slots, self.heap.len() - 1);
            }
        }
    }

    /// Takes `slot` out, or re-files it: `at` is its true deadline.
    pub(super) fn settle(&mut self, slots: &mut Slots, slot: u32, at: Option<Instant>) {
        let position = slots.heap_position(slot) as usize;
        let Some(entry) = self.heap.get_mut(position) else {
            if let Some(at) = at {
                self.file(slots, slot, at);
            }
            return;
        };
        match at {
            Some(at) => {
                entry.at = at;
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
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.first().map(|entry| (entry.at, entry.slot))
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
