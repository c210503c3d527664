//! An end of session.

use session_core::{
    Action, Address, Arrival, Carrier, CarrierConfig, ChannelConfig, ChannelId, ChannelMode, Config, ConnectOptions,
    Endpoint, Event, Instant, Limits, Link, Peer, Provider, PublicKey, RustCrypto, Secret, Seed, SessionId, StaticKey,
};

use super::WINDOW;
use session_sim::inside;

use super::end::{End, MESSAGE};
use super::profile::QUIC_DATAGRAM;
use crate::Failure;

const BULK: ChannelId = ChannelId(16);
const MESSAGES: ChannelId = ChannelId(17);

/// An endpoint with one session.
pub(super) struct SessionEnd<P: Provider> {
    endpoint: Endpoint<P>,
    session: Option<SessionId>,
    is_established: bool,
    has_begun: bool,
    buffer: Vec<u8>,
}

/// An initiator and a responder that know each other.
pub(super) fn pair(datagram: u16, seed: u64, now: Instant) -> Result<[Box<dyn End>; 2], Failure> {
    pair_with(RustCrypto, datagram, seed, now)
}

/// The same with other ciphers.
pub(super) fn pair_with<P: Provider + Copy + 'static>(
    provider: P,
    datagram: u16,
    seed: u64,
    now: Instant,
) -> Result<[Box<dyn End>; 2], Failure> {
    let mut server = SessionEnd::new(provider, 2, datagram, seed)?;
    let mut client = SessionEnd::new(provider, 1, datagram, seed)?;
    client.connect(server.endpoint.public_key(), now)?;
    server.session = None;
    Ok([Box::new(client), Box::new(server)])
}

impl<P: Provider> SessionEnd<P> {
    fn new(provider: P, number: u8, datagram: u16, seed: u64) -> Result<Self, Failure> {
        let mut config = Config::new(StaticKey::new(&provider, Secret::new([number; 32])), "session-bench");
        let mut carrier = CarrierConfig::udp(datagram);
        carrier.padding = datagram >= QUIC_DATAGRAM;
        config.carriers = vec![carrier];
        config.channels = vec![
            ChannelConfig::new(BULK, ChannelMode::ReliableOrdered),
            ChannelConfig::new(MESSAGES, ChannelMode::ReliableOrdered).with_priority(0),
        ];
        let mut limits = Limits::default();
        let blocks = u32::try_from(WINDOW / u64::from(limits.block_size))?;
        limits.sessions = 1;
        limits.pending = 1;
        limits.session_window = WINDOW;
        limits.channel_window = WINDOW;
        limits.send_blocks = blocks;
        limits.record_blocks = blocks;
        limits.pool_blocks = blocks * 4;
        let mut bytes = [number; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let endpoint = Endpoint::new(config, limits, provider, Seed::new(bytes))?;
        let buffer = vec![0; endpoint.max_datagram()];
        Ok(Self { endpoint, session: None, is_established: false, has_begun: false, buffer })
    }

    fn connect(&mut self, key: PublicKey, now: Instant) -> Result<(), Failure> {
        let peer = Peer::Known { key, psk: None };
        self.session = Some(self.endpoint.connect(peer, LINK, ConnectOptions::default(), now)?);
        Ok(())
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Incoming(id) => {
                if let Some(mut session) = self.endpoint.session_mut(id, now) {
                    let _ = session.accept(&[]);
                }
            }
            Event::Established(id) => {
                self.session = Some(id);
                self.is_established = true;
            }
            Event::Closed(_) => self.is_established = false,
            _ => {}
        }
    }
}

impl<P: Provider> End for SessionEnd<P> {
    fn handle_datagram(&mut self, mut datagram: Vec<u8>, now: Instant) {
        let _ = inside(|| self.endpoint.handle_datagram(&mut datagram, Arrival::new(LINK), now));
    }

    fn handle_timeout(&mut self, now: Instant) {
        inside(|| self.endpoint.handle_timeout(now));
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        loop {
            match inside(|| self.endpoint.poll_action(&mut self.buffer, now)) {
                Action::Transmit(transmit) => return self.buffer.get(..transmit.len).map(<[u8]>::to_vec),
                Action::Event(event) => self.on_event(event, now),
                _ => return None,
            }
        }
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        self.endpoint.next_deadline().map(|deadline| deadline.at)
    }

    fn is_established(&self) -> bool {
        self.is_established
    }

    /// What is written before the answer leaves with the packet that ends the handshake.
    fn may_write(&self) -> bool {
        self.session.is_some()
    }

    fn write(&mut self, bytes: &[u8], now: Instant) -> usize {
        let Some(mut session) = self.session.and_then(|id| self.endpoint.session_mut(id, now)) else { return 0 };
        if !self.has_begun {
            self.has_begun = session.begin(BULK).is_ok();
        }
        inside(|| session.write(bytes, BULK).unwrap_or(0))
    }

    fn finish(&mut self, now: Instant) {
        if let Some(mut session) = self.session.and_then(|id| self.endpoint.session_mut(id, now)) {
            let _ = session.finish(BULK);
        }
    }

    fn read(&mut self, buffer: &mut [u8], now: Instant) -> usize {
        let Some(mut session) = self.session.and_then(|id| self.endpoint.session_mut(id, now)) else { return 0 };
        inside(|| session.read(buffer, BULK)).ok().flatten().map_or(0, |chunk| chunk.length)
    }

    fn send_message(&mut self, message: &[u8; MESSAGE], now: Instant) -> bool {
        let Some(mut session) = self.session.and_then(|id| self.endpoint.session_mut(id, now)) else { return false };
        session.send(message, MESSAGES).is_ok()
    }

    fn receive_message(&mut self, now: Instant) -> Option<[u8; MESSAGE]> {
        let mut message = [0; MESSAGE];
        let mut session = self.endpoint.session_mut(self.session?, now)?;
        session.recv(&mut message, MESSAGES).ok().flatten().map(|_| message)
    }
}

const LINK: Link = Link { carrier: Carrier(0), local: Address::Opaque([1; 16]), remote: Address::Opaque([2; 16]) };
