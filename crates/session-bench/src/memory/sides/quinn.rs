//! quinn-proto: an endpoint with many connections, and endpoints with one.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, ServerConfig,
    StreamId, TransportConfig,
};
use session_core::Instant;

use super::{ASK, Library, Side};
use crate::Failure;
use crate::certificate::{Certificate, NAME, without_resumption};
use crate::clock;
use crate::report::About;

type Time = std::time::Instant;

/// Datagrams it may make in one call: what quinn asks for.
const SEGMENTS: usize = 10;
const PORT: u16 = 4433;
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)), PORT);
/// Client 0; the others follow.
const FIRST_CLIENT: u32 = u32::from_be_bytes([10, 0, 0, 1]);

pub(in crate::memory) struct QuinnProto {
    server: Arc<ServerConfig>,
    client: ClientConfig,
    /// The instant of its clock that is zero of the harness'.
    zero: Time,
}

impl QuinnProto {
    pub(in crate::memory) fn new() -> Result<Self, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (server, client) = without_resumption(Certificate::new()?.configs(&provider)?);
        let mut transport = TransportConfig::default();
        // Nobody asks whether the peer is there while a row lasts.
        transport.max_idle_timeout(None);
        let transport = Arc::new(transport);
        let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server)?));
        server.transport_config(Arc::clone(&transport));
        let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client)?));
        client.transport_config(transport);
        Ok(Self { server: Arc::new(server), client, zero: clock::zero() })
    }
}

impl Library for QuinnProto {
    fn about(&self) -> About {
        About::package("quinn-proto", "quinn-proto", "X25519, ECDSA P-256, AES-256-GCM, rustls on ring")
    }

    fn server(&self, clients: u32) -> Result<Box<dyn Side>, Failure> {
        Ok(Box::new(QuinnSide::new(None, Some(Arc::clone(&self.server)), clients, self.zero)))
    }

    fn client(&self, number: u32, now: Instant) -> Result<Box<dyn Side>, Failure> {
        let mut side = QuinnSide::new(Some(number), None, 1, self.zero);
        let (_, connection) = side.endpoint.connect(side.time(now), self.client.clone(), SERVER, NAME)?;
        side.hold(connection);
        Ok(Box::new(side))
    }
}

/// A connection and its one stream, which stays open: an application that rests can go on at any time.
struct Held {
    /// On the heap: where its application would have it.
    connection: Box<Connection>,
    stream: Option<StreamId>,
    /// Bytes that have come.
    bytes: usize,
}

struct QuinnSide {
    endpoint: Endpoint,
    /// By handle: none goes before all do.
    held: Vec<Held>,
    /// Those that may have something to send.
    touched: VecDeque<usize>,
    outgoing: VecDeque<(u32, Vec<u8>)>,
    number: Option<u32>,
    zero: Time,
    established: usize,
    served: usize,
}

impl QuinnSide {
    fn new(number: Option<u32>, server: Option<Arc<ServerConfig>>, connections: u32, zero: Time) -> Self {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.map_or(0, |number| u64::from(number) + 1).to_be_bytes());
        let mut config = EndpointConfig::default();
        config.rng_seed(Some(seed));
        Self {
            endpoint: Endpoint::new(Arc::new(config), server, true, None),
            held: Vec::with_capacity(connections as usize),
            touched: VecDeque::new(),
            outgoing: VecDeque::new(),
            number,
            zero,
            established: 0,
            served: 0,
        }
    }

    fn time(&self, now: Instant) -> Time {
        self.zero + Duration::from_micros(now.as_micros())
    }

    fn hold(&mut self, connection: Connection) {
        self.touched.push_back(self.held.len());
        self.held.push(Held { connection: Box::new(connection), stream: None, bytes: 0 });
    }

    /// Lets endpoint and connection tell each other what they have to, and the application read and answer.
    fn settle(&mut self, index: usize) {
        let Some(Held { connection, stream, bytes }) = self.held.get_mut(index) else { return };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(ConnectionHandle(index), event) {
                connection.handle_event(event);
            }
        }
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected => self.established += 1,
                Event::ConnectionLost { .. } => self.established -= 1,
                _ => {}
            }
        }
        if stream.is_none() {
            *stream = connection.streams().accept(Dir::Bi);
        }
        let Some(id) = *stream else { return };
        let mut answer = Vec::new();
        if let Ok(mut chunks) = connection.recv_stream(id).read(true) {
            while let Ok(Some(chunk)) = chunks.next(ASK) {
                answer.extend_from_slice(&chunk.bytes);
            }
            let _ = chunks.finalize();
        }
        if answer.is_empty() {
            return;
        }
        *bytes += answer.len();
        if self.number.is_some() || connection.send_stream(id).write(&answer) == Ok(answer.len()) {
            self.served += usize::from(*bytes == ASK);
        }
    }
}

impl Side for QuinnSide {
    fn handle_datagram(&mut self, client: u32, datagram: Vec<u8>, now: Instant) {
        let (time, mut answer) = (self.time(now), Vec::new());
        let remote = if self.number.is_some() { SERVER } else { address(client) };
        match self.endpoint.handle(time, remote, None, None, BytesMut::from(&datagram[..]), &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(held) = self.held.get_mut(handle.0) {
                    held.connection.handle_event(event);
                    self.touched.push_back(handle.0);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                if let Ok((handle, connection)) = self.endpoint.accept(incoming, time, &mut answer, None) {
                    debug_assert_eq!(handle.0, self.held.len(), "handles follow each other");
                    self.hold(connection);
                }
            }
            Some(DatagramEvent::Response(transmit)) => {
                self.outgoing.push_back((client, answer[..transmit.size].to_vec()));
            }
            None => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let time = self.time(now);
        for (index, held) in self.held.iter_mut().enumerate() {
            if held.connection.poll_timeout().is_some_and(|at| at <= time) {
                held.connection.handle_timeout(time);
                self.touched.push_back(index);
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(u32, Vec<u8>)> {
        let time = self.time(now);
        while self.outgoing.is_empty() {
            let index = *self.touched.front()?;
            self.settle(index);
            let connection = &mut self.held.get_mut(index)?.connection;
            let mut buffer = Vec::with_capacity(SEGMENTS * usize::from(connection.current_mtu()));
            let Some(transmit) = connection.poll_transmit(time, SEGMENTS, &mut buffer) else {
                self.touched.pop_front();
                continue;
            };
            let number = self.number.or_else(|| client(transmit.destination))?;
            let segment = transmit.segment_size.unwrap_or(transmit.size);
            self.outgoing.extend(buffer[..transmit.size].chunks(segment).map(|datagram| (number, datagram.to_vec())));
        }
        self.outgoing.pop_front()
    }

    fn ask(&mut self, _: Instant) {
        let Some(held) = self.held.first_mut() else { return };
        held.stream = held.connection.streams().open(Dir::Bi);
        if let Some(id) = held.stream {
            let _ = held.connection.send_stream(id).write(&[7; ASK]);
            self.touched.push_back(0);
        }
    }

    fn established(&self) -> usize {
        self.established
    }

    fn served(&self) -> usize {
        self.served
    }
}

fn address(client: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(FIRST_CLIENT + client)), PORT)
}

fn client(address: SocketAddr) -> Option<u32> {
    let IpAddr::V4(address) = address.ip() else { return None };
    u32::from(address).checked_sub(FIRST_CLIENT)
}
