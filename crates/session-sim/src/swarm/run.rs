//! One run: faults, then none, then the account.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use session_core::{Address, Carrier, Instant, MIN_UDP_DATAGRAM};

use super::actions::Actions;
use super::actor::{Actor, Phase, Shared, Target, Way};
use super::chaos::Chaos;
use super::checkers::Fingerprint;
use super::coverage::Coverage;
use super::options::Options;
use super::talk::LONGEST;
use crate::checker::{Amplification, Bound, KeyPhases, Noop, Work, WorkBound};
use crate::ledger::{Ledger, Totals};
use crate::trace::Trace;
use crate::{Attacker, Faults, Generator, Incidents, LinkConfig, NatConfig, Network, Recording, Usage, outside};

/// One datagram in so many has the checksum of the state compared that an attacker did not send.
const SAMPLE: u64 = 128;
/// Virtual time after which the faults end, however few datagrams there were.
const LONGEST_STORM: Duration = Duration::from_secs(2 * 3600);
/// Virtual time without faults within which both ends of everything agree.
const AGREEMENT: Duration = Duration::from_secs(180);
/// The same until all sessions are closed.
const CLOSING: Duration = Duration::from_secs(60);
/// How often the end of a phase is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Addresses a node has at a time.
const MOST_WAYS: usize = 3;

/// What a run did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Datagrams that nodes sent.
    pub packets: u64,
    /// Virtual time it took.
    pub time: Duration,
    /// What links did.
    pub faults: Faults,
    /// What else happened.
    pub incidents: Incidents,
    /// What applications did beside sending.
    pub actions: Actions,
    /// What became of messages.
    pub totals: Totals,
    /// What providers did.
    pub usage: Usage,
    /// Which edges between states were gone.
    pub coverage: Coverage,
    /// Of every byte that left a node, and when: equal for equal runs.
    pub fingerprint: u64,
}

/// An invariant that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The seed.
    pub seed: u64,
    /// Which invariant, and how.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "seed {}: {}", self.seed, self.message)
    }
}

/// Runs what `options` say. `heap` tells the bytes nodes hold, if somebody counts them.
///
/// # Panics
/// If an invariant is broken; the message begins with its number.
#[must_use]
pub fn run(options: &Options, heap: Option<fn() -> i64>) -> Report {
    World::new(options, heap).run()
}

/// The same, and writes down every datagram: for people to `text`, for tools to `events`.
///
/// # Panics
/// As [`run`], and if a line cannot be written.
#[must_use]
pub fn run_traced(
    options: &Options,
    heap: Option<fn() -> i64>,
    text: impl Write + 'static,
    events: impl Write + 'static,
) -> Report {
    let mut world = World::new(options, heap);
    world.network.observe(Trace::new(text, events, options.seed));
    world.run()
}

/// The nodes of a run and what is around them.
pub(super) struct World {
    pub(super) network: Network<Actor>,
    shared: Rc<Shared>,
    /// How often each node was started.
    lives: Vec<u64>,
    /// Where each node is, first of all where others look for it.
    ways: Vec<Vec<Way>>,
    moves: u16,
    amplification: Amplification,
    fingerprint: Rc<Cell<u64>>,
    /// Microseconds by which the clock of each node was set back and forth.
    jumped: Vec<i64>,
}

impl World {
    fn new(options: &Options, heap: Option<fn() -> i64>) -> Self {
        let shared = Rc::new(Shared {
            options: options.clone(),
            phase: Cell::new(Phase::Busy),
            ledger: RefCell::new(Ledger::default()),
            coverage: RefCell::new(Coverage::default()),
            actions: RefCell::new(Actions::begin(options)),
            provider: if options.curve { Recording::new() } else { Recording::without_curve() },
            buffer: RefCell::new(Box::new([0; LONGEST])),
        });
        let mut network = Network::new(options.seed).without_digest();
        network.default_link = options.link;
        network.carries_ecn = options.ecn;
        network.attacker = Some(Attacker::new(options.attacker, options.seed));
        let fingerprint = Fingerprint::default();
        let mut world = Self {
            network,
            lives: vec![0; options.nodes],
            ways: (0..options.nodes).map(|node| vec![Way::first(address(node, 0))]).collect(),
            moves: 0,
            amplification: Amplification::new(shared.provider.clone()),
            fingerprint: fingerprint.share(),
            jumped: vec![0; options.nodes],
            shared,
        };
        world.network.observe(fingerprint);
        world.network.observe(Noop::new(SAMPLE).with_forged_packets(options.forged_packets));
        world.network.observe(world.amplification.clone());
        world.network.observe(Work::new(world.shared.provider.clone(), WorkBound::CORE));
        world.network.observe(KeyPhases::new(world.shared.provider.clone()));
        if let Some(live) = heap {
            let need = session_core::Endpoint::<Recording>::memory_need(
                &options.config(0, &world.shared.provider),
                &options.limits(),
            );
            let most = need.map_or(0, |need| need.at_most) as i64 * options.nodes as i64;
            // What was there before the run is not this run's, and the configuration itself is not in the need.
            world.network.observe(Bound::new(live, live() + most + 4096 * options.nodes as i64));
        }
        world.populate();
        world
    }

