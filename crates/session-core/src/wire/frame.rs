//! Frames: the content of a data packet.

pub(crate) mod ack;
pub(crate) mod ack_frequency;
pub(crate) mod channel;
pub(crate) mod message;
pub(crate) mod path;
pub(crate) mod table;

pub(crate) use ack::{AckFrame, AckOfOne, EcnCounts, MAX_RANGES, encode_ack, encode_ack_of_one};
use ack_frequency::ACK_FREQUENCY;
pub(crate) use ack_frequency::AckFrequencyFrame;
pub(crate) use channel::{ChannelFrame, LimitFrame};
pub(crate) use message::{MessageFrame, MessagePrefix};
pub(crate) use path::NewIdFrame;
use table::Treatment;
pub(crate) use table::{FrameRule, Sender, rule};

use super::reader::{ReadError, Reader, split_short_varint, split_varint};
use super::text::Text;
use super::varint;
use super::writer::{WriteError, Writer};

const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const ACK_ECN: u8 = 0x03;
const CLOSE: u8 = 0x04;
const DATA: u8 = 0x08;
const DATA_LAST: u8 = 0x0B;
const DATA_BEGIN: u8 = 0x01;
const DATA_END: u8 = 0x02;
const CHANNEL_END: u8 = 0x0C;
const MAX_DATA: u8 = 0x10;
const MAX_CHANNEL_DATA: u8 = 0x11;
const SKIP: u8 = 0x12;
const MESSAGE: u8 = 0x13;
const CHANNEL_LIMIT: u8 = 0x14;
const CHANNEL_RESET: u8 = 0x15;
const CHANNEL_STOP: u8 = 0x16;
const RECEIPT: u8 = 0x17;
const NEW_ID: u8 = 0x18;
const RETIRE_ID: u8 = 0x19;
const PATH_CHALLENGE: u8 = 0x1A;
const PATH_RESPONSE: u8 = 0x1B;
/// The application has taken it.
const DELIVERED: u8 = 1;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A run of PADDING, and how many; at least one.
    Padding(usize),
    Ping,
    Ack(AckFrame<'a>),
    Close(CloseFrame<'a>),
    AckFrequency(AckFrequencyFrame),
    Data(DataFrame<'a>),
    MaxData(u64),
    MaxChannelData {
        channel: u64,
        maximum: u64,
    },
    /// What has not arrived below `to` was given up.
    Skip {
        channel: u64,
        to: u64,
    },
    Message(MessageFrame<'a>),
    /// How a dynamic channel ends.
    Channel(ChannelFrame),
    /// How many dynamic channels may be opened.
    ChannelLimit(LimitFrame),
    /// The application has taken every position below `offset`.
    Receipt {
        channel: u64,
        offset: u64,
    },
    NewId(NewIdFrame),
    /// The id of this number is not used any more.
    RetireId(u32),
    /// Whoever gets it at the address it was sent to can answer.
    PathChallenge([u8; 8]),
    /// The answer, with the same bytes.
    PathResponse([u8; 8]),
    /// An extension nobody here knows: to be skipped.
    Extension {
        frame_type: u8,
        body: &'a [u8],
    },
}

impl<'a> Frame<'a> {
    /// Writes the frame whole or not at all.
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.all_or_nothing(|writer| match *self {
            Self::Padding(count) => writer.zeros(count),
            Self::Ping => writer.u8(PING),
            Self::Ack(ack) => ack.encode(writer),
            Self::Close(close) => close.encode(writer),
            Self::AckFrequency(frame) => frame.encode(writer),
            Self::Data(data) => data.encode(writer),
            Self::MaxData(maximum) => {
                writer.u8(MAX_DATA)?;
                writer.varint(maximum)
            }
            Self::MaxChannelData { channel, maximum } => {
                writer.u8(MAX_CHANNEL_DATA)?;
                writer.varint(channel)?;
                writer.varint(maximum)
            }
            Self::Skip { channel, to } => {
                writer.u8(SKIP)?;
                writer.varint(channel)?;
                writer.varint(to)
            }
            Self::Message(message) => message.encode(writer),
            Self::Channel(frame) => frame.encode(writer),
            Self::ChannelLimit(frame) => frame.encode(writer),
            Self::Receipt { channel, offset } => {
                writer.u8(RECEIPT)?;
                writer.varint(channel)?;
                writer.u8(DELIVERED)?;
                writer.varint(offset)
            }
            Self::NewId(frame) => frame.encode(writer),
            Self::RetireId(sequence) => {
                writer.u8(RETIRE_ID)?;
                writer.varint(u64::from(sequence))
            }
            Self::PathChallenge(challenge) => {
                writer.u8(PATH_CHALLENGE)?;
                writer.bytes(&challenge)
            }
            Self::PathResponse(challenge) => {
                writer.u8(PATH_RESPONSE)?;
                writer.bytes(&challenge)
            }
            Self::Extension { frame_type, body } => {
                if rule(frame_type).is_none_or(|rule| rule.treatment != Treatment::Skipped) {
                    return Err(WriteError::OutOfRange);
                }
                writer.u8(frame_type)?;
                writer.varint(body.len() as u64)?;
                writer.bytes(body)
            }
        })
    }

    /// The bytes [`Self::encode`] writes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Self::Padding(count) => *count,
            Self::Ping => 1,
            Self::Ack(ack) => ack.encoded_len(),
            Self::Close(close) => close.encoded_len(),
            Self::AckFrequency(frame) => frame.encoded_len(),
            Self::Data(data) => data.encoded_len(),
            Self::MaxData(maximum) => 1_usize.saturating_add(varint::length(*maximum)),
            Self::MaxChannelData { channel, maximum } => {
                1_usize.saturating_add(varint::length(*channel)).saturating_add(varint::length(*maximum))
            }
            Self::Skip { channel, to } => {
                1_usize.saturating_add(varint::length(*channel)).saturating_add(varint::length(*to))
            }
            Self::Message(message) => message.encoded_len(),
            Self::Channel(frame) => frame.encoded_len(),
            Self::ChannelLimit(frame) => frame.encoded_len(),
            Self::Receipt { channel, offset } => {
                2_usize.saturating_add(varint::length(*channel)).saturating_add(varint::length(*offset))
            }
            Self::NewId(frame) => frame.encoded_len(),
            Self::RetireId(sequence) => 1_usize.saturating_add(varint::length(u64::from(*sequence))),
            Self::PathChallenge(_) | Self::PathResponse(_) => 9,
            Self::Extension { frame_type: _, body } => {
                1_usize.saturating_add(varint::length(body.len() as u64)).saturating_add(body.len())
            }
        }
    }

    /// Whether a packet with nothing but such frames says nothing about where its sender is (RFC 9000 §9.1).
    pub(crate) fn is_probing(&self) -> bool {
        matches!(self, Self::Padding(_) | Self::NewId(_) | Self::PathChallenge(_) | Self::PathResponse(_))
    }

    pub(crate) fn frame_type(&self) -> u8 {
        match self {
            Self::Padding(_) => PADDING,
            Self::Ping => PING,
            Self::Ack(ack) if ack.ecn().is_some() => ACK_ECN,
            Self::Ack(_) => ACK,
            Self::Close(_) => CLOSE,
            Self::AckFrequency(_) => ACK_FREQUENCY,
            Self::Data(data) => data.prefix().frame_type(),
            Self::MaxData(_) => MAX_DATA,
            Self::MaxChannelData { .. } => MAX_CHANNEL_DATA,
            Self::Skip { .. } => SKIP,
            Self::Message(_) => MESSAGE,
            Self::Channel(frame) => frame.frame_type(),
            Self::ChannelLimit(_) => CHANNEL_LIMIT,
            Self::Receipt { .. } => RECEIPT,
            Self::NewId(_) => NEW_ID,
            Self::RetireId(_) => RETIRE_ID,
            Self::PathChallenge(_) => PATH_CHALLENGE,
            Self::PathResponse(_) => PATH_RESPONSE,
            Self::Extension { frame_type, .. } => *frame_type,
        }
    }

    fn parse(frame_type: u8, reader: &mut Reader<'a>) -> Result<Self, FrameErrorKind> {
        match rule(frame_type).map(|rule| rule.treatment) {
            Some(Treatment::Served) => Self::parse_served(frame_type, reader),
            Some(Treatment::Skipped) => Ok(Self::Extension { frame_type, body: reader.varint_bytes()? }),
            Some(Treatment::Refused) => Err(FrameErrorKind::UnknownCritical),
            Some(Treatment::ControlMessage) | None => Err(FrameErrorKind::NotAllowed),
        }
    }

    fn parse_served(frame_type: u8, reader: &mut Reader<'a>) -> Result<Self, FrameErrorKind> {
        Ok(match frame_type {
            PADDING => Self::Padding(1_usize.saturating_add(skip_zeros(reader)?)),
            PING => Self::Ping,
            ACK => Self::Ack(AckFrame::parse(reader, false)?),
            ACK_ECN => Self::Ack(AckFrame::parse(reader, true)?),
            CLOSE => Self::Close(CloseFrame::parse(reader)?),
            ACK_FREQUENCY => Self::AckFrequency(AckFrequencyFrame::parse(reader)?),
            DATA..=DATA_LAST => Self::Data(DataFrame::parse(frame_type, reader)?),
            MAX_DATA => Self::MaxData(reader.varint()?),
            MAX_CHANNEL_DATA => Self::MaxChannelData { channel: reader.varint()?, maximum: reader.varint()? },
            SKIP => Self::Skip { channel: reader.varint()?, to: reader.varint()? },
            MESSAGE => Self::Message(MessageFrame::parse(reader)?),
            CHANNEL_END | CHANNEL_RESET | CHANNEL_STOP => Self::Channel(ChannelFrame::parse(frame_type, reader)?),
            CHANNEL_LIMIT => Self::ChannelLimit(LimitFrame::parse(reader)?),
            RECEIPT => {
                let channel = reader.varint()?;
                if reader.u8()? != DELIVERED {
                    return Err(FrameErrorKind::Encoding);
                }
                Self::Receipt { channel, offset: reader.varint()? }
            }
            NEW_ID => Self::NewId(NewIdFrame::parse(reader)?),
            RETIRE_ID => Self::RetireId(path::sequence(reader)?),
            PATH_CHALLENGE => Self::PathChallenge(path::challenge(reader)?),
            PATH_RESPONSE => Self::PathResponse(path::challenge(reader)?),
            _ => return Err(FrameErrorKind::NotAllowed),
        })
    }
}

