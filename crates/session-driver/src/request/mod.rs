//! Requests and responses over a pair of channels (protocol §14).
//!
//! The tables stand beside the sessions they belong to, under the endpoint's lock: what arrives is filed by the driver's task, which also
//! serves the deadlines, so that a request needs no task and no timer of its own.

mod exchange;
mod requester;
mod responder;

use std::fmt;

use session_core::ChannelId;

use crate::error::SendError;
use crate::shared::State;

pub(crate) use exchange::{Exchanges, Key, Matter};
pub use requester::{RequestError, Requester};
pub use responder::{Request, RespondError, Responder};
pub use session_core::request::{RequesterStats, ResponderStats, Status};

/// Over which channels requests and responses go, and how much of them there may be.
///
/// The peer names the same channels, crossed. Both ends of a pair may ask and answer. Nothing else may read from the channel that is
/// received on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    send: ChannelId,
    receive: ChannelId,
    in_flight: usize,
    largest: usize,
}

impl RequestOptions {
    /// Both ways over one channel.
    #[must_use]
    pub const fn on(channel: ChannelId) -> Self {
        Self::pair(channel, channel)
    }

    /// Our messages go over `send`, the peer's come over `receive`. Unless told otherwise, 64 requests are in flight each way and a
    /// body has 64 KiB.
    #[must_use]
    pub const fn pair(send: ChannelId, receive: ChannelId) -> Self {
        Self { send, receive, in_flight: 64, largest: 64 << 10 }
    }

    /// At most so many requests each way at a time; never more than 1024. A requester waits at its bound, a responder refuses.
    #[must_use]
    pub const fn in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = in_flight;
        self
    }

    /// The longest body, in bytes, that is taken from the peer. Up to `in_flight` bodies wait in memory to be fetched.
    #[must_use]
    pub const fn largest(mut self, largest: usize) -> Self {
        self.largest = largest;
        self
    }
}

/// The channel to receive on is taken: requests and responses that are sent over another channel are received on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelTaken;

impl fmt::Display for ChannelTaken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the channel to receive on belongs to another pair already")
    }
}

impl std::error::Error for ChannelTaken {}

/// What an error of the core means to a handle; `None` where waiting helps.
fn send_error(state: &State, key: Key, error: session_core::SendError) -> Option<SendError> {
    match error {
        session_core::SendError::Blocked => None,
        session_core::SendError::TooLarge => Some(SendError::TooLarge),
        session_core::SendError::UnknownChannel => Some(SendError::UnknownChannel),
        session_core::SendError::Streaming => Some(SendError::Streaming),
        session_core::SendError::WholeOnly => Some(SendError::WholeOnly),
        _ => Some(SendError::Closed(state.reason(key.session))),
    }
}

/// A body with room before it, so that it is copied once however often it is tried.
struct Framed {
    bytes: Vec<u8>,
}

/// As long as any prefix.
const ROOM: usize = 32;

impl Framed {
    fn new(body: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(ROOM + body.len());
        bytes.resize(ROOM, 0);
        bytes.extend_from_slice(body);
        Self { bytes }
    }

    /// The whole message.
    fn behind(&mut self, prefix: &[u8]) -> &[u8] {
        let start = ROOM - prefix.len();
        self.bytes[start..ROOM].copy_from_slice(prefix);
        &self.bytes[start..]
    }
}

#[cfg(test)]
mod tests;
