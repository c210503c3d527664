//! The host's end of a serial line to the device of `tests/cortex-m`: it begins, sends a file and gets one.
//!
//! The first argument is the Unix socket behind which the device's line is. What goes down the line and what comes up passes through noise
//! on its way, so that the session has something to mend.

mod clock;

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clock::Clock;
use session_scenario::{FILE, FRAME, Instant, Limits, Outcome, Talk, Turn, end};
use session_sim::Probability;
use session_tests::Noise;

type Failure = Box<dyn std::error::Error>;

/// The longest wait: whoever looks at the clock in between does no harm.
const NAP: Duration = Duration::from_millis(100);
/// Of a byte to be lost, and of one to be damaged.
const NOISE: Probability = Probability::from_ppm(500);

fn main() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("which socket?")?;
    let outcome = talk(&mut UnixStream::connect(path)?)?;
    let Outcome { sent, received, received_bytes, retransmitted, damaged } = outcome;
    println!("sent {}\nreceived {}\nreceived_bytes {received_bytes}", hex(&sent), hex(&received));
    println!("retransmitted {retransmitted}\ndamaged {damaged}");
    if received_bytes == FILE { Ok(()) } else { Err("not all has come".into()) }
}

fn talk(line: &mut UnixStream) -> Result<Outcome, Failure> {
    let clock = Clock::start();
    let device = end(2, Limits::tiny())?.public_key();
    let mut talk = Talk::call(end(1, Limits::default())?, 1, device, clock.now());
    let [mut down, mut up] = [1, 2].map(|seed| Noise::new(seed, NOISE));
    let (mut frame, mut buffer) = ([0; FRAME], [0; 4096]);
    loop {
        let until = match talk.turn(&mut frame, clock.now()) {
            Turn::Send(length) => match line.write_all(&down.pass(&frame[..length])) {
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe) => return Ok(talk.outcome()),
                written => {
                    written?;
                    continue;
                }
            },
            Turn::Wait(until) => until,
            Turn::Over => return Ok(talk.outcome()),
        };
        let wait = until.map_or(NAP, |until: Instant| until.saturating_since(clock.now()).min(NAP));
        line.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match line.read(&mut buffer) {
            // The device has heard of the end and gone, and what it said last was lost on the way.
            Ok(0) => return Ok(talk.outcome()),
            Ok(length) => talk.hear(&up.pass(&buffer[..length]), clock.now()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
