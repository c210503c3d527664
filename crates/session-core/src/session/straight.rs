//! Straight ways: short functions for what most messages and packets are, each beside a general one that does the same for any (ADR 0022). Tests close them, and
//! nothing may come out otherwise.

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

/// Which of them.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Queued,
    Plain,
    Acknowledged,
    Stored,
    Taken,
}

#[cfg(test)]
impl Way {
    pub(crate) const ALL: [Self; 5] = [Self::Queued, Self::Plain, Self::Acknowledged, Self::Stored, Self::Taken];
}

/// One was taken to its end.
#[cfg(test)]
pub(crate) fn went(way: Way) {
    let mut times = TIMES.get();
    times[way as usize] += 1;
    TIMES.set(times);
}

/// How often this thread has taken it.
#[cfg(test)]
pub(crate) fn times(way: Way) -> u64 {
    TIMES.get()[way as usize]
}

#[cfg(test)]
std::thread_local! {
    static CLOSED: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
    static TIMES: core::cell::Cell<[u64; 5]> = const { core::cell::Cell::new([0; 5]) };
}
