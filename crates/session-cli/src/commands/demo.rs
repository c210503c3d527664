//! `session demo`: two processes, a bad link between them, one file.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use session_sim::{LinkConfig, Probability, Reordering};
use sha2::{Digest as _, Sha256};

use crate::exit::{Exit, Failure, reason};
use crate::impair::{Description, Phase, Relay, Settings, StartError};
use crate::interrupt::Interrupt;
use crate::keys::SecretKey;
use crate::keys::public::PublicKeyLine;
use crate::runtime::Runtime;
use crate::transfer::hex;

/// Bytes of the file.
const LENGTH: usize = 8 << 20;
/// Longer than this, something is broken.
const LIMIT: Duration = Duration::from_secs(30);
/// The file's name at both ends.
const NAME: &str = "demo.bin";

/// What is to be ended when the demo ends, however it does.
#[derive(Clone, Default)]
struct Children(Arc<Mutex<Vec<Child>>>);

pub(super) fn run() -> Result<(), Failure> {
    let folder =
        tempfile::Builder::new().prefix("session-demo-").tempdir().map_err(|error| broken("a folder", &error))?;
    let children = Children::default();
    let result = Runtime::Smol.run(async {
        let interrupt = Interrupt::catch()?;
        let (path, started) = (folder.path().to_owned(), children.clone());
        let work = smol::unblock(move || show(&path, &started));
        let interruption = async {
            interrupt.raised().await;
            Err(Failure::new(Exit::Interrupted, "interrupted", "run 'session demo' again to see it to its end"))
        };
        let late = Failure::new(Exit::Internal, format_args!("the demo took more than {LIMIT:?}"), "report this");
        let limited = async { Runtime::Smol.within(LIMIT, work).await.unwrap_or(Err(late)) };
        smol::future::or(limited, interruption).await
    });
    children.end();
    // A panic or an early return deletes it too; here its trouble can be told.
    folder.close().map_err(|error| broken("removing its folder", &error))?;
    result
}

fn show(folder: &Path, children: &Children) -> Result<(), Failure> {
    let listener_key = make_keys(folder)?;
    let content = make_file(&folder.join(NAME))?;
    let inbox = folder.join("inbox");
    fs::create_dir(&inbox).map_err(|error| broken("a folder", &error))?;

    let mut listen = command(folder, "listener.key", "listen")?;
    listen.args(["--bind", "127.0.0.1:0", "--dir"]).arg(&inbox).arg("--authorized").arg(folder.join("authorized"));
    let mut output = BufReader::new(children.start(listen, Pipe::Output)?);
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| broken("the listener", &error))?;
    say("listen", line.trim_end());
    let listening = listening_on(&line)?;
    thread::spawn(move || copy("listen", output));

    let relay = start_relay(listening)?;
    say("link", &format!("{} <-> {listening}: {}", relay.address(), Description(&bad_link())));

    let mut send = command(folder, "sender.key", "send")?;
    send.arg(folder.join(NAME)).arg("--to").arg(format!("{listener_key}@{}", relay.address()));
    send.args(["--runtime", "smol"]);
    let errors = children.start(send, Pipe::Both("send"))?;
    copy("send", BufReader::new(errors));
    let report = relay.stop();
    let mut faults = report.up;
    faults += report.down;
    say("link", &faults.to_string());
    verdict(&content, &inbox.join(NAME))
}

/// Two keys and the list that lets the sender in; returns the listener's public key.
fn make_keys(folder: &Path) -> Result<String, Failure> {
    let make = |name: &str| {
        let key = SecretKey::generate().map_err(|error| broken("a key", &io::Error::other(error)))?;
        let save = || {
            use std::os::unix::fs::OpenOptionsExt as _;
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(folder.join(name))?;
            file.write_all(key.to_line().as_bytes())
        };
        save().map_err(|error| broken("a key", &error))?;
        Ok(key.public_key())
    };
    let listener = make("listener.key")?;
    let line = PublicKeyLine { key: make("sender.key")?, comment: "the sender".to_owned() };
    fs::write(folder.join("authorized"), format!("{line}\n")).map_err(|error| broken("a list of keys", &error))?;
    Ok(listener.to_base64())
}

