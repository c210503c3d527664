//! Large files and many senders: `just e2e`, and `just soak` with `SESSION_E2E_MIB=1024 SESSION_E2E_SENDERS=50`.

use std::fs;

use crate::support::{Process, World};

fn number(variable: &str, default: usize) -> usize {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

fn crosses(listener: &str, sender: &str) {
    let world = World::new();
    let listen = world.listen(&["--runtime", listener]);
    let file = world.file("large", number("SESSION_E2E_MIB", 64) << 20);
    world.send(&file, &listen.address, &["--runtime", sender]).assert_delivered();
    world.assert_delivered(&file);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: just e2e")]
fn large_file_tokio_to_tokio() {
    crosses("tokio", "tokio");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: just e2e")]
fn large_file_tokio_to_smol() {
    crosses("smol", "tokio");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: just e2e")]
fn large_file_smol_to_tokio() {
    crosses("tokio", "smol");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: just e2e")]
fn large_file_smol_to_smol() {
    crosses("smol", "smol");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: just e2e")]
fn many_senders_at_once() {
    let world = World::new();
    let listen = world.listen(&[]);
    let files: Vec<_> = (0..number("SESSION_E2E_SENDERS", 10))
        .map(|index| world.file(&format!("file-{index}"), (8 << 20) + index))
        .collect();
    let start = |(index, file): (usize, &std::path::PathBuf)| {
        let runtime = if index % 2 == 0 { "tokio" } else { "smol" };
        Process::start(world.send_command(file, &listen.address, &["--runtime", runtime]))
    };
    let senders: Vec<_> = files.iter().enumerate().map(start).collect();
    for (mut sender, file) in senders.into_iter().zip(&files) {
        sender.wait().assert_delivered();
        world.assert_delivered(file);
    }
    assert_eq!(fs::read_dir(world.path("inbox")).unwrap().count(), files.len());
}
