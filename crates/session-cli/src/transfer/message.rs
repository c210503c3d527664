//! The messages of a session that brings files, all on one channel. `docs/cli.md` has the table of their bytes.
//!
//! The content of a file is a message of its own, in front of its digest, and has no first byte that says so.

use std::fmt;

use crate::inbox::MAX_PATH;

/// The longest text in an answer.
const MAX_TEXT: usize = 512;
/// Bytes of the entries of one offer.
pub(super) const MAX_OFFER: usize = 64 * 1024;
/// Bytes of the longest message, the content left aside.
pub const MAX_MESSAGE: usize = 1 + MAX_OFFER;
/// In front of an entry's path.
const FOLDER: u8 = 0;
const FILE: u8 = 1;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Sender: these are the next files and folders.
    Offer(Vec<Entry>),
    /// Receiver: send the files among them, one after the other.
    Accept,
    /// Receiver: do not send them, because of this one.
    Refuse(Answer),
    /// Sender: this was the SHA-256 of the content.
    Digest([u8; 32]),
    /// Receiver: the next file stands under its name.
    Delivered,
    /// Receiver: this one does not, and no more is taken. May come at any time after the accept.
    Failed(Answer),
}

/// A file or folder that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, with `/` between the names.
    pub path: Vec<u8>,
    /// The file's bytes; `None` for a folder.
    pub length: Option<u64>,
}

/// Why a file or folder is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its place in the offer.
    pub index: u32,
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
    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Offer(entries) => {
                let mut bytes = vec![1];
                entries.iter().for_each(|entry| entry.write(&mut bytes));
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

fn parse_offer(mut rest: &[u8]) -> Result<Message, Malformed> {
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (entry, after) = Entry::parse(rest)?;
        entries.push(entry);
        rest = after;
    }
    if entries.is_empty() { Err(Malformed) } else { Ok(Message::Offer(entries)) }
}

impl Entry {
    /// Its bytes in an offer.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + 2 + self.path.len() + self.length.map_or(0, |_| 8)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(if self.length.is_some() { FILE } else { FOLDER });
        bytes.extend((self.path.len() as u16).to_be_bytes());
        bytes.extend(&self.path);
        bytes.extend(self.length.map(u64::to_be_bytes).into_iter().flatten());
    }

    fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (kind, rest) = bytes.split_first().ok_or(Malformed)?;
        let (path_length, rest) = rest.split_first_chunk().ok_or(Malformed)?;
        let path_length = usize::from(u16::from_be_bytes(*path_length));
        let (path, rest) = rest.split_at_checked(path_length).filter(|_| path_length <= MAX_PATH).ok_or(Malformed)?;
        let path = path.to_vec();
        match *kind {
            FOLDER => Ok((Self { path, length: None }, rest)),
            FILE => {
                let (length, rest) = rest.split_first_chunk().ok_or(Malformed)?;
                Ok((Self { path, length: Some(u64::from_be_bytes(*length)) }, rest))
            }
            _ => Err(Malformed),
        }
    }
}

impl Answer {
    fn to_bytes(&self, kind: u8) -> Vec<u8> {
        let text = &self.text[..self.text.floor_char_boundary(MAX_TEXT)];
        [&[kind][..], &self.index.to_be_bytes(), &[self.why.code()], text.as_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (index, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
        let (code, text) = rest.split_first().ok_or(Malformed)?;
        if text.len() > MAX_TEXT {
            return Err(Malformed);
        }
        let text = str::from_utf8(text).map_err(|_| Malformed)?;
        Ok(Self { index: u32::from_be_bytes(*index), why: Why::of(*code)?, text: text.to_owned() })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a message of a session that brings files")
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests;
