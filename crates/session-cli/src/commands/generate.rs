//! `session generate`: manual pages and shell completions, made from the command line that is parsed.

use std::fs::File;
use std::io;
use std::path::Path;

use clap::{CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

use crate::args::{Arguments, Generate};
use crate::exit::{Exit, Failure, reason};
use crate::text::printable_path;

pub(super) fn run(arguments: &Generate) -> Result<(), Failure> {
    let folder = &arguments.folder;
    generate(folder).map_err(|error| {
        let problem = format!("folder {} cannot be written to ({})", printable_path(folder), reason(&error));
        Failure::new(Exit::Io, problem, "name a folder that exists and that you may write to")
    })
}

fn generate(folder: &Path) -> io::Result<()> {
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut Arguments::command(), "session", folder)?;
    }
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Gives each subcommand its full name.
    command.build();
    page(folder, "session", command.clone())?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        page(folder, &format!("session-{}", subcommand.get_name()), subcommand.clone())?;
    }
    Ok(())
}

fn page(folder: &Path, name: &str, command: clap::Command) -> io::Result<()> {
    let mut file = File::create(folder.join(format!("{name}.1")))?;
    // The line for `--version` goes where the page has its version.
    clap_mangen::Man::new(command).title(name.to_uppercase()).render(&mut file)
}
