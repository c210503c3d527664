//! Secure sessions on tokio.
//!
//! ```no_run
//! use session_tokio::{Bind, ChannelId, Endpoint, PublicKey, StaticKey};
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

mod io_traits;

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use session_driver::seam::{AsyncUdpSocket, Clock, Datagrams, RecvMeta, Timer, Udp};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::Sleep;

pub use io_traits::TokioIo;
#[doc(inline)]
pub use session_driver::*;

/// Binds a configured endpoint to a socket and starts it on the current tokio runtime.
pub trait Bind {
    /// Binds to `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// If the address cannot be bound, the configuration is refused, or the system gives no entropy.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    fn bind(self, address: SocketAddr) -> impl Future<Output = Result<Endpoint, BindError>> + Send;
}

impl Bind for EndpointBuilder {
    async fn bind(self, address: SocketAddr) -> Result<Endpoint, BindError> {
        let (endpoint, driver) =
            self.build(Socket::over(seam::bind(address)?)?, SleepTimer::default(), Clock::system())?;
        tokio::spawn(driver);
        Ok(endpoint)
    }
}

struct Socket {
    socket: UdpSocket,
    udp: Udp,
}

impl Socket {
    fn over(socket: std::net::UdpSocket) -> io::Result<Self> {
        let udp = Udp::new(&socket)?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, udp })
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
            ready!(self.socket.poll_recv_ready(context))?;
            let mut last = None;
            let result = self.socket.try_io(Interest::READABLE, || {
                let count = self.udp.recv(&self.socket, buffers, meta)?;
                if Udp::emptied(count, buffers.len()) {
                    // As if the next call had been made: tokio forgets the readiness of before this one, and none that came since.
                    last = Some(count);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(count)
            });
            match (last, result) {
                (Some(count), _) => return Poll::Ready(Ok(count)),
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, result) => return Poll::Ready(result),
            }
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>, datagrams: &Datagrams<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_send_ready(context))?;
            match self.socket.try_io(Interest::WRITABLE, || self.udp.send(&self.socket, datagrams)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn rebound(&self, socket: std::net::UdpSocket) -> io::Result<Self> {
        Self::over(socket)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_gso_segments(&self) -> usize {
        self.udp.max_gso_segments()
    }

    fn gro_segments(&self) -> usize {
        self.udp.gro_segments()
    }
}

/// One timer entry, set anew for every deadline.
#[derive(Default)]
struct SleepTimer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer for SleepTimer {
    fn poll_deadline(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        let at = at.into();
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(context)
    }
}
