//! The life of dynamic channels: CHANNEL_END, CHANNEL_RESET, CHANNEL_STOP and CHANNEL_LIMIT.

use super::super::reader::Reader;
#[cfg(any(test, fuzzing))]
use super::super::varint;
use super::super::writer::{WriteError, Writer};
use super::{CHANNEL_END, CHANNEL_LIMIT, CHANNEL_RESET, CHANNEL_STOP, FrameErrorKind};
use crate::channel_config::ChannelMode;
use crate::ids::{ChannelId, Role};

/// How a direction of a dynamic channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelFrame {
    /// All was sent: nothing comes at or after `end`.
    End { channel: u64, end: u64 },
    /// The sender gives up: nothing more is sent of what lies below `end`.
    Reset { channel: u64, code: u64, end: u64 },
    /// The receiver reads no more.
    Stop { channel: u64, code: u64 },
}

impl ChannelFrame {
    pub(crate) fn channel(&self) -> u64 {
        match *self {
            Self::End { channel, .. } | Self::Reset { channel, .. } | Self::Stop { channel, .. } => channel,
        }
    }

    pub(super) fn frame_type(&self) -> u8 {
        match self {
            Self::End { .. } => CHANNEL_END,
            Self::Reset { .. } => CHANNEL_RESET,
            Self::Stop { .. } => CHANNEL_STOP,
        }
    }

    pub(super) fn parse(frame_type: u8, reader: &mut Reader<'_>) -> Result<Self, FrameErrorKind> {
        let channel = reader.varint()?;
        Ok(match frame_type {
            CHANNEL_END => Self::End { channel, end: reader.varint()? },
            CHANNEL_RESET => Self::Reset { channel, code: reader.varint()?, end: reader.varint()? },
            _ => Self::Stop { channel, code: reader.varint()? },
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.u8(self.frame_type())?;
        writer.varint(self.channel())?;
        match *self {
            Self::End { end, .. } => writer.varint(end),
            Self::Reset { code, end, .. } => {
                writer.varint(code)?;
                writer.varint(end)
            }
            Self::Stop { code, .. } => writer.varint(code),
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn encoded_len(&self) -> usize {
        let fields = match *self {
            Self::End { end, .. } => varint::length(end),
            Self::Reset { code, end, .. } => varint::length(code).saturating_add(varint::length(end)),
            Self::Stop { code, .. } => varint::length(code),
        };
        1_usize.saturating_add(varint::length(self.channel())).saturating_add(fields)
    }
}

/// CHANNEL_LIMIT: the receiver of the frame may have opened `count` channels of `mode` in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitFrame {
    /// The receiver's.
    pub(crate) role: Role,
    pub(crate) mode: ChannelMode,
    pub(crate) count: u64,
}

impl LimitFrame {
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, FrameErrorKind> {
        let (mode, role) = match reader.u8()? {
            kind @ 0..8 => (kind >> 1, if kind & 1 == 0 { Role::Initiator } else { Role::Responder }),
            _ => return Err(FrameErrorKind::Encoding),
        };
        let mode = ChannelMode::ALL.get(usize::from(mode)).copied().ok_or(FrameErrorKind::Encoding)?;
        let count = reader.varint()?;
        if count > ChannelId::MOST_DYNAMIC {
            return Err(FrameErrorKind::Encoding);
        }
        Ok(Self { role, mode, count })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        if self.count > ChannelId::MOST_DYNAMIC {
            return Err(WriteError::OutOfRange);
        }
        writer.u8(CHANNEL_LIMIT)?;
        writer.u8((self.mode.number() << 1) | self.role.bit())?;
        writer.varint(self.count)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn encoded_len(&self) -> usize {
        2_usize.saturating_add(varint::length(self.count))
    }
}
