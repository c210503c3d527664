//! A channel as a byte stream.
//!
//! A byte stream is one streamed message: it begins with the first write, shutting the writer down ends the message, and the end of the
//! message is the end of the stream. Another stream may follow on the same channel, from a new reader and a new writer.

use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::channel::{Channel, Read};
use crate::error::{RecvError, SendError};
use crate::wait::{Seat, Step};

/// Reads one byte stream from a channel.
///
/// The end is told once the peer's writer was shut down. A session that ends before is an error, even if it ends in order: nobody can say
/// that the stream was whole.
///
/// # Cancel safety
/// Bytes are taken in a poll that is ready, or none. Dropping the reader leaves the rest of the stream to the next one.
pub struct ByteReader {
    channel: Channel,
    seat: Seat,
    begun: bool,
    ended: bool,
}

/// Writes one byte stream to a channel.
///
/// What is written is on its way without a flush; [`Channel::flushed`] waits until the peer's stack holds what was sent. Shutting down
/// (`close` of futures, `shutdown` of tokio) ends the stream in one direction; the other is not touched. **Dropping the writer without it
/// leaves the stream without an end**: the peer waits for more, and nothing else can be sent on the channel. Only on a channel that was opened
/// while the session lives it gives the stream up: the channel is reset with code 0.
///
/// # Cancel safety
/// Bytes are taken in a poll that is ready, or none.
pub struct ByteWriter {
    channel: Channel,
    seat: Seat,
    begun: bool,
    ended: bool,
}

/// Both directions of a channel, each a byte stream of its own.
pub struct ByteStream {
    reader: ByteReader,
    writer: ByteWriter,
}

impl Channel {
    /// The channel as a byte stream in both directions, for `AsyncRead` and `AsyncWrite`.
    #[must_use]
    pub fn byte_stream(&self) -> ByteStream {
        ByteStream { reader: self.byte_reader(), writer: self.byte_writer() }
    }

    /// Reads the peer's byte stream.
    #[must_use]
    pub fn byte_reader(&self) -> ByteReader {
        ByteReader { channel: self.clone(), seat: Seat::default(), begun: false, ended: false }
    }

    /// Writes a byte stream to the peer. One at a time: a second writer fails while the first is not shut down.
    #[must_use]
    pub fn byte_writer(&self) -> ByteWriter {
        ByteWriter { channel: self.clone(), seat: Seat::default(), begun: false, ended: false }
    }
}

impl ByteReader {
    /// Reads what there is, up to the length of `out`; 0 at the end.
    ///
    /// # Errors
    /// If the session ended before the stream.
    pub fn poll_read(&mut self, context: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.ended || out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Self { channel, seat, begun, ended } = self;
        seat.poll(channel.shared(), context, |state, now| {
            loop {
                match channel.reading(state, out, now) {
                    Read::Chunk(chunk) => {
                        *begun = true;
                        *ended = chunk.end;
                        if chunk.length > 0 || chunk.end {
                            return Step::Done(Ok(chunk.length));
                        }
                    }
                    // Nobody began a stream, and nobody will.
                    Read::End if !*begun => {
                        *ended = true;
                        return Step::Done(Ok(0));
                    }
                    Read::End => return Step::Done(Err(cut_short(channel.reason(state).map(RecvError::Closed)))),
                    Read::Error(error) => return Step::Done(Err(read_error(error))),
                    Read::Wait(topic) => return Step::Wait(topic),
                }
            }
        })
    }
}

