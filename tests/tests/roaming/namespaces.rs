//! Four network namespaces, and cables between those that talk to each other.
//!
//! A namespace has no name, and a process of its own that waits for the end of its input: whatever becomes of the test, that process
//! ends with it, and the system takes namespace and cables away.

use std::env;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Network;

const PLACES: u8 = 4;
/// Which places an end is in at the same time as its peer is in the other, before or after a move.
const CABLES: [(u8, u8); 4] = [(1, 3), (2, 3), (2, 4), (1, 4)];

/// Runs `test` in namespaces of its own, or says why that cannot be.
#[track_caller]
pub(crate) fn with(test: impl FnOnce(&Namespaces)) {
    match Namespaces::new() {
        Ok(namespaces) => test(&namespaces),
        Err(reason) => {
            assert_ne!(env::var("SESSION_NAMESPACES").as_deref(), Ok("required"), "no network namespaces: {reason}");
            // Not by `eprintln!`: what that says of a test that passes is never seen.
            let _ = writeln!(io::stderr(), "SKIPPED, no network namespaces: {reason}");
        }
    }
}

pub(crate) struct Namespaces {
    holders: Vec<Holder>,
}

impl Namespaces {
    fn new() -> Result<Self, String> {
        let namespaces = Self { holders: (0..PLACES).map(|_| Holder::new()).collect::<Result<_, _>>()? };
        for (one, other) in CABLES {
            let peer = namespaces.holder(other).0.id().to_string();
            let inside = namespaces.enter(one);
            run(&["link", "add", &to(other), "type", "veth", "peer", "name", &to(one), "netns", &peer])?;
            drop(inside);
            namespaces.plug_in(one, other)?;
            namespaces.plug_in(other, one)?;
        }
        Ok(namespaces)
    }

    /// Each end of a cable has the address of its place and a route to nowhere but the other end.
    fn plug_in(&self, place: u8, peer: u8) -> Result<(), String> {
        let _inside = self.enter(place);
        let (own, peers) = (self.address(place).ip().to_string(), self.address(peer).ip().to_string());
        run(&["address", "add", &own, "peer", &peers, "dev", &to(peer)])?;
        run(&["link", "set", &to(peer), "up"])
    }

    fn holder(&self, place: u8) -> &Holder {
        &self.holders[usize::from(place) - 1]
    }
}

impl Network for Namespaces {
    type Inside = Inside;

    fn enter(&self, place: u8) -> Inside {
        let before = File::open("/proc/thread-self/ns/net").expect("it is there");
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder(place).0.id())).expect("it is there");
        go_into(&namespace);
        Inside { before }
    }

    fn address(&self, place: u8) -> SocketAddr {
        SocketAddr::from(([10, 77, 0, place], 0))
    }

    fn cut(&self, one: u8, other: u8) {
        let _inside = self.enter(one);
        run(&["link", "delete", &to(other)]).expect("it is there");
    }
}

/// This thread is in another namespace, and so are the sockets and processes that it makes. It goes back at the end.
pub(crate) struct Inside {
    before: File,
}

impl Drop for Inside {
    fn drop(&mut self) {
        go_into(&self.before);
    }
}

fn go_into(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may go anywhere");
}

/// The process that a namespace lives as long as.
struct Holder(Child);

impl Holder {
    fn new() -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo made; exec cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = Self(command.spawn().map_err(|error| format!("unshare: {error}"))?);
        let mut line = String::new();
        let output = holder.0.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        if line == "made\n" {
            return Ok(holder);
        }
        let errors = io::read_to_string(holder.0.stderr.take().expect("it is piped")).unwrap_or_default();
        Err(errors.trim_end().to_owned())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The interface that leads to a place.
fn to(place: u8) -> String {
    format!("to{place}")
}

/// Runs `ip`.
fn run(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim_end()))
}
