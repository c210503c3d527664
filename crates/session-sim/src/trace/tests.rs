use super::buffer::Buffer;
use super::*;

#[test]
fn a_datagram_is_a_line_for_people_and_a_record_for_tools() {
    let (text, events) = (Buffer::default(), Buffer::default());
    let mut trace = Trace::new(text.clone(), events.clone(), 7);
    let passage = Passage {
        at: Instant::from_micros(1_000_042),
        node: 1,
        source: Address::Opaque(5_u128.to_be_bytes()),
        destination: Address::Ip("10.0.0.1:9".parse().expect("an address")),
        length: 3,
        origin: Origin::Injected,
        is_first: true,
    };
    Observer::<()>::departed(&mut trace, &passage, &[0x80, 0, 0]);
    Observer::<()>::arriving(&mut trace, &(), &passage, &[0x40, 0, 0]);
    let discarded = Received::Discarded(session_core::DiscardReason::Malformed);
    Observer::<()>::arrived(&mut trace, &(), &passage, discarded);

    let text = String::from_utf8(text.take()).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[1], "1.000042 1 sent          3 5 > 10.0.0.1:9 Hello");
    assert_eq!(lines[2], "1.000042 1 received      3 5 > 10.0.0.1:9 forged data");
    assert_eq!(lines.len(), 4);
    let events = String::from_utf8(events.take()).expect("text");
    let records: Vec<_> = events.split_terminator('\n').collect();
    assert_eq!(records.len(), 4);
    for record in records {
        let json = record.strip_prefix('\u{1e}').expect("a separator");
        let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
        assert!(value.is_object());
    }
    assert!(events.contains(r#""time":1000.042,"name":"session:datagram_sent""#));
}
