//! The README's own lines, and those of docs/cli.md, run as a stranger runs them.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

/// The shell lines of the section `heading` of `page`.
fn lines_of(page: &str, heading: &str) -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).expect("the page");
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("the section");
    let blocks = section.split("```").skip(1).step_by(2);
    blocks.flat_map(|block| block.lines().skip(1)).map(str::to_owned).collect()
}

#[test]
fn a_file_is_sent_by_the_lines_of_the_readme_under_a_common_umask() {
    run(lines_of("README.md", "Send a file"));
}

#[test]
fn two_strangers_pair_by_the_lines_of_the_readme() {
    run(lines_of("README.md", "Meet by pairing"));
}

/// With the keys and the inbox of the README, as the page says.
#[test]
fn a_file_crosses_a_bad_network_by_the_three_lines_of_the_page() {
    let mut lines = lines_of("README.md", "Send a file");
    lines.truncate(lines.iter().position(|line| line.starts_with("session listen")).expect("a listener"));
    let walk = lines_of("docs/cli.md", "A bad network");
    let from = walk.iter().position(|line| line.starts_with("session listen")).expect("a listener");
    let [listen, impair, send] = &walk[from..] else { panic!("{walk:?}") };
    run(lines.into_iter().chain([listen, impair, send].map(Clone::clone)).collect());
}

/// Runs lines whose end is that FILE stands in the inbox; whoever is asked says yes.
fn run(lines: Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("FILE"), vec![7; 100_000]).expect("a file");
    // Both at a time, that they differ.
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    let [port, relay] = sockets.map(|socket| socket.local_addr().expect("a port").port().to_string());
    let mut script =
        String::from("set -eu\numask 022\ntrap 'kill $listener $relay 2>/dev/null || true' EXIT\nrelay=\n");
    for line in lines {
        let line = line.replace("8124", &port).replace("7000", &relay);
        if line.starts_with("cargo install") {
            // The binary under test is the one that was just built.
        } else if line.starts_with("session listen") {
            script += &format!("echo yes | {line} > listen.log 2>&1 &\nlistener=$!\n");
            script += "for _ in $(seq 100); do grep -q listening listen.log && break; sleep 0.1; done\n";
        } else if line.starts_with("session impair") {
            script += &format!("{line} > relay.log 2>&1 &\nrelay=$!\n");
            script += "for _ in $(seq 100); do grep -q relaying relay.log && break; sleep 0.1; done\n";
        } else if line.starts_with("session pair") {
            script += &format!("echo yes | {line}\n");
        } else {
            script += &line;
            script.push('\n');
        }
    }
    script += "stat -c %a receiver.key sender.key\n";
    let binary = Path::new(env!("CARGO_BIN_EXE_session"));
    let path = format!("{}:{}", binary.parent().expect("a folder").display(), std::env::var("PATH").expect("PATH"));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("HOME", folder.path())
        .output()
        .expect("bash");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}\n{error}");
    assert!(out.ends_with("600\n600\n"), "{out}");
    assert_eq!(fs::read(folder.path().join("inbox/FILE")).expect("the received file"), vec![7; 100_000]);
}
