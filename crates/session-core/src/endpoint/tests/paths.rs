//! Sessions whose peers move, are moved, or only seem to (protocol §15).

use std::collections::{BTreeMap, BTreeSet};

use core::net::SocketAddr;

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::{CarrierConfig, Migration};
use crate::reason::MigrateError;
use crate::wire::{Frame, ReceiverId};

/// Longer than a path is looked at.
const PATIENCE: Duration = Duration::from_secs(4);

fn ip(host: u8, port: u16) -> Address {
    SocketAddr::from(([192, 0, 2, host], port)).into()
}

/// A datagram on its way.
#[derive(Clone)]
struct Flight {
    link: Link,
    bytes: Vec<u8>,
}

/// Two ends on a network that knows where each of them is.
struct Net {
    pair: Pair,
    /// Where each end is: what comes from there, and what arrives. The last is where it sends from.
    at: [Vec<Address>; 2],
    /// Where each end has been.
    been: [BTreeSet<Address>; 2],
    /// Bytes that came from an address and were authentic, and that left to it, as each end sees it.
    ledger: [BTreeMap<Address, (usize, usize)>; 2],
    /// The ids that packets named, by the way they took.
    ids: BTreeMap<(Address, Address), BTreeSet<ReceiverId>>,
    /// Of a thousand datagrams so many are lost, by this generator.
    loss: (u64, u64),
}

impl Net {
    fn with(ends: [Endpoint; 2]) -> Self {
        let mut net = Self {
            pair: Pair::new(ends),
            at: [vec![ip(1, 4000)], vec![ip(2, 7400)]],
            been: [BTreeSet::from([ip(1, 4000)]), BTreeSet::from([ip(2, 7400)])],
            ledger: Default::default(),
            ids: BTreeMap::new(),
            loss: (0, 1),
        };
        let peer = Peer::Known { key: net.pair.ends[1].public_key(), psk: None };
        let link = Link { carrier: Carrier(0), local: ip(1, 4000), remote: ip(2, 7400) };
        let now = net.pair.now;
        net.pair.ids[0] = Some(net.pair.ends[0].connect(peer, link, ConnectOptions::default(), now).unwrap());
        net.run(TRIP * 4);
        net.pair.ids[1] = net.pair.ends[1].sessions().next();
        net.pair.session(1).accept(b"").unwrap();
        net.run(TRIP * 8);
        for side in [0, 1] {
            net.pair.core(side).leave_out(u64::MAX);
            net.pair.events[side].clear();
        }
        net
    }

    fn new() -> Self {
        Self::with([1, 2].map(|number| endpoint(number, Limits { spare_ids: 2, pool_blocks: 1024, ..small_limits() })))
    }

    /// Where an end is from now on.
    fn put(&mut self, side: usize, addresses: &[Address]) {
        self.at[side] = addresses.to_vec();
        self.been[side].extend(addresses);
    }

    /// Everything one end has to send now.
    fn take(&mut self, side: usize) -> Vec<Flight> {
        let mut out = vec![0; self.pair.ends[side].max_datagram()];
        let mut flights = Vec::new();
        loop {
            assert!(flights.len() < 1_000, "no end of packets");
            match self.pair.ends[side].poll_action(&mut out, self.pair.now) {
                Action::Transmit(transmit) => {
                    let bytes = out[..transmit.len].to_vec();
                    self.ledger[side].entry(transmit.link.remote).or_default().1 += bytes.len();
                    flights.push(Flight { link: transmit.link, bytes });
                }
                Action::Event(event) => self.pair.events[side].push(event),
                Action::Wait(_) => return flights,
                Action::NeedsRoom(bytes) => panic!("{bytes} bytes"),
            }
        }
    }

    /// Hands a datagram to an end as if it came from `remote`.
    fn arrive(&mut self, side: usize, remote: Address, bytes: &[u8]) -> Received {
        let local = *self.at[side].last().unwrap();
        let arrival = Arrival::new(Link { carrier: Carrier(0), local, remote });
        let received = self.pair.ends[side].handle_datagram(&mut bytes.to_vec(), arrival, self.pair.now);
        if received == Received::Consumed {
            self.ledger[side].entry(remote).or_default().0 += bytes.len();
        }
        received
    }

