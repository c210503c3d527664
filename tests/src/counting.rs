//! An allocator that counts what is allocated inside the core.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub use session_sim::{inside, is_inside};

thread_local! {
    static OPERATIONS: Cell<Operations> = const { Cell::new(Operations { allocated: 0, reallocated: 0, freed: 0 }) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// What one thread asked of the allocator inside [`inside`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Blocks allocated.
    pub allocated: u64,
    /// Blocks that changed their size.
    pub reallocated: u64,
    /// Blocks freed.
    pub freed: u64,
}

/// The system's allocator, with a count. Has to be made the `#[global_allocator]` of a test binary.
#[derive(Debug)]
pub struct Counting;

/// What was counted on this thread since the last call; starts again from zero.
pub fn take() -> Operations {
    OPERATIONS.replace(Operations::default())
}

/// Bytes that this thread allocated inside [`inside`] and has not freed there again, as they were asked for.
#[must_use]
pub fn live() -> i64 {
    LIVE.get()
}

/// # Panics
/// If anything was counted on this thread since the last [`take`].
pub fn assert_none() {
    assert_eq!(take(), Operations::default(), "the core used the allocator");
}

/// Runs `test`, in which endpoints that exist may neither allocate nor free: whatever they meet, they meet with what they have.
///
/// # Panics
/// If they do, and if [`Counting`] is not the allocator, so that nobody would notice.
pub fn without_allocator(test: impl FnOnce()) {
    take();
    inside(|| drop(std::hint::black_box(Box::new(1))));
    assert_ne!(take(), Operations::default(), "nobody counts");
    test();
    assert_none();
}

fn count(grown: i64, change: impl FnOnce(&mut Operations)) {
    if is_inside() {
        LIVE.set(LIVE.get() + grown);
        let mut operations = OPERATIONS.get();
        change(&mut operations);
        OPERATIONS.set(operations);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches constant-initialised cells only, which neither
// allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64, |operations| operations.allocated += 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64, |operations| operations.allocated += 1);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64, |operations| operations.reallocated += 1);
        // SAFETY: the caller keeps the contract of `realloc`; `block` comes from the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64), |operations| operations.freed += 1);
        // SAFETY: the caller keeps the contract of `dealloc`; `block` comes from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}
