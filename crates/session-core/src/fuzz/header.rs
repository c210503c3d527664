//! Any bytes as a datagram to an endpoint that knows nobody, and as everything a parser may be given.

use super::null::Null;
use super::{ALICE, BOB, Report, drain, endpoint, feed, limits, link};
use crate::time::Instant;
use crate::wire::parameters::PayloadOf;
use crate::wire::{
    ControlMessage, Finish, Frames, Hello, HelloHeader, Reply, TransportParameters, Writer, data_header,
};

/// Parses `data` in every way there is; what parses must write itself again. Then an endpoint gets it as a datagram.
pub fn header(data: &[u8]) -> Report {
    let mut report = Report::default();
    if let Ok(hello) = Hello::parse(data) {
        let header =
            HelloHeader { first_contact: hello.pattern.is_first_contact(), source: hello.source, psk_id: hello.psk_id };
        let mut written = data.to_vec();
        let layout = header.write(&mut written, hello.noise.len());
        assert!(
            layout.is_ok_and(|layout| written[layout.clear] == *hello.clear),
            "a Hello is not written as it was read"
        );
    }
    if let Ok(reply) = Reply::parse(data) {
        assert_eq!(reply.authenticated_by_mac1.len() + 32, data.len(), "bytes behind the marks");
    }
    if let Ok(finish) = Finish::parse(data) {
        assert!(finish.pattern.is_first_contact());
        assert_eq!(finish.authenticated_by_mac1.len() + 32, data.len(), "bytes behind the marks");
    }
    for id_length in 1..=8 {
        let Ok((id, number_offset)) = data_header::parse_protected(data, id_length) else { continue };
        assert_eq!((id.length(), number_offset), (id_length, 1 + id_length));
        let mut packet = data.to_vec();
        if let Ok(header) = data_header::unmask(&mut packet, number_offset, [0; 16]) {
            assert!(header.header_length < packet.len(), "a header longer than its packet");
        }
    }
    frames(data);
    let _ = ControlMessage::parse(data);
    let _ = TransportParameters::parse_payload(data, PayloadOf::Hello);
    let _ = TransportParameters::parse_payload(data, PayloadOf::Reply);

    let mut bob = endpoint(BOB, Null, limits());
    let now = Instant::from_micros(1);
    bob.set_pairing(Some(Instant::MAX), now);
    let _ = feed(&mut bob, data, link(BOB, ALICE), now, &mut report);
    drain(&mut bob, now, &mut report);
    report
}

/// Frames that parse are written in the same bytes.
fn frames(plaintext: &[u8]) {
    let mut written = plaintext.to_vec();
    let mut writer = Writer::new(&mut written);
    for frame in Frames::new(plaintext) {
        let Ok(frame) = frame else { break };
        let start = writer.position();
        assert!(frame.encode(&mut writer).is_ok(), "{frame:?} is not written");
        assert_eq!(writer.position() - start, frame.encoded_len(), "{frame:?}");
    }
    let length = writer.position();
    assert_eq!(written[..length], plaintext[..length], "frames are not written as they were read");
}
