//! What `just instructions` counts: the same work on an endpoint with few sessions and with many.
//!
//! The argument is the number of sessions. With no more than that the program sets them up, says `ready`, and waits for a line, upon which
//! the counter is on. Then it does what is counted. The provider computes nothing, so the cipher is not in the count.

use std::io::{self, BufRead as _};

use session_core::{
    Action, Address, Arrival, Carrier, ChannelId, Config, ConnectOptions, Endpoint, Event, Instant, Limits, Link, Peer,
    SecondSession, Secret, Seed, SessionId, StaticKey,
};
use session_tests::Null;

/// How often each counted function runs; `.ci/instructions.py` divides by it.
const REPETITIONS: usize = 1_000;
/// Sessions that take part in the echoes, spread over all.
const BUSY: usize = 64;
const CHANNEL: ChannelId = ChannelId(16);
const DATAGRAM: usize = 2_048;
const MESSAGE: [u8; 64] = [7; 64];
/// Sessions open, and rest, while time stands still: no deadline comes up.
const START: Instant = Instant::from_micros(1);
/// Time between two echoes: enough for the pacer, and all of them together too short for a keepalive.
const PACE_MICROS: u64 = 1_000;

/// Two endpoints and what is up between them.
struct Pair {
    client: Endpoint<Null>,
    server: Endpoint<Null>,
    out: Vec<u8>,
    /// The server's sessions in the order in which they came up, and the client's.
    accepted: Vec<SessionId>,
    connected: Vec<SessionId>,
}

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).expect("the number of sessions");
    let mut pair = Pair::new(count);
    pair.connect(count);
    println!("ready");
    io::stdin().lock().read_line(&mut String::new()).expect("a line");
    idle_polls(&mut pair);
    echoes(&mut pair);
}

#[inline(never)]
fn idle_polls(pair: &mut Pair) {
    for _ in 0..REPETITIONS {
        let action = idle_poll(&mut pair.server, &mut pair.out);
        assert!(matches!(action, Action::Wait(_)), "there was something to do: {action:?}");
    }
}

/// Counted: a poll that finds nothing to do.
#[inline(never)]
fn idle_poll(endpoint: &mut Endpoint<Null>, out: &mut [u8]) -> Action {
    endpoint.poll_action(out, START)
}

/// The echoes, with all that belongs to them at the other end.
#[inline(never)]
fn echoes(pair: &mut Pair) {
    let stride = pair.accepted.len().div_ceil(BUSY);
    let busy: Vec<_> = pair.connected.iter().copied().zip(pair.accepted.iter().copied()).step_by(stride).collect();
    for (number, ids) in busy.into_iter().cycle().take(REPETITIONS).enumerate() {
        pair.exchange(ids, Instant::from_micros(START.as_micros() + number as u64 * PACE_MICROS));
    }
}

/// A datagram with all that `handle_datagram` wants to know.
struct Arriving<'a> {
    datagram: &'a mut [u8],
    arrival: Arrival,
    at: Instant,
}

/// Counted: a message comes in, is read, and goes back, with every poll until there is nothing left to do.
#[inline(never)]
fn echo(endpoint: &mut Endpoint<Null>, id: SessionId, arriving: Arriving<'_>, out: &mut [u8]) -> usize {
    let Arriving { datagram, arrival, at } = arriving;
    let _ = endpoint.handle_datagram(datagram, arrival, at);
    let mut message = [0; MESSAGE.len()];
    let mut session = endpoint.session_mut(id, at).expect("the session is up");
    let received = session.recv(&mut message, CHANNEL);
    assert_eq!(received, Ok(Some(MESSAGE.len())));
    session.send(&message, CHANNEL).expect("there is credit");
    let mut answer = 0;
    loop {
        match endpoint.poll_action(&mut out[answer..], at) {
            Action::Transmit(transmit) => answer += transmit.len,
            Action::Event(_) => {}
            _ => return answer,
        }
    }
}

