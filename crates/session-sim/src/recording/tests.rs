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
