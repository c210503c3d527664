//! Two small ends of session and a wire between them, in virtual time: once round everything a device does, and then again and again.
//!
//! The image in `tests/cortex-m` and the host's test run this same code from the same seeds. Every datagram goes into one hash: where the
//! hashes are equal, the microcontroller sent what the host sends, to the byte.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod end;
mod run;

pub use end::{DATAGRAM, End, RELIABLE, UNRELIABLE, limits, link};
pub use run::{Cost, MESSAGE, MESSAGES, Meter, RECONNECTS, Report, run};
