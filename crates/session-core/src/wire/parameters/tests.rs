#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use PayloadOf::{Hello, Reply};

fn parse(list: &[u8]) -> Result<TransportParameters, ParameterError> {
    TransportParameters::parse(list, Hello)
}

fn write(parameters: &TransportParameters) -> Vec<u8> {
    let mut out = [0; MAX_LENGTH];
    let mut writer = Writer::new(&mut out);
    parameters.write(&mut writer).unwrap();
    writer.written().to_vec()
}

fn payload(list: &[u8], padding: usize) -> Vec<u8> {
    let mut payload = u16::try_from(list.len()).unwrap().to_be_bytes().to_vec();
    payload.extend(list);
    payload.extend(vec![0; padding]);
    payload
}

fn sample() -> (TransportParameters, Vec<u8>) {
    let parameters = TransportParameters {
        receiver_id: ReceiverId::new(&[1, 2, 3]),
        node_type: 7,
        application: ApplicationProtocol::new(b"chat"),
        capabilities: 5,
        session_credit: 65_536,
        channel_credit: 16_384,
        control_credit: 2048,
        largest_message: 100,
        keepalive: Duration::from_secs(10),
        max_ack_delay: Duration::from_millis(20),
        largest_datagram: 1452,
        channel_limits: [64, 0, 1, 3],
        ids: 4,
    };
    let bytes = vec![
        0x01, 3, 1, 2, 3, 0x02, 1, 7, 0x03, 4, b'c', b'h', b'a', b't', 0x04, 1, 5, 0x06, 4, 0x80, 1, 0, 0, //
        0x08, 4, 0x80, 0, 0x40, 0, 0x0A, 2, 0x48, 0, 0x0C, 2, 0x40, 100, 0x0E, 2, 0x67, 0x10, //
        0x10, 1, 20, 0x12, 2, 0x45, 0xAC, 0x16, 5, 0x40, 64, 0, 1, 3, 0x18, 1, 4,
    ];
    (parameters, bytes)
}

#[test]
fn the_bytes_of_the_parameters_are_pinned() {
    let (parameters, bytes) = sample();
    assert_eq!(write(&parameters), bytes);
    assert_eq!(TransportParameters::parse(&bytes, Reply), Ok(parameters));
}

#[test]
fn defaults_are_absent_and_may_be_written() {
    let default = TransportParameters::default();
    assert_eq!(write(&default), []);
    assert_eq!(parse(&[]), Ok(default));
    assert_eq!(parse(&[0x02, 1, 0, 0x0A, 2, 0x44, 0, 0x10, 1, 25]), Ok(default));
}

#[test]
fn a_payload_is_padded_with_zeros() {
    let (parameters, bytes) = sample();
    for padding in [0, 1, 500] {
        let expected = payload(&bytes, padding);
        let mut out = vec![0xFF; expected.len()];
        parameters.write_payload(&mut out).unwrap();
        assert_eq!(out, expected);
        assert_eq!(TransportParameters::parse_payload(&out, Reply), Ok(parameters));
    }
    let short = bytes.len() + LENGTH_FIELD - 1;
    assert_eq!(parameters.write_payload(&mut vec![0; short]), Err(WriteError::NoRoom));
    assert_eq!(parameters.write_payload(&mut [0]), Err(WriteError::NoRoom));
}

//= docs/protocol.md P-4.3-1
#[test]
fn malformed_parameters_are_refused() {
    let (_, bytes) = sample();
    let parse_payload = |payload: &[u8]| TransportParameters::parse_payload(payload, Reply);
    for length in 0..bytes.len() + LENGTH_FIELD {
        assert_eq!(parse_payload(&payload(&bytes, 0)[..length]), Err(ParameterError::Encoding));
    }
    // An unknown even parameter that makes the list 256 and 257 bytes long.
    let long = |length: usize| {
        let mut list = vec![0x01, 1, 9, 0x20];
        list.extend(u16::try_from(length - 6).unwrap().to_be_bytes());
        list[4] |= 0x40;
        list.resize(length, 0xFF);
        list
    };
    assert!(parse_payload(&payload(&long(256), 0)).is_ok());
    assert_eq!(parse_payload(&payload(&long(257), 0)), Err(ParameterError::TooLong));
    assert_eq!(TransportParameters::parse(&long(257), Reply), Err(ParameterError::TooLong));
    assert_eq!(parse(&[0x04, 1, 1, 0x04, 1, 1]), Err(ParameterError::Order));
    assert_eq!(parse(&[0x06, 1, 1, 0x04, 1, 1]), Err(ParameterError::Order));
    assert_eq!(parse(&[0x06, 2, 1]), Err(ParameterError::Encoding));
    assert_eq!(parse(&[0x40, 0x06, 1, 1]), Err(ParameterError::Encoding));
    let mut dirty = payload(&bytes, 9);
    *dirty.last_mut().unwrap() = 1;
    assert_eq!(parse_payload(&dirty), Err(ParameterError::Padding));
}

