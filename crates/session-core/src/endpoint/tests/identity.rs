//! Who a session is with: relayed Hellos, a stolen key, oneself, and ids an attacker would like to choose.

use super::pair::{Pair, TRIP};
use super::*;
use crate::crypto::marks;
use crate::crypto::noise::{Initiator, Local, MESSAGE_1_OVERHEAD};
use crate::crypto::{DhError, OpenError};
use crate::session::Phase;
use crate::wire::{ApplicationProtocol, Hello, HelloHeader, ReceiverId, Reply, TransportParameters, finish_marks};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const MALLORY: u8 = 66;

fn pair(pairing: bool) -> Pair {
    let mut pair = Pair::new([endpoint(ALICE, small_limits()), endpoint(BOB, small_limits())]);
    if pairing {
        pair.ends[1].set_pairing(Some(Instant::MAX), pair.now);
    }
    pair
}

fn hello_to(pair: &mut Pair, peer: Option<PublicKey>) -> Vec<u8> {
    let peer = peer.map_or(Peer::Unknown { psk: None }, |key| Peer::Known { key, psk: None });
    pair.ids[0] = Some(pair.ends[0].connect(peer, link(1, 2), ConnectOptions::default(), pair.now).unwrap());
    pair.take(0).remove(0)
}

#[track_caller]
fn assert_discarded(pair: &mut Pair, to: usize, packet: &[u8], reason: DiscardReason) {
    let before = pair.ends[to].digest();
    assert_eq!(pair.receive(to, packet), Received::Discarded(reason));
    assert_eq!(pair.ends[to].digest(), before);
    assert_eq!(pair.take(to), Vec::<Vec<u8>>::new());
}

/// mac1 is no secret of anybody: whoever knows the responder can make it right.
fn mark(packet: &mut [u8], responder: Option<&PublicKey>) {
    let marked = packet.len() - 32;
    let mac1 = marks::mac1(&marks::mac1_key(responder), &packet[..marked]);
    finish_marks(packet, mac1).unwrap();
}

/// Mallory hands on every packet from an address of his own. He is nobody's peer: both ends name each other, alike.
#[test]
fn h4_who_relays_a_handshake_is_not_a_party_to_it() {
    for first_contact in [false, true] {
        let mut pair = pair(first_contact);
        let bob = pair.ends[1].public_key();
        let mut packets = vec![hello_to(&mut pair, if first_contact { None } else { Some(bob) })];
        let from_mallory =
            [Arrival { link: link(1, MALLORY), ecn: None }, Arrival { link: link(2, MALLORY), ecn: None }];
        for turn in 0..20 {
            let to = (turn + 1) % 2;
            for mut packet in core::mem::take(&mut packets) {
                // A Reply counts from where the Hello went; data packets count from anywhere.
                let from = if packet[0] & 0xF0 == 0x90 { arrival(to) } else { from_mallory[to] };
                assert_eq!(pair.ends[to].handle_datagram(&mut packet, from, pair.now), Received::Consumed);
            }
            pair.ids[1] = pair.ends[1].sessions().next();
            if pair.events[1].iter().any(|event| matches!(event, Event::Incoming(_))) {
                let _ = pair.session(1).accept(b"");
            }
            pair.pass(TRIP);
            packets = pair.take(to);
        }
        let keys = [0, 1].map(|side: usize| pair.ends[side].public_key());
        assert_eq!(pair.look(0).uid(), pair.look(1).uid());
        assert!(pair.look(0).uid().is_some());
        for side in [0, 1] {
            assert_eq!(pair.look(side).peer_key(), Some(keys[1 - side]), "first contact: {first_contact}");
            assert_eq!(pair.look(side).state(), crate::session::State::Established);
        }
    }
}

/// A Hello is for one responder, and no field of it can be exchanged.
#[test]
fn h4_a_hello_serves_neither_another_responder_nor_another_sender() {
    let mut alice_and_bob = pair(false);
    let (bob, mallory) = (alice_and_bob.ends[1].public_key(), endpoint(MALLORY, small_limits()).public_key());
    // Alice wanted Mallory, who passes it on to Bob with a mark that is right for him.
    let mut hello = hello_to(&mut alice_and_bob, Some(mallory));
    assert_discarded(&mut alice_and_bob, 1, &hello, DiscardReason::Mark);
    mark(&mut hello, Some(&bob));
    assert_discarded(&mut alice_and_bob, 1, &hello, DiscardReason::Handshake);

    // Alice wanted Bob; the encrypted static key in it is put into a Hello of Mallory's, and the other way round.
    let mut alice_and_bob = pair(false);
    let of_alice = hello_to(&mut alice_and_bob, Some(bob));
    let mut of_mallory = Pair::new([endpoint(MALLORY, small_limits()), endpoint(BOB, small_limits())]);
    let of_mallory = hello_to(&mut of_mallory, Some(bob));
    let noise = Hello::parse(&of_alice).unwrap().noise.as_ptr() as usize - of_alice.as_ptr() as usize;
    let parts = [noise..noise + 32, noise + 32..noise + 80, noise + 80..of_alice.len() - 32];
    for part in parts {
        for (into, from) in [(&of_alice, &of_mallory), (&of_mallory, &of_alice)] {
            let mut mixed = into.clone();
            mixed[part.clone()].copy_from_slice(&from[part.clone()]);
            mark(&mut mixed, Some(&bob));
            assert_discarded(&mut alice_and_bob, 1, &mixed, DiscardReason::Handshake);
        }
    }
}

