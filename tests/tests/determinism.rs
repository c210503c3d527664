//! The same seed gives the same bytes, in any process.

use std::process::Command;
use std::time::Duration;

use session_core::{ChannelId, RustCrypto};
use session_sim::{LinkConfig, Probability, Reordering};
use session_tests::{Flow, Flows, Message, Setup, World};

/// SHA-256 over every datagram of a transfer over a bad network.
fn digest_of(seed: u64) -> String {
    let mut world = World::new(seed);
    let (alice, bob) = (world.add(&Setup::default(), RustCrypto), world.add(&Setup::default(), RustCrypto));
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
    let (at_alice, at_bob) = world.establish(alice, bob);
    let there = Flow::new((alice, at_alice), (bob, at_bob), ChannelId(16), 1, vec![Message::whole(60_000); 3]);
    let back = Flow::new((bob, at_bob), (alice, at_alice), ChannelId(17), 2, vec![Message::streamed(100_000, 7000)]);
    let mut flows = Flows { flows: vec![there, back.in_chunks_of(5000)] };
    assert!(flows.run(&mut world, Duration::from_secs(300)));
    world.command(alice, at_alice, |session| session.close(1, "done"));
    world.run_for(Duration::from_secs(30));
    world.digest().iter().map(|byte| format!("{byte:02x}")).collect()
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

#[test]
fn two_processes_send_the_same_bytes() {
    let one = digest_of_other_process(1);
    assert_eq!(one.len(), 64);
    assert_eq!(one, digest_of_other_process(1));
    assert_eq!(one, digest_of(1));
}

#[test]
fn another_seed_sends_other_bytes() {
    assert_ne!(digest_of(1), digest_of(2));
}
