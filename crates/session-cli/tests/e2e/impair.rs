//! `session impair`: a bad network between processes.

use std::net::UdpSocket;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Outcome, Process, SESSION, World};

/// A relay to `server` that runs, and its address.
fn impair(server: &str, options: &[&str]) -> (Process, String) {
    let mut command = Command::new(SESSION);
    command.args(["impair", "--listen", "127.0.0.1:0", "--to", server]).args(options);
    let mut process = Process::start(command);
    let line = process.line();
    let address = line.strip_prefix("relaying ").and_then(|rest| rest.split(' ').next());
    let address = address.unwrap_or_else(|| panic!("'{line}'")).to_owned();
    (process, address)
}

/// Ends it by Ctrl-C; returns the faults of both directions, in words.
fn stop(relay: Process) -> [String; 2] {
    stop_and_sum_up(relay).0
}

/// The same, and its last line.
fn stop_and_sum_up(mut relay: Process) -> ([String; 2], String) {
    relay.signal(Signal::INT);
    let outcome = relay.wait();
    assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    let faults = ["up: ", "down: "].map(|way| {
        let line = outcome.output.lines().find_map(|line| line.strip_prefix(way));
        line.unwrap_or_else(|| panic!("{}", outcome.output)).to_owned()
    });
    (faults, outcome.output.lines().last().unwrap_or_default().to_owned())
}

fn count(faults: &str, kind: &str) -> u64 {
    let number = faults.split(", ").find_map(|part| part.strip_prefix(kind)?.strip_prefix(' '));
    number.unwrap_or_else(|| panic!("no '{kind}' in '{faults}'")).parse().unwrap()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: just e2e")]
fn file_crosses_a_link_that_loses_a_fifth_each_way() {
    let world = World::new();
    let listener = world.listen(&[]);
    let (relay, address) = impair(&listener.address, &["--loss", "20%", "--delay", "2ms", "--seed", "1"]);
    let file = world.file("file", 1 << 20);
    world.send(&file, &address, &["--connect-timeout-ms", "60000"]).assert_delivered();
    world.assert_delivered(&file);
    for faults in stop(relay) {
        let (sent, lost) = (count(&faults, "sent"), count(&faults, "lost"));
        assert!(lost * 100 >= sent * 10 && lost * 100 <= sent * 30 && lost > 0, "{faults}");
    }
}

/// A fifth is lost each way, the sender comes from another port again and again, and the path becomes narrower on the way.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: just e2e")]
fn file_of_a_sender_that_roams_crosses_a_path_that_narrows() {
    let world = World::new();
    let listener = world.listen(&[]);
    let options = "--loss 20% --delay 2ms --mtu 1452 --mtu 1280@1s --mtu 1200@2s --rebind 500ms --seed 2";
    let (relay, address) = impair(&listener.address, &options.split_whitespace().collect::<Vec<_>>());
    let file = world.file("file", 1 << 20);
    world.send(&file, &address, &["--connect-timeout-ms", "60000"]).assert_delivered();
    world.assert_delivered(&file);
    let (faults, last) = stop_and_sum_up(relay);
    assert!(faults.iter().all(|faults| count(faults, "lost") > 0), "{faults:?}");
    // What the sender met besides: it was under way for longer than that.
    assert!(last.contains(" times another port") && count(&faults[0], "too big") > 0, "{faults:?}; {last}");
}

#[test]
fn files_of_two_senders_cross_a_link_with_every_fault() {
    let world = World::new();
    let listener = world.listen(&[]);
    let options = "--loss 1% --delay 2ms --jitter 1ms --duplicate 2% --reorder 2% --corrupt 2% --rate 40mbit \
        --queue 20kB --mtu 1472 --seed 3";
    let (relay, address) = impair(&listener.address, &options.split_whitespace().collect::<Vec<_>>());
    let files = ["one", "two"].map(|name| world.file(name, 300_000));
    let start = |file: &std::path::PathBuf| {
        Process::start(world.send_command(file, &address, &["--connect-timeout-ms", "60000"]))
    };
    let senders = files.each_ref().map(start);
    for (mut sender, file) in senders.into_iter().zip(&files) {
        sender.wait().assert_delivered();
        world.assert_delivered(file);
    }
    let faults = stop(relay);
    for kind in ["delivered", "lost", "duplicated", "reordered", "corrupted"] {
        assert!(faults.iter().any(|faults| count(faults, kind) > 0), "{kind}: {faults:?}");
    }
}

/// All of the file waits in the sender from the start, and takes five seconds to cross.
#[test]
fn progress_is_what_has_crossed_and_not_what_waits() {
    let world = World::new();
    let listener = world.listen(&[]);
    let (_relay, address) = impair(&listener.address, &["--rate", "up:100kbit"]);
    let file = world.file("file", 60_000);
    let outcome = world.send(&file, &address, &["--json"]);
    assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""), "{}", outcome.output);
    world.assert_delivered(&file);
    let events: Vec<Value> = outcome.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let progress = events.iter().filter(|event| event["event"] == "progress");
    let bytes: Vec<_> = progress.map(|event| event["bytes"].as_u64().unwrap()).collect();
    assert!(bytes.is_sorted() && bytes.last() <= Some(&60_000), "{bytes:?}");
    assert!(bytes.iter().filter(|bytes| (1..60_000).contains(*bytes)).count() >= 2, "{bytes:?}");
}

#[test]
fn it_ends_when_its_time_is_over() {
    let mut command = Command::new(SESSION);
    command.args(["impair", "--listen", "[::1]:0", "--to", "[::1]:7000", "--for", "1s", "--loss", "down:100%"]);
    let outcome = Outcome::of(command.args(["--seed", "7", "--rate", "up:1mbit"]));
    assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    let lines: Vec<_> = outcome.output.lines().collect();
    let words = " to [::1]:7000, seed 7; up: 1 Mbit/s, queue 14.6 KiB; down: 100 % lost";
    assert!(lines[0].starts_with("relaying [::1]:") && lines[0].ends_with(words), "{lines:?}");
    assert!(lines[3].ends_with(", 0 clients; up 0 in, 0 out; down 0 in, 0 out; 0 under way"), "{lines:?}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let run = |listen: &str, to: &str, options: &[&str]| {
        let mut command = Command::new(SESSION);
        Outcome::of(command.args(["impair", "--for", "1s", "--listen", listen, "--to", to]).args(options))
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = socket.local_addr().unwrap().to_string();
    let sentence = format!("{taken} is in use by another program; stop that one, or choose another port with --listen");
    run(&taken, "127.0.0.1:7000", &[]).assert_failed(9, &sentence);
    drop(socket);
    let sentence = format!("{taken} is the relay's own address; give --to the address of the server");
    run(&taken, &taken, &[]).assert_failed(2, &sentence);
    let sentence = "invalid value '120%' for '--loss <PERCENT>': \
        write a percentage such as 2% or 0.5%, from 0.0001% to 100%, or 0%";
    run("127.0.0.1:0", "127.0.0.1:7000", &["--loss", "120%"]).assert_failed(2, sentence);
    let sentence = "there is a queue down, and no rate that anything would wait for; give --rate down:RATE too";
    run("127.0.0.1:0", "127.0.0.1:7000", &["--rate", "up:1mbit", "--queue", "64KiB"]).assert_failed(2, sentence);
    let sentence = "invalid value '127.0.0.1' for '--to <ADDR>': \
        no address; write 192.0.2.1:7000, [2001:db8::1]:7000 or host:7000";
    run("127.0.0.1:0", "127.0.0.1", &[]).assert_failed(2, sentence);
}
