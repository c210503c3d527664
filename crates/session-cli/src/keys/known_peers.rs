//! `known_peers`: names for the public keys of peers, one `NAME session-x25519 BASE64 comment` a line.

use std::path::{Path, PathBuf};

pub use super::list::Origin;
use super::public::{PublicKeyLine, split_word};
use super::{PublicKey, list};
use crate::exit::{Exit, Failure};
use crate::text::{Printable, printable_path};

/// Characters of the longest name: a label of the DNS has as many.
const MAX_NAME: usize = 63;

/// The peers this user has given names to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownPeers {
    file: PathBuf,
    peers: Vec<KnownPeer>,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// What the user calls the peer.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// Where that is written.
    pub origin: Origin,
}

impl KnownPeers {
    /// Reads `file`; a missing one is an empty list.
    ///
    /// # Errors
    /// A sentence that names the file and, where there is one, the line.
    pub fn load(file: &Path) -> Result<Self, Failure> {
        Self::parse(file, &list::read(file)?.unwrap_or_default())
    }

    /// Reads the content of `file`.
    ///
    /// # Errors
    /// A sentence that names the file and the line.
    pub fn parse(file: &Path, content: &str) -> Result<Self, Failure> {
        let mut peers: Vec<KnownPeer> = Vec::new();
        for line in list::entries(file, content) {
            let (name, rest) = split_word(line.text);
            if list::is_algorithm(name) {
                return Err(line.failure("the name of the peer is missing", "write NAME before the key"));
            }
            if !is_name(name) {
                let problem = format!("'{}' is not a name", Printable(name));
                return Err(line.failure(&problem, "use letters, digits, '.', '-' and '_', 63 at most"));
            }
            let PublicKeyLine { key, .. } = PublicKeyLine::parse(rest).map_err(|error| line.bad_key(error))?;
            if let Some(first) = peers.iter().find(|peer| peer.name == name) {
                let problem = format!("the name '{name}' stands in line {} already", first.origin.line);
                return Err(line.failure(&problem, "remove one of the two lines"));
            }
            peers.push(KnownPeer { name: name.to_owned(), key, origin: Origin::from(&line) });
        }
        Ok(Self { file: file.to_owned(), peers })
    }

    /// Adds a line for a peer, here and in the file.
    ///
    /// # Errors
    /// A sentence that names the file, where it cannot be written, or the line that has the name already.
    pub fn add(&mut self, name: &str, key: PublicKey) -> Result<&KnownPeer, Failure> {
        if let Some(peer) = self.find(name) {
            let Origin { file, line } = &peer.origin;
            let problem = format!("the name '{name}' stands in {} line {line} already", printable_path(file));
            return Err(Failure::new(Exit::KeyFile, problem, "choose another name, or remove that line"));
        }
        let line = PublicKeyLine { key, comment: String::new() };
        let origin = list::append(&self.file, &format!("{name} {line}"))?;
        self.peers.push(KnownPeer { name: name.to_owned(), key, origin });
        let last = self.peers.len() - 1;
        Ok(&self.peers[last])
    }

    /// The peer called `name`, if there is one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&KnownPeer> {
        self.peers.iter().find(|peer| peer.name == name)
    }

    /// The peer called `name`.
    ///
    /// # Errors
    /// A sentence that names the list in which the name is missing.
    pub fn named(&self, name: &str) -> Result<&KnownPeer, Failure> {
        self.find(name).ok_or_else(|| {
            let problem = format!("no peer is called '{}' in {}", Printable(name), printable_path(&self.file));
            Failure::new(
                Exit::KeyFile,
                problem,
                format_args!(
                    "meet it by 'session pair ADDR --name {0}', or add a line '{0} session-x25519 KEY' there",
                    Printable(name)
                ),
            )
        })
    }

    /// What the user calls the holder of `key`.
    #[must_use]
    pub fn holder(&self, key: &PublicKey) -> Option<&KnownPeer> {
        self.peers.iter().find(|peer| peer.key == *key)
    }
}

impl KnownPeer {
    /// What the user must read when the peer at `place` shows `other` and not the key of this line. It is never stored.
    #[must_use]
    pub fn has_changed(&self, other: &PublicKey, place: &str) -> Failure {
        let Origin { file, line } = &self.origin;
        let problem = format!(
            "THE KEY OF {} HAS CHANGED: {place} shows {}, but {} line {line} has {}",
            self.name,
            other.fingerprint(),
            printable_path(file),
            self.key.fingerprint(),
        );
        let remedy = "somebody may be in between; only if its user has made a new key, remove that line and pair again";
        Failure::new(Exit::KeyFile, problem, remedy)
    }
}

/// True if `text` can name a peer: it can be told from a key (44 characters of base64 end in `=`) and from an address.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(allowed) && !text.starts_with('-')
}

#[cfg(test)]
mod tests;
