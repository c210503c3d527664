use super::*;

#[test]
fn text_is_cut_between_characters() {
    let long = "é".repeat(100);
    let text = Text::cut(&long);
    assert_eq!(text.as_str().len(), 128);
    assert_eq!(Text::cut(&std::format!("a{long}")).as_str().len(), 127);
}

#[test]
fn reasons_stand_at_their_position() {
    for (position, reason) in DiscardReason::ALL.iter().copied().enumerate() {
        assert_eq!(reason as usize, position);
    }
}
