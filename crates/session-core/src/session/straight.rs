//! Straight ways: short functions for what most packets are, each beside a general one that does the same for any. Tests close them, and nothing may come out
//! otherwise.

/// Whether they may be taken: always, but in tests that go the general way.
#[inline(always)]
pub(crate) fn is_open() -> bool {
    #[cfg(test)]
    return !CLOSED.get();
    #[cfg(not(test))]
    true
}

/// Does something the general way only.
#[cfg(test)]
pub(crate) fn closed<T>(operation: impl FnOnce() -> T) -> T {
    CLOSED.set(true);
    let result = operation();
    CLOSED.set(false);
    result
}

#[cfg(test)]
std::thread_local! {
    static CLOSED: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}
