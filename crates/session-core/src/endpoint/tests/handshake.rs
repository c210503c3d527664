//! Repeated, competing and refused handshakes.

use super::*;
use crate::config::PskName;
use crate::session::State;

fn drain(endpoint: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let mut out = vec![0; 2000];
    let mut packets = Vec::new();
    loop {
        match endpoint.poll_action(&mut out, now) {
            Action::Transmit(transmit) => packets.push(out[..transmit.len].to_vec()),
            Action::Event(_) => {}
            _ => return packets,
        }
    }
}

fn hand(endpoint: &mut Endpoint, packet: &[u8], link: Link, now: Instant) -> Received {
    endpoint.handle_datagram(&mut packet.to_vec(), Arrival::new(link), now)
}

fn hello_of(alice: &mut Endpoint, bob: &Endpoint, now: Instant) -> Vec<u8> {
    let peer = Peer::Known { key: bob.public_key(), psk: None };
    alice.connect(peer, link(1, 2), ConnectOptions::default(), now).unwrap();
    drain(alice, now).pop().unwrap()
}

//= docs/protocol.md P-4.1-9 P-4.2-5
#[test]
fn h1_a_repeated_hello_is_answered_by_the_same_reply_while_the_slot_lives() {
    let (mut alice, mut bob) = (endpoint(1, small_limits()), endpoint(2, small_limits()));
    let now = Instant::from_micros(1);
    let hello = hello_of(&mut alice, &bob, now);
    let mut replies = Vec::new();
    for _ in 0..5 {
        assert_eq!(hand(&mut bob, &hello, link(2, 1), now), Received::Consumed);
        let sent = drain(&mut bob, now);
        assert_eq!(sent.len(), 1, "one Reply for each Hello");
        assert!(sent[0].len() <= hello.len());
        replies.extend(sent);
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]), "the Replies differ");
    assert_eq!(bob.session_count(), 1);
    // Two Hellos before the endpoint is asked are answered once.
    for _ in 0..2 {
        assert_eq!(hand(&mut bob, &hello, link(2, 1), now), Received::Consumed);
    }
    assert_eq!(drain(&mut bob, now).len(), 1);
    let over = now.saturating_add(Duration::from_secs(5));
    bob.handle_timeout(over);
    drain(&mut bob, over);
    assert_eq!(hand(&mut bob, &hello, link(2, 1), over), Received::Consumed);
    assert_ne!(drain(&mut bob, over), replies[..1], "a new slot has keys of its own");
}

//= docs/protocol.md P-4.2-7 P-4.2-8
#[test]
fn a_hello_of_a_known_peer_leaves_its_session_alone() {
    let (mut alice, mut bob) = (endpoint(1, small_limits()), endpoint(2, small_limits()));
    let now = Instant::from_micros(1);
    let hello = hello_of(&mut alice, &bob, now);
    let _ = hand(&mut bob, &hello, link(2, 1), now);
    let [_, events] = settle(&mut alice, &mut bob, now);
    let [Event::Incoming(id)] = events[..] else { panic!("{events:?}") };
    let now = now.saturating_add(Duration::from_secs(1));
    bob.session_mut(id, now).unwrap().accept(b"").unwrap();
    settle(&mut alice, &mut bob, now);
    let now = now.saturating_add(Duration::from_secs(1));
    let uid = bob.session(id).unwrap().uid();
    assert_eq!(hand(&mut bob, &hello, link(2, 1), now), Received::Consumed);
    let other = hello_of(&mut alice, &bob, now);
    assert_eq!(hand(&mut bob, &other, link(2, 1), now), Received::Consumed);
    assert_eq!(bob.session_count(), 3, "two tentative slots");
    drain(&mut bob, now);
    let later = now.saturating_add(Duration::from_secs(5));
    bob.handle_timeout(later);
    drain(&mut bob, later);
    let session = bob.session(id).unwrap();
    assert_eq!((session.state(), session.uid()), (State::Established, uid));
    assert_eq!(bob.session_count(), 1, "the tentative slots are gone");
}

