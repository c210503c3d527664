//! What the committed corpora are made of: valid packets of every kind, and one input for every refusal.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::frames::{ACCEPT, KEY_PHASE, REPEAT_NUMBER, SKIP_NUMBERS, Stage, USE, WAIT, WRONG_ID, WRONG_TAG};
use super::hello::{NOW, REAL, Scene, begin, begin_first_contact, mark, peer, prepare};
use super::null::Null;
use super::{ALICE, BOB, Report, drain, endpoint, feed, limits, link};
use crate::crypto::{Provider, RustCrypto};
use crate::ids::Role;

/// Where the Noise message of a Hello, and the payload in it, start: the receiver id has 8 bytes.
const HELLO_NOISE: usize = 16;
const HELLO_PAYLOAD: usize = HELLO_NOISE + 32 + 48;
/// The same of a Reply.
const REPLY_PAYLOAD: usize = 15 + 32;

/// Positions of Alice's CONNECT on channel 0.
const FIRST_OF_ALICE: u8 = 7;

/// An input of a target, by name.
pub(super) type Seed = (String, Vec<u8>);

/// Records that are made, not written down.
type Packets = Vec<(u8, Vec<u8>)>;

/// A record of `frames_after_open`.
type Record<'a> = (u8, &'a [u8]);

