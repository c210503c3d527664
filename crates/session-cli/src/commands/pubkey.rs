//! `session pubkey`

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use crate::args::Pubkey;
use crate::exit::{Exit, Failure, reason};
use crate::keys::SecretKey;
use crate::keys::public::PublicKeyLine;
use crate::keys::secret_file::SecretKeyError;
use crate::output::{Event, Output};

pub(super) fn run(arguments: &Pubkey, output: Output) -> Result<(), Failure> {
    let file = arguments.file.as_deref().filter(|file| *file != Path::new("-"));
    let secret = match file {
        Some(file) => SecretKey::load(file),
        None => standard_input(),
    };
    let key = secret.map_err(|error| error.in_file(file))?.public_key();
    let line = PublicKeyLine { key, comment: arguments.comment.clone() };
    let event = Event::new("public_key").text("public_key", &key.to_base64()).text("comment", &line.comment);
    output.try_say(&line, event).map_err(|error| {
        let problem = format!("the public key cannot be written to standard output ({})", reason(&error));
        Failure::new(Exit::Io, problem, "write it to a place that has room")
    })
}

fn standard_input() -> Result<SecretKey, SecretKeyError> {
    // Not through `io::stdin`: its buffer would keep a copy of the secret.
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(SecretKeyError::Unreadable)?;
    SecretKey::read(File::from(input))
}
