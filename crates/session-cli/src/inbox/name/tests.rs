use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;

#[test]
fn plain_names_pass_unchanged() {
    for name in ["a", "report.bin", "Grüße (1).txt", "x..y", "a.", "-rf", "~", &"n".repeat(255)] {
        assert_eq!(FileName::parse(name.as_bytes()).as_ref().map(FileName::as_str), Ok(name));
    }
}

#[test]
fn every_unfit_name_has_its_reason() {
    let cases: [(&[u8], NameError); 16] = [
        (b"", NameError::Empty),
        (&[b'n'; 256], NameError::TooLong),
        (b"\xff", NameError::NotText),
        (b"a/b", NameError::Separator),
        (b"/etc/passwd", NameError::Separator),
        (b"../x", NameError::Separator),
        (b"a/", NameError::Separator),
        (b"a\\b", NameError::Separator),
        (b"a\0b", NameError::Control),
        (b"a\nb", NameError::Control),
        (b"\x1b[2J", NameError::Control),
        ("a\u{202e}gpj.exe".as_bytes(), NameError::Control),
        (b".", NameError::LeadingDot),
        (b"..", NameError::LeadingDot),
        (b".bashrc", NameError::LeadingDot),
        (b".x.PARTIAL-0123456789abcdef", NameError::LeadingDot),
    ];
    for (name, error) in cases {
        assert_eq!(FileName::parse(name), Err(error), "{}", name.escape_ascii());
    }
}

fn stays_in_its_folder(name: &FileName) -> bool {
    let mut components = Path::new(name.as_str()).components();
    let only = components.next();
    matches!(only, Some(Component::Normal(component)) if component == name.as_os_str()) && components.next().is_none()
}

proptest! {
    #[test]
    fn what_passes_is_one_visible_component(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(name) = FileName::parse(&bytes) {
            prop_assert!(stays_in_its_folder(&name) && name.as_str().len() <= 255 && !name.as_str().starts_with('.'));
        }
    }

    #[test]
    fn names_of_dots_slashes_and_controls_never_escape(name in "[./\\\\a\0\n\u{1b}]{0,12}") {
        if let Ok(name) = FileName::parse(name.as_bytes()) {
            prop_assert!(stays_in_its_folder(&name));
            prop_assert!(name.as_str().chars().all(|character| matches!(character, 'a' | '.')));
        }
    }

    #[test]
    fn plain_text_passes(name in "[a-zA-Z0-9_ äß-][a-zA-Z0-9_. äß-]{0,80}") {
        prop_assert!(FileName::parse(name.as_bytes()).is_ok());
    }
}
