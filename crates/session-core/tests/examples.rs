//! Every example, run as its first lines say.

use std::path::PathBuf;
use std::process::Command;

/// What it prints. Cargo builds the examples beside the tests.
fn output(name: &str, arguments: &[&str]) -> String {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder: PathBuf = test.ancestors().nth(2).expect("tests stand two folders deep").join("examples");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: `cargo build --examples` makes it", path.display());
    let output = Command::new(path).args(arguments).output().expect("the example runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn custom_loop() {
    let said = output("custom_loop", &[]);
    assert!(said.ends_with("received 4194304 bytes in one message\n"), "{said}");
}

#[test]
fn event_loop() {
    let said = output("event_loop", &[]);
    let ledger = "Ledger { opened: 1000, sent: 1000, received: 1000, closed: 1000 }";
    assert_eq!(said.matches(ledger).count(), 2, "both ends agree:\n{said}");
}

/// To close so many takes longer than the quiet time after a CLOSE: those that wait for their turn must still get it.
#[test]
fn event_loop_with_more() {
    let said = output("event_loop", &["3000"]);
    assert_eq!(said.matches("opened: 3000, sent: 3000, received: 3000, closed: 3000").count(), 2, "{said}");
}
