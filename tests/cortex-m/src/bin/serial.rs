//! The device's end of a serial line: it waits for a host, sends it a file and gets one.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use session_cortex_m::{Clock, Hex, Uart, exit};
use session_scenario::{FILE, FRAME, Instant, Limits, Outcome, Talk, Turn, end};

/// How long it answers a host that has not heard of the end.
const LINGER_MICROS: u64 = 500_000;

#[entry]
fn main() -> ! {
    // SAFETY: there is one `main`, and it runs once.
    let (mut uart, mut clock) = unsafe { (Uart::new(), Clock::new()) };
    let mut talk = Talk::listen(end(2, Limits::tiny()).expect("the limits are in order"), 2);
    let mut frame = [0; FRAME];
    let mut ends = Instant::MAX;
    while clock.now() < ends {
        while let Some(byte) = uart.read() {
            talk.hear(&[byte], clock.now());
        }
        match talk.turn(&mut frame, clock.now()) {
            Turn::Send(length) => uart.write(&frame[..length]),
            Turn::Wait(_) => {}
            Turn::Over => ends = ends.min(Instant::from_micros(clock.now().as_micros() + LINGER_MICROS)),
        }
    }
    let Outcome { sent, received, received_bytes, retransmitted, damaged } = talk.outcome();
    hprintln!("sent {}", Hex(sent));
    hprintln!("received {}", Hex(received));
    hprintln!("received_bytes {}", received_bytes);
    hprintln!("retransmitted {}", retransmitted);
    hprintln!("damaged {}", damaged);
    assert!(received_bytes == FILE, "not all has come");
    exit()
}
