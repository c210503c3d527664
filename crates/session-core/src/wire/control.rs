//! Control messages: what channel 0 carries.

use core::time::Duration;

use super::text::Text;
#[cfg(test)]
use super::tlv;
use super::tlv::{Tlv, TlvReader, TlvWriter};
use super::varint;
use super::writer::{WriteError, Writer};

const CONNECT: u8 = 0x3D;
const ACCEPT: u8 = 0x3E;
const REFUSE: u8 = 0x3F;
const PENDING: u8 = 0x40;
const REKEY_OFFER: u8 = 0x50;
const REKEY_ANSWER: u8 = 0x51;

const USER_DATA: u64 = 0x04;
const REFUSE_REASON: u64 = 0x02;
const REFUSE_TEXT: u64 = 0x04;
const REFUSE_RETRY_AFTER: u64 = 0x06;
const REKEY_GENERATION: u64 = 0x02;
const REKEY_EPHEMERAL: u64 = 0x04;

/// What the application says in CONNECT or ACCEPT: at most 512 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserData<'a>(&'a [u8]);

impl<'a> UserData<'a> {
    // P-7-3
    pub(crate) const MAX_LENGTH: usize = 512;

    /// `None` where `bytes` is too long.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() <= Self::MAX_LENGTH).then_some(Self(bytes))
    }

    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// One end's part of an exchange for new keys (protocol §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RekeyKey {
    pub(crate) generation: u64,
    pub(crate) ephemeral: [u8; 32],
}

/// One control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlMessage<'a> {
    Connect {
        user_data: UserData<'a>,
    },
    Accept {
        user_data: UserData<'a>,
    },
    Refuse {
        reason: u64,
        text: Text<'a>,
        /// In whole milliseconds.
        retry_after: Option<Duration>,
    },
    Pending,
    RekeyOffer(RekeyKey),
    RekeyAnswer(RekeyKey),
}

impl<'a> ControlMessage<'a> {
    /// Bytes of the longest message this side writes: CONNECT with all its user data.
    pub(crate) const MAX_LENGTH: usize = 1 + 1 + 2 + UserData::MAX_LENGTH;

    /// Reads one whole message.
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, ControlError> {
        let (message_type, list) =
            message.split_first().ok_or(ControlError { kind: ControlErrorKind::Encoding, message_type: 0 })?;
        let list = TlvReader::new(list);
        match *message_type {
            CONNECT => parse_user_data(list).map(|user_data| Self::Connect { user_data }),
            ACCEPT => parse_user_data(list).map(|user_data| Self::Accept { user_data }),
            REFUSE => Self::parse_refuse(list),
            PENDING => parse_list(list, |_| Ok(false)).map(|()| Self::Pending),
            REKEY_OFFER => parse_rekey(list).map(Self::RekeyOffer),
            REKEY_ANSWER => parse_rekey(list).map(Self::RekeyAnswer),
            _ => Err(ControlErrorKind::NotAllowed),
        }
        .map_err(|kind| ControlError { kind, message_type: *message_type })
    }

