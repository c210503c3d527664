//! Packets where, when or to whom they do not belong.

use super::pair::{Pair, TRIP};
use super::*;
use crate::crypto::marks;
use crate::session::State;
use crate::wire::{Hello, finish_marks};

/// Hello, Reply, CONNECT and all that follows up to the CLOSE of end 0, with the end each of them went to.
fn a_whole_life(pair: &mut Pair) -> Vec<(usize, Vec<u8>)> {
    let mut packets = Vec::new();
    pair.connect(b"");
    let mut quiet = 0;
    while quiet < 4 {
        quiet += 1;
        for side in [0, 1] {
            let sent = pair.take(side);
            pair.pass(TRIP);
            if pair.ids[1].is_some() || side == 0 && !sent.is_empty() {
                quiet = if sent.is_empty() { quiet } else { 0 };
            }
            pair.deliver(1 - side, &sent);
            packets.extend(sent.into_iter().map(|packet| (1 - side, packet)));
            pair.ids[1] = pair.ends[1].sessions().next();
        }
        for side in [0, 1] {
            pair.serve(side, pair.now);
        }
        if pair.events[1].iter().any(|event| matches!(event, Event::Incoming(_))) {
            let _ = pair.session(1).accept(b"");
        }
        if pair.look(0).state() == State::Established && packets.len() < 12 {
            pair.session(0).send(&[7; 300], CHANNEL).unwrap();
            pair.session(1).send(&[8; 300], CHANNEL).unwrap();
            quiet = 0;
        } else if packets.len() >= 12 {
            pair.session(0).close(1, "enough");
        }
    }
    packets
}

/// No packet, wherever it goes astray, is answered by one that is answered again: a spoofed source sets nobody on anybody.
#[test]
fn h11_two_endpoints_never_go_on_answering_each_other() {
    let mut pair = Pair::new([endpoint(1, small_limits()), endpoint(2, small_limits())]);
    let packets = a_whole_life(&mut pair);
    assert!(packets.len() > 12, "{}", packets.len());
    assert_eq!((pair.close_code(0), pair.close_code(1)), (Some(CloseCode(1)), Some(CloseCode(1))));
    // Fresh ends under the same keys, and others; each packet is sent to one as if it came from the other.
    for number in [1, 3] {
        for (to, packet) in &packets {
            for first in [0, 1] {
                let mut ends = [endpoint(number, small_limits()), endpoint(number + 1, small_limits())];
                for end in &mut ends {
                    end.set_pairing(Some(Instant::MAX), Instant::from_micros(1));
                }
                let mut on_the_way = vec![(first, packet.clone())];
                let mut count = 0;
                let mut now = Instant::from_micros(1);
                // As long as anything a stranger has begun may live.
                for _ in 0..30 {
                    for (side, mut packet) in core::mem::take(&mut on_the_way) {
                        count += 1;
                        let _ = ends[side].handle_datagram(&mut packet, arrival(side), now);
                    }
                    for side in [0, 1] {
                        let mut out = [0; 2000];
                        ends[side].handle_timeout(now);
                        while let Action::Transmit(transmit) = ends[side].poll_action(&mut out, now) {
                            on_the_way.push((1 - side, out[..transmit.len].to_vec()));
                        }
                    }
                    now = now.saturating_add(Duration::from_millis(300));
                }
                assert!(count <= 2, "{count} packets after one to {to} of {} bytes", packet.len());
                assert!(ends.iter().all(|end| end.session_count() == 0));
            }
        }
    }
}

