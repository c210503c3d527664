//! `--json`: every line is an object whose event and fields are in `docs/cli.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Listener, Mute, Process, SESSION, World};
use rustix::process::Signal;
use serde_json::Value;

/// The fields of each event, from the documentation.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("JSON")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        (quoted(cells[1]).into_iter().next().unwrap(), quoted(cells[3]))
    })
    .collect()
}

/// Events seen, each checked.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn line(&mut self, line: &str) -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let object = value.as_object().unwrap();
        let event = object["event"].as_str().unwrap();
        let mut fields = documented().remove(event).unwrap_or_else(|| panic!("{event} is not documented"));
        fields.insert("event".to_owned());
        assert_eq!(object.keys().cloned().collect::<BTreeSet<_>>(), fields, "{line}");
        self.0.insert(event.to_owned());
        value
    }

    fn lines(&mut self, text: &str) -> Vec<Value> {
        text.lines().map(|line| self.line(line)).collect()
    }

    fn run(&mut self, code: i32, command: &mut Command) -> Vec<Value> {
        let output = command.arg("--json").stdin(Stdio::null()).output().unwrap();
        let (lines, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!((output.status.code(), errors.as_str()), (Some(code), ""), "{lines}");
        let lines = self.lines(&lines);
        if code != 0 {
            let error = lines.last().unwrap();
            assert_eq!((error["event"].as_str(), error["exit"].as_i64()), (Some("error"), Some(i64::from(code))));
        }
        lines
    }
}

/// A listener's process and address.
fn listen(world: &World, seen: &mut Seen, options: &[&str]) -> Listener {
    let mut process = Process::start(world.listen_command("127.0.0.1:0", &[options, &["--json"]].concat()));
    let address = seen.line(&process.line())["address"].as_str().unwrap().to_owned();
    Listener { process, address }
}

fn next(listener: &mut Listener, seen: &mut Seen, event: &str) -> Value {
    let line = listener.line();
    let value = seen.line(&line);
    assert_eq!(value["event"], event, "{line}");
    value
}

#[test]
fn every_event_is_as_documented() {
    let (world, mut seen) = (World::new(), Seen::default());
    keys(&world, &mut seen);
    files(&world, &mut seen);
    pings_and_strangers(&world, &mut seen);
    chat(&world, &mut seen);
    pairing(&world, &mut seen);
    impaired(&world, &mut seen);
    // What cannot be brought about here.
    seen.0.insert("not_swept".to_owned());
    assert_eq!(seen.0.iter().collect::<Vec<_>>(), documented().keys().collect::<Vec<_>>());
}

fn keys(world: &World, seen: &mut Seen) {
    let made = seen.run(0, Command::new(SESSION).args(["keygen", "--out"]).arg(world.path("new.key")));
    let shown = seen.run(0, Command::new(SESSION).args(["pubkey", "--comment", "node 7"]).arg(world.path("new.key")));
    assert_eq!((&made[0]["public_key"], shown[0]["comment"].as_str()), (&shown[0]["public_key"], Some("node 7")));
    let again = seen.run(6, Command::new(SESSION).args(["keygen", "--out"]).arg(world.path("new.key")));
    assert_eq!((again[0]["class"].as_str(), again.len()), (Some("collision"), 1));
    // A secret key is no field of a log.
    seen.run(2, Command::new(SESSION).arg("keygen"));
    let wrong = seen.run(2, Command::new(SESSION).args(["send", "--nonsense"]));
    assert_eq!(wrong[0]["problem"], "unexpected argument '--nonsense' found");
}

fn files(world: &World, seen: &mut Seen) {
    fs::write(world.path("inbox/.x.PARTIAL-0123456789abcdef"), "").unwrap();
    let mut listener = listen(world, seen, &[]);
    assert_eq!(next(&mut listener, seen, "swept")["files"], 1);
    fs::create_dir(world.path("folder")).unwrap();
    world.file("folder/a", 1_000);
    world.file("folder/b", 20);
    std::os::unix::fs::symlink("/", world.path("folder/link")).unwrap();
    let events = seen.run(0, world.dial_command("send", &listener.address, &[]).arg(world.path("folder")));
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = ["left_out", "connecting", "connected", "progress", "delivered", "delivered", "done", "closed"];
    assert_eq!(names, expected);
    assert_eq!((&events[4]["path"], &events[5]["bytes"]), (&Value::from("folder/a"), &Value::from(20)));
    assert_eq!((&events[6]["files"], &events[6]["bytes"]), (&Value::from(2), &Value::from(1_020)));
    assert_eq!(next(&mut listener, seen, "receiving")["bytes"], 1_020);
    for event in &events[4..6] {
        let received = next(&mut listener, seen, "received");
        assert_eq!((&received["path"], &received["sha256"]), (&event["path"], &event["sha256"]));
    }
    world.file("folder/b", 21);
    let refused = seen.run(6, world.dial_command("send", &listener.address, &[]).arg(world.path("folder")));
    assert_eq!(refused.last().unwrap()["class"], "collision");
    assert_eq!(next(&mut listener, seen, "failed")["class"], "collision");
    listener.process.signal(Signal::INT);
    next(&mut listener, seen, "stopped");
    assert_eq!(listener.process.wait().code, Some(0));
}

