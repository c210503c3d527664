//! The system's allocator, with a count of what the cores ask of it, and of what the thread holds.
//!
//! The simulator and the tests have one each too: an allocator is of a whole program and cannot be written without `unsafe`, which the library that
//! they share forbids. Each counts what its program asks, and the others would have to pay for: bytes of nodes, kinds of operations, or these two.
#![expect(unsafe_code, reason = "an allocator can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use session_sim::is_inside;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// Counts allocations and growths of this thread [`inside`](session_sim::inside) a core, and bytes of this thread wherever they are asked for.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many there were on this thread since the last call.
pub(crate) fn take() -> u64 {
    COUNT.replace(0)
}

/// Bytes that this thread has allocated and not freed, as they were asked for. Only differences mean something, and only where no other thread frees
/// what this one allocated.
pub(crate) fn live() -> i64 {
    LIVE.get()
}

fn hold(bytes: i64) {
    LIVE.set(LIVE.get() + bytes);
}

fn count() {
    if is_inside() {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches constant-initialised cells only, which neither
// allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract of `realloc`; `block` comes from the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`; `block` comes from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}
