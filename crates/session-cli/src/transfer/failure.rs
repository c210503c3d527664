//! What the users read when something was not delivered.

use std::path::Path;
use std::time::Duration;

use session_tokio::{CloseCode, CloseReason, CloseSpace, ClosedBy, ConnectError};

use super::{Answer, NotSent, Why, close_code};
use crate::exit::{Exit, Failure, reason};
use crate::inbox::FilePath;
use crate::text::{Printable, printable_path};

/// An attempt to reach a peer.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Where the peer is to be.
    pub address: &'a str,
    /// How long it had to answer.
    pub patience: Duration,
    /// Datagrams that came from anywhere meanwhile.
    pub came_back: u64,
}

/// No session came up with a peer.
#[must_use]
pub fn not_connected(error: &ConnectError, attempt: Attempt<'_>) -> Failure {
    let address = attempt.address;
    match error {
        ConnectError::Ended { reason, .. } => not_answered(reason, attempt),
        ConnectError::NotBegun(error) => {
            Failure::new(Exit::Internal, format_args!("no session can begin ({error})"), "report this")
        }
        ConnectError::AddressFamily => {
            Failure::new(Exit::Usage, format_args!("{address} is of another address family"), "give an IPv4 address")
        }
        _ => Failure::new(Exit::Internal, "the endpoint has stopped", "report this"),
    }
}

fn not_answered(reason: &CloseReason, Attempt { address, patience, came_back }: Attempt<'_>) -> Failure {
    let (text, exit) = (said(reason), Exit::of(reason));
    let (problem, remedy) = match (reason.by, reason.code) {
        (ClosedBy::Deadline, CloseCode::NO_ANSWER) => {
            let problem = format!("no answer from {address} within {} s", patience.as_secs_f64());
            return Failure::new(exit, problem, no_answer_remedy(came_back));
        }
        (ClosedBy::Peer, CloseCode::UNAUTHORIZED) => (
            format!("{address} does not accept this key{text}"),
            "have your 'session pubkey' added to its list of authorized peers",
        ),
        (ClosedBy::Peer | ClosedBy::Protocol, CloseCode::APPLICATION_PROTOCOL) => {
            let remedy = "check the address, and that the same version of 'session' runs there";
            (format!("{address} speaks another application protocol"), remedy)
        }
        (ClosedBy::Peer, CloseCode::BUSY) => (format!("{address} is busy{text}"), "try again later"),
        (ClosedBy::Peer, CloseCode::REFUSED) => {
            (format!("{address} refused the session{text}"), "check what runs there, or ask its user")
        }
        (ClosedBy::Peer, CloseCode(code)) => {
            (format!("{address} refused the session with code {code}{text}"), "ask its user")
        }
        _ => return ended(reason, address),
    };
    Failure::new(exit, problem, remedy)
}

/// What to look at first depends on whether anything came back at all (S0-30).
fn no_answer_remedy(came_back: u64) -> &'static str {
    if came_back == 0 {
        "nothing at all came back: check the address, that it listens, the firewalls between, and that this is its key"
    } else {
        "datagrams came back, but none that answers: check that 'session' listens there, and that this is its key"
    }
}

impl NotSent {
    /// The sentence about files that were to go to `address`.
    #[must_use]
    pub fn failure(&self, address: &str) -> Failure {
        match self {
            Self::Unreadable { place, error } => {
                let problem = format!("{} cannot be read any further ({})", printable_path(place), reason(error));
                Failure::new(Exit::Io, problem, "check the disk it is on")
            }
            Self::Shrank { place, offered, left } => {
                let path = printable_path(place);
                let problem = format!("{path} shrank from {offered} to {left} bytes while it was sent");
                Failure::new(Exit::Io, problem, "send it again when nobody writes to it")
            }
            Self::Refused { place, path, answer } => answered("refused", answer, &named(place, path), address),
            Self::Failed { place, path, answer } => answered("could not keep", answer, &named(place, path), address),
            Self::Closed(reason) => ended(reason, address),
            Self::Unexpected => unexpected(address),
        }
    }
}

/// The peer does not keep to what both ends agreed upon.
#[must_use]
pub fn unexpected(address: &str) -> Failure {
    let problem = format!("{address} sent what has no place here");
    Failure::new(Exit::Protocol, problem, "use the same version of 'session' at both ends")
}

/// The file at `place`, and what the peer was to call it where that is more than its last name.
fn named(place: &Path, path: &FilePath) -> String {
    let (place, path) = (printable_path(place), path.as_str());
    if path.contains('/') { format!("{place} as {}", Printable(path)) } else { place }
}

fn answered(verb: &str, answer: &Answer, path: &str, address: &str) -> Failure {
    let (exit, remedy) = match answer.why {
        Why::Refused => (Exit::Refused, "give the file another name"),
        Why::Collision => (Exit::Collision, "give the file another name, or have the peer listen with --force"),
        Why::Integrity => (Exit::Integrity, "send it again"),
        Why::Io => (Exit::Io, "have that mended there, then send it again"),
    };
    Failure::new(exit, format_args!("{address} {verb} {path}: {}", Printable(&answer.text)), remedy)
}

/// A session that was up has ended before its work was done.
#[must_use]
pub fn ended(reason: &CloseReason, address: &str) -> Failure {
    let text = said(reason);
    let (problem, remedy) = match (reason.by, reason.space, reason.code) {
        (ClosedBy::Deadline, _, _) => (
            format!("{address} has fallen silent"),
            "check that it still listens and that the network is up, then try again",
        ),
        (ClosedBy::Peer, CloseSpace::Application, CloseCode(close_code::INTERRUPTED)) => {
            (format!("{address} was stopped by its user"), "try again when it listens")
        }
        (ClosedBy::Peer, _, CloseCode(code)) => {
            (format!("{address} ended the session with code {code}{text}"), "try again")
        }
        (_, _, CloseCode(code)) => {
            (format!("the session with {address} broke with code {code}{text}"), "try again, and report this")
        }
    };
    Failure::new(Exit::of(reason), problem, remedy)
}

/// What the listening user reads about a session that has ended too early.
#[must_use]
pub fn why_ended(reason: &CloseReason) -> String {
    match (reason.by, reason.space, reason.code) {
        (ClosedBy::Deadline, _, _) => "the peer has fallen silent".to_owned(),
        (ClosedBy::Peer, CloseSpace::Application, CloseCode(close_code::INTERRUPTED)) => {
            "the peer was stopped by its user".to_owned()
        }
        (ClosedBy::Peer, _, CloseCode(code)) => {
            format!("the peer ended the session with code {code}{}", said(reason))
        }
        (ClosedBy::Local, _, _) => "this listener was stopped".to_owned(),
        (_, _, CloseCode(code)) => format!("the session broke with code {code}{}", said(reason)),
    }
}

/// The words that came with a reason.
fn said(reason: &CloseReason) -> String {
    match reason.text.as_str() {
        "" => String::new(),
        text => format!(": {}", Printable(text)),
    }
}
