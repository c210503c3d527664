//! What a command says: lines for people, or with `--json` one object a line for programs.
//!
//! The events and their fields are listed in `docs/cli.md`. What stands there stays; fields may be added.

use std::fmt::{self, Write as _};
use std::io;

use crate::exit::Failure;
use crate::text::{Printable, is_deceptive};

/// Where a command's words go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    json: bool,
}

/// One line for programs: a name, then fields in the order in which they were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event(String);

impl Output {
    /// Objects on standard output if `json`, else lines.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// True for objects.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// A result, on standard output. That nobody reads it is no reason to stop.
    pub fn say(self, line: impl fmt::Display, event: Event) {
        let _ = self.try_say(line, event);
    }

    /// A result, on standard output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn try_say(self, line: impl fmt::Display, event: Event) -> io::Result<()> {
        if self.json {
            write_line(io::stdout(), &event.finish())
        } else {
            write_line(io::stdout(), &Printable(&line.to_string()).to_string())
        }
    }

    /// What goes on meanwhile: on standard error, so that only results stand on standard output; for programs with the rest.
    pub fn remark(self, line: impl fmt::Display, event: Event) {
        let _ = if self.json {
            write_line(io::stdout(), &event.finish())
        } else {
            write_line(io::stderr(), &Printable(&line.to_string()).to_string())
        };
    }

    /// How the run failed.
    pub fn fail(self, failure: &Failure) {
        let exit = failure.exit();
        let event = Event::new("error")
            .number("exit", u64::from(exit.code()))
            .text("class", exit.name())
            .text("problem", failure.problem())
            .text("remedy", failure.remedy());
        self.remark(format_args!("error: {failure}"), event);
    }
}

/// In one piece, so that lines of several tasks do not mix.
fn write_line(mut output: impl io::Write, line: &str) -> io::Result<()> {
    output.write_all(format!("{line}\n").as_bytes())?;
    output.flush()
}

impl Event {
    /// An event called `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(String::from("{")).text("event", name)
    }

    /// With a text.
    #[must_use]
    pub fn text(mut self, field: &str, value: &str) -> Self {
        self.field(field);
        quote(&mut self.0, value);
        self
    }

    /// With a whole number.
    #[must_use]
    pub fn number(mut self, field: &str, value: u64) -> Self {
        self.field(field);
        let _ = write!(self.0, "{value}");
        self
    }

    /// With a number to three places; `null` where there is none.
    #[must_use]
    pub fn decimal(mut self, field: &str, value: Option<f64>) -> Self {
        self.field(field);
        let _ = match value.filter(|value| value.is_finite()) {
            Some(value) => write!(self.0, "{value:.3}"),
            None => write!(self.0, "null"),
        };
        self
    }

    /// The line.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn field(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(&mut self.0, name);
        self.0.push(':');
    }
}

fn quote(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            // All of these are below U+10000, so that one escape is enough.
            _ if is_deceptive(character) => {
                let _ = write!(line, "\\u{:04x}", u32::from(character));
            }
            _ => line.push(character),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests;
