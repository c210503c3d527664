//! What goes wrong at the edges: each with its exact sentence and exit code. The listener lives on, and nothing stands under a final name.

use std::fs::{self, OpenOptions};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Listener, Outcome, Process, SESSION, World};
use rustix::process::Signal;

/// Signs of life often enough that a dead peer is noticed in three quarters of a second.
const QUICK: [&str; 2] = ["--keepalive-ms", "250"];
/// So long that no test sees the end of it; takes no room on the disk.
const ENDLESS: u64 = 1 << 40;

fn endless(world: &World) -> std::path::PathBuf {
    let path = world.path("endless");
    fs::File::create(&path).unwrap().set_len(ENDLESS).unwrap();
    path
}

/// A transfer that is in the middle.
fn under_way(world: &World, listener: &mut Listener, options: &[&str]) -> Process {
    let sender = Process::start(world.send_command(&endless(world), &listener.address, options));
    assert_eq!(listener.news(), "receiving endless, 1.0 TiB");
    while !world.inbox().iter().any(|name| name.starts_with(".endless.PARTIAL-")) {
        std::thread::yield_now();
    }
    sender
}

fn assert_lives_on(world: &World, listener: &Listener) {
    let file = world.file("afterwards", 100_000);
    world.send(&file, &listener.address, &[]).assert_delivered();
    world.assert_delivered(&file);
    assert_eq!(world.inbox(), ["afterwards"]);
}

#[test]
fn stranger_on_the_port() {
    let world = World::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let file = world.file("file", 10);
    let mut sender = Process::start(world.send_command(&file, &address, &["--connect-timeout-ms", "1000"]));
    let (_, from) = socket.recv_from(&mut [0; 2048]).unwrap();
    socket.send_to(b"another protocol", from).unwrap();
    let sentence = format!(
        "no answer from {address} within 1 s; datagrams came back, but none that answers: \
         check that 'session' listens there, and that this is its key"
    );
    sender.wait().assert_failed(3, &sentence);
}

#[test]
fn unauthorized_peer() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    let file = world.file("file", 10);
    let mut command = Command::new(SESSION);
    command.arg("send").arg(&file).args(["--to", &format!("{}@{}", world.listener_key, listener.address), "--key"]);
    let outcome = Outcome::of(command.arg(world.path("stranger.key")));
    let sentence = format!(
        "{} does not accept this key: it is not in the list of authorized peers; \
         have your 'session pubkey' added to its list of authorized peers",
        listener.address
    );
    outcome.assert_failed(5, &sentence);
    let news = listener.news();
    assert!(news.starts_with("refused, key ") && news.ends_with(" is not authorized"), "{news}");
    assert_lives_on(&world, &listener);
}

#[test]
fn wrong_key() {
    let world = World::new();
    let listener = world.listen(&[]);
    let file = world.file("file", 10);
    let stranger = Command::new(SESSION).arg("pubkey").arg(world.path("stranger.key")).output().unwrap().stdout;
    let stranger = String::from_utf8(stranger).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let mut command = Command::new(SESSION);
    command.arg("send").arg(&file).args(["--to", &format!("{stranger}@{}", listener.address), "--key"]);
    let outcome = Outcome::of(command.arg(world.path("sender.key")).args(["--connect-timeout-ms", "500"]));
    let sentence = format!(
        "no answer from {} within 0.5 s; nothing at all came back: \
         check the address, that it listens, the firewalls between, and that this is its key",
        listener.address
    );
    outcome.assert_failed(3, &sentence);
    assert_lives_on(&world, &listener);
}

#[test]
fn silent_peer() {
    let world = World::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let outcome = world.send(&world.file("file", 10), &address, &["--connect-timeout-ms", "500"]);
    let sentence = format!(
        "no answer from {address} within 0.5 s; nothing at all came back: \
             check the address, that it listens, the firewalls between, and that this is its key"
    );
    outcome.assert_failed(3, &sentence);
}

#[test]
fn port_in_use() {
    let world = World::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sentence = format!("{address} is in use by another program; stop that one, or choose another port with --bind");
    Outcome::of(&mut world.listen_command(&address, &[])).assert_failed(9, &sentence);
}

