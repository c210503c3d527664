//! Text of others, made safe to print.

use std::fmt;
use std::path::Path;

/// Shows text with control characters, bidirectional overrides and line breaks escaped, so that a name on a disk or
/// from a peer can neither move the cursor nor fake a second line.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_deceptive(character) {
                write!(formatter, "{}", character.escape_unicode())?;
            } else {
                fmt::Write::write_char(formatter, character)?;
            }
        }
        Ok(())
    }
}

/// A path as the user may see it.
pub(crate) fn printable_path(path: &Path) -> String {
    Printable(&path.to_string_lossy()).to_string()
}

/// `1 file`, `2 files`, `3 echoes`.
pub(crate) fn count_of(count: usize, what: &str) -> String {
    let ending = match (count, what.ends_with(['o', 's', 'x'])) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {what}{ending}")
}

/// True for characters that change how their neighbours look: controls, line separators, bidirectional marks.
pub(crate) fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_english() {
        let counts =
            [(0, "file"), (1, "file"), (2, "file"), (1, "echo"), (2, "echo")].map(|(n, what)| count_of(n, what));
        assert_eq!(counts, ["0 files", "1 file", "2 files", "1 echo", "2 echoes"]);
    }

    #[test]
    fn controls_are_escaped_and_text_is_not() {
        assert_eq!(Printable("Grüße\u{1b}[2J\nerror: \u{202e}x").to_string(), r"Grüße\u{1b}[2J\u{a}error: \u{202e}x");
    }
}
