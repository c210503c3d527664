//! Replays the committed corpora, and keeps them what the generator makes.
//!
//! `UPDATE_CORPUS=1 cargo test -p session-core --lib fuzz::` writes the files of `seeds` anew; others, which a fuzzer found, stay.

use std::collections::BTreeSet;
use std::format;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::wire::rule;

type Body = fn(&[u8]) -> Report;

type Seeds = fn() -> Vec<seeds::Seed>;

const TARGETS: [(&str, Body, Seeds); 3] = [
    ("header", header, seeds::header),
    ("hello", hello, seeds::hello),
    ("frames_after_open", frames_after_open, seeds::frames_after_open),
];

/// What no datagram can cause: commands and deadlines do.
const NOT_BY_RECEIVING: [(CloseCode, &str); 11] = [
    (CloseCode::NO_ERROR, "an orderly close is the application's"),
    (CloseCode::INTERNAL, "nothing of ours fails without a code of its own"),
    (CloseCode::UNAUTHORIZED, "the application refuses with it"),
    (CloseCode::BUSY, "the application never heard of a session whose CONNECT found no memory; the peer is told"),
    (CloseCode::KEY_LIMIT, "sending reaches it"),
    (CloseCode::IDLE, "a deadline"),
    (CloseCode::PEER_LOST, "a deadline"),
    (CloseCode::ABORTED, "the application's"),
    (CloseCode::NO_ANSWER, "a deadline"),
    (CloseCode::EXPIRED, "a deadline"),
    (CloseCode::SUPERSEDED, "accepting another session"),
];

fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "fuzz", "corpus", target].iter().collect()
}

#[test]
fn corpora_hold_what_the_generator_makes() {
    let update = std::env::var_os("UPDATE_CORPUS").is_some();
    for (target, _, seeds) in TARGETS {
        for (name, bytes) in seeds() {
            let path = corpus(target).join(&name);
            if update {
                fs::create_dir_all(corpus(target)).unwrap();
                fs::write(&path, &bytes).unwrap();
            }
            assert!(
                fs::read(&path).ok().as_ref() == Some(&bytes),
                "{target}/{name} is out of date: UPDATE_CORPUS=1 writes it"
            );
        }
    }
}

#[test]
fn corpora_reach_every_frame_control_message_discard_and_close() {
    let mut total = Report::default();
    for (target, body, _) in TARGETS {
        let mut files: Vec<PathBuf> =
            fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{target}: {} files", files.len());
        for file in files {
            let input = fs::read(&file).unwrap();
            let report = body(&input);
            assert_eq!(report, body(&input), "{file:?} does not give the same twice");
            let Report { discards, events, frame_types, control_types, closes } = report;
            total.discards.extend(discards);
            total.events.extend(events);
            total.frame_types.extend(frame_types);
            total.control_types.extend(control_types);
            total.closes.extend(closes);
        }
    }
    let reached: BTreeSet<_> = total.discards.iter().collect();
    let missing: Vec<_> = DiscardReason::ALL.iter().filter(|reason| !reached.contains(reason)).collect();
    assert!(missing.is_empty(), "no input is discarded as {missing:?}");
    let served: Vec<u8> =
        (0..=0xBF).filter(|frame_type| rule(*frame_type).is_some_and(|rule| rule.allowed.initiator)).collect();
    assert!(served.len() > 12);
    let missing: Vec<_> =
        served.into_iter().filter(|served| *served <= 0x80 && !total.frame_types.contains(served)).collect();
    assert!(missing.is_empty(), "no input holds frames {missing:x?}");
    for control in [0x3D, 0x3E, 0x3F, 0x40, 0x50, 0x51] {
        assert!(total.control_types.contains(&control), "no input holds control message {control:x}");
    }
    for code in (0..=0x16).map(CloseCode) {
        let expected = !NOT_BY_RECEIVING.iter().any(|(other, _)| *other == code);
        let seen = total.closes.contains(&code);
        assert!(seen || !expected, "no input closes with {code:?}");
    }
    let has = |wanted: fn(&Event) -> bool| total.events.iter().any(wanted);
    assert!(has(|event| matches!(event, Event::Incoming(_))));
    assert!(has(|event| matches!(event, Event::Established(_))));
    assert!(has(|event| matches!(event, Event::Readable(..))));
    assert!(has(|event| matches!(event, Event::ChannelOpened(..))));
    assert!(has(|event| matches!(event, Event::ChannelFinished(..))));
    assert!(has(|event| matches!(event, Event::ChannelReset(..))));
    assert!(has(|event| matches!(event, Event::ChannelStopped(..))));
    assert!(has(|event| matches!(event, Event::Acknowledged(..))));
}

