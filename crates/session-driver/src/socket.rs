//! The seam between the driver and a runtime: a socket and a timer that can be polled.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use session_core::Ecn;

/// One received buffer: a datagram, or several of one size that the kernel glued together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvMeta {
    /// The sender.
    pub remote: SocketAddr,
    /// The address it was sent to, where the system tells.
    pub local: Option<IpAddr>,
    /// Bytes in the buffer.
    pub len: usize,
    /// Bytes of each datagram but the last, which may be shorter. Any value is tolerated.
    pub stride: usize,
    /// ECN bits, the same for all.
    pub ecn: Option<Ecn>,
}

impl Default for RecvMeta {
    fn default() -> Self {
        Self { remote: SocketAddr::from(([0, 0, 0, 0], 0)), local: None, len: 0, stride: 0, ecn: None }
    }
}

/// One or more datagrams to send in one call.
#[derive(Clone, Copy, Debug)]
pub struct Datagrams<'a> {
    /// The receiver.
    pub remote: SocketAddr,
    /// The address to send from, where there is a choice.
    pub local: Option<IpAddr>,
    /// ECN bits for all.
    pub ecn: Option<Ecn>,
    /// The datagrams, one after the other.
    pub contents: &'a [u8],
    /// Bytes of each datagram but the last, which may be shorter; `None` for a single datagram.
    pub segment: Option<usize>,
}

/// A UDP socket as a runtime offers it.
///
/// An error is reported once and is never fatal to the driver; after one, it polls again before it trusts a waker.
pub trait AsyncUdpSocket: Send + Unpin + 'static {
    /// Receives into `buffers`, describing each in `meta`; says how many were filled.
    fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>>;

    /// Sends `datagrams`, all or none.
    fn poll_send(&mut self, context: &mut Context<'_>, datagrams: &Datagrams<'_>) -> Poll<io::Result<()>>;

    /// A socket of the same kind over `socket`, which is non-blocking, to go on with in its place.
    fn rebound(&self, socket: std::net::UdpSocket) -> io::Result<Self>
    where
        Self: Sized;

    /// The address it is bound to.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// How many datagrams one `poll_send` takes.
    fn max_gso_segments(&self) -> usize;

    /// How many datagrams the system may glue into one received buffer.
    fn gro_segments(&self) -> usize;
}

/// A runtime's timer.
pub trait Timer: Send + Unpin + 'static {
    /// Ready once `at` has passed; until then arranges a wake-up. A new `at` replaces the former.
    fn poll_deadline(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()>;
}
