//! The three messages of the service, as bytes.

use core::fmt;

use crate::wire::Writer;
use crate::wire::reader::Reader;
use crate::wire::writer::WriteError;

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;
const CANCEL: u8 = 2;
/// A type and two varints.
const MAX_PREFIX: usize = 17;

/// The name of a request: unique among those of one requester for the life of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

impl RequestId {
    /// The number that travels, for maps and logs.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// How a request went. 0–63 are the protocol's, 64 and above the application's; at most 2⁶² − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u64);

impl Status {
    /// Served; the body is the answer.
    pub const DONE: Self = Self(0);
    /// The responder serves as many requests as it can.
    pub const BUSY: Self = Self(1);
    /// The application gave no answer.
    pub const DECLINED: Self = Self(2);
    /// The request is longer than the responder takes.
    pub const TOO_LONG: Self = Self(3);
    /// The first that applications give a meaning to.
    pub const APPLICATION: Self = Self(64);
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DONE => formatter.write_str("done"),
            Self::BUSY => formatter.write_str("the responder is busy"),
            Self::DECLINED => formatter.write_str("the responder gave no answer"),
            Self::TOO_LONG => formatter.write_str("the request is longer than the responder takes"),
            Self(number) => write!(formatter, "status {number}"),
        }
    }
}

/// The bytes that stand before a message's body; of a CANCEL, the whole message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    bytes: [u8; MAX_PREFIX],
    length: u8,
}

impl Prefix {
    /// The bytes. Send them and the body as one message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// `None` where a number is above 2⁶² − 1.
    fn new(kind: u8, numbers: &[u64]) -> Option<Self> {
        let mut bytes = [0; MAX_PREFIX];
        let mut writer = Writer::new(&mut bytes);
        let written = writer.u8(kind).and_then(|()| numbers.iter().try_for_each(|number| writer.varint(*number)));
        let length = writer.position() as u8;
        let Ok::<(), WriteError>(()) = written else { return None };
        Some(Self { bytes, length })
    }
}

impl AsRef<[u8]> for Prefix {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Prefix").field(&self.as_bytes()).finish()
    }
}

/// A message taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// `patience`: microseconds that the requester waits, counted from the arrival; 0: it does not say.
    Request {
        id: RequestId,
        patience: u64,
        body: &'a [u8],
    },
    Response {
        id: RequestId,
        status: Status,
        body: &'a [u8],
    },
    Cancel {
        id: RequestId,
    },
}

impl<'a> Message<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8().ok()?;
        let id = RequestId(reader.varint().ok()?);
        match kind {
            REQUEST => Some(Self::Request { id, patience: reader.varint().ok()?, body: reader.rest() }),
            RESPONSE => Some(Self::Response { id, status: Status(reader.varint().ok()?), body: reader.rest() }),
            CANCEL => reader.is_empty().then_some(Self::Cancel { id }),
            _ => None,
        }
    }

    /// The bytes before the body.
    pub(super) fn prefix(&self) -> Option<Prefix> {
        match self {
            Self::Request { id, patience, .. } => Prefix::new(REQUEST, &[id.0, *patience]),
            Self::Response { id, status, .. } => Prefix::new(RESPONSE, &[id.0, status.0]),
            Self::Cancel { id } => Prefix::new(CANCEL, &[id.0]),
        }
    }
}

/// Whether a message is for a [`Requester`](super::Requester); any other is for a [`Responder`](super::Responder). For channels that
/// carry both.
#[must_use]
pub fn is_response(message: &[u8]) -> bool {
    message.first() == Some(&RESPONSE)
}
