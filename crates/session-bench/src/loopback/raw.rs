//! What sockets cost alone: no cipher, no order, nothing sent again. The floor under all others.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;

use super::{Bulk, Datagram, PING, PingPong, Places, timed};
use crate::Failure;
use crate::report::About;

/// Batches that are sent and not yet counted by the receiver: fewer than the socket's buffer holds.
const UNCOUNTED: usize = 2;
/// Datagrams of one call (`UDP_SEGMENT`), at most.
const SEGMENTS: usize = 44;
/// Waited for a datagram at most: one that was dropped would stop the transfer for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// Datagrams through one socket into another, many to a call.
pub(super) struct Segments {
    sender: std::net::UdpSocket,
    receiver: std::net::UdpSocket,
    segment: usize,
    batch: usize,
}

impl Segments {
    pub(super) fn new(datagram: Datagram) -> Result<Self, Failure> {
        let (sender, receiver) = (bind()?, bind()?);
        sender.connect(receiver.local_addr()?)?;
        receiver.connect(sender.local_addr()?)?;
        for socket in [&sender, &receiver] {
            socket.set_read_timeout(Some(PATIENCE))?;
        }
        let (segment, batch) = match datagram {
            Datagram::Ethernet => (1452, 1452 * SEGMENTS),
            Datagram::Best => (65_507, 65_507),
        };
        Ok(Self { sender, receiver, segment, batch })
    }
}

impl Bulk for Segments {
    fn about(&self) -> About {
        About::package("udp", "quinn-udp", "none; GSO and GRO, the receiver counts")
    }

    fn transfer(&mut self, bytes: usize) -> Result<(), Failure> {
        let receiver = &self.receiver;
        thread::scope(|scope| {
            let counting = scope.spawn(move || count(receiver, bytes));
            self.send(bytes)?;
            counting.join().map_err(|_| "the receiver panicked")?
        })
    }
}

impl Segments {
    fn send(&self, bytes: usize) -> Result<(), Failure> {
        let state = UdpSocketState::new((&self.sender).into())?;
        self.sender.set_nonblocking(false)?;
        let contents = vec![7; self.batch];
        let destination = self.receiver.local_addr()?;
        let (mut sent, mut counted, mut answer) = (0, 0, [0; 8]);
        while sent < bytes {
            while sent - counted > UNCOUNTED * self.batch {
                self.sender.recv(&mut answer)?;
                counted = counted.max(u64::from_be_bytes(answer) as usize);
            }
            let contents = &contents[..self.batch.min(bytes - sent)];
            let segment_size = (contents.len() > self.segment).then_some(self.segment);
            state.try_send(
                (&self.sender).into(),
                &Transmit { destination, ecn: None, contents, segment_size, src_ip: None },
            )?;
            sent += contents.len();
        }
        while counted < bytes {
            self.sender.recv(&mut answer)?;
            counted = counted.max(u64::from_be_bytes(answer) as usize);
        }
        Ok(())
    }
}

/// Receives `bytes`, and says after each call how many there are.
fn count(socket: &std::net::UdpSocket, bytes: usize) -> Result<(), Failure> {
    let state = UdpSocketState::new(socket.into())?;
    socket.set_nonblocking(false)?;
    let mut buffer = vec![0; 65_536];
    let mut received = 0;
    while received < bytes {
        let mut meta = [RecvMeta::default()];
        match state.recv(socket.into(), &mut [IoSliceMut::new(&mut buffer)], &mut meta) {
            Ok(_) => received += meta[0].len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        socket.send(&(received as u64).to_be_bytes())?;
    }
    Ok(())
}

/// Two sockets of tokio.
pub(super) struct Echo {
    places: Arc<Places>,
    name: &'static str,
    near: Socket,
    far: Arc<Socket>,
}

impl Echo {
    /// Each socket knows the other only.
    pub(super) fn connected(places: Arc<Places>) -> Result<Self, Failure> {
        let (near, far) = (bind()?, bind()?);
        near.connect(far.local_addr()?)?;
        far.connect(near.local_addr()?)?;
        let near = Socket::Connected(into_tokio(near, places.near())?);
        let far = Arc::new(Socket::Connected(into_tokio(far, places.far())?));
        Ok(Self { places, name: "udp-echo", near, far })
    }

    /// Each socket takes datagrams from everywhere, as one does whose peers come and go, or roam: session's are like that.
    pub(super) fn unconnected(places: Arc<Places>) -> Result<Self, Failure> {
        let (near, far) = (bind()?, bind()?);
        let (to_near, to_far) = (near.local_addr()?, far.local_addr()?);
        let near = Socket::Unconnected(into_tokio(near, places.near())?, to_far);
        let far = Arc::new(Socket::Unconnected(into_tokio(far, places.far())?, to_near));
        Ok(Self { places, name: "udp-echo-unconnected", near, far })
    }
}

/// A socket, and where its datagrams go.
enum Socket {
    Connected(UdpSocket),
    Unconnected(UdpSocket, SocketAddr),
}

impl Socket {
    async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        match self {
            Self::Connected(socket) => socket.send(datagram).await,
            Self::Unconnected(socket, to) => socket.send_to(datagram, to).await,
        }
    }

    async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Connected(socket) => socket.recv(buffer).await,
            Self::Unconnected(socket, _) => Ok(socket.recv_from(buffer).await?.0),
        }
    }
}

impl PingPong for Echo {
    fn about(&self) -> About {
        About::package(self.name, "tokio", "none")
    }

    fn round_trips(&mut self, count: usize) -> Result<Vec<Duration>, Failure> {
        let far = Arc::clone(&self.far);
        self.places.block_on(async {
            let answer = self.places.far().spawn(async move {
                let mut buffer = [0; PING];
                for _ in 0..count {
                    far.recv(&mut buffer).await?;
                    far.send(&buffer).await?;
                }
                Ok::<_, Failure>(())
            });
            let mut buffer = [0; PING];
            let times = timed(count, async || {
                self.near.send(&[7; PING]).await?;
                self.near.recv(&mut buffer).await?;
                Ok(())
            })
            .await?;
            answer.await??;
            Ok(times)
        })
    }
}

fn into_tokio(socket: std::net::UdpSocket, place: &Handle) -> io::Result<UdpSocket> {
    let _inside = place.enter();
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn bind() -> Result<std::net::UdpSocket, Failure> {
    let socket = std::net::UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(4 << 20)?;
    options.set_send_buffer_size(4 << 20)?;
    Ok(socket)
}
