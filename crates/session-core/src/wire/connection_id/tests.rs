use super::*;

#[test]
fn one_to_eight_bytes_are_an_id() {
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    for length in 0..=bytes.len() {
        let bytes = bytes.get(..length).unwrap_or_default();
        let id = ReceiverId::new(bytes);
        assert_eq!(id.is_some(), (1..=8).contains(&length));
        if let Some(id) = id {
            assert_eq!((id.as_bytes(), id.length()), (bytes, length));
        }
    }
}

#[test]
fn ids_of_different_length_differ() {
    assert_ne!(ReceiverId::new(&[0]), ReceiverId::new(&[0, 0]));
    assert_eq!(std::format!("{:?}", ReceiverId::new(&[0xAB, 1])), "Some(ReceiverId(ab01))");
}
