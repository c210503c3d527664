//! Two cores in memory, without sockets and in virtual time.

use std::fs;
use std::hint::black_box;

use session_core::{
    Action, Address, Arrival, Carrier, Config, ConnectOptions, Endpoint, Event, Instant, Limits, Link, Peer,
    RustCrypto, SecondSession, Secret, Seed, StaticKey,
};

use crate::clock::measure;

/// Room for a datagram.
const DATAGRAM: usize = 2_048;
/// Polls in one measurement.
const POLLS: u32 = 100_000;

/// Two cores and what is up between them.
pub(super) struct Idle {
    client: Endpoint,
    sessions: u32,
    /// Resident bytes that came with the sessions, both ends.
    grown: Option<u64>,
}

/// Sessions opened per second, the work of both ends counted.
pub(super) fn handshakes(count: u32) -> f64 {
    let (mut client, mut server) = (endpoint(1, count), endpoint(2, count));
    let ((), time) = measure(|| connect(&mut client, &mut server, count));
    f64::from(count) / time.as_secs_f64()
}

impl Idle {
    /// Opens `sessions` and lets them rest.
    pub(super) fn new(sessions: u32) -> Self {
        let (mut client, mut server) = (endpoint(1, sessions), endpoint(2, sessions));
        let before = resident();
        connect(&mut client, &mut server, sessions);
        let grown = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
        // What was refused for want of memory is not counted as resting.
        let sessions = client.session_count();
        Self { client, sessions, grown }
    }

    /// How many are up.
    pub(super) fn sessions(&self) -> u32 {
        self.sessions
    }

    /// What the system says, pages of the pool touched by the handshakes included; too coarse for few sessions.
    pub(super) fn resident_bytes_each(&self) -> Option<f64> {
        let grown = self.grown.filter(|_| self.sessions >= 1_000)?;
        Some(grown as f64 / f64::from(self.sessions) / 2.0)
    }

    /// Nanoseconds of one `poll_action` that finds nothing to do, `runs` times.
    pub(super) fn polls(mut self, runs: usize) -> Vec<f64> {
        let mut out = vec![0; DATAGRAM];
        let at = Instant::from_micros(1);
        let mut run = || {
            let ((), time) = measure(|| {
                for _ in 0..POLLS {
                    let _ = black_box(self.client.poll_action(&mut out, at));
                }
            });
            time.as_secs_f64() * 1e9 / f64::from(POLLS)
        };
        (0..runs).map(|_| run()).collect()
    }
}

fn endpoint(number: u8, sessions: u32) -> Endpoint {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "session-bench");
    config.timeouts.idle = None;
    config.second_session = SecondSession::KeepBoth;
    let mut limits = Limits::default();
    limits.sessions = sessions;
    limits.pending = sessions.min(10);
    limits.pool_blocks = limits.pool_blocks.max(sessions.saturating_mul(4));
    match Endpoint::new(config, limits, RustCrypto, Seed::new([number; 32])) {
        Ok(endpoint) => endpoint,
        Err(error) => unreachable!("the configuration is constant: {error}"),
    }
}

/// Opens one session after the other; time stands still.
fn connect(client: &mut Endpoint, server: &mut Endpoint, count: u32) {
    let at = Instant::from_micros(1);
    let peer = server.public_key();
    let link = Link { carrier: Carrier(0), local: address(1), remote: address(2) };
    let mut out = vec![0; DATAGRAM];
    for _ in 0..count {
        let started = client.connect(Peer::Known { key: peer, psk: None }, link, ConnectOptions::default(), at);
        if started.is_err() {
            return;
        }
        while step(client, server, &mut out, at) | step(server, client, &mut out, at) {}
    }
}

/// Moves one datagram or answers one event; false if there is nothing.
fn step(from: &mut Endpoint, to: &mut Endpoint, out: &mut [u8], at: Instant) -> bool {
    match from.poll_action(out, at) {
        Action::Transmit(datagram) => {
            let link = Link { carrier: Carrier(0), local: datagram.link.remote, remote: datagram.link.local };
            let _ = to.handle_datagram(&mut out[..datagram.len], Arrival::new(link), at);
        }
        Action::Event(Event::Incoming(id)) => {
            if let Some(mut session) = from.session_mut(id, at) {
                let _ = session.accept(&[]);
            }
        }
        Action::Event(_) => {}
        _ => return false,
    }
    true
}

fn address(number: u8) -> Address {
    Address::Opaque([number; 16])
}

/// Resident bytes of this process, where the system tells.
fn resident() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