    /// Carries one datagram of `from` to where it is addressed, if the other end is there.
    fn carry(&mut self, from: usize, flight: &Flight) {
        self.loss.1 = self.loss.1.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if (self.loss.1 >> 33) % 1000 < self.loss.0 || !self.at[1 - from].contains(&flight.link.remote) {
            return;
        }
        let source = *self.at[from].last().unwrap();
        if let Ok((id, _)) = data_header::parse_protected(&flight.bytes, ID_LENGTH) {
            self.ids.entry((source, flight.link.remote)).or_default().insert(id);
        }
        let _ = self.arrive(1 - from, source, &flight.bytes);
    }

    /// Lets time pass; both ends read all that comes.
    fn run(&mut self, time: Duration) {
        let end = self.pair.now.saturating_add(time);
        while self.pair.now < end {
            let flights = [0, 1].map(|side| self.take(side));
            self.pair.pass(TRIP);
            for (side, flights) in flights.iter().enumerate() {
                flights.iter().for_each(|flight| self.carry(side, flight));
            }
            for side in [0, 1] {
                self.pair.ends[side].handle_timeout(self.pair.now);
                self.pair.ends[side].assert_invariants();
                if self.pair.ids[side].is_some() {
                    self.check_amplification(side);
                }
            }
        }
    }

    /// No address gets more than three times what came from it, unless the peer has been there (I7).
    fn check_amplification(&self, side: usize) {
        for (address, (came, left)) in &self.ledger[side] {
            let known = side == 0 || self.been[1 - side].contains(address) || self.remote(side) == *address;
            assert!(known || *left <= 3 * came, "{address:?}: {came} bytes came, {left} left");
        }
    }

    fn send(&mut self, side: usize, bytes: usize) {
        self.pair.session(side).send(&vec![side as u8; bytes], CHANNEL).unwrap();
    }

    /// Reads whole messages; how many.
    fn read(&mut self, side: usize) -> usize {
        let mut out = [0; 4000];
        let mut count = 0;
        while let Ok(Some(_)) = self.pair.session(side).recv(&mut out, CHANNEL) {
            count += 1;
        }
        count
    }

    /// The address at which an end has its peer.
    fn remote(&self, side: usize) -> Address {
        self.pair.look(side).link().remote
    }

    fn moved(&self, side: usize) -> usize {
        self.pair.events[side].iter().filter(|event| matches!(event, Event::PathChanged(_))).count()
    }

    fn looks_elsewhere(&self, side: usize) -> bool {
        self.pair.ends[side].shared.memory.others.used() > 0
    }

    /// A message of an end, sealed but not delivered.
    fn packet(&mut self, side: usize) -> Flight {
        self.send(side, 10);
        self.take(side).pop().unwrap()
    }
}

//= docs/protocol.md P-15-1 P-15-2 P-15-8
#[test]
fn d27_a_session_follows_a_nat_that_rebinds_once_the_peer_has_answered() {
    let mut net = Net::new();
    net.send(0, 2000);
    net.run(TRIP * 10);
    let before = net.pair.look(1).stats();
    net.put(0, &[ip(1, 5000)]);
    net.send(0, 2000);
    net.send(1, 2000);
    net.run(TRIP);
    assert_eq!((net.remote(1), net.looks_elsewhere(1)), (ip(1, 4000), true), "data stays where the peer was");
    net.run(TRIP * 3);
    assert_eq!((net.remote(1), net.looks_elsewhere(1), net.moved(1)), (ip(1, 5000), false, 1));
    assert!(net.pair.look(1).stats().latest_rtt < TRIP * 5, "what was measured stays");
    net.run(Duration::from_secs(2));
    assert_eq!((net.read(0), net.read(1)), (1, 2));
    let after = net.pair.look(1).stats();
    assert_eq!((after.path_changes, after.minimum_rtt), (1, before.minimum_rtt), "only the port is another");
    let found: Vec<_> = net.pair.ends[1].sessions_at(ip(1, 5000)).collect();
    assert_eq!(found, [net.pair.ids[1].unwrap()]);
    assert_eq!(net.pair.ends[1].sessions_at(ip(1, 4000)).count(), 0);
    assert_eq!(net.remote(0), ip(2, 7400));
}

