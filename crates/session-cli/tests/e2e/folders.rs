//! Several files and folders in one command.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::{Outcome, SESSION, World};

fn send_all(world: &World, names: &[&str], address: &str, options: &[&str]) -> Outcome {
    let mut command = world.dial_command("send", address, options);
    Outcome::of(command.args(names.iter().map(|name| world.path(name))))
}

/// Compares two folders with the system's own tool.
fn assert_equal(world: &World, sent: &str, received: &str) {
    let output = Command::new("diff").arg("-r").arg(world.path(sent)).arg(world.path(received)).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn folders_and_files_arrive_as_they_are() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    fs::create_dir_all(world.path("photos/2024/empty")).unwrap();
    for (name, length) in
        [("photos/a.jpg", 70_000), ("photos/2024/b.jpg", 1), ("photos/2024/.index", 300), ("notes", 0)]
    {
        world.file(name, length);
    }
    // More than one offer holds.
    fs::create_dir(world.path("many")).unwrap();
    let names: Vec<_> = (0..1_500).map(|number| format!("many/{number}-{}", "n".repeat(60))).collect();
    names.iter().for_each(|name| fs::write(world.path(name), name).unwrap());

    let address = listener.address.clone();
    // Its log is longer than a pipe holds, so somebody has to read it.
    let log = std::thread::spawn(move || {
        let mut log = vec![listener.news()];
        while !log.last().unwrap().starts_with("received many/999-") {
            log.push(listener.news());
        }
        // It lives on until the sender has had its answer.
        (log, listener)
    });
    let outcome = send_all(&world, &["photos", "notes", "many"], &address, &[]);
    assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    assert_eq!(outcome.output.lines().count(), 1_505);
    assert!(outcome.output.starts_with("photos/2024/.index: 300 B delivered, SHA-256 "), "{}", &outcome.output[..200]);
    assert!(outcome.output.ends_with("\n1504 files, 170.1 KiB delivered\n"), "{:?}", outcome.output.lines().last());
    for name in ["photos", "notes", "many"] {
        assert_equal(&world, name, &format!("inbox/{name}"));
    }
    assert!(world.path("inbox/photos/2024/empty").is_dir());
    assert_eq!(world.inbox(), ["many", "notes", "photos"]);
    let (log, _listener) = log.join().unwrap();
    assert!(
        log[0].starts_with("receiving ") && log[1].starts_with("received photos/2024/.index, 300 B in "),
        "{log:?}"
    );
    let offers = log.iter().filter(|line| line.starts_with("receiving ")).count();
    assert_eq!((offers, log.len() - offers), (2, 1_504));
}

#[test]
fn links_and_pipes_in_a_folder_are_left_out_and_named() {
    let world = World::new();
    let listener = world.listen(&[]);
    fs::create_dir(world.path("folder")).unwrap();
    world.file("folder/file", 10);
    symlink("/etc/passwd", world.path("folder/link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, world.path("folder/pipe"), rustix::fs::Mode::RUSR).unwrap();
    let output = world.dial_command("send", &listener.address, &[]).arg(world.path("folder")).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let errors = String::from_utf8(output.stderr).unwrap();
    for (name, what) in [("link", "symbolic link"), ("pipe", "pipe, socket or device")] {
        let line = format!("left out: {} is a {what}\n", world.path("folder").join(name).display());
        assert!(errors.contains(&line), "{errors}");
    }
    assert_eq!(fs::read_dir(world.path("inbox/folder")).unwrap().count(), 1);
}

#[test]
fn nothing_is_sent_if_one_name_is_taken() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    fs::create_dir(world.path("folder")).unwrap();
    for name in ["folder/a", "folder/b", "folder/c"] {
        world.file(name, 1_000);
    }
    fs::create_dir(world.path("inbox/folder")).unwrap();
    fs::write(world.path("inbox/folder/b"), "old").unwrap();
    let sentence = format!(
        "{} refused {} as folder/b: a file of this name exists already (0 of 3 files are delivered); \
         give the file another name, or have the peer listen with --force",
        listener.address,
        world.path("folder/b").display()
    );
    send_all(&world, &["folder"], &listener.address, &[]).assert_failed(6, &sentence);
    let inbox = world.path("inbox");
    let news = format!(
        "refused folder/b, inbox {}: a file of this name exists already; move the old file away, or listen with --force",
        inbox.display()
    );
    assert_eq!(listener.news(), news);
    assert_eq!(fs::read_dir(world.path("inbox/folder")).unwrap().count(), 1);

    let forced = world.listen(&["--force"]);
    send_all(&world, &["folder"], &forced.address, &["--runtime", "smol"]).assert_delivered();
    assert_equal(&world, "folder", "inbox/folder");
}

#[test]
fn link_in_the_inbox_leads_nowhere() {
    let world = World::new();
    let listener = world.listen(&["--force"]);
    fs::create_dir_all(world.path("folder")).unwrap();
    fs::create_dir_all(world.path("outside")).unwrap();
    let file = world.file("folder/file", 10);
    symlink(world.path("outside"), world.path("inbox/folder")).unwrap();
    let sentence = format!(
        "{} refused {}: something else stands where a folder is needed (0 of 1 files are delivered)",
        listener.address,
        world.path("folder").display()
    );
    let outcome = send_all(&world, &["folder"], &listener.address, &[]);
    let sentence = sentence.replace(" (0 of 1 files are delivered)", "");
    outcome.assert_failed(6, &format!("{sentence}; give the file another name, or have the peer listen with --force"));
    assert_eq!(fs::read_dir(world.path("outside")).unwrap().count(), 0);
    assert!(file.exists());
}

#[test]
fn names_that_cannot_be_sent_are_told_before_anything_is() {
    let world = World::new();
    for (name, why) in [
        ("two\nlines", "the file name has control characters"),
        (".hidden", "the file name starts with a dot"),
        ("back\\slash", "the file name has a backslash"),
    ] {
        let path = world.file(name, 1);
        let shown = path.display().to_string().replace('\n', "\\u{a}");
        let sentence = format!("{shown} cannot be sent: {why}; give it another name");
        world.send(&path, "127.0.0.1:1", &[]).assert_failed(4, &sentence);
    }
    let mut command = Command::new(SESSION);
    let outcome =
        Outcome::of(command.args(["send", "--to", &format!("{}@127.0.0.1:1", world.listener_key), "--key", "k"]));
    assert_eq!(outcome.code, Some(2));
}
