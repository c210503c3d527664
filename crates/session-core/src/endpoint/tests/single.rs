//! The stand-alone session: when its one place is free, and any call in any order.

use super::any_order::{Random, STATES, null_config, run_campaigns};
use super::*;
use crate::endpoint::Session;
use crate::fuzz::null::Null;
use crate::session::State;

/// Stand-alone sessions and everything that passes between them.
struct World<P: Provider> {
    ends: Vec<Session<P>>,
    now: Instant,
    /// Packets on their way: from and to whom, and the bytes.
    on_the_way: Vec<(usize, usize, Vec<u8>)>,
    events: Vec<Vec<Event>>,
}

impl World<RustCrypto> {
    fn new() -> Self {
        let ends = (1..=3).map(|number| {
            let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
            Session::new(Config::new(key, "test"), small_limits(), RustCrypto, Seed::new([number; 32])).unwrap()
        });
        Self::of(ends.collect())
    }

    fn established() -> Self {
        let mut world = Self::new();
        world.establish();
        world
    }
}

impl<P: Provider> World<P> {
    fn of(ends: Vec<Session<P>>) -> Self {
        let events = ends.iter().map(|_| Vec::new()).collect();
        Self { ends, now: Instant::from_micros(1), on_the_way: Vec::new(), events }
    }

    fn connect(&mut self, from: usize, to: usize) -> Result<(), ConnectError> {
        let peer = Peer::Known { key: self.ends[to].public_key(), psk: None };
        self.ends[from].connect(peer, link(from as u8, to as u8), ConnectOptions::default(), self.now)
    }

    fn speak(&mut self, end: usize) {
        let mut out = [0; 2000];
        for turn in 0.. {
            assert!(turn < 10_000, "poll_action does not come to an end");
            match self.ends[end].poll_action(&mut out, self.now) {
                Action::Transmit(transmit) => {
                    let Address::Opaque(to) = transmit.link.remote else { panic!("{transmit:?}") };
                    self.on_the_way.push((end, usize::from(to[0]), out[..transmit.len].to_vec()));
                }
                Action::Event(event) => self.events[end].push(event),
                _ => break,
            }
        }
        let surplus = self.on_the_way.len().saturating_sub(64);
        self.on_the_way.drain(..surplus);
    }

    /// Delivers what is on its way, and lets everybody speak.
    fn carry(&mut self) -> Vec<Received> {
        for end in 0..self.ends.len() {
            self.speak(end);
        }
        let packets = core::mem::take(&mut self.on_the_way);
        let received = packets.into_iter().map(|(from, to, mut packet)| {
            let arrival = Arrival::new(link(to as u8, from as u8));
            self.ends[to].handle_datagram(&mut packet, arrival, self.now)
        });
        let received = received.collect();
        for end in 0..self.ends.len() {
            self.speak(end);
        }
        received
    }