/// Holds Bob's static secret and gives himself out for Alice: computes what the two have in common from Bob's side.
struct Thief {
    alice: PublicKey,
    bob: PublicKey,
    stolen: Secret,
}

/// The "secret" of the key he does not have.
const PRETENCE: [u8; 32] = [0xEE; 32];

impl Provider for Thief {
    type Key = <RustCrypto as Provider>::Key;

    fn expand(&self, secret: &Secret) -> Self::Key {
        RustCrypto.expand(secret)
    }

    fn seal(&self, key: &Self::Key, nonce: &[u8; 12], data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        RustCrypto.seal(key, nonce, data, in_out)
    }

    fn open(
        &self,
        key: &Self::Key,
        nonce: &[u8; 12],
        data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        RustCrypto.open(key, nonce, data, in_out, tag)
    }

    fn mask(&self, key: &Self::Key, sample: &[u8; 16]) -> [u8; 16] {
        RustCrypto.mask(key, sample)
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        if *secret.dangerous_expose() == PRETENCE && public == self.bob.as_bytes() {
            return RustCrypto.dh(&self.stolen, self.alice.as_bytes());
        }
        RustCrypto.dh(secret, public)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        if *secret.dangerous_expose() == PRETENCE { *self.alice.as_bytes() } else { RustCrypto.public_key(secret) }
    }
}

/// A genuine Hello of whoever `local` is.
fn written_hello<P: Provider>(local: &Local<'_, P>, to: &PublicKey) -> (Initiator, Vec<u8>) {
    let header = HelloHeader { first_contact: false, source: ReceiverId::new(&[9; 8]).unwrap(), psk_id: None };
    let parameters =
        TransportParameters { application: ApplicationProtocol::new(b"test"), ..TransportParameters::default() };
    let mut payload = vec![0; 1200 - header.overhead() - MESSAGE_1_OVERHEAD];
    parameters.write_payload(&mut payload).unwrap();
    let mut hello = vec![0; 2000];
    let layout = header.write(&mut hello, payload.len() + MESSAGE_1_OVERHEAD).unwrap();
    let prologue = [b"session/1\x00", &hello[..layout.noise.start]].concat();
    let noise = &mut hello[layout.noise];
    let (initiator, _) = Initiator::start(local, to, &prologue, Secret::new([77; 32]), &payload, noise).unwrap();
    hello.truncate(layout.length);
    mark(&mut hello, Some(to));
    (initiator, hello)
}

/// Noise IK: message 1 does not resist it, message 2 does. The application hears of nobody.
#[test]
fn h5_with_the_responders_key_stolen_a_hello_is_believed_and_no_session() {
    let mut pair = pair(false);
    let (alice, bob) = (pair.ends[0].public_key(), pair.ends[1].public_key());
    let thief = Thief { alice, bob, stolen: Secret::new([BOB; 32]) };
    let key = StaticKey::new(&thief, Secret::new(PRETENCE));
    assert_eq!(*key.public(), alice);
    let local = Local { provider: &thief, static_key: &key, psk: None };
    let (initiator, hello) = written_hello(&local, &bob);
    assert_eq!(pair.receive(1, &hello), Received::Consumed, "he can make a Hello");
    let id = pair.ends[1].sessions().next().unwrap();
    pair.ids[1] = Some(id);
    let reply = pair.take(1).remove(0);
    let reply = Reply::parse(&reply).unwrap();
    let mut read = [0; 1500];
    assert!(initiator.read_message_2(&local, reply.noise, &mut read).is_err(), "he cannot read the answer");
    // So he knows neither keys nor Bob's id for the session; with the id, which is his to guess, no key fits.
    let destination = pair.core(1).local_id();
    for first in [0x40, 0x43, 0x60] {
        let packet = [&[first], destination.as_bytes(), &[0x5A; 60]].concat();
        let received = pair.receive(1, &packet);
        assert!(matches!(received, Received::Discarded(_)), "{received:?}");
    }
    assert_eq!(pair.ends[1].phase_of(id), Some(Phase::Tentative));
    pair.serve(1, pair.now.saturating_add(Duration::from_secs(5)));
    assert_eq!(pair.take(1), Vec::<Vec<u8>>::new());
    assert_eq!((pair.ends[1].session_count(), pair.events[1].len()), (0, 0));
}

