//! The receiving side of a file: a safe name, a temporary until all of it is there and proven, then the final name.

mod error;
mod name;

pub use error::InboxError;
pub use name::{FileName, NameError};

use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::place::{Existing, Folder, Pending};

/// Permissions of a received file, less the umask.
const FILE_MODE: u32 = 0o666;

/// A folder that takes in files from peers.
#[derive(Clone, Debug)]
pub struct Inbox {
    path: PathBuf,
    existing: Existing,
}

/// A file on its way in. Dropped without [`IncomingFile::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct IncomingFile {
    pending: Pending,
    name: FileName,
    existing: Existing,
    length: u64,
    received: u64,
    digest: Sha256,
}

impl Inbox {
    /// Takes files into `path`, which must be a folder; `existing` says what happens where a name is taken.
    ///
    /// # Errors
    /// [`InboxError::Gone`] or [`InboxError::Io`].
    pub fn open(path: &Path, existing: Existing) -> Result<Self, InboxError> {
        Folder::open(path).map_err(InboxError::from_io)?;
        Ok(Self { path: path.to_owned(), existing })
    }

    /// Prepares to receive a file of `length` bytes that a peer calls `offered_name`.
    ///
    /// # Errors
    /// The reason to refuse it: [`InboxError::Name`], [`InboxError::Collision`], or the folder's trouble.
    pub fn offer(&self, offered_name: &[u8], length: u64) -> Result<IncomingFile, InboxError> {
        let name = FileName::parse(offered_name).map_err(InboxError::Name)?;
        // Opened anew for each file: a folder that was deleted and made again works again.
        let folder = Folder::open(&self.path).map_err(InboxError::from_io)?;
        if self.existing == Existing::Keep && folder.contains(name.as_os_str()).map_err(InboxError::from_io)? {
            return Err(InboxError::Collision);
        }
        let pending = folder.create(name.as_os_str(), FILE_MODE).map_err(InboxError::from_io)?;
        Ok(IncomingFile { pending, name, existing: self.existing, length, received: 0, digest: Sha256::new() })
    }

    /// Deletes what transfers that were killed have left in the folder; says how many files that were.
    ///
    /// # Errors
    /// The folder's trouble.
    pub fn sweep(&self) -> Result<usize, InboxError> {
        Folder::open(&self.path).and_then(|folder| folder.sweep()).map_err(InboxError::from_io)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl IncomingFile {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`InboxError::Length`] where that is more than was announced, [`InboxError::NoSpace`], or the disk's trouble.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), InboxError> {
        let received = self.received.saturating_add(bytes.len() as u64);
        if received > self.length {
            return Err(InboxError::Length { announced: self.length, received });
        }
        self.pending.file().write_all(bytes).map_err(InboxError::from_io)?;
        self.digest.update(bytes);
        self.received = received;
        Ok(())
    }

    /// Gives the file its name, if it is whole and its SHA-256 is `expected`; then it survives a power failure.
    ///
    /// # Errors
    /// [`InboxError::Length`], [`InboxError::Integrity`], [`InboxError::Collision`], or the folder's trouble.
    pub fn commit(self, expected: &[u8; 32]) -> Result<FileName, InboxError> {
        if self.received != self.length {
            return Err(InboxError::Length { announced: self.length, received: self.received });
        }
        if self.digest.finalize()[..] != expected[..] {
            return Err(InboxError::Integrity);
        }
        self.pending.commit(self.name.as_os_str(), self.existing).map_err(InboxError::from_io)?;
        Ok(self.name)
    }

    /// Bytes received so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Bytes announced.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The final name.
    #[must_use]
    pub const fn name(&self) -> &FileName {
        &self.name
    }
}

#[cfg(test)]
mod tests;