    fn command<T>(&mut self, end: usize, command: impl FnOnce(&mut SessionMut<'_, P>) -> T) -> T {
        command(&mut self.ends[end].commands(self.now).expect("there is a session"))
    }

    /// Ends 0 and 1 have a session.
    fn establish(&mut self) {
        self.connect(0, 1).unwrap();
        for _ in 0..3 {
            self.carry();
        }
        self.command(1, |session| session.accept(b"")).unwrap();
        for _ in 0..3 {
            self.carry();
        }
        assert_eq!([self.ends[0].state(), self.ends[1].state()], [State::Established; 2]);
    }

    fn is_told_closed(&self, end: usize) -> bool {
        matches!(self.events[end].last(), Some(Event::Closed(_)))
    }
}

#[test]
fn there_is_nothing_before_the_first_connect() {
    let mut world = World::new();
    let now = world.now;
    assert_eq!(world.ends[0].state(), State::Closed);
    assert!(world.ends[0].as_ref().is_none() && world.ends[0].commands(now).is_none());
    assert_eq!(world.ends[0].next_deadline(), None);
}

#[test]
fn while_a_session_lives_nobody_takes_its_place() {
    let mut world = World::established();
    let before = world.ends[1].digest();
    world.connect(2, 1).unwrap();
    assert_eq!(world.carry(), [Received::Discarded(DiscardReason::SessionsFull)]);
    assert_eq!(world.ends[1].digest(), before);
    assert_eq!(world.connect(1, 2), Err(ConnectError::TooManySessions));
    assert_eq!(world.ends[1].digest(), before);
}

#[test]
fn a_session_that_ended_keeps_its_place_until_that_is_told() {
    let mut world = World::established();
    world.command(0, |session| session.abort(1, ""));
    assert_eq!(world.connect(0, 1), Err(ConnectError::TooManySessions));
    world.speak(0);
    assert!(world.is_told_closed(0));
    assert_eq!(world.connect(0, 1), Ok(()));
}

/// Who begins anew on `Closed`, or stops, has told the peer.
#[test]
fn closed_is_told_after_close_has_left() {
    let mut world = World::established();
    world.command(0, |session| session.abort(1, ""));
    let mut out = [0; 2000];
    assert!(matches!(world.ends[0].poll_action(&mut out[..100], world.now), Action::NeedsRoom(_)));
    assert!(matches!(world.ends[0].poll_action(&mut out, world.now), Action::Transmit(_)));
    assert!(matches!(world.ends[0].poll_action(&mut out, world.now), Action::Event(Event::Closed(_))));
}

/// The peer hears CLOSE and begins again at once: this end is still in its quiet time, and has data that nobody read.
#[test]
fn quiet_time_and_unread_data_hold_up_no_next_session() {
    for initiator in [0, 1] {
        let mut world = World::established();
        world.command(0, |session| session.send(b"never read", CHANNEL)).unwrap();
        world.carry();
        world.command(0, |session| session.abort(1, ""));
        world.carry();
        assert!(world.is_told_closed(0) && world.is_told_closed(1));
        assert_eq!(world.ends[1].as_ref().unwrap().message_length(CHANNEL), Some(10));
        world.connect(initiator, 1 - initiator).unwrap();
        assert_eq!(world.carry().last(), Some(&Received::Consumed));
        for _ in 0..2 {
            world.carry();
        }
        assert!(matches!(world.events[1 - initiator].last(), Some(Event::Incoming(_))), "{:?}", world.events);
        assert_eq!(world.ends[1].as_ref().unwrap().message_length(CHANNEL), None);
    }
}

/// A replayed Hello, or that of a peer that goes away, must not lock us up.
#[test]
fn a_stranger_that_only_knocks_does_not_hold_up_connect() {
    let mut world = World::new();
    world.connect(2, 0).unwrap();
    world.carry();
    assert_eq!(world.ends[0].state(), State::Handshaking);
    world.on_the_way.clear();
    world.establish();
    assert_eq!(world.ends[0].as_ref().unwrap().role(), crate::ids::Role::Initiator);
    world.ends[0].endpoint.assert_invariants();
}

#[test]
fn once_a_peer_has_asked_connect_waits_for_the_answer() {
    let mut world = World::new();
    world.connect(1, 0).unwrap();
    for _ in 0..3 {
        world.carry();
    }
    assert!(matches!(world.events[0][..], [Event::Incoming(_)]));
    assert_eq!(world.connect(0, 1), Err(ConnectError::TooManySessions));
    world.command(0, |session| session.refuse(CloseCode::BUSY, "", None)).unwrap();
    for _ in 0..3 {
        world.carry();
    }
    assert_eq!(world.connect(0, 1), Ok(()));
}

// --- any order ---

/// Every public method of a stand-alone session. What it lends out is called by `any_order`.
const METHODS: &[&str] = &[
    "handle_datagram",
    "handle_timeout",
    "poll_action",
    "next_deadline",
    "connect",
    "commands",
    "as_ref",
    "state",
    "discards",
    "public_key",
    "max_datagram",
    "add_entropy",
    "entropy_changed",
    "digest",
];

type Calls = [[u32; METHODS.len()]; STATES.len()];

impl World<Null> {
    fn null() -> Self {
        let new = |number| Session::new(null_config(number), small_limits(), Null, Seed::new([number; 32])).unwrap();
        Self::of([1, 2].map(new).into())
    }

    /// Both ends have ended what they had, and told so.
    fn clear(&mut self) {
        for end in [0, 1] {
            if let Some(mut session) = self.ends[end].commands(self.now) {
                session.abort(0, "");
            }
            self.speak(end);
            if self.ends[end].endpoint.slots.at(0).is_some_and(|core| !core.is_told()) {
                // It had been closed in order and waited for the other's answer.
                self.now = self.now.saturating_add(Duration::from_secs(10));
                self.ends[end].handle_timeout(self.now);
                self.speak(end);
            }
        }
        self.on_the_way.clear();
    }

    /// An end in `state`.
    fn bring(&mut self, state: State, random: &mut Random) -> usize {
        let first = random.below(2);
        if let Some(end) = [first, 1 - first].into_iter().find(|end| self.ends[*end].state() == state) {
            return end;
        }
        self.clear();
        let other = 1 - first;
        if state == State::Established || state == State::Closing {
            self.connect(first, other).unwrap();
            (0..3).for_each(|_| drop(self.carry()));
            self.command(other, |session| session.accept(b"")).unwrap();
            (0..3).for_each(|_| drop(self.carry()));
            if state == State::Closing {
                self.command(
                    first,
                    |session| if random.below(2) == 0 { session.abort(1, "") } else { session.close(1, "") },
                );
            }
        } else if state == State::Closed {
            self.now = self.now.saturating_add(Duration::from_secs(10));
            self.ends[first].handle_timeout(self.now);
        } else {
            self.connect(first, other).unwrap();
            if state != State::Connecting {
                self.speak(first);
            }
            if state == State::Handshaking {
                let rounds = 1 + random.below(2);
                (0..rounds).for_each(|_| drop(self.carry()));
            }
        }
        let found = [first, other].into_iter().find(|end| self.ends[*end].state() == state);
        found.unwrap_or_else(|| panic!("no end gets to {state:?}: {:?}", [self.ends[0].state(), self.ends[1].state()]))
    }

