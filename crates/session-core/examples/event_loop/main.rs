//! A thousand sessions between two endpoints, in one thread with one `mio::Poll`: each sends a request and gets its answer; when all have theirs, all
//! are closed.
//!
//! Run it: `cargo run --release -p session-core --example event_loop`; `-- 5000` behind it makes more. The part to copy is `node.rs`.

mod node;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::Instant as Clock;

use mio::{Events, Poll, Token};
use session_core::{
    Carrier, ChannelId, CloseSpace, Config, ConnectOptions, Endpoint, Event, Instant, Limits, Link,
    MAX_TENTATIVE_PER_PEER, Peer, PublicKey, RecvError, RustCrypto, SecondSession, Secret, Seed, SessionId, SessionMut,
    StaticKey,
};

use node::{Application, Failure, Node};

const CHANNEL: ChannelId = ChannelId(16);

/// What came about at one end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ledger {
    opened: u64,
    sent: u64,
    received: u64,
    /// By an application, with code 0.
    closed: u64,
}

impl Ledger {
    fn close(&mut self, endpoint: &mut Endpoint, id: SessionId) {
        let reason = endpoint.session(id).and_then(|session| session.close_reason());
        self.closed += u64::from(reason.is_some_and(|it| it.space == CloseSpace::Application && it.code.0 == 0));
        endpoint.forget(id);
    }
}

/// The next number that has come, if one has.
fn receive(session: &mut SessionMut<'_>) -> Option<u64> {
    let mut message = [0; 8];
    match session.recv(&mut message, CHANNEL) {
        Ok(Some(8)) => Some(u64::from_be_bytes(message)),
        Ok(None) | Err(RecvError::Closed) => None,
        Ok(Some(_)) | Err(_) => {
            session.abort(1, "a number has eight bytes");
            None
        }
    }
}

/// Answers every number with its square.
#[derive(Default)]
struct Service {
    ledger: Ledger,
    /// Answers that found no room yet.
    owed: HashMap<SessionId, u64>,
}

impl Service {
    fn serve(&mut self, endpoint: &mut Endpoint, id: SessionId, now: Instant) {
        let Some(mut session) = endpoint.session_mut(id, now) else { return };
        loop {
            // What is owed goes first. While it finds no room nothing more is read, and so the peer's credit ends.
            if let Some(answer) = self.owed.get(&id) {
                if session.send(&answer.to_be_bytes(), CHANNEL).is_err() {
                    return; // `Writable` tells when there is room, `Closed` when there never will be
                }
                self.ledger.sent += 1;
                self.owed.remove(&id);
            }
            let Some(number) = receive(&mut session) else { return };
            self.ledger.received += 1;
            self.owed.insert(id, number.wrapping_mul(number));
        }
    }
}

impl Application for Service {
    fn on_event(&mut self, endpoint: &mut Endpoint, event: Event, now: Instant) -> Result<(), Failure> {
        match event {
            // Here everybody is let in. Who has gone meanwhile needs no answer: `Closed` tells.
            Event::Incoming(id) => {
                let _ = endpoint.session_mut(id, now).map(|mut session| session.accept(b""));
            }
            Event::Established(_) => self.ledger.opened += 1,
            Event::Readable(id, _) | Event::Writable(id, _) => self.serve(endpoint, id, now),
            Event::Closed(id) => {
                self.owed.remove(&id);
                self.ledger.close(endpoint, id);
            }
            _ => {}
        }
        Ok(())
    }
}

/// So many clients, all behind one endpoint.
struct Crowd {
    ledger: Ledger,
    server: PublicKey,
    link: Link,
    sessions: u64,
    begun: u64,
    /// Who has no answer yet, and the number it asks about.
    waiting: HashMap<SessionId, u64>,
}

impl Crowd {
    /// One more, if there is to be one more. A peer takes [`MAX_TENTATIVE_PER_PEER`] at a time of one key: others would have to knock again.
    fn connect(&mut self, endpoint: &mut Endpoint, now: Instant) -> Result<(), Failure> {
        if self.begun < self.sessions {
            let peer = Peer::Known { key: self.server, psk: None };
            let id = endpoint.connect(peer, self.link, ConnectOptions::default(), now)?;
            self.waiting.insert(id, self.begun);
            self.begun += 1;
        }
        Ok(())
    }

    fn ask(&mut self, endpoint: &mut Endpoint, id: SessionId, now: Instant) {
        let (Some(mut session), Some(number)) = (endpoint.session_mut(id, now), self.waiting.get(&id)) else { return };
        // If it finds no room, `Writable` tells when to ask again.
        self.ledger.sent += u64::from(session.send(&number.to_be_bytes(), CHANNEL).is_ok());
    }