//= docs/protocol.md P-4.2-7 P-4.2-8 P-4.2-5
#[test]
fn h1_h3_replayed_hellos_of_one_peer_take_four_slots_at_most_and_one_each() {
    let limits = Limits { sessions: 8, pending: 8, pool_blocks: 512, ..small_limits() };
    let (mut alice, mut bob) = (endpoint(1, limits.clone()), endpoint(2, limits));
    let now = Instant::from_micros(1);
    let hellos: Vec<_> = (0..5).map(|_| hello_of(&mut alice, &bob, now)).collect();
    let pending = Received::Discarded(DiscardReason::PeerPending);
    for round in 0..3 {
        for (index, hello) in hellos.iter().enumerate() {
            let first_link = if index < 4 { Received::Consumed } else { pending };
            for from in [1, 11, 12, 13] {
                let expected = if from == 1 { first_link } else { pending };
                assert_eq!(hand(&mut bob, hello, link(2, from), now), expected, "Hello {index} over link {from}");
            }
            assert_eq!(drain(&mut bob, now).len(), usize::from(index < 4), "one Reply");
            bob.assert_invariants();
            assert_eq!(bob.session_count() as usize, if round == 0 { (index + 1).min(4) } else { 4 });
        }
    }
    let other = hello_of(&mut endpoint(3, small_limits()), &bob, now);
    assert_eq!(hand(&mut bob, &other, link(2, 3), now), Received::Consumed, "another peer is not held up");
    let over = now.saturating_add(Duration::from_secs(5));
    bob.handle_timeout(over);
    bob.assert_invariants();
    assert_eq!(bob.session_count(), 0);
    assert_eq!(hand(&mut bob, &hellos[4], link(2, 1), over), Received::Consumed);
    assert_eq!(hand(&mut bob, &hellos[0], link(2, 12), over), Received::Consumed);
}

/// An endpoint that holds the pre-shared key `name`.
fn with_psk(number: u8, name: &[u8], secret: u8) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    let mut config = Config::new(key, "test");
    config.psks.push((PskName::new(name).unwrap(), Secret::new([secret; 32])));
    Endpoint::new(config, small_limits(), RustCrypto, Seed::new([number; 32])).unwrap()
}

//= docs/protocol.md P-4.2-9
#[test]
fn h21_a_pre_shared_key_that_does_not_fit_looks_like_a_wrong_tag() {
    let now = Instant::from_micros(1);
    let name = PskName::new(b"k").unwrap();
    for (bobs_name, bobs_secret, established) in
        [(&b"k"[..], 7, true), (b"k", 8, false), (b"k", 0, false), (b"other", 7, false)]
    {
        let (mut alice, mut bob) = (with_psk(1, b"k", 7), with_psk(2, bobs_name, bobs_secret));
        let peer = Peer::Known { key: bob.public_key(), psk: Some(&name) };
        let id = alice.connect(peer, link(1, 2), ConnectOptions::default(), now).unwrap();
        let hello = drain(&mut alice, now).pop().unwrap();
        let wrong_tag = Received::Discarded(DiscardReason::Handshake);
        let before = bob.digest();
        if hand(&mut bob, &hello, link(2, 1), now) == wrong_tag {
            assert_eq!((bob.digest(), bobs_name), (before, &b"other"[..]));
            assert!(drain(&mut bob, now).is_empty(), "no answer");
            continue;
        }
        let reply = drain(&mut bob, now).pop().unwrap();
        let before = alice.digest();
        let received = hand(&mut alice, &reply, link(1, 2), now);
        assert_eq!(received == Received::Consumed, established);
        if !established {
            assert_eq!((received, alice.digest()), (wrong_tag, before));
            assert_eq!(alice.session(id).unwrap().state(), State::SynSent);
        }
    }
}

//= docs/protocol.md P-7-5
#[test]
fn a_refusal_reaches_the_application_with_all_it_says() {
    let (mut alice, mut bob) = (endpoint(1, small_limits()), endpoint(2, small_limits()));
    let now = Instant::from_micros(1);
    let peer = Peer::Known { key: bob.public_key(), psk: None };
    let at_alice = alice.connect(peer, link(1, 2), ConnectOptions::default(), now).unwrap();
    let [_, events] = settle(&mut alice, &mut bob, now);
    let [Event::Incoming(id)] = events[..] else { panic!("{events:?}") };
    let now = now.saturating_add(Duration::from_secs(1));
    bob.session_mut(id, now).unwrap().refuse(CloseCode::BUSY, "later", Some(Duration::from_secs(3))).unwrap();
    let [events, _] = settle(&mut alice, &mut bob, now);
    assert_eq!(events.last(), Some(&Event::Closed(at_alice)));
    let reason = alice.session(at_alice).unwrap().close_reason().unwrap();
    assert_eq!((reason.code, reason.text.as_str()), (CloseCode::BUSY, "later"));
    assert_eq!(reason.retry_after, Some(Duration::from_secs(3)));
}
