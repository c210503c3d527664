//! Two endpoints with many sessions between them, in virtual time, and a provider that computes nothing.

use session_core::{
    Action, Address, Arrival, Carrier, ChannelId, Config, ConnectOptions, Endpoint, Event, Instant, Limits, Link, Peer,
    SecondSession, Secret, Seed, SessionId, StaticKey,
};

use crate::Null;
use crate::counting::inside;

/// The channel every session has.
pub const CHANNEL: ChannelId = ChannelId(16);
/// Longer than any datagram.
pub const DATAGRAM: usize = 2_048;

/// Two endpoints, a wire that loses nothing and takes no time, and what is up between them.
pub struct Pair {
    /// Who connects.
    pub client: Endpoint<Null>,
    /// Who accepts.
    pub server: Endpoint<Null>,
    /// The client's sessions in the order in which they were opened.
    pub connected: Vec<SessionId>,
    /// The server's in the order in which they came up.
    pub accepted: Vec<SessionId>,
    /// Datagrams carried.
    pub datagrams: u64,
    out: Vec<u8>,
}

impl Pair {
    /// Two endpoints without sessions.
    ///
    /// # Panics
    /// If `limits` and `adapt` leave a configuration that cannot work.
    #[must_use]
    pub fn new(limits: &Limits, adapt: impl Fn(&mut Config)) -> Self {
        let endpoint = |number: u8| {
            let mut config = Config::new(StaticKey::new(&Null, Secret::new([number; 32])), "session-pair");
            config.timeouts.idle = None;
            config.second_session = SecondSession::KeepBoth;
            config.channels = vec![CHANNEL.into()];
            adapt(&mut config);
            let limits = limits.clone();
            inside(|| Endpoint::new(config, limits, Null, Seed::new([number; 32]))).expect("a configuration that works")
        };
        let (client, server) = (endpoint(1), endpoint(2));
        Self { client, server, connected: Vec::new(), accepted: Vec::new(), datagrams: 0, out: vec![0; DATAGRAM] }
    }

    /// Opens sessions one after the other, all between the same two addresses.
    ///
    /// # Panics
    /// If one does not come up.
    pub fn connect(&mut self, count: u32, at: Instant) {
        let key = self.server.public_key();
        for _ in 0..count {
            let peer = Peer::Known { key, psk: None };
            let id =
                inside(|| self.client.connect(peer, link(), ConnectOptions::default(), at)).expect("there is room");
            self.connected.push(id);
            self.settle(at);
        }
        assert_eq!(self.accepted.len(), self.connected.len(), "every session comes up");
    }

    /// Sends `message` both ways on the session of that number, and reads it.
    ///
    /// # Panics
    /// If it does not arrive as it was.
    pub fn exchange(&mut self, number: usize, message: &[u8], at: Instant) {
        let mut read = vec![0; message.len()];
        let (at_client, at_server) = (self.connected[number], self.accepted[number]);
        for (id, endpoint) in [(at_client, &mut self.client), (at_server, &mut self.server)] {
            let mut session = endpoint.session_mut(id, at).expect("the session is up");
            inside(|| session.send(message, CHANNEL)).expect("there is credit");
        }
        self.settle(at);
        for (id, endpoint) in [(at_client, &mut self.client), (at_server, &mut self.server)] {
            let mut session = endpoint.session_mut(id, at).expect("the session is up");
            assert_eq!(inside(|| session.recv(&mut read, CHANNEL)), Ok(Some(message.len())));
            assert_eq!(read, message);
        }
        self.settle(at);
    }

    /// Carries datagrams until both ends have nothing to do.
    pub fn settle(&mut self, at: Instant) {
        let Self { client, server, out, accepted, datagrams, .. } = self;
        while step(client, server, out, accepted, datagrams, at) | step(server, client, out, accepted, datagrams, at) {}
    }

    /// Serves every deadline up to `until`; returns how many calls of `handle_timeout` that took.
    pub fn run_until(&mut self, until: Instant) -> u64 {
        let mut calls = 0;
        loop {
            let next = [self.client.next_deadline(), self.server.next_deadline()];
            let Some(at) = next.into_iter().flatten().map(|deadline| deadline.at).min().filter(|at| *at <= until)
            else {
                return calls;
            };
            for endpoint in [&mut self.client, &mut self.server] {
                if endpoint.next_deadline().is_some_and(|deadline| deadline.at <= at) {
                    inside(|| endpoint.handle_timeout(at));
                    calls += 1;
                }
            }
            self.settle(at);
        }
    }
}

/// Moves one datagram or answers one event; false if there is nothing.
///
/// # Panics
/// If the endpoint wants anything else.
fn step(
    from: &mut Endpoint<Null>,
    to: &mut Endpoint<Null>,
    out: &mut [u8],
    accepted: &mut Vec<SessionId>,
    datagrams: &mut u64,
    at: Instant,
) -> bool {
    match inside(|| from.poll_action(out, at)) {
        Action::Transmit(datagram) => {
            let arrival = Arrival::new(reversed(datagram.link));
            let _ = inside(|| to.handle_datagram(&mut out[..datagram.len], arrival, at));
            *datagrams += 1;
        }
        Action::Event(Event::Incoming(id)) => {
            let mut session = from.session_mut(id, at).expect("it has just come");
            inside(|| session.accept(&[])).expect("it asks");
            accepted.push(id);
        }
        Action::Event(_) => {}
        Action::Wait(_) => return false,
        action => panic!("the buffer is longer than any datagram, yet {action:?}"),
    }
    true
}

/// The path as the client sees it.
#[must_use]
pub fn link() -> Link {
    Link { carrier: Carrier(0), local: Address::Opaque([1; 16]), remote: Address::Opaque([2; 16]) }
}

/// The same path as the other end sees it.
#[must_use]
pub fn reversed(link: Link) -> Link {
    Link { carrier: link.carrier, local: link.remote, remote: link.local }
}