#[test]
fn collision_unless_forced() {
    let world = World::new();
    let listener = world.listen(&[]);
    let file = world.file("file", 1000);
    world.send(&file, &listener.address, &[]).assert_delivered();
    // The same again, as after a broken transfer: it is there already.
    world.send(&file, &listener.address, &[]).assert_delivered();
    let other = world.file("file", 2000);
    let sentence = format!(
        "{} refused {}: a file of this name exists already; \
         give the file another name, or have the peer listen with --force",
        listener.address,
        other.display()
    );
    world.send(&other, &listener.address, &[]).assert_failed(6, &sentence);
    assert_eq!(fs::metadata(world.path("inbox/file")).unwrap().len(), 1000);
    let forced = world.listen(&["--force"]);
    world.send(&other, &forced.address, &[]).assert_delivered();
    world.assert_delivered(&other);
}

#[test]
fn unreadable_file() {
    let world = World::new();
    let missing = world.path("missing");
    let sentence =
        format!("{} cannot be read (No such file or directory); check the path and its permissions", missing.display());
    world.send(&missing, "127.0.0.1:1", &[]).assert_failed(8, &sentence);
    let pipe = world.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let sentence = format!("{} is a pipe, socket or device; name files and folders", pipe.display());
    world.send(&pipe, "127.0.0.1:1", &[]).assert_failed(8, &sentence);
}

#[test]
fn file_that_vanishes_while_it_is_sent() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    let mut sender = under_way(&world, &mut listener, &[]);
    let path = world.path("endless");
    while sender.position_in(&path).is_none() {
        std::thread::yield_now();
    }
    // Stopped, the sender has read so many bytes and no more: the file ends just there when it goes on.
    sender.stop();
    let read = sender.position_in(&path).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(read).unwrap();
    fs::remove_file(&path).unwrap();
    sender.signal(Signal::CONT);
    let sentence = format!(
        "{} shrank from {ENDLESS} to {read} bytes while it was sent; send it again when nobody writes to it",
        path.display()
    );
    sender.wait().assert_failed(8, &sentence);
    assert_eq!(listener.news(), "failed, the peer ended the session with code 2: the file cannot be read any further");
    assert_lives_on(&world, &listener);
}

#[test]
fn full_disk() {
    let world = World::new();
    // A disk of 1 MiB, mounted where only the listener sees it.
    let listen = world.listen_command("127.0.0.1:0", &[]);
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" && shift && exec \"$@\"";
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(world.path("inbox"));
    command.arg(listen.get_program()).args(listen.get_args());
    let mut listener = Listener::start(command);
    let file = world.file("file", 4 << 20);
    let sentence = format!(
        "{} could not keep {}: the disk is full; have that mended there, then send it again",
        listener.address,
        file.display()
    );
    world.send(&file, &listener.address, &[]).assert_failed(8, &sentence);
    assert_eq!(listener.news(), "receiving file, 4.0 MiB");
    let inbox = world.path("inbox");
    assert_eq!(listener.news(), format!("failed at file, inbox {}: the disk is full; make room", inbox.display()));
    let seen = format!("/proc/{}/root{}", listener.process.id(), inbox.display());
    assert_eq!(crate::support::names(Path::new(&seen)), [""; 0]);
    let small = world.file("small", 100_000);
    world.send(&small, &listener.address, &[]).assert_delivered();
    assert_eq!(crate::support::names(Path::new(&seen)), ["small"]);
}

#[test]
fn killed_receiver() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    let mut sender = under_way(&world, &mut listener, &QUICK);
    listener.process.signal(Signal::KILL);
    let sentence = format!(
        "{} has fallen silent; check that it still listens and that the network is up, then try again",
        listener.address
    );
    sender.wait().assert_failed(3, &sentence);
    assert!(world.inbox().iter().all(|name| name.starts_with('.')), "{:?}", world.inbox());
}

#[test]
fn killed_sender() {
    let world = World::new();
    let mut listener = world.listen(&QUICK);
    let sender = under_way(&world, &mut listener, &QUICK);
    sender.signal(Signal::KILL);
    assert_eq!(listener.news(), "failed, the peer has fallen silent");
    assert_lives_on(&world, &listener);
}