/// The initiator goes to another host and both send: whoever sees both paths finds no id on both. Returns how many messages came to either end.
fn assert_moves_unrecognised(net: &mut Net) -> (usize, usize) {
    let (was, is) = (*net.at[0].last().unwrap(), ip(9, 4000));
    net.put(0, &[is]);
    let now = net.pair.now;
    net.pair.ends[0].rebind(Carrier(0), is, now);
    net.run(TRIP * 6);
    assert_eq!((net.remote(1), net.moved(1)), (is, 1));
    net.send(1, 2000);
    net.send(0, 2000);
    net.run(Duration::from_secs(1));
    for (old, new) in [((was, ip(2, 7400)), (is, ip(2, 7400))), ((ip(2, 7400), was), (ip(2, 7400), is))] {
        let both: Vec<_> = net.ids[&old].intersection(&net.ids[&new]).collect();
        assert!(both.is_empty() && !net.ids[&new].is_empty(), "{both:?} on {old:?} and {new:?}");
    }
    (net.read(0), net.read(1))
}

//= docs/protocol.md P-15-7
#[test]
fn d37_over_another_path_neither_end_is_known_by_its_ids() {
    let mut net = Net::new();
    net.send(0, 2000);
    net.run(TRIP * 10);
    assert_eq!(assert_moves_unrecognised(&mut net), (1, 2));
    assert_eq!(net.moved(0), 1);
    for side in [0, 1] {
        assert_eq!(net.pair.core(side).own_ids().active().collect::<Vec<_>>(), [1, 2, 3], "the old one is retired");
    }
}

/// Copies name the id that packets named before, so they cost none of those that are for moves.
//= docs/protocol.md P-15-7
#[test]
fn d37_copies_from_other_addresses_use_up_no_ids() {
    let mut net = Net::new();
    for number in 0..10 {
        let original = net.packet(0);
        assert_eq!(net.arrive(1, ip(100 + number, 6666), &original.bytes), Received::Consumed);
        assert!(net.looks_elsewhere(1));
        net.run(if number % 2 == 0 { PATIENCE } else { TRIP * 4 });
    }
    assert_eq!(net.pair.core(0).own_ids().active().collect::<Vec<_>>(), [0, 1, 2]);
    net.run(PATIENCE);
    assert_eq!(assert_moves_unrecognised(&mut net), (1, 11), "with the ten that were copied");
}

/// A packet that was kept back, let go from where the initiator is to appear, opens the path under the old id; what comes then names the new one.
//= docs/protocol.md P-15-7
#[test]
fn d37_a_packet_kept_back_does_not_hand_the_old_id_to_the_new_path() {
    let mut net = Net::new();
    net.send(0, 100);
    net.send(1, 100);
    net.run(Duration::from_secs(1));
    let (was, is) = (ip(1, 4000), ip(9, 4000));
    let kept_back = net.packet(0);
    net.put(0, &[is]);
    let now = net.pair.now;
    net.pair.ends[0].rebind(Carrier(0), is, now);
    assert_eq!(net.arrive(1, is, &kept_back.bytes), Received::Consumed);
    // The challenge that it calls forth cannot know better.
    net.run(TRIP * 6);
    assert_eq!((net.remote(1), net.moved(1)), (is, 1));
    let before = net.ids[&(ip(2, 7400), was)].clone();
    net.ids.clear();
    net.send(1, 2000);
    net.send(0, 2000);
    net.run(Duration::from_secs(1));
    let now = &net.ids[&(ip(2, 7400), is)];
    assert!(!now.is_empty() && now.is_disjoint(&before), "{now:?} after {before:?}");
}

/// Where ids are used up all the same the oldest is asked back, long before there is no room for another.
//= docs/protocol.md P-6.1-6
#[test]
fn d37_who_looks_for_paths_in_vain_goes_on_getting_fresh_ids() {
    let mut net = Net::new();
    let link = net.pair.look(0).link();
    for number in 0..30 {
        let nowhere = Link { remote: ip(77, 1000 + number), ..link };
        net.pair.session(0).migrate(nowhere, Migration::Probing).unwrap();
        net.run(TRIP * 8);
        assert_eq!(net.pair.core(1).own_ids().active().count(), 3, "after {number}");
    }
    net.run(PATIENCE * 2);
    let used = net.pair.core(0).remote_id().unwrap();
    net.pair.events[0].clear();
    assert_eq!(assert_moves_unrecognised(&mut net), (1, 1));
    assert_ne!(net.pair.core(0).remote_id(), Some(used));
    assert_eq!(net.pair.close_code(0).or(net.pair.close_code(1)), None);
}

