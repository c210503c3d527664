use std::cell::RefCell;
use std::rc::Rc;

use session_core::Transmit;

use super::*;
use crate::{Output, Probability};

/// Sends what it is told to and keeps what it gets: a node that is no endpoint.
#[derive(Default)]
struct Postbox {
    outgoing: Vec<(Address, Vec<u8>)>,
    got: Vec<(Instant, Address, Vec<u8>)>,
    notices: Vec<Notice>,
    alarm: Option<Instant>,
    rang_at: Vec<Instant>,
}

impl Node for Postbox {
    type Event = usize;

    fn handle_datagram(&mut self, datagram: &mut [u8], arrival: Arrival, now: Instant) -> Received {
        self.got.push((now, arrival.link.remote, datagram.to_vec()));
        Received::Consumed
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.alarm = None;
        self.rang_at.push(now);
    }

    fn poll(&mut self, out: &mut [u8], _: Instant) -> Output<usize> {
        let Some((remote, datagram)) = self.outgoing.pop() else { return Output::Wait };
        out[..datagram.len()].copy_from_slice(&datagram);
        let local = Network::<Self>::address(0);
        Output::Transmit(Transmit::new(datagram.len(), Path { carrier: Carrier(0), local, remote }))
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.alarm
    }

    fn max_datagram(&self) -> usize {
        1500
    }

    fn handle_notice(&mut self, notice: Notice, _: Instant) {
        self.notices.push(notice);
    }
}