/// Random bytes; returns their SHA-256.
fn make_file(path: &Path) -> Result<[u8; 32], Failure> {
    let mut content = vec![0; LENGTH];
    getrandom::fill(&mut content).map_err(|error| broken("random bytes", &io::Error::other(error)))?;
    fs::write(path, &content).map_err(|error| broken("a file", &error))?;
    Ok(Sha256::digest(&content).into())
}

fn command(folder: &Path, key: &str, name: &str) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(|error| broken("the program's own path", &error))?;
    let mut command = Command::new(program);
    command.args([name, "--key"]).arg(folder.join(key)).stdin(Stdio::null());
    Ok(command)
}

fn listening_on(line: &str) -> Result<SocketAddr, Failure> {
    let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
    address
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| Failure::new(Exit::Internal, "the demo's listener did not start", "see its lines above"))
}

fn start_relay(server: SocketAddr) -> Result<Relay, Failure> {
    let seed = getrandom::u64().map_err(|error| broken("a seed", &io::Error::other(error)))?;
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let phases = vec![Phase { from: Duration::ZERO, up: bad_link(), down: bad_link() }];
    Relay::start(&Settings { listen, server, phases, rebind: None, seed }).map_err(|error| match error {
        StartError::Listen(error) | StartError::Server(error) => broken("the link", &error),
    })
}

fn bad_link() -> LinkConfig {
    LinkConfig {
        loss: Probability::from_ppm(5_000),
        reordering: Reordering::mild(),
        delay: Duration::from_millis(5),
        ..LinkConfig::default()
    }
}

fn verdict(sent: &[u8; 32], file: &Path) -> Result<(), Failure> {
    let content = fs::read(file).map_err(|error| broken("the received file", &error))?;
    let received = Sha256::digest(&content).into();
    say("demo", &format!("sent     SHA-256 {}", hex(sent)));
    say("demo", &format!("received SHA-256 {}", hex(&received)));
    if received != *sent {
        return Err(Failure::new(Exit::Integrity, "the demo's file arrived changed", "report this"));
    }
    say("demo", "equal: the file crossed the bad link unharmed");
    Ok(())
}

/// Which of a child's outputs are read here.
enum Pipe {
    Output,
    /// Standard output by a thread under this name; standard error is returned.
    Both(&'static str),
}

impl Children {
    fn start(&self, mut command: Command, pipe: Pipe) -> Result<Box<dyn Read + Send>, Failure> {
        command.stdout(Stdio::piped());
        if matches!(pipe, Pipe::Both(_)) {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|error| broken("a process", &error))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        let missing = || broken("a process", &io::ErrorKind::BrokenPipe.into());
        let output = output.ok_or_else(missing)?;
        match pipe {
            Pipe::Output => Ok(Box::new(output)),
            Pipe::Both(name) => {
                thread::spawn(move || copy(name, BufReader::new(output)));
                Ok(Box::new(errors.ok_or_else(missing)?))
            }
        }
    }

    /// Ends each at once: nothing of theirs is to last.
    fn end(&self) {
        for mut child in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Repeats a process's lines under its name.
fn copy(name: &str, lines: impl io::BufRead) {
    for line in lines.lines().map_while(Result::ok) {
        say(name, &line);
    }
}

fn say(name: &str, line: &str) {
    let _ = writeln!(io::stdout(), "{name:>6} | {line}");
}

fn broken(what: &str, error: &io::Error) -> Failure {
    let problem = format!("the demo failed at {what} ({})", reason(error));
    Failure::new(Exit::Io, problem, "check that the folder for temporary files has room and may be written to")
}
