//! Records of one type under small numbers: pages that grow to a cap, are used again and never freed one by one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::memory_need::{MemoryNeed, PAGE};

const NONE: u32 = u32::MAX;

/// The number of a record. Whoever inserted it owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlabKey(u32);

impl Default for SlabKey {
    fn default() -> Self {
        Self::NOWHERE
    }
}

impl SlabKey {
    /// Names no record of any slab.
    pub(crate) const NOWHERE: Self = Self(NONE);

    /// As a number, to be kept where a key does not fit.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The key of that number.
    pub(crate) const fn of_number(number: u32) -> Self {
        Self(number)
    }
}

enum Place<T> {
    Used(T),
    /// The next free place.
    Free(u32),
}

pub(crate) struct Slab<T> {
    pages: Vec<Box<[Place<T>]>>,
    capacity: u32,
    free: u32,
    used: u32,
}

impl<T> Slab<T> {
    /// Bytes that a record takes, used or free.
    #[cfg(test)]
    pub(crate) const RECORD: usize = size_of::<Place<T>>();

    /// What [`with_ready`](Self::with_ready) allocates, and what it comes to.
    pub(crate) fn need(capacity: u32, ready: u32) -> MemoryNeed {
        MemoryNeed::of_pages::<Place<T>>(ready, capacity.min(NONE - 1))
    }

    /// Room for `capacity` records. The first page is allocated here, the others as they are needed first.
    pub(crate) fn new(capacity: u32) -> Self {
        Self::with_ready(capacity, 1)
    }

    /// The same with the pages of the first `ready` records allocated here.
    pub(crate) fn with_ready(capacity: u32, ready: u32) -> Self {
        let capacity = capacity.min(NONE - 1);
        let pages = Vec::with_capacity(capacity.div_ceil(PAGE) as usize);
        let mut slab = Self { pages, capacity, free: NONE, used: 0 };
        while (slab.pages.len() as u32) < ready.min(capacity).div_ceil(PAGE) {
            slab.grow();
        }
        slab
    }

    /// Records that could still be inserted.
    pub(crate) fn vacant(&self) -> u32 {
        self.capacity - self.used
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// Keeps `record`, or gives it back if there is no room.
    pub(crate) fn insert(&mut self, record: T) -> Result<SlabKey, T> {
        if self.vacant() == 0 {
            return Err(record);
        }
        if self.free == NONE {
            self.grow();
        }
        let key = self.free;
        let Some(place) = self.place_mut(key) else { return Err(record) };
        let Place::Free(next) = *place else { return Err(record) };
        *place = Place::Used(record);
        self.free = next;
        self.used += 1;
        Ok(SlabKey(key))
    }

    pub(crate) fn remove(&mut self, key: SlabKey) -> Option<T> {
        let free = self.free;
        let place = self.place_mut(key.0)?;
        if matches!(place, Place::Free(_)) {
            return None;
        }
        let Place::Used(record) = core::mem::replace(place, Place::Free(free)) else { return None };
        self.free = key.0;
        self.used -= 1;
        Some(record)
    }

    /// Drops a record where it lies: what it wipes on the way is not left behind in its place.
    pub(crate) fn discard(&mut self, key: SlabKey) {
        let free = self.free;
        match self.place_mut(key.0) {
            Some(place @ Place::Used(_)) => *place = Place::Free(free),
            Some(Place::Free(_)) | None => return,
        }
        self.free = key.0;
        self.used -= 1;
    }

    pub(crate) fn get(&self, key: SlabKey) -> Option<&T> {
        match self.pages.get((key.0 / PAGE) as usize)?.get((key.0 % PAGE) as usize)? {
            Place::Used(record) => Some(record),
            Place::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: SlabKey) -> Option<&mut T> {
        match self.place_mut(key.0)? {
            Place::Used(record) => Some(record),
            Place::Free(_) => None,
        }
    }

    fn place_mut(&mut self, key: u32) -> Option<&mut Place<T>> {
        self.pages.get_mut((key / PAGE) as usize)?.get_mut((key % PAGE) as usize)
    }

    /// Adds a page whose places are free, the lowest first.
    fn grow(&mut self) {
        let first = self.pages.len() as u32 * PAGE;
        let count = PAGE.min(self.capacity - first);
        let free = self.free;
        let next = |place: u32| if place + 1 == first + count { free } else { place + 1 };
        self.pages.push((first..first + count).map(|place| Place::Free(next(place))).collect());
        self.free = first;
    }
}

#[cfg(test)]
mod tests;
