//! From a datagram to a frame.

use cobs::CobsEncoder;

use crate::{CHECK, DELIMITER, check_of};

/// Bytes of the longest frame of a datagram of that length.
#[must_use]
pub const fn max_frame(datagram: usize) -> usize {
    cobs::max_encoding_length(datagram.saturating_add(CHECK)).saturating_add(2)
}

/// Writes the frame of `datagram`; returns its length. `None` if `frame` is shorter than [`max_frame`].
#[must_use]
pub fn encode(datagram: &[u8], frame: &mut [u8]) -> Option<usize> {
    let frame = frame.get_mut(..max_frame(datagram.len()))?;
    let (start, rest) = frame.split_first_mut()?;
    *start = DELIMITER;
    let mut encoder = CobsEncoder::new(rest);
    encoder.push(datagram).ok()?;
    encoder.push(&check_of(datagram)).ok()?;
    let length = encoder.finalize().checked_add(1)?;
    *frame.get_mut(length)? = DELIMITER;
    length.checked_add(1)
}
