//! Why a file cannot be taken in.

use std::path::Path;
use std::{fmt, io};

use rustix::io::Errno;

use super::NameError;
use crate::exit::{Exit, Failure, reason};
use crate::text::printable_path;

/// Why a file is refused or given up.
///
/// Its text is fit for the peer: it names no local path.
#[derive(Debug)]
#[non_exhaustive]
pub enum InboxError {
    /// The name cannot be used.
    Name(NameError),
    /// The name is taken.
    Collision,
    /// A file, or a symbolic link, stands where the path has a folder.
    NotFolder,
    /// The disk or the user's share of it is full.
    NoSpace,
    /// The folder is not there any more.
    Gone,
    /// More or fewer bytes than announced.
    Length {
        /// Bytes announced.
        announced: u64,
        /// Bytes that came, or would have with the last write.
        received: u64,
    },
    /// The content is not the one whose SHA-256 the sender gave.
    Integrity,
    /// The disk or folder failed in another way.
    Io(io::Error),
}

impl InboxError {
    pub(super) fn from_io(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::EXIST) => Self::Collision,
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace,
            Some(Errno::NOENT) => Self::Gone,
            // Some file systems have shorter names than most.
            Some(Errno::NAMETOOLONG) => Self::Name(NameError::TooLong),
            _ => Self::Io(error),
        }
    }

    /// An error on the way from the inbox to a folder in it.
    pub(super) fn in_path(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotADirectory { Self::NotFolder } else { Self::from_io(error) }
    }

    /// The class of the failure.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Name(_) => Exit::Refused,
            Self::Collision | Self::NotFolder => Exit::Collision,
            Self::Length { .. } | Self::Integrity => Exit::Integrity,
            Self::NoSpace | Self::Gone | Self::Io(_) => Exit::Io,
        }
    }

    /// What the receiving user reads about the inbox in `folder`.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> Failure {
        let folder = printable_path(folder);
        let remedy = match self {
            Self::Name(_) => "ask the sender for another name",
            Self::Collision => "move the old file away, or listen with --force",
            Self::NotFolder => "move what stands there away",
            Self::NoSpace => "make room",
            Self::Gone => "make the folder",
            Self::Length { .. } | Self::Integrity => "ask the sender to send it again",
            Self::Io(_) => "check the folder and its permissions",
        };
        let detail = match self {
            Self::Io(error) => format!(" ({})", reason(error)),
            _ => String::new(),
        };
        Failure::new(self.exit(), format_args!("inbox {folder}: {self}{detail}"), remedy)
    }
}

impl fmt::Display for InboxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(formatter),
            Self::Collision => formatter.write_str("a file of this name exists already"),
            Self::NotFolder => formatter.write_str("something else stands where a folder is needed"),
            Self::NoSpace => formatter.write_str("the disk is full"),
            Self::Gone => formatter.write_str("the folder does not exist"),
            Self::Length { announced, received } => {
                write!(formatter, "{announced} bytes were announced and {received} came")
            }
            Self::Integrity => formatter.write_str("the content does not match its SHA-256"),
            Self::Io(_) => formatter.write_str("the file cannot be written"),
        }
    }
}

impl std::error::Error for InboxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
