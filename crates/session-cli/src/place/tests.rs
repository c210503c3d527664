use std::fs;
use std::io::Write as _;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn pending(folder: &Path, content: &[u8]) -> Pending {
    let mut pending = Folder::open(folder).unwrap().create(OsStr::new("new"), 0o600).unwrap();
    pending.file().write_all(content).unwrap();
    pending
}

#[test]
fn file_appears_only_on_commit() {
    let folder = tempfile::tempdir().unwrap();
    let pending = pending(folder.path(), b"content");
    let [name] = &names(folder.path())[..] else { panic!("one temporary") };
    assert!(name.starts_with(".new.PARTIAL-") && name.len() == ".new.PARTIAL-".len() + 16, "{name}");
    pending.commit(OsStr::new("new"), Existing::Keep).unwrap();
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"content");
}

#[test]
fn dropped_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(pending(folder.path(), b"content"));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn taken_name_is_kept_or_replaced_as_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("new"), b"old").unwrap();
    let error = pending(folder.path(), b"content").commit(OsStr::new("new"), Existing::Keep).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"old");
    pending(folder.path(), b"content").commit(OsStr::new("new"), Existing::Replace).unwrap();
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"content");
}

#[test]
fn symbolic_link_is_taken_and_never_followed() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    std::os::unix::fs::symlink(&target, folder.path().join("new")).unwrap();
    assert!(Folder::open(folder.path()).unwrap().contains(OsStr::new("new")).unwrap());
    pending(folder.path(), b"content").commit(OsStr::new("new"), Existing::Keep).unwrap_err();
    pending(folder.path(), b"content").commit(OsStr::new("new"), Existing::Replace).unwrap();
    assert!(!target.exists(), "nothing was written through the link");
    assert!(folder.path().join("new").symlink_metadata().unwrap().is_file());
}

#[test]
fn file_ends_in_the_folder_that_was_opened() {
    let parent = tempfile::tempdir().unwrap();
    let (before, after) = (parent.path().join("before"), parent.path().join("after"));
    fs::create_dir(&before).unwrap();
    let pending = pending(&before, b"content");
    fs::rename(&before, &after).unwrap();
    fs::create_dir(&before).unwrap();
    pending.commit(OsStr::new("new"), Existing::Keep).unwrap();
    assert_eq!((names(&before), names(&after)), (vec![], vec!["new".to_owned()]));
}

#[test]
fn longest_names_have_temporaries_that_fit() {
    for name in ["n".repeat(255), "ß".repeat(127)] {
        let temporary = temporary_name(OsStr::new(&name)).unwrap();
        assert!((250..=255).contains(&temporary.len()), "{temporary:?}");
    }
}

#[test]
fn fallback_without_the_rename_flag_keeps_too() {
    let folder = tempfile::tempdir().unwrap();
    pending(folder.path(), b"first").link_keeping(OsStr::new("new")).unwrap();
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(pending(folder.path(), b"second").link_keeping(OsStr::new("new")), Err(Errno::EXIST));
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"first");
}
