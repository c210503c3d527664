//! Ids and paths: NEW_ID, and what the other frames about them hold.

use super::super::connection_id::ReceiverId;
use super::super::reader::Reader;
#[cfg(any(test, fuzzing))]
use super::super::varint;
use super::super::writer::{WriteError, Writer};
use super::{FrameErrorKind, NEW_ID};

/// Bytes of a reset token.
pub(crate) const TOKEN: usize = 16;

/// NEW_ID: another id under which its sender takes packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewIdFrame {
    pub(crate) sequence: u32,
    /// Ids of lower numbers must not be used any more. Not above `sequence`.
    pub(crate) retire_prior_to: u32,
    pub(crate) id: ReceiverId,
    /// Of the reset of a session whose end was forgotten: laid out now, not looked at yet.
    pub(crate) token: [u8; TOKEN],
}

impl NewIdFrame {
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, FrameErrorKind> {
        let sequence = sequence(reader)?;
        let retire_prior_to = sequence_up_to(reader, sequence)?;
        let length = usize::from(reader.u8()?);
        let id = ReceiverId::new(reader.bytes(length)?).ok_or(FrameErrorKind::Encoding)?;
        let token = *reader.bytes(TOKEN)?.first_chunk().ok_or(FrameErrorKind::Encoding)?;
        Ok(Self { sequence, retire_prior_to, id, token })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        if self.retire_prior_to > self.sequence {
            return Err(WriteError::OutOfRange);
        }
        writer.u8(NEW_ID)?;
        writer.varint(u64::from(self.sequence))?;
        writer.varint(u64::from(self.retire_prior_to))?;
        writer.bytes(&[u8::try_from(self.id.length()).unwrap_or_default()])?;
        writer.bytes(self.id.as_bytes())?;
        writer.bytes(&self.token)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn encoded_len(&self) -> usize {
        2_usize
            .saturating_add(varint::length(u64::from(self.sequence)))
            .saturating_add(varint::length(u64::from(self.retire_prior_to)))
            .saturating_add(self.id.length())
            .saturating_add(TOKEN)
    }
}

/// The number of an id: below 2³², so that no end has to keep more.
pub(super) fn sequence(reader: &mut Reader<'_>) -> Result<u32, FrameErrorKind> {
    u32::try_from(reader.varint()?).map_err(|_| FrameErrorKind::Encoding)
}

fn sequence_up_to(reader: &mut Reader<'_>, most: u32) -> Result<u32, FrameErrorKind> {
    sequence(reader).and_then(|sequence| if sequence <= most { Ok(sequence) } else { Err(FrameErrorKind::Encoding) })
}

/// What PATH_CHALLENGE asks for, and PATH_RESPONSE gives back.
pub(super) fn challenge(reader: &mut Reader<'_>) -> Result<[u8; 8], FrameErrorKind> {
    reader.bytes(8)?.first_chunk().copied().ok_or(FrameErrorKind::Encoding)
}
