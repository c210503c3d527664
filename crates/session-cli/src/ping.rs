//! Echoes over a session: one side sends a message, the other sends it back.

mod times;

pub use times::Times;

use std::time::Duration;

use session_tokio::{ChannelId, CloseReason, RecvError, Session};

use crate::clock::now;
use crate::transfer::close_code;

/// The channel the messages are on.
const CHANNEL: ChannelId = crate::transfer::CHANNEL;
/// Bytes of a message, as those of ping(8).
pub const MESSAGE: usize = 64;
/// The longest message that is sent back.
const MAX_MESSAGE: usize = 1_024;

/// Why no echo came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEcho {
    /// The session ended.
    Closed(CloseReason),
    /// Something else came. The session is aborted.
    Unexpected,
}

/// Sends back every message until the session ends; says how many, and why it ended.
pub async fn echo(session: &Session) -> (u64, CloseReason) {
    let channel = session.channel(CHANNEL);
    let (mut echoes, mut message) = (0, Vec::new());
    loop {
        message.clear();
        match channel.recv(&mut message, MAX_MESSAGE).await {
            Ok(Some(_)) if channel.send(&message).await.is_ok() => echoes += 1,
            Err(RecvError::TooLong) => {
                session.abort(close_code::UNEXPECTED, "a message is longer than 1024 bytes");
                return (echoes, session.closed().await);
            }
            _ => return (echoes, session.closed().await),
        }
    }
}

/// Sends message `sequence` and waits until it is back.
///
/// # Errors
/// [`NoEcho`].
pub async fn ping(session: &Session, sequence: u64) -> Result<Duration, NoEcho> {
    let channel = session.channel(CHANNEL);
    let mut message = [0; MESSAGE];
    message[..8].copy_from_slice(&sequence.to_be_bytes());
    let start = now();
    if channel.send(&message).await.is_err() {
        return Err(NoEcho::Closed(session.closed().await));
    }
    let mut answer = Vec::new();
    match channel.recv(&mut answer, MESSAGE).await {
        Ok(Some(_)) if answer == message => Ok(now().saturating_since(start)),
        Ok(None) => Err(NoEcho::Closed(session.closed().await)),
        Err(RecvError::Closed(reason)) => Err(NoEcho::Closed(reason)),
        _ => {
            session.abort(close_code::UNEXPECTED, "not an echo");
            Err(NoEcho::Unexpected)
        }
    }
}
