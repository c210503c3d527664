//! The scenario on this machine, and its figures: a line for each, its name and its value.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use session_cortex_m::{Counter, Hex, Layout, exit};
use session_scenario::{DATAGRAM, RECONNECTS, Report, run};

#[entry]
fn main() -> ! {
    let core = cortex_m::Peripherals::take().expect("nobody else has them");
    let Report {
        digest,
        datagrams,
        heap_of_one,
        heap_of_two,
        heap_after_second,
        heap_after_last,
        initiator,
        responder,
        sent,
        received,
    } = run(&mut Counter::new(core.SYST), RECONNECTS);
    let Layout { flash, data, bss, stack } = Layout::now();
    hprintln!("flash {}", flash);
    hprintln!("data {}", data);
    hprintln!("bss {}", bss);
    hprintln!("stack {}", stack);
    hprintln!("heap_of_one {}", heap_of_one);
    hprintln!("heap_of_two {}", heap_of_two);
    hprintln!("heap_after_second {}", heap_after_second);
    hprintln!("heap_after_last {}", heap_after_last);
    hprintln!("datagram_buffers {}", 2 * DATAGRAM);
    hprintln!("initiator {}", initiator.each());
    hprintln!("responder {}", responder.each());
    hprintln!("sent {}", sent.each());
    hprintln!("received {}", received.each());
    hprintln!("datagrams {}", datagrams);
    hprintln!("digest {}", Hex(digest));
    exit()
}
