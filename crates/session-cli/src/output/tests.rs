use proptest::prelude::*;

use super::*;

#[test]
fn fields_stand_in_the_order_in_which_they_were_added() {
    let event = Event::new("x").text("a", "b\"c\\d\n\u{202e}ä").number("n", u64::MAX).decimal("d", Some(1.23456));
    let line = event.decimal("none", None).decimal("nan", Some(f64::NAN)).finish();
    let expected =
        r#"{"event":"x","a":"b\"c\\d\u000a\u202eä","n":18446744073709551615,"d":1.235,"none":null,"nan":null}"#;
    assert_eq!(line, expected);
}

proptest! {
    #[test]
    fn any_text_comes_back(text: String) {
        let line = Event::new("x").text("field", &text).finish();
        prop_assert_eq!(line.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value["field"].as_str(), Some(text.as_str()));
    }
}
