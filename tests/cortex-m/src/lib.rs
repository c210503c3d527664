//! The machine: memory that is given out once, a counter of instructions, and a way to tell what came of it.
#![no_std]

mod clock;
mod counter;
mod heap;
mod layout;
mod uart;

pub use clock::Clock;
pub use counter::Counter;
pub use layout::Layout;
pub use uart::Uart;

use core::fmt;
use core::panic::PanicInfo;

use cortex_m_semihosting::{debug, hprintln};

/// A hash as people compare it.
pub struct Hex(pub [u8; 32]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Ends the program well.
pub fn exit() -> ! {
    loop {
        debug::exit(debug::EXIT_SUCCESS);
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}