/// The frames of a packet's plaintext; ends after the first error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames<'a> {
    reader: Reader<'a>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(plaintext: &'a [u8]) -> Self {
        Self { reader: Reader::new(plaintext) }
    }

    /// The type of the next frame, which stays the next one.
    #[inline]
    pub(crate) fn next_type(&self) -> Option<u8> {
        self.reader.rest().first().copied()
    }

    /// The next frame, if it is an ACK of one range that can be read; what else it may be is for [`next`](Iterator::next) to say.
    #[inline(always)]
    pub(crate) fn take_ack(&mut self) -> Option<AckOfOne> {
        let [frame_type @ ACK..=ACK_ECN, bytes @ ..] = self.reader.rest() else { return None };
        let (ack, rest) = AckOfOne::split(bytes, *frame_type == ACK_ECN)?;
        self.reader.go_on_at(rest);
        Some(ack)
    }

    /// The same of a DATA frame.
    #[inline(always)]
    pub(crate) fn take_data(&mut self) -> Option<DataFrame<'a>> {
        let [frame_type @ DATA..=DATA_LAST, bytes @ ..] = self.reader.rest() else { return None };
        let (frame, rest) = DataFrame::split(*frame_type, bytes)?;
        self.reader.go_on_at(rest);
        Some(frame)
    }
}

