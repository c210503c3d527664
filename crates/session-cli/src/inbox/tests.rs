use std::fs::{self, File, OpenOptions};
use std::io;

use proptest::prelude::*;
use rustix::io::Errno;

use super::*;
use crate::exit::Exit;

const CONTENT: &[u8] = b"some content";

fn digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn inbox(folder: &tempfile::TempDir, existing: Existing) -> Inbox {
    Inbox::open(folder.path(), existing).unwrap()
}

/// What a transfer does with a file of one offer.
fn offer(inbox: &Inbox, path: &[u8], length: u64) -> Result<IncomingFile, InboxError> {
    inbox.receive(&inbox.check(path, Some(length))?, length)
}

fn receive(inbox: &Inbox) -> IncomingFile {
    let mut incoming = offer(inbox, b"report.bin", CONTENT.len() as u64).unwrap();
    incoming.write(&CONTENT[..5]).unwrap();
    incoming.write(&CONTENT[5..]).unwrap();
    incoming
}

#[test]
fn proven_file_gets_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let incoming = receive(&inbox(&folder, Existing::Keep));
    assert_eq!((incoming.received(), incoming.length(), incoming.path().as_str()), (12, 12, "report.bin"));
    assert_eq!(names(folder.path()).len(), 1);
    assert!(!folder.path().join("report.bin").exists());
    incoming.commit(&digest(CONTENT)).unwrap();
    assert_eq!(names(folder.path()), ["report.bin"]);
    assert_eq!(fs::read(folder.path().join("report.bin")).unwrap(), CONTENT);
}

#[test]
fn aborted_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(receive(&inbox(&folder, Existing::Keep)));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn empty_file_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    offer(&inbox(&folder, Existing::Keep), b"empty", 0).unwrap().commit(&digest(b"")).unwrap();
    assert_eq!(fs::read(folder.path().join("empty")).unwrap(), b"");
}

#[test]
fn wrong_content_or_length_is_never_named() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = inbox(&folder, Existing::Replace);
    let error = receive(&inbox).commit(&digest(b"other")).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.exit()), ("the content does not match its SHA-256", Exit::Integrity));

    let mut incoming = offer(&inbox, b"report.bin", 4).unwrap();
    let error = incoming.write(CONTENT).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.exit()), ("4 bytes were announced and 12 came", Exit::Integrity));
    incoming.write(&CONTENT[..3]).unwrap();
    let error = incoming.commit(&digest(&CONTENT[..3])).unwrap_err();
    assert_eq!(error.to_string(), "4 bytes were announced and 3 came");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn taken_name_is_refused_at_the_offer_and_at_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = inbox(&folder, Existing::Keep);
    let late = receive(&inbox);
    fs::write(folder.path().join("report.bin"), b"another thing").unwrap();
    let error = offer(&inbox, b"report.bin", 12).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.exit()), ("a file of this name exists already", Exit::Collision));
    assert_eq!(
        error.in_folder(Path::new("in")).to_string(),
        "inbox in: a file of this name exists already; move the old file away, or listen with --force"
    );
    assert!(matches!(late.commit(&digest(CONTENT)), Err(InboxError::Collision)));
    assert_eq!(names(folder.path()), ["report.bin"]);
    assert_eq!(fs::read(folder.path().join("report.bin")).unwrap(), b"another thing");
}

/// Who sends a folder again after the link broke is not stopped by what has arrived already.
#[test]
fn the_same_file_again_is_as_good_as_there() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = inbox(&folder, Existing::Keep);
    receive(&inbox).commit(&digest(CONTENT)).unwrap();
    receive(&inbox).commit(&digest(CONTENT)).unwrap();
    assert_eq!(names(folder.path()), ["report.bin"]);

    let other = vec![b'x'; CONTENT.len()];
    fs::write(folder.path().join("report.bin"), &other).unwrap();
    assert!(matches!(receive(&inbox).commit(&digest(CONTENT)), Err(InboxError::Collision)), "only as long");
    assert_eq!(fs::read(folder.path().join("report.bin")).unwrap(), other);
    assert_eq!(names(folder.path()), ["report.bin"]);

    fs::rename(folder.path().join("report.bin"), folder.path().join("target")).unwrap();
    std::os::unix::fs::symlink("target", folder.path().join("report.bin")).unwrap();
    assert!(matches!(offer(&inbox, b"report.bin", 12), Err(InboxError::Collision)), "a link is no file");
}

#[test]
fn force_replaces_files_but_not_folders() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = inbox(&folder, Existing::Replace);
    fs::write(folder.path().join("report.bin"), b"old").unwrap();
    receive(&inbox).commit(&digest(CONTENT)).unwrap();
    assert_eq!(fs::read(folder.path().join("report.bin")).unwrap(), CONTENT);

    fs::remove_file(folder.path().join("report.bin")).unwrap();
    fs::create_dir(folder.path().join("report.bin")).unwrap();
    let error = receive(&inbox).commit(&digest(CONTENT)).unwrap_err();
    assert_eq!(
        error.in_folder(Path::new("in")).to_string(),
        "inbox in: the file cannot be written (Is a directory); check the folder and its permissions"
    );
    assert_eq!(names(folder.path()), ["report.bin"]);
}

