//! First contact between real processes: both people are asked, nothing is kept against their word, and a changed key stops loudly.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use session_cli::keys::PublicKey;

use crate::support::{Listener, Process, SESSION, World};

/// How a command with an answering user ended.
struct Said {
    code: Option<i32>,
    output: String,
    errors: String,
}

impl Said {
    #[track_caller]
    fn assert_failed(&self, code: i32, sentence: &str) {
        let last = self.errors.lines().last().unwrap_or_default();
        assert_eq!((self.code, last), (Some(code), format!("error: {sentence}").as_str()), "{}", self.errors);
    }
}

fn run(mut command: Command, input: &str) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // One that asks nothing may be gone before it has read the answer.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) }
}

fn pair(world: &World, address: &str, input: &str, options: &[&str]) -> Said {
    let mut command = Command::new(SESSION);
    command.args(["pair", address, "--name", "node7", "--key"]).arg(world.path("sender.key")).args(options);
    run(configured(world, command), input)
}

fn send(world: &World, address: &str, options: &[&str]) -> Said {
    let mut command = Command::new(SESSION);
    command.arg("send").arg(world.file("file", 1000)).args(["--to", &format!("node7@{address}"), "--key"]);
    command.arg(world.path("sender.key")).args(options);
    run(configured(world, command), "")
}

fn configured(world: &World, mut command: Command) -> Command {
    command.env("XDG_CONFIG_HOME", world.path("config"));
    command
}

/// A listener whose user answers `input`.
fn listen(world: &World, input: &str) -> Listener {
    let command = world.listen_command("127.0.0.1:0", &["--pairing", "60s"]);
    let mut listener = Listener::of(Process::start_with_input(command, input));
    let own = fingerprint(&world.listener_key);
    assert_eq!(
        listener.line(),
        format!("new peers may ask for 60 s by 'session pair'; this node's fingerprint is {own}")
    );
    listener
}

fn fingerprint(key: &str) -> String {
    PublicKey::from_base64(key).unwrap().fingerprint()
}

fn key_of(world: &World, name: &str) -> String {
    let output = Command::new(SESSION).arg("pubkey").arg(world.path(name)).output().unwrap().stdout;
    String::from_utf8(output).unwrap().split_whitespace().nth(1).unwrap().to_owned()
}

fn known_peers(world: &World) -> String {
    world.path("config/session/known_peers").to_str().unwrap().to_owned()
}

#[test]
fn both_sides_see_both_fingerprints_and_say_yes() {
    let world = World::new();
    fs::remove_file(world.path("authorized")).unwrap();
    let mut listener = listen(&world, "yes\n");
    let paired = pair(&world, &listener.address, "yes\n", &[]);
    let (mine, theirs) = (fingerprint(&key_of(&world, "sender.key")), fingerprint(&world.listener_key));
    let address = &listener.address;
    let said = format!(
        "this node's fingerprint is {mine}\nasking {address}, where its user must answer\n\
         the fingerprint of {address} is {theirs}\ncompare both with what its user sees; type 'yes' to trust it as node7\n"
    );
    assert_eq!((paired.code, paired.errors), (Some(0), said));
    assert_eq!(paired.output, format!("node7 is known from now on, {} line 1\n", known_peers(&world)));
    assert_eq!(listener.news(), format!("asks to be let in; its fingerprint is {mine}, this node's is {theirs}"));
    assert_eq!(
        listener.news(),
        "compare both with what its user sees; type 'yes' to let it send, anything else to refuse"
    );
    let list = world.path("authorized");
    assert_eq!(listener.news(), format!("may send from now on, by {}", list.display()));
    assert_eq!(listener.news(), "paired");
    let line = format!("session-x25519 {} paired peer 127.0.0.1\n", key_of(&world, "sender.key"));
    assert_eq!(fs::read_to_string(&list).unwrap(), line);
    let line = format!("node7 session-x25519 {}\n", world.listener_key);
    assert_eq!(fs::read_to_string(known_peers(&world)).unwrap(), line);

    // From now on neither is asked.
    let sent = send(&world, &listener.address, &[]);
    assert_eq!(sent.code, Some(0), "{}", sent.errors);
    world.assert_delivered(&world.path("file"));
    let again = pair(&world, &listener.address, "", &[]);
    assert_eq!(again.output, format!("node7 is known already, {} line 1\n", known_peers(&world)));
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 1);
}