/// Whether a frame of this type is an acknowledgement.
#[inline]
pub(crate) fn is_ack(frame_type: &u8) -> bool {
    (ACK..=ACK_ECN).contains(frame_type)
}

/// Whether a frame of this type is DATA.
#[inline]
pub(crate) fn is_data(frame_type: &u8) -> bool {
    (DATA..=DATA_LAST).contains(frame_type)
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame_type = self.reader.u8().ok()?;
        Some(match Frame::parse(frame_type, &mut self.reader) {
            Ok(frame) => Ok(frame),
            Err(kind) => {
                self.reader = Reader::new(&[]);
                Err(FrameError { kind, frame_type: u64::from(frame_type) })
            }
        })
    }
}

/// Why a frame closes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameError {
    pub(crate) kind: FrameErrorKind,
    /// As CLOSE names it.
    pub(crate) frame_type: u64,
}

/// The code a bad frame closes the session with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameErrorKind {
    /// FrameEncoding: cut short, a varint not in its shortest form, a value out of range.
    Encoding,
    /// FrameNotAllowed: a type that is reserved, unassigned or no frame.
    NotAllowed,
    /// UnknownCritical.
    UnknownCritical,
}

impl From<ReadError> for FrameErrorKind {
    fn from(_: ReadError) -> Self {
        Self::Encoding
    }
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let reason = match self.kind {
            FrameErrorKind::Encoding => "malformed",
            FrameErrorKind::NotAllowed => "not allowed",
            FrameErrorKind::UnknownCritical => "critical and unknown",
        };
        write!(formatter, "a frame of type {:#04x} is {reason}", self.frame_type)
    }
}

impl core::error::Error for FrameError {}

/// Whose codes a CLOSE speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseSpace {
    Protocol,
    Application,
}

/// The end of the session and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CloseFrame<'a> {
    pub(crate) space: CloseSpace,
    pub(crate) code: u64,
    /// The type of the offending frame, or 0.
    pub(crate) frame_type: u64,
    pub(crate) text: Text<'a>,
}