/// Whoever dials himself hears his own packets, and finds no peer in them.
//= docs/protocol.md P-4.2-13
#[test]
fn h6_nobody_has_a_session_with_himself() {
    let now = Instant::from_micros(1);
    let mut alice = endpoint(ALICE, small_limits());
    let own = alice.public_key();
    let before = alice.digest();
    let peer = Peer::Known { key: own, psk: None };
    assert_eq!(alice.connect(peer, link(1, 1), ConnectOptions::default(), now), Err(ConnectError::Key));
    // Nor does it help to write the Hello by hand.
    let key = StaticKey::new(&RustCrypto, Secret::new([ALICE; 32]));
    let (_, mut hello) = written_hello(&Local { provider: &RustCrypto, static_key: &key, psk: None }, &own);
    let arrival = Arrival { link: link(1, 1), ecn: None };
    assert_eq!(alice.handle_datagram(&mut hello, arrival, now), Received::Discarded(DiscardReason::Handshake));
    assert_eq!((alice.session_count(), alice.digest()), (0, before));

    // Who does not know whom he calls learns it from the Reply: it is discarded, and the attempt finds no answer.
    let mut pair = pair(true);
    pair.ends[0].set_pairing(Some(Instant::MAX), pair.now);
    let hello = hello_to(&mut pair, None);
    assert_eq!(pair.receive(0, &hello), Received::Consumed);
    let reply = pair.take(0).remove(0);
    let before = pair.ends[0].digest();
    let back = Arrival { link: link(1, 2), ecn: None };
    let received = pair.ends[0].handle_datagram(&mut reply.clone(), back, pair.now);
    assert_eq!((received, pair.ends[0].digest()), (Received::Discarded(DiscardReason::Handshake), before));
    pair.serve(0, pair.now.saturating_add(Duration::from_secs(10)));
    pair.take(0);
    assert_eq!(pair.close_code(0), Some(CloseCode::NO_ANSWER));
    assert_eq!(pair.events[0], [Event::Closed(pair.ids[0].unwrap())]);

    // A twin that holds the same key is no peer either, at the responder's.
    let mut pair = Pair::new([endpoint(BOB, small_limits()), endpoint(BOB, small_limits())]);
    pair.ends[1].set_pairing(Some(Instant::MAX), pair.now);
    let hello = hello_to(&mut pair, None);
    pair.deliver(1, &[hello]);
    let reply = pair.take(1).remove(0);
    assert_eq!(pair.receive(0, &reply), Received::Discarded(DiscardReason::Handshake));
    assert_eq!(pair.take(0), Vec::<Vec<u8>>::new(), "no Finish");
}

/// The receiver of packets chooses the id they carry, and keys bind it.
#[test]
fn l2_nobody_fixes_the_id_of_a_session() {
    let mut pair = pair(false);
    let bob = pair.ends[1].public_key();
    let hello = hello_to(&mut pair, Some(bob));
    // The initiator's own choice cannot be exchanged for another.
    let source = Hello::parse(&hello).unwrap().source;
    let at = hello.windows(8).position(|window| window == source.as_bytes()).unwrap();
    let mut fixed = hello.clone();
    fixed[at..at + 8].copy_from_slice(&[9; 8]);
    mark(&mut fixed, Some(&bob));
    assert_discarded(&mut pair, 1, &fixed, DiscardReason::Handshake);

    // Nor does a Hello say anything of the id the responder chooses: two answers to one Hello differ.
    let ids = [BOB, BOB + 1].map(|seed| {
        let key = StaticKey::new(&RustCrypto, Secret::new([BOB; 32]));
        let mut bob =
            Endpoint::new(Config::new(key, "test"), small_limits(), RustCrypto, Seed::new([seed; 32])).unwrap();
        assert_eq!(bob.handle_datagram(&mut hello.clone(), arrival(1), pair.now), Received::Consumed);
        bob.slots.iter().next().unwrap().1.local_id()
    });
    assert_ne!(ids[0], ids[1]);

    // Once there is a session, packets under any other id are nobody's, whatever their keys.
    pair.deliver(1, &[hello]);
    pair.ids[1] = pair.ends[1].sessions().next();
    let reply = pair.take(1);
    pair.deliver(0, &reply);
    let connect = pair.take(0).remove(0);
    let mut moved = connect.clone();
    moved[1..9].copy_from_slice(&[9; 8]);
    assert_discarded(&mut pair, 1, &moved, DiscardReason::UnknownSession);
    // Not even that of another session of the same two.
    let first = pair.ids;
    pair.deliver(1, core::slice::from_ref(&connect));
    pair.settle();
    pair.agree(b"");
    pair.ids[1] = pair.ends[1].sessions().find(|id| Some(*id) != first[1]);
    let other = pair.core(1).local_id();
    let mut moved = connect;
    moved[1..9].copy_from_slice(other.as_bytes());
    let before = pair.ends[1].digest();
    // Under that session's mask the first byte may come out as anything.
    let received = pair.receive(1, &moved);
    assert!(matches!(received, Received::Discarded(_)), "{received:?}");
    assert_eq!(pair.ends[1].digest(), before);
}
