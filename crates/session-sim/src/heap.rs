//! An allocator that knows how many bytes nodes hold.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use session_sim::is_inside;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes that nodes on this thread have allocated and not freed again.
pub(crate) fn live() -> i64 {
    LIVE.get()
}

struct Counting;

fn count(grown: i64) {
    if is_inside() {
        LIVE.set(LIVE.get() + grown);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches constant-initialised cells only, which neither
// allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract of `realloc`; `block` comes from the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`; `block` comes from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}
