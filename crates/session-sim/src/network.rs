//! Nodes, the links between them, and the time. Time jumps to the next delivery or deadline; the same seed gives the same bytes.

mod host;
mod incidents;
mod media;
mod observer;
mod running;

pub use incidents::Incidents;
pub use observer::{Observer, Origin, Passage};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_core::{Address, Arrival, Carrier, Ecn, Instant, Link as Path, Received};
use sha2::{Digest, Sha256};

use crate::attacker::{Attacker, Injection};
use crate::{Faults, Link, LinkConfig, Nat, NatConfig, Node, Notice, inside};
use host::Host;
use media::Media;

/// A datagram as it left a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// Nodes, the links between them, and the time. Nodes are numbered from 0.
///
/// Every pair of nodes is connected by two links, one each way, which do to datagrams what [`LinkConfig`] says. A node has an address, may move to
/// another, may stand behind a [`Nat`], has a [`Clock`](crate::Clock) of its own, may sleep, die and be started again.
pub struct Network<N: Node> {
    seed: u64,
    now: Instant,
    hosts: Vec<Host<N>>,
    pipes: Vec<Pipe>,
    routes: BTreeMap<(usize, usize), usize>,
    media: Media,
    /// What happens to datagrams on links that were not configured.
    pub default_link: LinkConfig,
    /// Whether ECN bits arrive.
    pub carries_ecn: bool,
    /// Every address there ever was, and whose it is.
    addresses: BTreeMap<Address, (usize, Carrier)>,
    arrivals: BTreeSet<(Instant, usize)>,
    alarms: BTreeSet<(Instant, usize)>,
    injections: BTreeMap<(Instant, u64), Injection>,
    injected: u64,
    incidents: Incidents,
    digest: Option<Sha256>,
    packets: u64,
    /// Decides what is put on a link; everything if there is none.
    pub gate: Option<Gate>,
    /// Everything that left a node, if it is wanted.
    pub departures: Option<Vec<Departure>>,
    /// Sees everything that leaves a node, and adds what it likes.
    pub attacker: Option<Attacker>,
    observers: Vec<Box<dyn Observer<N>>>,
}

struct Pipe {
    from: usize,
    to: usize,
    link: Link<Flow>,
    filed: Option<Instant>,
    is_cut: bool,
    gives_notice: bool,
}

/// What a datagram bears on the way beside its bytes.
#[derive(Clone, Copy, Debug)]
struct Flow {
    source: Address,
    destination: Address,
    ecn: Option<Ecn>,
}