//= docs/protocol.md P-15-2
#[test]
fn d27_a_copy_that_wins_the_race_moves_nothing_and_one_that_loses_it_is_not_even_looked_at() {
    let mut net = Net::new();
    let thief = ip(66, 6666);
    let original = net.packet(0);
    assert_eq!(net.arrive(1, thief, &original.bytes), Received::Consumed);
    assert_eq!(net.arrive(1, ip(1, 4000), &original.bytes), Received::Discarded(DiscardReason::Replayed));
    assert!(net.looks_elsewhere(1));
    net.send(1, 1000);
    net.run(Duration::from_secs(1));
    assert_eq!((net.remote(1), net.read(0), net.read(1)), (ip(1, 4000), 1, 1), "data flows as before");
    let (came, left) = net.ledger[1][&thief];
    assert!(left > 0 && left <= 3 * came, "{came} bytes came, {left} left");
    net.run(PATIENCE);
    assert!(!net.looks_elsewhere(1), "nobody answered there");
    let original = net.packet(0);
    assert_eq!(net.arrive(1, ip(1, 4000), &original.bytes), Received::Consumed);
    assert_eq!(net.arrive(1, thief, &original.bytes), Received::Discarded(DiscardReason::Replayed));
    assert!(!net.looks_elsewhere(1));
    assert_eq!(net.moved(1), 0);
}

#[test]
fn d1_packets_replayed_after_a_move_deliver_and_move_nothing() {
    let mut net = Net::new();
    let mut recorded = Vec::new();
    for port in [4000, 5000] {
        net.put(0, &[ip(1, port)]);
        for _ in 0..3 {
            let flight = net.packet(0);
            net.carry(0, &flight);
            recorded.push(flight.bytes);
            net.run(TRIP * 4);
        }
    }
    assert_eq!((net.remote(1), net.read(1)), (ip(1, 5000), 6));
    let digest = net.pair.ends[1].digest();
    for bytes in recorded.iter().chain(&recorded) {
        for remote in [ip(1, 4000), ip(1, 5000), ip(66, 6666)] {
            assert_eq!(net.arrive(1, remote, bytes), Received::Discarded(DiscardReason::Replayed));
        }
    }
    assert!(net.pair.ends[1].digest() == digest, "no trace is left");
}

/// Somebody forwards all packets of the initiator faster than the network does, in both directions, and then stops.
#[test]
fn d27_a_session_that_was_led_over_a_relay_comes_back_when_the_relay_stops() {
    let mut net = Net::new();
    let relay = ip(66, 6666);
    for round in 0..12 {
        net.send(0, 100);
        for flight in net.take(0) {
            let _ = net.arrive(1, relay, &flight.bytes);
            let _ = net.arrive(1, ip(1, 4000), &flight.bytes);
        }
        net.pair.pass(TRIP);
        for flight in net.take(1) {
            assert!([relay, ip(1, 4000)].contains(&flight.link.remote), "{round}");
            let _ = net.arrive(0, ip(2, 7400), &flight.bytes);
        }
    }
    assert_eq!(net.remote(1), relay, "who carries everything is the path");
    for _ in 0..4 {
        net.send(0, 100);
        net.run(Duration::from_secs(1));
    }
    assert_eq!((net.remote(1), net.read(1)), (ip(1, 4000), 16), "nothing is lost");
}

/// Which of the initiator's packets come from elsewhere first.
#[derive(Clone, Copy, Debug)]
enum Stolen {
    FirstOfEachTrip,
    LastOfEachTrip,
    EveryOther,
    Answers,
}

