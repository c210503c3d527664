//! Echoes over a session: one side sends a message, the other sends it back.

mod times;

pub use times::Times;

use std::time::Duration;

use session_tokio::{Channel, ChannelId, CloseReason, RecvError, SendError, Session};

use crate::clock::{after, now};
use crate::runtime::Runtime;
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
    /// Nothing came in time. The message is not sent any more; where only its echo is late, that is passed over.
    Late,
}

/// Sends back every message until the session ends; says how many, and why it ended.
pub async fn echo(session: &Session) -> (u64, CloseReason) {
    let channel = session.channel(CHANNEL);
    let (mut echoes, mut message) = (0, Vec::new());
    loop {
        message.clear();
        match channel.recv(&mut message, MAX_MESSAGE).await {
            Ok(Some(_)) if channel.send(&message).await.is_ok() => echoes += 1,
            // It was given up when a part of it had come.
            Err(RecvError::Cut) => {}
            Err(RecvError::TooLong) => {
                session.abort(close_code::UNEXPECTED, "a message is longer than 1024 bytes");
                return (echoes, session.closed().await);
            }
            _ => return (echoes, session.closed().await),
        }
    }
}

/// Sends numbered messages, and waits for each to come back.
pub struct Pinger<'a> {
    session: &'a Session,
    channel: Channel,
    runtime: Runtime,
    timeout: Duration,
    /// What has come of the next echo: waiting may end in the middle of it.
    answer: Vec<u8>,
}

impl<'a> Pinger<'a> {
    /// Over `session`, with at most `timeout` for each to come back.
    #[must_use]
    pub fn new(session: &'a Session, runtime: Runtime, timeout: Duration) -> Self {
        Self { session, channel: session.channel(CHANNEL), runtime, timeout, answer: Vec::new() }
    }

    /// Sends message `sequence`, larger than the last one, and waits until it is back.
    ///
    /// # Errors
    /// [`NoEcho`].
    pub async fn ping(&mut self, sequence: u64) -> Result<Duration, NoEcho> {
        let (start, timeout) = (now(), self.timeout);
        match self.channel.send_by(&message(sequence), after(timeout)).await {
            Ok(_) => {}
            Err(SendError::Late) => return Err(NoEcho::Late),
            Err(_) => return Err(NoEcho::Closed(self.session.closed().await)),
        }
        let left = timeout.saturating_sub(now().saturating_since(start));
        self.runtime.within(left, self.echo_of(sequence)).await.unwrap_or(Err(NoEcho::Late))?;
        Ok(now().saturating_since(start))
    }

    async fn echo_of(&mut self, sequence: u64) -> Result<(), NoEcho> {
        loop {
            match self.channel.recv(&mut self.answer, MESSAGE).await {
                Ok(Some(_)) => {}
                Ok(None) => return Err(NoEcho::Closed(self.session.closed().await)),
                Err(RecvError::Closed(reason)) => return Err(NoEcho::Closed(reason)),
                Err(_) => self.answer.clear(),
            }
            let number = number(&self.answer);
            self.answer.clear();
            match number {
                Some(number) if number == sequence => return Ok(()),
                // It was waited for, and is late.
                Some(number) if number < sequence => {}
                _ => {
                    self.session.abort(close_code::UNEXPECTED, "not an echo");
                    return Err(NoEcho::Unexpected);
                }
            }
        }
    }
}

fn message(sequence: u64) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    message[..8].copy_from_slice(&sequence.to_be_bytes());
    message
}

/// Which message this is an echo of.
fn number(echo: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(*echo.first_chunk()?);
    (*echo == message(number)).then_some(number)
}

#[cfg(test)]
mod tests;
