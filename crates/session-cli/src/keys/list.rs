//! What the two lists of public keys have in common: one entry a line, `#` for comments, trouble named by line.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::public::{ALGORITHM, PublicKeyError};
use crate::exit::{Exit, Failure, reason};
use crate::text::printable_path;

/// The longest list read: 10,000 entries of 400 bytes.
const MAX_FILE: u64 = 4_000_000;
/// Permission bit that lets anybody on the machine add a key.
const WORLD_WRITABLE: u32 = 0o002;

/// A place in a list.
pub(super) struct Line<'a> {
    pub(super) file: &'a Path,
    pub(super) number: usize,
    pub(super) text: &'a str,
}

impl Line<'_> {
    pub(super) fn failure(&self, problem: &str, remedy: &str) -> Failure {
        let file = printable_path(self.file);
        Failure::new(Exit::KeyFile, format_args!("{file} line {}: {problem}", self.number), remedy)
    }

    pub(super) fn bad_key(&self, error: PublicKeyError) -> Failure {
        let remedy = match error {
            PublicKeyError::IsSecret => "replace that key: a secret key in a public list must count as leaked",
            _ => "write the line that 'session pubkey' prints",
        };
        let problem = match error {
            PublicKeyError::WrongType => format!("found {error} where one is needed"),
            _ => format!("found {error}"),
        };
        self.failure(&problem, remedy)
    }
}

/// Reads the list in `file`; `None` if there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<String>, Failure> {
    let unreadable = |why: &str| {
        let problem = format!("list of keys {} cannot be read ({why})", printable_path(file));
        Failure::new(Exit::KeyFile, problem, "check the path and its permissions")
    };
    let metadata = match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&reason(&error))),
        Ok(metadata) => metadata,
    };
    if !metadata.is_file() {
        return Err(unreadable("not a regular file"));
    }
    if metadata.len() > MAX_FILE {
        return Err(unreadable("longer than 4 MB"));
    }
    if metadata.permissions().mode() & WORLD_WRITABLE != 0 {
        let file = printable_path(file);
        let problem = format!("list of keys {file} can be changed by every user of this machine");
        return Err(Failure::new(Exit::KeyFile, problem, format_args!("check it and run 'chmod o-w {file}'")));
    }
    let content = fs::read(file).map_err(|error| unreadable(&reason(&error)))?;
    String::from_utf8(content).map(Some).map_err(|_| unreadable("not UTF-8 text"))
}

/// Adds `entry` as the last line of `file`, which is made if it is not there, as is its folder; both for this user only.
pub(super) fn append(file: &Path, entry: &str) -> Result<Origin, Failure> {
    let (mut list, content) = open(file)?;
    let begin = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
    // One write: whoever else appends at the same time gets a line of its own.
    let written = list.write_all(format!("{begin}{entry}\n").as_bytes()).and_then(|()| list.sync_all());
    written.map_err(|error| unwritable(file, &error))?;
    Ok(next_line(file, &content))
}

/// Where the next entry of `file` would stand, which can be added; an empty list is made if there is none.
pub(super) fn prepare(file: &Path) -> Result<Origin, Failure> {
    open(file).map(|(_, content)| next_line(file, &content))
}

/// Opens `file` to append to it, and reads what it has.
fn open(file: &Path) -> Result<(File, String), Failure> {
    let content = read(file)?.unwrap_or_default();
    let unwritable = |error| unwritable(file, &error);
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable)?;
    }
    let list = OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(unwritable)?;
    Ok((list, content))
}

fn unwritable(file: &Path, error: &io::Error) -> Failure {
    let problem = format!("list of keys {} cannot be written ({})", printable_path(file), reason(error));
    Failure::new(Exit::Io, problem, "check the path, its permissions and the room on the disk")
}

fn next_line(file: &Path, content: &str) -> Origin {
    Origin { file: file.to_owned(), line: content.lines().count() + 1 }
}

/// The entries of a list: its lines without blank ones and comments.
pub(super) fn entries<'a>(file: &'a Path, content: &'a str) -> impl Iterator<Item = Line<'a>> {
    let numbered = content.lines().enumerate();
    numbered
        .map(move |(index, text)| Line { file, number: index + 1, text: text.trim() })
        .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
}

/// True if the key line proper starts here.
pub(super) fn is_algorithm(word: &str) -> bool {
    word == ALGORITHM
}

/// The file of a list and the line of an entry, for messages about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The list.
    pub file: PathBuf,
    /// The line, counted from one.
    pub line: usize,
}

impl From<&Line<'_>> for Origin {
    fn from(line: &Line<'_>) -> Self {
        Self { file: line.file.to_owned(), line: line.number }
    }
}
