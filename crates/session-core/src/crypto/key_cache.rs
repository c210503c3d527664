//! Expanded keys of the sessions used last. Sessions keep 32-byte secrets; what is expanded from them lives here.

use alloc::vec::Vec;

use super::keys::PacketKeys;
use super::suite::Provider;
use crate::memory_need::MemoryNeed;

const NONE: u32 = u32::MAX;

/// A fixed number of [`PacketKeys`], the least recently used replaced first.
///
/// It holds nothing that its owners cannot make again, so it is no part of any state digest.
pub(crate) struct KeyCache<P: Provider> {
    entries: Vec<Entry<P>>,
    /// The entry used last, and the one to be replaced next.
    newest: u32,
    oldest: u32,
}

struct Entry<P: Provider> {
    owner: u64,
    keys: Option<PacketKeys<P>>,
    newer: u32,
    older: u32,
}

impl<P: Provider> Entry<P> {
    /// Not inlined: the path of every packet would have room on its stack for keys on their way here.
    #[cold]
    #[inline(never)]
    fn fill(&mut self, owner: u64, make: impl FnOnce() -> PacketKeys<P>) {
        self.owner = owner;
        self.keys = None;
        self.keys = Some(make());
    }
}

impl<P: Provider> KeyCache<P> {
    /// What [`new`](Self::new) allocates.
    pub(crate) fn need(hot_keys: u32) -> MemoryNeed {
        MemoryNeed::of::<Entry<P>>(Self::count(hot_keys) as usize)
    }

    fn count(hot_keys: u32) -> u32 {
        hot_keys.clamp(1, NONE.saturating_sub(1))
    }

    /// Allocates room for the keys of `hot_keys` owners, at least one.
    pub(crate) fn new(hot_keys: u32) -> Self {
        let count = Self::count(hot_keys);
        let entries = (0..count).map(|index| Entry {
            owner: 0,
            keys: None,
            newer: index.checked_sub(1).unwrap_or(NONE),
            older: if index.saturating_add(1) < count { index.saturating_add(1) } else { NONE },
        });
        Self { entries: entries.collect(), newest: 0, oldest: count.saturating_sub(1) }
    }

    /// The keys of `owner`, made by `make` if they are not here. There is always a place for them.
    ///
    /// `owner` is a name never given to two sets of keys. `hint` is where they were; the owner keeps it and need not
    /// set it to anything in particular at first.
    pub(crate) fn get_or_expand(
        &mut self,
        owner: u64,
        hint: &mut u32,
        make: impl FnOnce() -> PacketKeys<P>,
    ) -> Option<&PacketKeys<P>> {
        if !self.holds(owner, *hint) {
            *hint = self.oldest;
            self.entry(*hint)?.fill(owner, make);
        }
        self.make_newest(*hint);
        self.entries.get(*hint as usize)?.keys.as_ref()
    }

    /// Wipes the keys of `owner`, if they are here.
    pub(crate) fn forget(&mut self, owner: u64, hint: u32) {
        if self.holds(owner, hint) {
            if let Some(entry) = self.entry(hint) {
                entry.keys = None;
            }
            self.make_oldest(hint);
        }
    }

    fn holds(&self, owner: u64, hint: u32) -> bool {
        self.entries.get(hint as usize).is_some_and(|entry| entry.owner == owner && entry.keys.is_some())
    }

    fn make_newest(&mut self, index: u32) {
        if index == self.newest || !self.unlink(index) {
            return;
        }
        let next = core::mem::replace(&mut self.newest, index);
        self.link(NONE, index);
        self.link(index, next);
    }

    fn make_oldest(&mut self, index: u32) {
        if index == self.oldest || !self.unlink(index) {
            return;
        }
        let previous = core::mem::replace(&mut self.oldest, index);
        self.link(index, NONE);
        self.link(previous, index);
    }

    /// Takes an entry out of the list; `false` if there is no such entry.
    fn unlink(&mut self, index: u32) -> bool {
        let Some(entry) = self.entry(index) else { return false };
        let (newer, older) = (entry.newer, entry.older);
        if newer == NONE {
            self.newest = older;
        }
        if older == NONE {
            self.oldest = newer;
        }
        self.link(newer, older);
        true
    }

    fn link(&mut self, newer: u32, older: u32) {
        if let Some(entry) = self.entry(newer) {
            entry.older = older;
        }
        if let Some(entry) = self.entry(older) {
            entry.newer = newer;
        }
    }

    fn entry(&mut self, index: u32) -> Option<&mut Entry<P>> {
        self.entries.get_mut(index as usize)
    }
}

#[cfg(test)]
mod tests;
