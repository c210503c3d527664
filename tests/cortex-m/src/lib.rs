//! The machine: memory that is given out once, a counter of instructions, and a way to tell what came of it.
#![no_std]

mod counter;
mod heap;
mod layout;

pub use counter::Counter;
pub use layout::Layout;

use core::panic::PanicInfo;

use cortex_m_semihosting::{debug, hprintln};

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