#[test]
fn interrupted_sender() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    let mut sender = under_way(&world, &mut listener, &[]);
    sender.signal(Signal::INT);
    sender.wait().assert_failed(130, "interrupted, and the file is not delivered; send it again");
    assert_eq!(listener.news(), "failed, the peer was stopped by its user");
    assert_lives_on(&world, &listener);
}

#[test]
fn interrupted_listener() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    let mut sender = under_way(&world, &mut listener, &[]);
    listener.process.signal(Signal::TERM);
    let sentence = format!("{} was stopped by its user; try again when it listens", listener.address);
    sender.wait().assert_failed(10, &sentence);
    assert_eq!(listener.news(), "failed, this listener was stopped");
    assert_eq!(listener.line(), "stopped, and all peers are told");
    let outcome = listener.process.wait();
    assert_eq!((outcome.code, outcome.output.as_str(), outcome.error.as_str()), (Some(0), "", ""));
    assert_eq!(world.inbox(), [""; 0]);
}

#[test]
fn leftover_of_a_killed_receiver() {
    let world = World::new();
    let mut killed = world.listen(&[]);
    let mut orphan = under_way(&world, &mut killed, &QUICK);
    killed.process.signal(Signal::KILL);
    killed.process.wait();
    let leftover = world.inbox();
    assert!(leftover.len() == 1 && leftover[0].starts_with(".endless.PARTIAL-"), "{leftover:?}");
    assert_eq!(orphan.wait().code, Some(3));

    let mut second = world.listen(&[]);
    assert_eq!(second.line(), "1 leftover of unfinished transfers deleted from the inbox");
    assert_eq!(world.inbox(), [""; 0]);
    // A third listener with this inbox leaves alone what the second is receiving.
    let sender = under_way(&world, &mut second, &[]);
    let mut third = world.listen(&[]);
    let file = world.file("file", 1000);
    world.send(&file, &third.address, &[]).assert_delivered();
    assert_eq!(third.news(), "receiving file, 1000 B");
    assert_eq!(world.inbox().len(), 2, "{:?}", world.inbox());
    sender.signal(Signal::INT);
    assert_eq!(second.news(), "failed, the peer was stopped by its user");
    assert_eq!(world.inbox(), ["file"]);
}

#[test]
fn list_that_lets_nobody_in() {
    let world = World::new();
    fs::write(world.path("authorized"), "# nobody yet\n").unwrap();
    let mut listener = world.listen(&[]);
    let sentence = format!(
        "nobody may come in: {} lists no key; add what a peer's 'session pubkey' prints, then start again",
        world.path("authorized").display()
    );
    assert_eq!(listener.line(), sentence);
}

#[test]
fn garbage_to_the_port_during_a_transfer() {
    let world = World::new();
    let listener = world.listen(&[]);
    let file = world.file("file", 2 << 20);
    let done = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let garbage = scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut generator = session_sim::Generator::new(1);
            let mut datagram = [0; 1452];
            let mut sent = 0_u64;
            while !done.load(Ordering::Relaxed) {
                datagram.fill_with(|| generator.next_u64() as u8);
                let length = generator.below(1452) as usize;
                sent += u64::from(socket.send_to(&datagram[..length], &listener.address).is_ok());
            }
            sent
        });
        let outcome = world.send(&file, &listener.address, &[]);
        done.store(true, Ordering::Relaxed);
        outcome.assert_delivered();
        garbage.join().unwrap()
    });
    assert!(sent > 0);
    world.assert_delivered(&file);
    fs::remove_file(world.path("inbox/file")).unwrap();
    assert_lives_on(&world, &listener);
}

#[test]
fn other_transfers_finish_beside_one_that_fails() {
    let world = World::new();
    let mut listener = world.listen(&[]);
    let failing = under_way(&world, &mut listener, &[]);
    let file = world.file("file", 1 << 20);
    let mut good = Process::start(world.send_command(&file, &listener.address, &[]));
    assert_eq!(listener.news(), "receiving file, 1.0 MiB");
    failing.signal(Signal::INT);
    good.wait().assert_delivered();
    world.assert_delivered(&file);
}
