//! How many bytes an endpoint takes, before there is one.

/// Bytes of heap that an endpoint asks for: a fact about its configuration, exact on the target it is compiled for.
///
/// The endpoint's own value ([`size_of`] it), what the configuration itself holds, and what a [`Provider`](crate::Provider) allocates come on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryNeed {
    /// Allocated when the endpoint is made.
    pub at_start: usize,
    /// Allocated once there were as many sessions, and records beside them, as the limits allow. Nothing is asked for after that, nor given back.
    pub at_most: usize,
}

/// Records are allocated so many at a time.
pub(crate) const PAGE: u32 = 64;

impl MemoryNeed {
    /// `count` records of type `T` that stand from the start.
    pub(crate) const fn of<T>(count: usize) -> Self {
        let bytes = count.saturating_mul(size_of::<T>());
        Self { at_start: bytes, at_most: bytes }
    }

    /// Records of type `T` in pages: those of the first `ready` at the start, of `capacity` at most.
    pub(crate) const fn of_pages<T>(ready: u32, capacity: u32) -> Self {
        let ready = if ready < capacity { ready } else { capacity };
        let whole = ready.div_ceil(PAGE).saturating_mul(PAGE);
        let at_start = if whole < capacity { whole } else { capacity };
        let table = capacity.div_ceil(PAGE) as usize * size_of::<&[T]>();
        Self {
            at_start: table.saturating_add((at_start as usize).saturating_mul(size_of::<T>())),
            at_most: table.saturating_add((capacity as usize).saturating_mul(size_of::<T>())),
        }
    }

    /// Both together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            at_start: self.at_start.saturating_add(other.at_start),
            at_most: self.at_most.saturating_add(other.at_most),
        }
    }
}
