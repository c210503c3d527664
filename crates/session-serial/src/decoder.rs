//! From bytes to datagrams.

use cobs::{DecodeResult, DecoderState};

use crate::{CHECK, DELIMITER, check_of};

/// What came of the frames so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Datagrams handed out.
    pub datagrams: u64,
    /// Frames whose check was wrong, or that were none.
    pub damaged: u64,
    /// Frames longer than the buffer.
    pub oversized: u64,
}

/// Finds frames in whatever bytes come. Its buffer holds the longest datagram and [`CHECK`] more.
#[derive(Debug)]
pub struct Decoder<B> {
    buffer: B,
    length: usize,
    state: DecoderState,
    overflows: bool,
    counts: Counts,
}

impl<B: AsMut<[u8]>> Decoder<B> {
    /// One that has heard nothing yet.
    #[must_use]
    pub const fn new(buffer: B) -> Self {
        let counts = Counts { datagrams: 0, damaged: 0, oversized: 0 };
        Self { buffer, length: 0, state: DecoderState::Idle, overflows: false, counts }
    }

    /// Takes one byte; a datagram if it was the last of its frame. What is damaged or too long is counted and dropped.
    pub fn push(&mut self, byte: u8) -> Option<&mut [u8]> {
        match self.state.feed(byte) {
            Ok(DecodeResult::NoData) => None,
            Ok(DecodeResult::DataStart) => {
                (self.length, self.overflows) = (0, false);
                None
            }
            Ok(DecodeResult::DataContinue(data)) => {
                self.store(data);
                None
            }
            Ok(DecodeResult::DataComplete) => self.complete(),
            Err(_) => {
                debug_assert!(byte == DELIMITER, "only its end shows that a frame is none");
                self.counts.damaged = self.counts.damaged.saturating_add(1);
                None
            }
        }
    }

    /// What came of the frames so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn store(&mut self, data: u8) {
        match self.buffer.as_mut().get_mut(self.length) {
            Some(place) => {
                *place = data;
                self.length = self.length.saturating_add(1);
            }
            None => self.overflows = true,
        }
    }

    fn complete(&mut self) -> Option<&mut [u8]> {
        if self.overflows {
            self.counts.oversized = self.counts.oversized.saturating_add(1);
            return None;
        }
        let frame = self.buffer.as_mut().get_mut(..self.length)?;
        match frame.split_last_chunk_mut::<CHECK>() {
            Some((datagram, check)) if *check == check_of(datagram) => {
                self.counts.datagrams = self.counts.datagrams.saturating_add(1);
                Some(datagram)
            }
            _ => {
                self.counts.damaged = self.counts.damaged.saturating_add(1);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
