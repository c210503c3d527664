//! `authorized_peers`: the public keys that may connect, one `[OPTIONS] session-x25519 BASE64 comment` a line.

use std::path::Path;

pub use super::list::Origin;
use super::public::{PublicKeyLine, split_word};
use super::{PublicKey, list};
use crate::exit::{Exit, Failure};
use crate::text::{Printable, printable_path};

/// The peers that may connect to this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizedPeers {
    peers: Vec<AuthorizedPeer>,
    /// Those that stand in no file yet: their own users have not said yes.
    promised: Vec<AuthorizedPeer>,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedPeer {
    /// The peer's key.
    pub key: PublicKey,
    /// The line's comment, fit to be printed; may be empty.
    pub comment: String,
    /// Where that is written.
    pub origin: Origin,
}

impl AuthorizedPeer {
    /// How a log names the peer, which comes from `address`.
    #[must_use]
    pub fn called(&self, address: &str) -> String {
        if self.comment.is_empty() { address.to_owned() } else { format!("{} at {address}", self.comment) }
    }
}

impl AuthorizedPeers {
    /// Reads `file`, which must exist: a list that is not there lets nobody in, and that is never what was meant.
    ///
    /// # Errors
    /// A sentence that names the file and, where there is one, the line.
    pub fn load(file: &Path) -> Result<Self, Failure> {
        match list::read(file)? {
            Some(content) => Self::parse(file, &content),
            None => {
                let problem = format!("list of authorized peers {} does not exist", printable_path(file));
                Err(Failure::new(Exit::KeyFile, problem, "write the peers' public keys to it, one a line"))
            }
        }
    }

    /// Reads `file`; a missing one is an empty list, to which pairing adds.
    ///
    /// # Errors
    /// A sentence that names the file and, where there is one, the line.
    pub fn load_or_begin(file: &Path) -> Result<Self, Failure> {
        Self::parse(file, &list::read(file)?.unwrap_or_default())
    }

    /// Lets `key` in for now, and makes sure that `file` can be written. [`Self::add`] makes it last, [`Self::withdraw`] ends it.
    ///
    /// # Errors
    /// A sentence that names the file, where it cannot be written.
    pub fn promise(&mut self, file: &Path, key: PublicKey, comment: &str) -> Result<(), Failure> {
        if self.find(&key).is_none() {
            let origin = list::prepare(file)?;
            self.promised.push(AuthorizedPeer { key, comment: comment.to_owned(), origin });
        }
        Ok(())
    }

    /// Takes a promise back. A key that stands in the list stays.
    pub fn withdraw(&mut self, key: &PublicKey) {
        self.promised.retain(|peer| peer.key != *key);
    }

    /// Lets `key` in from now on, here and in `file`. One that stands there already is not written again: false.
    ///
    /// # Errors
    /// A sentence that names the file, where it cannot be written.
    pub fn add(&mut self, file: &Path, key: PublicKey, comment: &str) -> Result<bool, Failure> {
        let is_new = !self.peers.iter().any(|peer| peer.key == key);
        if is_new {
            let line = PublicKeyLine { key, comment: comment.to_owned() };
            let origin = list::append(file, &line.to_string())?;
            self.peers.push(AuthorizedPeer { key, comment: comment.to_owned(), origin });
        }
        self.withdraw(&key);
        Ok(is_new)
    }

    /// Reads the content of `file`. One bad line refuses the whole list: a restriction that is not understood must not
    /// turn into a permission.
    ///
    /// # Errors
    /// A sentence that names the file and the line.
    pub fn parse(file: &Path, content: &str) -> Result<Self, Failure> {
        let mut peers: Vec<AuthorizedPeer> = Vec::new();
        for line in list::entries(file, content) {
            let (first, rest) = split_word(line.text);
            // No option exists yet, so a first word before the key's type can only be an unknown one.
            if !list::is_algorithm(first) && list::is_algorithm(split_word(rest).0) {
                let option = first.split(',').next().unwrap_or_default();
                let problem = format!("unknown option '{}'", Printable(option));
                return Err(line.failure(&problem, "remove it: this version has no options"));
            }
            let PublicKeyLine { key, comment } =
                PublicKeyLine::parse(line.text).map_err(|error| line.bad_key(error))?;
            if let Some(first) = peers.iter().find(|peer| peer.key == key) {
                let problem = format!("the same key stands in line {} already", first.origin.line);
                return Err(line.failure(&problem, "remove one of the two lines"));
            }
            peers.push(AuthorizedPeer { key, comment: Printable(&comment).to_string(), origin: Origin::from(&line) });
        }
        Ok(Self { peers, promised: Vec::new() })
    }

    /// The entry that lets `key` in.
    #[must_use]
    pub fn find(&self, key: &PublicKey) -> Option<&AuthorizedPeer> {
        self.peers.iter().chain(&self.promised).find(|peer| peer.key == *key)
    }

    /// All entries of the file, in its order.
    #[must_use]
    pub fn peers(&self) -> &[AuthorizedPeer] {
        &self.peers
    }
}

#[cfg(test)]
mod tests;
