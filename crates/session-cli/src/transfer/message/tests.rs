use proptest::prelude::*;

use super::*;

fn answers() -> impl Strategy<Value = Answer> {
    let whys = proptest::sample::select(&Why::ALL[..]);
    (any::<u32>(), whys, ".{0,40}").prop_map(|(index, why, text)| Answer { index, why, text })
}

fn entries() -> impl Strategy<Value = Entry> {
    (proptest::collection::vec(any::<u8>(), 0..100), any::<Option<u64>>())
        .prop_map(|(path, length)| Entry { path, length })
}

fn messages() -> impl Strategy<Value = Message> {
    prop_oneof![
        proptest::collection::vec(entries(), 1..20).prop_map(Message::Offer),
        Just(Message::Accept),
        answers().prop_map(Message::Refuse),
        any::<[u8; 32]>().prop_map(Message::Digest),
        Just(Message::Delivered),
        answers().prop_map(Message::Failed),
    ]
}

proptest! {
    #[test]
    fn every_message_survives_the_way(message in messages()) {
        let bytes = message.to_bytes();
        prop_assert!(bytes.len() <= MAX_MESSAGE);
        if let Message::Offer(entries) = &message {
            prop_assert_eq!(bytes.len(), 1 + entries.iter().map(Entry::size).sum::<usize>());
        }
        prop_assert_eq!(Message::parse(&bytes), Ok(message));
    }

    #[test]
    fn one_byte_more_or_less_is_another_message_or_none(message in messages(), extra: u8) {
        let mut bytes = message.to_bytes();
        bytes.push(extra);
        prop_assert_ne!(Message::parse(&bytes), Ok(message.clone()));
        bytes.truncate(bytes.len() - 2);
        prop_assert_ne!(Message::parse(&bytes), Ok(message));
    }

    #[test]
    fn whatever_parses_is_written_as_it_came(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }
}

#[test]
fn bytes_are_those_of_the_table() {
    let file = Entry { path: b"a/b".to_vec(), length: Some(258) };
    let folder = Entry { path: b"c".to_vec(), length: None };
    let offer = Message::Offer(vec![file, folder]);
    assert_eq!(offer.to_bytes(), [1, 1, 0, 3, b'a', b'/', b'b', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 1, b'c']);
    let answer = Answer { index: 258, why: Why::Collision, text: "no".to_owned() };
    assert_eq!(Message::Refuse(answer).to_bytes(), [3, 0, 0, 1, 2, 2, b'n', b'o']);
}

#[test]
fn unknown_kinds_classes_and_lengths_are_refused() {
    let long_path = [&[1, 0, 0x0f, 0xa1][..], &[b'a'; 4001]].concat();
    let long_text = [&[3, 0, 0, 0, 0, 1][..], &[b'a'; 513]].concat();
    let short: [&[u8]; 8] = [&[], &[0], &[7], &[1], &[3], &[3, 0, 0, 0], &[3, 0, 0, 0, 0], &[3, 0, 0, 0, 0, 0]];
    let wrong: [&[u8]; 4] = [&[3, 0, 0, 0, 0, 5, b'x'], &[6, 0, 0, 0, 0, 1, 0xff], &[1, 2, 0, 0], &[1, 0, 0, 1]];
    for bytes in short.into_iter().chain(wrong).chain([&long_path[..], &long_text]) {
        assert_eq!(Message::parse(bytes), Err(Malformed), "{bytes:?}");
    }
}

#[test]
fn long_text_is_cut_at_a_character() {
    let answer = Answer { index: 0, why: Why::Io, text: "ä".repeat(400) };
    let Ok(Message::Failed(answer)) = Message::parse(&Message::Failed(answer).to_bytes()) else { panic!() };
    assert_eq!(answer.text, "ä".repeat(256));
}
