//! Nodes and links in virtual time. Time jumps to the next delivery or deadline; the same seed gives the same bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use session_core::{
    Action, Address, Arrival, Carrier, CarrierConfig, ChannelConfig, ChannelId, ChannelLimits, CloseReason, Config,
    ConnectError, ConnectOptions, Deadline, Endpoint, Event, Instant, Limits, Link as Path, Peer, Provider, PskName,
    SecondSession, Secret, Seed, SessionId, SessionMut, SessionRef, StaticKey, Timeouts, Transmit,
};
use sha2::{Digest, Sha256};

use crate::{Faults, Link, LinkConfig, inside};

/// Datagrams and events of one node at one instant, at most. More means that `poll_action` does not end.
const ACTIONS_PER_INSTANT: u32 = 500_000;
/// Turns of serving deadlines and asking for actions at one instant, at most.
const TURNS_PER_INSTANT: u32 = 64;

/// What one node is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Bounds.
    pub limits: Limits,
    /// Waiting times.
    pub timeouts: Timeouts,
    /// Channels agreed beforehand.
    pub channels: Vec<ChannelConfig>,
    /// Dynamic channels that a peer may have open.
    pub channel_limits: ChannelLimits,
    /// Bytes of its carrier's largest datagram.
    pub max_datagram: u16,
    /// Whether it accepts whoever asks.
    pub accepts: bool,
    /// The node whose static key it has too; it has one of its own otherwise.
    pub key_of: Option<usize>,
    /// The secret of its pre-shared key, if it has one; [`PSK`] is its name.
    pub psk: Option<[u8; 32]>,
}

/// The name of the pre-shared key of [`Setup::psk`].
pub const PSK: &[u8] = b"tests";

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The responder's key is known.
    Known,
    /// The same, and both hold the pre-shared key.
    KnownWithPsk,
    /// Neither end knows the other; the responder must pair.
    First,
    /// The same, and both hold the pre-shared key.
    FirstWithPsk,
}

impl Contact {
    /// Every kind: one for each Noise pattern.
    pub const ALL: [Self; 4] = [Self::Known, Self::KnownWithPsk, Self::First, Self::FirstWithPsk];

    /// Whether the responder must pair.
    #[must_use]
    pub fn is_first(self) -> bool {
        matches!(self, Self::First | Self::FirstWithPsk)
    }

    /// Whether both hold the pre-shared key.
    #[must_use]
    pub fn with_psk(self) -> bool {
        matches!(self, Self::KnownWithPsk | Self::FirstWithPsk)
    }
}

impl Default for Setup {
    /// Four sessions, a window of 66 KiB for each of the channels 16 to 18, a pool of 1 MiB.
    fn default() -> Self {
        let mut limits = Limits::default();
        limits.sessions = 4;
        limits.pending = 4;
        limits.pool_blocks = 1024;
        limits.session_window = 3 * 66 * 1024;
        limits.channel_window = 66 * 1024;
        limits.send_blocks = 128;
        limits.record_blocks = 64;
        Self {
            limits,
            timeouts: Timeouts::default(),
            channels: (16..19).map(|id| ChannelId(id).into()).collect(),
            channel_limits: ChannelLimits::NONE,
            max_datagram: 1200,
            accepts: true,
            key_of: None,
            psk: None,
        }
    }
}

/// A datagram as it left a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When.
    pub at: Instant,
    /// From which node.
    pub from: usize,
    /// To which.
    pub to: usize,
    /// Its bytes.
    pub datagram: Vec<u8>,
}

/// Decides whether a datagram is put on its link at all.
pub type Gate = Box<dyn FnMut(&Departure) -> bool>;

/// Nodes, the links between them, and the time.
pub struct World<P: Provider> {
    seed: u64,
    now: Instant,
    nodes: Vec<Node<P>>,
    pipes: Vec<Pipe>,
    routes: BTreeMap<(usize, usize), usize>,
    /// What happens to datagrams on links that were not configured.
    pub default_link: LinkConfig,
    arrivals: BTreeSet<(Instant, usize)>,
    alarms: BTreeSet<(Instant, usize)>,
    digest: Sha256,
    packets: u64,
    /// Decides what is put on a link; everything if there is none.
    pub gate: Option<Gate>,
    /// Everything that left a node, if it is wanted.
    pub departures: Option<Vec<Departure>>,
}

