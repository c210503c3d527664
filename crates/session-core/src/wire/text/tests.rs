use super::*;

//= docs/protocol.md P-6-5
#[test]
fn a_text_is_at_most_128_bytes_of_utf_8() {
    assert_eq!(Text::parse(&[b'a'; 128]).map(|text| text.length()), Some(128));
    assert_eq!(Text::parse(&[b'a'; 129]), None);
    assert_eq!(Text::parse(&[0xFF]), None);
    assert_eq!(Text::parse(&[0xC3]), None, "a character cut short");
    assert_eq!(Text::parse("é".as_bytes()).map(Text::as_str), Some("é"));
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let long = "é".repeat(70);
    assert_eq!(Text::truncated(&long).as_str(), "é".repeat(64));
    let odd = std::format!("a{long}");
    assert_eq!(Text::truncated(&odd).as_bytes().len(), 127);
    assert_eq!(Text::truncated("short").as_str(), "short");
}
