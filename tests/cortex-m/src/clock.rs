//! Time since the start.

use core::ptr;

use session_scenario::Instant;

/// ARM's CMSDK APB timer: 32 bits that count down, 25 to the microsecond.
const BASE: usize = 0x4000_0000;
const CONTROL: *mut u32 = ptr::without_provenance_mut(BASE);
const VALUE: *mut u32 = ptr::without_provenance_mut(BASE + 0x04);
const RELOAD: *mut u32 = ptr::without_provenance_mut(BASE + 0x08);

const ENABLE: u32 = 1;
const TICKS_PER_MICROSECOND: u64 = 25;

/// The timer, asked at least once in 170 seconds.
pub struct Clock {
    last: u32,
    ticks: u64,
}

impl Clock {
    /// Starts it.
    ///
    /// # Safety
    /// There must be no other.
    #[must_use]
    pub unsafe fn new() -> Self {
        // SAFETY: all are registers of the device, which nobody else uses.
        unsafe {
            RELOAD.write_volatile(u32::MAX);
            VALUE.write_volatile(u32::MAX);
            CONTROL.write_volatile(ENABLE);
        }
        Self { last: u32::MAX, ticks: 0 }
    }

    /// Now.
    pub fn now(&mut self) -> Instant {
        // SAFETY: a register of the device, which nobody else uses.
        let value = unsafe { VALUE.read_volatile() };
        self.ticks += u64::from(self.last.wrapping_sub(value));
        self.last = value;
        Instant::from_micros(self.ticks / TICKS_PER_MICROSECOND)
    }
}