/// Every frame that is served, one packet each: applied in this order they are valid in an Established session.
const VALID: &[(&str, &[u8])] = &[
    ("padding", &[0, 0, 0]),
    ("ping", &[0x01]),
    ("ack", &[0x02, 0, 0, 0, 0]),
    ("ack-ecn", &[0x03, 0, 0, 0, 0, 1, 0, 0]),
    ("ack-frequency", &[0x05, 0, 1, 8, 0x40, 100]),
    ("data-begin", &[0x09, 16, 0, 1, b'a']),
    ("data", &[0x08, 16, 1, 2, b'b', b'c']),
    ("data-end", &[0x0A, 16, 3, 1, b'd']),
    ("data-whole", &[0x0B, 16, 5, 3, b'e', b'f', b'g']),
    ("max-data", &[0x10, 0x7F, 0xFF]),
    ("max-channel-data", &[0x11, 16, 0x7F, 0xFF]),
    ("extension", &[0x80, 2, 1, 2]),
    ("data-unordered", &[0x0B, 20, 7, 1, b'u']),
    ("message", &[0x13, 21, 0, 0, 1, 1, b'm']),
    ("message-part", &[0x13, 22, 0, 0, 0, 1, b'p']),
    ("skip", &[0x12, 16, 20]),
    ("receipt", &[0x17, 16, 1, 0]),
    ("new-id", &[0x18, 1, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
    ("path-challenge", &[0x1A, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("path-response", &[0x1B, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("close", &[0x04, 1, 5, 0, 3, b'b', b'y', b'e']),
];

/// One packet for each way to break a rule.
const FAULTS: &[(&str, &[u8])] = &[
    ("empty", &[]),
    ("cut-short", &[0x02]),
    ("long-varint", &[0x10, 0x40, 0x01]),
    ("reserved", &[0x1C, 16, 1]),
    ("skip-unknown-channel", &[0x12, 17, 1]),
    ("skip-mode", &[0x12, 21, 1]),
    ("skip-over-credit", &[0x12, 16, 0x53, 0x88]),
    ("control-as-frame", &[0x3D]),
    ("unassigned", &[0x06]),
    ("critical", &[0xC0, 0]),
    ("over-credit", &[0x0B, 16, 0x53, 0x88, 1, b'x']),
    ("unknown-channel", &[0x0B, 17, 0, 1, b'x']),
    ("credit-unknown-channel", &[0x11, 17, 1]),
    ("no-position", &[0x08, 16, 0, 0]),
    ("ack-frequency-nothing", &[0x05, 0, 1, 0, 1]),
    ("ack-of-unsent", &[0x02, 0x3F, 0, 0, 0]),
    ("close-text", &[0x04, 0, 0, 0, 1, 0xFF]),
    ("receipt-of-unsent", &[0x17, 16, 1, 0x3F]),
    ("receipt-unknown-channel", &[0x17, 17, 1, 0]),
    ("receipt-kind", &[0x17, 16, 2, 0]),
    ("new-id-length", &[0x18, 1, 0, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
    ("retire-own-id", &[0x19, 0]),
    ("message-mode", &[0x13, 16, 0, 0, 1, 1, b'x']),
    ("data-mode", &[0x0B, 21, 0, 1, b'x']),
    ("message-unknown-channel", &[0x13, 23, 0, 0, 1, 1, b'x']),
    ("message-nothing", &[0x13, 21, 0, 0, 0, 0]),
    ("control-type", &[0x0B, 0, 8, 1, 0x20]),
];

/// A packet with a message of `message_type` about keys at `offset` of channel 0, which has `ephemeral` in every byte of its key.
fn about_keys(message_type: u8, generation: u8, ephemeral: u8, offset: u8) -> Vec<u8> {
    [&[0x0B, 0, offset, 38, message_type, 2, 1, generation, 4, 32][..], &[ephemeral; 32]].concat()
}

/// Exchanges of keys, and ways to break their rules, a few packets each. The target's own offer leaves when it is used.
fn keys(role: Role) -> Vec<(&'static str, Packets)> {
    let (offer, answer) = (0x50, 0x51);
    let ping = || vec![0x01];
    // Behind ACCEPT, or the CONNECT of Alice.
    let (first, second) = if role == Role::Initiator { (2, 41) } else { (FIRST_OF_ALICE, FIRST_OF_ALICE + 39) };
    vec![
        (
            "rekey-offer",
            vec![
                (0, about_keys(offer, 1, 9, first)),
                (KEY_PHASE, ping()),
                (0, ping()),
                (KEY_PHASE | USE, ping()),
                (WAIT, ping()),
            ],
        ),
        (
            "rekey-answer",
            vec![(USE, ping()), (0, about_keys(answer, 1, 9, first)), (KEY_PHASE, ping()), (0, ping()), (WAIT, ping())],
        ),
        ("rekey-cross", vec![(USE, ping()), (0, about_keys(offer, 1, 9, first)), (KEY_PHASE, ping()), (0, ping())]),
        (
            "rekey-early",
            vec![
                (USE, ping()),
                (0, about_keys(answer, 1, 9, first)),
                (0, about_keys(offer, 2, 9, second)),
                (WAIT | USE, ping()),
                (WAIT, ping()),
                (WAIT, ping()),
            ],
        ),
        ("rekey-again", vec![(0, about_keys(offer, 1, 9, first)), (0, about_keys(offer, 1, 9, second))]),
        ("rekey-generation", vec![(0, about_keys(offer, 2, 9, first))]),
        ("rekey-unasked", vec![(0, about_keys(answer, 1, 9, first))]),
        ("rekey-key", vec![(0, about_keys(offer, 1, 0, first))]),
    ]
}

/// The second byte of the id of the first channel of `mode` that the peer of `role` opens; the first is 0x41.
fn of_peer(role: Role, mode: u8) -> u8 {
    mode << 1 | role.other().bit()
}

/// The life of dynamic channels of the peer of `role`.
fn dynamic_channels(role: Role) -> Vec<(&'static str, Vec<u8>)> {
    let [ordered, unreliable, latest] = [0, 2, 3].map(|mode| of_peer(role, mode));
    vec![
        ("open", vec![0x09, 0x41, ordered, 0, 1, b'x']),
        ("open-and-end", [[0x0A, 0x41, ordered, 1, 1, b'y'], [0x0C, 0x41, ordered, 3, 0, 0]].concat()),
        ("open-unreliable", vec![0x13, 0x41, unreliable, 0, 0, 1, 1, b'm']),
        ("reset", vec![0x15, 0x41, unreliable, 7, 1]),
        ("stop", vec![0x16, 0x41, latest, 9]),
        ("limit", vec![0x14, role.bit(), 3]),
        ("ended-again", vec![0x0C, 0x41, ordered, 3]),
    ]
}

/// Ways to break the rules of dynamic channels, a few packets each.
fn faults_of_dynamic_channels(role: Role) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let ordered = of_peer(role, 0);
    vec![
        ("channel-limit", vec![vec![0x0B, 0x41, ordered | 8, 0, 1, b'x']]),
        ("channel-not-opened", vec![vec![0x0B, 0x41, role.bit(), 0, 1, b'x']]),
        ("end-of-agreed", vec![vec![0x0C, 16, 0]]),
        ("limit-of-own", vec![vec![0x14, role.other().bit(), 9]]),
        ("end-below", vec![vec![0x0B, 0x41, ordered, 0, 1, b'x'], vec![0x0C, 0x41, ordered, 1]]),
        ("ends-differ", vec![vec![0x0C, 0x41, ordered, 5], vec![0x15, 0x41, ordered, 0, 6]]),
        ("beyond-end", vec![vec![0x0C, 0x41, ordered, 1], vec![0x0B, 0x41, ordered, 0, 1, b'x']]),
        ("end-in-message", vec![vec![0x0C, 0x41, ordered, 1], vec![0x09, 0x41, ordered, 0, 1, b'x']]),
        ("end-beyond-credit", vec![vec![0x15, 0x41, ordered, 0, 0x80, 0, 0xFF, 0xFF]]),
    ]
}

pub(super) fn header() -> Vec<Seed> {
    let alice = &mut endpoint(ALICE, Null, limits());
    let hello = begin(alice, &peer(&Null, BOB));
    let reply = reply(Null);
    let mut seeds = vec![
        ("empty".into(), vec![]),
        ("hello".into(), hello.clone()),
        ("reply".into(), reply),
        ("data".into(), [&[0x43; 9][..], &[0, 0, 0, 7], &[0x01; 12], &[0x5A; 16]].concat()),
        ("data-reserved".into(), vec![0x63; 40]),
        ("data-short".into(), vec![0x43; 28]),
        ("garbage".into(), vec![0x17; 40]),
    ];
    let [first_hello, first_reply, finish] = first_contact(Null);
    seeds.extend([("xx-hello".into(), first_hello), ("xx-reply".into(), first_reply), ("finish".into(), finish)]);
    for kind in 2..8_u8 {
        let mut other = hello.clone();
        other[0] = 0x80 | kind << 4;
        other.truncate(64);
        seeds.push((format!("type-{kind}"), other));
    }
    let all: Vec<u8> = VALID.iter().flat_map(|(_, frame)| frame.iter().copied()).collect();
    seeds.push(("frames".into(), all));
    seeds
}

pub(super) fn hello() -> Vec<Seed> {
    let null = begin(&mut endpoint(ALICE, Null, limits()), &peer(&Null, BOB));
    let real = begin(&mut endpoint(ALICE, RustCrypto, limits()), &peer(&RustCrypto, BOB));
    let mut seeds = Vec::new();
    for scene in Scene::ALL {
        let [first_hello, first_reply, finish] = first_contact(Null);
        let packet = match scene {
            Scene::SynSent | Scene::Answered => reply(Null),
            Scene::Pairing => first_hello,
            Scene::Greeted => finish,
            Scene::FirstContact => first_reply,
            _ => null.clone(),
        };
        seeds.push((format!("{scene:?}").to_lowercase(), met(scene, packet)));
    }
    seeds.push(("real-hello".into(), [vec![REAL | Scene::Empty as u8], real].concat()));
    seeds.push(("real-reply".into(), [vec![REAL | Scene::SynSent as u8], reply(RustCrypto)].concat()));
    for (scene, packet) in
        [Scene::Pairing, Scene::FirstContact, Scene::Greeted].into_iter().zip(first_contact(RustCrypto))
    {
        seeds.push((format!("real-{scene:?}").to_lowercase(), [vec![REAL | scene as u8], packet].concat()));
    }
    let mut changed = |name: &str, scene: Scene, packet: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = packet.to_vec();
        change(&mut packet);
        mark(&mut packet, &peer(&Null, BOB));
        seeds.push((name.into(), met(scene, packet)));
    };
    changed("version", Scene::Empty, &null, &|packet| packet[2] = 2);
    changed("pattern-xx", Scene::Empty, &null, &|packet| packet[3] = 2);
    changed("unknown-psk", Scene::Empty, &null, &|packet| {
        packet[3] = 1;
        let length = u16::from_be_bytes([packet[14], packet[15]]) - 2;
        packet.splice(14..18, [1, b'k'].into_iter().chain(length.to_be_bytes()));
    });
    changed("mac2", Scene::Empty, &null, &|packet| *packet.last_mut().unwrap() = 1);
    changed("cut-short", Scene::Empty, &null, &|packet| packet.truncate(300));
    changed("too-long", Scene::Empty, &null, &|packet| packet.resize(1501, 0));
    changed("undersized", Scene::Empty, &null, &|packet| {
        packet.truncate(600);
        let length = (600 - HELLO_NOISE - 32) as u16;
        packet[14..16].copy_from_slice(&length.to_be_bytes());
    });
    changed("noise-tag", Scene::Empty, &null, &|packet| packet[HELLO_NOISE + 32 + 40] ^= 1);
    changed("parameters", Scene::Empty, &null, &|packet| packet[HELLO_PAYLOAD] = 0xFF);
    changed("application", Scene::Empty, &null, &|packet| rename(packet));
    let answer = reply(Null);
    changed("reply-parameters", Scene::SynSent, &answer, &|packet| packet[REPLY_PAYLOAD] = 0xFF);
    changed("reply-application", Scene::SynSent, &answer, &|packet| rename(packet));
    changed("reply-tag", Scene::SynSent, &answer, &|packet| packet[REPLY_PAYLOAD - 1 + 17] ^= 1);
    changed("reply-unknown", Scene::SynSent, &answer, &|packet| packet[8] ^= 1);
    let [first_hello, first_reply, finish] = first_contact(Null);
    changed("xx-pairing-off", Scene::Empty, &first_hello, &|_| {});
    changed("xx-padding", Scene::Pairing, &first_hello, &|packet| packet[HELLO_NOISE + 32] = 1);
    changed("xx-no-memory", Scene::NoMemory, &first_hello, &|_| {});
    changed("xx-reply-parameters", Scene::FirstContact, &first_reply, &|packet| packet[REPLY_PAYLOAD + 48] = 0xFF);
    changed("xx-reply-application", Scene::FirstContact, &first_reply, &|packet| rename(packet));
    changed("finish-pairing-off", Scene::Empty, &finish, &|_| {});
    changed("finish-unknown", Scene::Greeted, &finish, &|packet| packet[8] ^= 1);
    changed("finish-pattern", Scene::Greeted, &finish, &|packet| packet[3] = 3);
    changed("finish-tag", Scene::Greeted, &finish, &|packet| packet[15 + 40] ^= 1);
    changed("finish-parameters", Scene::Greeted, &finish, &|packet| packet[15 + 48] = 0xFF);
    changed("finish-application", Scene::Greeted, &finish, &|packet| rename(packet));
    changed("finish-and-more", Scene::Greeted, &finish, &|packet| packet.extend([0x43; 40]));
    let mut wrong = null;
    let mark = wrong.len() - 32;
    wrong[mark] ^= 1;
    // The target sets it right in a second run.
    seeds.push(("wrong-mark".into(), met(Scene::Empty, wrong)));
    seeds
}

pub(super) fn frames_after_open() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for role in [Role::Initiator, Role::Responder] {
        let side = if role == Role::Initiator { "i" } else { "r" };
        let mut push = |name: &str, stage: Stage, records: &[Record<'_>]| {
            seeds.push((format!("{side}-{name}"), input(role, stage, records)))
        };
        let valid: Vec<Record<'_>> = VALID.iter().map(|(_, frame)| (USE, *frame)).collect();
        let dynamic = dynamic_channels(role);
        let valid: Vec<Record<'_>> = dynamic.iter().map(|(_, frame)| (USE, &frame[..])).chain(valid).collect();
        for stage in Stage::ALL {
            push(&format!("all-{stage:?}").to_lowercase(), stage, &valid);
        }
        for (name, packet) in FAULTS {
            push(name, Stage::Established, &[(0, packet), (SKIP_NUMBERS, &[0x01])]);
        }
        push("contradiction", Stage::Established, &[(0, &[0x09, 16, 0, 2, 1, 2]), (0, &[0x0A, 16, 0, 1, 1])]);
        push(
            "message-contradiction",
            Stage::Established,
            &[(0, &[0x13, 21, 0, 8, 1, 1, 1]), (0, &[0x13, 21, 0, 4, 1, 1, 1])],
        );
        for (name, packets) in faults_of_dynamic_channels(role) {
            let records: Vec<Record<'_>> = packets.iter().map(|packet| (0, &packet[..])).collect();
            push(name, Stage::Established, &records);
        }
        for (name, packets) in keys(role) {
            let records: Vec<Record<'_>> = packets.iter().map(|(control, packet)| (*control, &packet[..])).collect();
            push(name, Stage::Established, &records);
        }
        push("wrong-tag", Stage::Established, &[(WRONG_TAG, &[0x01]), (0, &[0x01])]);
        push("wrong-id", Stage::Established, &[(WRONG_ID, &[0x01])]);
        push("key-phase", Stage::Established, &[(KEY_PHASE, &[0x01])]);
        push("replay", Stage::Established, &[(0, &[0x01]), (REPEAT_NUMBER, &[0x01])]);
        push("waits", Stage::Established, &[(USE, &[0x01]), (WAIT, &[0x01]), (WAIT | SKIP_NUMBERS, &[0x01])]);
        push("gap", Stage::Established, &[(0, &[0x0A, 16, 0x44, 0, 1, 9]), (USE, &[0x09, 16, 0, 1, 8])]);
    }
    let connect: &[u8] = &[0x0B, 0, 0, 6, 0x3D, 4, 3, b'w', b'h', b'o'];
    let data: &[u8] = &[0x0B, 16, 0, 1, b'x'];
    let mut push = |name: &str, role: Role, stage: Stage, records: &[Record<'_>]| {
        seeds.push((name.into(), input(role, stage, records)))
    };
    push("connect", Role::Responder, Stage::Unconfirmed, &[(0, data), (ACCEPT, connect), (USE, &[0x01])]);
    push("connect-twice", Role::Responder, Stage::Unconfirmed, &[(0, connect), (0, &[0x0B, 0, 7, 1, 0x3D])]);
    push("connect-to-initiator", Role::Initiator, Stage::Handshaking, &[(0, connect)]);
    push("accept", Role::Initiator, Stage::Handshaking, &[(0, data), (USE, &[0x0B, 0, 0, 1, 0x3E])]);
    push(
        "pending-accept",
        Role::Initiator,
        Stage::Handshaking,
        &[(0, &[0x0B, 0, 0, 1, 0x40]), (0, &[0x0B, 0, 2, 1, 0x3E])],
    );
    push(
        "refuse",
        Role::Initiator,
        Stage::Handshaking,
        &[(0, &[0x0B, 0, 0, 10, 0x3F, 2, 1, 0x0A, 4, 1, b'n', 6, 1, 9])],
    );
    push("accept-malformed", Role::Initiator, Stage::Handshaking, &[(0, &[0x0B, 0, 0, 2, 0x3E, 4])]);
    let mut first = vec![0x09, 0, 0, 0x40, 200, 0x3D, 4, 0x41, 0x2C];
    first.resize(5 + 200, 7);
    let mut second = vec![0x0A, 0, 0x40, 200, 0x40, 104];
    second.resize(6 + 104, 7);
    push("connect-no-memory", Role::Responder, Stage::NoMemory, &[(0, &first), (0, &second)]);
    seeds
}

fn input(role: Role, stage: Stage, records: &[Record<'_>]) -> Vec<u8> {
    let mut input = vec![stage.code(role)];
    for (control, plaintext) in records {
        input.extend([*control, plaintext.len() as u8]);
        input.extend(*plaintext);
    }
    input
}

fn met(scene: Scene, packet: Vec<u8>) -> Vec<u8> {
    [vec![scene as u8], packet].concat()
}

/// Bob's Reply to the attempt of [`Scene::SynSent`].
fn reply<P: Provider + Clone>(provider: P) -> Vec<u8> {
    let hello = begin(&mut endpoint(ALICE, provider.clone(), limits()), &peer(&provider, BOB));
    let (mut bob, _) = prepare(provider, Scene::Empty);
    let _ = feed(&mut bob, &hello, link(BOB, ALICE), NOW, &mut Report::default());
    drain(&mut bob, NOW, &mut Report::default()).pop().unwrap()
}

/// The three packets of a first contact of Alice and Bob.
fn first_contact<P: Provider + Clone>(provider: P) -> [Vec<u8>; 3] {
    let alice = &mut endpoint(ALICE, provider.clone(), limits());
    let hello = begin_first_contact(alice);
    let (mut bob, _) = prepare(provider, Scene::Pairing);
    let _ = feed(&mut bob, &hello, link(BOB, ALICE), NOW, &mut Report::default());
    let reply = drain(&mut bob, NOW, &mut Report::default()).pop().unwrap();
    let _ = feed(alice, &reply, link(ALICE, BOB), NOW, &mut Report::default());
    let finish = drain(alice, NOW, &mut Report::default()).swap_remove(0);
    [hello, reply, finish]
}

/// Another application protocol of the same length.
fn rename(packet: &mut [u8]) {
    let at = packet.windows(4).position(|window| window == b"fuzz").unwrap();
    packet[at] = b'b';
}
