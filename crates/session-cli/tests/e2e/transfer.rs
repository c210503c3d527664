//! Files between real processes, on every pair of runtimes.

use crate::support::{Outcome, SESSION, World};

fn crosses(listener: &str, sender: &str) {
    let world = World::new();
    let mut listen = world.listen(&["--runtime", listener]);
    for (name, length) in [("large", 1 << 20), ("odd", 70_001), ("empty", 0)] {
        let file = world.file(name, length);
        world.send(&file, &listen.address, &["--runtime", sender]).assert_delivered();
        world.assert_delivered(&file);
        assert!(listen.news().starts_with(&format!("receiving {name}, ")));
        assert!(listen.news().starts_with(&format!("received {name}, ")));
    }
    assert_eq!(world.inbox(), ["empty", "large", "odd"]);
}

#[test]
fn tokio_to_tokio() {
    crosses("tokio", "tokio");
}

#[test]
fn tokio_to_smol() {
    crosses("smol", "tokio");
}

#[test]
fn smol_to_tokio() {
    crosses("tokio", "smol");
}

#[test]
fn smol_to_smol() {
    crosses("smol", "smol");
}

#[test]
fn peer_may_be_a_name_of_the_known_peers() {
    let world = World::new();
    let listen = world.listen(&[]);
    let file = world.file("file", 1000);
    std::fs::create_dir(world.path("session")).unwrap();
    let line = format!("node7 session-x25519 {}\n", world.listener_key);
    std::fs::write(world.path("session/known_peers"), line).unwrap();
    let mut command = std::process::Command::new(SESSION);
    command.arg("send").arg(&file).args(["--to", &format!("node7@{}", listen.address), "--key"]);
    command.arg(world.path("sender.key")).env("XDG_CONFIG_HOME", world.path(""));
    Outcome::of(&mut command).assert_delivered();
    world.assert_delivered(&file);
}
