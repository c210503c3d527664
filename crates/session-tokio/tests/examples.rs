//! Every example, run as its first lines say.

use session_adapter_tests::examples;

#[test]
fn echo() {
    examples::echo("tokio");
}

#[test]
fn request() {
    examples::request("tokio");
}

#[test]
fn bytes() {
    examples::bytes("tokio");
}

#[test]
fn telemetry() {
    examples::telemetry("tokio");
}

#[test]
fn files() {
    let said = examples::run("files_tokio");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let entry = entry.expect("it is readable");
        let length = entry.metadata().expect("it is a file").len();
        let line = format!("{}: all {length} bytes arrived", entry.file_name().display());
        assert!(said.lines().any(|other| other == line), "`{line}` is not in:\n{said}");
        count += 1;
    }
    assert!(count > 4 && said.ends_with(&format!("received {count} files\n")), "{said}");
}