#[test]
fn h20_a_reply_to_a_hello_that_is_superseded_is_ignored() {
    for first_contact in [false, true] {
        let mut pair = Pair::new([endpoint(1, small_limits()), endpoint(2, small_limits())]);
        let key = pair.ends[1].public_key();
        let connect = |pair: &mut Pair| {
            let peer = if first_contact { Peer::Unknown { psk: None } } else { Peer::Known { key, psk: None } };
            let id = pair.ends[0].connect(peer, link(1, 2), ConnectOptions::default(), pair.now).unwrap();
            pair.ids[0] = Some(id);
            pair.take(0).remove(0)
        };
        if first_contact {
            pair.ends[1].set_pairing(Some(Instant::MAX), pair.now);
        }
        let first = connect(&mut pair);
        let old = pair.ids[0].unwrap();
        pair.deliver(1, &[first]);
        let late = pair.take(1).remove(0);
        // The application gives up and tries again; only then the answer comes.
        pair.session(0).abort(0, "again");
        pair.take(0);
        pair.ends[0].forget(old);
        let second = connect(&mut pair);
        let now = pair.ids[0].unwrap();
        // Also where it is made to look like one to the new Hello.
        let source = Hello::parse(&second).unwrap().source;
        let mut renamed = late.clone();
        renamed[5..13].copy_from_slice(source.as_bytes());
        let marked = renamed.len() - 32;
        let mac1_key = marks::mac1_key(if first_contact { None } else { Some(&key) });
        let mac1 = marks::mac1(&mac1_key, &renamed[..marked]);
        finish_marks(&mut renamed, mac1).unwrap();
        for (packet, reason) in [(&late, DiscardReason::UnknownSession), (&renamed, DiscardReason::Handshake)] {
            let before = pair.ends[0].digest();
            assert_eq!(pair.receive(0, packet), Received::Discarded(reason));
            assert_eq!(pair.ends[0].digest(), before);
            assert_eq!(pair.take(0), Vec::<Vec<u8>>::new());
        }
        assert_eq!(pair.ends[0].session(now).unwrap().state(), State::SynSent);
        // The new attempt goes its way, once the slot of the old one has ended.
        pair.pass(Duration::from_secs(6));
        for side in [0, 1] {
            pair.serve(side, pair.now);
        }
        pair.settle();
        pair.ids[1] = pair.ends[1].sessions().last();
        assert_eq!(pair.ends[0].session(now).unwrap().state(), State::Handshaking, "first contact: {first_contact}");
    }
}

/// What the application gives with `connect` and sends at once leaves under the session's keys, never in the first packet.
#[test]
fn h26_no_application_data_travels_in_a_hello() {
    let hello_length = |user_data: &[u8], message: &[u8]| {
        let mut pair = Pair::new([endpoint(1, small_limits()), endpoint(2, small_limits())]);
        pair.connect(user_data);
        if !message.is_empty() {
            pair.session(0).send(message, CHANNEL).unwrap();
        }
        let packets = pair.take(0);
        assert_eq!(packets.len(), 1, "the Hello alone");
        // Without the keys of the session nothing can be read or queued at the other end.
        pair.deliver(1, &packets);
        pair.ids[1] = pair.ends[1].sessions().next();
        assert!(pair.events[1].is_empty());
        let mut out = [0; 100];
        assert_eq!(pair.look(1).user_data(&mut out), 0);
        assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(None));
        packets[0].len()
    };
    assert_eq!(hello_length(b"", b""), hello_length(&[7; 512], &[8; 1000]));
}

/// The same slot, the same two peers, and the id of the new session written over that of the old.
#[test]
fn d26_a_close_of_an_older_session_ends_no_newer_one() {
    for closer in [0, 1] {
        let mut pair = Pair::established(&small_limits());
        let first = pair.ids;
        pair.session(closer).abort(9, "over");
        let close = pair.take(closer).remove(0);
        pair.deliver(1 - closer, core::slice::from_ref(&close));
        for side in [0, 1] {
            pair.take(side);
            pair.ends[side].forget(first[side].unwrap());
        }
        pair.pass(Duration::from_secs(30));
        for side in [0, 1] {
            pair.serve(side, pair.now);
            assert_eq!(pair.ends[side].session_count(), 0);
        }
        pair.agree(b"");
        pair.settle();
        pair.session(1).accept(b"").unwrap();
        pair.settle();
        let victim = 1 - closer;
        assert_eq!(pair.ids[victim].unwrap().slot, first[victim].unwrap().slot, "the same slot again");
        let id = pair.core(victim).local_id();
        let mut renamed = close.clone();
        renamed[1..9].copy_from_slice(id.as_bytes());
        for packet in [close, renamed] {
            let before = pair.ends[victim].digest();
            assert!(matches!(pair.receive(victim, &packet), Received::Discarded(_)));
            assert_eq!(pair.ends[victim].digest(), before);
        }
        assert_eq!(pair.look(victim).state(), State::Established);
        // A true one would.
        let packet = pair.seal(closer, &[0x04, 1, 9, 0, 0]);
        assert_eq!(pair.receive(victim, &packet), Received::Consumed);
        assert_eq!(pair.close_code(victim), Some(CloseCode(9)));
    }
}