impl<'a> CloseFrame<'a> {
    fn parse(reader: &mut Reader<'a>) -> Result<Self, FrameErrorKind> {
        let space = match reader.u8()? {
            0 => CloseSpace::Protocol,
            1 => CloseSpace::Application,
            _ => return Err(FrameErrorKind::Encoding),
        };
        let code = reader.varint()?;
        let frame_type = reader.varint()?;
        let length = usize::from(reader.u8()?);
        let text = Text::parse(reader.bytes(length)?).ok_or(FrameErrorKind::Encoding)?;
        Ok(Self { space, code, frame_type, text })
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.u8(CLOSE)?;
        writer.u8(match self.space {
            CloseSpace::Protocol => 0,
            CloseSpace::Application => 1,
        })?;
        writer.varint(self.code)?;
        writer.varint(self.frame_type)?;
        writer.u8(self.text.length())?;
        writer.bytes(self.text.as_bytes())
    }

    #[cfg(any(test, fuzzing))]
    fn encoded_len(&self) -> usize {
        // type, space and length of the text take a byte each
        3_usize
            .saturating_add(varint::length(self.code))
            .saturating_add(varint::length(self.frame_type))
            .saturating_add(self.text.as_bytes().len())
    }
}

/// A part of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataFrame<'a> {
    pub(crate) channel: u64,
    pub(crate) offset: u64,
    /// `offset` is the first of a message.
    pub(crate) begin: bool,
    /// The message's terminator follows the bytes.
    pub(crate) end: bool,
    pub(crate) data: &'a [u8],
}

impl<'a> DataFrame<'a> {
    /// Reads what follows the type byte, and gives back what stands behind the frame. Inlined: a frame is large to be handed on.
    #[inline(always)]
    fn split(frame_type: u8, bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (channel, rest) = split_short_varint(bytes).ok()?;
        let (offset, rest) = split_varint(rest).ok()?;
        let (length, rest) = split_short_varint(rest).ok()?;
        let (data, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (begin, end) = (frame_type & DATA_BEGIN != 0, frame_type & DATA_END != 0);
        let frame = Self { channel, offset, begin, end, data };
        frame.prefix().is_valid().then_some((frame, rest))
    }

    /// The same, and why it fails.
    fn parse(frame_type: u8, reader: &mut Reader<'a>) -> Result<Self, FrameErrorKind> {
        let channel = reader.varint()?;
        let offset = reader.varint()?;
        let data = reader.varint_bytes()?;
        let begin = frame_type & DATA_BEGIN != 0;
        let end = frame_type & DATA_END != 0;
        let frame = Self { channel, offset, begin, end, data };
        if frame.prefix().is_valid() { Ok(frame) } else { Err(FrameErrorKind::Encoding) }
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        self.prefix().encode(writer)?;
        writer.bytes(self.data)
    }

    #[cfg(any(test, fuzzing))]
    fn encoded_len(&self) -> usize {
        self.prefix().encoded_len().saturating_add(self.data.len())
    }

    fn prefix(&self) -> DataPrefix {
        let Self { channel, offset, begin, end, data } = *self;
        DataPrefix { channel, offset, begin, end, length: data.len() as u64 }
    }
}

/// A DATA frame without its bytes, for a sender that copies them in from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataPrefix {
    pub(crate) channel: u64,
    pub(crate) offset: u64,
    pub(crate) begin: bool,
    pub(crate) end: bool,
    /// Of the bytes that follow.
    pub(crate) length: u64,
}

impl DataPrefix {
    /// Writes all of the frame that stands before its bytes, or nothing.
    #[inline]
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        if !self.is_valid() {
            return Err(WriteError::OutOfRange);
        }
        writer.all_or_nothing(|writer| {
            writer.u8(self.frame_type())?;
            writer.varint(self.channel)?;
            writer.varint(self.offset)?;
            writer.varint(self.length)
        })
    }

    /// The bytes [`Self::encode`] writes.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encoded_len(&self) -> usize {
        1_usize
            .saturating_add(varint::length(self.channel))
            .saturating_add(varint::length(self.offset))
            .saturating_add(varint::length(self.length))
    }

    // P-9-6
    #[inline]
    fn is_valid(&self) -> bool {
        let covers_a_position = self.length > 0 || self.end;
        covers_a_position && self.offset.checked_add(self.length).is_some_and(|end| end <= varint::MAX)
    }

    fn frame_type(&self) -> u8 {
        let begin = if self.begin { DATA_BEGIN } else { 0 };
        let end = if self.end { DATA_END } else { 0 };
        DATA | begin | end
    }
}

/// Moves past a run of zeros and returns its length.
fn skip_zeros(reader: &mut Reader<'_>) -> Result<usize, ReadError> {
    let count = reader.rest().iter().take_while(|byte| **byte == PADDING).count();
    reader.bytes(count)?;
    Ok(count)
}

#[cfg(test)]
mod tests;