//= docs/protocol.md P-4.3-1
#[test]
fn parameters_out_of_range_are_refused() {
    let mut long_name = vec![0x03, 0x40, 65];
    long_name.extend([b'a'; 65]);
    for list in [
        &[0x01, 0][..],
        &[0x01, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        &[0x02, 0],
        &[0x02, 2, 1, 1],
        &[0x03, 0],
        &long_name,
        &[0x04, 0],
        &[0x06, 2, 1, 1],
        &[0x06, 2, 0x40, 1],
        &[0x0E, 1, 0],
        &[0x0E, 4, 0x80, 0x36, 0xEE, 0x81],
        &[0x10, 2, 0x43, 0xE9],
        &[0x12, 2, 0x40, 0xFF],
        &[0x16, 3, 1, 1, 1],
        &[0x16, 5, 1, 1, 1, 1, 1],
        // 2^58 + 1 channels.
        &[0x16, 11, 0xC4, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1],
    ] {
        assert_eq!(parse(list), Err(ParameterError::Range), "{list:?}");
    }
    for list in [
        &[0x0E, 1, 1][..],
        &[0x0E, 4, 0x80, 0x36, 0xEE, 0x80],
        &[0x10, 2, 0x43, 0xE8],
        &[0x12, 2, 0x41, 0],
        &[0x16, 4, 1, 0, 0, 9],
    ] {
        assert!(parse(list).is_ok(), "{list:?}");
    }
    assert_eq!(parse(&[0x01, 1, 9]), Err(ParameterError::Misplaced));
    assert_eq!(TransportParameters::parse(&[], Reply), Err(ParameterError::Missing));
}

//= docs/protocol.md P-4.3-2
#[test]
fn unknown_odd_ids_are_refused_and_even_ones_ignored() {
    for id in [0x05, 0x07, 0x09, 0x0B, 0x0D, 0x0F, 0x11, 0x13, 0x15, 0x17, 0x3F] {
        assert_eq!(parse(&[id, 1, 0]), Err(ParameterError::UnknownCritical));
    }
    for id in [0x00, 0x1A, 0x1C, 0x3E] {
        assert_eq!(parse(&[id, 1, 0]), Ok(TransportParameters::default()));
    }
}

//= docs/protocol.md P-4.3-5
#[test]
fn reserved_parameters_are_ignored() {
    let mut list = vec![0x14, 16];
    list.extend([1; 16]);
    assert_eq!(parse(&list), Ok(TransportParameters::default()));
}

#[test]
fn what_the_peer_would_refuse_is_not_written() {
    let default = TransportParameters::default();
    for parameters in [
        TransportParameters { keepalive: Duration::ZERO, ..default },
        TransportParameters { keepalive: Duration::from_micros(1500), ..default },
        TransportParameters { keepalive: Duration::MAX, ..default },
        TransportParameters { max_ack_delay: Duration::from_millis(1001), ..default },
        TransportParameters { largest_datagram: 255, ..default },
        TransportParameters { capabilities: u64::MAX, ..default },
    ] {
        let mut out = [0; MAX_LENGTH];
        let mut writer = Writer::new(&mut out);
        assert_eq!(parameters.write(&mut writer), Err(WriteError::OutOfRange));
        assert_eq!(writer.position(), 0);
    }
}

proptest! {
    #[test]
    fn values_read_back(
        id in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..=8)),
        name in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..=64)),
        node_type in any::<u8>(),
        numbers in any::<[u64; 6]>(),
        keepalive in 1..=MAX_KEEPALIVE,
        max_ack_delay in 0..=MAX_ACK_DELAY,
        shift in 2_u32..64,
    ) {
        let [capabilities, session_credit, channel_credit, control_credit, largest_message, largest] =
            numbers.map(|number| number >> shift);
        let parameters = TransportParameters {
            receiver_id: id.as_deref().and_then(ReceiverId::new),
            node_type,
            application: name.as_deref().and_then(ApplicationProtocol::new),
            capabilities,
            session_credit,
            channel_credit,
            control_credit: control_credit.max(MIN_CONTROL_CREDIT),
            largest_message,
            keepalive: Duration::from_millis(keepalive),
            max_ack_delay: Duration::from_millis(max_ack_delay),
            largest_datagram: largest.max(256),
            channel_limits: [largest, 0, 1, session_credit].map(|count| count % (ChannelId::MOST_DYNAMIC + 1)),
            ids: (node_type % MAX_IDS).saturating_add(1),
        };
        let of = if id.is_some() { Reply } else { Hello };
        let mut out = [0; 300];
        parameters.write_payload(&mut out).unwrap();
        prop_assert_eq!(TransportParameters::parse_payload(&out, of), Ok(parameters));
        prop_assert_eq!(parameters.application.map(|name| name.as_bytes().to_vec()), name);
    }

    #[test]
    fn a_changed_payload_never_panics_and_what_parses_reads_back(
        changes in proptest::collection::vec((0_usize..60, any::<u8>()), 0..4),
        cut in 0_usize..80,
    ) {
        let mut bytes = payload(&sample().1, 4);
        for (index, byte) in changes {
            if let Some(place) = bytes.get_mut(index) {
                *place = byte;
            }
        }
        bytes.truncate(cut);
        for of in [Hello, Reply] {
            if let Ok(parameters) = TransportParameters::parse_payload(&bytes, of) {
                prop_assert_eq!(TransportParameters::parse(&write(&parameters), of), Ok(parameters));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = TransportParameters::parse_payload(&bytes, Hello);
        let _ = TransportParameters::parse(&bytes, Reply);
    }
}
