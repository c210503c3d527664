//! The messages of `session-file/1`, all on one channel.
//!
//! | message | bytes |
//! |---|---|
//! | offer | 1, length of the name (2), name, length of the file (8) |
//! | accept | 2 |
//! | refuse | 3, why (1), words for people (the rest, at most 512, UTF-8) |
//! | digest | 4, SHA-256 (32) |
//! | delivered | 5 |
//! | failed | 6, why (1), words for people (the rest, at most 512, UTF-8) |
//!
//! Numbers are big-endian. The content of the file is a message of its own, between accept and digest, and has no first byte that
//! says so.

use std::fmt;

/// The longest name in an offer; a receiver refuses names its file system does not take.
const MAX_NAME: usize = 1024;
/// The longest text in an answer.
const MAX_TEXT: usize = 512;
/// Bytes of the longest message, the content left aside.
pub const MAX_MESSAGE: usize = 1 + 2 + MAX_NAME + 8;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Sender: this is the file.
    Offer {
        /// Its name, as the sender has it.
        name: Vec<u8>,
        /// Its bytes.
        length: u64,
    },
    /// Receiver: send it.
    Accept,
    /// Receiver: do not send it.
    Refuse(Answer),
    /// Sender: this was its SHA-256.
    Digest([u8; 32]),
    /// Receiver: it stands under its name.
    Delivered,
    /// Receiver: it does not; may come at any time after the accept.
    Failed(Answer),
}

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The class.
    pub why: Why,
    /// Words for people.
    pub text: String,
}

/// Classes of reasons not to take a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The name cannot be used there, or another reason that lies in the offer.
    Refused,
    /// A file of this name exists there.
    Collision,
    /// What arrived is not what was sent.
    Integrity,
    /// The receiver's disk or folder failed.
    Io,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Why {
    const ALL: [Self; 4] = [Self::Refused, Self::Collision, Self::Integrity, Self::Io];

    const fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Collision => 2,
            Self::Integrity => 3,
            Self::Io => 4,
        }
    }

    fn of(code: u8) -> Result<Self, Malformed> {
        Self::ALL.into_iter().find(|why| why.code() == code).ok_or(Malformed)
    }
}

impl Message {
    /// The bytes to send. A name or text that is too long is cut: the receiver refuses such a name anyway.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Offer { name, length } => {
                let name = &name[..name.len().min(MAX_NAME)];
                let mut bytes = vec![1];
                bytes.extend((name.len() as u16).to_be_bytes());
                bytes.extend(name);
                bytes.extend(length.to_be_bytes());
                bytes
            }
            Self::Accept => vec![2],
            Self::Refuse(answer) => answer.to_bytes(3),
            Self::Digest(digest) => [&[4][..], digest].concat(),
            Self::Delivered => vec![5],
            Self::Failed(answer) => answer.to_bytes(6),
        }
    }

    /// Reads a message: all of `bytes`, nothing else.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (kind, rest) = bytes.split_first().ok_or(Malformed)?;
        match (kind, rest) {
            (1, _) => parse_offer(rest),
            (2, []) => Ok(Self::Accept),
            (3, _) => Answer::parse(rest).map(Self::Refuse),
            (4, _) => rest.try_into().map(Self::Digest).map_err(|_| Malformed),
            (5, []) => Ok(Self::Delivered),
            (6, _) => Answer::parse(rest).map(Self::Failed),
            _ => Err(Malformed),
        }
    }
}

fn parse_offer(bytes: &[u8]) -> Result<Message, Malformed> {
    let (name_length, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    let name_length = usize::from(u16::from_be_bytes(*name_length));
    let (name, length) = rest.split_at_checked(name_length).ok_or(Malformed)?;
    let length = u64::from_be_bytes(length.try_into().map_err(|_| Malformed)?);
    if name.len() > MAX_NAME {
        return Err(Malformed);
    }
    Ok(Message::Offer { name: name.to_vec(), length })
}

impl Answer {
    fn to_bytes(&self, kind: u8) -> Vec<u8> {
        let text = &self.text[..self.text.floor_char_boundary(MAX_TEXT)];
        [&[kind, self.why.code()], text.as_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (code, text) = bytes.split_first().ok_or(Malformed)?;
        if text.len() > MAX_TEXT {
            return Err(Malformed);
        }
        let text = str::from_utf8(text).map_err(|_| Malformed)?;
        Ok(Self { why: Why::of(*code)?, text: text.to_owned() })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a message of session-file/1")
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests;
