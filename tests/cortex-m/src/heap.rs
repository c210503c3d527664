//! An allocator that never frees: how far it has come is what was ever needed.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 64 * 1024;

struct Bump {
    bytes: UnsafeCell<MaybeUninit<[u8; SIZE]>>,
}

// SAFETY: `alloc` gives each byte out once, and nobody reads any but its holder.
unsafe impl Sync for Bump {}

static NEXT: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
// Neither zeroed at the start nor counted among the statics.
#[unsafe(link_section = ".uninit.heap")]
static HEAP: Bump = Bump { bytes: UnsafeCell::new(MaybeUninit::uninit()) };

/// Bytes given out so far.
pub(crate) fn used() -> usize {
    NEXT.load(Ordering::Relaxed)
}

// SAFETY: every block lies inside `bytes`, is aligned as asked, and overlaps no other, as `NEXT` only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.bytes.get().cast::<u8>();
        let padding = start.wrapping_add(used()).align_offset(layout.align());
        let Some(from) = used().checked_add(padding) else { return null_mut() };
        let Some(to) = from.checked_add(layout.size()).filter(|to| *to <= SIZE) else { return null_mut() };
        NEXT.store(to, Ordering::Relaxed);
        start.wrapping_add(from)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
