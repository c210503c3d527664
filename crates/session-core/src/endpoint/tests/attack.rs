//! A peer that holds the keys and breaks every rule: what it costs, and how long it lasts.

use super::*;
use crate::fuzz::null::{Null, TAG};
use crate::ids::Role;
use crate::session::State;

/// One honest end of a session, and what its peer's packets must look like.
struct Victim {
    endpoint: Endpoint<Null>,
    id: SessionId,
    link: Link,
    receiver_id: [u8; 8],
    number: u32,
    now: Instant,
    closes: Vec<SessionId>,
}

fn null_endpoint(number: u8, limits: Limits) -> Endpoint<Null> {
    let key = StaticKey::new(&Null, Secret::new([number; 32]));
    Endpoint::new(Config::new(key, "test"), limits, Null, Seed::new([number; 32])).unwrap()
}

impl Victim {
    /// The end of `role`, in Handshaking.
    fn new(role: Role, limits: Limits) -> Self {
        let now = Instant::from_micros(1);
        let (alice, bob) = (null_endpoint(1, limits.clone()), null_endpoint(2, limits));
        let key = bob.public_key();
        let victim = |endpoint, link| Self {
            endpoint,
            id: SessionId { slot: 0, generation: 0 },
            link,
            receiver_id: [0; 8],
            number: 1000,
            now,
            closes: Vec::new(),
        };
        let (mut alice, mut bob) = (victim(alice, link(1, 2)), victim(bob, link(2, 1)));
        let peer = Peer::Known { key, psk: None };
        alice.id = alice.endpoint.connect(peer, alice.link, ConnectOptions::default(), now).unwrap();
        let hello = alice.drain().pop().unwrap();
        alice.receiver_id = hello[6..14].try_into().unwrap();
        bob.hand(&hello);
        bob.id = bob.endpoint.sessions().next().unwrap();
        let reply = bob.drain().pop().unwrap();
        alice.hand(&reply);
        let connect = alice.drain().swap_remove(0);
        if role == Role::Initiator {
            return alice;
        }
        bob.receiver_id = connect[1..9].try_into().unwrap();
        bob.hand(&connect);
        bob.drain();
        bob
    }

    fn hand(&mut self, packet: &[u8]) {
        let arrival = Arrival::new(self.link);
        assert_eq!(self.endpoint.handle_datagram(&mut packet.to_vec(), arrival, self.now), Received::Consumed);
        self.endpoint.assert_invariants();
    }

    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut out = vec![0; 2000];
        let mut packets = Vec::new();
        loop {
            match self.endpoint.poll_action(&mut out, self.now) {
                Action::Transmit(transmit) => packets.push(out[..transmit.len].to_vec()),
                Action::Event(Event::Closed(id)) => self.closes.push(id),
                Action::Event(_) => {}
                _ => return packets,
            }
        }
    }

    /// A packet of the peer with these frames.
    fn frames(&mut self, plaintext: &[u8]) {
        self.number += 1;
        let mut packet = vec![0x43];
        packet.extend(self.receiver_id);
        packet.extend(self.number.to_be_bytes());
        packet.extend(plaintext);
        packet.extend(TAG);
        self.hand(&packet);
    }

    /// Time passes, and nothing comes.
    fn wait(&mut self, duration: Duration) {
        let end = self.now.saturating_add(duration);
        while let Some(deadline) = self.endpoint.next_deadline().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn state(&self) -> Option<State> {
        self.endpoint.session(self.id).map(|session| session.state())
    }

    fn promised(&self) -> u32 {
        self.endpoint.shared.memory.pool.promised()
    }
}

/// PENDING number `index` of a responder that says nothing else.
fn pending(index: u8) -> [u8; 6] {
    [0x0B, 0, 2 * index, 1, 0x40, 0x01]
}

