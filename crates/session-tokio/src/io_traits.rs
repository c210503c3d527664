//! tokio's I/O traits for byte streams, which know only those of futures.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use session_driver::{ByteReader, ByteStream, ByteWriter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream of a channel as tokio's `AsyncRead` and `AsyncWrite`: `TokioIo(channel.byte_stream())`.
#[derive(Debug)]
pub struct TokioIo<T>(pub T);

impl AsyncRead for TokioIo<ByteReader> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        read(&mut self.get_mut().0, context, buffer)
    }
}

impl AsyncRead for TokioIo<ByteStream> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        read(self.get_mut().0.reader(), context, buffer)
    }
}

impl AsyncWrite for TokioIo<ByteWriter> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().0.poll_write(context, bytes)
    }

    /// Nothing is held back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll_finish(context)
    }
}

impl AsyncWrite for TokioIo<ByteStream> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().0.writer().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.writer().poll_finish(context)
    }
}

fn read(reader: &mut ByteReader, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let length = ready!(reader.poll_read(context, buffer.initialize_unfilled()))?;
    buffer.advance(length);
    Poll::Ready(Ok(()))
}
