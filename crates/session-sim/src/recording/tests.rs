use super::*;

fn key(recording: &Recording) -> RecordedKey {
    recording.expand(&Secret::new([7; 32]))
}

#[test]
#[should_panic(expected = "was used before")]
fn a_nonce_used_twice_is_noticed() {
    let recording = Recording::new();
    let _ = recording.seal(&key(&recording), &[0; 12], b"", &mut [1]);
    let _ = recording.seal(&key(&recording), &[0; 12], b"", &mut [2]);
}

#[test]
#[should_panic(expected = "nobody has sealed")]
fn a_text_of_nobody_is_noticed() {
    let recording = Recording::new();
    let mut text = [1];
    let tag = RustCrypto.seal(&key(&recording).key, &[0; 12], b"", &mut text);
    let _ = recording.open(&key(&recording), &[0; 12], b"", &mut text, &tag);
}

#[test]
fn an_honest_text_opens_as_often_as_it_comes() {
    let recording = Recording::new();
    let mut text = *b"text";
    let tag = recording.seal(&key(&recording), &[0; 12], b"a", &mut text);
    for _ in 0..2 {
        let mut copy = text;
        recording.open(&key(&recording), &[0; 12], b"a", &mut copy, &tag).unwrap();
        assert_eq!(&copy, b"text");
    }
    assert_eq!((recording.sealed(), recording.arrived(), recording.opened()), (1, 1, 2));
}

#[test]
fn without_a_curve_both_ends_agree_and_others_do_not() {
    let recording = Recording::without_curve();
    let secrets = [1, 2, 3].map(|byte| Secret::new([byte; 32]));
    let publics = [0, 1, 2].map(|index| recording.public_key(&secrets[index]));
    let shared =
        |one: usize, other: usize| *recording.dh(&secrets[one], &publics[other]).expect("a key").dangerous_expose();
    assert_eq!(shared(0, 1), shared(1, 0));
    assert!(shared(0, 1) != shared(0, 2) && shared(0, 2) != shared(1, 2) && publics.iter().all(|key| key[31] < 0x80));
    assert_ne!(publics[0], RustCrypto.public_key(&secrets[0]));
}

#[test]
fn what_two_keys_have_in_common_is_computed_once_and_right() {
    let recording = Recording::new();
    let secrets = [Secret::new([1; 32]), Secret::new([2; 32])];
    let [one, other] = [&secrets[0], &secrets[1]].map(|secret| recording.public_key(secret));
    let truth = *RustCrypto.dh(&secrets[0], &other).expect("no low order").dangerous_expose();
    for _ in 0..2 {
        for (secret, public) in [(&secrets[0], &other), (&secrets[1], &one)] {
            assert_eq!(*recording.dh(secret, public).expect("no low order").dangerous_expose(), truth);
        }
    }
    let computed = recording.ledger().shared.len();
    assert_eq!((computed, recording.usage().diffie_hellmans), (1, 4));
    // A key of low order is refused each time, and another encoding of a known key is another key.
    assert!((0..2).all(|_| recording.dh(&secrets[0], &[0; 32]).is_err()));
    let mut same = other;
    same[31] |= 0x80;
    let bytes = |shared: Result<Secret, DhError>| shared.map(|shared| *shared.dangerous_expose());
    assert_eq!(bytes(recording.dh(&secrets[0], &same)), bytes(RustCrypto.dh(&secrets[0], &same)));
}
