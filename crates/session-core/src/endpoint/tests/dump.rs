//! What is written out for people, and what never is.

use std::fmt::Write as _;
use std::format;
use std::string::{String, ToString as _};

use super::pair::Pair;
use super::*;
use crate::config::PskName;

/// Every way in which bytes are commonly written.
fn spellings(secret: &[u8]) -> [String; 4] {
    let mut hex = String::new();
    secret.iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
    let list = format!("{secret:?}");
    [hex.to_uppercase(), hex, list.trim_matches(['[', ']']).to_string(), String::from_utf8_lossy(secret).into_owned()]
}

fn assert_hides(dump: &str, secret: &[u8]) {
    // A piece is as bad as the whole.
    for piece in secret.windows(6) {
        for spelling in spellings(piece) {
            assert!(!dump.contains(&spelling), "{spelling} is in\n{dump}");
        }
    }
}

#[test]
fn s0_29_a_dump_shows_states_timers_channels_and_discards() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).send(b"on its way", CHANNEL).unwrap();
    let _ = pair.take(0);
    let _ = pair.ends[0].handle_datagram(&mut [0; 40], arrival(0), pair.now);
    let dump = pair.ends[0].dump().to_string();
    let peer = pair.look(0).peer_id().unwrap().to_string();
    for shown in [
        "endpoint: 1 of 100 sessions, 0 of 10 pending",
        " 0 ready, 0 with events, 0 ended, 0 out of memory, 0 without a record, next deadline ",
        "  discarded 1:",
        " Established with ",
        "  Initiator, phase Established, carrier 0, peer ",
        &format!("peer {peer}"),
        "  RTT ",
        "  channel 16: queued 11, sent 11, acked 0, delivered 0; received 0, read 0; messages lost 0, dropped 0",
        "; new keys 0; packets from elsewhere 0, paths before 0\n",
        "  timer LossDetection in 0.",
        "  timer Keepalive in ",
    ] {
        assert!(dump.contains(shown), "{shown:?} is not in\n{dump}");
    }
    assert!(dump.lines().all(|line| !line.is_empty()), "{dump}");
}

#[test]
fn a_dump_keeps_secrets_and_what_users_send() {
    let (shared, own, seed) = ([0xc7; 32], [0x5a; 32], [0x3c; 32]);
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new(own)), "test");
    config.psks.push((PskName::new(b"lamp").unwrap(), Secret::new(shared)));
    let ends = [
        Endpoint::new(config, Limits::default(), RustCrypto, Seed::new(seed)).unwrap(),
        endpoint(2, Limits::default()),
    ];
    let mut pair = Pair::new(ends);
    let message = b"attack at dawn";
    pair.agree(message);
    pair.settle();
    pair.session(1).accept(message).unwrap();
    pair.settle();
    pair.session(0).send(message, CHANNEL).unwrap();
    pair.session(1).send(message, CHANNEL).unwrap();
    pair.settle();
    for end in 0..2 {
        let dump = pair.ends[end].dump().to_string();
        assert!(dump.contains("Established"), "{dump}");
        for secret in [&own[..], &shared, &seed, message] {
            assert_hides(&dump, secret);
        }
        for secret in pair.core(end).exposed_secrets() {
            assert_hides(&dump, &secret);
        }
    }
}

#[test]
fn what_a_peer_says_cannot_steer_the_terminal() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(1).abort(7, "\x1b[2Jgone\n\u{202e}");
    pair.settle();
    let dump = pair.ends[0].dump().to_string();
    assert!(dump.contains(r#"  ended by Peer, Application code 0x7, frame 0x0, "\u{1b}[2Jgone\n"#), "{dump}");
    assert!(!dump.contains(['\x1b', '\u{202e}']), "{dump}");
}
