//! Straight ways: short functions for what most packets are, each beside a general one that does the same for any. Tests close them, and nothing may come out
//! otherwise.

/// Whether they may be taken. Not on a machine without a system: there the ciphers cost nearly all, and what the straight ways add to the code is dear.
#[inline(always)]
pub(crate) fn is_open() -> bool {
    #[cfg(test)]
    return !CLOSED.get();
    #[cfg(not(test))]
    cfg!(not(target_os = "none"))
}

/// Does something the general way only.
#[cfg(test)]
pub(crate) fn closed<T>(operation: impl FnOnce() -> T) -> T {
    CLOSED.set(true);
    let result = operation();
    CLOSED.set(false);
    result
}

/// A plain packet was made.
#[cfg(test)]
pub(super) fn count_plain() {
    PLAIN.set(PLAIN.get() + 1);
}

/// Plain packets made by this thread.
#[cfg(test)]
pub(crate) fn plain_packets() -> u64 {
    PLAIN.get()
}

#[cfg(test)]
std::thread_local! {
    static CLOSED: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
    static PLAIN: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}
