//! The README's first command.

use std::process::Command;

use crate::support::{SESSION, names};

#[test]
fn demo_delivers_its_file_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(SESSION).arg("demo").env("TMPDIR", folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{text}");
    assert!(text.ends_with("  demo | equal: the file crossed the bad link unharmed\n"), "{text}");
    assert!(!text.contains(" lost 0,"), "the link is bad: {text}");
    assert_eq!(names(folder.path()), [""; 0]);
}