#[test]
fn listener_reads_that_the_other_user_said_no() {
    let world = World::new();
    fs::write(world.path("authorized"), "").unwrap();
    let mut listener = listen(&world, "yes\n");
    let refused = pair(&world, &listener.address, "no\n", &[]);
    assert_eq!(refused.code, Some(11), "{}", refused.errors);
    for _ in 0..2 {
        listener.line();
    }
    assert_eq!(listener.news(), "not paired: its user said no");
    assert_eq!(fs::read_to_string(world.path("authorized")).unwrap(), "", "nothing is kept");
    // Nor in memory.
    let to = format!("{}@{}", world.listener_key, listener.address);
    let mut command = Command::new(SESSION);
    command.args(["ping", "--count", "1", &to, "--key"]).arg(world.path("sender.key"));
    let ping = run(command, "");
    assert_eq!(ping.code, Some(5), "{}", ping.errors);
}

#[test]
fn who_stops_instead_of_an_answer_is_not_paired() {
    let world = World::new();
    fs::write(world.path("authorized"), "").unwrap();
    let mut listener = listen(&world, "yes\n");
    let mut command = Command::new(SESSION);
    command.args(["pair", &listener.address, "--name", "node7", "--key"]).arg(world.path("sender.key"));
    let mut sender = Process::start(configured(&world, command));
    while !sender.error_line().starts_with("compare both") {}
    sender.signal(Signal::INT);
    let outcome = sender.wait();
    assert_eq!(
        (outcome.code, outcome.error.as_str()),
        (Some(130), "error: interrupted, and nothing is stored; pair again")
    );
    for _ in 0..2 {
        listener.line();
    }
    // It is told, and does not find out by silence.
    assert_eq!(listener.news(), "not paired: the peer was stopped by its user");
    assert_eq!(fs::read_to_string(world.path("authorized")).unwrap(), "");
    assert!(!world.path("config").exists(), "nothing is stored");
}

#[test]
fn listener_hears_at_once_that_the_senders_list_cannot_be_written() {
    let world = World::new();
    fs::write(world.path("authorized"), "").unwrap();
    fs::create_dir_all(world.path("config/session")).unwrap();
    let list = known_peers(&world);
    let allow = |mode| fs::set_permissions(&list, fs::Permissions::from_mode(mode)).unwrap();
    let mut listener = Listener::of(Process::start(world.listen_command("127.0.0.1:0", &["--pairing", "60s"])));
    listener.line();
    let file = world.file("file", 1000);
    let address = listener.address.clone();
    let to = format!("node7@{address}");
    let pair = ["pair", &address, "--name", "node7"];
    let send = ["send", file.to_str().unwrap(), "--to", &to, "--accept-new"];
    for (arguments, news) in [
        (&pair[..], &["not paired: its list cannot be written"][..]),
        (&send, &["may send", "failed, the peer ended the session with code 2: its list cannot be written"]),
    ] {
        fs::write(&list, "").unwrap();
        allow(0o600);
        let mut command = Command::new(SESSION);
        command.args(arguments).arg("--key").arg(world.path("sender.key"));
        let mut sender = Process::start(configured(&world, command));
        while !listener.news().starts_with("compare both") {}
        // It has been read, and is no longer fit to be used.
        allow(0o666);
        sender.type_line("yes");
        listener.process.type_line("yes");
        for line in news {
            let said = listener.news();
            assert!(said.starts_with(line), "{said}");
        }
        assert_eq!(sender.wait().code, Some(11));
    }
}

