//! The files and folders that are to be sent.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::exit::{Exit, Failure, reason};
use crate::inbox::FilePath;
use crate::text::printable_path;

/// All that one run sends, in the order in which it is sent: a folder before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<Source>,
    left_out: Vec<LeftOut>,
}

/// A file or folder to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub place: PathBuf,
    /// What it is to be called in the inbox.
    pub path: FilePath,
    /// The file's bytes when it was found; `None` for a folder.
    pub length: Option<u64>,
}

/// Something in a folder that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it is.
    pub place: PathBuf,
    /// What it is.
    pub what: &'static str,
}

impl Tree {
    /// Finds what `paths` name, and everything in the folders among them. Symbolic links are followed where they are named, and left out
    /// where they are found in a folder, as are pipes, sockets and devices.
    ///
    /// # Errors
    /// A sentence about the first that cannot be read, has no name that can be sent, or has the name of another.
    pub fn find(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut tree = Self::default();
        let mut names: HashMap<Vec<u8>, &Path> = HashMap::new();
        for place in paths {
            let name = name_of(place)?;
            if let Some(other) = names.insert(name.clone(), place) {
                let (one, other) = (printable_path(place), printable_path(other));
                let problem = format!("{other} and {one} would have one name in the inbox");
                return Err(Failure::new(
                    Exit::Usage,
                    problem,
                    "send them one after the other, or from a folder above both",
                ));
            }
            tree.add(place.clone(), name, true)?;
        }
        Ok(tree)
    }

    /// Files and folders.
    #[must_use]
    pub fn entries(&self) -> &[Source] {
        &self.entries
    }

    /// What is not sent.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// How many files there are.
    #[must_use]
    pub fn files(&self) -> usize {
        self.entries.iter().filter(|entry| entry.length.is_some()).count()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.iter().filter_map(|entry| entry.length).fold(0, u64::saturating_add)
    }

    /// Adds the file or folder `place`, to be called `path`, and all that is in it.
    fn add(&mut self, place: PathBuf, path: Vec<u8>, named: bool) -> Result<(), Failure> {
        let mut waiting = vec![(place, path, named)];
        while let Some((place, path, named)) = waiting.pop() {
            let found = if named { fs::metadata(&place) } else { fs::symlink_metadata(&place) };
            let kind = found.map_err(|error| unreadable(&place, &error))?.file_type();
            if let Some(what) = unsendable(kind) {
                if named {
                    let problem = format!("{} is a {what}", printable_path(&place));
                    return Err(Failure::new(Exit::Io, problem, "name files and folders"));
                }
                self.left_out.push(LeftOut { place, what });
                continue;
            }
            let checked = FilePath::parse(&path).map_err(|error| {
                let problem = format!("{} cannot be sent: {error}", printable_path(&place));
                Failure::new(Exit::Refused, problem, "give it another name")
            })?;
            let mut length = None;
            if kind.is_dir() {
                let children = children(&place).map_err(|error| unreadable(&place, &error))?;
                // The last is taken first.
                waiting.extend(
                    children.into_iter().rev().map(|(child, name)| (child, [&path[..], b"/", &name].concat(), false)),
                );
            } else {
                let file = open(&place).and_then(|file| file.metadata());
                length = Some(file.map_err(|error| unreadable(&place, &error))?.len());
            }
            self.entries.push(Source { place, path: checked, length });
        }
        Ok(())
    }
}

impl Source {
    /// Opens the file.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn open(&self) -> io::Result<File> {
        open(&self.place)
    }
}

fn open(place: &Path) -> io::Result<File> {
    // Without NONBLOCK, opening a pipe would wait for a writer.
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(place)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a file any more")) }
}

/// What is in a folder, by name.
fn children(folder: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        children.push((entry.path(), entry.file_name().as_bytes().to_vec()));
    }
    children.sort();
    Ok(children)
}

/// What a thing is that is neither file nor folder.
fn unsendable(kind: fs::FileType) -> Option<&'static str> {
    if kind.is_file() || kind.is_dir() {
        None
    } else {
        Some(if kind.is_symlink() { "symbolic link" } else { "pipe, socket or device" })
    }
}

/// The last name of `place`; that of the folder it stands for, if it is `.` or `..`.
fn name_of(place: &Path) -> Result<Vec<u8>, Failure> {
    if let Some(name) = place.file_name() {
        return Ok(name.as_bytes().to_vec());
    }
    let full = place.canonicalize().map_err(|error| unreadable(place, &error))?;
    let name = full.file_name().ok_or_else(|| {
        Failure::new(Exit::Usage, format_args!("{} has no name", printable_path(place)), "name the folders in it")
    })?;
    Ok(name.as_bytes().to_vec())
}

fn unreadable(place: &Path, error: &io::Error) -> Failure {
    let problem = format!("{} cannot be read ({})", printable_path(place), reason(error));
    Failure::new(Exit::Io, problem, "check the path and its permissions")
}

#[cfg(test)]
mod tests;
