//! The receiving side of a file: a safe name, a temporary until all of it is there and proven, then the final name.

mod error;
mod name;

pub use error::InboxError;
pub use name::{FilePath, MAX_PATH, NameError};

use std::ffi::OsStr;
use std::io::{self, Write as _};
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
    /// The folder it will end in.
    place: Folder,
    path: FilePath,
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

    /// Checks a path that a peer offers for a file, or for a `folder`, and makes nothing.
    ///
    /// # Errors
    /// The reason to refuse it: [`InboxError::Name`], [`InboxError::Collision`], [`InboxError::NotFolder`], or the folder's trouble.
    pub fn check(&self, offered: &[u8], folder: bool) -> Result<FilePath, InboxError> {
        let path = FilePath::parse(offered).map_err(InboxError::Name)?;
        self.check_place(&path, folder)?;
        Ok(path)
    }

    fn check_place(&self, path: &FilePath, folder: bool) -> Result<(), InboxError> {
        let (folders, name) = path.split();
        let mut place = self.open_folder()?;
        for name in folders {
            match place.descend(name, false) {
                Ok(next) => place = next,
                // Nothing is taken in a folder that is yet to be made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(InboxError::in_path(error)),
            }
        }
        if place.contains(name).map_err(InboxError::from_io)? {
            if folder {
                place.descend(name, false).map_err(InboxError::in_path)?;
            } else if self.existing == Existing::Keep {
                return Err(InboxError::Collision);
            }
        }
        Ok(())
    }

    /// Makes the folder `path`, and those it is in, where they are missing.
    ///
    /// # Errors
    /// [`InboxError::NotFolder`], or the folder's trouble.
    pub fn make_folder(&self, path: &FilePath) -> Result<(), InboxError> {
        let (folders, name) = path.split();
        self.descend(folders.chain([name])).map(drop)
    }

    /// Prepares to receive a file of `length` bytes for a path that was checked, and makes the folders it is in.
    ///
    /// # Errors
    /// [`InboxError::NotFolder`], or the folder's trouble.
    pub fn receive(&self, path: &FilePath, length: u64) -> Result<IncomingFile, InboxError> {
        let (folders, name) = path.split();
        let place = self.descend(folders)?;
        // Temporaries are all in one folder, where the sweep finds them.
        let pending = self.open_folder()?.create(name, FILE_MODE).map_err(InboxError::from_io)?;
        let path = path.clone();
        Ok(IncomingFile { pending, place, path, existing: self.existing, length, received: 0, digest: Sha256::new() })
    }

    fn descend<'a>(&self, names: impl Iterator<Item = &'a OsStr>) -> Result<Folder, InboxError> {
        let mut place = self.open_folder()?;
        for name in names {
            place = place.descend(name, true).map_err(InboxError::in_path)?;
        }
        Ok(place)
    }

    /// Opened anew for each file: a folder that was deleted and made again works again.
    fn open_folder(&self) -> Result<Folder, InboxError> {
        Folder::open(&self.path).map_err(InboxError::from_io)
    }

    /// Deletes what transfers that were killed have left in the folder; says how many files that were.
    ///
    /// # Errors
    /// The folder's trouble.
    pub fn sweep(&self) -> Result<usize, InboxError> {
        self.open_folder()?.sweep().map_err(InboxError::from_io)
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
    pub fn commit(self, expected: &[u8; 32]) -> Result<(), InboxError> {
        if self.received != self.length {
            return Err(InboxError::Length { announced: self.length, received: self.received });
        }
        if self.digest.finalize()[..] != expected[..] {
            return Err(InboxError::Integrity);
        }
        let (_, name) = self.path.split();
        self.pending.commit(&self.place, name, self.existing).map_err(InboxError::from_io)
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

    /// The final path.
    #[must_use]
    pub const fn path(&self) -> &FilePath {
        &self.path
    }
}

#[cfg(test)]
mod tests;