impl<N: Node> Network<N> {
    /// Nothing yet. `seed` determines the links and what an attacker draws.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Instant::from_micros(1_000_000),
            hosts: Vec::new(),
            pipes: Vec::new(),
            routes: BTreeMap::new(),
            media: Media::default(),
            default_link: LinkConfig { delay: Duration::from_millis(10), ..LinkConfig::default() },
            carries_ecn: false,
            addresses: BTreeMap::new(),
            arrivals: BTreeSet::new(),
            alarms: BTreeSet::new(),
            injections: BTreeMap::new(),
            injected: 0,
            incidents: Incidents::default(),
            digest: Some(Sha256::new()),
            packets: 0,
            gate: None,
            departures: None,
            attacker: None,
            observers: Vec::new(),
        }
    }

    /// The same without [`digest`](Self::digest), which is then zeros: hashing everything takes its time.
    #[must_use]
    pub fn without_digest(mut self) -> Self {
        self.digest = None;
        self
    }

    /// Adds a node, whose address is [`address`](Self::address) of its number.
    pub fn add(&mut self, node: N) -> usize {
        self.add_at(node, Self::address(self.hosts.len()))
    }

    /// Adds a node at an address of its own.
    pub fn add_at(&mut self, node: N, address: Address) -> usize {
        self.hosts.push(Host::new(node, address));
        let number = self.hosts.len() - 1;
        self.addresses.insert(address, (number, Carrier(0)));
        number
    }

    /// The address of the node of that number, unless it was given another.
    #[must_use]
    pub fn address(number: usize) -> Address {
        Address::Opaque((number as u128).to_be_bytes())
    }

    /// Has everything that passes looked at by `observer`, too.
    pub fn observe(&mut self, observer: impl Observer<N> + 'static) {
        self.observers.push(Box::new(observer));
    }

    /// What happens to datagrams between two nodes from now on, in both directions.
    pub fn set_link(&mut self, one: usize, other: usize, config: LinkConfig) {
        self.set_one_way(one, other, config);
        self.set_one_way(other, one, config);
    }

    /// The same in one direction.
    pub fn set_one_way(&mut self, from: usize, to: usize, config: LinkConfig) {
        let pipe = self.pipe(from, to);
        self.pipes[pipe].link.set_config(config);
        self.file_arrival(pipe);
    }

    /// Cuts one direction, or mends it. What is under way arrives.
    pub fn set_cut(&mut self, from: usize, to: usize, is_cut: bool) {
        let pipe = self.pipe(from, to);
        self.pipes[pipe].is_cut = is_cut;
    }

    /// Whether a sender hears, in one direction, of datagrams above the MTU ([`Node::handle_notice`]).
    pub fn set_notices(&mut self, from: usize, to: usize, gives_notice: bool) {
        let pipe = self.pipe(from, to);
        self.pipes[pipe].gives_notice = gives_notice;
    }

    /// Lets both directions share one medium, which takes `turn` to change its direction; `None` gives each its own.
    pub fn set_half_duplex(&mut self, one: usize, other: usize, turn: Option<Duration>) {
        self.media.set(one, other, turn);
    }

    /// Puts a translator in front of a node, or takes it away.
    pub fn set_nat(&mut self, node: usize, config: Option<NatConfig>) {
        let before = self.hosts[node].nat.take();
        // What the one before has counted stays counted.
        self.incidents.nat_filtered += before.as_ref().map_or(0, Nat::filtered);
        self.incidents.nat_rebound += before.as_ref().map_or(0, Nat::rebound);
        self.hosts[node].nat = config.map(|config| Nat::new(config, node as u16));
    }

    /// Lets the translator in front of a node forget its mappings.
    pub fn forget_mappings(&mut self, node: usize) {
        if let Some(nat) = self.hosts[node].nat.as_mut() {
            nat.forget();
        }
    }

    /// Gives a node another address. What is sent to those it had before does not arrive.
    pub fn move_to(&mut self, node: usize, address: Address) {
        self.hosts[node].addresses = vec![address];
        self.addresses.insert(address, (node, Carrier(0)));
        self.incidents.moved += 1;
    }

    /// Gives a node a further address, on one of its carriers.
    pub fn add_address(&mut self, node: usize, address: Address, carrier: Carrier) {
        self.hosts[node].addresses.push(address);
        self.addresses.insert(address, (node, carrier));
    }

    /// The address of a node, as it knows it itself.
    #[must_use]
    pub fn address_of(&self, node: usize) -> Address {
        self.hosts[node].addresses[0]
    }

    /// How many nodes there are, dead ones too.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.hosts.len()
    }

    /// A node, for questions; `None` while it is dead.
    #[must_use]
    pub fn node(&self, node: usize) -> Option<&N> {
        self.hosts[node].node.as_ref()
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
        self.digest.clone().map_or([0; 32], |digest| digest.finalize().into())
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

    /// What else has happened.
    #[must_use]
    pub fn incidents(&self) -> Incidents {
        let mut incidents = self.incidents;
        for nat in self.hosts.iter().filter_map(|host| host.nat.as_ref()) {
            incidents.nat_filtered += nat.filtered();
            incidents.nat_rebound += nat.rebound();
        }
        if let Some(attacker) = &self.attacker {
            incidents.attacks += *attacker.attacks();
        }
        incidents
    }

    /// Hands a node a datagram that came from nowhere.
    pub fn inject(&mut self, from: usize, to: usize, datagram: &[u8]) -> Option<Received> {
        let flow = Flow { source: self.address_of(from), destination: self.address_of(to), ecn: None };
        self.arrive(flow, to, &mut datagram.to_vec(), Origin::Injected)
    }

    /// Lets everything that has come out of a link by now, and every injection that is due, arrive.
    fn deliver(&mut self) {
        while let Some(&(at, index)) = self.arrivals.first() {
            if at > self.now {
                break;
            }
            while let Some((flow, mut datagram)) = self.pipes[index].link.receive_with_flow(self.now) {
                let to = self.pipes[index].to;
                let _ = self.arrive(flow, to, &mut datagram, Origin::Network);
            }
            self.file_arrival(index);
        }
        while let Some(entry) = self.injections.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let Injection { source, destination, mut datagram, .. } = entry.remove();
            let Some(&(to, _)) = self.addresses.get(&destination) else { continue };
            let flow = Flow { source, destination, ecn: None };
            let _ = self.arrive(flow, to, &mut datagram, Origin::Injected);
        }
    }

    /// Hands a datagram to its node, if there is one that can be reached under its destination.
    fn arrive(&mut self, flow: Flow, to: usize, datagram: &mut [u8], origin: Origin) -> Option<Received> {
        let carrier = self.addresses.get(&flow.destination).map_or(Carrier(0), |(_, carrier)| *carrier);
        let host = &mut self.hosts[to];
        let now = host.clock.at(self.now);
        if host.node.is_none() || host.sleeps {
            self.incidents.not_heard += 1;
            return None;
        }
        let local = match host.nat.as_mut() {
            Some(nat) => nat.incoming(flow.destination, flow.source, self.now)?,
            None => flow.destination,
        };
        if !host.addresses.contains(&local) {
            self.incidents.unreachable += 1;
            return None;
        }
        let arrival = Arrival::new(Path { carrier, local, remote: flow.source });
        let arrival = arrival.with_ecn(flow.ecn.filter(|_| self.carries_ecn));
        let node = host.node.as_mut()?;
        let was_dirty = std::mem::replace(&mut host.is_dirty, true);
        let passage = Passage {
            at: self.now,
            node: to,
            source: flow.source,
            destination: flow.destination,
            length: datagram.len(),
            origin,
            is_first: !was_dirty,
        };
        for observer in &mut self.observers {
            observer.arriving(node, &passage, datagram);
        }
        let received = inside(|| node.handle_datagram(datagram, arrival, now));
        for observer in &mut self.observers {
            observer.arrived(node, &passage, received);
        }
        Some(received)
    }

    /// Puts what a node sends on its way.
    fn transmit(&mut self, from: usize, link: Path, ecn: Option<Ecn>, datagram: &[u8]) {
        let host = &mut self.hosts[from];
        let inner = if host.addresses.contains(&link.local) { link.local } else { host.addresses[0] };
        let source = match host.nat.as_mut() {
            Some(nat) => nat.outgoing(inner, link.remote, self.now),
            None => inner,
        };
        if host.nat.is_some() {
            self.addresses.insert(source, (from, link.carrier));
        }
        let to = self.addresses.get(&link.remote).map(|(to, _)| *to);
        self.packets += 1;
        self.record(from, to, datagram);
        let flow = Flow { source, destination: link.remote, ecn };
        self.show_departure(from, flow, datagram);
        let Some(to) = to else {
            self.incidents.unreachable += 1;
            return;
        };
        if !self.passes_gate(from, to, datagram) {
            return;
        }
        let pipe = self.pipe(from, to);
        if self.pipes[pipe].is_cut {
            self.incidents.cut += 1;
            return;
        }
        self.put_on_link(pipe, flow, datagram);
        self.give_notice(pipe, link, datagram.len());
    }

    fn show_departure(&mut self, from: usize, flow: Flow, datagram: &[u8]) {
        let passage = Passage {
            at: self.now,
            node: from,
            source: flow.source,
            destination: flow.destination,
            length: datagram.len(),
            origin: Origin::Node,
            is_first: false,
        };
        for observer in &mut self.observers {
            observer.departed(&passage, datagram);
        }
        let Some(attacker) = self.attacker.as_mut() else { return };
        for injection in attacker.see(self.now, flow.source, flow.destination, datagram) {
            self.injected += 1;
            self.injections.insert((injection.at, self.injected), injection);
        }
    }

    fn record(&mut self, from: usize, to: Option<usize>, datagram: &[u8]) {
        if let Some(digest) = self.digest.as_mut() {
            let to = to.map_or(u64::MAX, |to| to as u64);
            for word in [self.now.as_micros(), from as u64, to, datagram.len() as u64] {
                digest.update(word.to_be_bytes());
            }
            digest.update(datagram);
        }
    }

    fn passes_gate(&mut self, from: usize, to: usize, datagram: &[u8]) -> bool {
        if self.departures.is_none() && self.gate.is_none() {
            return true;
        }
        let departure = Departure { at: self.now, from, to, datagram: datagram.to_vec() };
        let passes = self.gate.as_mut().is_none_or(|gate| gate(&departure));
        if let Some(departures) = self.departures.as_mut() {
            departures.push(departure);
        }
        passes
    }

    fn put_on_link(&mut self, index: usize, flow: Flow, datagram: &[u8]) {
        let Pipe { from, to, ref mut link, .. } = self.pipes[index];
        self.media.take(from, to, link);
        link.send_from(flow, self.now, datagram);
        self.media.give_back(from, to, link);
        self.file_arrival(index);
    }

    fn give_notice(&mut self, index: usize, link: Path, length: usize) {
        let Pipe { from, gives_notice, link: ref pipe, .. } = self.pipes[index];
        let Some(mtu) = pipe.config().mtu.filter(|mtu| gives_notice && length > *mtu) else { return };
        self.incidents.notices += 1;
        let host = &mut self.hosts[from];
        let now = host.clock.at(self.now);
        host.is_dirty = true;
        if let Some(node) = host.node.as_mut() {
            inside(|| node.handle_notice(Notice::new(link, length, mtu), now));
        }
    }

    fn pipe(&mut self, from: usize, to: usize) -> usize {
        if let Some(&pipe) = self.routes.get(&(from, to)) {
            return pipe;
        }
        let pipe = self.pipes.len();
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(pipe as u64);
        let link = Link::new(self.default_link, seed);
        self.pipes.push(Pipe { from, to, link, filed: None, is_cut: false, gives_notice: false });
        self.routes.insert((from, to), pipe);
        pipe
    }

    fn file_arrival(&mut self, index: usize) {
        let next = self.pipes[index].link.next_delivery();
        refile(&mut self.arrivals, &mut self.pipes[index].filed, next, index);
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

#[cfg(test)]
mod tests;