struct Node<P: Provider> {
    endpoint: Endpoint<P>,
    accepts: bool,
    max_datagram: u16,
    events: VecDeque<Event>,
    buffer: Vec<u8>,
    is_dirty: bool,
    filed: Option<Instant>,
    /// It does not run: no deadline is served and no datagram taken.
    sleeps: bool,
    /// Microseconds by which its clock is ahead of the world's.
    ahead: i64,
    /// Its clock stands at this instant.
    stands_at: Option<Instant>,
}

struct Pipe {
    from: usize,
    to: usize,
    link: Link,
    filed: Option<Instant>,
}

impl<P: Provider> World<P> {
    /// Nothing yet. `seed` determines keys, links and thereby every byte.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Instant::from_micros(1_000_000),
            nodes: Vec::new(),
            pipes: Vec::new(),
            routes: BTreeMap::new(),
            default_link: LinkConfig { delay: Duration::from_millis(10), ..LinkConfig::default() },
            arrivals: BTreeSet::new(),
            alarms: BTreeSet::new(),
            digest: Sha256::new(),
            packets: 0,
            gate: None,
            departures: None,
        }
    }

    /// Adds a node; nodes are numbered from 0.
    ///
    /// # Panics
    /// If `setup` cannot work.
    pub fn add(&mut self, setup: &Setup, provider: P) -> usize {
        let number = self.nodes.len();
        let material = |number: usize, purpose: u64| -> [u8; 32] {
            let mut hash = Sha256::new();
            for word in [self.seed, number as u64, purpose] {
                hash.update(word.to_be_bytes());
            }
            hash.finalize().into()
        };
        let key = StaticKey::new(&provider, Secret::new(material(setup.key_of.unwrap_or(number), 0)));
        let mut config = Config::new(key, "session-tests");
        config.channels = setup.channels.clone();
        config.channel_limits = setup.channel_limits;
        config.carriers = vec![CarrierConfig::udp(setup.max_datagram)];
        config.timeouts = setup.timeouts.clone();
        if let Some(secret) = setup.psk {
            config.psks.push((PskName::new(PSK).expect("a name"), Secret::new(secret)));
        }
        config.second_session = SecondSession::KeepBoth;
        let endpoint = Endpoint::new(config, setup.limits.clone(), provider, Seed::new(material(number, 1)))
            .expect("a setup that works");
        self.nodes.push(Node {
            buffer: vec![0; endpoint.max_datagram()],
            endpoint,
            accepts: setup.accepts,
            max_datagram: setup.max_datagram,
            events: VecDeque::new(),
            is_dirty: false,
            filed: None,
            sleeps: false,
            ahead: 0,
            stands_at: None,
        });
        number
    }

    /// What happens to datagrams between two nodes from now on, in both directions.
    pub fn set_link(&mut self, one: usize, other: usize, config: LinkConfig) {
        for (from, to) in [(one, other), (other, one)] {
            let pipe = self.pipe(from, to);
            self.pipes[pipe].link.set_config(config);
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Datagrams that left a node so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// SHA-256 over every datagram so far: when, from where, where to, and its bytes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// What the links have done, together.
    #[must_use]
    pub fn faults(&self) -> Faults {
        let mut sum = Faults::NONE;
        for pipe in &self.pipes {
            sum += *pipe.link.faults();
        }
        sum
    }

    /// The endpoint of a node, for questions.
    #[must_use]
    pub fn endpoint(&self, node: usize) -> &Endpoint<P> {
        &self.nodes[node].endpoint
    }

    /// A session, for questions.
    ///
    /// # Panics
    /// If it is gone.
    #[must_use]
    pub fn session(&self, node: usize, id: SessionId) -> SessionRef<'_> {
        self.nodes[node].endpoint.session(id).expect("the session is there")
    }

    /// Why a session ended; `None` while it lives.
    #[must_use]
    pub fn reason(&self, node: usize, id: SessionId) -> Option<CloseReason> {
        self.session(node, id).close_reason()
    }

    /// Gives commands to a session.
    ///
    /// # Panics
    /// If it is gone.
    pub fn command<T>(&mut self, node: usize, id: SessionId, command: impl FnOnce(&mut SessionMut<'_, P>) -> T) -> T {
        let now = self.clock(node);
        let node = &mut self.nodes[node];
        node.is_dirty = true;
        inside(|| {
            let mut session = node.endpoint.session_mut(id, now).expect("the session is there");
            command(&mut session)
        })
    }

    /// Begins a session.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub fn connect(&mut self, from: usize, to: usize) -> Result<SessionId, ConnectError> {
        self.connect_by(Contact::Known, from, to)
    }

    /// The same by any kind of contact.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub fn connect_by(&mut self, contact: Contact, from: usize, to: usize) -> Result<SessionId, ConnectError> {
        let now = self.clock(from);
        let name = PskName::new(PSK).expect("a name");
        let peer = match contact {
            Contact::Known => Peer::Known { key: self.nodes[to].endpoint.public_key(), psk: None },
            Contact::KnownWithPsk => Peer::Known { key: self.nodes[to].endpoint.public_key(), psk: Some(&name) },
            Contact::First => Peer::Unknown { psk: None },
            Contact::FirstWithPsk => Peer::Unknown { psk: Some(&name) },
        };
        let node = &mut self.nodes[from];
        node.is_dirty = true;
        inside(|| node.endpoint.connect(peer, path(from, to), ConnectOptions::default(), now))
    }

    /// Lets a node take strangers until `until`.
    pub fn set_pairing(&mut self, node: usize, until: Option<Instant>) {
        let now = self.clock(node);
        let node = &mut self.nodes[node];
        inside(|| node.endpoint.set_pairing(until, now));
    }

    /// Says that a closed session has nothing more to tell.
    pub fn forget(&mut self, node: usize, id: SessionId) {
        let node = &mut self.nodes[node];
        node.is_dirty = true;
        inside(|| node.endpoint.forget(id));
    }

    /// Hands a node a datagram that came from nowhere.
    pub fn inject(&mut self, from: usize, to: usize, datagram: &[u8]) -> session_core::Received {
        let mut datagram = datagram.to_vec();
        self.hand_over(from, to, &mut datagram)
    }

    /// Stops a node: it serves nothing and hears nothing. What comes meanwhile is lost.
    pub fn put_to_sleep(&mut self, node: usize) {
        self.nodes[node].sleeps = true;
        self.file_alarm(node);
    }

    /// Starts it again.
    pub fn wake(&mut self, node: usize) {
        self.nodes[node].sleeps = false;
        self.nodes[node].is_dirty = true;
        self.file_alarm(node);
    }

    /// Sets the clock of a node so many microseconds ahead of the world's, or behind it.
    pub fn set_clock_ahead(&mut self, node: usize, micros: i64) {
        self.nodes[node].ahead = micros;
        self.nodes[node].is_dirty = true;
        self.file_alarm(node);
    }

    /// Stops the clock of a node, or lets it go on as if it had never stood.
    pub fn stop_clock(&mut self, node: usize, stops: bool) {
        self.nodes[node].stands_at = stops.then(|| self.clock(node));
        self.nodes[node].is_dirty = true;
        self.file_alarm(node);
    }

    /// What the clock of a node says.
    fn clock(&self, node: usize) -> Instant {
        let Node { ahead, stands_at, .. } = &self.nodes[node];
        stands_at.unwrap_or_else(|| Instant::from_micros(self.now.as_micros().saturating_add_signed(*ahead)))
    }

    /// The next event of a node that was not fetched yet.
    pub fn next_event(&mut self, node: usize) -> Option<Event> {
        self.nodes[node].events.pop_front()
    }

    /// All events of a node that were not fetched yet.
    pub fn take_events(&mut self, node: usize) -> Vec<Event> {
        self.nodes[node].events.drain(..).collect()
    }

    /// Whether any node has events that were not fetched.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.nodes.iter().any(|node| !node.events.is_empty())
    }

    /// Lets a session come about; gives it up and tries again where the network eats an attempt. Events of both nodes are fetched.
    ///
    /// # Panics
    /// If five attempts fail.
    pub fn establish(&mut self, from: usize, to: usize) -> (SessionId, SessionId) {
        self.establish_by(Contact::Known, from, to)
    }

    /// The same by any kind of contact.
    ///
    /// # Panics
    /// If five attempts fail.
    pub fn establish_by(&mut self, contact: Contact, from: usize, to: usize) -> (SessionId, SessionId) {
        for _ in 0..5 {
            let id = self.connect_by(contact, from, to).expect("an attempt begins");
            let limit = self.now.saturating_add(Duration::from_secs(120));
            let mut theirs = None;
            let mut closed = false;
            while !closed && self.now <= limit && self.step() {
                while let Some(event) = self.next_event(to) {
                    match event {
                        Event::Established(id) => theirs = Some(id),
                        // A slot of an attempt that was given up.
                        Event::Closed(id) => self.forget(to, id),
                        _ => {}
                    }
                }
                let established = self.next_event(from) == Some(Event::Established(id));
                if established && let Some(theirs) = theirs {
                    return (id, theirs);
                }
                closed = self.session(from, id).close_reason().is_some();
            }
            self.forget(from, id);
        }
        panic!("five attempts at a session have failed");
    }

    /// Serves what can be done now; where there is nothing, jumps to what comes next. `false` if nothing ever comes.
    pub fn step(&mut self) -> bool {
        if self.pump_dirty() {
            return true;
        }
        let Some(next) = self.next_instant() else { return false };
        self.now = self.now.max(next);
        self.deliver();
        self.serve_alarms();
        self.pump_dirty();
        true
    }

    /// Runs until `done` or until `limit` has passed; tells whether it was done. At `limit` it is later than everything that
    /// was due until then.
    pub fn run_until(&mut self, limit: Instant, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            self.pump_dirty();
            if done(self) {
                return true;
            }
            if self.nodes.iter().any(|node| node.is_dirty) {
                continue;
            }
            if self.next_instant().is_none_or(|next| next > limit) {
                self.now = self.now.max(limit);
                return false;
            }
            self.step();
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now.saturating_add(time);
        self.run_until(limit, |_| false);
    }

    /// Runs until nothing is left to do but deadlines further away than `quiet`.
    pub fn settle(&mut self, quiet: Duration) {
        while self.pump_dirty() || self.next_instant().is_some_and(|next| next <= self.now.saturating_add(quiet)) {
            self.step();
        }
    }

    fn next_instant(&self) -> Option<Instant> {
        let first = |set: &BTreeSet<(Instant, usize)>| set.first().map(|(at, _)| *at);
        [first(&self.arrivals), first(&self.alarms)].into_iter().flatten().min()
    }

    fn deliver(&mut self) {
        while let Some(&(at, index)) = self.arrivals.first() {
            if at > self.now {
                break;
            }
            let (from, to) = (self.pipes[index].from, self.pipes[index].to);
            while let Some(mut datagram) = self.pipes[index].link.receive(self.now) {
                if !self.nodes[to].sleeps {
                    let _ = self.hand_over(from, to, &mut datagram);
                }
            }
            self.file_arrival(index);
        }
    }

    fn hand_over(&mut self, from: usize, to: usize, datagram: &mut [u8]) -> session_core::Received {
        let arrival = Arrival::new(path(to, from));
        let now = self.clock(to);
        let node = &mut self.nodes[to];
        node.is_dirty = true;
        inside(|| node.endpoint.handle_datagram(datagram, arrival, now))
    }

    fn serve_alarms(&mut self) {
        while let Some(&(at, node)) = self.alarms.first() {
            if at > self.now {
                break;
            }
            self.pump(node);
        }
    }

    fn pump_dirty(&mut self) -> bool {
        let mut any = false;
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_dirty && !self.nodes[node].sleeps {
                self.pump(node);
                any = true;
            }
        }
        any
    }

    /// Serves the deadlines of a node and asks it for actions until it has nothing to do before a later instant.
    fn pump(&mut self, node: usize) {
        self.nodes[node].is_dirty = false;
        for _ in 0..TURNS_PER_INSTANT {
            self.serve_deadlines(node);
            self.drain(node);
            if self.deadline(node).is_none_or(|deadline| deadline.at > self.clock(node)) {
                self.file_alarm(node);
                return;
            }
        }
        panic!("{:?} recurs at node {node} again and again", self.deadline(node));
    }

    fn deadline(&self, node: usize) -> Option<Deadline> {
        self.nodes[node].endpoint.next_deadline()
    }

    /// Serves deadlines until none is left that has passed (P-11-1).
    fn serve_deadlines(&mut self, node: usize) {
        let now = self.clock(node);
        let endpoint = &mut self.nodes[node].endpoint;
        // One session has at most one deadline of each kind, and one of them may make another.
        let most = 16 + 2 * endpoint.session_count();
        for _ in 0..most {
            let Some(deadline) = endpoint.next_deadline().filter(|deadline| deadline.at <= now) else { return };
            inside(|| endpoint.handle_timeout(now));
            let again = endpoint.next_deadline() == Some(deadline) && endpoint.session_count() == 1;
            assert!(!again, "{deadline:?} recurs at the instant {now:?} at which it was served");
        }
        panic!("{:?} is there after {most} calls of handle_timeout at {now:?}", endpoint.next_deadline());
    }

    /// Fetches all events and datagrams.
    fn drain(&mut self, node: usize) {
        for _ in 0..ACTIONS_PER_INSTANT {
            let now = self.clock(node);
            let Node { endpoint, buffer, .. } = &mut self.nodes[node];
            match inside(|| endpoint.poll_action(buffer, now)) {
                Action::Transmit(transmit) => self.transmit(node, &transmit),
                Action::Event(event) => self.on_event(node, event),
                Action::Wait(deadline) => {
                    assert_eq!(deadline, self.deadline(node), "Wait names the deadline");
                    return;
                }
                Action::NeedsRoom(bytes) => panic!("max_datagram() is not enough, {bytes} are wanted"),
                action => panic!("{action:?} is new"),
            }
        }
        panic!("poll_action does not come to an end at node {node}");
    }

    fn on_event(&mut self, node: usize, event: Event) {
        if let Event::Incoming(id) = event
            && self.nodes[node].accepts
        {
            self.command(node, id, |session| session.accept(b"")).expect("the session can be accepted");
        }
        self.nodes[node].events.push_back(event);
    }

    fn transmit(&mut self, from: usize, transmit: &Transmit) {
        let to = node_at(transmit.link.remote);
        assert_eq!(node_at(transmit.link.local), from, "a datagram leaves from its node");
        let datagram = &self.nodes[from].buffer[..transmit.len];
        let is_handshake = datagram[0] & 0x80 != 0;
        let ours = self.nodes[from].max_datagram;
        let limit = if is_handshake { ours } else { ours.min(self.nodes[to].max_datagram) };
        assert!(transmit.len <= usize::from(limit), "{} bytes on a path of {limit}", transmit.len);
        self.packets += 1;
        for word in [self.now.as_micros(), from as u64, to as u64, transmit.len as u64] {
            self.digest.update(word.to_be_bytes());
        }
        self.digest.update(datagram);
        if self.departures.is_some() || self.gate.is_some() {
            let departure = Departure { at: self.now, from, to, datagram: datagram.to_vec() };
            let passes = self.gate.as_mut().is_none_or(|gate| gate(&departure));
            if let Some(departures) = self.departures.as_mut() {
                departures.push(departure);
            }
            if !passes {
                return;
            }
        }
        let pipe = self.pipe(from, to);
        self.pipes[pipe].link.send(self.now, &self.nodes[from].buffer[..transmit.len]);
        self.file_arrival(pipe);
    }

    fn pipe(&mut self, from: usize, to: usize) -> usize {
        if let Some(&pipe) = self.routes.get(&(from, to)) {
            return pipe;
        }
        let pipe = self.pipes.len();
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(pipe as u64);
        self.pipes.push(Pipe { from, to, link: Link::new(self.default_link, seed), filed: None });
        self.routes.insert((from, to), pipe);
        pipe
    }

    fn file_arrival(&mut self, index: usize) {
        let next = self.pipes[index].link.next_delivery();
        refile(&mut self.arrivals, &mut self.pipes[index].filed, next, index);
    }

    fn file_alarm(&mut self, node: usize) {
        let Node { sleeps, ahead, stands_at, .. } = self.nodes[node];
        let runs = !sleeps && stands_at.is_none();
        let next = self.deadline(node).filter(|_| runs).map(|deadline| {
            // By the world's clock; a deadline of a clock that was set back may have passed long ago.
            Instant::from_micros(deadline.at.as_micros().saturating_add_signed(ahead.saturating_neg())).max(self.now)
        });
        refile(&mut self.alarms, &mut self.nodes[node].filed, next, node);
    }
}

fn refile(set: &mut BTreeSet<(Instant, usize)>, filed: &mut Option<Instant>, next: Option<Instant>, index: usize) {
    if *filed == next {
        return;
    }
    if let Some(before) = *filed {
        set.remove(&(before, index));
    }
    if let Some(next) = next {
        set.insert((next, index));
    }
    *filed = next;
}

fn path(from: usize, to: usize) -> Path {
    Path { carrier: Carrier(0), local: address(from), remote: address(to) }
}

fn address(node: usize) -> Address {
    Address::Opaque((node as u128).to_be_bytes())
}

fn node_at(address: Address) -> usize {
    match address {
        Address::Opaque(bytes) => u128::from_be_bytes(bytes) as usize,
        Address::Ip(address) => panic!("{address} is not a node"),
    }
}