    fn hear(&mut self, endpoint: &mut Endpoint, id: SessionId, now: Instant) {
        let Some(answer) = endpoint.session_mut(id, now).as_mut().and_then(receive) else { return };
        let number = self.waiting.remove(&id);
        self.ledger.received += u64::from(number.is_some_and(|number| number.wrapping_mul(number) == answer));
        self.close_all_if_done(endpoint, now);
    }

    fn close_all_if_done(&self, endpoint: &mut Endpoint, now: Instant) {
        if self.begun < self.sessions || !self.waiting.is_empty() {
            return;
        }
        let all: Vec<_> = endpoint.sessions().collect();
        for id in all {
            if let Some(mut session) = endpoint.session_mut(id, now) {
                session.close(0, "that was all");
            }
        }
    }
}

impl Application for Crowd {
    fn on_event(&mut self, endpoint: &mut Endpoint, event: Event, now: Instant) -> Result<(), Failure> {
        match event {
            Event::Established(id) => {
                self.ledger.opened += 1;
                self.ask(endpoint, id, now);
                self.connect(endpoint, now)?;
            }
            Event::Writable(id, _) => self.ask(endpoint, id, now),
            Event::Readable(id, _) => self.hear(endpoint, id, now),
            Event::Closed(id) => {
                self.ledger.close(endpoint, id);
                if self.waiting.remove(&id).is_some() {
                    // It ended early. The ledger will tell; the others go on.
                    self.connect(endpoint, now)?;
                    self.close_all_if_done(endpoint, now);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let sessions = std::env::args().nth(1).map_or(Ok(1000), |number| number.parse::<u32>())?;
    let started = clock();
    let mut poll = Poll::new()?;
    let mut here = Node::new(endpoint(sessions)?, poll.registry(), Token(0))?;
    let mut there = Node::new(endpoint(sessions)?, poll.registry(), Token(1))?;

    let link = Link { carrier: Carrier(0), local: here.local.into(), remote: there.local.into() };
    let (server, sessions) = (there.endpoint.public_key(), u64::from(sessions));
    let mut service = Service::default();
    let mut crowd = Crowd { ledger: Ledger::default(), server, link, sessions, begun: 0, waiting: HashMap::new() };
    for _ in 0..MAX_TENTATIVE_PER_PEER {
        crowd.connect(&mut here.endpoint, started.now())?;
    }

    let mut events = Events::with_capacity(2);
    loop {
        let rest = [here.turn(&mut crowd, started.now())?, there.turn(&mut service, started.now())?];
        // Nobody is there any more, but for those who left in silence: a deadline ends them too.
        if here.endpoint.session_count() + there.endpoint.session_count() == 0 {
            break;
        }
        match poll.poll(&mut events, rest.into_iter().flatten().min()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let node = if event.token() == Token(0) { &mut here } else { &mut there };
            node.readable |= event.is_readable();
        }
    }

    println!("client: {:?}, {} datagrams refused by the system", crowd.ledger, here.refused);
    println!("server: {:?}, {} datagrams refused by the system", service.ledger, there.refused);
    println!("{sessions} sessions in {:.2} s", started.now().as_micros() as f64 / 1e6);
    let all = Ledger { opened: sessions, sent: sessions, received: sessions, closed: sessions };
    if crowd.ledger != all || service.ledger != all {
        return Err("the books do not balance".into());
    }
    Ok(())
}

fn endpoint(sessions: u32) -> Result<Endpoint, Failure> {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new(entropy()?)), "event-loop/1");
    // All clients have one key here.
    config.second_session = SecondSession::KeepBoth;
    let mut limits = Limits::default();
    (limits.sessions, limits.hot_keys) = (sessions, sessions);
    // The pool of 64 MiB holds windows of 16 KiB for more than two thousand sessions at a time; where there are more, some wait.
    (limits.session_window, limits.channel_window) = (16 << 10, 16 << 10);
    Ok(Endpoint::new(config, limits, RustCrypto, Seed::new(entropy()?))?)
}

/// 32 bytes of the operating system's generator.
fn entropy() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// This program's clock: the only place that reads one.
#[derive(Clone, Copy)]
struct Started(Clock);

impl Started {
    #[expect(clippy::disallowed_methods, reason = "an example is its own adapter")]
    fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

#[expect(clippy::disallowed_methods, reason = "an example is its own adapter")]
fn clock() -> Started {
    Started(Clock::now())
}
