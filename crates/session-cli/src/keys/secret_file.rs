//! The secret key of a node: one line, typed and with a checksum, in a file that only its owner can read.
//!
//! The line is BIP-173 text with the checksum of BIP-350 (bech32m): `session-secret1…`. The prefix lets a scanner find
//! a leaked key, the checksum catches a typo before it becomes a node that nobody answers.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::PublicKey;
use crate::exit::{Exit, Failure};
use crate::text::printable_path;

/// What every secret key line starts with.
pub const PREFIX: &str = "session-secret";
/// Prefix, separator, 52 characters for 32 bytes, 6 for the checksum, the line's end.
const LINE: usize = PREFIX.len() + 1 + 52 + 6 + 1;
/// The longest file looked into: enough to see that it is something else, too little to hurt.
const MAX_FILE: u64 = 4_096;
/// Permission bits that let somebody else than the owner read, change or run the file.
const OTHERS: u32 = 0o077;

/// A node's X25519 secret key. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

/// Why a secret key cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum SecretKeyError {
    /// It cannot be opened or read.
    Unreadable(io::Error),
    /// It is a folder, a pipe or a device.
    NotRegular,
    /// Others than the owner have access; these are the permission bits.
    Exposed(u32),
    /// Nothing is in it.
    Empty,
    /// It has more than one line.
    SeveralLines,
    /// It is a public key.
    IsPublic,
    /// It is something else.
    WrongPrefix,
    /// It was a secret key before a character was changed, lost or added.
    Damaged,
}

impl SecretKey {
    /// A new key from the operating system's generator.
    ///
    /// # Errors
    /// The generator's, where the system has none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The key that consists of `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the secret key file `path`.
    ///
    /// # Errors
    /// Everything that makes a file unfit to hold a secret key; see [`SecretKeyError`].
    pub fn load(path: &Path) -> Result<Self, SecretKeyError> {
        // Without NONBLOCK, opening a pipe would wait for a writer.
        let nonblock = OFlags::NONBLOCK.bits().cast_signed();
        let file =
            OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(SecretKeyError::Unreadable)?;
        let metadata = file.metadata().map_err(SecretKeyError::Unreadable)?;
        if !metadata.is_file() {
            return Err(SecretKeyError::NotRegular);
        }
        Self::read(file)
    }

    /// Reads a secret key from `file`, which may be a pipe; a regular file must be closed to others.
    ///
    /// # Errors
    /// As [`SecretKey::load`], without [`SecretKeyError::NotRegular`].
    pub fn read(file: File) -> Result<Self, SecretKeyError> {
        let metadata = file.metadata().map_err(SecretKeyError::Unreadable)?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_file() && mode & OTHERS != 0 {
            return Err(SecretKeyError::Exposed(mode));
        }
        // Full size from the start: a buffer that grows leaves copies of the secret behind.
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
        file.take(MAX_FILE).read_to_end(&mut content).map_err(SecretKeyError::Unreadable)?;
        Self::parse(&content)
    }

    /// Reads the content of a secret key file.
    ///
    /// # Errors
    /// As [`SecretKey::load`], as far as the content goes.
    pub fn parse(content: &[u8]) -> Result<Self, SecretKeyError> {
        let line = content.trim_ascii();
        if line.is_empty() {
            return Err(SecretKeyError::Empty);
        }
        if line.starts_with(super::public::ALGORITHM.as_bytes()) {
            return Err(SecretKeyError::IsPublic);
        }
        let Ok(line) = str::from_utf8(line) else { return Err(SecretKeyError::WrongPrefix) };
        if !line.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('1')) {
            return Err(SecretKeyError::WrongPrefix);
        }
        if line.contains('\n') {
            return Err(SecretKeyError::SeveralLines);
        }
        let decoded = CheckedHrpstring::new::<Bech32m>(line).map_err(|_| SecretKeyError::Damaged)?;
        let mut key = Self::from_bytes([0; 32]);
        let mut characters = decoded.byte_iter();
        for byte in key.0.iter_mut() {
            *byte = characters.next().ok_or(SecretKeyError::Damaged)?;
        }
        // One key has one line: no longer data, no stray bits in the padding.
        if characters.next().is_some() || key.to_line().trim_ascii_end() != line {
            return Err(SecretKeyError::Damaged);
        }
        Ok(key)
    }

    /// The content of a secret key file, line end included.
    #[must_use]
    pub fn to_line(&self) -> Zeroizing<String> {
        let mut line = Zeroizing::new(String::with_capacity(LINE));
        bech32::encode_lower_to_fmt::<Bech32m, _>(&mut *line, Hrp::parse_unchecked(PREFIX), self.0.as_slice())
            .expect("a string takes any text and 32 bytes fit the encoding");
        line.push('\n');
        line
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let secret = x25519_dalek::StaticSecret::from(*self.0);
        PublicKey::from_bytes(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }

    /// The bytes, for the handshake.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(..)")
    }
}

impl SecretKeyError {
    /// What the user reads, for the key in `path`; `None` is standard input.
    #[must_use]
    pub fn in_file(self, path: Option<&Path>) -> Failure {
        let place = path.map_or_else(|| "standard input".to_owned(), printable_path);
        let key = path.map_or_else(|| "secret key on standard input".to_owned(), |_| format!("secret key {place}"));
        let anew = "make a new one with 'session keygen'";
        let (problem, remedy) = match self {
            Self::Unreadable(error) => {
                let problem = format!("{key} cannot be read ({})", crate::exit::reason(&error));
                (problem, format!("check the path, or {anew}"))
            }
            Self::NotRegular => (format!("{key} is not a regular file"), "name the file itself".to_owned()),
            Self::Exposed(mode) => {
                let command = path.map_or_else(
                    || "'chmod 600' on the file".to_owned(),
                    |path| format!("'chmod 600 {}'", printable_path(path)),
                );
                let problem = format!("{key} is open to other users (mode {mode:04o})");
                (problem, format!("run {command}, and replace the key if others may have seen it"))
            }
            Self::Empty => (format!("{key} is empty"), anew.to_owned()),
            Self::SeveralLines => (format!("{key} has more than one line"), "keep one key per file".to_owned()),
            Self::IsPublic => (
                format!("{place} holds a public key where a secret key is needed"),
                format!("give the file that starts with {PREFIX}1"),
            ),
            Self::WrongPrefix => (
                format!("{place} is not a secret key: it does not start with {PREFIX}1"),
                format!("check the path, or {anew}"),
            ),
            Self::Damaged => {
                (format!("{key} is damaged: its checksum does not match"), format!("restore it from a copy, or {anew}"))
            }
        };
        Failure::new(Exit::KeyFile, problem, remedy)
    }
}

#[cfg(test)]
mod tests;
