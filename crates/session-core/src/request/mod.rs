//! Requests and responses over a pair of channels: pure bookkeeping over messages (protocol §14).
//!
//! A [`Requester`] and a [`Responder`] know nothing of sessions. They say which bytes stand before a message's body, take the messages
//! that come, and tell which deadline is next; whoever owns them moves the messages. Neither allocates after its constructor.
//!
//! ```
//! use std::convert::Infallible;
//! use std::time::Duration;
//! use session_core::Instant;
//! use session_core::request::{Answer, Arrived, Requester, Responder, Status};
//!
//! let (mut requester, mut responder) = (Requester::new(8), Responder::new(8));
//! let now = Instant::EPOCH;
//! let mut wire = Vec::new();
//!
//! let deadline = now.saturating_add(Duration::from_secs(1));
//! let id = requester.request(Some(deadline), now, |prefix| {
//!     wire = [prefix.as_bytes(), b"what time is it?"].concat(); // here: `SessionMut::send`
//!     Ok::<(), Infallible>(())
//! })?;
//!
//! let Arrived::Request { id: asked, body, .. } = responder.handle_message(&wire, now) else { panic!() };
//! assert_eq!(body, b"what time is it?");
//! responder.respond(asked, Status::DONE, now, |prefix| {
//!     wire = [prefix.as_bytes(), b"late"].concat();
//!     Ok::<(), Infallible>(())
//! })?;
//!
//! assert_eq!(requester.handle_message(&wire), Answer::Response { id, status: Status::DONE, body: b"late" });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

mod message;
mod requester;
mod responder;

pub use message::{Prefix, RequestId, Status, is_response};
pub use requester::{Answer, RequestError, Requester, RequesterStats};
pub use responder::{Arrived, RespondError, Responder, ResponderStats};

use crate::crypto::replay::WINDOW;

/// The most requests that a requester may have in flight and a responder may serve: ids further apart cannot be told from repeated ones.
pub const MAX_IN_FLIGHT: usize = WINDOW as usize;

/// Why a message was dropped. Nothing but a counter changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Empty, cut short, of no known type, or of a type that the other role takes.
    Malformed,
    /// A RESPONSE to a request that was never made.
    Unknown,
    /// A REQUEST whose id was seen before, or is so old that nobody knows.
    Repeated,
    /// A REQUEST above the bound while 1024 refusals wait to be sent: no requester that keeps to the protocol gets there.
    Overrun,
    /// A CANCEL of a request that is not served: answered, cancelled before, or never heard of.
    NotServed,
}

#[cfg(test)]
mod tests;
