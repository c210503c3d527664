//! How a run of `session` ends: one exit code per class of failure, one sentence per failure.

mod protocol;

pub use protocol::CLOSE_CODES;

use std::{fmt, io};

/// The classes of outcome a script can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// Done.
    Success,
    /// A defect of this program.
    Internal,
    /// The command line is wrong; the argument parser uses this code too.
    Usage,
    /// The peer did not answer: wrong address, wrong key, or silent.
    NoAnswer,
    /// The peer answered and refused.
    Refused,
    /// The peer does not accept this key.
    Unauthorized,
    /// A file of this name exists already.
    Collision,
    /// The content that arrived is not the content that was sent.
    Integrity,
    /// A file, a folder or a disk failed.
    Io,
    /// The address to listen on is taken.
    PortInUse,
    /// The peer ended the session.
    PeerClosed,
    /// A key or a list of keys cannot be used.
    KeyFile,
    /// The session broke because one end did not keep to the protocol.
    Protocol,
    /// Stopped by the user.
    Interrupted,
}

impl Exit {
    /// Every class, by code.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::Internal,
        Self::Usage,
        Self::NoAnswer,
        Self::Refused,
        Self::Unauthorized,
        Self::Collision,
        Self::Integrity,
        Self::Io,
        Self::PortInUse,
        Self::PeerClosed,
        Self::KeyFile,
        Self::Protocol,
        Self::Interrupted,
    ];

    /// The process's exit code. A code never changes its meaning; new classes take new codes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NoAnswer => 3,
            Self::Refused => 4,
            Self::Unauthorized => 5,
            Self::Collision => 6,
            Self::Integrity => 7,
            Self::Io => 8,
            Self::PortInUse => 9,
            Self::PeerClosed => 10,
            Self::KeyFile => 11,
            Self::Protocol => 12,
            // 128 + SIGINT, what a shell reports for a program that Ctrl-C ended.
            Self::Interrupted => 130,
        }
    }

    /// What the class means, for `--help`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "done",
            Self::Internal => "internal error: a defect of this program",
            Self::Usage => "usage: the command line is wrong",
            Self::NoAnswer => "no answer: the peer is silent, or has another address or key",
            Self::Refused => "refused by the peer",
            Self::Unauthorized => "unauthorized: the peer does not accept this key",
            Self::Collision => "collision: a file of this name exists already",
            Self::Integrity => "integrity: what arrived is not what was sent",
            Self::Io => "input or output failed: file, folder or disk",
            Self::PortInUse => "port in use",
            Self::PeerClosed => "closed by the peer",
            Self::KeyFile => "a key or a list of keys cannot be used",
            Self::Protocol => "one end broke a rule of the protocol",
            Self::Interrupted => "interrupted",
        }
    }

    /// The class in a word, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "done",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::NoAnswer => "no-answer",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Collision => "collision",
            Self::Integrity => "integrity",
            Self::Io => "io",
            Self::PortInUse => "port-in-use",
            Self::PeerClosed => "peer-closed",
            Self::KeyFile => "key-file",
            Self::Protocol => "protocol",
            Self::Interrupted => "interrupted",
        }
    }

    /// The table of all codes, as `--help` shows it.
    #[must_use]
    pub fn table() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", rows.concat())
    }
}

/// Why a command failed: the class for scripts, one sentence for people.
///
/// The sentence has two halves, so that none lacks the second: what is wrong and with what, then what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
    problem: String,
    remedy: String,
}

impl Failure {
    /// A failure of class `exit`; `problem` says what is wrong and with what, `remedy` what to do next.
    #[must_use]
    pub fn new(exit: Exit, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { exit, problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// The class.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// What is wrong and with what.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What to do next.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.problem, self.remedy)
    }
}

impl std::error::Error for Failure {}

/// The operating system's reason without its number: the sentence is for people.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