    fn populate(&mut self) {
        let options = self.shared.options.clone();
        for node in 0..options.nodes {
            let actor = self.actor(node);
            self.network.add_at(actor, self.ways[node][0].address);
        }
        self.aim();
        for node in 1..options.nodes {
            self.network.set_nat(node, options.nat);
            self.network.set_notices(0, node, options.notices);
            self.network.set_notices(node, 0, options.notices);
            self.network.set_half_duplex(0, node, options.half_duplex);
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.shared.options
    }

    fn run(mut self) -> Report {
        let begun = self.network.now();
        self.storm();
        self.calm();
        self.agree();
        self.close();
        self.report(begun)
    }

    /// Everything goes wrong that the options name.
    fn storm(&mut self) {
        let Options { seed, chaos_every, chaos, packets, .. } = self.shared.options;
        let limit = self.network.now().saturating_add(LONGEST_STORM);
        let mut chaos = Chaos::new(seed, chaos_every, chaos, self.network.now());
        while self.network.packets() < packets && self.network.now() < limit {
            while self.network.packets() < packets && self.network.step_until(chaos.next_at()) {}
            chaos.act(self);
        }
        chaos.end(self);
    }

    /// Nothing goes wrong any more; a path may still have become narrower than it was.
    fn calm(&mut self) {
        let options = self.shared.options.clone();
        if let Some(attacker) = self.network.attacker.as_mut() {
            attacker.stop();
        }
        let bandwidth = options.link.bandwidth;
        let mtu = options.ends_narrow.then_some(usize::from(MIN_UDP_DATAGRAM));
        let link = LinkConfig { delay: Duration::from_millis(10), bandwidth, mtu, ..LinkConfig::default() };
        for node in 0..options.nodes {
            for other in 0..node {
                self.network.set_link(node, other, link);
            }
            // A core whose clock went back stands until it has caught up.
            self.network.set_clock_drift(node, 0);
            self.network.jump_clock(node, self.jumped[node].max(0));
            if let Some(nat) = options.nat.filter(|_| node > 0) {
                self.network.set_nat(node, Some(NatConfig { lifetime: Duration::from_secs(86_400), ..nat }));
            }
        }
        for node in 0..options.nodes {
            self.network.with(node, |actor, now| outside(|| actor.say_last(now)));
        }
        self.shared.phase.set(Phase::Quiet);
    }

    /// Runs until both ends of every session know it, and everything sent has come to its end.
    fn agree(&mut self) {
        let limit = self.network.now().saturating_add(AGREEMENT);
        while !self.has_agreed() {
            let is_late = self.network.now() >= limit;
            assert!(!is_late, "I10: no agreement after {AGREEMENT:?} without faults: {}", self.describe());
            self.network.run_for(LOOK_EVERY);
        }
    }

    fn close(&mut self) {
        self.shared.phase.set(Phase::Closing);
        let limit = self.network.now().saturating_add(CLOSING);
        while self.actors().any(|actor| actor.endpoint.session_count() > 0) {
            let is_late = self.network.now() >= limit;
            assert!(!is_late, "I10: sessions do not end within {CLOSING:?}: {}", self.describe());
            self.network.run_for(LOOK_EVERY);
        }
    }

    fn report(self, begun: Instant) -> Report {
        self.shared.ledger.borrow_mut().finish();
        let totals = self.shared.ledger.borrow().totals();
        assert!(totals.silent_lost == 0, "I4: {totals}");
        Report {
            packets: self.network.packets(),
            time: self.network.now().saturating_since(begun),
            faults: self.network.faults(),
            incidents: self.network.incidents(),
            actions: *self.shared.actions.borrow(),
            totals,
            usage: self.shared.provider.usage(),
            coverage: self.shared.coverage.borrow().clone(),
            fingerprint: self.fingerprint.get(),
        }
    }

    /// Whether every node has its sessions, no session has one end, and nothing is under way.
    fn has_agreed(&self) -> bool {
        let uids = |node: usize| -> Vec<_> {
            let actor = self.network.node(node).into_iter();
            actor
                .flat_map(|actor| {
                    actor.established().map(|(id, _)| actor.endpoint.session(id).and_then(|session| session.uid()))
                })
                .collect()
        };
        let all: Vec<_> = (0..self.options().nodes).map(uids).collect();
        let has_partner =
            |node: usize, uid| all.iter().enumerate().any(|(other, uids)| other != node && uids.contains(&uid));
        let complete = all
            .iter()
            .enumerate()
            .all(|(node, uids)| (node == 0 || !uids.is_empty()) && uids.iter().all(|uid| has_partner(node, *uid)));
        complete && self.shared.ledger.borrow().is_settled()
    }

    fn actors(&self) -> impl Iterator<Item = &Actor> {
        (0..self.network.nodes()).filter_map(|node| self.network.node(node))
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        for (node, actor) in self.actors().enumerate() {
            for (id, talk) in &actor.talks {
                let session = actor.endpoint.session(*id).map(|session| session.to_string());
                text.push_str(&format!("\n  node {node}: {:?} {}", talk.state, session.unwrap_or_default()));
            }
        }
        let unsettled =
            self.shared.ledger.borrow().unsettled().unwrap_or_else(|| "messages have come to their end".to_owned());
        format!("{unsettled}{text}")
    }

    /// Everybody knows where its peers are now.
    fn aim(&mut self) {
        let nodes = self.options().nodes;
        let is_mutual = self.options().mutual;
        let addresses: Vec<_> = self.ways.iter().map(|ways| ways[0].address).collect();
        let keys: Vec<_> = (0..nodes)
            .map(|node| *self.shared.options.config(node, &self.shared.provider).static_key.public())
            .collect();
        for node in 0..nodes {
            let peers = if node > 0 { 0..1 } else { 1..1 + usize::from(is_mutual) };
            let targets: Vec<_> =
                peers.map(|peer| Target { node: peer, address: addresses[peer], key: keys[peer] }).collect();
            for target in &targets {
                self.amplification.want(node, target.address);
            }
            self.network.with(node, |actor, _| outside(|| actor.targets = targets));
        }
    }

    fn actor(&self, node: usize) -> Actor {
        let now = if node < self.network.nodes() { self.network.clock(node) } else { self.network.now() };
        Actor::new(&self.shared, node, self.lives[node], self.ways[node].clone(), now)
    }

    pub(super) fn is_alive(&self, node: usize) -> bool {
        self.network.node(node).is_some()
    }

    pub(super) fn kill(&mut self, node: usize) {
        if let Some(actor) = self.network.kill(node) {
            crate::inside(|| actor.die());
        }
    }

    pub(super) fn start(&mut self, node: usize) {
        if self.is_alive(node) {
            return;
        }
        self.lives[node] += 1;
        let actor = self.actor(node);
        self.network.start(node, actor);
        self.aim();
    }

    pub(super) fn jump_clock(&mut self, node: usize, micros: i64) {
        // What is set back has to be made good in the end; what went forward need not.
        self.jumped[node] = (self.jumped[node] - micros).max(0);
        self.network.jump_clock(node, micros);
    }

    pub(super) fn move_node(&mut self, node: usize) {
        let address = self.new_address(node);
        self.ways[node] = vec![Way::first(address)];
        self.network.move_to(node, address);
        self.network.with(node, |actor, _| outside(|| actor.ways = vec![Way::first(address)]));
        self.aim();
    }

    /// The same, and the node knows.
    pub(super) fn rebind_node(&mut self, node: usize) {
        self.move_node(node);
        self.network.with(node, Actor::rebind);
    }

    /// A node has one more address than before, and goes there, or somewhere else, with its sessions.
    pub(super) fn migrate_node(&mut self, node: usize, random: &mut Generator) {
        if self.ways[node].len() < MOST_WAYS {
            let address = self.new_address(node);
            let carriers = 1 + u64::from(self.options().second_carrier.is_some());
            let way = Way { carrier: Carrier(random.below(carriers) as u8), address };
            self.network.add_address(node, address, way.carrier);
            self.ways[node].push(way);
            self.network.with(node, |actor, _| outside(|| actor.ways.push(way)));
        }
        // Who stands behind a translator can be found under the address that it shows only.
        let reachable = |peer: usize| self.options().nat.is_none() || peer == 0;
        let peers: Vec<Vec<Address>> = (0..self.options().nodes)
            .map(|peer| self.ways[peer].iter().map(|way| way.address).filter(|_| reachable(peer)).collect())
            .collect();
        for address in peers.iter().flatten() {
            self.amplification.want(node, *address);
        }
        self.network.with(node, |actor, now| actor.migrate(&peers, now));
    }

    fn new_address(&mut self, node: usize) -> Address {
        self.moves += 1;
        address(node, self.moves)
    }
}

fn address(node: usize, moves: u16) -> Address {
    let [high, low] = moves.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, node as u8, high, low)), 4000).into()
}
