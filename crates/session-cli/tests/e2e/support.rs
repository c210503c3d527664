//! Real processes of the `session` command, and folders for them.
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use session_cli::keys::SecretKey;
use session_smol::{Bind as _, Endpoint, RustCrypto, Secret, StaticKey};

pub(crate) const SESSION: &str = env!("CARGO_BIN_EXE_session");

/// Two nodes that know each other, an inbox, and a third key that nobody knows.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) listener_key: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["listener", "sender", "stranger"] {
            succeed(Command::new(SESSION).args(["keygen", "--out"]).arg(path.join(name).with_extension("key")));
        }
        let sender = succeed(Command::new(SESSION).arg("pubkey").arg(path.join("sender.key")));
        fs::write(path.join("authorized"), sender).unwrap();
        fs::create_dir(path.join("inbox")).unwrap();
        let line = succeed(Command::new(SESSION).arg("pubkey").arg(path.join("listener.key")));
        let listener_key = line.split_whitespace().nth(1).unwrap().to_owned();
        Self { folder, listener_key }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of `length` bytes that do not repeat.
    pub(crate) fn file(&self, name: &str, length: usize) -> PathBuf {
        let mut generator = session_sim::Generator::new(length as u64);
        let mut content: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| generator.next_u64().to_le_bytes()).collect();
        content.truncate(length);
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub(crate) fn listen_command(&self, bind: &str, options: &[&str]) -> Command {
        let mut command = Command::new(SESSION);
        command.args(["listen", "--bind", bind, "--key"]).arg(self.path("listener.key"));
        command.arg("--dir").arg(self.path("inbox")).arg("--authorized").arg(self.path("authorized")).args(options);
        command
    }

    pub(crate) fn listen(&self, options: &[&str]) -> Listener {
        Listener::start(self.listen_command("127.0.0.1:0", options))
    }

    /// A command that dials the listener as the sender.
    pub(crate) fn dial_command(&self, name: &str, address: &str, options: &[&str]) -> Command {
        let mut command = Command::new(SESSION);
        command.arg(name).arg("--key").arg(self.path("sender.key")).args(options);
        let to = format!("{}@{address}", self.listener_key);
        if name == "ping" {
            command.arg(to)
        } else {
            command.arg("--to").arg(to)
        };
        command
    }

    pub(crate) fn send_command(&self, file: &Path, address: &str, options: &[&str]) -> Command {
        let mut command = Command::new(SESSION);
        command.arg("send").arg(file).arg("--to").arg(format!("{}@{address}", self.listener_key));
        command.arg("--key").arg(self.path("sender.key")).args(options);
        command
    }

    pub(crate) fn send(&self, file: &Path, address: &str, options: &[&str]) -> Outcome {
        Outcome::of(&mut self.send_command(file, address, options))
    }

    /// Names in the inbox, temporaries included.
    pub(crate) fn inbox(&self) -> Vec<String> {
        names(&self.path("inbox"))
    }

    pub(crate) fn assert_delivered(&self, file: &Path) {
        let received = self.path("inbox").join(file.file_name().unwrap());
        assert!(fs::read(file).unwrap() == fs::read(received).unwrap(), "{file:?} differs");
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    /// The sentence on standard error, progress left aside.
    pub(crate) error: String,
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let error = errors.lines().find(|line| line.starts_with("error: ")).unwrap_or_default().to_owned();
        Self { code: output.status.code(), output: String::from_utf8(output.stdout).unwrap(), error }
    }

    #[track_caller]
    pub(crate) fn assert_failed(&self, code: i32, sentence: &str) {
        assert_eq!((self.code, self.error.as_str()), (Some(code), format!("error: {sentence}").as_str()));
    }

    #[track_caller]
    pub(crate) fn assert_delivered(&self) {
        assert_eq!((self.code, self.error.as_str()), (Some(0), ""), "{}", self.output);
        assert!(self.output.contains("SHA-256"), "{}", self.output);
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A process that runs beside the test; killed with it.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: BufReader<ChildStderr>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        Self::of(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// One whose user has typed `input`, and is gone then.
    pub(crate) fn start_with_input(mut command: Command, input: &str) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Self::of(child)
    }

    fn of(mut child: Child) -> Self {
        let output = BufReader::new(child.stdout.take().unwrap());
        let errors = BufReader::new(child.stderr.take().unwrap());
        let input = child.stdin.take();
        Self { child, input, output, errors }
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next line of standard error.
    pub(crate) fn error_line(&mut self) -> String {
        let mut line = String::new();
        self.errors.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// A line for its standard input.
    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.input.as_ref().unwrap(), "{line}").unwrap();
    }

    /// The end of its standard input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Stops it, and returns when none of its threads runs any more.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED).unwrap();
        assert!(stopped.is_some_and(|(_, status)| status.stopped()), "it has ended");
    }

    /// How far it has read in the file `path`, if it holds it open.
    pub(crate) fn position_in(&self, path: &Path) -> Option<u64> {
        let process = PathBuf::from(format!("/proc/{}", self.id()));
        let descriptors = fs::read_dir(process.join("fd")).unwrap().flatten();
        let mut open = descriptors.filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path));
        let number = open.next()?.file_name();
        let information = fs::read_to_string(process.join("fdinfo").join(number)).unwrap();
        let position = information.lines().find_map(|line| line.strip_prefix("pos:")).unwrap();
        Some(position.trim().parse().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> Outcome {
        let code = self.child.wait().unwrap().code();
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output).unwrap();
        self.errors.read_to_string(&mut errors).unwrap();
        let error = errors.lines().find(|line| line.starts_with("error: ")).unwrap_or_default().to_owned();
        Outcome { code, output, error }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener that listens.
pub(crate) struct Listener {
    pub(crate) process: Process,
    pub(crate) address: String,
}

impl Listener {
    pub(crate) fn start(command: Command) -> Self {
        Self::of(Process::start(command))
    }

    pub(crate) fn of(mut process: Process) -> Self {
        let line = process.line();
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        let address = address.unwrap_or_else(|| panic!("'{line}'")).to_owned();
        Self { process, address }
    }

    /// The next line of its log.
    pub(crate) fn line(&mut self) -> String {
        self.process.line()
    }

    /// What the line says, without who it is about.
    pub(crate) fn news(&mut self) -> String {
        let line = self.line();
        line.split_once(": ").map(|(_, news)| news.to_owned()).unwrap_or(line)
    }
}

/// In the place of the listener a node that takes every session and says nothing.
pub(crate) struct Mute {
    pub(crate) address: String,
    /// It ends when this is dropped.
    _running: smol::channel::Sender<()>,
}

impl Mute {
    pub(crate) fn new(world: &World) -> Self {
        let secret = SecretKey::load(&world.path("listener.key")).unwrap();
        let key = StaticKey::new(&RustCrypto, Secret::new(*secret.as_bytes()));
        let (running, ended) = smol::channel::bounded::<()>(1);
        let builder = Endpoint::builder(key).application("session-cli/1");
        let endpoint = smol::block_on(builder.bind("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = endpoint.local_addr().to_string();
        let serve = async move {
            let mut sessions = Vec::new();
            while let Some(incoming) = endpoint.accept().await {
                sessions.extend(incoming.accept().await);
            }
        };
        smol::spawn(smol::future::or(serve, async move {
            let _ = ended.recv().await;
        }))
        .detach();
        Self { address, _running: running }
    }
}
