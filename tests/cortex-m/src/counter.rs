//! Instructions since the start.

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use session_scenario::Meter;

use crate::heap;

/// The timer counts down from here and begins again.
const RELOAD: u32 = 0x00ff_ffff;
/// QEMU, told `-icount shift=0`, takes a nanosecond for every instruction; the timer of this machine runs at 25 MHz.
const INSTRUCTIONS_PER_TICK: u64 = 40;

/// The system timer, asked at least once every 600 million instructions.
pub struct Counter {
    timer: SYST,
    last: u32,
    ticks: u64,
}

impl Counter {
    /// Starts it.
    #[must_use]
    pub fn new(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_counter();
        // It reads 0 until its first tick.
        while SYST::get_current() == 0 {}
        Self { timer, last: SYST::get_current(), ticks: 0 }
    }
}

impl Meter for Counter {
    fn instructions(&mut self) -> u64 {
        debug_assert!(self.timer.is_counter_enabled());
        let current = SYST::get_current();
        let elapsed = if current <= self.last { self.last - current } else { self.last + RELOAD + 1 - current };
        self.ticks += u64::from(elapsed);
        self.last = current;
        self.ticks * INSTRUCTIONS_PER_TICK
    }

    fn heap(&self) -> usize {
        heap::used()
    }
}
