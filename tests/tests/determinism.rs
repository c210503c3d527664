//! The same seed gives the same bytes, in any process.

use std::process::Command;
use std::time::Duration;

use session_core::{
    ChannelConfig, ChannelId, ChannelLimits, ChannelMode, Instant, RustCrypto, SendError, SendOptions, SessionId,
};
use session_sim::{Faults, LinkConfig, Probability, Reordering};
use session_tests::{Contact, Flow, Flows, Message, Setup, Turnover, World};

/// Channels 16 and 17 carry what [`Flows`] checks; the others are one of each mode.
const MODES: [(ChannelId, ChannelMode); 6] = [
    (ChannelId(16), ChannelMode::ReliableOrdered),
    (ChannelId(17), ChannelMode::ReliableOrdered),
    (ChannelId(20), ChannelMode::ReliableOrdered),
    (ChannelId(21), ChannelMode::ReliableUnordered),
    (ChannelId(22), ChannelMode::Unreliable),
    (ChannelId(23), ChannelMode::LatestValue),
];

/// Which handshake a seed has: four in a row have all.
fn contact_of(seed: u64) -> Contact {
    Contact::ALL[(seed % 4) as usize]
}

/// A few messages of every mode each way, some of them late, read as they come; what was read goes into the account.
fn exchange(world: &mut World<RustCrypto>, ends: [(usize, SessionId); 2], account: &mut Vec<u8>) {
    let mut buffer = [0; 8000];
    for round in 0..60_usize {
        for (side, (node, id)) in ends.into_iter().enumerate() {
            for (channel, _) in &MODES[2..] {
                let message = vec![round as u8 ^ channel.0 as u8; round * 131 % 7000];
                let late = SendOptions::by(world.now().saturating_add(Duration::from_millis(40)));
                let options = if round % 3 == 0 { late } else { SendOptions::default() };
                match world.command(node, id, |session| session.send_with(&message, *channel, options)) {
                    Ok(_) | Err(SendError::Blocked) => {}
                    Err(error) => panic!("{channel:?}: {error}"),
                }
            }
            let (node, id) = ends[1 - side];
            for (channel, _) in &MODES[2..] {
                while let Ok(Some(length)) = world.command(node, id, |session| session.recv(&mut buffer, *channel)) {
                    account.extend((length as u32).to_be_bytes());
                }
            }
        }
        world.run_for(Duration::from_millis(5));
    }
}

/// Channels come and go, and messages on them are late; what came of it goes into the account.
fn turn_over(world: &mut World<RustCrypto>, ends: [(usize, SessionId); 2], account: &mut Vec<u8>) {
    let mut turnover = Turnover::new(ends);
    for _ in 0..100 {
        turnover.act(world, Duration::from_millis(10));
    }
    let Turnover { opened, received, expired, finished, reset, closed, .. } = turnover;
    let counts = [opened, received, expired, finished, reset, closed];
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    account.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
}

/// SHA-256 over every datagram of a session over a bad network: all modes, agreed channels and dynamic ones, messages late and in time, with the
/// handshake of the seed.
fn digest_of(seed: u64) -> String {
    let contact = contact_of(seed);
    let mut limits = Setup::default().limits;
    limits.session_window = 12 * 66 * 1024;
    limits.pool_blocks = 4096;
    limits.opened_channels = 8;
    let setup = Setup {
        channels: MODES.map(|(id, mode)| ChannelConfig::new(id, mode)).to_vec(),
        limits,
        channel_limits: ChannelMode::ALL.iter().fold(ChannelLimits::NONE, |limits, mode| limits.with(*mode, 2)),
        psk: contact.with_psk().then_some([7; 32]),
        ..Setup::default()
    };
    let mut world = World::new(seed);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&setup, RustCrypto));
    if contact.is_first() {
        world.set_pairing(bob, Some(Instant::MAX));
    }
    world.set_link(
        alice,
        bob,
        LinkConfig {
            loss: Probability::from_percent(10),
            duplication: Probability::from_percent(5),
            reordering: Reordering::new(Probability::from_percent(10), 16, Duration::from_millis(30)),
            delay: Duration::from_millis(15),
            jitter: Duration::from_millis(3),
            ..LinkConfig::default()
        },
    );
    let (at_alice, at_bob) = world.establish_by(contact, alice, bob);
    assert_eq!(world.session(alice, at_alice).is_first_contact(), contact.is_first());
    let ends = [(alice, at_alice), (bob, at_bob)];
    let mut account = Vec::new();
    exchange(&mut world, ends, &mut account);
    turn_over(&mut world, ends, &mut account);
    let there = Flow::new(ends[0], ends[1], ChannelId(16), 1, vec![Message::whole(60_000); 3]);
    let back = Flow::new(ends[1], ends[0], ChannelId(17), 2, vec![Message::streamed(100_000, 7000)]);
    let mut flows = Flows { flows: vec![there, back.in_chunks_of(5000)] };
    assert!(flows.run(&mut world, Duration::from_secs(300)));
    world.command(alice, at_alice, |session| session.close(1, "done"));
    world.run_for(Duration::from_secs(30));
    let Faults { lost, reordered, .. } = world.faults();
    assert!(lost > 0 && reordered > 0 && account.len() > 100, "{lost}, {reordered}, {}", account.len());
    let of_datagrams = world.digest().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let of_account = account.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{of_datagrams}{of_account:016x}")
}

/// Not a test: what [`two_processes_send_the_same_bytes`] runs in other processes.
#[test]
#[ignore = "run by the other test in a process of its own"]
fn print_digest() {
    let seed = std::env::var("SEED").expect("a seed").parse().expect("a number");
    println!("digest {}", digest_of(seed));
}

fn digest_of_other_process(seed: u64) -> String {
    let program = std::env::current_exe().expect("a program knows its path");
    let output = Command::new(program)
        .args(["--exact", "--ignored", "--nocapture", "print_digest"])
        .env("SEED", seed.to_string())
        .output()
        .expect("the program runs again");
    let text = String::from_utf8(output.stdout).expect("text");
    let digest = text.split_once("digest ").and_then(|(_, rest)| rest.split_whitespace().next());
    digest.unwrap_or_else(|| panic!("no digest in {text}")).to_owned()
}

/// With the handshake of every pattern, messages of every mode and channels that come and go.
#[test]
fn two_processes_send_the_same_bytes() {
    for seed in 0..4 {
        let one = digest_of_other_process(seed);
        assert_eq!(one.len(), 80, "{:?}", contact_of(seed));
        assert_eq!(one, digest_of_other_process(seed), "{:?}", contact_of(seed));
        assert_eq!(one, digest_of(seed), "{:?}", contact_of(seed));
    }
}

#[test]
fn another_seed_sends_other_bytes() {
    assert_ne!(digest_of(1), digest_of(5));
}