fn pings_and_strangers(world: &World, seen: &mut Seen) {
    let mut listener = listen(world, seen, &[]);
    let events = seen.run(0, &mut world.dial_command("ping", &listener.address, &["-c", "2", "-i", "0.01"]));
    let summary = events.last().unwrap();
    assert_eq!((&summary["sent"], &summary["answered"]), (&Value::from(2), &Value::from(2)));
    assert!(summary["min_ms"].as_f64() <= summary["avg_ms"].as_f64() && summary["mdev_ms"].is_number(), "{summary}");
    assert_eq!(next(&mut listener, seen, "pinged")["echoes"], 2);
    let mute = Mute::new(world);
    let options = ["--count", "1", "--timeout", "0.05"];
    let events = seen.run(3, &mut world.dial_command("ping", &mute.address, &options));
    let lost = events.iter().find(|event| event["event"] == "lost").unwrap();
    assert_eq!((&lost["sequence"], &lost["timeout_ms"]), (&Value::from(1), &Value::from(50.0)));
    let mut command = Command::new(SESSION);
    command.arg("ping").arg(format!("{}@{}", world.listener_key, listener.address)).arg("--key");
    let events = seen.run(5, command.arg(world.path("stranger.key")));
    assert_eq!(events.last().unwrap()["class"], "unauthorized");
    next(&mut listener, seen, "refused");
    drop(listener);
    fs::write(world.path("authorized.empty"), "").unwrap();
    let mut command = Command::new(SESSION);
    command.args(["listen", "--json", "--bind", "127.0.0.1:0", "--key"]).arg(world.path("listener.key"));
    command.arg("--dir").arg(world.path("inbox")).arg("--authorized").arg(world.path("authorized.empty"));
    let mut process = Process::start(command);
    seen.line(&process.line());
    assert_eq!(seen.line(&process.line())["event"], "nobody_authorized");
}

fn pairing(world: &World, seen: &mut Seen) {
    let command = world.listen_command("127.0.0.1:0", &["--pairing", "60s", "--json"]);
    let mut listener = Process::start_with_input(command, "yes\n");
    let address = seen.line(&listener.line())["address"].as_str().unwrap().to_owned();
    let mut command = Command::new(SESSION);
    command.args(["pair", &address, "--name", "node7", "--json", "--key"]).arg(world.path("stranger.key"));
    command.env("XDG_CONFIG_HOME", world.path("config"));
    let mut pair = Process::start_with_input(command, "yes\n");
    let outcome = pair.wait();
    assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    let known = seen.lines(&outcome.output).pop().unwrap();
    assert_eq!(
        (known["name"].as_str(), known["public_key"].as_str()),
        (Some("node7"), Some(world.listener_key.as_str()))
    );
    let events: Vec<_> = (0..5).map(|_| seen.line(&listener.line())["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["pairing_open", "pairing", "pairing", "authorized", "paired"]);
}

fn impaired(world: &World, seen: &mut Seen) {
    let listener = listen(world, seen, &[]);
    let mut command = Command::new(SESSION);
    command.args([
        "impair",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--seed",
        "5",
        "--mtu",
        "1200@23h",
        "--rebind",
        "1h",
        "--loss",
        "up:10%",
        "--to",
    ]);
    command.arg(&listener.address);
    let mut relay = Process::start(command);
    let first = seen.line(&relay.line());
    let words = (first["seed"].as_u64(), first["up"].as_str(), first["down"].as_str());
    assert_eq!(words, (Some(5), Some("10 % lost"), Some("no fault")));
    let address = first["address"].as_str().unwrap();
    seen.run(0, &mut world.dial_command("ping", address, &["-c", "3", "-i", "0.01"]));
    relay.signal(Signal::INT);
    let outcome = relay.wait();
    assert_eq!((outcome.code, outcome.error.as_str()), (Some(0), ""));
    let events = seen.lines(&outcome.output);
    let [.., up, down, last] = &events[..] else { panic!("{events:?}") };
    assert_eq!((up["direction"].as_str(), down["direction"].as_str()), (Some("up"), Some("down")));
    assert!(up["sent"].as_u64() > Some(3) && down["sent"] == down["delivered"], "{up} {down}");
    assert_eq!((last["event"].as_str(), last["clients"].as_u64()), (Some("relayed"), Some(1)));
}

fn chat(world: &World, seen: &mut Seen) {
    let mut command = Command::new(SESSION);
    command.args(["chat", "--json", "--bind", "127.0.0.1:0", "--key"]).arg(world.path("listener.key"));
    let mut host = Process::start({
        command.arg("--authorized").arg(world.path("authorized"));
        command
    });
    let address = seen.line(&host.line())["address"].as_str().unwrap().to_owned();
    let mut guest = Process::start(world.dial_command("chat", &address, &["--json"]));
    guest.type_line("hello");
    guest.end_input();
    let events: Vec<_> = (0..3).map(|_| seen.line(&host.line())["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["joined", "message", "left"]);
    seen.lines(&guest.wait().output);
}
