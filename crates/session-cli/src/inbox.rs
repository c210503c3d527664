//! The receiving side of a file: a safe name, a temporary until all of it is there and proven, then the final name.

mod error;
mod name;

pub use error::InboxError;
pub use name::{FilePath, MAX_PATH, NameError};

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::place::{Existing, Folder, Pending};

/// Permissions of a received file, less the umask.
const FILE_MODE: u32 = 0o666;
/// Bytes of a file read at a time.
const STEP: usize = 65_536;

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

    /// Checks a path that a peer offers for a file of `length` bytes, or for a folder, which has none, and makes nothing.
    ///
    /// A name that is taken by a file of the same length passes: it may be the same file, sent again after a broken transfer.
    ///
    /// # Errors
    /// The reason to refuse it: [`InboxError::Name`], [`InboxError::Collision`], [`InboxError::NotFolder`], or the folder's trouble.
    pub fn check(&self, offered: &[u8], length: Option<u64>) -> Result<FilePath, InboxError> {
        let path = FilePath::parse(offered).map_err(InboxError::Name)?;
        self.check_place(&path, length)?;
        Ok(path)
    }

    fn check_place(&self, path: &FilePath, length: Option<u64>) -> Result<(), InboxError> {
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
            match length {
                None => drop(place.descend(name, false).map_err(InboxError::in_path)?),
                Some(_) if self.existing == Existing::Replace => {}
                Some(length) => drop(file_of(&place, name, length)?.ok_or(InboxError::Collision)?),
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

    /// Gives the file its name, if it is whole and its SHA-256 is `expected`; then it survives a power failure. A file that has the name
    /// already, and the same content, stays as it is, which is as good.
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
        match self.pending.commit(&self.place, name, self.existing).map_err(InboxError::from_io) {
            Err(InboxError::Collision) if has_content(&self.place, name, self.length, expected)? => Ok(()),
            committed => committed,
        }
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

/// The plain file `name`, if there is one of so many bytes.
fn file_of(place: &Folder, name: &OsStr, length: u64) -> Result<Option<File>, InboxError> {
    let Some(file) = place.plain_file(name).map_err(InboxError::from_io)? else { return Ok(None) };
    let metadata = file.metadata().map_err(InboxError::from_io)?;
    Ok((metadata.len() == length).then_some(file))
}

fn has_content(place: &Folder, name: &OsStr, length: u64, digest: &[u8; 32]) -> Result<bool, InboxError> {
    let Some(mut file) = file_of(place, name, length)? else { return Ok(false) };
    let (mut found, mut buffer) = (Sha256::new(), vec![0; STEP]);
    loop {
        match file.read(&mut buffer).map_err(InboxError::from_io)? {
            0 => return Ok(found.finalize()[..] == digest[..]),
            read => found.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests;
