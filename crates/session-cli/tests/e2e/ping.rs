//! `session ping` against a listener.

use crate::support::{Mute, Outcome, Process, World};
use rustix::process::Signal;

#[test]
fn echoes_are_timed_and_summed_up() {
    for runtime in ["tokio", "smol"] {
        let world = World::new();
        let mut listener = world.listen(&["--runtime", runtime]);
        let options = ["--count", "3", "--interval", "0.01", "--runtime", runtime];
        let outcome = Outcome::of(&mut world.dial_command("ping", &listener.address, &options));
        assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
        let lines: Vec<_> = outcome.output.lines().collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        for (line, sequence) in lines.iter().zip(1..=3) {
            assert!(line.starts_with(&format!("64 bytes from {}: seq={sequence} time=", listener.address)), "{line}");
        }
        let start = format!("{}: 3 sent, 3 answered, 0 packets lost and sent again, handshake ", listener.address);
        assert!(lines[3].starts_with(&start) && lines[3].contains("; min/avg/max/mdev "), "{}", lines[3]);
        assert_eq!(listener.news(), "pinged, 3 echoes");
    }
}

#[test]
fn interrupted_ping_says_what_it_knows() {
    let world = World::new();
    let listener = world.listen(&[]);
    let mut ping = Process::start(world.dial_command("ping", &listener.address, &[]));
    assert!(ping.line().contains(": seq=1 time="));
    ping.signal(Signal::INT);
    let outcome = ping.wait();
    assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    assert!(
        outcome.output.contains(": 1 sent, 1 answered, ") || outcome.output.contains(": 2 sent, "),
        "{}",
        outcome.output
    );
}

#[test]
fn ping_of_a_listener_that_dies_ends_with_the_reason() {
    let world = World::new();
    // The slower of the two decides when a silent peer is lost.
    let listener = world.listen(&["--keepalive-ms", "250"]);
    let options = ["--interval", "0.05", "--keepalive-ms", "250"];
    let mut ping = Process::start(world.dial_command("ping", &listener.address, &options));
    assert!(ping.line().contains(": seq=1 time="));
    listener.process.signal(Signal::KILL);
    let sentence = format!(
        "{} has fallen silent; check that it still listens and that the network is up, then try again",
        listener.address
    );
    let outcome = ping.wait();
    outcome.assert_failed(3, &sentence);
    assert!(outcome.output.contains("min/avg/max/mdev"), "{}", outcome.output);
}

/// A listener that is stopped for a while answers late: what is lost is said, and what comes then is not taken for another's echo.
#[test]
fn pings_that_are_late_are_lost_and_the_next_are_answered() {
    for runtime in ["tokio", "smol"] {
        let world = World::new();
        let listener = world.listen(&[]);
        let options = ["--interval", "0.01", "--timeout", "0.2", "--runtime", runtime];
        let mut ping = Process::start(world.dial_command("ping", &listener.address, &options));
        let mut line_with = |part: &str| {
            let line = std::iter::repeat_with(|| ping.line()).find(|line| line.contains(part) || line.is_empty());
            line.filter(|line| !line.is_empty()).unwrap_or_else(|| panic!("it has ended without '{part}'"))
        };
        line_with(": seq=1 time=");
        listener.process.stop();
        let lost = format!("no echo from {} within 0.2 s: seq=", listener.address);
        let number = |line: &str| line[lost.len()..].parse::<u64>().unwrap();
        let first = number(&line_with(&lost));
        assert!(number(&line_with(&lost)) > first);
        listener.process.signal(Signal::CONT);
        line_with(" time=");
        ping.signal(Signal::INT);
        let outcome = ping.wait();
        assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""), "{}", outcome.output);
    }
}

#[test]
fn a_row_without_an_echo_has_failed() {
    let world = World::new();
    let mute = Mute::new(&world);
    let options = ["--count", "2", "--interval", "0.01", "--timeout", "0.05"];
    let outcome = Outcome::of(&mut world.dial_command("ping", &mute.address, &options));
    outcome
        .assert_failed(3, &format!("no echo came from {} in time; give them more time with --timeout", mute.address));
    let lines: Vec<_> = outcome.output.lines().collect();
    assert!(lines[1].ends_with(" within 0.05 s: seq=2") && lines[2].contains(": 2 sent, 0 answered, "), "{lines:?}");
}

#[test]
fn interval_is_a_time() {
    let world = World::new();
    for interval in ["0", "-1", "nan", "x", "4000"] {
        let mut command = world.dial_command("ping", "127.0.0.1:1", &[&format!("--interval={interval}")]);
        assert_eq!(Outcome::of(&mut command).code, Some(2), "{interval}");
    }
}
