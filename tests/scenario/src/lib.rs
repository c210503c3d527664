//! What the images in `tests/cortex-m` run, and the host with them.
//!
//! [`run`]: two small ends of session and a wire between them, in virtual time: once round everything a device does, and then again and
//! again. Image and host run it from the same seeds, and every datagram goes into one hash: where the hashes are equal, the microcontroller
//! sent what the host sends, to the byte.
//!
//! [`Talk`]: one end of a serial line, on a microcontroller or on a host, that sends a file and gets one.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod end;
mod run;
mod talk;

pub use end::{DATAGRAM, End, RELIABLE, UNRELIABLE, end, link};
pub use run::{Cost, MESSAGE, MESSAGES, Meter, RECONNECTS, Report, run};
pub use session_core::{Instant, Limits};
pub use talk::{FILE, FRAME, Outcome, Talk, Turn};