/// What an input of the generator reached.
fn reached(target: usize, name: &str) -> Report {
    let (_, body, seeds) = TARGETS[target];
    let (_, input) = seeds().into_iter().find(|(other, _)| other == name).unwrap();
    body(&input)
}

//= docs/protocol.md P-5-9 P-6-1 P-6-2 P-6-3 P-6-6 P-7-2 P-7-3 P-9-2 P-9-3 P-9-4 P-9-6
#[test]
fn each_fault_closes_either_side_with_its_code() {
    for (name, code) in [
        ("empty", CloseCode::PROTOCOL),
        ("cut-short", CloseCode::FRAME_ENCODING),
        ("long-varint", CloseCode::FRAME_ENCODING),
        ("reserved", CloseCode::FRAME_NOT_ALLOWED),
        ("control-as-frame", CloseCode::FRAME_NOT_ALLOWED),
        ("unassigned", CloseCode::FRAME_NOT_ALLOWED),
        ("critical", CloseCode::UNKNOWN_CRITICAL),
        ("over-credit", CloseCode::FLOW_CONTROL),
        ("unknown-channel", CloseCode::CHANNEL_UNKNOWN),
        ("credit-unknown-channel", CloseCode::CHANNEL_UNKNOWN),
        ("no-position", CloseCode::FRAME_ENCODING),
        ("ack-of-unsent", CloseCode::ACK_OF_UNSENT),
        ("close-text", CloseCode::FRAME_ENCODING),
        ("contradiction", CloseCode::PROTOCOL),
        ("skip-unknown-channel", CloseCode::CHANNEL_UNKNOWN),
        ("skip-mode", CloseCode::PROTOCOL),
        ("skip-over-credit", CloseCode::FLOW_CONTROL),
        ("new-id-length", CloseCode::PROTOCOL),
        ("retire-own-id", CloseCode::PROTOCOL),
        ("channel-limit", CloseCode::CHANNEL_LIMIT),
        ("channel-not-opened", CloseCode::CHANNEL_UNKNOWN),
        ("end-of-agreed", CloseCode::PROTOCOL),
        ("limit-of-own", CloseCode::FRAME_ENCODING),
        ("end-below", CloseCode::FINAL_SIZE),
        ("ends-differ", CloseCode::FINAL_SIZE),
        ("beyond-end", CloseCode::FINAL_SIZE),
        ("end-in-message", CloseCode::FINAL_SIZE),
        ("end-beyond-credit", CloseCode::FLOW_CONTROL),
        ("rekey-again", CloseCode::FRAME_NOT_ALLOWED),
        ("rekey-generation", CloseCode::FRAME_NOT_ALLOWED),
        ("rekey-unasked", CloseCode::FRAME_NOT_ALLOWED),
        ("rekey-key", CloseCode::PROTOCOL),
    ] {
        for side in ["i", "r"] {
            let report = reached(2, &format!("{side}-{name}"));
            assert_eq!(report.closes, [code], "{side}-{name}");
        }
    }
    assert_eq!(reached(2, "connect-twice").closes, [CloseCode::FRAME_NOT_ALLOWED]);
    assert_eq!(reached(2, "connect-to-initiator").closes, [CloseCode::FRAME_NOT_ALLOWED]);
    assert_eq!(reached(2, "accept-malformed").closes, [CloseCode::FRAME_ENCODING]);
}

