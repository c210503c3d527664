//! Endpoints in a [`Network`], and what most tests of the core do with them.

mod node;
mod setup;

pub use node::WorldNode;
pub use setup::{Contact, PSK, Setup};

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use session_core::{
    CarrierConfig, CloseReason, Config, ConnectError, ConnectOptions, Endpoint, Event, Instant, Link as Path, Provider,
    PskName, Received, SecondSession, Secret, Seed, SessionId, SessionMut, SessionRef, StaticKey,
};
use sha2::{Digest, Sha256};

pub use crate::network::{Departure, Gate};
use crate::{Network, Observer, Origin, Passage};

/// A [`Network`] of endpoints that know each other's keys, with what most tests of the core give them to do.
pub struct World<P: Provider> {
    seed: u64,
    network: Network<WorldNode<P>>,
}

impl<P: Provider> Deref for World<P> {
    type Target = Network<WorldNode<P>>;

    fn deref(&self) -> &Self::Target {
        &self.network
    }
}

impl<P: Provider> DerefMut for World<P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.network
    }
}

impl<P: Provider> World<P> {
    /// Nothing yet. `seed` determines keys, links and thereby every byte.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut network = Network::new(seed);
        network.observe(Sizes);
        Self { seed, network }
    }

    /// Adds a node; nodes are numbered from 0.
    ///
    /// # Panics
    /// If `setup` cannot work.
    pub fn add(&mut self, setup: &Setup, provider: P) -> usize {
        let number = self.nodes();
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
        config.congestion_control = setup.congestion_control;
        let mut carrier = CarrierConfig::udp(setup.max_datagram);
        carrier.min_datagram = setup.min_datagram;
        carrier.padding = setup.min_datagram >= 1200;
        config.carriers = vec![carrier];
        config.timeouts = setup.timeouts.clone();
        if let Some(secret) = setup.psk {
            config.psks.push((PskName::new(PSK).expect("a name"), Secret::new(secret)));
        }
        config.second_session = SecondSession::KeepBoth;
        let endpoint = Endpoint::new(config, setup.limits.clone(), provider, Seed::new(material(number, 1)))
            .expect("a setup that works");
        self.network.add(WorldNode::new(endpoint, setup.accepts))
    }

    /// The endpoint of a node, for questions.
    ///
    /// # Panics
    /// If the node is dead.
    #[must_use]
    pub fn endpoint(&self, node: usize) -> &Endpoint<P> {
        &self.node(node).expect("the node lives").endpoint
    }

    /// A session, for questions.
    ///
    /// # Panics
    /// If it is gone.
    #[must_use]
    pub fn session(&self, node: usize, id: SessionId) -> SessionRef<'_> {
        self.endpoint(node).session(id).expect("the session is there")
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
        self.with_endpoint(node, |endpoint, now| {
            let mut session = endpoint.session_mut(id, now).expect("the session is there");
            command(&mut session)
        })
    }

    /// Gives commands to the endpoint of a node.
    ///
    /// # Panics
    /// If the node is dead.
    pub fn with_endpoint<T>(&mut self, node: usize, command: impl FnOnce(&mut Endpoint<P>, Instant) -> T) -> T {
        self.network.with(node, |node, now| command(&mut node.endpoint, now)).expect("the node lives")
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
        let name = PskName::new(PSK).expect("a name");
        let peer = contact.peer(self.endpoint(to).public_key(), &name);
        let link = Path { carrier: Default::default(), local: self.address_of(from), remote: self.address_of(to) };
        self.with_endpoint(from, |endpoint, now| endpoint.connect(peer, link, ConnectOptions::default(), now))
    }

    /// Lets a node take strangers until `until`.
    pub fn set_pairing(&mut self, node: usize, until: Option<Instant>) {
        self.with_endpoint(node, |endpoint, now| endpoint.set_pairing(until, now));
    }

    /// Says that a closed session has nothing more to tell.
    pub fn forget(&mut self, node: usize, id: SessionId) {
        self.with_endpoint(node, |endpoint, _| endpoint.forget(id));
    }

    /// Hands a node a datagram that came from nowhere.
    ///
    /// # Panics
    /// If the node does not hear it.
    pub fn inject(&mut self, from: usize, to: usize, datagram: &[u8]) -> Received {
        self.network.inject(from, to, datagram).expect("the node hears")
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
            let limit = self.now().saturating_add(Duration::from_secs(120));
            let mut theirs = None;
            let mut closed = false;
            while !closed && self.now() <= limit && self.step() {
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

    /// Runs until `done` or until `limit` has passed; tells whether it was done. At `limit` it is later than everything that
    /// was due until then.
    pub fn run_until(&mut self, limit: Instant, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            self.pump_dirty();
            if done(self) {
                return true;
            }
            if !self.is_dirty() && !self.step_until(limit) {
                return false;
            }
        }
    }
}

/// Demands that no datagram is longer than both ends take.
struct Sizes;

impl<P: Provider> Observer<WorldNode<P>> for Sizes {
    fn arriving(&mut self, node: &WorldNode<P>, passage: &Passage, datagram: &[u8]) {
        let is_handshake = datagram.first().is_some_and(|first| first & 0x80 != 0);
        let limit = node.endpoint.max_datagram();
        let fits = passage.length <= limit || is_handshake || passage.origin != Origin::Network;
        assert!(fits, "{} bytes to a node that takes {limit}", passage.length);
    }
}
