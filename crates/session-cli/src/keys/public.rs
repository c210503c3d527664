//! Public keys as people exchange them: `session-x25519 BASE64 comment`.

use std::fmt;

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use sha2::{Digest as _, Sha256};

/// The type that stands before every public key.
pub const ALGORITHM: &str = "session-x25519";
/// Characters of 32 bytes in padded base64.
pub const BASE64_LENGTH: usize = 44;

/// A node's X25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// A public key with the comment its line carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyLine {
    /// The key.
    pub key: PublicKey,
    /// Free text to the end of the line; may be empty.
    pub comment: String,
}

/// Why text is not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// It does not start with `session-x25519`.
    WrongType,
    /// Nothing follows the type.
    Missing,
    /// It is not 44 characters of base64.
    Malformed,
    /// It is a secret key, and should be treated as leaked.
    IsSecret,
}

impl PublicKey {
    /// The key that consists of `bytes`.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the handshake.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 44 characters of base64.
    ///
    /// # Errors
    /// [`PublicKeyError::Malformed`]: wrong length, character or padding bits; [`PublicKeyError::IsSecret`].
    pub fn from_base64(text: &str) -> Result<Self, PublicKeyError> {
        if text.starts_with(super::secret_file::PREFIX) {
            return Err(PublicKeyError::IsSecret);
        }
        let mut bytes = [0; 33];
        let malformed = |_| PublicKeyError::Malformed;
        // Base64 of 44 characters may stand for 33 bytes, if unpadded.
        let decoded = if text.len() == BASE64_LENGTH { Base64::decode(text, &mut bytes) } else { Ok(&[][..]) };
        decoded.map_err(malformed)?.try_into().map(Self).map_err(|_| PublicKeyError::Malformed)
    }

    /// 44 characters of base64.
    #[must_use]
    pub fn to_base64(self) -> String {
        Base64::encode_string(&self.0)
    }

    /// `SHA256:` and the unpadded base64 of the key's hash: what two people compare by voice.
    #[must_use]
    pub fn fingerprint(self) -> String {
        format!("SHA256:{}", Base64Unpadded::encode_string(&Sha256::digest(self.0)))
    }
}

impl PublicKeyLine {
    /// Reads `session-x25519 BASE64 comment`.
    ///
    /// # Errors
    /// See [`PublicKeyError`].
    pub fn parse(line: &str) -> Result<Self, PublicKeyError> {
        let (algorithm, rest) = split_word(line);
        if algorithm.starts_with(super::secret_file::PREFIX) {
            return Err(PublicKeyError::IsSecret);
        }
        if algorithm != ALGORITHM {
            return Err(PublicKeyError::WrongType);
        }
        let (key, comment) = split_word(rest);
        if key.is_empty() {
            return Err(PublicKeyError::Missing);
        }
        Ok(Self { key: PublicKey::from_base64(key)?, comment: comment.to_owned() })
    }
}

/// The first word of `text` and what follows it, both without surrounding white space.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

impl fmt::Display for PublicKeyLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{ALGORITHM} {}", self.key.to_base64())?;
        if self.comment.is_empty() { Ok(()) } else { write!(formatter, " {}", self.comment) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.to_base64())
    }
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType => write!(formatter, "no {ALGORITHM} key"),
            Self::Missing => write!(formatter, "no key after {ALGORITHM}"),
            Self::Malformed => write!(formatter, "a key that is not {BASE64_LENGTH} characters of base64"),
            Self::IsSecret => formatter.write_str("a secret key"),
        }
    }
}

impl std::error::Error for PublicKeyError {}

#[cfg(test)]
mod tests;
