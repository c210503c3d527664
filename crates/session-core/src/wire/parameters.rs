//! The transport parameters each side states in its handshake payload.

use core::time::Duration;

use super::connection_id::ReceiverId;
use super::reader::Reader;
use super::tlv::{Tlv, TlvError, TlvReader, TlvWriter};
use super::writer::{WriteError, Writer};
use crate::ids::ChannelId;

/// Bytes of the longest list of parameters (docs/protocol.md §4.3).
pub(crate) const MAX_LENGTH: usize = 256;
/// Bytes of the payload's length field.
pub(crate) const LENGTH_FIELD: usize = 2;
/// The least that `largest_datagram` can say, in bytes.
pub(crate) const MIN_LARGEST_DATAGRAM: u64 = 256;
/// The least that `control_credit` can say, in positions: a control message fits.
pub(crate) const MIN_CONTROL_CREDIT: u64 = 1024;
/// The most that `keepalive` can say, in milliseconds.
pub(crate) const MAX_KEEPALIVE: u64 = 3_600_000;
/// The most that `ids` can say: so many ids of one end of a session are in use or ready at once.
pub(crate) const MAX_IDS: u8 = 4;
/// The most that `max_ack_delay` can say, in milliseconds.
pub(crate) const MAX_ACK_DELAY: u64 = 1000;

const RECEIVER_ID: u64 = 0x01;
const NODE_TYPE: u64 = 0x02;
const APPLICATION: u64 = 0x03;
const CAPABILITIES: u64 = 0x04;
const SESSION_CREDIT: u64 = 0x06;
const CHANNEL_CREDIT: u64 = 0x08;
const CONTROL_CREDIT: u64 = 0x0A;
const LARGEST_MESSAGE: u64 = 0x0C;
const KEEPALIVE: u64 = 0x0E;
const ACK_DELAY: u64 = 0x10;
const LARGEST_DATAGRAM: u64 = 0x12;
const CHANNEL_LIMITS: u64 = 0x16;
const IDS: u64 = 0x18;

/// The name of the protocol that runs over the session: 1–64 bytes, compared byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApplicationProtocol {
    bytes: [u8; Self::MAX_LENGTH],
    length: u8,
}

impl ApplicationProtocol {
    pub(crate) const MAX_LENGTH: usize = 64;

    /// `None` where `name` is not 1–64 bytes long.
    pub(crate) fn new(name: &[u8]) -> Option<Self> {
        if name.is_empty() {
            return None;
        }
        let mut bytes = [0; Self::MAX_LENGTH];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self { bytes, length: u8::try_from(name.len()).ok()? })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// The handshake message a payload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadOf {
    /// Message 1, and message 3 of first contact: no receiver id, which stands in the Hello itself.
    Hello,
    /// Message 2: a receiver id.
    Reply,
}

/// Why a payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterError {
    /// The payload ends before its parameters do, or a varint is not in its shortest form.
    Encoding,
    /// The parameters take more than 256 bytes.
    TooLong,
    /// The ids do not ascend.
    Order,
    /// A parameter is out of its range, or has bytes left over.
    Range,
    /// An unknown parameter that must be understood.
    UnknownCritical,
    /// A receiver id in a message of the initiator.
    Misplaced,
    /// No receiver id in message 2.
    Missing,
    /// A byte after the parameters is not zero.
    Padding,
}

impl core::fmt::Display for ParameterError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Encoding => "the parameters are malformed",
            Self::TooLong => "the parameters are too long",
            Self::Order => "the parameters do not ascend",
            Self::Range => "a parameter is out of range",
            Self::UnknownCritical => "a critical parameter is unknown",
            Self::Misplaced => "a receiver id stands in a message of the initiator",
            Self::Missing => "message 2 has no receiver id",
            Self::Padding => "the padding is not zero",
        })
    }
}

impl core::error::Error for ParameterError {}

impl From<TlvError> for ParameterError {
    fn from(error: TlvError) -> Self {
        match error {
            TlvError::Read(_) => Self::Encoding,
            TlvError::Order => Self::Order,
        }
    }
}

