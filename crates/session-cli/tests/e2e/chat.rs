//! `session chat`, two processes.

use std::process::Command;

use crate::support::{Outcome, Process, SESSION, World};
use rustix::process::Signal;

/// One that waits; it says where on standard output only as JSON.
fn host(world: &World) -> (Process, String) {
    let mut command = Command::new(SESSION);
    command.args(["chat", "--json", "--bind", "127.0.0.1:0", "--key"]).arg(world.path("listener.key"));
    command.arg("--authorized").arg(world.path("authorized"));
    let mut host = Process::start(command);
    let line: serde_json::Value = serde_json::from_str(&host.line()).unwrap();
    assert_eq!(line["event"], "listening");
    (host, line["address"].as_str().unwrap().to_owned())
}

fn next(process: &mut Process, event: &str) -> serde_json::Value {
    let line: serde_json::Value = serde_json::from_str(&process.line()).unwrap();
    assert_eq!(line["event"], event, "{line}");
    line
}

#[test]
fn lines_go_both_ways_until_the_input_ends() {
    let world = World::new();
    let (mut host, address) = host(&world);
    let mut guest = Process::start(world.dial_command("chat", &address, &["--runtime", "smol"]));
    next(&mut host, "joined");
    guest.type_line("hello");
    assert_eq!(next(&mut host, "message")["text"], "hello");
    host.type_line("good \u{1b}[2Jday");
    assert_eq!(guest.line(), "good \\u{1b}[2Jday");
    // Empty lines are lines, and one that is too long becomes two.
    guest.type_line("");
    assert_eq!(next(&mut host, "message")["text"], "");
    guest.type_line(&"x".repeat(20_000));
    let lengths = [0, 1].map(|_| next(&mut host, "message")["text"].as_str().unwrap().len());
    assert_eq!(lengths, [16_384, 3_616]);

    guest.type_line("last words");
    guest.end_input();
    assert_eq!(next(&mut host, "message")["text"], "last words");
    next(&mut host, "left");
    for process in [&mut guest, &mut host] {
        let outcome = process.wait();
        assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    }
}

#[test]
fn second_guest_and_wrong_purpose_are_turned_away() {
    let world = World::new();
    let (mut host, address) = host(&world);
    let ping = Outcome::of(&mut world.dial_command("ping", &address, &[]));
    let sentence =
        format!("{address} refused the session: it serves chat only; check what runs there, or ask its user");
    ping.assert_failed(4, &sentence);
    next(&mut host, "refused");

    let mut guest = Process::start(world.dial_command("chat", &address, &[]));
    next(&mut host, "joined");
    let second = Outcome::of(&mut world.dial_command("chat", &address, &[]));
    second.assert_failed(4, &format!("{address} is busy: it chats with somebody else; try again later"));
    // The host has somebody before the guest knows, and until then Ctrl-C is an interruption.
    while !guest.error_line().starts_with(&format!("session with {address} is up")) {}
    guest.signal(Signal::INT);
    assert_eq!(guest.wait().code, Some(0));
    next(&mut host, "left");
    assert_eq!(host.wait().code, Some(0));

    let listener = world.listen(&[]);
    let chat = Outcome::of(&mut world.dial_command("chat", &listener.address, &[]));
    let sentence = format!(
        "{} refused the session: it serves files, ping, pair only; check what runs there, or ask its user",
        listener.address
    );
    chat.assert_failed(4, &sentence);
}

#[test]
fn one_side_is_needed_and_only_one() {
    let world = World::new();
    let key = world.path("sender.key");
    for arguments in [&["--bind", "127.0.0.1:0"][..], &[], &["--authorized", "x"]] {
        let mut command = Command::new(SESSION);
        let outcome = Outcome::of(command.args(["chat", "--key"]).arg(&key).args(arguments));
        assert_eq!(outcome.code, Some(2), "{arguments:?}");
    }
}
