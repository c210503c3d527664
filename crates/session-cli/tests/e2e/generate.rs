//! Manual pages and shell completions.

use std::fs;
use std::process::Command;

use crate::support::{SESSION, names};

#[test]
fn pages_and_completions_cover_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(SESSION).arg("generate").arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let commands = ["bench", "chat", "demo", "impair", "keygen", "listen", "pair", "ping", "pubkey", "send"];
    let pages = commands.map(|command| format!("session-{command}.1"));
    let shells = ["_session", "_session.ps1", "session.bash", "session.elv", "session.fish"].map(str::to_owned);
    let mut expected = [&pages[..], &shells, &["session.1".to_owned()]].concat();
    expected.sort();
    assert_eq!(names(folder.path()), expected);

    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let index = read("session.1");
    for command in commands {
        assert!(index.contains(&format!("session\\-{command}(1)")), "session.1 lacks {command}");
        let page = read(&format!("session-{command}.1"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&format!("session {command}")), "{command}");
        for shell in ["_session", "session.bash", "session.fish"] {
            assert!(read(shell).contains(command), "{shell} lacks {command}");
        }
    }
    let page = read("session-send.1");
    assert!(page.contains("\\-\\-json") && !page.contains("keepalive"), "{page}");
    // The shell that is always there reads what was made for it.
    let script = read("session.bash");
    let bash = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
    assert!(bash.status.success(), "{bash:?}");
}

#[test]
fn folder_must_exist() {
    let output = Command::new(SESSION).args(["generate", "/nowhere"]).output().unwrap();
    let sentence = "error: folder /nowhere cannot be written to (No such file or directory); name a folder that exists and that you may write to\n";
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(8), sentence));
}