/// What one side states about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransportParameters {
    /// Present exactly in message 2.
    pub(crate) receiver_id: Option<ReceiverId>,
    pub(crate) node_type: u8,
    pub(crate) application: Option<ApplicationProtocol>,
    pub(crate) capabilities: u64,
    /// Positions over all reliable channels but channel 0.
    pub(crate) session_credit: u64,
    /// Positions of each channel but channel 0.
    pub(crate) channel_credit: u64,
    /// Positions of channel 0.
    pub(crate) control_credit: u64,
    /// Bytes.
    pub(crate) largest_message: u64,
    /// 1 ms – 1 h, in whole milliseconds.
    pub(crate) keepalive: Duration,
    /// At most 1 s, in whole milliseconds.
    pub(crate) max_ack_delay: Duration,
    /// Bytes, at least 256.
    pub(crate) largest_datagram: u64,
    /// Dynamic channels of each mode that the other side may open.
    pub(crate) channel_limits: [u64; 4],
    /// Ids of the other end that it keeps, the one in use among them: 1 to 4.
    pub(crate) ids: u8,
}

impl Default for TransportParameters {
    fn default() -> Self {
        Self {
            receiver_id: None,
            node_type: 0,
            application: None,
            capabilities: 0,
            session_credit: 0,
            channel_credit: 0,
            control_credit: 1024,
            largest_message: 0,
            keepalive: Duration::from_millis(5000),
            max_ack_delay: Duration::from_millis(25),
            largest_datagram: 1200,
            channel_limits: [0; 4],
            ids: 1,
        }
    }
}

impl TransportParameters {
    /// Reads a whole handshake payload.
    pub(crate) fn parse_payload(payload: &[u8], of: PayloadOf) -> Result<Self, ParameterError> {
        let mut reader = Reader::new(payload);
        let length = usize::from(reader.u16().map_err(|_| ParameterError::Encoding)?);
        if length > MAX_LENGTH {
            return Err(ParameterError::TooLong);
        }
        let list = reader.bytes(length).map_err(|_| ParameterError::Encoding)?;
        if reader.rest().iter().any(|byte| *byte != 0) {
            return Err(ParameterError::Padding);
        }
        Self::parse(list, of)
    }

    /// Reads the list of parameters.
    pub(crate) fn parse(list: &[u8], of: PayloadOf) -> Result<Self, ParameterError> {
        if list.len() > MAX_LENGTH {
            return Err(ParameterError::TooLong);
        }
        let mut parameters = Self::default();
        for tlv in TlvReader::new(list) {
            parameters.apply(tlv?)?;
        }
        match (of, parameters.receiver_id) {
            (PayloadOf::Hello, Some(_)) => Err(ParameterError::Misplaced),
            (PayloadOf::Reply, None) => Err(ParameterError::Missing),
            _ => Ok(parameters),
        }
    }

    /// Bytes of the payload without padding.
    pub(crate) fn payload_length(&self) -> usize {
        let mut list = [0; MAX_LENGTH];
        let mut writer = Writer::new(&mut list);
        let written = if self.write(&mut writer).is_ok() { writer.position() } else { MAX_LENGTH };
        LENGTH_FIELD.saturating_add(written)
    }

    /// Fills `payload`: the length, the parameters, and zeros to the end.
    pub(crate) fn write_payload(&self, payload: &mut [u8]) -> Result<(), WriteError> {
        let (field, rest) = payload.split_first_chunk_mut::<LENGTH_FIELD>().ok_or(WriteError::NoRoom)?;
        let mut writer = Writer::new(rest);
        self.write(&mut writer)?;
        *field = u16::try_from(writer.position()).map_err(|_| WriteError::OutOfRange)?.to_be_bytes();
        writer.zeros(writer.remaining())
    }

