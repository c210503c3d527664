use proptest::prelude::*;

use super::*;

const FIRST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn parse(content: &str) -> Result<AuthorizedPeers, Failure> {
    AuthorizedPeers::parse(Path::new("peers"), content)
}

#[test]
fn listed_keys_are_found_with_their_comment() {
    let peers = parse(&format!("# who may\nsession-x25519 {FIRST} the \u{202e}box\n")).unwrap();
    let peer = peers.find(&PublicKey::from_bytes([0; 32])).unwrap();
    assert_eq!(peer.comment, "the \\u{202e}box", "comments are printed in the log");
    assert_eq!(peer.origin, Origin { file: "peers".into(), line: 2 });
    assert_eq!(peers.find(&PublicKey::from_bytes([1; 32])), None);
    assert_eq!(peers.peers().len(), 1);
}

#[test]
fn every_bad_line_has_its_sentence() {
    let cases = [
        (
            format!("readonly,from=10.0.0.0/8 session-x25519 {FIRST}"),
            "peers line 1: unknown option 'readonly'; remove it: this version has no options",
        ),
        (
            format!("home session-x25519 {FIRST}"),
            "peers line 1: unknown option 'home'; remove it: this version has no options",
        ),
        (
            format!("ssh-ed25519 {FIRST}"),
            "peers line 1: found no session-x25519 key where one is needed; \
             write the line that 'session pubkey' prints",
        ),
        (
            "session-secret1qqq".to_owned(),
            "peers line 1: found a secret key; replace that key: a secret key in a public list must count as leaked",
        ),
        (
            format!("session-x25519 {FIRST} a\nsession-x25519 {FIRST} b"),
            "peers line 2: the same key stands in line 1 already; remove one of the two lines",
        ),
    ];
    for (content, expected) in cases {
        let failure = parse(&content).unwrap_err();
        assert_eq!((failure.to_string().as_str(), failure.exit()), (expected, Exit::KeyFile));
    }
}

#[test]
fn key_type_as_a_comment_is_no_option() {
    // The second word is the type only by chance of a doubled word; the line must still be refused as malformed.
    let failure = parse("session-x25519 session-x25519").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "peers line 1: found a key that is not 44 characters of base64; write the line that 'session pubkey' prints"
    );
}

#[test]
fn missing_list_is_an_error_and_an_empty_one_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("peers");
    assert_eq!(
        AuthorizedPeers::load(&file).unwrap_err().to_string(),
        format!(
            "list of authorized peers {} does not exist; write the peers' public keys to it, one a line",
            file.display()
        )
    );
    std::fs::write(&file, "# nobody yet\n").unwrap();
    assert_eq!(AuthorizedPeers::load(&file).unwrap().peers(), []);
}

#[test]
fn who_is_let_in_stands_in_the_list_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("peers");
    let mut peers = AuthorizedPeers::load_or_begin(&file).unwrap();
    let key = PublicKey::from_bytes([1; 32]);
    for _ in 0..2 {
        peers.add(&file, key, "paired peer 192.0.2.7").unwrap();
    }
    let read = AuthorizedPeers::load(&file).unwrap();
    assert_eq!(read, peers);
    assert_eq!(read.find(&key).unwrap().called("here"), "paired peer 192.0.2.7 at here");
    let nowhere = folder.path().join("peers/peers");
    assert_eq!(
        peers.add(&nowhere, PublicKey::from_bytes([2; 32]), "").unwrap_err().to_string(),
        format!(
            "list of keys {} cannot be read (Not a directory); check the path and its permissions",
            nowhere.display()
        )
    );
    assert_eq!(peers.peers().len(), 1);
}

#[test]
fn promise_lets_in_and_is_written_only_when_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("peers");
    let mut peers = AuthorizedPeers::load_or_begin(&file).unwrap();
    let [kept, withdrawn] = [1, 2].map(|byte| PublicKey::from_bytes([byte; 32]));
    for key in [kept, withdrawn] {
        peers.promise(&file, key, "new").unwrap();
        assert_eq!(peers.find(&key).unwrap().comment, "new");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    peers.add(&file, kept, "new").unwrap();
    for key in [kept, withdrawn] {
        peers.withdraw(&key);
    }
    assert_eq!(peers.find(&withdrawn), None);
    assert_eq!(peers.peers().len(), 1);
    assert_eq!(AuthorizedPeers::load(&file).unwrap(), peers);
    let nowhere = folder.path().join("peers/peers");
    assert!(peers.promise(&nowhere, withdrawn, "new").is_err(), "what cannot be kept is not promised");
    assert_eq!(peers.find(&withdrawn), None);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(content in any::<String>(), lines in "([a,= ]{0,3}(session-x25519)? ?[A=]{0,44}\n){0,5}") {
        let _ = parse(&content);
        let _ = parse(&lines);
    }
}
