use std::os::unix::fs::symlink;

use super::*;

/// A folder `top` with files, folders, and things that are neither.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("top");
    fs::create_dir_all(top.join("b/empty")).unwrap();
    fs::write(top.join("a"), "1").unwrap();
    fs::write(top.join("b/.hidden"), "22").unwrap();
    fs::write(top.join("c"), "").unwrap();
    symlink("/etc", top.join("b/link")).unwrap();
    symlink("nowhere", top.join("dangling")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, top.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
    folder
}

fn paths(tree: &Tree) -> Vec<(&str, Option<u64>)> {
    tree.entries().iter().map(|entry| (entry.path.as_str(), entry.length)).collect()
}

#[test]
fn folder_comes_whole_and_in_order() {
    let folder = folder();
    let tree = Tree::find(&[folder.path().join("top")]).unwrap();
    let expected = [
        ("top", None),
        ("top/a", Some(1)),
        ("top/b", None),
        ("top/b/.hidden", Some(2)),
        ("top/b/empty", None),
        ("top/c", Some(0)),
    ];
    assert_eq!(paths(&tree), expected);
    assert_eq!((tree.files(), tree.bytes()), (3, 3));
    let left_out: Vec<_> = tree.left_out().iter().map(|left| (left.place.file_name().unwrap(), left.what)).collect();
    let expected = [("link", "symbolic link"), ("dangling", "symbolic link"), ("pipe", "pipe, socket or device")];
    assert_eq!(left_out, expected.map(|(name, what)| (std::ffi::OsStr::new(name), what)));
}

#[test]
fn named_link_is_followed_and_dots_have_the_name_of_their_folder() {
    let folder = folder();
    symlink(folder.path().join("top/b"), folder.path().join("other")).unwrap();
    let tree = Tree::find(&[folder.path().join("other"), folder.path().join("top/b/.."), folder.path().join("top/c")])
        .unwrap();
    let top: Vec<_> = paths(&tree).into_iter().map(|(path, _)| path).filter(|path| !path.contains('/')).collect();
    assert_eq!(top, ["other", "top", "c"]);
    assert_eq!(Tree::find(&[PathBuf::from("/")]).unwrap_err().to_string(), "/ has no name; name the folders in it");
}

#[test]
fn what_cannot_be_sent_is_named() {
    let folder = folder();
    let place = |name: &str| folder.path().join(name);
    let shown = folder.path().display();
    let find = |paths: &[PathBuf]| Tree::find(paths).unwrap_err().to_string();
    assert_eq!(
        find(&[place("top/a"), place("a")]),
        format!(
            "{shown}/top/a and {shown}/a would have one name in the inbox; send them one after the other, or from a folder above both"
        )
    );
    assert_eq!(
        find(&[place("top/pipe")]),
        format!("{shown}/top/pipe is a pipe, socket or device; name files and folders")
    );
    assert_eq!(
        find(&[place("top/dangling")]),
        format!("{shown}/top/dangling cannot be read (No such file or directory); check the path and its permissions")
    );
    assert_eq!(
        find(&[place("top/b/.hidden")]),
        format!("{shown}/top/b/.hidden cannot be sent: the file name starts with a dot; give it another name")
    );
    fs::write(place("top/b/two\nlines"), "").unwrap();
    assert_eq!(
        find(&[place("top")]),
        format!(
            "{shown}/top/b/two\\u{{a}}lines cannot be sent: the file name has control characters; give it another name"
        )
    );
}
