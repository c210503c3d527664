//! Why an operation of a handle failed: one small enum per operation.

use std::fmt;
use std::io;

use session_core::{AnswerError, CloseReason, ConfigError, Heard};

/// Why an endpoint was not bound.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The socket: for instance, the address is taken.
    Socket(io::Error),
    /// The configuration.
    Config(ConfigError),
    /// The system gave no entropy for the endpoint's seed.
    Entropy,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The attempt was not begun.
    NotBegun(session_core::ConnectError),
    /// The address is IPv6 and the endpoint is bound to an IPv4 address.
    AddressFamily,
    /// The attempt ended: refused, no answer, …
    Ended {
        /// Why.
        reason: CloseReason,
        /// What was heard of the peer until then: where nothing came back, an address, a firewall or a NAT is to be looked at.
        heard: Heard,
    },
    /// The endpoint is closing or closed.
    EndpointClosed,
}

/// Why an incoming session was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// More than 512 bytes of user data.
    UserData,
    /// The session ended before it was accepted.
    Ended(Option<CloseReason>),
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The message can never be sent whole: stream it with `begin`, `write`, `finish`.
    TooLarge,
    /// The session is closing or closed; the reason is known once it is closed.
    Closed(Option<CloseReason>),
    /// The channel is not configured.
    UnknownChannel,
    /// A streamed message is open on the channel; or none is, for `write` and `finish`.
    Streaming,
    /// The channel's mode takes whole messages only: `send`.
    WholeOnly,
    /// There was no room for the message before its deadline.
    Late,
    /// This side has ended or reset the channel.
    Finished,
    /// The peer reads the channel no more, with a code of its application.
    Stopped(u64),
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// The session broke: there may be data that never came.
    Closed(CloseReason),
    /// The channel is not configured.
    UnknownChannel,
    /// The message is longer than the limit. What was read of it stands in the vector; call again with a larger limit to go on.
    TooLong,
    /// The channel's mode gives whole messages only: `recv`.
    WholeOnly,
    /// The peer has given up the message that was being read. Told once; what is read next begins another message.
    Cut,
    /// The peer gave up what it sent on the channel, with a code of its application.
    Reset(u64),
    /// This side reads the channel no more.
    Stopped,
}

impl fmt::Display for BindError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => write!(formatter, "socket: {error}"),
            Self::Config(error) => write!(formatter, "configuration: {error}"),
            Self::Entropy => formatter.write_str("the system gave no entropy"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(error) => Some(error),
            Self::Config(error) => Some(error),
            Self::Entropy => None,
        }
    }
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl From<ConfigError> for BindError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBegun(error) => write!(formatter, "{error}"),
            Self::AddressFamily => formatter.write_str("an IPv6 address cannot be reached from an IPv4 socket"),
            Self::Ended { reason, .. } => write_reason(formatter, reason),
            Self::EndpointClosed => formatter.write_str("the endpoint is closed"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotBegun(error) => Some(error),
            Self::AddressFamily | Self::Ended { .. } | Self::EndpointClosed => None,
        }
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserData => write!(formatter, "{}", AnswerError::UserData),
            Self::Ended(Some(reason)) => write_reason(formatter, reason),
            Self::Ended(None) => formatter.write_str("the session does not wait for an answer any more"),
        }
    }
}

impl std::error::Error for AcceptError {}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(formatter, "{}", session_core::SendError::TooLarge),
            Self::Closed(Some(reason)) => write_reason(formatter, reason),
            Self::Closed(None) => write!(formatter, "{}", session_core::SendError::Closed),
            Self::UnknownChannel => write!(formatter, "{}", session_core::SendError::UnknownChannel),
            Self::Streaming => write!(formatter, "{}", session_core::SendError::Streaming),
            Self::WholeOnly => write!(formatter, "{}", session_core::SendError::WholeOnly),
            Self::Late => formatter.write_str("there was no room for the message before its deadline"),
            Self::Finished => write!(formatter, "{}", session_core::SendError::Finished),
            Self::Stopped(code) => write!(formatter, "{} (code {code})", session_core::SendError::Stopped),
        }
    }
}

impl std::error::Error for SendError {}

impl fmt::Display for RecvError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write_reason(formatter, reason),
            Self::UnknownChannel => write!(formatter, "{}", session_core::RecvError::UnknownChannel),
            Self::TooLong => formatter.write_str("the message is longer than the limit"),
            Self::WholeOnly => write!(formatter, "{}", session_core::RecvError::WholeOnly),
            Self::Cut => write!(formatter, "{}", session_core::RecvError::Cut),
            Self::Reset(code) => write!(formatter, "{} (code {code})", session_core::RecvError::Reset),
            Self::Stopped => write!(formatter, "{}", session_core::RecvError::Stopped),
        }
    }
}

impl std::error::Error for RecvError {}

fn write_reason(formatter: &mut fmt::Formatter<'_>, reason: &CloseReason) -> fmt::Result {
    write!(formatter, "the session ended ({:?}, {:?} code {:#x})", reason.by, reason.space, reason.code.0)?;
    match reason.text.as_str() {
        "" => Ok(()),
        text => write!(formatter, ": {text}"),
    }
}
