//! KCP: reliable, in order, and without any cipher. Its fastest profile, with windows of a thousand datagrams.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

use super::Places;
use super::streams::{Stream, Streams};
use crate::Failure;
use crate::report::About;

/// A stream both ways.
pub(super) fn streams(places: Arc<Places>) -> Result<Streams, Failure> {
    let config = KcpConfig {
        mtu: 1452,
        nodelay: KcpNoDelayConfig::fastest(),
        wnd_size: (1024, 1024),
        flush_write: true,
        flush_acks_input: true,
        stream: true,
        ..KcpConfig::default()
    };
    let (near, far, listener) = places.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut listener = places.far().spawn(KcpListener::bind(config, address)).await??;
        let mut near = KcpStream::connect(&config, listener.local_addr()?).await?;
        near.write_all(&[0]).await?;
        near.flush().await?;
        let (mut far, _) = listener.accept().await?;
        far.read_exact(&mut [0]).await?;
        Ok::<_, Failure>((near, far, listener))
    })?;
    let [near, far] = [near, far].map(|stream| {
        let (read, write) = tokio::io::split(stream);
        Stream::new(read, Pieces(write))
    });
    Ok(Streams::new(About::package("tokio_kcp", "tokio_kcp", "none"), places, near, far, listener))
}

/// Bytes it takes at a time: more than 127 datagrams of one write are an error.
const MOST: usize = 64 * 1024;

/// Gives it no more at a time than it takes.
struct Pieces<W>(W);

impl<W: AsyncWrite + Unpin> AsyncWrite for Pieces<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, &bytes[..bytes.len().min(MOST)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
