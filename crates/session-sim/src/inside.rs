//! Knows when a thread runs code of a node, so that an allocator can tell its work from the world's.

use std::cell::Cell;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `operation` as code of a node. The [`Network`](crate::Network) does so with every call of a [`Node`](crate::Node).
pub fn inside<T>(operation: impl FnOnce() -> T) -> T {
    with(true, operation)
}

/// Runs `operation` as none: for the part of a node that is the application around the machine which is watched.
pub fn outside<T>(operation: impl FnOnce() -> T) -> T {
    with(false, operation)
}

/// Whether this thread is [`inside`] a node. Never allocates, so that an allocator may ask.
#[must_use]
pub fn is_inside() -> bool {
    INSIDE.get()
}

fn with<T>(is_inside: bool, operation: impl FnOnce() -> T) -> T {
    let outer = INSIDE.replace(is_inside);
    let result = operation();
    INSIDE.set(outer);
    result
}
