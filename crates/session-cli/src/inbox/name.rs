//! The name a peer offers for a file.

use std::ffi::OsStr;
use std::fmt;

use crate::place::MAX_NAME;
use crate::text::is_deceptive;

/// A file name that stays in its folder, shows up in listings and cannot fool a terminal.
///
/// An unfit name is refused, not repaired: a repaired one may collide with another, and the sender would not know
/// where its file went.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileName(String);

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It has no character.
    Empty,
    /// It has more than 255 bytes.
    TooLong,
    /// It is not UTF-8.
    NotText,
    /// It has a slash or backslash, so it names a place in another folder, here or elsewhere.
    Separator,
    /// It has a NUL, a control character or one that turns text around.
    Control,
    /// It starts with a dot: hidden, this folder, the one above, or one of our temporaries.
    LeadingDot,
}

impl FileName {
    /// Checks the name a peer has offered.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(offered: &[u8]) -> Result<Self, NameError> {
        if offered.is_empty() {
            return Err(NameError::Empty);
        }
        if offered.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        let name = str::from_utf8(offered).map_err(|_| NameError::NotText)?;
        if name.contains(['/', '\\']) {
            return Err(NameError::Separator);
        }
        if name.contains(is_deceptive) {
            return Err(NameError::Control);
        }
        if name.starts_with('.') {
            return Err(NameError::LeadingDot);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn as_os_str(&self) -> &OsStr {
        OsStr::new(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "the file name is empty",
            Self::TooLong => "the file name is longer than 255 bytes",
            Self::NotText => "the file name is not UTF-8",
            Self::Separator => "the file name has a slash or backslash",
            Self::Control => "the file name has control characters",
            Self::LeadingDot => "the file name starts with a dot",
        })
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests;