    fn any_now(&mut self, random: &mut Random) -> Instant {
        let now = self.now.as_micros();
        match random.below(20) {
            0 => Instant::EPOCH,
            1 => Instant::from_micros(random.next() % now.max(1)),
            2..6 => {
                self.now = Instant::from_micros(now.saturating_add(random.next() % 50_000));
                self.now
            }
            6 if random.below(8) == 0 => {
                self.now = Instant::from_micros(now.saturating_add(random.next() % 20_000_000));
                self.now
            }
            _ => self.now,
        }
    }

    /// Calls a method of one end; returns whether nothing may have changed.
    fn call(&mut self, method: &str, end: usize, random: &mut Random) -> bool {
        let now = self.any_now(random);
        let session = &mut self.ends[end];
        match method {
            "handle_datagram" => {
                let found = self.on_the_way.iter().position(|(_, to, _)| *to == end);
                let mut packet = match found.filter(|_| random.below(4) > 0) {
                    Some(at) => self.on_the_way.remove(at).2,
                    None => (0..random.below(80)).map(|_| random.next() as u8).collect(),
                };
                if let Some(byte) = packet.last_mut().filter(|_| random.below(8) == 0) {
                    *byte ^= 1;
                }
                let arrival = Arrival::new(link(end as u8, 1 - end as u8));
                return matches!(session.handle_datagram(&mut packet, arrival, now), Received::Discarded(_));
            }
            "handle_timeout" => session.handle_timeout(now),
            "poll_action" => {
                let mut out = vec![0; random.one_of(&[0, 100, 1199, 2000])];
                match session.poll_action(&mut out, now) {
                    Action::Transmit(transmit) => {
                        self.on_the_way.push((end, 1 - end, out[..transmit.len].to_vec()));
                    }
                    Action::NeedsRoom(bytes) => assert!(bytes > out.len() && bytes <= session.max_datagram()),
                    _ => {}
                }
            }
            "connect" => {
                let mut link = link(end as u8, 1 - end as u8);
                link.carrier = Carrier(random.one_of(&[0, 0, 1, 2]));
                let key = self.ends[random.below(2)].public_key();
                let user_data = vec![1; random.one_of(&[0, 512, 513])];
                let (peer, options) = (Peer::Known { key, psk: None }, ConnectOptions { user_data: &user_data });
                return self.ends[end].connect(peer, link, options, now).is_err();
            }
            "add_entropy" => session.add_entropy(Seed::new([random.next() as u8; 32])),
            "entropy_changed" => session.entropy_changed(Seed::new([random.next() as u8; 32]), now),
            question => {
                match question {
                    "next_deadline" => drop(session.next_deadline()),
                    "commands" => drop(session.commands(now)),
                    "as_ref" => drop(session.as_ref().map(|session| session.stats())),
                    "state" => drop(session.state()),
                    "discards" => drop(session.discards().total()),
                    "public_key" => drop(session.public_key()),
                    "max_datagram" => assert!(session.max_datagram() >= 1200),
                    "digest" => assert_eq!(session.digest(), session.digest()),
                    other => panic!("{other} is not called"),
                }
                return true;
            }
        }
        false
    }
}

fn campaign(seed: u64, calls: &mut Calls) {
    let mut world = World::null();
    let mut random = Random(seed);
    for _ in 0..3_000 {
        let state = (0..STATES.len()).min_by_key(|state| calls[*state].iter().min().copied()).unwrap_or(0);
        let least = (0..METHODS.len()).min_by_key(|method| calls[state][*method]).unwrap_or(0);
        let method = if random.below(8) == 0 { random.below(METHODS.len()) } else { least };
        let end = world.bring(STATES[state], &mut random);
        let before = (random.below(4) == 0).then(|| world.ends[end].digest());
        let unchanged = world.call(METHODS[method], end, &mut random);
        if let Some(before) = before.filter(|_| unchanged) {
            assert_eq!(world.ends[end].digest(), before, "{} changed something", METHODS[method]);
        }
        world.ends[end].endpoint.assert_invariants();
        calls[state][method] += 1;
        match random.below(16) {
            0 => drop(world.carry()),
            1 => world.ends[end].handle_timeout(world.now),
            _ => {}
        }
    }
}

//= docs/protocol.md P-11-2 P-11-3
#[test]
fn any_call_of_a_stand_alone_session_in_any_order_is_total_and_all_or_nothing() {
    run_campaigns("single", METHODS, 100, campaign);
}
