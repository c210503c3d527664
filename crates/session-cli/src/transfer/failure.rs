//! What the sending user reads when a file was not delivered.

use std::time::Duration;

use session_tokio::{CloseCode, CloseReason, CloseSpace, ClosedBy, ConnectError};

use super::{Answer, NotSent, Source, Why, close_code};
use crate::exit::{Exit, Failure, reason};
use crate::text::{Printable, printable_path};

/// No session came up with the peer at `address`, which had `patience` to answer.
#[must_use]
pub fn not_connected(error: &ConnectError, address: &str, patience: Duration) -> Failure {
    match error {
        ConnectError::Ended(reason) => not_answered(reason, address, patience),
        ConnectError::NotBegun(error) => {
            Failure::new(Exit::Internal, format_args!("no session can begin ({error})"), "report this")
        }
        ConnectError::AddressFamily => {
            Failure::new(Exit::Usage, format_args!("{address} is of another address family"), "give an IPv4 address")
        }
        _ => Failure::new(Exit::Internal, "the endpoint has stopped", "report this"),
    }
}

fn not_answered(reason: &CloseReason, address: &str, patience: Duration) -> Failure {
    let text = said(reason);
    match (reason.by, reason.code) {
        (ClosedBy::Deadline, CloseCode::NO_ANSWER) => {
            let problem = format!("no answer from {address} within {} s", patience.as_secs_f64());
            Failure::new(Exit::NoAnswer, problem, "check the address, that it listens, and that this is its key")
        }
        (ClosedBy::Peer, CloseCode::UNAUTHORIZED) => {
            let problem = format!("{address} does not accept this key{text}");
            Failure::new(
                Exit::Unauthorized,
                problem,
                "have your 'session pubkey' added to its list of authorized peers",
            )
        }
        (ClosedBy::Peer | ClosedBy::Protocol, CloseCode::APPLICATION_PROTOCOL) => {
            let problem = format!("{address} speaks another application protocol");
            Failure::new(Exit::Refused, problem, "check the address, and that 'session listen' runs there")
        }
        (ClosedBy::Peer, CloseCode::BUSY) => {
            Failure::new(Exit::Refused, format_args!("{address} is busy{text}"), "try again later")
        }
        (ClosedBy::Peer, CloseCode(code)) => {
            let problem = format!("{address} refused the session with code {code}{text}");
            Failure::new(Exit::Refused, problem, "ask its user")
        }
        _ => ended(reason, address),
    }
}

impl NotSent {
    /// The sentence about `source`, which was to go to `address`.
    #[must_use]
    pub fn failure(&self, source: &Source, address: &str) -> Failure {
        let path = printable_path(source.path());
        match self {
            Self::Unreadable(error) => {
                let problem = format!("file {path} cannot be read any further ({})", reason(error));
                Failure::new(Exit::Io, problem, "check the disk it is on")
            }
            Self::Shrank { offered, left } => {
                let problem = format!("file {path} shrank from {offered} to {left} bytes while it was sent");
                Failure::new(Exit::Io, problem, "send it again when nobody writes to it")
            }
            Self::Refused(answer) => answered("refused", answer, &path, address),
            Self::Failed(answer) => answered("could not keep", answer, &path, address),
            Self::Closed(reason) => ended(reason, address),
            Self::Unexpected => {
                let problem = format!("{address} does not keep to session-file/1");
                Failure::new(Exit::Refused, problem, "use the same version of 'session' at both ends")
            }
        }
    }
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

/// A session that was up has ended.
fn ended(reason: &CloseReason, address: &str) -> Failure {
    let text = said(reason);
    match (reason.by, reason.space, reason.code) {
        (ClosedBy::Deadline, _, _) => Failure::new(
            Exit::NoAnswer,
            format_args!("{address} has fallen silent"),
            "check that it still listens and that the network is up, then send the file again",
        ),
        (ClosedBy::Peer, CloseSpace::Application, CloseCode(close_code::INTERRUPTED)) => Failure::new(
            Exit::PeerClosed,
            format_args!("{address} was stopped by its user"),
            "send the file again when it listens",
        ),
        (ClosedBy::Peer, _, CloseCode(code)) => Failure::new(
            Exit::PeerClosed,
            format_args!("{address} ended the session with code {code}{text}"),
            "send the file again",
        ),
        (_, _, CloseCode(code)) => {
            let problem = format!("the session with {address} broke with code {code}{text}");
            Failure::new(Exit::Internal, problem, "send the file again, and report this")
        }
    }
}

/// What the listening user reads about a session that has ended too early.
#[must_use]
pub fn why_ended(reason: &CloseReason) -> String {
    match (reason.by, reason.space, reason.code) {
        (ClosedBy::Deadline, _, _) => "the sender has fallen silent".to_owned(),
        (ClosedBy::Peer, CloseSpace::Application, CloseCode(close_code::INTERRUPTED)) => {
            "the sender was stopped by its user".to_owned()
        }
        (ClosedBy::Peer, _, CloseCode(code)) => {
            format!("the sender ended the session with code {code}{}", said(reason))
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
