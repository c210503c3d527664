//! From what a datagram names to the slot it belongs to.
//!
//! Receiver ids come from a secret of the endpoint, so strangers cannot name entries of the table at will; and the table is indexed by a keyed hash of the whole id.

use alloc::vec;
use alloc::vec::Vec;

use crate::crypto::siphash::SipKey;
use crate::crypto::{Generator, IdKey, PublicKey, Secret};
use crate::memory_need::MemoryNeed;
use crate::wire::ReceiverId;

const EMPTY: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Entry {
    /// Upper and lower half, so that an entry takes 12 bytes and not 16.
    name: [u32; 2],
    slot: u32,
}

impl Entry {
    const EMPTY: Self = Self { name: [0; 2], slot: EMPTY };

    fn new(name: u64, slot: u32) -> Self {
        Self { name: [(name >> 32) as u32, name as u32], slot }
    }

    fn name(self) -> u64 {
        u64::from(self.name[0]) << 32 | u64::from(self.name[1])
    }
}

/// A table from 64-bit names to slots: open addressing, linear probing, at most half full. One name may stand for several slots.
pub(super) struct Routes {
    entries: Vec<Entry>,
    used: usize,
    key: SipKey,
    /// What was looked up last by [`find_often`](Self::find_often), while it is in the table.
    last: Entry,
}

impl Routes {
    /// What [`new`](Self::new) allocates.
    pub(super) fn need(capacity: u32) -> MemoryNeed {
        MemoryNeed::of::<Entry>(Self::size(capacity))
    }

    fn size(capacity: u32) -> usize {
        (capacity as usize).saturating_mul(2).checked_next_power_of_two().unwrap_or(usize::MAX).max(2)
    }

    /// `key` must be secret: it makes the table's order unpredictable.
    pub(super) fn new(capacity: u32, key: &Secret) -> Self {
        Self { entries: vec![Entry::EMPTY; Self::size(capacity)], used: 0, key: SipKey::new(key), last: Entry::EMPTY }
    }

    /// How many names it holds.
    #[cfg(any(test, fuzzing))]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// A receiver id that names nothing yet.
    pub(super) fn new_id(&self, ids: &IdKey, generator: &mut Generator) -> ReceiverId {
        loop {
            let id = ids.draw(generator);
            if self.find(name_of(&id)).is_none() {
                return id;
            }
        }
    }

    /// The slot of a name of which it may be asked many times in a row, as those are that datagrams come for: then it costs no hash.
    #[inline]
    pub(super) fn find_often(&mut self, name: u64) -> Option<u32> {
        if self.last.slot == EMPTY || self.last.name() != name {
            self.last = Entry::new(name, self.find(name)?);
        }
        debug_assert_eq!(self.find(name), Some(self.last.slot));
        Some(self.last.slot)
    }

    pub(super) fn find(&self, name: u64) -> Option<u32> {
        let mask = self.entries.len() - 1;
        let mut position = self.home(name);
        // It ends: at least half of the table is empty.
        loop {
            let entry = self.entries.get(position & mask)?;
            if entry.slot == EMPTY {
                return None;
            }
            if entry.name() == name {
                return Some(entry.slot);
            }
            position += 1;
        }
    }

    /// Every slot of a name, in no particular order.
    pub(super) fn find_all(&self, name: u64) -> impl Iterator<Item = u32> {
        let mask = self.entries.len() - 1;
        let run = (self.home(name)..).map(move |position| self.entries[position & mask]);
        run.take_while(|entry| entry.slot != EMPTY).filter(move |entry| entry.name() == name).map(|entry| entry.slot)
    }

    /// Adds a name of a slot, which it does not have yet. The table has room for all there may be.
    pub(super) fn insert(&mut self, name: u64, slot: u32) {
        if 2 * (self.used + 1) > self.entries.len() {
            debug_assert!(false, "the table is sized for all slots");
            return;
        }
        let mut position = self.home(name);
        while self.entries[position].slot != EMPTY {
            position = (position + 1) & (self.entries.len() - 1);
        }
        self.entries[position] = Entry::new(name, slot);
        self.used += 1;
    }

    /// Removes a name of a slot, and closes the gap it leaves in its run.
    pub(super) fn remove(&mut self, name: u64, slot: u32) {
        let mask = self.entries.len() - 1;
        let mut hole = self.home(name);
        loop {
            let entry = self.entries[hole];
            if entry.slot == EMPTY {
                return;
            }
            if (entry.name(), entry.slot) == (name, slot) {
                break;
            }
            hole = (hole + 1) & mask;
        }
        self.used -= 1;
        self.last = Entry::EMPTY;
        let mut next = (hole + 1) & mask;
        while self.entries[next].slot != EMPTY {
            let home = self.home(self.entries[next].name());
            // It may move back if its home does not lie behind the hole.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                self.entries[hole] = self.entries[next];
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.entries[hole] = Entry::EMPTY;
    }

    fn home(&self, name: u64) -> usize {
        // Whoever can choose some bits of names must not be able to make runs of them (D23): a product with a secret factor lets that happen for one factor in a
        // hundred where names follow each other, and for all where they differ in high bits only.
        self.key.hash(name) as usize & (self.entries.len() - 1)
    }
}

/// The table's name of a receiver id.
pub(super) fn name_of(id: &ReceiverId) -> u64 {
    u64::from_be_bytes(id.padded())
}

/// The table's name of a peer: the first half of its lasting name, which nobody can choose.
pub(super) fn name_of_peer(peer: &PublicKey) -> u64 {
    peer.peer_id().as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The table's name of a Hello: the first half of its mac1.
pub(super) fn name_of_hello(mac1: &[u8; 16]) -> u64 {
    mac1.iter().take(8).fold(0, |name, byte| name << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
