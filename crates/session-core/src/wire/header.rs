//! Handshake packets: Hello, Reply and Finish.

use core::ops::Range;

use super::VERSION;
use super::connection_id::ReceiverId;
use super::reader::{ReadError, Reader};
use super::writer::{WriteError, Writer};

/// Bytes of each of the two marks at the end of a handshake packet.
pub(crate) const MARK_LENGTH: usize = 16;
const MARKS_LENGTH: usize = 2 * MARK_LENGTH;

const HELLO: u8 = 0;
const REPLY: u8 = 1;
const FINISH: u8 = 2;

/// What the first byte of a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A handshake packet, served or not.
    Handshake,
    /// A data packet.
    Data,
    /// Not of this protocol, or empty.
    Garbage,
}

pub(crate) fn classify(datagram: &[u8]) -> Class {
    match datagram.first() {
        Some(0x80..) => Class::Handshake,
        Some(0x40..) => Class::Data,
        _ => Class::Garbage,
    }
}

/// Why a packet is discarded for its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It ends inside a field, or is shorter than a packet of its class can be.
    Truncated,
    /// Bits that are zero in this version are set.
    ReservedBits,
    /// Not of the type asked for, or of a type this version does not serve.
    UnservedType,
    /// Of another version of the protocol.
    Version,
    /// A handshake pattern this version does not serve.
    UnservedPattern,
    /// A receiver id of a length it cannot have.
    IdLength,
    /// The name of a pre-shared key of a length it cannot have.
    PskLength,
    /// The length field and the packet differ.
    Length,
    /// The second mark, which this version does not serve, is set.
    Mac2,
}

impl core::fmt::Display for HeaderError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "the packet is cut short",
            Self::ReservedBits => "a reserved bit is set",
            Self::UnservedType => "the packet type is not served",
            Self::Version => "the version is not served",
            Self::UnservedPattern => "the handshake pattern is not served",
            Self::IdLength => "a receiver id has a length out of range",
            Self::PskLength => "the pre-shared key's name has a length out of range",
            Self::Length => "the length field and the packet differ",
            Self::Mac2 => "the second mark is set",
        })
    }
}

impl core::error::Error for HeaderError {}

impl From<ReadError> for HeaderError {
    fn from(_: ReadError) -> Self {
        Self::Truncated
    }
}

/// The served types of handshake packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeType {
    Hello,
    Reply,
    Finish,
}

impl HandshakeType {
    /// The type of a datagram of [`Class::Handshake`], from its first byte alone.
    pub(crate) fn of(datagram: &[u8]) -> Result<Self, HeaderError> {
        let first = *datagram.first().ok_or(HeaderError::Truncated)?;
        if first & 0x80 == 0 {
            return Err(HeaderError::UnservedType);
        }
        if first & 0x0F != 0 {
            return Err(HeaderError::ReservedBits);
        }
        match first >> 4 & 0x07 {
            HELLO => Ok(Self::Hello),
            REPLY => Ok(Self::Reply),
            FINISH => Ok(Self::Finish),
            _ => Err(HeaderError::UnservedType),
        }
    }

    fn first_byte(self) -> u8 {
        0x80 | match self {
            Self::Hello => HELLO << 4,
            Self::Reply => REPLY << 4,
            Self::Finish => FINISH << 4,
        }
    }
}

/// The served Noise patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Ik,
    IkPsk2,
    Xx,
    XxPsk3,
}

impl Pattern {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, HeaderError> {
        match reader.u8()? {
            0 => Ok(Self::Ik),
            1 => Ok(Self::IkPsk2),
            2 => Ok(Self::Xx),
            3 => Ok(Self::XxPsk3),
            _ => Err(HeaderError::UnservedPattern),
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Ik => 0,
            Self::IkPsk2 => 1,
            Self::Xx => 2,
            Self::XxPsk3 => 3,
        }
    }

    pub(crate) fn of(first_contact: bool, with_psk: bool) -> Self {
        match (first_contact, with_psk) {
            (false, false) => Self::Ik,
            (false, true) => Self::IkPsk2,
            (true, false) => Self::Xx,
            (true, true) => Self::XxPsk3,
        }
    }

    /// Neither end knows the other's static key beforehand.
    pub(crate) fn is_first_contact(self) -> bool {
        matches!(self, Self::Xx | Self::XxPsk3)
    }

    pub(crate) fn has_psk(self) -> bool {
        matches!(self, Self::IkPsk2 | Self::XxPsk3)
    }
}

/// The name of a pre-shared key: 1–16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PskId<'a>(&'a [u8]);

impl<'a> PskId<'a> {
    // P-4.1-4
    pub(crate) const MAX_LENGTH: usize = 16;

