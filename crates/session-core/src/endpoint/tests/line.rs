//! A session as people see it.

use std::format;
use std::string::ToString;

use super::pair::{Pair, TRIP};
use super::*;

#[test]
fn s0_29_a_session_is_shown_in_one_line() {
    let mut pair = Pair::new([endpoint(1, small_limits()), endpoint(2, small_limits())]);
    let peer = Peer::Known { key: pair.ends[1].public_key(), psk: None };
    let to = Link { carrier: Carrier(0), local: address(1), remote: Address::Ip("192.0.2.7:8124".parse().unwrap()) };
    pair.ids[0] = Some(pair.ends[0].connect(peer, to, ConnectOptions::default(), pair.now).unwrap());
    let begun = "- Connecting with 192.0.2.7:8124, round trip unknown, packets 0 in, 0 out, loss 0.0 %";
    assert_eq!(pair.look(0).to_string(), begun);

    let mut pair = Pair::established(&small_limits());
    pair.session(0).send(b"seen", CHANNEL).unwrap();
    let lost = pair.take(0);
    assert_eq!(lost.len(), 1);
    for _ in 0..3 {
        pair.session(0).send(b"seen", CHANNEL).unwrap();
        let packets = pair.take(0);
        pair.pass(TRIP);
        pair.deliver(1, &packets);
    }
    pair.settle();
    let (stats, uid) = (pair.look(0).stats(), pair.look(0).uid().unwrap());
    assert!(stats.packets_lost == 1 && stats.packets_received > 2, "{stats:?}");
    let remote = "02".repeat(16);
    let shown = format!(
        "{uid} Established with {remote}, round trip {:.1} ms, packets {} in, {} out, loss {:.1} %",
        stats.smoothed_rtt.as_micros() as f64 / 1000.0,
        stats.packets_received,
        stats.packets_sent,
        100.0 / stats.ack_eliciting_sent as f64,
    );
    assert_eq!(pair.look(0).to_string(), shown);
    pair.session(0).abort(1, "");
    assert!(pair.look(0).to_string().contains(" Clos"));
}
