//! The part to copy: an endpoint, a UDP socket that never blocks, and what to do when `mio` says that something has happened.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use session_core::{Action, Address, Arrival, Carrier, Endpoint, Event, Instant, Link};

/// Datagrams in, or steps out, of one turn. What is sent without reading in between overflows somebody's buffer.
const BATCH: usize = 32;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// What the application does about an event.
pub(crate) trait Application {
    fn on_event(&mut self, endpoint: &mut Endpoint, event: Event, now: Instant) -> Result<(), Failure>;
}

/// An endpoint and its socket.
pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    socket: UdpSocket,
    pub(crate) local: SocketAddr,
    out: Vec<u8>,
    /// Bytes of `out` that the socket did not take yet, and where they go.
    stuck: Option<(usize, SocketAddr)>,
    /// `mio` tells once that there is something to read; it holds until a read says `WouldBlock`.
    pub(crate) readable: bool,
    /// Datagrams the system would not send at all: lost, as others are on the way, and so sent again by the protocol.
    pub(crate) refused: u64,
}

impl Node {
    pub(crate) fn new(endpoint: Endpoint, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let (local, out) = (socket.local_addr()?, vec![0; endpoint.max_datagram()]);
        Ok(Self { endpoint, socket, local, out, stuck: None, readable: true, refused: 0 })
    }

    /// Does what there is to do, up to a bound; tells how long there is nothing to do then.
    pub(crate) fn turn(
        &mut self,
        application: &mut impl Application,
        now: Instant,
    ) -> Result<Option<Duration>, Failure> {
        self.receive(now);
        self.endpoint.handle_timeout(now);
        let more = self.send(application, now)?;
        let deadline = self.endpoint.next_deadline().map(|deadline| deadline.at.saturating_since(now));
        Ok(if more || self.readable { Some(Duration::ZERO) } else { deadline })
    }

    fn receive(&mut self, now: Instant) {
        let mut buffer = [0; 2048];
        for _ in 0..BATCH {
            if !self.readable {
                return;
            }
            match self.socket.recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let link = Link { carrier: Carrier(0), local: self.local.into(), remote: remote.into() };
                    // What is not authentic changes nothing but a counter.
                    let _ = self.endpoint.handle_datagram(&mut buffer[..length], Arrival::new(link), now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                // What ICMP said of a datagram sent before, told once. Anybody can send ICMP: it must not end a session.
                Err(_) => {}
            }
        }
    }

    /// Tells events and sends datagrams; true if there is more of it.
    fn send(&mut self, application: &mut impl Application, now: Instant) -> Result<bool, Failure> {
        self.flush();
        for _ in 0..BATCH {
            // Without room there are events only: they need not wait for the socket.
            let room = if self.stuck.is_some() { &mut [][..] } else { &mut self.out[..] };
            match self.endpoint.poll_action(room, now) {
                Action::Transmit(transmit) => {
                    if let Address::Ip(remote) = transmit.link.remote {
                        self.stuck = Some((transmit.len, remote));
                        self.flush();
                    }
                }
                Action::Event(event) => application.on_event(&mut self.endpoint, event, now)?,
                // Nothing to do, or nothing without a socket that takes it: `mio` wakes us when it does.
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn flush(&mut self) {
        let Some((length, remote)) = self.stuck else { return };
        match self.socket.send_to(&self.out[..length], remote) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => self.refused += 1,
            Ok(_) => {}
        }
        self.stuck = None;
    }
}