    /// `None` where `id` is not 1–16 bytes long.
    pub(crate) fn new(id: &'a [u8]) -> Option<Self> {
        (1..=Self::MAX_LENGTH).contains(&id.len()).then_some(Self(id))
    }

    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A Hello as it arrived; nothing of it is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello<'a> {
    pub(crate) version: u16,
    pub(crate) pattern: Pattern,
    /// The id the initiator wants to be called by.
    pub(crate) source: ReceiverId,
    /// Present exactly where the pattern has a pre-shared key.
    pub(crate) psk_id: Option<PskId<'a>>,
    /// Byte 0 up to and including the length field: part of the prologue.
    pub(crate) clear: &'a [u8],
    /// Noise message 1.
    pub(crate) noise: &'a [u8],
    pub(crate) mac1: [u8; MARK_LENGTH],
    /// What `mac1` is computed over.
    pub(crate) authenticated_by_mac1: &'a [u8],
}

impl<'a> Hello<'a> {
    pub(crate) fn parse(datagram: &'a [u8]) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(datagram);
        let (version, pattern) = parse_start(&mut reader, HandshakeType::Hello)?;
        if reader.u8()? != 0 {
            return Err(HeaderError::IdLength);
        }
        let source = parse_id(&mut reader)?;
        let psk_id = if pattern.has_psk() { Some(parse_psk_id(&mut reader)?) } else { None };
        let End { clear, noise, mac1, authenticated_by_mac1 } = End::parse(&mut reader)?;
        Ok(Self { version, pattern, source, psk_id, clear, noise, mac1, authenticated_by_mac1 })
    }
}

/// A Reply as it arrived; nothing of it is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) pattern: Pattern,
    /// The `source` of the Hello it answers.
    pub(crate) destination: ReceiverId,
    /// Noise message 2.
    pub(crate) noise: &'a [u8],
    pub(crate) mac1: [u8; MARK_LENGTH],
    /// What `mac1` is computed over.
    pub(crate) authenticated_by_mac1: &'a [u8],
}

impl<'a> Reply<'a> {
    pub(crate) fn parse(datagram: &'a [u8]) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(datagram);
        let (_, pattern) = parse_start(&mut reader, HandshakeType::Reply)?;
        let destination = parse_id(&mut reader)?;
        let End { clear: _, noise, mac1, authenticated_by_mac1 } = End::parse(&mut reader)?;
        Ok(Self { pattern, destination, noise, mac1, authenticated_by_mac1 })
    }
}

/// A Finish as it arrived; nothing of it is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finish<'a> {
    pub(crate) pattern: Pattern,
    /// The id the responder chose in its Reply.
    pub(crate) destination: ReceiverId,
    /// Noise message 3.
    pub(crate) noise: &'a [u8],
    pub(crate) mac1: [u8; MARK_LENGTH],
    /// What `mac1` is computed over.
    pub(crate) authenticated_by_mac1: &'a [u8],
}

impl<'a> Finish<'a> {
    pub(crate) fn parse(datagram: &'a [u8]) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(datagram);
        let (_, pattern) = parse_start(&mut reader, HandshakeType::Finish)?;
        if !pattern.is_first_contact() {
            return Err(HeaderError::UnservedPattern);
        }
        let destination = parse_id(&mut reader)?;
        let End { clear: _, noise, mac1, authenticated_by_mac1 } = End::parse(&mut reader)?;
        Ok(Self { pattern, destination, noise, mac1, authenticated_by_mac1 })
    }
}

/// Where the parts of a written handshake packet lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandshakeLayout {
    /// Byte 0 up to and including the length field.
    pub(crate) clear: Range<usize>,
    /// Left for the Noise message.
    pub(crate) noise: Range<usize>,
    /// What `mac1` is computed over, once the Noise message stands.
    pub(crate) authenticated_by_mac1: Range<usize>,
    /// Of the whole packet.
    pub(crate) length: usize,
}

/// A Hello to be written. The pattern follows from what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HelloHeader<'a> {
    pub(crate) first_contact: bool,
    pub(crate) source: ReceiverId,
    pub(crate) psk_id: Option<PskId<'a>>,
}

impl HelloHeader<'_> {
    /// Writes all but the Noise message, for which it leaves `noise_length` bytes, and the marks, which it leaves zero.
    pub(crate) fn write(&self, out: &mut [u8], noise_length: usize) -> Result<HandshakeLayout, WriteError> {
        let mut writer = Writer::new(out);
        write_start(&mut writer, HandshakeType::Hello, self.pattern())?;
        writer.u8(0)?;
        write_id(&mut writer, self.source)?;
        if let Some(PskId(psk_id)) = self.psk_id {
            writer.u8(u8::try_from(psk_id.len()).map_err(|_| WriteError::OutOfRange)?)?;
            writer.bytes(psk_id)?;
        }
        write_end(&mut writer, noise_length)
    }

    pub(crate) fn pattern(&self) -> Pattern {
        Pattern::of(self.first_contact, self.psk_id.is_some())
    }

    /// Bytes of the packet that are not the Noise message.
    pub(crate) fn overhead(&self) -> usize {
        let psk_length = self.psk_id.map_or(0, |id| id.0.len().saturating_add(1));
        // byte 0, version, pattern, both id lengths, length field
        8_usize.saturating_add(self.source.length()).saturating_add(psk_length).saturating_add(MARKS_LENGTH)
    }
}

/// A Reply to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplyHeader {
    pub(crate) pattern: Pattern,
    pub(crate) destination: ReceiverId,
}