#[test]
fn who_says_no_or_nothing_lets_nobody_in() {
    for answer in ["no\n", "", "y\n", "\n"] {
        let world = World::new();
        fs::write(world.path("authorized"), "").unwrap();
        let mut listener = listen(&world, answer);
        let refused = pair(&world, &listener.address, "yes\n", &[]);
        let sentence = format!(
            "{} did not let this node in; pair again, and have its user type 'yes' if the fingerprints are equal",
            listener.address
        );
        refused.assert_failed(5, &sentence);
        for _ in 0..2 {
            listener.line();
        }
        assert_eq!(listener.news(), "refused, and not let in");
        assert_eq!(fs::read_to_string(world.path("authorized")).unwrap(), "");
        assert!(!world.path("config").exists(), "nothing is stored");
    }
}

#[test]
fn who_does_not_confirm_stores_nothing() {
    let world = World::new();
    fs::write(world.path("authorized"), "").unwrap();
    let listener = listen(&world, "yes\nyes\n");
    for answer in ["no\n", ""] {
        let sentence = format!(
            "the key of {} was not confirmed, and nothing is stored; \
             pair again, and type 'yes' if the fingerprints are equal",
            listener.address
        );
        pair(&world, &listener.address, answer, &[]).assert_failed(11, &sentence);
        assert!(!world.path("config").exists(), "nothing is stored");
    }
}

#[test]
fn a_listener_that_does_not_pair_is_silent() {
    let world = World::new();
    let listener = world.listen(&[]);
    let sentence = format!(
        "no answer from {} to a node it does not know; \
         check the address, and that 'session listen --pairing' runs there and its user answers",
        listener.address
    );
    pair(&world, &listener.address, "yes\n", &["--connect-timeout-ms", "500"]).assert_failed(3, &sentence);
    send(&world, &listener.address, &["--accept-new", "--connect-timeout-ms", "500"]).assert_failed(3, &sentence);
}

#[test]
fn a_new_key_is_accepted_on_first_use_only_where_asked_for() {
    let world = World::new();
    let listener = listen(&world, "");
    let sentence = format!(
        "no peer is called 'node7' in {}; meet it by 'session pair ADDR --name node7', or add a line 'node7 session-x25519 KEY' there",
        known_peers(&world)
    );
    send(&world, &listener.address, &[]).assert_failed(11, &sentence);
    let sent = send(&world, &listener.address, &["--accept-new"]);
    assert_eq!(sent.code, Some(0), "{}", sent.errors);
    world.assert_delivered(&world.path("file"));
    let theirs = fingerprint(&world.listener_key);
    let news = format!("node7 is known from now on by {theirs}, {} line 1\n", known_peers(&world));
    assert!(sent.errors.contains(&news), "{}", sent.errors);
    let line = format!("node7 session-x25519 {}\n", world.listener_key);
    assert_eq!(fs::read_to_string(known_peers(&world)).unwrap(), line);
}

#[test]
fn a_changed_key_stops_loudly_naming_file_and_line() {
    let world = World::new();
    let listener = listen(&world, "");
    let stranger = key_of(&world, "stranger.key");
    fs::create_dir_all(world.path("config/session")).unwrap();
    let list = format!("# peers\n\nnode7 session-x25519 {stranger}\n");
    fs::write(known_peers(&world), &list).unwrap();
    let sentence = format!(
        "THE KEY OF node7 HAS CHANGED: {} shows {}, but {} line 3 has {}; \
         somebody may be in between; only if its user has made a new key, remove that line and pair again",
        listener.address,
        fingerprint(&world.listener_key),
        known_peers(&world),
        fingerprint(&stranger)
    );
    pair(&world, &listener.address, "yes\n", &[]).assert_failed(11, &sentence);
    let sent = send(&world, &listener.address, &["--accept-new", "--connect-timeout-ms", "500"]);
    sent.assert_failed(11, &sentence);
    assert_eq!(fs::read_to_string(known_peers(&world)).unwrap(), list, "nothing is changed");
    assert!(world.inbox().is_empty());
}
