use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

const FIRST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const SECOND: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn parse(content: &str) -> Result<KnownPeers, Failure> {
    KnownPeers::parse(Path::new("known_peers"), content)
}

#[test]
fn names_and_holders_are_found() {
    let content = format!("# mine\n\nhome session-x25519 {FIRST} the box\n  node-7.lab\tsession-x25519 {SECOND}\r\n");
    let peers = parse(&content).unwrap();
    let home = peers.named("home").unwrap();
    assert_eq!(home.key, PublicKey::from_bytes([0; 32]));
    assert_eq!(home.origin, Origin { file: "known_peers".into(), line: 3 });
    assert_eq!(peers.named("node-7.lab").unwrap().key, PublicKey::from_bytes([1; 32]));
    assert_eq!(peers.holder(&PublicKey::from_bytes([1; 32])).unwrap().name, "node-7.lab");
    assert_eq!(peers.holder(&PublicKey::from_bytes([2; 32])), None);
}

#[test]
fn what_is_added_is_read_back_and_no_name_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/known_peers");
    let mut peers = KnownPeers::load(&file).unwrap();
    let added = peers.add("home", PublicKey::from_bytes([0; 32])).unwrap().clone();
    assert_eq!(added.origin, Origin { file: file.clone(), line: 1 });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file) & 0o077, mode(file.parent().unwrap()) & 0o077), (0, 0), "for this user only");
    // A last line without its end is ended first.
    fs::write(&file, format!("home session-x25519 {FIRST}\n# end")).unwrap();
    let mut peers = KnownPeers::load(&file).unwrap();
    assert_eq!(peers.add("lab", PublicKey::from_bytes([1; 32])).unwrap().origin.line, 3);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!("home session-x25519 {FIRST}\n# end\nlab session-x25519 {SECOND}\n")
    );
    assert_eq!(KnownPeers::load(&file).unwrap(), peers);
    assert_eq!(
        peers.add("home", PublicKey::from_bytes([2; 32])).unwrap_err().to_string(),
        format!(
            "the name 'home' stands in {} line 1 already; choose another name, or remove that line",
            file.display()
        )
    );
    assert_eq!(KnownPeers::load(&file).unwrap(), peers, "nothing is written");
}

#[test]
fn unknown_name_says_where_to_add_it() {
    let failure = parse("").unwrap().named("home").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "no peer is called 'home' in known_peers; meet it by 'session pair ADDR --name home', \
         or add a line 'home session-x25519 KEY' there"
    );
    assert_eq!(failure.exit(), Exit::KeyFile);
}

#[test]
fn every_bad_line_has_its_sentence() {
    let cases = [
        (
            format!("session-x25519 {FIRST}"),
            "known_peers line 2: the name of the peer is missing; write NAME before the key",
        ),
        (
            format!("a@b session-x25519 {FIRST}"),
            "known_peers line 2: 'a@b' is not a name; use letters, digits, '.', '-' and '_', 63 at most",
        ),
        (
            format!("\u{1b}[2J session-x25519 {FIRST}"),
            "known_peers line 2: '\\u{1b}[2J' is not a name; use letters, digits, '.', '-' and '_', 63 at most",
        ),
        (
            "home".to_owned(),
            "known_peers line 2: found no session-x25519 key where one is needed; \
             write the line that 'session pubkey' prints",
        ),
        (
            "home session-x25519".to_owned(),
            "known_peers line 2: found no key after session-x25519; write the line that 'session pubkey' prints",
        ),
        (
            "home session-x25519 AAAA".to_owned(),
            "known_peers line 2: found a key that is not 44 characters of base64; \
             write the line that 'session pubkey' prints",
        ),
        (
            "home session-secret1qqq".to_owned(),
            "known_peers line 2: found a secret key; \
             replace that key: a secret key in a public list must count as leaked",
        ),
        (
            format!("home session-x25519 {FIRST}\nhome session-x25519 {SECOND}"),
            "known_peers line 3: the name 'home' stands in line 2 already; remove one of the two lines",
        ),
    ];
    for (lines, expected) in cases {
        let failure = parse(&format!("# list\n{lines}\n")).unwrap_err();
        assert_eq!((failure.to_string().as_str(), failure.exit()), (expected, Exit::KeyFile));
    }
}

#[test]
fn missing_file_is_an_empty_list_and_an_open_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_peers");
    assert_eq!(KnownPeers::load(&file).unwrap().peers, []);
    fs::write(&file, format!("home session-x25519 {FIRST}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
    KnownPeers::load(&file).unwrap().named("home").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let path = file.display();
    assert_eq!(
        KnownPeers::load(&file).unwrap_err().to_string(),
        format!(
            "list of keys {path} can be changed by every user of this machine; check it and run 'chmod o-w {path}'"
        )
    );
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, b"\xff").unwrap();
    assert_eq!(
        KnownPeers::load(&file).unwrap_err().to_string(),
        format!("list of keys {path} cannot be read (not UTF-8 text); check the path and its permissions")
    );
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(content in any::<String>(), lines in "([a#@ ]{0,3}(session-x25519)? ?[A=]{0,44}\n){0,5}") {
        let _ = parse(&content);
        let _ = parse(&lines);
    }
}
