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
    pending.commit(&Folder::open(folder.path()).unwrap(), OsStr::new("new"), Existing::Keep).unwrap();
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
    let error = pending(folder.path(), b"content")
        .commit(&Folder::open(folder.path()).unwrap(), OsStr::new("new"), Existing::Keep)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"old");
    pending(folder.path(), b"content")
        .commit(&Folder::open(folder.path()).unwrap(), OsStr::new("new"), Existing::Replace)
        .unwrap();
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
    pending(folder.path(), b"content")
        .commit(&Folder::open(folder.path()).unwrap(), OsStr::new("new"), Existing::Keep)
        .unwrap_err();
    pending(folder.path(), b"content")
        .commit(&Folder::open(folder.path()).unwrap(), OsStr::new("new"), Existing::Replace)
        .unwrap();
    assert!(!target.exists(), "nothing was written through the link");
    assert!(folder.path().join("new").symlink_metadata().unwrap().is_file());
}

#[test]
fn file_ends_in_the_folder_that_was_opened() {
    let parent = tempfile::tempdir().unwrap();
    let (before, after) = (parent.path().join("before"), parent.path().join("after"));
    fs::create_dir(&before).unwrap();
    let target = Folder::open(&before).unwrap();
    let pending = pending(&before, b"content");
    fs::rename(&before, &after).unwrap();
    fs::create_dir(&before).unwrap();
    pending.commit(&target, OsStr::new("new"), Existing::Keep).unwrap();
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
    pending(folder.path(), b"first").link_keeping(&Folder::open(folder.path()).unwrap(), OsStr::new("new")).unwrap();
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(
        pending(folder.path(), b"second").link_keeping(&Folder::open(folder.path()).unwrap(), OsStr::new("new")),
        Err(Errno::EXIST)
    );
    assert_eq!(names(folder.path()), ["new"]);
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"first");
}

#[test]
fn sweep_takes_what_nobody_works_on_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut alive = pending(folder.path(), b"alive");
    let dead = ".dead.PARTIAL-0123456789abcdef";
    fs::write(path(dead), b"dead").unwrap();
    // Each is almost one of ours.
    let others = [
        ".PARTIAL-0123456789abcdef",
        "..PARTIAL-0123456789abcdef",
        ".x.PARTIAL-0123456789abcde",
        ".x.PARTIAL-0123456789abcdeF",
        ".x.PARTIAL-0123456789abcdeff",
        ".x.PARTIAL-",
        "x.PARTIAL-0123456789abcdef",
        ".x.partial-0123456789abcdef",
    ];
    others.iter().for_each(|name| fs::write(path(name), b"other").unwrap());
    // Of the right name, but no regular file.
    fs::create_dir(path(".folder.PARTIAL-0123456789abcdef")).unwrap();
    fs::write(path("target"), b"target").unwrap();
    std::os::unix::fs::symlink(path("target"), path(".link.PARTIAL-0123456789abcdef")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path(".pipe.PARTIAL-0123456789abcdef"), Mode::RUSR).unwrap();

    let before = names(folder.path());
    let swept = Folder::open(folder.path()).unwrap().sweep().unwrap();
    let after = names(folder.path());
    assert_eq!(swept, 1);
    assert_eq!(before.into_iter().filter(|name| name != dead).collect::<Vec<_>>(), after);

    alive.file().write_all(b" and well").unwrap();
    alive.commit(&Folder::open(folder.path()).unwrap(), OsStr::new("new"), Existing::Keep).unwrap();
    assert_eq!(fs::read(path("new")).unwrap(), b"alive and well");
}

#[test]
fn files_are_made_while_others_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let folder = Folder::open(folder.path()).unwrap();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                folder.sweep().unwrap();
            }
        });
        for number in 0..200_u32 {
            let name = number.to_string();
            let mut pending = Folder::open(folder.path()).unwrap().create(OsStr::new(&name), 0o600).unwrap();
            pending.file().write_all(b"content").unwrap();
            pending.commit(&Folder::open(folder.path()).unwrap(), OsStr::new(&name), Existing::Keep).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(names(folder.path()).len(), 200);
}

#[test]
fn file_may_end_in_a_folder_below() {
    let folder = tempfile::tempdir().unwrap();
    let below = Folder::open(folder.path()).unwrap().descend(OsStr::new("below"), true).unwrap();
    pending(folder.path(), b"first").commit(&below, OsStr::new("new"), Existing::Keep).unwrap();
    let error = pending(folder.path(), b"second").commit(&below, OsStr::new("new"), Existing::Keep).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!((names(folder.path()), names(&folder.path().join("below"))), (vec!["below".into()], vec!["new".into()]));
}
