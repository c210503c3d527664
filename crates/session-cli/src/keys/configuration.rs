//! Where a user's configuration lives, by the XDG base directory specification.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::exit::{Exit, Failure};

/// The folder `session` in the user's configuration folder.
///
/// `variable` looks a variable up in the environment.
///
/// # Errors
/// A sentence, where neither `XDG_CONFIG_HOME` nor `HOME` holds an absolute path.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Failure> {
    // The specification has relative paths ignored.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    base.map(|base| base.join("session")).ok_or_else(|| {
        let problem = "the configuration folder is unknown: neither XDG_CONFIG_HOME nor HOME is an absolute path";
        Failure::new(Exit::KeyFile, problem, "set HOME")
    })
}

/// The list of known peers.
///
/// # Errors
/// As [`folder`].
pub fn known_peers(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, Failure> {
    Ok(folder(variable)?.join("known_peers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(xdg: Option<&str>, home: Option<&str>) -> Result<PathBuf, Failure> {
        known_peers(|name| match name {
            "XDG_CONFIG_HOME" => xdg.map(OsString::from),
            "HOME" => home.map(OsString::from),
            _ => None,
        })
    }

    #[test]
    fn xdg_folder_comes_before_home() {
        assert_eq!(file(Some("/x"), Some("/h")), Ok(PathBuf::from("/x/session/known_peers")));
        assert_eq!(file(None, Some("/h")), Ok(PathBuf::from("/h/.config/session/known_peers")));
    }

    #[test]
    fn relative_and_empty_paths_are_ignored() {
        assert_eq!(file(Some("x"), Some("/h")), Ok(PathBuf::from("/h/.config/session/known_peers")));
        assert_eq!(file(Some(""), Some("/h")), Ok(PathBuf::from("/h/.config/session/known_peers")));
        assert_eq!(
            file(None, Some("h")).unwrap_err().to_string(),
            "the configuration folder is unknown: neither XDG_CONFIG_HOME nor HOME is an absolute path; set HOME"
        );
    }
}