/// Every packet is copied, and some copies are faster; each comes from an address of its own.
//= docs/protocol.md P-15-2 P-15-6
#[test]
fn d27_whoever_copies_packets_keeps_no_peer_out_that_has_moved() {
    for stolen in [Stolen::FirstOfEachTrip, Stolen::LastOfEachTrip, Stolen::EveryOther, Stolen::Answers] {
        for host in [1, 9] {
            let mut net = Net::new();
            let new = ip(host, 5000);
            net.put(0, &[new]);
            let (mut thief, mut trips) = (0, 0);
            while net.remote(1) != new {
                trips += 1;
                assert!(trips <= 16, "{stolen:?}: kept out of host {host}");
                let mut sent = Vec::new();
                for _ in 0..3 {
                    net.send(0, 10);
                    sent.extend(net.take(0));
                }
                let mut answers = net.take(1);
                net.pair.pass(TRIP);
                let last = sent.len() - 1;
                for (place, flight) in sent.iter().enumerate() {
                    let is_stolen = match stolen {
                        Stolen::FirstOfEachTrip => place == 0,
                        Stolen::LastOfEachTrip => place == last,
                        Stolen::EveryOther => place % 2 == 0,
                        Stolen::Answers => place == 1 || net.pair.open(1, &flight.bytes).1[0] == 0x1B,
                    };
                    thief += 1;
                    let elsewhere = ip(100, thief);
                    for from in if is_stolen { [elsewhere, new] } else { [new, elsewhere] } {
                        let _ = net.arrive(1, from, &flight.bytes);
                    }
                    answers.extend(net.take(1));
                }
                answers.iter().for_each(|flight| net.carry(1, flight));
                for side in [0, 1] {
                    net.pair.ends[side].handle_timeout(net.pair.now);
                    net.pair.ends[side].assert_invariants();
                    net.check_amplification(side);
                }
            }
            net.run(Duration::from_secs(2));
            assert_eq!((net.remote(1), net.read(1)), (new, 3 * trips), "{stolen:?}");
        }
    }
}

/// A peer whose answer comes over the path in use is there, and is not sent elsewhere.
//= docs/protocol.md P-15-2
#[test]
fn an_answer_over_the_path_in_use_shows_that_the_peer_has_not_moved() {
    let mut net = Net::new();
    let thief = ip(66, 6666);
    let original = net.packet(0);
    let _ = net.arrive(1, thief, &original.bytes);
    let question = net.take(1).into_iter().find(|flight| flight.link.remote == thief).unwrap();
    // The thief hands it on as if it came from the peer.
    let _ = net.arrive(0, ip(2, 7400), &question.bytes);
    let answer = net.take(0).remove(0);
    assert_eq!(net.arrive(1, ip(1, 4000), &answer.bytes), Received::Consumed);
    assert_eq!((net.remote(1), net.moved(1)), (ip(1, 4000), 0));
}

//= docs/protocol.md P-15-2 P-15-6
#[test]
fn d27_flapping_and_two_live_paths_lose_nothing() {
    // There and back again before anybody has answered.
    let mut net = Net::new();
    for (host, port) in [(1, 5000), (1, 4000), (1, 5000), (1, 4000)] {
        net.put(0, &[ip(1, 4000), ip(host, port)]);
        let flight = net.packet(0);
        net.carry(0, &flight);
    }
    net.run(Duration::from_secs(1));
    assert_eq!((net.remote(1), net.read(1), net.moved(1)), (ip(1, 4000), 4, 0));
    // Every other packet comes from another address, and both are reachable.
    for host in [1, 9] {
        let mut net = Net::new();
        for round in 0..40 {
            let port = if round % 2 == 0 { 4000 } else { 5000 };
            let other = ip(host, 5000);
            net.put(0, &if port == 4000 { [other, ip(1, 4000)] } else { [ip(1, 4000), other] });
            net.send(0, 100);
            net.send(1, 100);
            net.run(TRIP * 2);
        }
        net.run(Duration::from_secs(5));
        assert_eq!((net.read(0), net.read(1)), (40, 40));
        assert!([ip(1, 4000), ip(host, 5000)].contains(&net.remote(1)));
    }
}

#[test]
fn nats_that_rebind_in_mid_transfer_lose_nothing_over_32_seeds() {
    for seed in 0..32 {
        let mut net = Net::new();
        net.loss = (50, seed + 1);
        let (mut sent, mut read) = (0, 0);
        for round in 0..20_u16 {
            if round % 5 == 4 {
                // The NAT forgets, or the whole network is another.
                let host = if seed % 2 == 0 { 1 } else { 10 + round as u8 };
                net.put(0, &[ip(host, 5000 + round)]);
            }
            for side in [0, 1] {
                let message = vec![7; 900];
                sent += usize::from(side == 0 && net.pair.session(0).send(&message, CHANNEL).is_ok());
                let _ = net.pair.session(1).send(&message, CHANNEL);
            }
            net.run(TRIP * 8);
            read += net.read(1);
            net.read(0);
        }
        net.run(Duration::from_secs(20));
        read += net.read(1);
        assert_eq!(read, sent, "seed {seed}");
        assert_eq!(net.remote(1), *net.at[0].last().unwrap(), "seed {seed}");
        assert!(net.pair.look(1).stats().path_changes >= 4, "seed {seed}");
        assert_eq!(net.pair.close_code(1), None, "seed {seed}");
    }
}