impl Pair {
    fn new(sessions: u32) -> Self {
        let (accepted, connected) = (Vec::new(), Vec::new());
        let (client, server) = (endpoint(1, sessions), endpoint(2, sessions));
        Self { client, server, out: vec![0; DATAGRAM], accepted, connected }
    }

    /// Opens sessions one after the other, all between the same two addresses.
    fn connect(&mut self, count: u32) {
        let key = self.server.public_key();
        for _ in 0..count {
            let peer = Peer::Known { key, psk: None };
            let id = self.client.connect(peer, link(), ConnectOptions::default(), START).expect("there is room");
            self.connected.push(id);
            self.settle(START);
        }
        assert_eq!(self.accepted.len(), self.connected.len());
    }

    /// Carries datagrams until both ends have nothing to do.
    fn settle(&mut self, at: Instant) {
        let Self { client, server, out, accepted, .. } = self;
        while step(client, server, out, accepted, at) | step(server, client, out, accepted, at) {}
    }

    /// A message to the server and back.
    fn exchange(&mut self, (at_client, at_server): (SessionId, SessionId), at: Instant) {
        let mut session = self.client.session_mut(at_client, at).expect("the session is up");
        session.send(&MESSAGE, CHANNEL).expect("there is credit");
        let mut datagram = vec![0; DATAGRAM];
        let len = loop {
            match self.client.poll_action(&mut datagram, at) {
                Action::Transmit(transmit) => break transmit.len,
                Action::Event(_) => {}
                action => panic!("nothing is sent: {action:?}"),
            }
        };
        let arrival = Arrival::new(reversed(link()));
        let arriving = Arriving { datagram: &mut datagram[..len], arrival, at };
        let answer = echo(&mut self.server, at_server, arriving, &mut self.out);
        assert!(answer > MESSAGE.len(), "the answer has {answer} bytes");
        let arrival = Arrival::new(link());
        let _ = self.client.handle_datagram(&mut self.out[..answer], arrival, at);
        let mut message = [0; MESSAGE.len()];
        let mut session = self.client.session_mut(at_client, at).expect("the session is up");
        assert_eq!(session.recv(&mut message, CHANNEL), Ok(Some(MESSAGE.len())));
        self.settle(at);
    }
}

/// Moves one datagram or answers one event; false if there is nothing.
fn step(
    from: &mut Endpoint<Null>,
    to: &mut Endpoint<Null>,
    out: &mut [u8],
    accepted: &mut Vec<SessionId>,
    at: Instant,
) -> bool {
    match from.poll_action(out, at) {
        Action::Transmit(datagram) => {
            let arrival = Arrival::new(reversed(datagram.link));
            let _ = to.handle_datagram(&mut out[..datagram.len], arrival, at);
        }
        Action::Event(Event::Incoming(id)) => {
            let mut session = from.session_mut(id, at).expect("it has just come");
            session.accept(&[]).expect("it asks");
            accepted.push(id);
        }
        Action::Event(_) => {}
        _ => return false,
    }
    true
}

fn endpoint(number: u8, sessions: u32) -> Endpoint<Null> {
    let mut config = Config::new(StaticKey::new(&Null, Secret::new([number; 32])), "session-instructions");
    config.timeouts.idle = None;
    config.second_session = SecondSession::KeepBoth;
    let pool_blocks = sessions.saturating_mul(4).max(8_192);
    let mut limits = Limits::default();
    limits.sessions = sessions;
    limits.pending = sessions.min(10);
    limits.pool_blocks = pool_blocks;
    Endpoint::new(config, limits, Null, Seed::new([number; 32])).expect("the configuration is sound")
}

fn link() -> Link {
    Link { carrier: Carrier(0), local: Address::Opaque([1; 16]), remote: Address::Opaque([2; 16]) }
}

/// The same path as the other end sees it.
fn reversed(link: Link) -> Link {
    Link { carrier: link.carrier, local: link.remote, remote: link.local }
}
