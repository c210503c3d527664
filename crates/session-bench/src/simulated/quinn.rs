//! An end of quinn-proto.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, ServerConfig,
    StreamId, TransportConfig, VarInt,
};
use session_core::Instant;

use super::WINDOW;
use session_sim::inside;

use super::end::{End, MESSAGE};
use crate::Failure;
use crate::certificate::{Certificate, NAME};
use crate::clock;

type Time = std::time::Instant;

/// Datagrams it may make in one call: what quinn asks for.
const SEGMENTS: usize = 10;
/// The streams, by their index: the sender opens them in this order.
const BULK: u64 = 0;
const MESSAGES: u64 = 1;

/// An endpoint with one connection.
pub(super) struct QuinnEnd {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    /// The instant of its clock that is zero of the simulator's.
    zero: Time,
    remote: SocketAddr,
    is_established: bool,
    /// Bulk flow and messages, once they are open.
    streams: [Option<StreamId>; 2],
    outgoing: VecDeque<Vec<u8>>,
    /// Bytes of messages that were given and not taken yet, and that have come and make no whole message yet.
    unsent: VecDeque<u8>,
    unread: VecDeque<u8>,
}

/// An initiator and a responder.
pub(super) fn pair(datagram: u16, seed: u64, now: Instant) -> Result<[Box<dyn End>; 2], Failure> {
    // Signatures of this kind have one length: the same seed gives datagrams of the same lengths.
    let certificate = Certificate::with(&rcgen::PKCS_ED25519)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (server, client) = certificate.configs(&provider)?;
    let transport = Arc::new(transport(datagram)?);
    let mut server_config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
    server_config.transport_config(Arc::clone(&transport));
    let mut client_config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
    client_config.transport_config(transport);

    let zero = clock::zero();
    let mut client = QuinnEnd::new(1, seed, None, zero);
    let server = QuinnEnd::new(2, seed, Some(Arc::new(server_config)), zero);
    let connection = client.endpoint.connect(client.time(now), client_config, client.remote, NAME)?;
    client.connection = Some(connection);
    Ok([Box::new(client), Box::new(server)])
}

/// Its defaults, but for datagrams and the window of a stream, which are those of the other side. It keeps eight windows to send, as by default:
/// with one, the bulk flow would leave no room for messages.
fn transport(datagram: u16) -> Result<TransportConfig, Failure> {
    let mut transport = TransportConfig::default();
    transport
        .initial_mtu(datagram)
        .mtu_discovery_config(None)
        .stream_receive_window(VarInt::try_from(WINDOW)?)
        .send_window(WINDOW * 8);
    Ok(transport)
}

impl QuinnEnd {
    fn new(number: u8, seed: u64, server: Option<Arc<ServerConfig>>, zero: Time) -> Self {
        let mut bytes = [number; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let mut config = EndpointConfig::default();
        config.rng_seed(Some(bytes));
        Self {
            endpoint: Endpoint::new(Arc::new(config), server, true, None),
            connection: None,
            zero,
            remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3 - number)), 4433),
            is_established: false,
            streams: [None; 2],
            outgoing: VecDeque::new(),
            unsent: VecDeque::new(),
            unread: VecDeque::new(),
        }
    }

    fn time(&self, now: Instant) -> Time {
        self.zero + Duration::from_micros(now.as_micros())
    }

    /// Lets endpoint and connection tell each other what they have to, and hears what the application is told.
    fn settle(&mut self) {
        let Some((handle, connection)) = &mut self.connection else { return };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected => self.is_established = true,
                Event::ConnectionLost { .. } => self.is_established = false,
                _ => {}
            }
        }
    }

    /// The stream that this end sends on.
    fn sending(&mut self, index: u64) -> Option<StreamId> {
        let (_, connection) = self.connection.as_mut().filter(|_| self.is_established)?;
        if self.streams[0].is_none() {
            let bulk = connection.streams().open(Dir::Uni)?;
            let messages = connection.streams().open(Dir::Uni)?;
            connection.send_stream(messages).set_priority(1).ok()?;
            self.streams = [Some(bulk), Some(messages)];
        }
        self.streams[index as usize]
    }

    /// Reads from a stream of the peer.
    fn take(&mut self, index: u64, most: usize, mut into: impl FnMut(&[u8])) -> usize {
        let Some((_, connection)) = &mut self.connection else { return 0 };
        while let Some(id) = connection.streams().accept(Dir::Uni) {
            self.streams[id.index() as usize] = Some(id);
        }
        let Some(id) = self.streams[index as usize] else { return 0 };
        let mut stream = connection.recv_stream(id);
        let Ok(mut chunks) = inside(|| stream.read(true)) else { return 0 };
        let mut taken = 0;
        while taken < most
            && let Ok(Some(chunk)) = inside(|| chunks.next(most - taken))
        {
            taken += chunk.bytes.len();
            into(&chunk.bytes);
        }
        let _ = chunks.finalize();
        taken
    }

    fn flush_messages(&mut self) {
        let Some(id) = self.sending(MESSAGES) else { return };
        let Some((_, connection)) = &mut self.connection else { return };
        let written = connection.send_stream(id).write(self.unsent.make_contiguous()).unwrap_or(0);
        self.unsent.drain(..written);
    }
}