#[test]
fn unfit_name_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let error = offer(&inbox(&folder, Existing::Replace), b"../x", 1).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.exit()), ("the file name leads out of its folder", Exit::Refused));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn folders_are_made_as_the_path_says() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = inbox(&folder, Existing::Keep);
    let content = offer(&inbox, b"a/b/.c", 0).unwrap();
    // The temporary stands where the sweep looks.
    assert!(names(folder.path()).iter().any(|name| name.starts_with("..c.PARTIAL-")));
    content.commit(&digest(b"")).unwrap();
    inbox.make_folder(&inbox.check(b"a/empty", None).unwrap()).unwrap();
    inbox.make_folder(&inbox.check(b"a/empty", None).unwrap()).unwrap();
    assert!(folder.path().join("a/b/.c").is_file() && folder.path().join("a/empty").is_dir());
    assert!(matches!(offer(&inbox, b"a/b/.c", 1), Err(InboxError::Collision)));
    assert!(matches!(offer(&inbox, b"a/empty", 0), Err(InboxError::Collision)));
    assert_eq!((names(folder.path()), names(&folder.path().join("a")).len()), (vec!["a".to_owned()], 2));
}

#[test]
fn no_path_leads_through_a_file_or_a_symbolic_link() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let inbox = inbox(&folder, Existing::Replace);
    fs::write(folder.path().join("file"), b"").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    for name in ["file", "link"] {
        for (path, length) in [(format!("{name}/x"), Some(1)), (format!("{name}/x/y"), None), (name.to_owned(), None)] {
            let error = inbox.check(path.as_bytes(), length).unwrap_err();
            assert_eq!(error.to_string(), "something else stands where a folder is needed", "{path}");
            assert_eq!(error.exit(), Exit::Collision);
        }
        // Also one that was put there after the check.
        let path = FilePath::parse(format!("{name}/x").as_bytes()).unwrap();
        assert!(matches!(inbox.receive(&path, 0), Err(InboxError::NotFolder)));
        assert!(matches!(inbox.make_folder(&path), Err(InboxError::NotFolder)));
    }
    // A link that is replaced is not followed.
    offer(&inbox, b"link", 0).unwrap().commit(&digest(b"")).unwrap();
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn full_disk_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let mut incoming = offer(&inbox(&folder, Existing::Keep), b"report.bin", 12).unwrap();
    // The kernel's own full device stands in for a full disk.
    *incoming.pending.file() = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = incoming.write(CONTENT).unwrap_err();
    assert_eq!(error.in_folder(Path::new("in")).to_string(), "inbox in: the disk is full; make room");
    assert_eq!((incoming.received(), error.exit()), (0, Exit::Io));
    drop(incoming);
    assert_eq!(names(folder.path()), [""; 0]);
    assert!(matches!(InboxError::from_io(Errno::DQUOT.into()), InboxError::NoSpace));
}

#[test]
fn vanished_folder_is_told_as_such_and_a_new_one_works() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("in");
    assert!(matches!(Inbox::open(&folder, Existing::Keep), Err(InboxError::Gone)));
    fs::create_dir(&folder).unwrap();
    let inbox = Inbox::open(&folder, Existing::Keep).unwrap();
    let incoming = receive(&inbox);
    fs::remove_dir_all(&folder).unwrap();
    let error = incoming.commit(&digest(CONTENT)).unwrap_err();
    assert_eq!(error.in_folder(Path::new("in")).to_string(), "inbox in: the folder does not exist; make the folder");
    assert!(matches!(offer(&inbox, b"report.bin", 12), Err(InboxError::Gone)));
    fs::create_dir(&folder).unwrap();
    receive(&inbox).commit(&digest(CONTENT)).unwrap();
    assert_eq!(names(&folder), ["report.bin"]);
}

#[test]
fn file_in_place_of_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    File::create(&file).unwrap();
    let error = Inbox::open(&file, Existing::Keep).unwrap_err();
    assert!(matches!(&error, InboxError::Io(error) if error.kind() == io::ErrorKind::NotADirectory), "{error:?}");
}

#[test]
fn longest_name_is_received() {
    let folder = tempfile::tempdir().unwrap();
    let name = "n".repeat(255);
    offer(&inbox(&folder, Existing::Keep), name.as_bytes(), 0).unwrap().commit(&digest(b"")).unwrap();
    assert_eq!(names(folder.path()), [name]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunks_give_the_same_file(content in proptest::collection::vec(any::<u8>(), 0..5_000), chunk in 1..700_usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut incoming = offer(&inbox(&folder, Existing::Keep), b"f", content.len() as u64).unwrap();
        for bytes in content.chunks(chunk) {
            incoming.write(bytes).unwrap();
        }
        incoming.commit(&digest(&content)).unwrap();
        prop_assert_eq!(fs::read(folder.path().join("f")).unwrap(), content);
    }

    #[test]
    fn any_offer_stays_in_the_inbox(name in proptest::collection::vec(any::<u8>(), 0..40), dots in "[./ab]{0,12}") {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("in");
        fs::create_dir(&folder).unwrap();
        let inbox = Inbox::open(&folder, Existing::Replace).unwrap();
        for name in [name.as_slice(), dots.as_bytes()] {
            // A path may be taken by what came before.
            let _ = offer(&inbox, name, 0).and_then(|incoming| incoming.commit(&digest(b"")));
        }
        prop_assert_eq!(names(parent.path()), ["in"]);
    }
}
