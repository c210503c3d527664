//! Datagrams over a serial line, or over any stream of bytes that may lose some.
//!
//! A frame is a zero byte, the datagram and its check in COBS (Cheshire and Baker 1999), and a zero byte; consecutive zero bytes are as
//! good as one. COBS leaves no zero inside, so whoever listens finds the next frame after the next zero, whatever happened before. The
//! check is CRC-16/IBM-SDLC, low byte first: the frame check sequence of HDLC and PPP (RFC 1662).
//!
//! A line that loses and damages bytes becomes a link that loses datagrams, which is what a session expects. The check is against noise
//! only: what somebody forged, and one damage in 65,536, gets through here and is refused by the session.
//!
//! Neither half does I/O, allocates or waits:
//!
//! ```
//! use session_serial::{CHECK, Decoder, encode, max_frame};
//!
//! let mut frame = [0; max_frame(5)];
//! let length = encode(b"hello", &mut frame).ok_or("no room")?;
//!
//! let mut decoder = Decoder::new([0; 256 + CHECK]);
//! let mut heard = 0;
//! for byte in b"\x07noise".iter().chain(&frame[..length]) {
//!     if let Some(datagram) = decoder.push(*byte) {
//!         assert_eq!(datagram, b"hello");
//!         heard += 1;
//!     }
//! }
//! assert_eq!((heard, decoder.counts().damaged), (1, 1));
//! # Ok::<(), &str>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

#[cfg(test)]
extern crate std;

mod decoder;
mod encoder;

pub use decoder::{Counts, Decoder};
pub use encoder::{encode, max_frame};

use crc::{CRC_16_IBM_SDLC, Crc};

/// Bytes of the check behind each datagram.
pub const CHECK: usize = 2;

/// What stands between frames and never inside.
const DELIMITER: u8 = 0;

static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_SDLC);

fn check_of(datagram: &[u8]) -> [u8; CHECK] {
    CRC.checksum(datagram).to_le_bytes()
}