impl End for QuinnEnd {
    fn handle_datagram(&mut self, datagram: Vec<u8>, now: Instant) {
        let (time, mut answer) = (self.time(now), Vec::new());
        let datagram = BytesMut::from(&datagram[..]);
        match inside(|| self.endpoint.handle(time, self.remote, None, None, datagram, &mut answer)) {
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut self.connection {
                    inside(|| connection.handle_event(event));
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) if self.connection.is_none() => {
                self.connection = self.endpoint.accept(incoming, time, &mut answer, None).ok();
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.endpoint.ignore(incoming),
            Some(DatagramEvent::Response(transmit)) => self.outgoing.push_back(answer[..transmit.size].to_vec()),
            None => {}
        }
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        let time = self.time(now);
        if let Some((_, connection)) = &mut self.connection {
            inside(|| connection.handle_timeout(time));
        }
        self.settle();
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(datagram) = self.outgoing.pop_front() {
            return Some(datagram);
        }
        let time = self.time(now);
        let (_, connection) = self.connection.as_mut()?;
        // Its caller makes the buffer, large enough at once.
        let mut buffer = Vec::with_capacity(SEGMENTS * usize::from(connection.current_mtu()));
        let transmit = inside(|| connection.poll_transmit(time, SEGMENTS, &mut buffer))?;
        let segment = transmit.segment_size.unwrap_or(transmit.size);
        self.outgoing.extend(buffer[..transmit.size].chunks(segment).map(<[u8]>::to_vec));
        self.settle();
        self.outgoing.pop_front()
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        let at = self.connection.as_mut()?.1.poll_timeout()?.saturating_duration_since(self.zero);
        Some(Instant::from_micros(u64::try_from(at.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)))
    }

    fn is_established(&self) -> bool {
        self.is_established
    }

    fn write(&mut self, bytes: &[u8], _: Instant) -> usize {
        self.flush_messages();
        let Some(id) = self.sending(BULK) else { return 0 };
        self.connection
            .as_mut()
            .map_or(0, |(_, connection)| inside(|| connection.send_stream(id).write(bytes).unwrap_or(0)))
    }

    fn finish(&mut self, _: Instant) {
        if let (Some(id), Some((_, connection))) = (self.sending(BULK), &mut self.connection) {
            let _ = connection.send_stream(id).finish();
        }
    }

    fn read(&mut self, buffer: &mut [u8], _: Instant) -> usize {
        let mut filled = 0;
        self.take(BULK, buffer.len(), |bytes| {
            buffer[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        })
    }

    fn send_message(&mut self, message: &[u8; MESSAGE], _: Instant) -> bool {
        if self.sending(MESSAGES).is_none() {
            return false;
        }
        self.flush_messages();
        let has_room = self.unsent.is_empty();
        if has_room {
            self.unsent.extend(message);
            self.flush_messages();
        }
        has_room
    }

    fn receive_message(&mut self, _: Instant) -> Option<[u8; MESSAGE]> {
        let mut unread = std::mem::take(&mut self.unread);
        self.take(MESSAGES, MESSAGE - unread.len().min(MESSAGE), |bytes| unread.extend(bytes));
        self.unread = unread;
        if self.unread.len() < MESSAGE {
            return None;
        }
        let mut message = [0; MESSAGE];
        self.unread.drain(..MESSAGE).zip(&mut message).for_each(|(byte, place)| *place = byte);
        Some(message)
    }
}
