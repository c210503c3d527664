//! Files that appear whole under their name, or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Bytes of the longest file name on the file systems of Linux, macOS and the BSDs.
pub const MAX_NAME: usize = 255;
/// Permissions of a new folder, less the umask.
const FOLDER_MODE: u32 = 0o777;
/// What stands between the final name and the random number of a temporary one.
const MARK: &str = ".PARTIAL-";
/// Hexadecimal digits of that number.
const DIGITS: usize = 16;
/// Names tried before giving up on a free temporary one: 64 random bits collide only if the generator is broken, and a sweep meets a new file only once.
const ATTEMPTS: usize = 4;

/// A folder, held open, so that a file ends where its temporary was made even if the path is changed meanwhile.
#[derive(Clone, Debug)]
pub struct Folder {
    descriptor: Arc<OwnedFd>,
}

/// What to do where the final name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave the old file and fail.
    Keep,
    /// Put the new file in its place.
    Replace,
}

/// A file under a temporary name in the folder where it will end, or one above; dropped without [`Pending::commit`], it is deleted.
///
/// It is locked as long as it is open, which tells [`Folder::sweep`] that somebody is at work on it.
#[derive(Debug)]
pub struct Pending {
    folder: Folder,
    file: File,
    temporary: OsString,
    committed: bool,
}

impl Folder {
    /// Opens `path`, which must be a folder.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { descriptor: Arc::new(descriptor) })
    }

    /// Opens the folder `name` in this one, and makes it first if `make` says so. A symbolic link is no folder: it may lead anywhere.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotADirectory`] if something else has this name; else whatever the operating system says.
    pub fn descend(&self, name: &OsStr, make: bool) -> io::Result<Self> {
        let folder = self.descriptor.as_fd();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if make {
            match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(FOLDER_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(descriptor) => Ok(Self { descriptor: Arc::new(descriptor) }),
            // What a symbolic link gives differs from system to system.
            Err(Errno::LOOP) => Err(Errno::NOTDIR.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// True if `name` is taken, whatever by (a dangling symbolic link too).
    ///
    /// # Errors
    /// Whatever the operating system says, except that nothing is there.
    pub fn contains(&self, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::statat(self.descriptor.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The plain file `name`, to be read; `None` if nothing or something else has this name.
    ///
    /// # Errors
    /// Whatever else the operating system says.
    pub fn plain_file(&self, name: &OsStr) -> io::Result<Option<File>> {
        // Without NONBLOCK, opening a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let descriptor = match rustix::fs::openat(self.descriptor.as_fd(), name, flags, Mode::empty()) {
            Ok(descriptor) => descriptor,
            // A symbolic link, a socket: what is said of them differs from system to system.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_plain = FileType::from_raw_mode(rustix::fs::fstat(&descriptor)?.st_mode) == FileType::RegularFile;
        Ok(is_plain.then(|| File::from(descriptor)))
    }

    /// Creates the temporary `.NAME.PARTIAL-RANDOM` for a file that will be called `name`, with `mode` less the umask.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn create(&self, name: &OsStr, mode: u32) -> io::Result<Pending> {
        let mut attempts = 0;
        loop {
            let temporary = temporary_name(name)?;
            match self.create_locked(&temporary, mode) {
                Ok(Some(file)) => return Ok(Pending { folder: self.clone(), file, temporary, committed: false }),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists || attempts == ATTEMPTS => {
                    return Err(error);
                }
                Ok(None) if attempts == ATTEMPTS => return Err(io::ErrorKind::ResourceBusy.into()),
                Ok(None) | Err(_) => attempts += 1,
            }
        }
    }

    /// Deletes the temporaries that no process works on any more, such as one that was killed; says how many. One that cannot be
    /// deleted stays.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn sweep(&self) -> io::Result<usize> {
        let mut swept = 0;
        for entry in Dir::read_from(self.descriptor.as_fd())? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            swept += usize::from(is_temporary(name) && self.sweep_one(name).is_ok());
        }
        Ok(swept)
    }

    /// The new file `temporary`, locked; `None` if a sweep took it between the two.
    fn create_locked(&self, temporary: &OsStr, mode: u32) -> io::Result<Option<File>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(self.descriptor.as_fd(), temporary, flags, Mode::from_raw_mode(mode))?;
        // Any other error is that of a file system without locks: no sweep gets one there either.
        if let Err(Errno::WOULDBLOCK) = rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            return Ok(None);
        }
        Ok(self.contains(temporary)?.then(|| File::from(descriptor)))
    }

    fn sweep_one(&self, name: &OsStr) -> rustix::io::Result<()> {
        let folder = self.descriptor.as_fd();
        // Without NONBLOCK, opening a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(folder, name, flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&descriptor)?.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        // Who is at work on it holds the lock; it may have renamed the file meanwhile, and then there is nothing to delete here.
        rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive)?;
        rustix::fs::unlinkat(folder, name, AtFlags::empty())
    }
}

impl Pending {
    /// The file, to write to.
    pub const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Makes the content durable, moves the file to `name` in `target`, which may be the folder it was made in, and makes that durable too.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where the name is taken and `existing` keeps; else whatever the operating
    /// system says. The temporary is deleted; after an error of the very last step the final name may exist.
    pub fn commit(mut self, target: &Folder, name: &OsStr, existing: Existing) -> io::Result<()> {
        self.file.sync_all()?;
        let folder = self.folder.descriptor.as_fd();
        match existing {
            Existing::Replace => rustix::fs::renameat(folder, &self.temporary, target.descriptor.as_fd(), name)?,
            Existing::Keep => self.rename_keeping(target, name)?,
        }
        self.committed = true;
        rustix::fs::fsync(target.descriptor.as_fd())?;
        Ok(())
    }

    fn rename_keeping(&self, target: &Folder, name: &OsStr) -> rustix::io::Result<()> {
        let (folder, place) = (self.folder.descriptor.as_fd(), target.descriptor.as_fd());
        match rustix::fs::renameat_with(folder, &self.temporary, place, name, RenameFlags::NOREPLACE) {
            // Some file systems lack the flag; a hard link refuses a taken name everywhere.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link_keeping(target, name),
            other => other,
        }
    }

    fn link_keeping(&self, target: &Folder, name: &OsStr) -> rustix::io::Result<()> {
        let (folder, place) = (self.folder.descriptor.as_fd(), target.descriptor.as_fd());
        rustix::fs::linkat(folder, &self.temporary, place, name, AtFlags::empty())?;
        rustix::fs::unlinkat(folder, &self.temporary, AtFlags::empty())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to tell; a leftover has a name that says what it is.
            let _ = rustix::fs::unlinkat(self.folder.descriptor.as_fd(), &self.temporary, AtFlags::empty());
        }
    }
}

/// `.NAME.PARTIAL-RANDOM`, with NAME cut at a character so that the whole fits.
fn temporary_name(name: &OsStr) -> io::Result<OsString> {
    let random = getrandom::u64()?;
    let suffix = format!("{MARK}{random:0DIGITS$x}");
    let text = name.to_string_lossy();
    let room = MAX_NAME - 1 - suffix.len();
    let cut = text.floor_char_boundary(room.min(text.len()));
    Ok(OsString::from(format!(".{}{suffix}", &text[..cut])))
}

/// True for what [`temporary_name`] makes.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.strip_prefix('.')?.rsplit_once(MARK));
    parts.is_some_and(|(name, random)| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        !name.is_empty() && random.len() == DIGITS && random.bytes().all(is_digit)
    })
}

#[cfg(test)]
mod tests;