//= docs/protocol.md P-15-4 P-15-5
#[test]
fn d28_a_flood_of_challenges_is_answered_by_one_datagram_on_each_path() {
    let mut net = Net::new();
    for number in 0..1_000_u64 {
        let packet = net.pair.seal_frame(0, &Frame::PathChallenge(number.to_be_bytes()));
        let from = if number % 2 == 0 { ip(1, 4000) } else { ip(1, 5000) };
        assert_eq!(net.arrive(1, from, &packet), Received::Consumed);
    }
    let flights = net.take(1);
    let answers: Vec<_> = flights
        .iter()
        .filter_map(|flight| {
            let plaintext = net.pair.open(0, &flight.bytes).1;
            (plaintext[0] == 0x1B).then(|| (flight.link.remote, plaintext[1..9].to_vec()))
        })
        .collect();
    let latest = |number: u64| number.to_be_bytes().to_vec();
    assert_eq!(answers, [(ip(1, 4000), latest(998)), (ip(1, 5000), latest(999))]);
    assert!(flights.iter().all(|flight| flight.bytes.len() <= 1200));
    assert_eq!(net.moved(1), 0, "a probe moves nothing");
    assert_eq!(net.remote(1), ip(1, 4000));
    // A challenge is answered by three times its own bytes at most.
    let packet = net.pair.seal_frame(0, &Frame::PathChallenge([1; 8]));
    let _ = net.arrive(1, ip(1, 4000), &packet);
    let answer = net.take(1).remove(0);
    assert!(answer.bytes.len() <= 3 * packet.len());
}

//= docs/protocol.md P-15-2 P-15-3
#[test]
fn d28_answers_that_are_forged_or_repeated_move_nothing_and_the_true_one_counts_wherever_it_comes() {
    for over in [ip(1, 4000), ip(1, 5000), ip(1, 6000)] {
        let mut net = Net::new();
        let new = ip(1, 5000);
        let flight = net.packet(0);
        let _ = net.arrive(1, new, &flight.bytes);
        let challenge = net.take(1).into_iter().find(|flight| flight.link.remote == new).unwrap();
        let plaintext = net.pair.open(0, &challenge.bytes).1;
        assert_eq!(plaintext[0], 0x1A);
        let challenge: [u8; 8] = plaintext[1..9].try_into().unwrap();
        let mut forged = challenge;
        forged[7] ^= 1;
        for from in [ip(1, 4000), new, ip(1, 6000)] {
            let wrong = net.pair.seal_frame(0, &Frame::PathResponse(forged));
            assert_eq!(net.arrive(1, from, &wrong), Received::Consumed);
        }
        assert_eq!(net.remote(1), ip(1, 4000));
        let answer = net.pair.seal_frame(0, &Frame::PathResponse(challenge));
        assert_eq!(net.arrive(1, over, &answer), Received::Consumed);
        assert_eq!(net.remote(1), new, "the true one does, over {over:?}");
        assert_eq!(net.arrive(1, over, &answer), Received::Discarded(DiscardReason::Replayed));
        // An answer nobody asked for is nothing.
        let again = net.pair.seal_frame(0, &Frame::PathResponse(challenge));
        assert_eq!(net.arrive(1, ip(1, 4000), &again), Received::Consumed);
        assert_eq!((net.remote(1), net.looks_elsewhere(1)), (new, false));
    }
}

