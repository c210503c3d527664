use std::path::Path;

use proptest::prelude::*;

use super::*;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn address(text: &str) -> Result<Address, PeerAddressError> {
    format!("home@{text}").parse::<PeerAddress>().map(|parsed| parsed.address)
}

#[test]
fn key_or_name_stands_before_the_at() {
    let key = format!("{KEY}@192.0.2.1:7000").parse::<PeerAddress>().unwrap();
    assert_eq!(key.peer, Peer::Key(PublicKey::from_bytes([0; 32])));
    assert_eq!("home@h:1".parse::<PeerAddress>().unwrap().peer, Peer::Name("home".to_owned()));
    let cases = [
        ("home", PeerAddressError::NoAt),
        ("", PeerAddressError::NoAt),
        ("@h:1", PeerAddressError::Peer),
        ("ho me@h:1", PeerAddressError::Peer),
        ("AAAA=@h:1", PeerAddressError::Peer),
        ("session-secret1qqq@h:1", PeerAddressError::SecretKey),
        ("a@b@h:1", PeerAddressError::Address),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<PeerAddress>(), Err(error), "{text}");
    }
}

#[test]
fn addresses_are_sockets_or_hosts() {
    for text in ["192.0.2.1:7000", "[2001:db8::1]:7000", "[::1]:1", "[fe80::1%3]:65535"] {
        assert_eq!(address(text), Ok(Address::Socket(text.parse().unwrap())));
    }
    for (text, name, port) in [("localhost:7000", "localhost", 7_000), ("a-b.example.:65535", "a-b.example.", 65_535)] {
        assert_eq!(address(text), Ok(Address::Host { name: name.to_owned(), port }));
        assert_eq!(address(text).unwrap().to_string(), text);
    }
}

#[test]
fn every_unfit_address_has_its_reason() {
    let cases = [
        ("", PeerAddressError::Address),
        (":7000", PeerAddressError::Address),
        ("192.0.2.1", PeerAddressError::Address),
        ("192.0.2.256:7000", PeerAddressError::Address),
        ("192.0.2.1:0", PeerAddressError::Port),
        ("192.0.2.1:65536", PeerAddressError::Address),
        ("localhost", PeerAddressError::Port),
        ("localhost:", PeerAddressError::Port),
        ("localhost:+1", PeerAddressError::Port),
        ("localhost:0", PeerAddressError::Port),
        ("-x:7000", PeerAddressError::Address),
        ("a..b:7000", PeerAddressError::Address),
        ("2001:db8::1:7000", PeerAddressError::Brackets),
        ("[2001:db8::1]", PeerAddressError::Port),
        ("[2001:db8::1]:0", PeerAddressError::Port),
        ("[2001:db8::g]:7000", PeerAddressError::Address),
    ];
    for (text, error) in cases {
        assert_eq!(address(text), Err(error), "{text}");
    }
}

#[test]
fn name_is_resolved_and_key_needs_no_list() {
    let list = || KnownPeers::parse(Path::new("known_peers"), &format!("home session-x25519 {KEY}\n"));
    let zero = PublicKey::from_bytes([0; 32]);
    assert_eq!(Peer::Name("home".to_owned()).resolve(list), Ok(zero));
    assert_eq!(Peer::Key(zero).resolve(|| panic!("not looked at")), Ok(zero));
    let failure = Peer::Name("work".to_owned()).resolve(list).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "no peer is called 'work' in known_peers; meet it by 'session pair ADDR --name work', \
         or add a line 'work session-x25519 KEY' there"
    );
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), near in "[a0-9@:.\\[\\]%-]{0,30}") {
        let _ = text.parse::<PeerAddress>();
        if let Ok(parsed) = near.parse::<PeerAddress>() {
            prop_assert_eq!(parsed.address.to_string().parse::<Address>(), Ok(parsed.address));
        }
    }
}
