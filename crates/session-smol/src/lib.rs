//! Secure sessions on smol, or on any executor beside async-io.
//!
//! ```no_run
//! use session_smol::{Bind, ChannelId, Endpoint, PublicKey, StaticKey};
//!
//! # async fn example(key: StaticKey, peer: PublicKey) -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::builder(key).application("greeter").bind("0.0.0.0:0".parse()?).await?;
//! let session = endpoint.connect(peer, "192.0.2.1:7400".parse()?).await?;
//! let channel = session.channel(ChannelId(16));
//! channel.send(b"hello").await?;
//! let mut answer = Vec::new();
//! channel.recv(&mut answer, 1 << 20).await?;
//! session.close(0, "done").await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use async_io::Async;
use session_driver::seam::{AsyncUdpSocket, Clock, Datagrams, RecvMeta, Timer, Udp};

#[doc(inline)]
pub use session_driver::*;

/// Binds a configured endpoint to a socket and starts it on smol's global executor.
pub trait Bind {
    /// Binds to `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// If the address cannot be bound, the configuration is refused, or the system gives no entropy.
    fn bind(self, address: SocketAddr) -> impl Future<Output = Result<Endpoint, BindError>> + Send;
}

impl Bind for EndpointBuilder {
    async fn bind(self, address: SocketAddr) -> Result<Endpoint, BindError> {
        let (endpoint, driver) =
            self.build(Socket::over(seam::bind(address)?)?, OneTimer::default(), Clock::system())?;
        smol::spawn(driver).detach();
        Ok(endpoint)
    }
}

struct Socket {
    socket: Async<UdpSocket>,
    udp: Udp,
    /// The last call left nothing behind, and the system has not said that more has come.
    emptied: bool,
}

impl Socket {
    fn over(socket: UdpSocket) -> io::Result<Self> {
        let udp = Udp::new(&socket)?;
        Ok(Self { socket: Async::new(socket)?, udp, emptied: false })
    }
}

impl AsyncUdpSocket for Socket {
    fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.emptied {
                ready!(self.socket.poll_readable(context))?;
                self.emptied = false;
            }
            // Readiness is told once, after the fact: what is there already must be taken first.
            match self.udp.recv(self.socket.get_ref(), buffers, meta) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.emptied = true,
                result => {
                    self.emptied = result.as_ref().is_ok_and(|count| Udp::emptied(*count, buffers.len()));
                    return Poll::Ready(result);
                }
            }
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>, datagrams: &Datagrams<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.udp.send(self.socket.get_ref(), datagrams) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_writable(context))?,
                result => return Poll::Ready(result),
            }
        }
    }

    fn rebound(&self, socket: UdpSocket) -> io::Result<Self> {
        Self::over(socket)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }

    fn max_gso_segments(&self) -> usize {
        self.udp.max_gso_segments()
    }

    fn gro_segments(&self) -> usize {
        self.udp.gro_segments()
    }
}

/// One timer, set anew for every deadline.
#[derive(Default)]
struct OneTimer {
    timer: Option<(Instant, async_io::Timer)>,
}

impl Timer for OneTimer {
    fn poll_deadline(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        let (set, timer) = self.timer.get_or_insert_with(|| (at, async_io::Timer::at(at)));
        if *set != at {
            timer.set_at(at);
            *set = at;
        }
        Pin::new(timer).poll(context).map(|_| ())
    }
}
