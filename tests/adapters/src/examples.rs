//! The examples that every adapter has, run as their first lines say. An adapter's examples end with its name, as `echo_tokio`.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Who listens prints its key and its address, by which another is answered.
pub fn echo(adapter: &str) {
    let name = format!("echo_{adapter}");
    let listening = command(&name).args(["listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn();
    let mut listener = Listener(listening.expect("it listens"));
    // It goes on printing: the pipe must stay open.
    let mut printed = BufReader::new(listener.0.stdout.take().expect("it is piped"));
    let mut line = String::new();
    printed.read_line(&mut line).expect("it says where");
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["listening", "on", address, "with", "key", key] = words[..] else { panic!("{line}") };
    assert_eq!(output(command(&name).args(["say", key, address, "hello there"])), "hello there\n");
}

/// Requests are answered, refused, too late and abandoned.
pub fn request(adapter: &str) {
    let said = run(&format!("request_{adapter}"));
    for line in ["5 squared is 25", "no answer in time", "nobody waits any more: the meaning of it all"] {
        assert!(said.lines().any(|other| other == line), "`{line}` is not in:\n{said}");
    }
    assert!(said.contains("status 64: invalid digit"), "{said}");
}

/// A byte stream ends where its message ends.
pub fn bytes(adapter: &str) {
    let said = run(&format!("bytes_{adapter}"));
    let end = "ITS END IS THE END OF THE STREAM\nthe server read 3 lines\n";
    assert!(said.starts_with("A BYTE STREAM IS ONE MESSAGE,\n") && said.ends_with(end), "{said}");
}

/// Of ten thousand values the last arrives.
pub fn telemetry(adapter: &str) {
    let said = run(&format!("telemetry_{adapter}"));
    assert!(said.starts_with("fetched ") && said.ends_with(" of 10000 readings; the last is 10000\n"), "{said}");
}

/// Runs the example `name` to its end, which must be a good one; returns what it said.
#[must_use]
pub fn run(name: &str) -> String {
    output(&mut command(name))
}

/// Cargo builds the examples beside the tests.
fn command(name: &str) -> Command {
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
