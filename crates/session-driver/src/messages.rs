//! A channel as a `Stream` and as a `Sink` of whole messages.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;

use crate::channel::Channel;
use crate::error::{RecvError, SendError};
use crate::wait::Seat;

/// The messages that come on a channel, as a [`Stream`]. It ends when the session was closed in order and all that came has been read,
/// and after an error.
///
/// # Cancel safety
/// What was read of a message stands in this value: keep it, and nothing is lost. Dropping it loses that piece.
pub struct Messages {
    channel: Channel,
    seat: Seat,
    limit: usize,
    partial: Vec<u8>,
    over: bool,
}

/// Sends whole messages on a channel, as a [`Sink`]. It holds one message while the channel is full.
///
/// Flushed means that the session has the message; [`Channel::flushed`] waits until the peer's stack holds it.
///
/// # Cancel safety
/// A message that was handed over is sent once, by whichever poll finds room. Dropping the sink loses the one it holds.
pub struct MessageSink<T = Vec<u8>> {
    channel: Channel,
    seat: Seat,
    held: VecDeque<T>,
}

impl Channel {
    /// The messages that come, each of at most `limit` bytes.
    #[must_use]
    pub fn messages(&self, limit: usize) -> Messages {
        Messages { channel: self.clone(), seat: Seat::default(), limit, partial: Vec::new(), over: false }
    }

    /// Takes messages to send whole.
    #[must_use]
    pub fn message_sink<T: AsRef<[u8]>>(&self) -> MessageSink<T> {
        MessageSink { channel: self.clone(), seat: Seat::default(), held: VecDeque::new() }
    }
}

impl Stream for Messages {
    type Item = Result<Vec<u8>, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { channel, seat, limit, partial, over } = self.get_mut();
        if *over {
            return Poll::Ready(None);
        }
        let received =
            ready!(seat.poll(channel.shared(), context, |state, now| channel.receiving(state, partial, *limit, now)));
        *over = !matches!(received, Ok(Some(_)));
        Poll::Ready(match received {
            Ok(Some(_)) => Some(Ok(std::mem::take(partial))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl<T: AsRef<[u8]>> MessageSink<T> {
    /// Sends what is held.
    fn poll_empty(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { channel, seat, held } = self;
        while let Some(message) = held.front() {
            let sent = seat.poll(channel.shared(), context, |state, now| {
                channel.trying(state, |session, id| session.send(message.as_ref(), id), |end| Some(*end), now)
            });
            let sent = ready!(sent);
            // A message that cannot be sent must not stand in the way of the next.
            held.pop_front();
            sent?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsRef<[u8]> + Unpin> Sink<T> for MessageSink<T> {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_empty(context)
    }

    fn start_send(self: Pin<&mut Self>, message: T) -> Result<(), SendError> {
        self.get_mut().held.push_back(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_empty(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_empty(context)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.seat.leave(self.channel.shared());
    }
}

impl<T> Drop for MessageSink<T> {
    fn drop(&mut self) {
        self.seat.leave(self.channel.shared());
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Messages")
            .field("channel", &self.channel)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for MessageSink<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MessageSink").field("channel", &self.channel).field("held", &self.held.len()).finish()
    }
}

#[cfg(test)]
mod tests;