fn network() -> Network<Postbox> {
    let mut network = Network::new(1);
    network.add(Postbox::default());
    network.add(Postbox::default());
    network.set_link(0, 1, LinkConfig { delay: millis(10), ..LinkConfig::default() });
    network
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn send(network: &mut Network<Postbox>, from: usize, to: usize, datagram: &[u8]) {
    let remote = network.address_of(to);
    send_to(network, from, remote, datagram);
}

fn send_to(network: &mut Network<Postbox>, from: usize, remote: Address, datagram: &[u8]) {
    network.with(from, |node, _| node.outgoing.push((remote, datagram.to_vec()))).expect("it lives");
    network.step();
}

fn got(network: &Network<Postbox>, node: usize) -> usize {
    network.node(node).map_or(0, |node| node.got.len())
}

#[test]
fn a_cut_is_one_way_and_heals() {
    let mut network = network();
    network.set_cut(0, 1, true);
    send(&mut network, 0, 1, b"lost");
    send(&mut network, 1, 0, b"arrives");
    network.run_for(millis(20));
    assert_eq!((got(&network, 0), got(&network, 1), network.incidents().cut), (1, 0, 1));
    network.set_cut(0, 1, false);
    send(&mut network, 0, 1, b"arrives");
    network.run_for(millis(20));
    assert_eq!(got(&network, 1), 1);
}

#[test]
fn who_sleeps_or_is_dead_hears_nothing_and_no_alarm_rings() {
    let mut network = network();
    let ring_at = network.now().saturating_add(millis(15));
    network.with(1, |node, _| node.alarm = Some(ring_at));
    network.put_to_sleep(1);
    send(&mut network, 0, 1, b"lost");
    network.run_for(millis(30));
    assert_eq!((got(&network, 1), network.incidents().not_heard), (0, 1));
    network.wake(1);
    network.run_for(millis(1));
    let woke_at = network.now().saturating_since(ring_at);
    assert_eq!(network.node(1).expect("lives").rang_at.len(), 1, "late by {woke_at:?}");
    let left = network.kill(1).expect("it lived");
    assert_eq!(left.rang_at.len(), 1);
    send(&mut network, 0, 1, b"lost");
    network.run_for(millis(30));
    assert!(network.node(1).is_none() && network.with(1, |_, _| ()).is_none());
    network.start(1, Postbox::default());
    send(&mut network, 0, 1, b"arrives");
    network.run_for(millis(30));
    assert_eq!(got(&network, 1), 1);
    let Incidents { killed, restarted, slept, not_heard, .. } = network.incidents();
    assert_eq!((killed, restarted, slept, not_heard), (1, 1, 1, 2));
}

#[test]
fn a_translator_hides_a_node_and_rebinding_changes_its_address() {
    let mut network = network();
    network.set_nat(0, Some(NatConfig::default()));
    send(&mut network, 1, 0, b"not let in");
    send(&mut network, 0, 1, b"from inside");
    network.run_for(millis(20));
    let outer = network.node(1).expect("lives").got[0].1;
    assert_ne!(outer, network.address_of(0));
    send_to(&mut network, 1, outer, b"let in");
    network.run_for(millis(20));
    assert_eq!(got(&network, 0), 1);
    network.forget_mappings(0);
    send_to(&mut network, 1, outer, b"not let in");
    send(&mut network, 0, 1, b"from inside");
    network.run_for(millis(20));
    let again = network.node(1).expect("lives").got[1].1;
    assert!(again != outer && got(&network, 0) == 1, "another outer address, and the old one is dead");
    assert_eq!((network.incidents().nat_rebound, network.incidents().nat_filtered), (1, 2));
}

#[test]
fn a_node_that_moved_is_found_at_its_new_address_only() {
    let mut network = network();
    let new = Address::Opaque([7; 16]);
    let old = network.address_of(1);
    network.move_to(1, new);
    send_to(&mut network, 0, old, b"nobody there");
    send_to(&mut network, 0, Address::Opaque([8; 16]), b"nobody was there ever");
    send_to(&mut network, 0, new, b"arrives");
    network.run_for(millis(20));
    assert_eq!((got(&network, 1), network.incidents().unreachable), (1, 2));
}

#[test]
fn both_directions_of_half_duplex_share_the_medium_and_turns_cost() {
    let mut network = network();
    let bandwidth = std::num::NonZeroU64::new(100_000);
    network.set_link(0, 1, LinkConfig { bandwidth, ..LinkConfig::default() });
    network.set_half_duplex(0, 1, Some(millis(3)));
    let start = network.now();
    send(&mut network, 0, 1, &[0; 1000]);
    send(&mut network, 1, 0, &[0; 1000]);
    send(&mut network, 1, 0, &[0; 1000]);
    network.run_for(millis(100));
    let times = |node: usize| -> Vec<Duration> {
        network.node(node).expect("lives").got.iter().map(|(at, ..)| at.saturating_since(start)).collect()
    };
    // 10 ms each; a turn of 3 ms between the first and the second, none between the second and the third.
    assert_eq!((times(1), times(0)), (vec![millis(10)], vec![millis(23), millis(33)]));
}

#[test]
fn a_path_with_notice_says_what_would_pass_and_one_without_says_nothing() {
    let mut network = network();
    network.set_link(0, 1, LinkConfig { mtu: Some(1000), ..LinkConfig::default() });
    send(&mut network, 0, 1, &[0; 1200]);
    assert_eq!(network.node(0).expect("lives").notices, []);
    network.set_notices(0, 1, true);
    send(&mut network, 0, 1, &[0; 1200]);
    send(&mut network, 0, 1, &[0; 1000]);
    network.run_for(millis(20));
    let notices = &network.node(0).expect("lives").notices;
    assert_eq!((notices.len(), notices[0].length, notices[0].mtu), (1, 1200, 1000));
    assert_eq!((network.incidents().notices, network.faults().too_big, got(&network, 1)), (1, 2, 1));
}

#[test]
fn alarms_ring_by_the_clock_of_their_node() {
    let mut network = network();
    network.set_clock_drift(0, 500_000);
    network.set_clock_drift(1, -500_000);
    let start = network.now();
    for node in [0, 1] {
        let ring_at = network.clock(node).saturating_add(millis(30));
        network.with(node, |postbox, _| postbox.alarm = Some(ring_at));
    }
    let mut rang = [Duration::ZERO; 2];
    while rang.contains(&Duration::ZERO) {
        assert!(network.step());
        for (node, rang) in rang.iter_mut().enumerate() {
            if *rang == Duration::ZERO && !network.node(node).expect("lives").rang_at.is_empty() {
                *rang = network.now().saturating_since(start);
            }
        }
    }
    assert_eq!(rang, [millis(20), millis(60)]);
}

/// Notes what it sees.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<(char, Origin, usize)>>>);

impl Observer<Postbox> for Log {
    fn departed(&mut self, passage: &Passage, _: &[u8]) {
        self.0.borrow_mut().push(('d', passage.origin, passage.length));
    }

    fn arrived(&mut self, _: &Postbox, passage: &Passage, _: Received) {
        self.0.borrow_mut().push(('a', passage.origin, passage.length));
    }
}

#[test]
fn an_observer_tells_what_the_network_brings_from_what_an_attacker_does() {
    let mut network = network();
    let log = Log::default();
    network.observe(log.clone());
    let config = crate::AttackerConfig { replay: Probability::ALWAYS, delay: millis(5), ..Default::default() };
    network.attacker = Some(Attacker::new(config, 1));
    send(&mut network, 0, 1, b"word");
    network.run_for(millis(20));
    let seen = log.0.borrow().clone();
    assert_eq!(seen, [('d', Origin::Node, 4), ('a', Origin::Injected, 4), ('a', Origin::Network, 4)]);
    assert_eq!((got(&network, 1), network.incidents().attacks.replayed), (2, 1));
}

#[test]
#[should_panic(expected = "I8")]
fn a_deadline_that_does_not_go_away_is_found() {
    struct Stuck;
    impl Node for Stuck {
        type Event = ();

        fn handle_datagram(&mut self, _: &mut [u8], _: Arrival, _: Instant) -> Received {
            Received::Consumed
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll(&mut self, _: &mut [u8], _: Instant) -> Output<()> {
            Output::Wait
        }

        fn next_deadline(&self) -> Option<Instant> {
            Some(Instant::EPOCH)
        }

        fn max_datagram(&self) -> usize {
            0
        }
    }
    let mut network = Network::new(1);
    network.add(Stuck);
    network.with(0, |_, _| ());
    network.step();
}