//= docs/protocol.md P-7-2 P-11-1
#[test]
fn l10_a_responder_that_goes_on_saying_pending_does_not_hold_the_attempt_for_ever() {
    let mut victim = Victim::new(Role::Initiator, small_limits());
    for index in 0..20 {
        if victim.state() != Some(State::Handshaking) {
            return;
        }
        victim.frames(&pending(index));
        victim.drain();
        victim.wait(Duration::from_secs(10));
    }
    panic!("still {:?} after {:?}", victim.state(), victim.now);
}

//= docs/protocol.md P-12-4
#[test]
fn l8_early_data_of_a_session_that_was_never_accepted_holds_no_memory_when_it_is_over() {
    let mut victim = Victim::new(Role::Responder, small_limits());
    victim.frames(&[0x0B, 16, 0, 1, 7]);
    assert!(victim.promised() > 0, "early data is held within credit");
    let (id, now) = (victim.id, victim.now);
    victim.endpoint.session_mut(id, now).unwrap().refuse(CloseCode::UNAUTHORIZED, "not you", None).unwrap();
    victim.drain();
    // The peer says CLOSE: nobody will ever read what it sent.
    victim.frames(&[0x04, 0, 0, 0, 0]);
    victim.drain();
    assert_eq!(victim.closes, [id]);
    assert_eq!(victim.promised(), 0, "memory is kept for data that can never be read");
    victim.wait(Duration::from_secs(30));
    assert_eq!(victim.endpoint.session_count(), 0);
}

/// Data that ends the session as its very first is never stored, so no credit of it draws on memory.
//= docs/protocol.md P-12-4
#[test]
fn l8_data_that_breaks_a_rule_as_the_very_first_leaves_no_memory_promised() {
    // Beyond the credit of the channel, and beyond its last position.
    let last = [&[0x0B, 16][..], &[0xFF; 8], &[1, 7]].concat();
    for fault in [&[0x0B, 16, 0x60, 0, 1, 7][..], &last] {
        let mut victim = Victim::new(Role::Responder, small_limits());
        let (id, now) = (victim.id, victim.now);
        victim.endpoint.session_mut(id, now).unwrap().accept(b"").unwrap();
        victim.drain();
        assert_eq!(victim.promised(), 0);
        victim.frames(fault);
        assert_eq!(victim.state(), Some(State::Closing));
        assert_eq!(victim.promised(), 0, "memory is promised for data that can never come");
    }
    // What was stored before stays readable, in memory that nobody else is given.
    let mut victim = Victim::new(Role::Responder, small_limits());
    let (id, now) = (victim.id, victim.now);
    victim.endpoint.session_mut(id, now).unwrap().accept(b"").unwrap();
    victim.frames(&[0x0B, 16, 0, 1, 9]);
    victim.frames(&[0x0B, 16, 0x60, 0, 1, 7]);
    assert_eq!(victim.state(), Some(State::Closing));
    let mut data = [0; 10];
    let read = victim.endpoint.session_mut(id, now).unwrap().recv(&mut data, CHANNEL);
    assert_eq!((read, data[0]), (Ok(Some(1)), 9));
    assert_eq!(victim.promised(), 0);
}

//= docs/protocol.md P-11-1
#[test]
fn l8_a_peer_that_feigns_a_long_round_trip_does_not_hold_a_slot_for_minutes() {
    let mut victim = Victim::new(Role::Responder, small_limits());
    let (id, now) = (victim.id, victim.now);
    victim.endpoint.session_mut(id, now).unwrap().refuse(CloseCode::UNAUTHORIZED, "not you", None).unwrap();
    victim.drain();
    // The refusal is acknowledged just before the release deadline: a sample of nearly ten seconds.
    let refusal = victim.endpoint.session(id).unwrap().stats().packets_sent as u8 - 2;
    victim.wait(Duration::from_millis(9_900));
    victim.frames(&[0x02, refusal, 0, 0, 0]);
    assert!(victim.endpoint.session(id).unwrap().stats().latest_rtt > Duration::from_secs(9));
    victim.drain();
    victim.wait(Duration::from_secs(40));
    assert_eq!(victim.endpoint.session_count(), 0, "{:?}", victim.state());
}
