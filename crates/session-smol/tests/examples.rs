//! Every example, run as its first lines say.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Cargo builds the examples beside the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder: PathBuf = test.ancestors().nth(2).expect("tests stand two folders deep").join("examples");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: `cargo build --examples` makes it", path.display());
    Command::new(path)
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("the example runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Ends with the test, however that ends.
struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn echo() {
    let listening = example("echo_smol").args(["listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn();
    let mut listener = Listener(listening.expect("it listens"));
    // It goes on printing: the pipe must stay open.
    let mut printed = BufReader::new(listener.0.stdout.take().expect("it is piped"));
    let mut line = String::new();
    printed.read_line(&mut line).expect("it says where");
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["listening", "on", address, "with", "key", key] = words[..] else { panic!("{line}") };
    assert_eq!(output(example("echo_smol").args(["say", key, address, "hello there"])), "hello there\n");
}

#[test]
fn request() {
    let said = output(&mut example("request_smol"));
    for line in ["5 squared is 25", "no answer in time", "nobody waits any more: the meaning of it all"] {
        assert!(said.lines().any(|other| other == line), "`{line}` is not in:\n{said}");
    }
    assert!(said.contains("status 64: invalid digit"), "{said}");
}

#[test]
fn bytes() {
    let said = output(&mut example("bytes_smol"));
    let end = "ITS END IS THE END OF THE STREAM\nthe server read 3 lines\n";
    assert!(said.starts_with("A BYTE STREAM IS ONE MESSAGE,\n") && said.ends_with(end), "{said}");
}

#[test]
fn telemetry() {
    let said = output(&mut example("telemetry_smol"));
    assert!(said.starts_with("fetched ") && said.ends_with(" of 10000 readings; the last is 10000\n"), "{said}");
}

#[test]
fn alarm() {
    let said = output(&mut example("alarm_smol"));
    assert!(said.starts_with("station: asleep\nstation: alarm, too hot\n"), "{said}");
    let [_, _, left, missed] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert!(left.ends_with(" readings are left to look at; the last: out of scale"), "{said}");
    let words: Vec<_> = missed.split(' ').collect();
    let ["sensor:", "of", "100", "readings", late, "were", "given", "up,", "and", no_room, ..] = words[..] else {
        panic!("{said}")
    };
    // The station takes none until all are sent, and 2000 bytes of them at most wait for it.
    let number = |word: &str| word.parse::<u32>().expect("a number");
    assert!((80..=100).contains(&(number(late) + number(no_room))), "{said}");
}