/// Mistake 16 of the published ones: an authenticated peer that comes from ever other ports.
#[test]
fn a_peer_that_comes_from_a_hundred_thousand_ports_costs_one_record() {
    let mut net = Net::new();
    let mut datagrams = 0;
    for number in 0..100_000_u32 {
        let packet = net.pair.seal_frame(0, &Frame::Ping);
        let from = ip(1 + (number >> 16) as u8, number as u16);
        let _ = net.arrive(1, from, &packet);
        assert!(net.pair.ends[1].shared.memory.others.used() <= 1);
        if number % 16 == 0 {
            let flights = net.take(1);
            datagrams += flights.len();
            assert!(flights.len() <= 2);
        }
    }
    assert!(net.pair.events[1].is_empty(), "{:?}", net.pair.events[1]);
    assert!(datagrams <= 2 * 100_000 / 16 + 2);
    for (address, (came, left)) in &net.ledger[1] {
        assert!(*address == ip(1, 4000) || *left <= 3 * came, "{address:?}");
    }
    assert_eq!(net.remote(1), ip(1, 4000));
}

/// Mistake 10: what a peer does not acknowledge piles up nowhere.
#[test]
fn d28_challenges_of_a_peer_that_acknowledges_nothing_pile_up_nowhere() {
    let mut net = Net::new();
    let free = net.pair.ends[1].shared.memory.pool.free();
    let in_flight = net.pair.look(1).stats().bytes_in_flight;
    for number in 0..2_000_u64 {
        let packet = net.pair.seal_frame(0, &Frame::PathChallenge(number.to_be_bytes()));
        let _ = net.arrive(1, ip(1, 4000), &packet);
        assert!(net.take(1).len() <= 2, "an answer, and an acknowledgement");
    }
    assert_eq!(net.pair.ends[1].shared.memory.pool.free(), free);
    assert_eq!(net.pair.look(1).stats().bytes_in_flight, in_flight, "answers are not in flight");
}

//= docs/protocol.md P-15-6 P-15-7
#[test]
fn a_session_goes_where_it_is_sent_once_the_peer_has_answered_there() {
    let mut net = Net::new();
    let link = net.pair.look(0).link();
    let wifi = Link { local: ip(9, 4000), ..link };
    // The other way leads nowhere: what is sent there is lost.
    net.pair.session(0).migrate(Link { remote: ip(3, 7400), ..link }, Migration::Probing).unwrap();
    net.send(0, 100);
    net.run(PATIENCE);
    assert_eq!((net.pair.look(0).link(), net.moved(0), net.read(1)), (link, 1, 1), "it stays, and that is told");
    assert_eq!(net.pair.look(0).stats().path_changes, 0);
    // The peer is at both of its addresses.
    net.put(1, &[ip(3, 7400), ip(2, 7400)]);
    net.pair.session(0).migrate(Link { remote: ip(3, 7400), ..link }, Migration::Probing).unwrap();
    net.send(0, 100);
    let flights = net.take(0);
    assert!(flights.iter().any(|flight| flight.link.remote == ip(3, 7400)), "a probe goes there");
    assert!(flights.iter().any(|flight| flight.link == link), "data stays");
    net.put(1, &[ip(2, 7400), ip(3, 7400)]);
    flights.iter().for_each(|flight| net.carry(0, flight));
    net.run(Duration::from_secs(1));
    assert_eq!((net.remote(0), net.moved(0), net.read(1)), (ip(3, 7400), 2, 1));
    // At once from another address of ours; the peer follows.
    net.put(0, &[ip(9, 4000)]);
    let to = Link { remote: ip(3, 7400), ..wifi };
    net.pair.session(0).migrate(to, Migration::AtOnce).unwrap();
    assert_eq!(net.pair.look(0).link(), to);
    net.run(Duration::from_secs(1));
    assert_eq!(net.remote(1), ip(9, 4000));
    assert_eq!(net.pair.session(0).migrate(link, Migration::AtOnce), Err(MigrateError::Unproven));
    let nowhere = Link { carrier: Carrier(1), ..link };
    assert_eq!(net.pair.session(0).migrate(nowhere, Migration::Probing), Err(MigrateError::Carrier));
    net.pair.session(0).abort(0, "");
    assert_eq!(net.pair.session(0).migrate(link, Migration::Probing), Err(MigrateError::NotEstablished));
}

