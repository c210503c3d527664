//! `session keygen`

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::args::Keygen;
use crate::exit::{Exit, Failure, reason};
use crate::keys::SecretKey;
use crate::output::{Event, Output};
use crate::place::{Existing, Folder};
use crate::text::printable_path;

/// Only the owner reads and writes.
const SECRET_MODE: u32 = 0o600;

pub(super) fn run(arguments: &Keygen, output: Output) -> Result<(), Failure> {
    let key = SecretKey::generate().map_err(|error| {
        let problem = format!("no random numbers from the operating system for a new key ({error})");
        Failure::new(Exit::Internal, problem, "check that this system has a random generator")
    })?;
    match &arguments.out {
        None => print(&key).map_err(|error| {
            let problem = format!("the key cannot be written to standard output ({})", reason(&error));
            Failure::new(Exit::Io, problem, "use --out FILE, or a place that you own and that has room")
        }),
        Some(path) => {
            let existing = if arguments.force { Existing::Replace } else { Existing::Keep };
            save(&key, path, existing).map_err(|error| not_saved(path, &error))?;
            // People asked for a file, and need not be told that they have it.
            if output.is_json() {
                let event = Event::new("key").text("path", &path.to_string_lossy());
                output.say("", event.text("public_key", &key.public_key().to_base64()));
            }
            Ok(())
        }
    }
}

fn print(key: &SecretKey) -> io::Result<()> {
    // Not through `io::stdout`: its buffer would keep a copy of the secret.
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if output.metadata()?.is_file() {
        // Before the first byte: whoever opens the file from now on must not be able to read it.
        output.set_permissions(Permissions::from_mode(SECRET_MODE))?;
    }
    output.write_all(key.to_line().as_bytes())
}

fn save(key: &SecretKey, path: &Path, existing: Existing) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let folder = Folder::open(path.parent().unwrap_or(Path::new("")))?;
    if existing == Existing::Keep && folder.contains(name)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut pending = folder.create(name, SECRET_MODE)?;
    pending.file().write_all(key.to_line().as_bytes())?;
    pending.commit(&folder, name, existing)
}

fn not_saved(path: &Path, error: &io::Error) -> Failure {
    let path = printable_path(path);
    if error.kind() == io::ErrorKind::AlreadyExists {
        let remedy = "choose another name, or use --force and lose the key in it";
        return Failure::new(Exit::Collision, format_args!("key file {path} exists already"), remedy);
    }
    let problem = format!("key file {path} cannot be written ({})", reason(error));
    Failure::new(Exit::Io, problem, "choose a folder that exists, that you may write to and that has room")
}
