//! MESSAGE: a part of a message of an unreliable or latest-value channel.

use super::super::reader::Reader;
use super::super::varint;
use super::super::writer::{WriteError, Writer};
use super::{FrameErrorKind, MESSAGE};

/// A part of a message that stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageFrame<'a> {
    pub(crate) channel: u64,
    /// Of the message: 0, 1, 2 … in the order sent on its channel.
    pub(crate) number: u64,
    /// Where in the message the bytes lie.
    pub(crate) offset: u64,
    /// The message ends with these bytes.
    pub(crate) last: bool,
    pub(crate) data: &'a [u8],
}

impl<'a> MessageFrame<'a> {
    pub(super) fn parse(reader: &mut Reader<'a>) -> Result<Self, FrameErrorKind> {
        let channel = reader.varint()?;
        let number = reader.varint()?;
        let offset = reader.varint()?;
        let last = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(FrameErrorKind::Encoding),
        };
        let data = reader.varint_bytes()?;
        let frame = Self { channel, number, offset, last, data };
        if frame.prefix().is_valid() { Ok(frame) } else { Err(FrameErrorKind::Encoding) }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        self.prefix().encode(writer)?;
        writer.bytes(self.data)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn encoded_len(&self) -> usize {
        self.prefix().encoded_len().saturating_add(self.data.len())
    }

    fn prefix(&self) -> MessagePrefix {
        let Self { channel, number, offset, last, data } = *self;
        MessagePrefix { channel, number, offset, last, length: data.len() as u64 }
    }
}

/// A MESSAGE frame without its bytes, for a sender that copies them in from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessagePrefix {
    pub(crate) channel: u64,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) last: bool,
    /// Of the bytes that follow.
    pub(crate) length: u64,
}

impl MessagePrefix {
    /// Writes all of the frame that stands before its bytes, or nothing.
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        if !self.is_valid() {
            return Err(WriteError::OutOfRange);
        }
        writer.all_or_nothing(|writer| {
            writer.u8(MESSAGE)?;
            writer.varint(self.channel)?;
            writer.varint(self.number)?;
            writer.varint(self.offset)?;
            writer.u8(u8::from(self.last))?;
            writer.varint(self.length)
        })
    }

    /// The bytes [`Self::encode`] writes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encoded_len(&self) -> usize {
        2_usize
            .saturating_add(varint::length(self.channel))
            .saturating_add(varint::length(self.number))
            .saturating_add(varint::length(self.offset))
            .saturating_add(varint::length(self.length))
    }

    // P-9.1-2
    fn is_valid(&self) -> bool {
        let means_something = self.length > 0 || self.last;
        means_something && self.offset.checked_add(self.length).is_some_and(|end| end <= varint::MAX)
    }
}