    /// Writes the message whole or not at all.
    pub(crate) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.all_or_nothing(|writer| {
            writer.u8(self.message_type())?;
            let mut list = TlvWriter::new(writer);
            match *self {
                Self::Connect { user_data: UserData(data) } | Self::Accept { user_data: UserData(data) } => {
                    write_unless_empty(&mut list, USER_DATA, data)
                }
                Self::Refuse { reason, text, retry_after } => {
                    list.varint(REFUSE_REASON, reason)?;
                    write_unless_empty(&mut list, REFUSE_TEXT, text.as_bytes())?;
                    if let Some(retry_after) = retry_after {
                        list.varint(REFUSE_RETRY_AFTER, milliseconds(retry_after))?;
                    }
                    Ok(())
                }
                Self::Pending => Ok(()),
                Self::RekeyOffer(key) | Self::RekeyAnswer(key) => {
                    list.varint(REKEY_GENERATION, key.generation)?;
                    list.bytes(REKEY_EPHEMERAL, &key.ephemeral)
                }
            }
        })
    }

    /// The bytes [`Self::encode`] writes.
    #[cfg(test)]
    pub(crate) fn encoded_len(&self) -> usize {
        let values = match *self {
            Self::Connect { user_data: UserData(data) } | Self::Accept { user_data: UserData(data) } => {
                len_unless_empty(USER_DATA, data)
            }
            Self::Refuse { reason, text, retry_after } => tlv::encoded_len(REFUSE_REASON, varint::length(reason))
                .saturating_add(len_unless_empty(REFUSE_TEXT, text.as_bytes()))
                .saturating_add(retry_after.map_or(0, |retry_after| {
                    tlv::encoded_len(REFUSE_RETRY_AFTER, varint::length(milliseconds(retry_after)))
                })),
            Self::Pending => 0,
            Self::RekeyOffer(key) | Self::RekeyAnswer(key) => {
                tlv::encoded_len(REKEY_GENERATION, varint::length(key.generation))
                    .saturating_add(tlv::encoded_len(REKEY_EPHEMERAL, key.ephemeral.len()))
            }
        };
        1_usize.saturating_add(values)
    }

    pub(crate) fn message_type(&self) -> u8 {
        match self {
            Self::Connect { .. } => CONNECT,
            Self::Accept { .. } => ACCEPT,
            Self::Refuse { .. } => REFUSE,
            Self::Pending => PENDING,
            Self::RekeyOffer(_) => REKEY_OFFER,
            Self::RekeyAnswer(_) => REKEY_ANSWER,
        }
    }

    fn parse_refuse(list: TlvReader<'a>) -> Result<Self, ControlErrorKind> {
        let mut reason = None;
        let mut text = Text::default();
        let mut retry_after = None;
        parse_list(list, |tlv| {
            match tlv.id {
                REFUSE_REASON => reason = Some(tlv.varint().ok_or(ControlErrorKind::Encoding)?),
                REFUSE_TEXT => text = Text::parse(tlv.value).ok_or(ControlErrorKind::Encoding)?,
                REFUSE_RETRY_AFTER => {
                    let milliseconds = tlv.varint().ok_or(ControlErrorKind::Encoding)?;
                    retry_after = Some(Duration::from_millis(milliseconds));
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let reason = reason.ok_or(ControlErrorKind::Encoding)?;
        Ok(Self::Refuse { reason, text, retry_after })
    }
}

/// Why a control message closes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlError {
    pub(crate) kind: ControlErrorKind,
    /// As CLOSE names it; 0 where the message is empty.
    pub(crate) message_type: u8,
}

/// The code a bad control message closes the session with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlErrorKind {
    /// FrameEncoding.
    Encoding,
    /// FrameNotAllowed.
    NotAllowed,
}

impl core::fmt::Display for ControlError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let reason = match self.kind {
            ControlErrorKind::Encoding => "malformed",
            ControlErrorKind::NotAllowed => "not allowed",
        };
        write!(formatter, "a control message of type {:#04x} is {reason}", self.message_type)
    }
}

impl core::error::Error for ControlError {}

fn parse_user_data<'a>(list: TlvReader<'a>) -> Result<UserData<'a>, ControlErrorKind> {
    let mut user_data = UserData::default();
    parse_list(list, |tlv| {
        if tlv.id == USER_DATA {
            user_data = UserData::new(tlv.value).ok_or(ControlErrorKind::Encoding)?;
        }
        Ok(tlv.id == USER_DATA)
    })?;
    Ok(user_data)
}

fn parse_rekey(list: TlvReader<'_>) -> Result<RekeyKey, ControlErrorKind> {
    let mut generation = None;
    let mut ephemeral = None;
    parse_list(list, |tlv| {
        match tlv.id {
            REKEY_GENERATION => generation = Some(tlv.varint().ok_or(ControlErrorKind::Encoding)?),
            REKEY_EPHEMERAL => {
                ephemeral = Some(tlv.value.try_into().map_err(|_| ControlErrorKind::Encoding)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    generation
        .zip(ephemeral)
        .map(|(generation, ephemeral)| RekeyKey { generation, ephemeral })
        .ok_or(ControlErrorKind::Encoding)
}

/// Gives each value to `apply`, which says whether it knows the id; an unknown critical one is refused.
fn parse_list<'a>(
    list: TlvReader<'a>,
    mut apply: impl FnMut(Tlv<'a>) -> Result<bool, ControlErrorKind>,
) -> Result<(), ControlErrorKind> {
    for tlv in list {
        let tlv = tlv.map_err(|_| ControlErrorKind::Encoding)?;
        if !apply(tlv)? && tlv.is_critical() {
            return Err(ControlErrorKind::Encoding);
        }
    }
    Ok(())
}

fn write_unless_empty(list: &mut TlvWriter<'_, '_>, id: u64, value: &[u8]) -> Result<(), WriteError> {
    if value.is_empty() { Ok(()) } else { list.bytes(id, value) }
}

#[cfg(test)]
fn len_unless_empty(id: u64, value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { tlv::encoded_len(id, value.len()) }
}

/// What the field holds; a longer time is cut to the longest.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(varint::MAX)
}

#[cfg(test)]
mod tests;