/// Which keys an input leaves in use shows in what is discarded: packets of the older phase come through as long as those keys are kept.
#[test]
fn inputs_reach_every_stage_of_an_exchange_of_keys() {
    for side in ["i", "r"] {
        for (name, discards) in [("rekey-offer", 0), ("rekey-answer", 0), ("rekey-cross", 0), ("rekey-early", 0)] {
            let report = reached(2, &format!("{side}-{name}"));
            assert_eq!((report.closes, report.discards.len()), (vec![], discards), "{side}-{name}");
        }
    }
}

//= docs/protocol.md P-4.3-3 P-4.3-4
#[test]
fn refused_parameters_discard_a_hello_and_end_an_attempt() {
    let report = reached(1, "parameters");
    assert!(report.discards.contains(&DiscardReason::Parameters), "{:?}", report.discards);
    assert!(report.closes.is_empty(), "{:?}", report.closes);
    assert!(reached(1, "reply-parameters").closes.contains(&CloseCode::TRANSPORT_PARAMETERS));
    assert!(reached(1, "reply-application").closes.contains(&CloseCode::APPLICATION_PROTOCOL));
}

//= docs/protocol.md P-4.1-11 P-4.2-10 P-4.3-3 P-4.3-4
#[test]
fn packets_of_first_contact_are_met_by_every_refusal() {
    for (name, reason) in [
        ("xx-pairing-off", DiscardReason::Pairing),
        ("finish-pairing-off", DiscardReason::Pairing),
        ("xx-padding", DiscardReason::Parameters),
        ("finish-parameters", DiscardReason::Parameters),
        ("finish-unknown", DiscardReason::UnknownSession),
        ("finish-pattern", DiscardReason::Handshake),
        ("finish-and-more", DiscardReason::Malformed),
    ] {
        let report = reached(1, name);
        assert!(report.discards.contains(&reason), "{name}: {:?}", report.discards);
        assert!(report.closes.is_empty(), "{name}: {:?}", report.closes);
    }
    assert!(reached(1, "xx-reply-parameters").closes.contains(&CloseCode::TRANSPORT_PARAMETERS));
    assert!(reached(1, "xx-reply-application").closes.contains(&CloseCode::APPLICATION_PROTOCOL));
    for scene in ["pairing", "greeted", "firstcontact"] {
        // Taken, and then a repetition: the Hello's is answered, the others' mean nothing.
        let discards = reached(1, &format!("real-{scene}")).discards;
        assert!(discards.iter().all(|reason| *reason == DiscardReason::State), "{scene}: {discards:?}");
    }
}

//= docs/protocol.md P-7-4
#[test]
fn data_that_comes_before_the_answer_is_held_until_it() {
    let readable = |event: &Event| matches!(event, Event::Readable(..));
    let established = |event: &Event| matches!(event, Event::Established(_));
    for name in ["accept", "connect"] {
        let events = reached(2, name).events;
        let [first_data, answer] = [events.iter().position(readable), events.iter().position(established)];
        assert!(answer.is_some() && first_data > answer, "{name}: {events:?}");
    }
}

//= docs/protocol.md P-4.1-8 P-4.1-10 P-4.2-8
#[test]
fn h12_a_hello_too_short_too_long_or_too_many_is_discarded() {
    for (name, reason) in [
        ("undersized", DiscardReason::Undersized),
        ("too-long", DiscardReason::Malformed),
        ("peerpending", DiscardReason::PeerPending),
    ] {
        let Report { discards, events, .. } = reached(1, name);
        assert!(discards.contains(&reason), "{name}: {discards:?}");
        assert!(!events.iter().any(|event| matches!(event, Event::Incoming(_))), "{name}: {events:?}");
    }
}
