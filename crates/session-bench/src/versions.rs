//! The versions this program was built with, from the lock file.

const LOCK: &str = include_str!("../../../Cargo.lock");

/// The version of a package, the newest where there are several; `None` if it is not in the lock file.
pub(crate) fn locked(package: &str) -> Option<&'static str> {
    let wanted = format!("name = \"{package}\"");
    let mut lines = LOCK.lines();
    let mut found = None;
    while let Some(line) = lines.next() {
        if line == wanted {
            found = lines.next().and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::locked;

    #[test]
    fn packages_of_the_lock_file_have_versions_and_others_have_none() {
        assert_eq!(locked("session-core"), Some(env!("CARGO_PKG_VERSION")));
        assert!(locked("quinn").expect("a peer").starts_with("0.11."));
        assert_eq!(locked("no-such-package"), None);
    }
}
