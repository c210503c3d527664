//! What a real UDP socket needs: batches in and out, larger buffers, addresses and ECN bits of each datagram.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
#[cfg(unix)]
use std::os::fd::AsFd as Handle;
#[cfg(windows)]
use std::os::windows::io::AsSocket as Handle;

use quinn_udp::{EcnCodepoint, UdpSockRef, UdpSocketState};
use session_core::Ecn;

use crate::socket::{Datagrams, RecvMeta};

/// Buffers one receive call fills at most.
pub(crate) const RECEIVE_SLOTS: usize = 32;
/// Bytes of socket buffer we ask for; the system may grant less.
const SOCKET_BUFFER: usize = 4 << 20;

/// A non-blocking UDP socket bound to `address`, with buffers as large as the system grants.
///
/// # Errors
/// Those of the system, e.g. when the address is taken.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    // Larger buffers only make bursts cheaper: a refusal is no reason to fail.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// State that belongs to a socket, whichever runtime owns it.
#[derive(Debug)]
pub struct Udp {
    state: UdpSocketState,
    /// What the last call said of the buffers it filled; kept, for there are many and most calls fill one.
    described: Box<[quinn_udp::RecvMeta; RECEIVE_SLOTS]>,
}

impl Udp {
    /// Turns on what the system offers for `socket`.
    ///
    /// # Errors
    /// If the socket refuses a necessary option.
    pub fn new(socket: &UdpSocket) -> io::Result<Self> {
        let described = Box::new([quinn_udp::RecvMeta::default(); RECEIVE_SLOTS]);
        Ok(Self { state: UdpSocketState::new(UdpSockRef::from(socket))?, described })
    }

    /// Receives without blocking.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; others as the system reports them.
    pub fn recv(
        &mut self,
        socket: &impl Handle,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> io::Result<usize> {
        let slots = buffers.len().min(meta.len()).min(RECEIVE_SLOTS);
        let count = self.state.recv(UdpSockRef::from(socket), &mut buffers[..slots], &mut *self.described)?;
        for (meta, described) in meta.iter_mut().zip(&self.described[..count]) {
            *meta = RecvMeta {
                remote: described.addr,
                local: described.dst_ip,
                len: described.len,
                stride: described.stride,
                ecn: described.ecn.map(from_wire),
            };
        }
        Ok(count)
    }

    /// Whether a call that filled `count` of `slots` buffers left nothing behind, so that the next would block and readiness can be waited for at once. Only
    /// where a call goes on until it finds nothing; elsewhere it always stops after one.
    #[must_use]
    pub fn emptied(count: usize, slots: usize) -> bool {
        cfg!(any(target_os = "linux", target_os = "android")) && count < slots.min(RECEIVE_SLOTS)
    }

    /// Sends without blocking.
    ///
    /// # Errors
    /// `WouldBlock` when the socket's buffer is full; others as the system reports them.
    pub fn send(&self, socket: &impl Handle, datagrams: &Datagrams<'_>) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: datagrams.remote,
            ecn: datagrams.ecn.map(to_wire),
            contents: datagrams.contents,
            segment_size: datagrams.segment,
            src_ip: datagrams.local.filter(IpAddr::is_usable_source),
        };
        self.state.try_send(UdpSockRef::from(socket), &transmit)
    }

    /// How many datagrams one `send` takes.
    #[must_use]
    pub fn max_gso_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// How many datagrams the system may glue into one received buffer.
    #[must_use]
    pub fn gro_segments(&self) -> usize {
        self.state.gro_segments()
    }
}

/// Whether packets can be sent from an address a packet was sent to.
pub(crate) trait Source {
    fn is_usable_source(&self) -> bool;
}

impl Source for IpAddr {
    fn is_usable_source(&self) -> bool {
        let broadcast = matches!(self, Self::V4(address) if address.is_broadcast());
        !(self.is_unspecified() || self.is_multicast() || broadcast)
    }
}

fn from_wire(ecn: EcnCodepoint) -> Ecn {
    match ecn {
        EcnCodepoint::Ect0 => Ecn::Ect0,
        EcnCodepoint::Ect1 => Ecn::Ect1,
        EcnCodepoint::Ce => Ecn::Ce,
    }
}

fn to_wire(ecn: Ecn) -> EcnCodepoint {
    match ecn {
        Ecn::Ect0 => EcnCodepoint::Ect0,
        Ecn::Ect1 => EcnCodepoint::Ect1,
        Ecn::Ce => EcnCodepoint::Ce,
    }
}

#[cfg(test)]
mod tests;
