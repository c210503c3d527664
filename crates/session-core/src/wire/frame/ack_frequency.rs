//! ACK_FREQUENCY: how often the sender of packets wants them acknowledged.

use core::num::NonZeroU8;
use core::time::Duration;

use super::FrameErrorKind;
use crate::time::micros;
use crate::wire::reader::Reader;
use crate::wire::varint;
use crate::wire::writer::{WriteError, Writer};

pub(super) const ACK_FREQUENCY: u8 = 0x05;
/// Delays are counted in so many microseconds, as in ACK.
const UNIT_MICROS: u64 = 8;

/// One such wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckFrequencyFrame {
    /// The wish with the largest number holds.
    pub(crate) sequence: u16,
    /// Ack-eliciting packets of which the last is answered at once.
    pub(crate) packets: NonZeroU8,
    /// In units of 8 µs.
    delay: u64,
}

impl AckFrequencyFrame {
    pub(crate) fn new(sequence: u16, packets: NonZeroU8, delay: Duration) -> Self {
        Self { sequence, packets, delay: (micros(delay) / UNIT_MICROS).min(varint::MAX) }
    }

    /// The longest time for which an acknowledgement is to be held back.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_micros(self.delay.saturating_mul(UNIT_MICROS))
    }

    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, FrameErrorKind> {
        let sequence = reader.u16()?;
        let packets = NonZeroU8::new(reader.u8()?).ok_or(FrameErrorKind::Encoding)?;
        Ok(Self { sequence, packets, delay: reader.varint()? })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.u8(ACK_FREQUENCY)?;
        writer.u16(self.sequence)?;
        writer.u8(self.packets.get())?;
        writer.varint(self.delay)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn encoded_len(&self) -> usize {
        4_usize.saturating_add(varint::length(self.delay))
    }
}
