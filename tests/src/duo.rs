//! Two stand-alone sessions and a wire between them, in virtual time.

use std::time::Duration;

use session_core::{
    Action, Address, Arrival, Carrier, CarrierConfig, ChannelId, CloseCode, ClosedBy, Config, ConnectOptions, Event,
    Instant, Link, Peer, RustCrypto, Secret, Seed, SendError, Session, SessionMut, State, StaticKey,
};

use crate::counting::inside;
use crate::world::Setup;

const CHANNEL: ChannelId = ChannelId(16);
/// One way along the wire.
const TRIP: Duration = Duration::from_millis(5);

/// Two ends that know each other. Nothing is lost between them.
pub struct Duo {
    /// Both ends.
    pub ends: [Session; 2],
    now: Instant,
    buffer: Vec<u8>,
    /// What each application has been told.
    events: [Vec<Event>; 2],
}

impl Duo {
    /// Two ends that were not connected yet.
    ///
    /// # Panics
    /// If `setup` cannot work.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let session = |number: u8| {
            let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "session-tests");
            config.channels = setup.channels.clone();
            config.carriers = vec![CarrierConfig::udp(setup.max_datagram)];
            config.timeouts = setup.timeouts.clone();
            Session::new(config, setup.limits.clone(), RustCrypto, Seed::new([number; 32])).expect("a setup that works")
        };
        let ends = [session(1), session(2)];
        let buffer = vec![0; ends[0].max_datagram()];
        Self { ends, now: Instant::from_micros(1), buffer, events: [Vec::new(), Vec::new()] }
    }

    /// A whole session begun by `initiator`: opened, `lengths` sent both ways and compared, ended by `closer`, at once if it `aborts`.
    ///
    /// # Panics
    /// If anything of it does not come about.
    pub fn live(&mut self, initiator: usize, closer: usize, aborts: bool, lengths: &[usize]) {
        self.events = [Vec::new(), Vec::new()];
        let peer = Peer::Known { key: self.ends[1 - initiator].public_key(), psk: None };
        let (link, now) = (link(initiator), self.now);
        let begun = inside(|| self.ends[initiator].connect(peer, link, ConnectOptions::default(), now));
        assert_eq!(begun, Ok(()), "the place of the last session is free");
        self.run_until(|duo| duo.states() == [State::Established; 2]);
        for &length in lengths {
            self.exchange(length);
        }
        self.command(closer, |session| if aborts { session.abort(7, "enough") } else { session.close(7, "enough") });
        self.run_until(|duo| duo.events.iter().all(|events| matches!(events.last(), Some(Event::Closed(_)))));
        for end in [0, 1] {
            let reason = self.ends[end].as_ref().and_then(|session| session.close_reason()).expect("it has ended");
            let by = if end == closer { ClosedBy::Local } else { ClosedBy::Peer };
            assert_eq!((reason.by, reason.code, reason.text.as_str()), (by, CloseCode(7), "enough"));
        }
    }

    /// One message each way at the same time.
    fn exchange(&mut self, length: usize) {
        let message = |end: usize| -> Vec<u8> { (0..length).map(|at| (at * 7 + end * 13 + length) as u8).collect() };
        let sent = [message(0), message(1)];
        let mut received: [Option<Vec<u8>>; 2] = [None, None];
        let mut waits = [true, true];
        let limit = self.now.saturating_add(Duration::from_secs(60));
        let mut out = vec![0; length];
        while received.iter().any(Option::is_none) {
            assert!(self.now < limit, "a message of {length} bytes does not arrive");
            for end in [0, 1] {
                if waits[end] {
                    match self.command(end, |session| session.send(&sent[end], CHANNEL)) {
                        Ok(_) => waits[end] = false,
                        Err(error) => assert_eq!(error, SendError::Blocked),
                    }
                }
                if let Ok(Some(length)) = self.command(end, |session| session.recv(&mut out, CHANNEL)) {
                    assert!(received[end].replace(out[..length].to_vec()).is_none(), "two messages for one");
                }
            }
            self.step();
        }
        assert!(received[0].as_ref() == Some(&sent[1]) && received[1].as_ref() == Some(&sent[0]), "bytes differ");
    }

    /// Gives commands to the session of one end.
    ///
    /// # Panics
    /// If there is none.
    pub fn command<T>(&mut self, end: usize, command: impl FnOnce(&mut SessionMut<'_, RustCrypto>) -> T) -> T {
        let now = self.now;
        inside(|| command(&mut self.ends[end].commands(now).expect("there is a session")))
    }

    /// The state of each end.
    #[must_use]
    pub fn states(&self) -> [State; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }

    fn run_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let limit = self.now.saturating_add(Duration::from_secs(60));
        while !is_done(self) {
            assert!(self.now < limit, "{:?}, {:?}", self.states(), self.events);
            self.step();
        }
    }

    /// Carries what there is to carry; then goes to the next deadline.
    fn step(&mut self) {
        let mut quiet = true;
        for end in [0, 1] {
            loop {
                let (now, ends, buffer) = (self.now, &mut self.ends, &mut self.buffer);
                match inside(|| ends[end].poll_action(buffer, now)) {
                    Action::Transmit(transmit) => {
                        let arrival = Arrival::new(link(1 - end));
                        self.now = now.saturating_add(TRIP);
                        let now = self.now;
                        let _ = inside(|| ends[1 - end].handle_datagram(&mut buffer[..transmit.len], arrival, now));
                    }
                    Action::Event(event) => {
                        self.events[end].push(event);
                        if let Event::Incoming(_) = event {
                            self.command(end, |session| session.accept(b"")).expect("it waits for an answer");
                        }
                    }
                    _ => break,
                }
                quiet = false;
            }
        }
        if quiet {
            let next = self.ends.iter().filter_map(Session::next_deadline).map(|deadline| deadline.at).min();
            self.now = next.expect("a session has a deadline").max(self.now);
        }
        let now = self.now;
        for end in &mut self.ends {
            inside(|| end.handle_timeout(now));
        }
    }
}

fn link(from: usize) -> Link {
    let address = |end: usize| Address::Opaque([end as u8; 16]);
    Link { carrier: Carrier(0), local: address(from), remote: address(1 - from) }
}
