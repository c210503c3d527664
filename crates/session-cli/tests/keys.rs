//! The README's lines about keys, run by a shell, and what the binary says when they go wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `script` under umask 022 in `folder`, with the binary in the path.
fn shell(folder: &Path, script: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_session"));
    let path = std::env::var("PATH").unwrap();
    Command::new("sh")
        .args(["-euc", &format!("umask 022\n{script}")])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", binary.parent().unwrap().display()))
        .output()
        .unwrap()
}

fn succeed(folder: &Path, script: &str) -> String {
    let output = shell(folder, script);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{script}");
    String::from_utf8(output.stdout).unwrap()
}

fn fail(folder: &Path, script: &str) -> (i32, String) {
    let output = shell(folder, script);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{script}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn readme_lines_make_a_private_key_and_its_public_half() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), "session keygen > node.key\nsession pubkey < node.key > node.pub");
    assert_eq!((mode(&folder.path().join("node.key")), mode(&folder.path().join("node.pub"))), (0o600, 0o644));
    let secret = fs::read_to_string(folder.path().join("node.key")).unwrap();
    assert!(secret.starts_with("session-secret1") && secret.lines().count() == 1);
    let public = fs::read_to_string(folder.path().join("node.pub")).unwrap();
    assert!(public.starts_with("session-x25519 ") && public.len() == "session-x25519 ".len() + 45, "{public}");

    assert_eq!(succeed(folder.path(), "session pubkey node.key"), public);
    assert_eq!(succeed(folder.path(), "cat node.key | session pubkey -"), public);
    let commented = succeed(folder.path(), "session pubkey node.key --comment 'node 7'");
    assert_eq!(commented, format!("{} node 7\n", public.trim_end()));
}

#[test]
fn keys_differ_and_pass_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let first = succeed(folder.path(), "session keygen | session pubkey");
    assert_ne!(first, succeed(folder.path(), "session keygen | session pubkey"));
}

#[test]
fn existing_file_is_closed_to_others_before_the_key_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), "touch node.key; chmod 666 node.key; session keygen > node.key");
    assert_eq!(mode(&folder.path().join("node.key")), 0o600);
}

#[test]
fn out_writes_a_private_file_and_replaces_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(succeed(folder.path(), "session keygen --out node.key"), "");
    let path = folder.path().join("node.key");
    let first = fs::read(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(
        fail(folder.path(), "session keygen --out node.key"),
        (
            6,
            "error: key file node.key exists already; choose another name, or use --force and lose the key in it\n"
                .into()
        )
    );
    assert_eq!(fs::read(&path).unwrap(), first);
    succeed(folder.path(), "chmod 644 node.key; session keygen --out ./node.key --force");
    assert_ne!(fs::read(&path).unwrap(), first);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary is left");
}

#[test]
fn places_that_cannot_be_written_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let remedy = "choose a folder that exists, that you may write to and that has room";
    assert_eq!(
        fail(folder.path(), "session keygen --out missing/node.key"),
        (8, format!("error: key file missing/node.key cannot be written (No such file or directory); {remedy}\n"))
    );
    assert_eq!(
        fail(folder.path(), "mkdir inner; session keygen --out inner --force"),
        (8, format!("error: key file inner cannot be written (Is a directory); {remedy}\n"))
    );
    assert_eq!(
        fail(folder.path(), "session keygen > /dev/full"),
        (
            8,
            "error: the key cannot be written to standard output (No space left on device); \
             use --out FILE, or a place that you own and that has room\n"
                .into()
        )
    );
    assert_eq!(
        fail(folder.path(), "session keygen | session pubkey > /dev/full"),
        (
            8,
            "error: the public key cannot be written to standard output (No space left on device); \
             write it to a place that has room\n"
                .into()
        )
    );
}

#[test]
fn bad_key_files_end_with_their_sentence_and_code() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), "session keygen > node.key; session pubkey < node.key > node.pub");
    let anew = "make a new one with 'session keygen'";
    let cases = [
        (
            "chmod 644 node.key; session pubkey node.key",
            "secret key node.key is open to other users (mode 0644); run 'chmod 600 node.key', \
             and replace the key if others may have seen it"
                .to_owned(),
        ),
        (
            "session pubkey < node.key",
            "secret key on standard input is open to other users (mode 0644); run 'chmod 600' on the file, \
             and replace the key if others may have seen it"
                .to_owned(),
        ),
        (
            "tr 'qpz' 'pzq' < node.key | session pubkey",
            format!(
                "secret key on standard input is damaged: its checksum does not match; restore it from a copy, or {anew}"
            ),
        ),
        ("session pubkey < /dev/null", format!("secret key on standard input is empty; {anew}")),
        (
            "chmod 600 node.pub; session pubkey node.pub",
            "node.pub holds a public key where a secret key is needed; give the file that starts with session-secret1"
                .to_owned(),
        ),
        (
            "session pubkey nowhere",
            format!("secret key nowhere cannot be read (No such file or directory); check the path, or {anew}"),
        ),
        ("session pubkey .", "secret key . is not a regular file; name the file itself".to_owned()),
    ];
    for (script, sentence) in cases {
        assert_eq!(fail(folder.path(), script), (11, format!("error: {sentence}\n")), "{script}");
    }
}

#[test]
fn wrong_command_lines_end_with_the_usage_code() {
    let folder = tempfile::tempdir().unwrap();
    for script in ["session", "session frobnicate", "session keygen --force", "session pubkey a b"] {
        assert_eq!(fail(folder.path(), script).0, 2, "{script}");
    }
    assert!(succeed(folder.path(), "session --help").contains("Exit codes:"));
}
