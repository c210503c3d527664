use proptest::prelude::*;

use super::*;

fn answers() -> impl Strategy<Value = Answer> {
    (proptest::sample::select(&Why::ALL[..]), ".{0,40}").prop_map(|(why, text)| Answer { why, text })
}

fn messages() -> impl Strategy<Value = Message> {
    prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..=MAX_NAME), any::<u64>())
            .prop_map(|(name, length)| Message::Offer { name, length }),
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
    let offer = Message::Offer { name: b"ab".to_vec(), length: 258 };
    assert_eq!(offer.to_bytes(), [1, 0, 2, b'a', b'b', 0, 0, 0, 0, 0, 0, 1, 2]);
    let answer = Answer { why: Why::Collision, text: "no".to_owned() };
    assert_eq!(Message::Refuse(answer).to_bytes(), [3, 2, b'n', b'o']);
}

#[test]
fn unknown_kinds_classes_and_lengths_are_refused() {
    let long_name = [&[1, 4, 1][..], &[b'a'; 1025], &[0; 8]].concat();
    let long_text = [&[3, 1][..], &[b'a'; 513]].concat();
    let cases: [&[u8]; 9] = [&[], &[0], &[7], &[3], &[3, 0], &[3, 5, b'x'], &[6, 1, 0xff], &long_name, &long_text];
    for bytes in cases {
        assert_eq!(Message::parse(bytes), Err(Malformed), "{bytes:?}");
    }
}

#[test]
fn long_text_is_cut_at_a_character() {
    let answer = Answer { why: Why::Io, text: "ä".repeat(400) };
    let Ok(Message::Failed(answer)) = Message::parse(&Message::Failed(answer).to_bytes()) else { panic!() };
    assert_eq!(answer.text, "ä".repeat(256));
}
