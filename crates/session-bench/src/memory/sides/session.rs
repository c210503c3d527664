//! session: a server of many sessions, and endpoints with one.

use std::time::Duration;

use session_core::{
    Action, Address, Arrival, Carrier, ChannelConfig, ChannelId, ChannelMode, Config, ConnectOptions, Endpoint, Event,
    Instant, Limits, Link, Peer, PublicKey, RustCrypto, Secret, Seed, SessionId, StaticKey,
};

use super::{ASK, Library, Side};
use crate::Failure;
use crate::report::{About, OURS};

const ASKS: ChannelId = ChannelId(16);
/// The secret of the server; clients have others.
const SERVER: [u8; 32] = [3; 32];
/// What the sessions of a server share, however many they are.
const POOL_BLOCKS: u32 = 4_096;
const HOT_KEYS: u32 = 1_000;
/// Of either side: nobody asks whether the peer is there while a row lasts.
const KEEPALIVE: Duration = Duration::from_secs(15 * 60);

pub(in crate::memory) struct Session {
    /// Of the server.
    key: PublicKey,
}

impl Session {
    pub(in crate::memory) fn new() -> Self {
        Self { key: *StaticKey::new(&RustCrypto, Secret::new(SERVER)).public() }
    }
}

impl Library for Session {
    fn about(&self) -> About {
        About::package(OURS, "session-core", "X25519, AES-256-GCM, RustCrypto")
    }

    fn server(&self, clients: u32) -> Result<Box<dyn Side>, Failure> {
        let mut limits = Limits::server();
        limits.sessions = clients;
        limits.pending = clients.min(limits.pending);
        limits.pool_blocks = POOL_BLOCKS;
        limits.hot_keys = HOT_KEYS.min(clients);
        Ok(Box::new(SessionSide::new(SERVER, limits, None)?))
    }

    fn client(&self, number: u32, now: Instant) -> Result<Box<dyn Side>, Failure> {
        let mut limits = Limits::server();
        limits.sessions = 1;
        limits.pending = 1;
        limits.hot_keys = 1;
        limits.pool_blocks = 68;
        limits.session_window = 16 * 1024;
        limits.channel_window = 16 * 1024;
        let mut secret = SERVER;
        secret[..8].copy_from_slice(&(u64::from(number) + 1).to_be_bytes());
        let mut side = SessionSide::new(secret, limits, Some(number))?;
        let peer = Peer::Known { key: self.key, psk: None };
        let link = Link { carrier: Carrier(0), local: address(number), remote: Address::Opaque([0; 16]) };
        side.session = Some(side.endpoint.connect(peer, link, ConnectOptions::default(), now)?);
        Ok(Box::new(side))
    }
}

struct SessionSide {
    endpoint: Endpoint,
    buffer: Vec<u8>,
    /// Of a client: its number and its session.
    number: Option<u32>,
    session: Option<SessionId>,
    established: usize,
    served: usize,
}

impl SessionSide {
    fn new(secret: [u8; 32], limits: Limits, number: Option<u32>) -> Result<Self, Failure> {
        let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new(secret)), "session-bench");
        config.channels = vec![ChannelConfig::new(ASKS, ChannelMode::ReliableOrdered)];
        config.timeouts.keepalive = KEEPALIVE;
        let endpoint = Endpoint::new(config, limits, RustCrypto, Seed::new(secret))?;
        let buffer = vec![0; endpoint.max_datagram()];
        Ok(Self { endpoint, buffer, number, session: None, established: 0, served: 0 })
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Incoming(id) => {
                if let Some(mut session) = self.endpoint.session_mut(id, now) {
                    let _ = session.accept(&[]);
                }
            }
            Event::Established(_) => self.established += 1,
            Event::Closed(_) => self.established -= 1,
            Event::Readable(id, ASKS) => {
                let Some(mut session) = self.endpoint.session_mut(id, now) else { return };
                let mut message = [0; ASK];
                if let Ok(Some(length)) = session.recv(&mut message, ASKS)
                    && length == ASK
                    && (self.number.is_some() || session.send(&message, ASKS).is_ok())
                {
                    self.served += 1;
                }
            }
            _ => {}
        }
    }
}

impl Side for SessionSide {
    fn handle_datagram(&mut self, client: u32, mut datagram: Vec<u8>, now: Instant) {
        let (here, there) = match self.number {
            Some(number) => (address(number), Address::Opaque([0; 16])),
            None => (Address::Opaque([0; 16]), address(client)),
        };
        let arrival = Arrival::new(Link { carrier: Carrier(0), local: here, remote: there });
        let _ = self.endpoint.handle_datagram(&mut datagram, arrival, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(u32, Vec<u8>)> {
        loop {
            match self.endpoint.poll_action(&mut self.buffer, now) {
                Action::Transmit(transmit) => {
                    let number = self.number.or_else(|| client(transmit.link.remote))?;
                    return Some((number, self.buffer.get(..transmit.len)?.to_vec()));
                }
                Action::Event(event) => self.on_event(event, now),
                _ => return None,
            }
        }
    }

    fn ask(&mut self, now: Instant) {
        if let Some(mut session) = self.session.and_then(|id| self.endpoint.session_mut(id, now)) {
            let _ = session.send(&[7; ASK], ASKS);
        }
    }

    fn established(&self) -> usize {
        self.established
    }

    fn served(&self) -> usize {
        self.served
    }
}

/// Where a client is; the server is at zero.
fn address(client: u32) -> Address {
    Address::Opaque((u128::from(client) + 1).to_be_bytes())
}

fn client(address: Address) -> Option<u32> {
    let Address::Opaque(bytes) = address else { return None };
    u32::try_from(u128::from_be_bytes(bytes).checked_sub(1)?).ok()
}
