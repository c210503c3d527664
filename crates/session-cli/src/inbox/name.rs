//! The name a peer offers for a file or folder.

use std::ffi::OsStr;
use std::fmt;

use crate::place::{MAX_NAME, is_temporary};
use crate::text::is_deceptive;

/// Bytes of the longest path, which every system takes that takes its names.
pub const MAX_PATH: usize = 4_000;
/// Folders and the file in them.
const MAX_DEPTH: usize = 64;

/// The path of a file below the inbox, with `/` between its names: it stays there, shows up in listings and cannot fool a terminal.
///
/// An unfit one is refused, not repaired: a repaired one may collide with another, and the sender would not know where its file went.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FilePath(String);

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// A name has no character: of nothing, at the start of an absolute path, or between two slashes.
    Empty,
    /// A name has more than 255 bytes.
    TooLong,
    /// The path has more than 4,000 bytes, or more than 64 names.
    TooDeep,
    /// It is not UTF-8.
    NotText,
    /// It has a backslash, which separates folders elsewhere.
    Separator,
    /// It has a NUL, a control character or one that turns text around.
    Control,
    /// The first name starts with a dot: what arrives in an inbox is not hidden, and no configuration of its user's.
    LeadingDot,
    /// A name is `.` or `..`.
    Relative,
    /// A name is that of one of our temporary files.
    Temporary,
}

impl FilePath {
    /// Checks the path a peer has offered.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(offered: &[u8]) -> Result<Self, NameError> {
        if offered.len() > MAX_PATH {
            return Err(NameError::TooDeep);
        }
        let path = str::from_utf8(offered).map_err(|_| NameError::NotText)?;
        if path.contains('\\') {
            return Err(NameError::Separator);
        }
        if path.contains(is_deceptive) {
            return Err(NameError::Control);
        }
        path.split('/').try_for_each(check_name)?;
        if path.starts_with('.') {
            return Err(NameError::LeadingDot);
        }
        if path.split('/').count() > MAX_DEPTH {
            return Err(NameError::TooDeep);
        }
        Ok(Self(path.to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders, outermost first, and the last name.
    pub(super) fn split(&self) -> (impl Iterator<Item = &OsStr>, &OsStr) {
        let (folders, name) = match self.0.rsplit_once('/') {
            Some((folders, name)) => (Some(folders), name),
            None => (None, self.0.as_str()),
        };
        (folders.into_iter().flat_map(|folders| folders.split('/')).map(OsStr::new), OsStr::new(name))
    }
}

/// What holds for each name of a path.
fn check_name(name: &str) -> Result<(), NameError> {
    match name {
        "" => Err(NameError::Empty),
        "." | ".." => Err(NameError::Relative),
        _ if name.len() > MAX_NAME => Err(NameError::TooLong),
        _ if is_temporary(OsStr::new(name)) => Err(NameError::Temporary),
        _ => Ok(()),
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "a file name is empty",
            Self::TooLong => "a file name is longer than 255 bytes",
            Self::TooDeep => "the path is longer than 4000 bytes or 64 names",
            Self::NotText => "the file name is not UTF-8",
            Self::Separator => "the file name has a backslash",
            Self::Control => "the file name has control characters",
            Self::LeadingDot => "the file name starts with a dot",
            Self::Relative => "the file name leads out of its folder",
            Self::Temporary => "the file name is one of an unfinished transfer",
        })
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests;