impl ReplyHeader {
    /// Writes all but the Noise message, for which it leaves `noise_length` bytes, and the marks, which it leaves zero.
    pub(crate) fn write(&self, out: &mut [u8], noise_length: usize) -> Result<HandshakeLayout, WriteError> {
        let mut writer = Writer::new(out);
        write_start(&mut writer, HandshakeType::Reply, self.pattern)?;
        write_id(&mut writer, self.destination)?;
        write_end(&mut writer, noise_length)
    }

    /// Bytes of the packet that are not the Noise message.
    #[cfg(test)]
    pub(crate) fn overhead(&self) -> usize {
        // byte 0, version, pattern, id length, length field
        7_usize.saturating_add(self.destination.length()).saturating_add(MARKS_LENGTH)
    }
}

/// A Finish to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FinishHeader {
    pub(crate) pattern: Pattern,
    pub(crate) destination: ReceiverId,
}

impl FinishHeader {
    /// Writes all but the Noise message, for which it leaves `noise_length` bytes, and the marks, which it leaves zero.
    pub(crate) fn write(&self, out: &mut [u8], noise_length: usize) -> Result<HandshakeLayout, WriteError> {
        let mut writer = Writer::new(out);
        write_start(&mut writer, HandshakeType::Finish, self.pattern)?;
        write_id(&mut writer, self.destination)?;
        write_end(&mut writer, noise_length)
    }
}

/// Puts `mac1` in its place at the end of `packet` and zeros after it.
pub(crate) fn finish_marks(packet: &mut [u8], mac1: [u8; MARK_LENGTH]) -> Result<(), WriteError> {
    let (_, marks) = packet.split_last_chunk_mut::<MARKS_LENGTH>().ok_or(WriteError::NoRoom)?;
    let mut writer = Writer::new(marks);
    writer.bytes(&mac1)?;
    writer.zeros(MARK_LENGTH)
}

/// What handshake packets end with.
struct End<'a> {
    clear: &'a [u8],
    noise: &'a [u8],
    mac1: [u8; MARK_LENGTH],
    authenticated_by_mac1: &'a [u8],
}

impl<'a> End<'a> {
    fn parse(reader: &mut Reader<'a>) -> Result<Self, HeaderError> {
        let length = usize::from(reader.u16()?);
        let clear = reader.consumed();
        let present = reader.remaining().checked_sub(MARKS_LENGTH).ok_or(HeaderError::Truncated)?;
        if present != length {
            return Err(HeaderError::Length);
        }
        let noise = reader.bytes(length)?;
        let authenticated_by_mac1 = reader.consumed();
        let mac1 = reader.array()?;
        if reader.array()? != [0; MARK_LENGTH] {
            return Err(HeaderError::Mac2);
        }
        Ok(Self { clear, noise, mac1, authenticated_by_mac1 })
    }
}

fn parse_start(reader: &mut Reader<'_>, expected: HandshakeType) -> Result<(u16, Pattern), HeaderError> {
    if HandshakeType::of(reader.rest())? != expected {
        return Err(HeaderError::UnservedType);
    }
    reader.u8()?;
    let version = reader.u16()?;
    if version != VERSION {
        return Err(HeaderError::Version);
    }
    Ok((version, Pattern::parse(reader)?))
}

fn parse_id(reader: &mut Reader<'_>) -> Result<ReceiverId, HeaderError> {
    let length = usize::from(reader.u8()?);
    if !(1..=ReceiverId::MAX_LENGTH).contains(&length) {
        return Err(HeaderError::IdLength);
    }
    ReceiverId::new(reader.bytes(length)?).ok_or(HeaderError::IdLength)
}

fn parse_psk_id<'a>(reader: &mut Reader<'a>) -> Result<PskId<'a>, HeaderError> {
    let length = usize::from(reader.u8()?);
    if !(1..=PskId::MAX_LENGTH).contains(&length) {
        return Err(HeaderError::PskLength);
    }
    PskId::new(reader.bytes(length)?).ok_or(HeaderError::PskLength)
}

fn write_start(writer: &mut Writer<'_>, kind: HandshakeType, pattern: Pattern) -> Result<(), WriteError> {
    writer.u8(kind.first_byte())?;
    writer.u16(VERSION)?;
    writer.u8(pattern.code())
}

fn write_id(writer: &mut Writer<'_>, id: ReceiverId) -> Result<(), WriteError> {
    writer.u8(u8::try_from(id.length()).map_err(|_| WriteError::OutOfRange)?)?;
    writer.bytes(id.as_bytes())
}

fn write_end(writer: &mut Writer<'_>, noise_length: usize) -> Result<HandshakeLayout, WriteError> {
    writer.u16(u16::try_from(noise_length).map_err(|_| WriteError::OutOfRange)?)?;
    let clear = 0..writer.position();
    let noise = writer.skip(noise_length)?;
    let authenticated_by_mac1 = 0..writer.position();
    writer.zeros(MARKS_LENGTH)?;
    Ok(HandshakeLayout { clear, noise, authenticated_by_mac1, length: writer.position() })
}

#[cfg(test)]
mod tests;
