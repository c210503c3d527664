//! Knows when a thread runs code of a node, so that an allocator can tell its work from the world's.

use std::cell::Cell;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `operation` as code of a node. The [`World`](crate::World) does so with every call of an endpoint.
pub fn inside<T>(operation: impl FnOnce() -> T) -> T {
    let outer = INSIDE.replace(true);
    let result = operation();
    INSIDE.set(outer);
    result
}

/// Whether this thread is [`inside`] a node. Never allocates, so that an allocator may ask.
#[must_use]
pub fn is_inside() -> bool {
    INSIDE.get()
}
