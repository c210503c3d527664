use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;

#[test]
fn plain_paths_pass_unchanged() {
    let plain = [
        "a",
        "report.bin",
        "Grüße (1).txt",
        "x..y",
        "a.",
        "-rf",
        "~",
        "a/b",
        "a/.git/config",
        "a/...",
        &"n".repeat(255),
    ];
    for path in plain {
        assert_eq!(FilePath::parse(path.as_bytes()).as_ref().map(FilePath::as_str), Ok(path));
    }
    let deep = vec!["d"; 64].join("/");
    assert!(FilePath::parse(deep.as_bytes()).is_ok());
}

#[test]
fn every_unfit_path_has_its_reason() {
    let long_name = "n".repeat(256);
    let long_path = vec!["n".repeat(200); 20].join("/");
    let deep = vec!["d"; 65].join("/");
    let cases: [(&[u8], NameError); 26] = [
        (b"", NameError::Empty),
        (b"/etc/passwd", NameError::Empty),
        (b"a/", NameError::Empty),
        (b"a//b", NameError::Empty),
        (b"/", NameError::Empty),
        (long_name.as_bytes(), NameError::TooLong),
        (long_path.as_bytes(), NameError::TooDeep),
        (deep.as_bytes(), NameError::TooDeep),
        (b"\xff", NameError::NotText),
        (b"a\\b", NameError::Separator),
        (b"..\\x", NameError::Separator),
        (b"a\0b", NameError::Control),
        (b"a\nb", NameError::Control),
        (b"a/b\n", NameError::Control),
        (b"\x1b[2J", NameError::Control),
        ("a\u{202e}gpj.exe".as_bytes(), NameError::Control),
        (b".", NameError::Relative),
        (b"..", NameError::Relative),
        (b"../x", NameError::Relative),
        (b"a/../../x", NameError::Relative),
        (b"a/./x", NameError::Relative),
        (b"a/..", NameError::Relative),
        (b".bashrc", NameError::LeadingDot),
        (b".ssh/authorized_keys", NameError::LeadingDot),
        (b".x.PARTIAL-0123456789abcdef", NameError::Temporary),
        (b"a/.x.PARTIAL-0123456789abcdef", NameError::Temporary),
    ];
    for (path, error) in cases {
        assert_eq!(FilePath::parse(path), Err(error), "{}", path.escape_ascii());
    }
}

fn stays_below(path: &FilePath) -> bool {
    let (folders, name) = path.split();
    let names: Vec<_> = folders.chain([name]).collect();
    let components = Path::new(path.as_str()).components();
    components.map(|part| if let Component::Normal(part) = part { part } else { OsStr::new("") }).eq(names)
}

proptest! {
    #[test]
    fn what_passes_is_made_of_names(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(path) = FilePath::parse(&bytes) {
            prop_assert!(stays_below(&path) && !path.as_str().starts_with('.'));
        }
    }

    #[test]
    fn paths_of_dots_slashes_and_controls_never_escape(path in "[./\\\\a\0\n\u{1b}]{0,12}") {
        if let Ok(path) = FilePath::parse(path.as_bytes()) {
            prop_assert!(stays_below(&path));
            prop_assert!(path.as_str().chars().all(|character| matches!(character, 'a' | '.' | '/')));
        }
    }

    #[test]
    fn plain_text_passes(path in "[a-zA-Z0-9_ äß-][a-zA-Z0-9_. äß-]{0,80}(/[a-zA-Z0-9_ äß-]{1,9}){0,3}") {
        prop_assert!(FilePath::parse(path.as_bytes()).is_ok());
    }
}