//= docs/protocol.md P-15-8
#[test]
fn over_another_network_the_window_and_the_round_trip_are_found_anew() {
    let mut net = Net::new();
    net.loss = (200, 7);
    for _ in 0..10 {
        net.send(1, 2000);
        net.run(TRIP * 200);
        net.read(0);
    }
    net.loss = (0, 1);
    net.run(Duration::from_secs(5));
    let narrow = net.pair.look(1).stats();
    net.put(0, &[ip(9, 4000)]);
    net.send(0, 10);
    for _ in 0..3 {
        net.run(TRIP);
    }
    let anew = net.pair.look(1).stats();
    assert_eq!((net.remote(1), anew.bytes_in_flight), (ip(9, 4000), 0));
    assert!(anew.congestion_window > narrow.congestion_window, "{narrow:?} {anew:?}");
    assert_eq!(anew.latest_rtt, Duration::from_millis(333), "not measured yet");
}

#[test]
fn strict_sessions_stay_with_the_address_they_began_with() {
    let mut ends = [1, 2].map(|number| endpoint(number, small_limits()));
    ends[1].settings.config.strict_address = true;
    let mut net = Net::with(ends);
    for frame in [Frame::Ping, Frame::PathChallenge([1; 8])] {
        let packet = net.pair.seal_frame(0, &frame);
        assert_eq!(net.arrive(1, ip(1, 5000), &packet), Received::Consumed);
        assert!(net.take(1).iter().all(|flight| flight.link.remote == ip(1, 4000)));
    }
    assert_eq!((net.looks_elsewhere(1), net.pair.look(1).stats().packets_elsewhere), (false, 2));
}

//= docs/protocol.md P-15-1
#[test]
fn where_carriers_prove_addresses_a_session_follows_at_once() {
    let mut ends = [1, 2].map(|number| endpoint(number, small_limits()));
    ends[1].settings.config.carriers[0] = CarrierConfig { padding: false, ..CarrierConfig::udp(1200) };
    let mut net = Net::with(ends);
    let packet = net.pair.seal_frame(0, &Frame::Ping);
    let _ = net.arrive(1, ip(9, 5000), &packet);
    assert_eq!((net.remote(1), net.looks_elsewhere(1)), (ip(9, 5000), false));
}

//= docs/protocol.md P-15-3 P-15-5
#[test]
fn a_challenge_is_said_four_times_in_the_largest_datagram_that_may_go_there() {
    let mut net = Net::new();
    let new = ip(1, 5000);
    net.put(0, &[ip(1, 4000)]);
    net.send(0, 1000);
    let large = net.take(0).remove(0);
    let _ = net.arrive(1, new, &large.bytes);
    let mut said = Vec::new();
    for _ in 0..400 {
        said.extend(net.take(1).into_iter().filter(|flight| flight.link.remote == new));
        net.pair.pass(TRIP);
        let now = net.pair.now;
        net.pair.ends[1].handle_timeout(now);
    }
    let lengths: Vec<_> = said.iter().map(|flight| flight.bytes.len()).collect();
    assert_eq!(lengths[..2], [1200, 1200]);
    assert_eq!(lengths.iter().sum::<usize>(), 3 * large.bytes.len(), "all that may go there");
    assert!(!net.looks_elsewhere(1), "it is given up");
    // Every time by the same bytes, which nobody can foresee.
    let asked: BTreeSet<_> = said.iter().map(|flight| net.pair.open(0, &flight.bytes).1[..9].to_vec()).collect();
    assert_eq!(asked.len(), 1);
}

/// What one carrier takes says nothing of another.
#[test]
fn back_on_a_carrier_of_larger_datagrams_larger_ones_are_looked_for_again() {
    let mut ends = [1, 2].map(|number| endpoint(number, Limits::default()));
    for end in &mut ends {
        let carriers = [1452, 1200].map(|most| CarrierConfig { padding: false, ..CarrierConfig::udp(most) });
        end.settings.config.carriers = carriers.to_vec();
    }
    let mut net = Net::with(ends);
    for (number, largest) in [(1, 1200), (0, 1452), (1, 1200)] {
        let mut packet = net.pair.seal_frame(0, &Frame::Ping);
        let link = Link { carrier: Carrier(number), local: ip(2, 7400), remote: ip(1 + number, 4000) };
        let now = net.pair.now;
        let _ = net.pair.ends[1].handle_datagram(&mut packet, Arrival::new(link), now);
        assert_eq!(net.pair.look(1).link(), link);
        (0..6).for_each(|_| net.send(1, 1000));
        let most = net.take(1).iter().map(|flight| flight.bytes.len()).max();
        assert_eq!(most, Some(largest), "over carrier {number}");
    }
}