    /// Writes the list of parameters whole or not at all.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        let keepalive = milliseconds(self.keepalive, 1, MAX_KEEPALIVE)?;
        let max_ack_delay = milliseconds(self.max_ack_delay, 0, MAX_ACK_DELAY)?;
        let too_many = self.channel_limits.iter().any(|count| *count > ChannelId::MOST_DYNAMIC);
        if self.largest_datagram < MIN_LARGEST_DATAGRAM
            || self.control_credit < MIN_CONTROL_CREDIT
            || too_many
            || !(1..=MAX_IDS).contains(&self.ids)
        {
            return Err(WriteError::OutOfRange);
        }
        writer.all_or_nothing(|writer| {
            let default = Self::default();
            let mut list = TlvWriter::new(writer);
            if let Some(id) = &self.receiver_id {
                list.bytes(RECEIVER_ID, id.as_bytes())?;
            }
            if self.node_type != default.node_type {
                list.bytes(NODE_TYPE, &[self.node_type])?;
            }
            if let Some(application) = &self.application {
                list.bytes(APPLICATION, application.as_bytes())?;
            }
            for (id, value, default) in [
                (CAPABILITIES, self.capabilities, default.capabilities),
                (SESSION_CREDIT, self.session_credit, default.session_credit),
                (CHANNEL_CREDIT, self.channel_credit, default.channel_credit),
                (CONTROL_CREDIT, self.control_credit, default.control_credit),
                (LARGEST_MESSAGE, self.largest_message, default.largest_message),
                (KEEPALIVE, keepalive, crate::time::micros(default.keepalive) / 1000),
                (ACK_DELAY, max_ack_delay, crate::time::micros(default.max_ack_delay) / 1000),
                (LARGEST_DATAGRAM, self.largest_datagram, default.largest_datagram),
            ] {
                if value != default {
                    list.varint(id, value)?;
                }
            }
            if self.channel_limits != default.channel_limits {
                let mut value = [0; 32];
                let mut counts = Writer::new(&mut value);
                self.channel_limits.into_iter().try_for_each(|count| counts.varint(count))?;
                list.bytes(CHANNEL_LIMITS, counts.written())?;
            }
            if self.ids != default.ids {
                list.varint(IDS, u64::from(self.ids))?;
            }
            Ok(())
        })
    }

    fn apply(&mut self, tlv: Tlv<'_>) -> Result<(), ParameterError> {
        let varint = || tlv.varint().ok_or(ParameterError::Range);
        let within = |value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) { Ok(value) } else { Err(ParameterError::Range) }
        };
        match tlv.id {
            RECEIVER_ID => self.receiver_id = Some(ReceiverId::new(tlv.value).ok_or(ParameterError::Range)?),
            NODE_TYPE => match tlv.value {
                [node_type] => self.node_type = *node_type,
                _ => return Err(ParameterError::Range),
            },
            APPLICATION => {
                self.application = Some(ApplicationProtocol::new(tlv.value).ok_or(ParameterError::Range)?);
            }
            CAPABILITIES => self.capabilities = varint()?,
            SESSION_CREDIT => self.session_credit = varint()?,
            CHANNEL_CREDIT => self.channel_credit = varint()?,
            CONTROL_CREDIT => self.control_credit = within(varint()?, MIN_CONTROL_CREDIT, u64::MAX)?,
            LARGEST_MESSAGE => self.largest_message = varint()?,
            KEEPALIVE => self.keepalive = Duration::from_millis(within(varint()?, 1, MAX_KEEPALIVE)?),
            ACK_DELAY => self.max_ack_delay = Duration::from_millis(within(varint()?, 0, MAX_ACK_DELAY)?),
            LARGEST_DATAGRAM => self.largest_datagram = within(varint()?, MIN_LARGEST_DATAGRAM, u64::MAX)?,
            CHANNEL_LIMITS => self.channel_limits = channel_limits(tlv.value).ok_or(ParameterError::Range)?,
            IDS => self.ids = within(varint()?, 1, u64::from(MAX_IDS))? as u8,
            _ if tlv.is_critical() => return Err(ParameterError::UnknownCritical),
            _ => {}
        }
        Ok(())
    }
}

/// Four counts and nothing else.
fn channel_limits(value: &[u8]) -> Option<[u64; 4]> {
    let mut reader = Reader::new(value);
    let mut limits = [0; 4];
    for limit in &mut limits {
        *limit = reader.varint().ok().filter(|count| *count <= ChannelId::MOST_DYNAMIC)?;
    }
    reader.rest().is_empty().then_some(limits)
}

/// `duration` as the wire has it; refused where it is not whole milliseconds of the range.
fn milliseconds(duration: Duration, least: u64, most: u64) -> Result<u64, WriteError> {
    let value = u64::try_from(duration.as_millis()).map_err(|_| WriteError::OutOfRange)?;
    let exact = Duration::from_millis(value) == duration;
    if exact && (least..=most).contains(&value) { Ok(value) } else { Err(WriteError::OutOfRange) }
}

#[cfg(test)]
mod tests;