impl ByteWriter {
    /// Writes as much as there is room for; at least one byte unless `bytes` is empty.
    ///
    /// # Errors
    /// If the writer was shut down, another message is being streamed on the channel, or the session is closed.
    pub fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Self { channel, seat, begun, .. } = self;
        let written = seat.poll(channel.shared(), context, |state, now| {
            if !*begun {
                match channel.trying(state, |session, id| session.begin(id), |()| None, now) {
                    Step::Done(Ok(())) => *begun = true,
                    Step::Done(Err(error)) => return Step::Done(Err(error)),
                    Step::Wait(topic) => return Step::Wait(topic),
                }
            }
            channel.trying(state, |session, id| session.write(bytes, id), |_| None, now)
        });
        written.map_err(write_error)
    }

    /// Ends the stream: the peer's reader is told its end after the last byte. Again it does nothing.
    ///
    /// # Errors
    /// As for `poll_write`.
    pub fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let Self { channel, seat, begun, ended } = self;
        let finished = seat.poll(channel.shared(), context, |state, now| {
            if !*begun {
                match channel.trying(state, |session, id| session.begin(id), |()| None, now) {
                    Step::Done(Ok(())) => *begun = true,
                    Step::Done(Err(error)) => return Step::Done(Err(error)),
                    Step::Wait(topic) => return Step::Wait(topic),
                }
            }
            channel.trying(state, |session, id| session.finish(id), |end| Some(*end), now)
        });
        *ended = matches!(finished, Poll::Ready(Ok(_)));
        finished.map_ok(|_| ()).map_err(write_error)
    }
}

impl ByteStream {
    /// The two directions, to be used apart.
    #[must_use]
    pub fn into_split(self) -> (ByteReader, ByteWriter) {
        (self.reader, self.writer)
    }

    /// The direction from the peer.
    pub fn reader(&mut self) -> &mut ByteReader {
        &mut self.reader
    }

    /// The direction to the peer.
    pub fn writer(&mut self) -> &mut ByteWriter {
        &mut self.writer
    }
}

impl AsyncRead for ByteReader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_read(context, out)
    }
}

impl AsyncWrite for ByteWriter {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write(context, bytes)
    }

    /// Nothing is held back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(context)
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().reader.poll_read(context, out)
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().writer.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().writer.poll_finish(context)
    }
}

impl Drop for ByteReader {
    fn drop(&mut self) {
        self.seat.leave(self.channel.shared());
    }
}

impl Drop for ByteWriter {
    fn drop(&mut self) {
        self.seat.leave(self.channel.shared());
        if self.begun && !self.ended && self.channel.is_guarded() {
            // Nothing more may be there to be given up.
            let _ = self.channel.reset(0);
        }
    }
}

impl fmt::Debug for ByteReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ByteReader").field("channel", &self.channel).field("ended", &self.ended).finish()
    }
}

impl fmt::Debug for ByteWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ByteWriter").field("channel", &self.channel).field("ended", &self.ended).finish()
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ByteStream").field("channel", &self.reader.channel).finish_non_exhaustive()
    }
}

fn cut_short(error: Option<RecvError>) -> io::Error {
    match error {
        Some(error) => io::Error::new(ErrorKind::UnexpectedEof, error),
        None => ErrorKind::UnexpectedEof.into(),
    }
}

fn read_error(error: RecvError) -> io::Error {
    let kind = match error {
        RecvError::Closed(_) | RecvError::Reset(_) => ErrorKind::ConnectionReset,
        RecvError::Stopped => ErrorKind::BrokenPipe,
        RecvError::UnknownChannel => ErrorKind::NotFound,
        RecvError::TooLong | RecvError::Cut => ErrorKind::InvalidData,
        RecvError::WholeOnly => ErrorKind::Unsupported,
    };
    io::Error::new(kind, error)
}

fn write_error(error: SendError) -> io::Error {
    let kind = match error {
        SendError::Closed(_) | SendError::Finished => ErrorKind::BrokenPipe,
        SendError::Stopped(_) => ErrorKind::ConnectionReset,
        SendError::UnknownChannel => ErrorKind::NotFound,
        SendError::Streaming => ErrorKind::ResourceBusy,
        SendError::Late => ErrorKind::TimedOut,
        SendError::TooLarge => ErrorKind::InvalidInput,
        SendError::WholeOnly => ErrorKind::Unsupported,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests;
